/* sample - a request as peers send it. */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

static const char sample_options[] = "OPTIONS sip:+4930123456@core.example:5061;user=phone;transport=tls SIP/2.0\r\n"
			      "Via: SIP/2.0/TLS edge7.partner.example:5061;branch=z9hG4bK-524287-1-f00dcafe;rport\r\n"
			      "Max-Forwards: 70\r\n"
			      "From: \"Alice Example\" <sip:alice@partner.example>;tag=9fxced76sl\r\n"
			      "To: <sip:+4930123456@core.example;user=phone>\r\n"
			      "Call-ID: 3848276298220188511@edge7.partner.example\r\n"
			      "CSeq: 1711 OPTIONS\r\n"
			      "Contact: <sip:alice@edge7.partner.example:5061;transport=tls>\r\n"
			      "Accept: application/sdp, application/pidf+xml\r\n"
			      "User-Agent: sipward-load/1\r\n"
			      "P-Asserted-Identity: <sip:alice@partner.example>\r\n"
			      "Content-Length: 0\r\n"
			      "\r\n";

#endif
