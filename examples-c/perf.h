/*
 * What perf_server and perf_client share: the messages of the benchmark and the
 * small change of a command line program.
 *
 * Every operation is one request and one reply, sized like an OSD write and its
 * answer in Ceph's benchmark of the same shape, so that figures can be compared.
 */
#ifndef PERF_H
#define PERF_H

#include <errno.h>
#include <limits.h>
#include <msgr.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    MSG_OSD_OP = 42,          /* request: REQUEST_FRONT bytes of front, MSG_LEN bytes of data */
    MSG_OSD_OPREPLY = 43,     /* reply: REPLY_FRONT bytes of front */
    REQUEST_FRONT = 220,
    REPLY_FRONT = 102,
    MICROSECONDS = 1000000    /* in a second */
};

static inline _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* Ends the program with the library's own words if a call has failed. */
static inline void must(const char *what, int result) {
    char why[256];
    if (result >= 0)
        return;
    if (msgr_last_error(why, sizeof why) <= 0)
        snprintf(why, sizeof why, "%s", msgr_strerror(result));
    die(what, why);
}

/* A count from the command line: digits only, at most `max`. */
static inline unsigned long count_arg(const char *name, const char *text, unsigned long max) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > max) {
        fprintf(stderr, "%s: '%s' is not a number from 0 to %lu\n", name, text, max);
        exit(2);
    }
    return value;
}

/* Simulates the work of one operation. 0 is no call at all: even a sleep of nothing costs 50 us. */
static inline void think(unsigned long us) {
    if (us == 0)
        return;
    struct timespec left = {(time_t)(us / MICROSECONDS), (long)(us % MICROSECONDS) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* A context with MSGR_WORKERS threads, or the library's default number. */
static inline msgr_ctx *create_ctx(void) {
    msgr_ctx *ctx;
    const char *workers = getenv("MSGR_WORKERS");
    must("msgr_ctx_create", msgr_ctx_create(&ctx));
    if (workers != NULL)
        must("MSGR_WORKERS", msgr_conf_set(ctx, "ms_async_op_threads", workers));
    return ctx;
}

static inline void use_policy(msgr_messenger *messenger, int preset) {
    msgr_policy policy;
    must("msgr_policy_init", msgr_policy_init(&policy, preset));
    must("msgr_set_default_policy", msgr_set_default_policy(messenger, &policy));
}

/* A message of the given type whose front is `front_len` zero bytes. */
static inline msgr_msg *create_msg(uint16_t type, size_t front_len) {
    static const char zeros[REQUEST_FRONT];
    msgr_msg *msg;
    must("msgr_msg_create", msgr_msg_create(type, &msg));
    must("msgr_msg_append_copy", msgr_msg_append_copy(msg, MSGR_FRONT, zeros, front_len));
    return msg;
}

#endif
