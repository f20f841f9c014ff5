/*
 * The asking side of the benchmark.
 *
 *     perf_client ADDR JOBS CONCURRENCY IOS THINK_US MSG_LEN
 *
 * Each of JOBS threads has a messenger and a connection of its own and sends IOS
 * requests with MSG_LEN bytes of data to the perf_server at ADDR, thinking THINK_US
 * microseconds after each. It waits before a request only while more than
 * CONCURRENCY of them are unanswered, so CONCURRENCY + 1 are in flight, as in
 * Ceph's benchmark; CONCURRENCY 0 is ping-pong.
 *
 * The clock runs from the moment every connection is up until the last reply is
 * in (Ceph's stops after the last request is sent). One line is printed at the end.
 *
 * MSGR_WORKERS in the environment sets the number of worker threads.
 */
#define _POSIX_C_SOURCE 200809L
#include "perf.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_SECONDS = 10 };

struct options {
    const char *addr;
    unsigned long jobs, concurrency, ios, think_us, msg_len;
    char *data; /* the MSG_LEN bytes that every request carries, never copied */
};

struct job {
    const struct options *options;
    msgr_messenger *messenger;
    msgr_conn *conn;
    pthread_t thread;
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t changed;
    unsigned long inflight;
    bool connected, lost;
};

static void set_flag(struct job *job, bool *flag) {
    pthread_mutex_lock(&job->lock);
    *flag = true;
    pthread_mutex_unlock(&job->lock);
    pthread_cond_signal(&job->changed);
}

static void handle_fast_connect(void *user, msgr_conn *conn) {
    struct job *job = user;
    (void)conn;
    set_flag(job, &job->connected);
}

/* A lossy connection is not repaired: the requests in flight are gone. */
static int handle_reset(void *user, msgr_conn *conn) {
    struct job *job = user;
    (void)conn;
    set_flag(job, &job->lost);
    return 1;
}

static int can_fast_dispatch(void *user, const msgr_msg *msg) {
    (void)user;
    return msgr_msg_type(msg) == MSG_OSD_OPREPLY;
}

/* On a worker: one reply is in. */
static int fast_dispatch(void *user, msgr_msg *msg) {
    struct job *job = user;
    msgr_msg_unref(msg);
    pthread_mutex_lock(&job->lock);
    job->inflight--;
    pthread_mutex_unlock(&job->lock);
    pthread_cond_signal(&job->changed);
    return 1;
}

/* Waits until at most `limit` requests are in flight; false if the connection was lost. */
static bool wait_for_replies(struct job *job, unsigned long limit, unsigned long about_to_send) {
    pthread_mutex_lock(&job->lock);
    while (job->inflight > limit && !job->lost)
        pthread_cond_wait(&job->changed, &job->lock);
    job->inflight += about_to_send;
    bool ok = !job->lost;
    pthread_mutex_unlock(&job->lock);
    return ok;
}

/* The data outlives every message, so there is nothing to free with one of them. */
static void keep(void *arg) { (void)arg; }

static msgr_msg *create_request(const struct options *options, unsigned long tid) {
    msgr_msg *msg = create_msg(MSG_OSD_OP, REQUEST_FRONT);
    msgr_msg_set_tid(msg, tid);
    if (options->msg_len > 0)
        must("msgr_msg_append", msgr_msg_append(msg, MSGR_DATA, options->data, options->msg_len, keep, NULL));
    return msg;
}

static void *run_job(void *user) {
    struct job *job = user;
    const struct options *options = job->options;
    for (unsigned long i = 0; i < options->ios; i++) {
        if (!wait_for_replies(job, options->concurrency, 1))
            return NULL;
        (void)msgr_send(job->conn, create_request(options, i + 1)); /* a failure shows as a reset */
        think(options->think_us);
    }
    wait_for_replies(job, 0, 0);
    return NULL;
}

