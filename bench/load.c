/*
 * sipward-load - SIP clients over mutual TLS, for tests and measurements.
 *
 * One thread (or --threads) with one epoll each.  See load_engine.h for how
 * it works and `sipward-load --help` for how to use it.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "bench/load_engine.h"

struct thread {
	struct load_engine engine;
	double share;
	pthread_t id;
	pthread_barrier_t *connected; /* measuring begins when all are connected */
};

static void on_signal(int sig)
{
	(void)sig;
	load_interrupted++;
}

static void set_up_process(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct rlimit files;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_TIMERSLACK, 1UL); /* a request shall leave when it is due, not 50 us later */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* if it is too low, opening connections will say so */
	}
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void *work(void *arg)
{
	struct thread *t = arg;

	load_engine_connect(&t->engine);
	pthread_barrier_wait(t->connected);
	load_engine_run(&t->engine, t->share);
	return NULL;
}

/* Start the threads but for the first, which is this one; wait for all. */
static bool run_threads(struct thread *threads, uint32_t count)
{
	pthread_barrier_t connected;

	if (pthread_barrier_init(&connected, NULL, count) != 0)
		return false;
	for (uint32_t i = 0; i < count; i++)
		threads[i].connected = &connected;
	for (uint32_t i = 1; i < count; i++) {
		if (pthread_create(&threads[i].id, NULL, work, &threads[i]) != 0) {
			perror("sipward-load: thread");
			exit(1);
		}
	}
	work(&threads[0]);
	for (uint32_t i = 1; i < count; i++)
		pthread_join(threads[i].id, NULL);
	pthread_barrier_destroy(&connected);
	return true;
}

static bool init_threads(struct thread *threads, const struct load_options *o, const struct load_template *t)
{
	uint32_t first = 0, run;

	if (getrandom(&run, sizeof(run), 0) != sizeof(run))
		return false;
	for (uint32_t i = 0; i < o->threads; i++) {
		uint32_t conns = o->connections / o->threads + (i < o->connections % o->threads);

		threads[i].share = (double)conns / o->connections;
		if (!load_engine_init(&threads[i].engine, o, t, run, first, conns))
			return false;
		first += conns;
	}
	return true;
}

static int run(const struct load_options *o, const struct load_template *t)
{
	struct thread *threads = calloc(o->threads, sizeof(*threads));
	struct load_stats *all = calloc(1, sizeof(*all));
	double cpu;
	int rc = 1;

	if (threads && all && init_threads(threads, o, t)) {
		cpu = cpu_seconds();
		if (run_threads(threads, o->threads)) {
			for (uint32_t i = 0; i < o->threads; i++)
				load_stats_merge(all, &threads[i].engine.stats);
			load_stats_print(all, o, cpu_seconds() - cpu, load_interrupted != 0);
			if (load_stats_limited(all, o))
				fprintf(stderr, "sipward-load: no time was left: this load, not what it measures, was the limit\n");
			if (all->reason[0])
				fprintf(stderr, "sipward-load: first connection that failed: %s\n", all->reason);
			rc = load_stats_errors(all) && !o->allow_errors ? 1 : 0;
		}
	}
	for (uint32_t i = 0; threads && i < o->threads; i++) {
		if (threads[i].engine.conn)
			load_engine_done(&threads[i].engine);
	}
	free(threads);
	free(all);
	return rc;
}

int main(int argc, char **argv)
{
	struct load_options o;
	struct load_template t;
	int rc;

	if (load_options_parse(argc, argv, &o, &rc) != 0)
		return rc;
	if (!load_template_make(&(struct load_shape){ .method = o.method, .from = o.from, .to = o.to,
				    .transport = o.plain ? "TCP" : "TLS", .header = o.header, .header_count = o.header_count,
				    .size = o.size }, &t))
		return 2;
	set_up_process();
	rc = run(&o, &t);
	load_template_done(&t);
	return rc;
}
