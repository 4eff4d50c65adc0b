#include "worker/names.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/siphash.h"

#define BUCKETS 4096	 /* a power of two */
#define FULL_NS (20 * NSEC_PER_MSEC) /* a question that found the channel full is sent again */
#define ANSWERS_MAX 1024 /* taken in one go: a resolver that floods us must not keep the loop */

struct link {
	struct entry *next, *prev;
};

enum list { LIST_USED, LIST_WAITING, LISTS };

struct entry {
	struct entry *chain;	 /* the next one in its bucket */
	struct link link[LISTS]; /* LIST_USED: all, by last use; LIST_WAITING: those with a question under way */
	uint64_t id;		 /* of the question under way; 0: none.  Its low bits are the bucket */
	uint64_t asked, again;	 /* ns: when the question began; when it is to be sent again */
	uint64_t until;		 /* ns: what we have, good or bad, is believed so long */
	struct name_answer answer; /* count 0: there never was a good one */
	uint16_t port;
	uint8_t protocol;
	uint8_t host_len;
	char host[RESOLVE_NAME_MAX];
};

struct names {
	int fd;
	uint64_t incarnation;
	uint64_t last_id; /* counts questions */
	uint64_t due;	  /* when names_tick has something to do */
	size_t count;
	struct siphash_key key;
	struct entry *first[LISTS], *last[LISTS];
	struct entry *bucket[BUCKETS];
};

struct names *names_new(int fd, uint64_t incarnation)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->fd = fd;
	n->incarnation = incarnation;
	n->due = UINT64_MAX;
	/* Hosts come from the configuration: they need spreading, not secrecy. */
	memcpy(n->key.k, &incarnation, sizeof(incarnation));
	return n;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	for (struct entry *e = n->first[LIST_USED], *next; e; e = next) {
		next = e->link[LIST_USED].next;
		free(e);
	}
	free(n);
}

/* ---- lists ---- */

static void push(struct names *n, enum list l, struct entry *e)
{
	e->link[l] = (struct link){ .prev = n->last[l] };
	if (n->last[l])
		n->last[l]->link[l].next = e;
	else
		n->first[l] = e;
	n->last[l] = e;
}

static void take(struct names *n, enum list l, struct entry *e)
{
	struct link *k = &e->link[l];

	if (k->prev)
		k->prev->link[l].next = k->next;
	else
		n->first[l] = k->next;
	if (k->next)
		k->next->link[l].prev = k->prev;
	else
		n->last[l] = k->prev;
	*k = (struct link){ 0 };
}

/* ---- entries ---- */

static size_t bucket_of(const struct names *n, struct span host, uint16_t port, uint8_t protocol)
{
	const uint8_t rest[3] = { (uint8_t)(port >> 8), (uint8_t)port, protocol };
	struct siphash_state s;

	siphash_begin(&s, &n->key);
	siphash_add(&s, rest, sizeof(rest));
	siphash_add(&s, host.p, host.len);
	return siphash_end(&s) % BUCKETS;
}

static size_t bucket_of_entry(const struct names *n, const struct entry *e)
{
	return bucket_of(n, span_of(e->host, e->host_len), e->port, e->protocol);
}

static void forget(struct names *n, struct entry *e)
{
	struct entry **p = &n->bucket[bucket_of_entry(n, e)];

	while (*p != e)
		p = &(*p)->chain;
	*p = e->chain;
	if (e->id)
		take(n, LIST_WAITING, e);
	take(n, LIST_USED, e);
	n->count--;
	free(e);
}

static struct entry *find(struct names *n, size_t bucket, struct span host, uint16_t port, uint8_t protocol)
{
	for (struct entry *e = n->bucket[bucket]; e; e = e->chain)
		if (e->port == port && e->protocol == protocol && span_eq(span_of(e->host, e->host_len), host))
			return e;
	return NULL;
}

static struct entry *add(struct names *n, size_t bucket, struct span host, uint16_t port, uint8_t protocol)
{
	struct entry *e;

	if (n->count == NAMES_MAX)
		forget(n, n->first[LIST_USED]);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->port = port;
	e->protocol = protocol;
	e->host_len = (uint8_t)host.len;
	memcpy(e->host, host.p, host.len);
	e->chain = n->bucket[bucket];
	n->bucket[bucket] = e;
	push(n, LIST_USED, e);
	n->count++;
	return e;
}

/* ---- questions ---- */