static void open_job(struct job *job, msgr_ctx *ctx, const struct options *options, unsigned long number) {
    msgr_dispatcher dispatcher;
    memset(&dispatcher, 0, sizeof dispatcher);
    dispatcher.struct_size = sizeof dispatcher;
    dispatcher.flags = MSGR_DISPATCH_FAST;
    dispatcher.can_fast_dispatch = can_fast_dispatch;
    dispatcher.fast_dispatch = fast_dispatch;
    dispatcher.handle_fast_connect = handle_fast_connect;
    dispatcher.handle_reset = handle_reset;

    job->options = options;
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&job->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);

    uint64_t nonce = (uint64_t)getpid() + number;
    must("msgr_create", msgr_create(ctx, "client.0", "client", nonce, &job->messenger));
    use_policy(job->messenger, MSGR_POLICY_LOSSY_CLIENT);
    must("msgr_add_dispatcher_head", msgr_add_dispatcher_head(job->messenger, &dispatcher, job));
    must("msgr_start", msgr_start(job->messenger));
    must(options->addr, msgr_connect(job->messenger, MSGR_ENTITY_OSD, options->addr, &job->conn));
}

static void wait_until_connected(struct job *job) {
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += CONNECT_SECONDS;
    int err = 0;
    pthread_mutex_lock(&job->lock);
    while (!job->connected && !job->lost && err == 0)
        err = pthread_cond_timedwait(&job->changed, &job->lock, &deadline);
    bool ok = job->connected && !job->lost;
    pthread_mutex_unlock(&job->lock);
    if (!ok)
        die(job->options->addr, err != 0 ? "no connection within 10 seconds" : "connection lost");
}

/* True if all its requests were answered. */
static bool close_job(struct job *job) {
    must("msgr_shutdown", msgr_shutdown(job->messenger));
    must("msgr_wait", msgr_wait(job->messenger));
    msgr_conn_unref(job->conn);
    msgr_unref(job->messenger);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    return job->inflight == 0 && !job->lost;
}

static double run_all(struct job *jobs, unsigned long count) {
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned long i = 0; i < count; i++)
        if (pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) != 0)
            die("perf_client", "cannot start a thread");
    for (unsigned long i = 0; i < count; i++)
        pthread_join(jobs[i].thread, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}

static struct options parse(int argc, char **argv) {
    struct options options = {0};
    if (argc != 7) {
        fprintf(stderr, "usage: %s ADDR JOBS CONCURRENCY IOS THINK_US MSG_LEN\n", argv[0]);
        exit(2);
    }
    options.addr = argv[1];
    options.jobs = count_arg("JOBS", argv[2], 1024);
    options.concurrency = count_arg("CONCURRENCY", argv[3], UINT_MAX);
    options.ios = count_arg("IOS", argv[4], UINT_MAX);
    options.think_us = count_arg("THINK_US", argv[5], UINT_MAX);
    options.msg_len = count_arg("MSG_LEN", argv[6], INT_MAX);
    options.data = calloc(options.msg_len > 0 ? options.msg_len : 1, 1);
    if (options.data == NULL)
        die("MSG_LEN", "out of memory");
    memset(options.data, 'x', options.msg_len); /* real pages, not the kernel's shared zero page */
    return options;
}

int main(int argc, char **argv) {
    struct options options = parse(argc, argv);
    msgr_ctx *ctx = create_ctx();
    struct job *jobs = calloc(options.jobs > 0 ? options.jobs : 1, sizeof *jobs);
    if (jobs == NULL)
        die("JOBS", "out of memory");
    for (unsigned long i = 0; i < options.jobs; i++)
        open_job(&jobs[i], ctx, &options, i);
    for (unsigned long i = 0; i < options.jobs; i++)
        wait_until_connected(&jobs[i]);

    double seconds = run_all(jobs, options.jobs);

    bool complete = true;
    for (unsigned long i = 0; i < options.jobs; i++)
        complete = close_job(&jobs[i]) && complete;
    free(jobs);
    msgr_ctx_unref(ctx);
    free(options.data); /* no message is left that points into it */
    if (!complete)
        die(options.addr, "connection lost before every request was answered");

    double operations = (double)options.jobs * (double)options.ios;
    printf("%.0f operations in %.3f s: %.0f operations/s, %.2f us/operation\n", operations, seconds,
           seconds > 0 ? operations / seconds : 0, operations > 0 ? seconds * 1e6 / operations : 0);
    return 0;
}
