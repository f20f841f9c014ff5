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
#include <stdatomic.h>
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
    atomic_ulong inflight;
    atomic_bool connected, lost;
    atomic_bool waiting;     /* the thread sleeps, or is about to: whoever clears it rings */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* Wakes the job's thread once per sleep; costs nothing while it is busy. */
static void wake(struct job *job) {
    if (!atomic_load(&job->waiting) || !atomic_exchange(&job->waiting, false))
        return;
    pthread_mutex_lock(&job->lock);
    pthread_cond_signal(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

static bool must_wait(struct job *job, unsigned long limit) {
    return atomic_load(&job->inflight) > limit && !atomic_load(&job->lost);
}

static void handle_fast_connect(void *user, msgr_conn *conn) {
    struct job *job = user;
    (void)conn;
    atomic_store(&job->connected, true);
    wake(job);
}

/* A lossy connection is not repaired: the requests in flight are gone. */
static int handle_reset(void *user, msgr_conn *conn) {
    struct job *job = user;
    (void)conn;
    atomic_store(&job->lost, true);
    wake(job);
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
    atomic_fetch_sub(&job->inflight, 1);
    wake(job);
    return 1;
}

/*
 * Sleeps until at most `limit` requests are in flight or the connection is lost. The
 * flag goes up before the last look at the count, and wake() looks at the flag after
 * changing the count, so one of the two sees the other.
 */
static void wait_for_replies(struct job *job, unsigned long limit) {
    if (!must_wait(job, limit))
        return;
    pthread_mutex_lock(&job->lock);
    for (;;) {
        atomic_store(&job->waiting, true);
        if (!must_wait(job, limit))
            break;
        while (atomic_load(&job->waiting))
            pthread_cond_wait(&job->changed, &job->lock);
    }
    atomic_store(&job->waiting, false);
    pthread_mutex_unlock(&job->lock);
}

static msgr_msg *create_request(const struct options *options, unsigned long tid) {
    msgr_msg *msg = create_msg(MSG_OSD_OP, REQUEST_FRONT);
    msgr_msg_set_tid(msg, tid);
    if (options->msg_len > 0) /* without a free function: the data outlives every message */
        must("msgr_msg_append", msgr_msg_append(msg, MSGR_DATA, options->data, options->msg_len, NULL, NULL));
    return msg;
}

static void *run_job(void *user) {
    struct job *job = user;
    const struct options *options = job->options;
    for (unsigned long i = 0; i < options->ios; i++) {
        wait_for_replies(job, options->concurrency);
        if (atomic_load(&job->lost))
            break;
        atomic_fetch_add(&job->inflight, 1);
        (void)msgr_send(job->conn, create_request(options, i + 1)); /* a failure shows as a reset */
        think(options->think_us);
    }
    wait_for_replies(job, 0);
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
    atomic_store(&job->waiting, true);
    while (!atomic_load(&job->connected) && !atomic_load(&job->lost) && err == 0)
        err = pthread_cond_timedwait(&job->changed, &job->lock, &deadline);
    atomic_store(&job->waiting, false);
    pthread_mutex_unlock(&job->lock);
    bool ok = atomic_load(&job->connected) && !atomic_load(&job->lost);
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
