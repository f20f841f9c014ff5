/*
 * Shutdown at any moment of two lossless peers that are busy with each other:
 * it returns at once, no callback comes after msgr_wait, nothing is left.
 *
 *     int_shutdown [ROUNDS]
 */
#include "check.h"

#include <dirent.h>

/* A busy round trip keeps so many messages under way. */
#define IN_FLIGHT 16

/* What a callback must know of its messenger. */
struct peer {
    int got;      /* messages */
    int reset;    /* told of it */
    int at_rest;  /* msgr_wait has returned */
    int released; /* the last callback of all */
};

static int answer(void *user, msgr_msg *msg)
{
    struct peer *peer = (struct peer *)user;
    LOCKED(CHECK(!peer->at_rest); peer->got++);
    /* Back where it came from; it fails if the end has begun. */
    msgr_send(msgr_msg_conn(msg), msg);
    return 1;
}

static int odd_type(const msgr_msg *msg)
{
    return msgr_msg_type(msg) % 2;
}

static int can_fast_dispatch(void *user, const msgr_msg *msg)
{
    (void)user;
    return odd_type(msg);
}

static int handle_reset(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(CHECK(!((struct peer *)user)->at_rest); ((struct peer *)user)->reset++);
    return 1;
}

static void handle_remote_reset(void *user, msgr_conn *conn)
{
    handle_reset(user, conn);
}

static void released(void *user)
{
    LOCKED(((struct peer *)user)->released++);
}

static msgr_messenger *start(msgr_ctx *ctx, const char *name, struct peer *peer)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_messenger *messenger = check_messenger(ctx, name, MSGR_POLICY_LOSSLESS_PEER_REUSE);
    callbacks.flags = MSGR_DISPATCH_FAST;
    callbacks.can_fast_dispatch = can_fast_dispatch;
    callbacks.fast_dispatch = answer;
    callbacks.dispatch = answer;
    callbacks.handle_reset = handle_reset;
    callbacks.handle_remote_reset = handle_remote_reset;
    callbacks.release = released;
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &callbacks, peer));
    CHECK_OK(msgr_start(messenger));
    return messenger;
}

static msgr_conn *meet(msgr_messenger *from, msgr_messenger *to)
{
    msgr_conn *conn = NULL;
    char addrs[128];
    uint16_t type;
    CHECK(msgr_get_myaddrs(to, addrs, sizeof(addrs)) > 0);
    CHECK_OK(msgr_connect(from, MSGR_ENTITY_OSD, addrs, &conn));
    for (type = 0; type < IN_FLIGHT; type++)
        CHECK_OK(msgr_send(conn, check_message(type, "round and round")));
    return conn;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Shuts one of two down once it has got `messages`; the seconds it took. */
static double shut_down_after(int messages, int twice)
{
    struct peer here, there;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *one, *other;
    msgr_conn *out, *back;
    double begin, took;
    memset(&here, 0, sizeof(here));
    memset(&there, 0, sizeof(there));
    one = start(ctx, "osd.1", &here);
    other = start(ctx, "osd.2", &there);
    msgr_ctx_unref(ctx);
    out = meet(one, other);
    back = meet(other, one);
    WAIT_UNTIL(here.got >= messages);

    begin = now();
    CHECK_OK(msgr_shutdown(one));
    CHECK_OK(msgr_wait(one));
    took = now() - begin;
    LOCKED(here.at_rest = 1);
    if (twice)
        CHECK_OK(msgr_shutdown(one));
    CHECK(msgr_send(out, check_message(1, "too late")) < 0);
    msgr_unref(one);
    msgr_conn_unref(out);

    check_end(other);
    LOCKED(there.at_rest = 1);
    msgr_conn_unref(back);
    /* Nothing refers to the dispatchers any more. */
    WAIT_UNTIL(here.released == 1 && there.released == 1);
    CHECK(here.reset == 0); /* its own shutdown is no reset */
    return took;
}

/* Entries of a directory: /proc/self/fd or /proc/self/task. */
static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    /* The few rounds are those of tools that make everything slow. */
    double most = rounds > 50 ? 1 : 20, worst = 0;
    uint32_t random = 1;
    int round, descriptors = entries("/proc/self/fd");
    CHECK(rounds > 0);
    for (round = 0; round < rounds; round++) {
        double took;
        random = random * 1664525 + 1013904223;
        took = shut_down_after((int)(random >> 16) % 200, round % 2);
        if (took > worst)
            worst = took;
        CHECK(took <= most);
    }
    CHECK(entries("/proc/self/fd") == descriptors);
    printf("%d shutdowns, the slowest took %.1f ms\n", rounds, worst * 1e3);
    return 0;
}
