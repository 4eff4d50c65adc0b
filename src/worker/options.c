#include "worker/options.h"

#include "common/put.h"
#include "worker/accept.h"
#include "worker/hop.h"

#define OPTIONS_MAX 2048

bool options_send(struct worker *w, struct conn *c, const struct options *what)
{
	static const struct span transport[] = { [PROTO_TLS] = { "TLS ", 4 }, [PROTO_TCP] = { "TCP ", 4 }, [PROTO_UDP] = { "UDP ", 4 } };
	struct hop_end end = hop_end_of(w, c);
	struct span shown = end.listener ? span_of(end.listener->shown, end.listener->shown_len) : SPAN("sipward.invalid");
	char *room = conn_queued(c) > w->img->settings->queue_bytes ? NULL : conn_room(c, OPTIONS_MAX);
	struct put o = put_into(room, room ? OPTIONS_MAX : 0);

	put_span(&o, SPAN("OPTIONS "));
	put_span(&o, what->uri);
	put_span(&o, SPAN(" SIP/2.0\r\nVia: SIP/2.0/"));
	put_span(&o, transport[end.protocol]);
	put_span(&o, shown);
	put_span(&o, SPAN(";branch="));
	put_span(&o, what->branch);
	put_span(&o, SPAN("\r\nMax-Forwards: 70\r\nFrom: <sip:"));
	put_span(&o, shown);
	put_span(&o, SPAN(">;tag="));
	put_hex(&o, what->run);
	put_span(&o, SPAN("\r\nTo: <"));
	put_span(&o, what->uri);
	put_span(&o, SPAN(">\r\nCall-ID: "));
	put_hex(&o, what->run);
	put_hex(&o, w->h->incarnation);
	put_span(&o, SPAN("\r\nCSeq: "));
	put_uint(&o, what->number & INT32_MAX);
	put_span(&o, SPAN(" OPTIONS\r\nContent-Length: 0\r\n\r\n"));
	if (!put_done(&o).len)
		return false;
	conn_written(w, c, put_done(&o).len);
	return true;
}
