/*
 * keepalive ADDR: connects to a monitor, sends a keepalive and prints "answered" when the answer is in.
 * The library answers none of this by itself, so success means that the peer understood the frame.
 */
#define _POSIX_C_SOURCE 200809L
#include <msgr.h>
#include <stdio.h>
#include <time.h>

enum { TRIES = 1000 };

/* True once `done` says so; asks every 10 ms for 10 seconds. */
static int wait_for(int (*done)(const msgr_conn *), const msgr_conn *conn) {
    const struct timespec pause = {0, 10 * 1000 * 1000};
    for (int i = 0; i < TRIES; i++) {
        if (done(conn))
            return 1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int is_up(const msgr_conn *conn) { return msgr_conn_is_connected(conn) > 0; }
static int is_answered(const msgr_conn *conn) { return msgr_conn_last_keepalive_ack(conn) != 0; }

int main(int argc, char **argv) {
    msgr_ctx *ctx = NULL;
    msgr_messenger *messenger = NULL;
    msgr_conn *conn = NULL;
    const char *failed = NULL;
    if (argc != 2)
        return 2;
    if (msgr_ctx_create(&ctx) < 0 || msgr_create(ctx, "client.admin", "keepalive", 0, &messenger) < 0
        || msgr_start(messenger) < 0 || msgr_connect(messenger, MSGR_ENTITY_MON, argv[1], &conn) < 0)
        failed = "cannot connect";
    else if (!wait_for(is_up, conn))
        failed = "no connection";
    else if (msgr_conn_keepalive(conn) < 0 || !wait_for(is_answered, conn))
        failed = "no answer";
    puts(failed != NULL ? failed : "answered");
    msgr_conn_unref(conn);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
    return failed != NULL;
}