/* False: the channel is full, and names_tick will soon send it again. */
static bool send_question(struct names *n, struct entry *e, uint64_t now)
{
	struct resolve_question q = { .incarnation = n->incarnation, .id = e->id, .port = e->port, .protocol = e->protocol,
		.host_len = e->host_len };

	memcpy(q.host, e->host, e->host_len);
	if (send(n->fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(q)) {
		e->again = now + NAMES_RESEND_NS;
		return true;
	}
	e->again = now + FULL_NS;
	return false;
}

static void begin_question(struct names *n, struct entry *e, uint64_t now)
{
	e->id = ++n->last_id * BUCKETS + bucket_of_entry(n, e);
	e->asked = now;
	push(n, LIST_WAITING, e);
	(void)send_question(n, e, now); /* names_tick will see to it */
	n->due = MIN(n->due, e->again);
}

/* The question has ended; what is there is to be used until then. */
static void end_question(struct names *n, struct entry *e, uint64_t until)
{
	take(n, LIST_WAITING, e);
	e->id = 0;
	e->until = until;
}

/* An address needs no question. */
static bool literal(struct span host, uint16_t port, enum image_protocol protocol, struct name_answer *out)
{
	uint8_t addr[16];

	if (!addr_parse(host, addr))
		return false;
	*out = (struct name_answer){ .count = 1 };
	memcpy(out->target[0].addr, addr, sizeof(addr));
	out->target[0].port = port ? port : resolve_default_port((uint8_t)protocol);
	return true;
}

enum names_status names_ask(struct names *n, struct span host, uint16_t port, enum image_protocol protocol, uint64_t now_ns,
    struct name_answer *out)
{
	struct entry *e;
	size_t bucket;

	if (literal(host, port, protocol, out))
		return NAMES_READY;
	if (host.len == 0 || host.len > RESOLVE_NAME_MAX)
		return NAMES_FAILED;
	bucket = bucket_of(n, host, port, (uint8_t)protocol);
	e = find(n, bucket, host, port, (uint8_t)protocol);
	if (e) {
		take(n, LIST_USED, e);
		push(n, LIST_USED, e);
	} else {
		e = add(n, bucket, host, port, (uint8_t)protocol);
	}
	if (!e)
		return NAMES_FAILED;
	if (!e->id && e->until <= now_ns)
		begin_question(n, e, now_ns);
	if (e->answer.count) {
		*out = e->answer;
		return NAMES_READY;
	}
	return e->id ? NAMES_PENDING : NAMES_FAILED;
}

/* ---- answers ---- */

static bool same_targets(const struct name_answer *a, const struct name_answer *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->target[i].port != b->target[i].port || memcmp(a->target[i].addr, b->target[i].addr, 16) != 0)
			return false;
	return true;
}

/* True: the entry's callers see something else than before. */
static bool take_answer(struct names *n, const struct resolve_answer *a, uint64_t now)
{
	struct entry *e = n->bucket[a->id % BUCKETS];
	struct name_answer new = { .count = a->count };

	while (e && e->id != a->id)
		e = e->chain;
	if (!e || a->incarnation != n->incarnation || a->id == 0)
		return false; /* of one who was here before us, or forgotten meanwhile */
	end_question(n, e, now + a->ttl * NSEC_PER_SEC);
	if (a->status != RESOLVE_FOUND)
		return e->answer.count == 0; /* a good one, however old, is better */
	for (uint32_t i = 0; i < a->count; i++) {
		memcpy(new.target[i].addr, a->target[i].addr, sizeof(new.target[i].addr));
		new.target[i].port = a->target[i].port;
	}
	if (same_targets(&e->answer, &new))
		return false;
	e->answer = new;
	return true;
}

bool names_on_event(struct names *n, uint64_t now_ns)
{
	struct resolve_answer a;
	bool changed = false;

	for (int i = 0; i < ANSWERS_MAX; i++) {
		ssize_t got = recv(n->fd, &a, sizeof(a), MSG_DONTWAIT | MSG_TRUNC);

		if (got < 0)
			break;
		if (resolve_answer_ok(&a, (size_t)got))
			changed = take_answer(n, &a, now_ns) || changed;
	}
	return changed;
}

/* ---- time ---- */

bool names_tick(struct names *n, uint64_t now_ns, uint64_t *due)
{
	bool changed, room = true;

	if (n->due > now_ns) {
		*due = n->due;
		return false;
	}
	changed = names_on_event(n, now_ns); /* what a flood has left behind */
	n->due = UINT64_MAX;
	for (struct entry *e = n->first[LIST_WAITING], *next; e; e = next) {
		next = e->link[LIST_WAITING].next;
		if (e->asked + NAMES_TIMEOUT_NS <= now_ns) {
			end_question(n, e, now_ns + NAMES_RETRY_NS);
			changed = changed || e->answer.count == 0;
			continue;
		}
		if (e->again <= now_ns && room)
			room = send_question(n, e, now_ns);
		else if (e->again <= now_ns)
			e->again = now_ns + FULL_NS; /* behind that one */
		n->due = MIN(n->due, MIN(e->again, e->asked + NAMES_TIMEOUT_NS));
	}
	*due = n->due;
	return changed;
}
