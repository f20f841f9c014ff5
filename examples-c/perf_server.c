/*
 * The answering side of the benchmark.
 *
 *     perf_server ADDR THREADS THINK_US
 *
 * Listens on ADDR ("127.0.0.1:7000", "v2:[::1]:7000"; port 0 is any free port),
 * prints "listening on ..." and answers every request until SIGTERM or SIGINT.
 * Requests are fast dispatched: the worker that read one hands it to a pool of
 * THREADS threads, each of which thinks for THINK_US microseconds and replies.
 * With THREADS 0 the worker itself thinks and replies, inside the callback.
 *
 * MSGR_WORKERS in the environment sets the number of worker threads.
 */
#define _POSIX_C_SOURCE 200809L
#include "perf.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

/* Requests wait here, oldest first, for a thread of the pool. */
struct pool {
    pthread_mutex_t lock;
    pthread_cond_t not_empty;
    msgr_msg **ring;            /* `len` requests from index `head`, wrapping at `capacity` */
    size_t capacity, head, len;
    unsigned long idle;         /* threads that sleep in pool_get and have not been rung for */
    bool stopping;
    unsigned long think_us;
    unsigned long thread_count;
    pthread_t *threads;
};

static void answer(msgr_msg *request, unsigned long think_us) {
    think(think_us);
    msgr_msg *reply = create_msg(MSG_OSD_OPREPLY, REPLY_FRONT);
    msgr_msg_set_tid(reply, msgr_msg_tid(request));
    /* A client that has gone in the meantime is no concern of a server. */
    (void)msgr_send(msgr_msg_conn(request), reply);
    msgr_msg_unref(request);
}

static void pool_grow(struct pool *pool) {
    size_t capacity = pool->capacity ? 2 * pool->capacity : 1024;
    msgr_msg **ring = malloc(capacity * sizeof *ring);
    if (ring == NULL)
        die("perf_server", "out of memory");
    for (size_t i = 0; i < pool->len; i++)
        ring[i] = pool->ring[(pool->head + i) % pool->capacity];
    free(pool->ring);
    pool->ring = ring;
    pool->capacity = capacity;
    pool->head = 0;
}

static void pool_put(struct pool *pool, msgr_msg *request) {
    pthread_mutex_lock(&pool->lock);
    if (pool->len == pool->capacity)
        pool_grow(pool);
    pool->ring[(pool->head + pool->len++) % pool->capacity] = request;
    bool wake = pool->idle > 0;
    pool->idle -= wake;
    pthread_mutex_unlock(&pool->lock);
    if (wake)
        pthread_cond_signal(&pool->not_empty);
}

/* The oldest request, or NULL when the pool is stopping. */
static msgr_msg *pool_get(struct pool *pool) {
    msgr_msg *request = NULL;
    pthread_mutex_lock(&pool->lock);
    while (pool->len == 0 && !pool->stopping) {
        pool->idle++; /* pool_put takes it back when it rings */
        pthread_cond_wait(&pool->not_empty, &pool->lock);
    }
    if (pool->len > 0) {
        request = pool->ring[pool->head];
        pool->head = (pool->head + 1) % pool->capacity;
        pool->len--;
    }
    pthread_mutex_unlock(&pool->lock);
    return request;
}

static void *pool_thread(void *user) {
    struct pool *pool = user;
    msgr_msg *request;
    while ((request = pool_get(pool)) != NULL)
        answer(request, pool->think_us);
    return NULL;
}

static void pool_start(struct pool *pool) {
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->not_empty, NULL);
    if (pool->thread_count == 0)
        return;
    pool->threads = calloc(pool->thread_count, sizeof *pool->threads);
    if (pool->threads == NULL)
        die("perf_server", "out of memory");
    for (unsigned long i = 0; i < pool->thread_count; i++)
        if (pthread_create(&pool->threads[i], NULL, pool_thread, pool) != 0)
            die("perf_server", "cannot start a thread");
}

/* Lets the threads finish what is queued, then ends them. */
static void pool_stop(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_broadcast(&pool->not_empty);
    for (unsigned long i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    free(pool->threads);
    free(pool->ring);
    pthread_cond_destroy(&pool->not_empty);
    pthread_mutex_destroy(&pool->lock);
}

static int can_fast_dispatch(void *user, const msgr_msg *msg) {
    (void)user;
    return msgr_msg_type(msg) == MSG_OSD_OP;
}

/* On a worker: the message and its reference are ours from here on. */
static int fast_dispatch(void *user, msgr_msg *msg) {
    struct pool *pool = user;
    if (pool->thread_count == 0)
        answer(msg, pool->think_us);
    else
        pool_put(pool, msg);
    return 1;
}

static msgr_messenger *create_server(msgr_ctx *ctx, const char *addr, struct pool *pool) {
    msgr_messenger *messenger;
    msgr_dispatcher dispatcher;
    memset(&dispatcher, 0, sizeof dispatcher);
    dispatcher.struct_size = sizeof dispatcher;
    dispatcher.flags = MSGR_DISPATCH_FAST;
    dispatcher.can_fast_dispatch = can_fast_dispatch;
    dispatcher.fast_dispatch = fast_dispatch;
    /* Nonce 0, as Ceph's benchmark server has: then the plain ADDR names it completely. */
    must("msgr_create", msgr_create(ctx, "osd.0", "server", 0, &messenger));
    use_policy(messenger, MSGR_POLICY_STATELESS_SERVER);
    must(addr, msgr_bind(messenger, addr));
    must("msgr_add_dispatcher_head", msgr_add_dispatcher_head(messenger, &dispatcher, pool));
    must("msgr_start", msgr_start(messenger));
    return messenger;
}

static void print_address(msgr_messenger *messenger) {
    char addr[256];
    must("msgr_get_myaddrs", msgr_get_myaddrs(messenger, addr, sizeof addr));
    printf("listening on %s\n", addr);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s ADDR THREADS THINK_US\n", argv[0]);
        return 2;
    }
    struct pool pool = {0};
    pool.thread_count = count_arg("THREADS", argv[2], 1024);
    pool.think_us = count_arg("THINK_US", argv[3], UINT_MAX);

    /* Blocked before any thread starts, so that only sigwait below ever sees them. */
    sigset_t end_signals;
    int signal_number;
    sigemptyset(&end_signals);
    sigaddset(&end_signals, SIGTERM);
    sigaddset(&end_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &end_signals, NULL);

    pool_start(&pool);
    msgr_ctx *ctx = create_ctx();
    msgr_messenger *messenger = create_server(ctx, argv[1], &pool);
    print_address(messenger);
    sigwait(&end_signals, &signal_number);

    must("msgr_shutdown", msgr_shutdown(messenger));
    must("msgr_wait", msgr_wait(messenger));
    pool_stop(&pool); /* after msgr_wait: no callback can add a request any more */
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
    return 0;
}
