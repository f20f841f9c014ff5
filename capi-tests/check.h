/*
 * What the C tests share: checks that say where they failed, and waiting for
 * something to happen without sleeping.
 */
#ifndef MSGR_CHECK_H
#define MSGR_CHECK_H

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "msgr.h"

/* A test that fails ends at once: what comes after would only confuse. _Exit,
 * because the library's threads are still running. */
static inline void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    fflush(stderr);
    _Exit(1);
}

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition))                                                      \
            check_failed(__FILE__, __LINE__, #condition);                      \
    } while (0)

/* A call that returns 0, or else its errno and last error are shown. */
#define CHECK_OK(call) check_result(__FILE__, __LINE__, #call, (call), 0)

/* A call that returns exactly that, usually a negative errno. */
#define CHECK_IS(call, wanted) check_result(__FILE__, __LINE__, #call, (call), (wanted))

static inline void check_result(const char *file, int line, const char *call, int result,
                                int wanted)
{
    char last[512] = "";
    char text[1024];
    if (result == wanted)
        return;
    msgr_last_error(last, sizeof(last));
    snprintf(text, sizeof(text), "%.200s is %d, not %d; %s; last error: %.500s", call, result,
             wanted, msgr_strerror(result), last);
    check_failed(file, line, text);
}

/*
 * Waiting. Callbacks count events under one lock and tell; the test waits until
 * a condition over such counters holds:
 *
 *     LOCKED(got++);                      in a callback
 *     WAIT_UNTIL(got == 10);              in main
 *     CHECK_LOCKED(lost == 0);            in main, at once
 *
 * WAIT_UNTIL fails the test after a time that only a hang can take.
 */
#define CHECK_DEADLINE_SECONDS 120

static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t check_changed = PTHREAD_COND_INITIALIZER;

/*
 * The thread sanitizer does not see that the library orders what a program does
 * before a call and what a callback does after it, since the library is not
 * compiled with it. Here it is told: what came before such a call is known to
 * whoever takes the lock. Callbacks still have to take it, for what they read of
 * the program's.
 */
#ifdef __SANITIZE_THREAD__
#ifdef __cplusplus
extern "C"
#endif
void __tsan_release(void *address);
#define CHECK_ORDERED(call) (__tsan_release(&check_lock), call)
#define msgr_send(...) CHECK_ORDERED(msgr_send(__VA_ARGS__))
#define msgr_send_to(...) CHECK_ORDERED(msgr_send_to(__VA_ARGS__))
#define msgr_send_object(...) CHECK_ORDERED(msgr_send_object(__VA_ARGS__))
#define msgr_start(...) CHECK_ORDERED(msgr_start(__VA_ARGS__))
#define msgr_connect(...) CHECK_ORDERED(msgr_connect(__VA_ARGS__))
#define msgr_conn_set_priv(...) CHECK_ORDERED(msgr_conn_set_priv(__VA_ARGS__))
#define msgr_conn_mark_down(...) CHECK_ORDERED(msgr_conn_mark_down(__VA_ARGS__))
#define msgr_set_log_callback(...) CHECK_ORDERED(msgr_set_log_callback(__VA_ARGS__))
#endif

static inline void check_enter(void)
{
    pthread_mutex_lock(&check_lock);
}

static inline void check_leave(void)
{
    pthread_cond_broadcast(&check_changed);
    pthread_mutex_unlock(&check_lock);
}

#define LOCKED(statement)                                                      \
    do {                                                                       \
        check_enter();                                                         \
        statement;                                                             \
        check_leave();                                                         \
    } while (0)

#define CHECK_LOCKED(condition) LOCKED(CHECK(condition))

#define WAIT_UNTIL(condition)                                                  \
    do {                                                                       \
        struct timespec check_deadline;                                        \
        clock_gettime(CLOCK_REALTIME, &check_deadline);                        \
        check_deadline.tv_sec += CHECK_DEADLINE_SECONDS;                       \
        check_enter();                                                         \
        while (!(condition))                                                   \
            if (pthread_cond_timedwait(&check_changed, &check_lock,            \
                                       &check_deadline) != 0)                  \
                check_failed(__FILE__, __LINE__, "in time: " #condition);      \
        check_leave();                                                         \
    } while (0)

/* A context with as many workers as the runner asks for. */
static inline msgr_ctx *check_ctx(void)
{
    msgr_ctx *ctx = NULL;
    const char *workers = getenv("MSGR_TEST_WORKERS");
    CHECK_OK(msgr_ctx_create(&ctx));
    if (workers != NULL)
        CHECK_OK(msgr_conf_set(ctx, "ms_async_op_threads", workers));
    return ctx;
}

/* A messenger with a policy preset, neither bound nor started. */
static inline msgr_messenger *check_messenger(msgr_ctx *ctx, const char *entity, int preset)
{
    static uint64_t nonce = 4711;
    msgr_messenger *messenger = NULL;
    msgr_policy policy;
    CHECK_OK(msgr_create(ctx, entity, "test", nonce++, &messenger));
    CHECK_OK(msgr_policy_init(&policy, preset));
    CHECK_OK(msgr_set_default_policy(messenger, &policy));
    return messenger;
}

/* A started server "osd.0" on a free port of loopback; its address in `addrs`. */
static inline msgr_messenger *check_server(msgr_ctx *ctx, const msgr_dispatcher *dispatcher,
                                           void *user, char *addrs, size_t len)
{
    msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_OK(msgr_bind(server, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(server, dispatcher, user));
    CHECK_OK(msgr_start(server));
    CHECK(msgr_get_myaddrs(server, addrs, len) > 0);
    return server;
}

/* A started client. */
static inline msgr_messenger *check_client(msgr_ctx *ctx, const msgr_dispatcher *dispatcher,
                                           void *user)
{
    msgr_messenger *client = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    CHECK_OK(msgr_add_dispatcher_head(client, dispatcher, user));
    CHECK_OK(msgr_start(client));
    return client;
}

/* Ends a messenger and gives the reference up. */
static inline void check_end(msgr_messenger *messenger)
{
    CHECK_OK(msgr_shutdown(messenger));
    CHECK_OK(msgr_wait(messenger));
    msgr_unref(messenger);
}

/* A message with a text in front. */
static inline msgr_msg *check_message(uint16_t type, const char *front)
{
    msgr_msg *msg = NULL;
    CHECK_OK(msgr_msg_create(type, &msg));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_FRONT, front, strlen(front)));
    return msg;
}

/* True if a segment holds exactly that text. */
static inline int check_holds(msgr_msg *msg, int segment, const char *text)
{
    size_t len = msgr_msg_len(msg, segment);
    return len == strlen(text) && memcmp(msgr_msg_data(msg, segment), text, len) == 0;
}

/* A free function for msgr_msg_append and a destroy function for
 * msgr_conn_set_priv: counts its calls in the int behind the argument. */
static inline void check_count(void *arg)
{
    LOCKED(++*(int *)arg);
}

#endif
