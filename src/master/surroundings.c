#include "master/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTROL_BACKLOG 64

int surroundings_std_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	(void)close(fd); /* it was one more than needed */
	return 0;
}

size_t surroundings_open_files(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 1024;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) != 0 && getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 1024;
	return lim.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)lim.rlim_cur;
}

void surroundings_locked_memory(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &lim) == 0 || getrlimit(RLIMIT_MEMLOCK, &lim) != 0)
		return;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &lim); /* what we have, then */
}

/* ---- pid file ---- */

static bool still_ours(const char *path, int fd)
{
	struct stat by_name, by_fd;

	return stat(path, &by_name) == 0 && fstat(fd, &by_fd) == 0 && by_name.st_ino == by_fd.st_ino &&
	       by_name.st_dev == by_fd.st_dev;
}

static void explain_held(const char *path, int fd, char why[static 512])
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		n = 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(why, 512, "another sipward (pid %s) holds the pid file %s", text, path);
}

int pid_file_take(const char *path, char why[static 512])
{
	char text[32];
	int fd, len;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0) {
			(void)snprintf(why, 512, "cannot open the pid file %s: %s", path, strerror(errno));
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			explain_held(path, fd, why);
			break;
		}
		if (!still_ours(path, fd)) { /* its last holder has removed it between our open and our lock */
			(void)close(fd);     /* not ours to use */
			continue;
		}
		len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
		if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len)
			return fd;
		(void)snprintf(why, 512, "cannot write the pid file %s: %s", path, strerror(errno));
		break;
	}
	(void)close(fd); /* the reason is in why */
	return -1;
}

void pid_file_remove(const char *path, int fd)
{
	if (fd < 0)
		return;
	if (still_ours(path, fd))
		(void)unlink(path); /* a left-over file does no harm: the lock is what counts */
	(void)close(fd);	    /* after the unlink: nobody may lock what we remove */
}

/* ---- control socket ---- */

/* Only the last folder: a missing /run is not ours to make. */
static void make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	(void)snprintf(folder, sizeof(folder), "%s", path); /* its length is checked */
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = '\0';
	(void)mkdir(folder, 0755); /* bind tells what is wrong */
}

/* Does somebody listen there? */
static bool answered(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes;

	if (fd < 0)
		return true; /* not known: leave it alone */
	yes = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
	      (errno != ECONNREFUSED && errno != ENOENT);
	(void)close(fd); /* nothing was said */
	return yes;
}

static int bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t mask = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : -errno;

	(void)umask(mask); /* cannot fail */
	return rc;
}

int control_socket_open(const char *path, char why[static 512])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, rc = 0;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		(void)snprintf(why, 512, "the control socket's path is longer than %zu bytes: %s",
		    sizeof(addr.sun_path) - 1, path);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	make_folder(path);
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			rc = -EEXIST;
		else if (answered(&addr))
			rc = -EADDRINUSE;
		else if (unlink(path) != 0)
			rc = -errno;
	}
	fd = rc == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	if (rc == 0 && fd < 0)
		rc = -errno;
	if (rc == 0)
		rc = bind_private(fd, &addr);
	if (rc == 0 && listen(fd, CONTROL_BACKLOG) != 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd); /* the reason is in why */
	(void)snprintf(why, 512, "cannot make the control socket %s: %s", path, strerror(-rc));
	return -1;
}

static int listen_at(const struct addrinfo *at)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, error;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 && bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
	    listen(fd, 64) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int admin_socket_open(const char *host, uint16_t port, char why[static 512])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char service[8];
	int rc, fd;

	(void)snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &found);
	if (rc != 0) {
		(void)snprintf(why, 512, "/admin/host: %.256s: %s", host, gai_strerror(rc));
		return -1;
	}
	fd = listen_at(found);
	freeaddrinfo(found);
	if (fd >= 0)
		return fd;
	(void)snprintf(why, 512, "/admin: cannot listen on %.256s port %u: %s", host, port, strerror(-fd));
	return -1;
}

/* ---- user ---- */

bool run_as_find(const char *user, struct run_as *out, char why[static 512])
{
	const char *name = user[0] ? user : "sipward";
	struct passwd *pw;

	*out = (struct run_as){ .uid = geteuid(), .gid = getegid() };
	pw = getpwnam(name);
	if (!pw && user[0]) {
		(void)snprintf(why, 512, "/user: there is no user \"%s\" on this system", user);
		return false;
	}
	if (geteuid() != 0) {
		if (user[0] && pw->pw_uid != geteuid())
			(void)snprintf(out->warning, sizeof(out->warning),
			    "not started as root: \"user\" has no effect, workers run as uid %u", (unsigned)geteuid());
		return true;
	}
	if (!pw) {
		pw = getpwnam("nobody");
		(void)snprintf(out->warning, sizeof(out->warning),
		    "started as root without \"user\": workers run as nobody");
	}
	if (!pw) {
		(void)snprintf(why, 512, "started as root without \"user\", and there is neither a user sipward nor nobody");
		return false;
	}
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	out->drop = pw->pw_uid != 0;
	if (!out->drop)
		out->gid = 0;
	return true;
}
