#define _POSIX_C_SOURCE 200809L
#include "mon_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The callbacks write it, mon_ask waits for it. */
struct inquiry {
    uint16_t wanted;
    struct timespec deadline;
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed;
    msgr_msg *answer;
    bool lost;              /* the connection was reset: whatever was sent is gone */
    bool refused;           /* nobody listens at the address */
};

static void set_flag(struct inquiry *inquiry, bool *flag) {
    pthread_mutex_lock(&inquiry->lock);
    *flag = true;
    pthread_mutex_unlock(&inquiry->lock);
    pthread_cond_signal(&inquiry->changed);
}

static int handle_reset(void *user, msgr_conn *conn) {
    struct inquiry *inquiry = user;
    (void)conn;
    set_flag(inquiry, &inquiry->lost);
    return 1;
}

static int handle_refused(void *user, msgr_conn *conn) {
    struct inquiry *inquiry = user;
    (void)conn;
    set_flag(inquiry, &inquiry->refused);
    return 1;
}

/* Keeps the first message of the wanted type, drops everything else a monitor may tell us. */
static int dispatch(void *user, msgr_msg *msg) {
    struct inquiry *inquiry = user;
    pthread_mutex_lock(&inquiry->lock);
    if (inquiry->answer == NULL && msgr_msg_type(msg) == inquiry->wanted) {
        inquiry->answer = msg;
        msg = NULL;
    }
    pthread_mutex_unlock(&inquiry->lock);
    pthread_cond_signal(&inquiry->changed);
    msgr_msg_unref(msg);
    return 1;
}

static void inquiry_init(struct inquiry *inquiry, uint16_t wanted) {
    pthread_condattr_t monotonic;
    memset(inquiry, 0, sizeof *inquiry);
    inquiry->wanted = wanted;
    clock_gettime(CLOCK_MONOTONIC, &inquiry->deadline);
    inquiry->deadline.tv_sec += MON_DEADLINE;
    pthread_mutex_init(&inquiry->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&inquiry->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void inquiry_destroy(struct inquiry *inquiry) {
    pthread_cond_destroy(&inquiry->changed);
    pthread_mutex_destroy(&inquiry->lock);
}

static int complain(const char *addr, int result) {
    char why[256];
    if (msgr_last_error(why, sizeof why) <= 0)
        snprintf(why, sizeof why, "%s", msgr_strerror(result));
    fprintf(stderr, "%s: %s\n", addr, why);
    return result;
}

/* Connects and puts the question; the library dials again by itself until a connection is up. */
static int put_question(msgr_messenger *messenger, const char *addr, uint16_t question, msgr_conn **conn) {
    msgr_msg *msg;
    int result = msgr_connect(messenger, MSGR_ENTITY_MON, addr, conn);
    if (result < 0)
        return complain(addr, result);
    result = msgr_msg_create(question, &msg);
    if (result < 0)
        return complain(addr, result);
    (void)msgr_send(*conn, msg); /* if the connection has just been lost, handle_reset says so */
    return 0;
}

/* Waits until something has changed; 0 or ETIMEDOUT. Clears `lost` so that it is acted upon once. */
static int wait_for_answer(struct inquiry *inquiry, bool *lost) {
    int err = 0;
    pthread_mutex_lock(&inquiry->lock);
    while (inquiry->answer == NULL && !inquiry->lost && !inquiry->refused && err == 0)
        err = pthread_cond_timedwait(&inquiry->changed, &inquiry->lock, &inquiry->deadline);
    *lost = inquiry->answer == NULL && !inquiry->refused && inquiry->lost;
    inquiry->lost = false;
    pthread_mutex_unlock(&inquiry->lock);
    return err;
}

/* Asks until there is an answer or a reason to give up. */
static void ask_until_answered(struct inquiry *inquiry, msgr_messenger *messenger, const char *addr, uint16_t question) {
    const struct timespec pause = {0, 100 * 1000 * 1000};
    bool lost = true;
    int err = 0;
    while (lost && err == 0) {
        msgr_conn *conn = NULL;
        if (put_question(messenger, addr, question, &conn) == 0)
            err = wait_for_answer(inquiry, &lost);
        else
            err = EINVAL;
        msgr_conn_mark_down(conn);
        msgr_conn_unref(conn);
        if (lost && err == 0)
            nanosleep(&pause, NULL);
    }
    if (inquiry->refused && inquiry->answer == NULL)
        fprintf(stderr, "%s: connection refused\n", addr);
    else if (err == ETIMEDOUT)
        fprintf(stderr, "%s: no answer within %d seconds\n", addr, MON_DEADLINE);
}

/* A client's messenger that tells `inquiry` what happens. */
static int open_messenger(msgr_ctx *ctx, struct inquiry *inquiry, msgr_messenger **messenger) {
    msgr_policy policy;
    msgr_dispatcher dispatcher;
    memset(&dispatcher, 0, sizeof dispatcher);
    dispatcher.struct_size = sizeof dispatcher;
    dispatcher.dispatch = dispatch;
    dispatcher.handle_reset = handle_reset;
    dispatcher.handle_refused = handle_refused;

    int result = msgr_create(ctx, "client.admin", "mon_client", 0, messenger);
    if (result >= 0)
        result = msgr_policy_init(&policy, MSGR_POLICY_LOSSY_CLIENT);
    if (result >= 0)
        result = msgr_set_default_policy(*messenger, &policy);
    if (result >= 0)
        result = msgr_add_dispatcher_head(*messenger, &dispatcher, inquiry);
    return result >= 0 ? msgr_start(*messenger) : result;
}

msgr_msg *mon_ask(const char *addr, uint16_t question, uint16_t wanted) {
    struct inquiry inquiry;
    msgr_ctx *ctx = NULL;
    msgr_messenger *messenger = NULL;
    inquiry_init(&inquiry, wanted);

    const char *workers = getenv("MSGR_WORKERS"); /* threads; the library's default without */
    int result = msgr_ctx_create(&ctx);
    if (result >= 0 && workers != NULL)
        result = msgr_conf_set(ctx, "ms_async_op_threads", workers);
    if (result >= 0) /* a monitor gets its quorum within a second: do not back off for longer */
        result = msgr_conf_set(ctx, "ms_max_backoff", "1");
    if (result >= 0)
        result = open_messenger(ctx, &inquiry, &messenger);
    if (result >= 0)
        ask_until_answered(&inquiry, messenger, addr, question);
    else
        complain(addr, result);

    if (messenger != NULL) {
        msgr_shutdown(messenger);
        msgr_wait(messenger); /* from here on nothing touches `inquiry` but this thread */
    }
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
    inquiry_destroy(&inquiry);
    return inquiry.answer;
}
