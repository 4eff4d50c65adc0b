/* blocks_file: what is written is read again; anything else is an error that names the file. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/blocks_file.h"
#include "support/leaks.h"

TestSuite(blocks_file, .fini = leaks_check);

static char dir[64], path[96];

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/sipward-blocks-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/blocks.json", dir);
}

static void remove_dir(void)
{
	unlink(path);
	cr_assert_eq(rmdir(dir), 0, "nothing else is left in the folder");
}

static void put_file(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

Test(blocks_file, comes_back_as_it_was)
{
	struct blocks_copy *out = calloc(1, sizeof(*out)), *in = calloc(1, sizeof(*in));
	char why[BLOCKS_WHY_MAX] = "";
	struct stat st;

	make_dir();
	cr_assert_eq(blocks_file_read(dir, in, why), 0, "there is none: %s", why);
	cr_assert_eq(in->count, 0);
	out->count = 3;
	for (uint32_t i = 0; i < out->count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%sd%u.example", i == 1 ? "*." : "", i);
		out->row[i] = (struct block){ .since = 1700000000 + i, .until = i == 2 ? BLOCK_NO_END : 1800000000, .uid = UINT32_MAX, .pid = i };
		cr_assert(block_set(&out->row[i], span_str(name), i ? SPAN("\"quoted\" \xc3\xa4\\") : SPAN_NONE));
	}
	for (int again = 0; again < 2; again++)
		cr_assert_eq(blocks_file_write(dir, out, why), 0, "%s", why);
	cr_assert_eq(blocks_file_read(dir, in, why), 0, "%s", why);
	cr_assert_eq(memcmp(in, out, sizeof(*in)), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	remove_dir();
	free(in);
	free(out);
}

#define ROW "{\"domain\":\"a.example\",\"since\":1,\"until\":null,\"uid\":0,\"pid\":1,\"reason\":\"\"}"
#define FILE_OF(rows) "{\"version\":1,\"blocks\":[" rows "]}"

Test(blocks_file, anything_else_is_refused)
{
	static const char *const bad[] = {
		"", "{", "[]", "null", "\x01\x02", "{\"version\":1}", "{\"version\":2,\"blocks\":[]}", "{\"version\":1,\"blocks\":{}}",
		"{\"version\":1,\"blocks\":[],\"more\":1}", "{\"version\":1,\"version\":1,\"blocks\":[]}", FILE_OF("1"),
		FILE_OF(ROW "," ROW), FILE_OF(ROW) "x", FILE_OF("{\"domain\":\"a.example\"}"),
		FILE_OF("{\"domain\":\"a b\",\"since\":1,\"until\":null,\"uid\":0,\"pid\":1,\"reason\":\"\"}"),
		FILE_OF("{\"domain\":\"a.example\",\"since\":1,\"until\":\"x\",\"uid\":0,\"pid\":1,\"reason\":\"\"}"),
		FILE_OF("{\"domain\":\"a.example\",\"since\":1,\"until\":1e9,\"uid\":0,\"pid\":1,\"reason\":\"\"}"),
		FILE_OF("{\"domain\":\"a.example\",\"since\":-1,\"until\":null,\"uid\":0,\"pid\":1,\"reason\":\"\"}"),
		FILE_OF("{\"domain\":\"a.example\",\"since\":1,\"until\":null,\"uid\":4294967296,\"pid\":1,\"reason\":\"\"}"),
		FILE_OF("{\"domain\":\"a.example\",\"since\":1,\"until\":null,\"uid\":0,\"pid\":1,\"reason\":\"a\\nb\"}"),
		FILE_OF("{\"domain\":\"a.example\",\"since\":1,\"until\":null,\"uid\":0,\"pid\":1,\"Reason\":\"\"}"),
	};
	struct blocks_copy *in = calloc(1, sizeof(*in));

	make_dir();
	put_file(FILE_OF(ROW), strlen(FILE_OF(ROW)));
	cr_assert_eq(blocks_file_read(dir, in, (char[BLOCKS_WHY_MAX]){ "" }), 0, "the rows below differ from a good one");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char why[BLOCKS_WHY_MAX] = "";

		in->count = 0;
		put_file(bad[i], strlen(bad[i]));
		cr_assert_eq(blocks_file_read(dir, in, why), -1, "%s", bad[i]);
		cr_assert(strstr(why, path), "%s: %s", bad[i], why);
	}
	remove_dir();
	free(in);
}

/* Written without the last k bytes, by whoever: never half of the blocks. */
Test(blocks_file, no_part_of_it_will_do)
{
	struct blocks_copy *in = calloc(1, sizeof(*in));
	const char whole[] = FILE_OF(ROW);

	make_dir();
	for (size_t n = 0; n < strlen(whole); n++) {
		put_file(whole, n);
		cr_assert_eq(blocks_file_read(dir, in, (char[BLOCKS_WHY_MAX]){ "" }), -1, "%zu bytes", n);
	}
	remove_dir();
	free(in);
}

Test(blocks_file, where_it_cannot_be)
{
	struct blocks_copy *c = calloc(1, sizeof(*c));
	char why[BLOCKS_WHY_MAX] = "", deep[128];

	make_dir();
	snprintf(deep, sizeof(deep), "%s/x/y", dir);
	cr_assert_eq(blocks_file_write(deep, c, why), -1, "only the last folder is made");
	cr_assert(strstr(why, deep), "%s", why);
	cr_assert_eq(symlink("/dev/null", path), 0);
	cr_assert_eq(blocks_file_read(dir, c, why), -1, "no link is followed");
	cr_assert_eq(blocks_file_write(dir, c, why), 0, "and one is replaced: %s", why);
	cr_assert_eq(blocks_file_read(dir, c, why), 0);
	unlink(path);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(blocks_file_read(dir, c, why), -1);
	cr_assert_eq(blocks_file_write(dir, c, why), -1);
	cr_assert_eq(rmdir(path), 0);
	remove_dir();
	free(c);
}
