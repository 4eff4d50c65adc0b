/* handover: a generation in parts arrives as it was sent, and what does not fit is refused without a leak. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/handover.h"
#include "support/leaks.h"

TestSuite(handover, .fini = leaks_check);

#define ROWS 1000

static int fds[2];
static struct ctl_msg out, in;
static struct heritage_socket table[ROWS];
static bool fresh[ROWS];

static int open_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

static size_t fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Rows whose fields tell their number; every third one is new. */
static void make_table(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fresh[i] = i % 3 == 0;
		table[i] = (struct heritage_socket){ .fd = fresh[i] ? open_fd() : 100000, .listener = (uint32_t)i,
			.worker = (uint32_t)(i % 7), .port = (uint16_t)i, .id = i * 10 };
	}
}

static void close_table(size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fresh[i])
			close(table[i].fd);
}

/* Everything through a real channel, part by part; the answer of the last part. */
static int pass(struct handover *h, size_t count, bool worker, size_t *parts)
{
	int image = open_fd(), keys = open_fd(), rc = 0;
	size_t next = 0;

	cr_assert_eq(ctl_pair(fds), 0);
	out = (struct ctl_msg){ .ok = 0 };
	*parts = 0;
	do {
		handover_part(&out, 42, image, worker ? keys : -1, table, worker ? fresh : NULL, count, &next);
		cr_assert_eq(ctl_send(fds[0], &out), 0);
		cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 1);
		rc = handover_take(h, &in, worker);
		++*parts;
		cr_assert_eq(rc, out.ok ? 1 : 0, "part %zu", *parts);
	} while (!out.ok);
	close(image);
	close(keys);
	close(fds[0]);
	close(fds[1]);
	return rc;
}

Test(handover, arrives_whole)
{
	static const struct {
		size_t rows, parts;
	} cases[] = { { 0, 1 }, { 1, 1 }, { 341, 1 }, { 342, 2 }, { ROWS, 3 } };

	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct handover h = { .begun = false };
		size_t before = fd_count(), parts;

		make_table(cases[c].rows);
		cr_assert_eq(pass(&h, cases[c].rows, true, &parts), 1);
		cr_assert_eq(parts, cases[c].parts, "%zu rows", cases[c].rows);
		cr_assert_eq(h.generation, 42);
		cr_assert_geq(h.image_fd, 0);
		cr_assert_geq(h.keys_fd, 0);
		cr_assert_eq(h.count, cases[c].rows);
		for (size_t i = 0; i < h.count; i++) {
			cr_assert_eq(h.sockets[i].fd >= 0, fresh[i], "row %zu", i);
			cr_assert_eq(h.sockets[i].id, i * 10, "row %zu", i);
			cr_assert_eq(h.sockets[i].listener, i, "row %zu", i);
			cr_assert_eq(h.sockets[i].worker, i % 7, "row %zu", i);
		}
		handover_drop(&h);
		close_table(cases[c].rows);
		cr_assert_eq(fd_count(), before, "%zu rows: nothing stays open", cases[c].rows);
	}
}

Test(handover, more_new_sockets_than_a_message_holds)
{
	struct handover h = { .begun = false };
	size_t parts;

	make_table(250);
	for (size_t i = 0; i < 250; i++)
		if (!fresh[i]) {
			fresh[i] = true;
			table[i].fd = open_fd();
		}
	cr_assert_eq(pass(&h, 250, true, &parts), 1);
	cr_assert_eq(parts, 2, "198 sockets beside image and keys, then the others");
	for (size_t i = 0; i < 250; i++)
		cr_assert_geq(h.sockets[i].fd, 0, "row %zu", i);
	handover_drop(&h);
	close_table(250);
}

Test(handover, the_admin_gets_no_keys_and_no_sockets)
{
	struct handover h = { .begun = false };
	size_t parts;

	make_table(9);
	cr_assert_eq(pass(&h, 9, false, &parts), 1);
	cr_assert_geq(h.image_fd, 0);
	cr_assert_eq(h.keys_fd, -1);
	cr_assert_eq(h.count, 9);
	for (size_t i = 0; i < h.count; i++)
		cr_assert_eq(h.sockets[i].fd, -1, "row %zu", i);
	handover_drop(&h);
	close_table(9);
}

/* What is sent before, and the part itself. */
struct bad {
	const char *why;
	bool after_first; /* a good part 0, not the last, has come */
	bool worker;
	uint64_t arg, generation;
	uint32_t fd_count, text_len;
	int row_fd;
};

static const struct bad bads[] = {
	{ "no image", false, true, 0, 1, 0, 0, -1 },
	{ "no keys", false, true, 0, 1, 1, 0, -1 },
	{ "no image for the admin", false, false, 0, 1, 0, 0, -1 },
	{ "begins in the middle", false, true, 1, 1, 0, 0, -1 },
	{ "begins twice", true, true, 0, 1, 2, 0, -1 },
	{ "a part is missing", true, true, 2, 1, 0, 0, -1 },
	{ "of another generation", true, true, 1, 2, 0, 0, -1 },
	{ "half a row", true, true, 1, 1, 0, sizeof(struct heritage_socket) - 1, -1 },
	{ "a socket that did not come", true, true, 1, 1, 0, sizeof(struct heritage_socket), 0 },
	{ "the image as a socket", false, true, 0, 1, 2, sizeof(struct heritage_socket), 0 },
	{ "a socket for the admin", false, false, 0, 1, 2, sizeof(struct heritage_socket), 1 },
};

Test(handover, refuses)
{
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		const struct bad *b = &bads[i];
		struct heritage_socket row = { .fd = b->row_fd };
		struct handover h = { .begun = false };
		size_t before = fd_count();

		if (b->after_first) {
			in = (struct ctl_msg){ .generation = 1, .fd_count = 2, .fds = { open_fd(), open_fd() } };
			cr_assert_eq(handover_take(&h, &in, b->worker), 0, "%s", b->why);
		}
		in = (struct ctl_msg){ .ok = 1, .arg = b->arg, .generation = b->generation, .text_len = b->text_len };
		for (in.fd_count = 0; in.fd_count < b->fd_count; in.fd_count++)
			in.fds[in.fd_count] = open_fd();
		memcpy(in.text, &row, sizeof(row));
		cr_assert_eq(handover_take(&h, &in, b->worker), -EPROTO, "%s", b->why);
		handover_drop(&h);
		cr_assert_eq(fd_count(), before, "%s: nothing stays open", b->why);
	}
}
