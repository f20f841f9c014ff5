/*
 * Is there a messenger, and how far away is it?
 *
 *     ping ADDR [TYPE [COUNT]]
 *
 * Connects to ADDR, such as "v2:127.0.0.1:3300", as client.admin and without a key; says what the handshake has told
 * of the peer; then sends COUNT keepalives (4), one after the other, and says how long each answer took. TYPE is what
 * the peer is, "mon" (which is what it is without), "osd", "mds", "mgr" or "client". 0 if every answer came.
 */
#define _POSIX_C_SOURCE 200809L
#include <msgr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEADLINE_MS = 10000 };

static const struct {
    const char *name;
    int type;
} types[] = {
    {"mon", MSGR_ENTITY_MON}, {"osd", MSGR_ENTITY_OSD},       {"mds", MSGR_ENTITY_MDS},
    {"mgr", MSGR_ENTITY_MGR}, {"client", MSGR_ENTITY_CLIENT},
};

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Keepalives have no callback, so the connection is asked, twenty times a millisecond. */
static double wait_for(int (*done)(const msgr_conn *, uint64_t), const msgr_conn *conn, uint64_t before) {
    const struct timespec pause = {0, 50 * 1000};
    double began = now_ms();
    while (now_ms() - began < DEADLINE_MS) {
        if (done(conn, before))
            return now_ms() - began;
        nanosleep(&pause, NULL);
    }
    return -1;
}

static int is_up(const msgr_conn *conn, uint64_t before) {
    (void)before;
    return msgr_conn_is_connected(conn) > 0;
}

static int is_answered(const msgr_conn *conn, uint64_t before) { return msgr_conn_last_keepalive_ack(conn) > before; }

static int ping(msgr_conn *conn, int count) {
    char text[512] = "";
    double took = wait_for(is_up, conn, 0);
    if (took < 0) {
        msgr_conn_last_fault(conn, text, sizeof text);
        fprintf(stderr, "no connection: %s\n", text);
        return 1;
    }
    msgr_conn_peer_addrs(conn, text, sizeof text);
    printf("connected to %s in %.3f ms, mode %s, features %#llx\n", text, took,
           msgr_conn_mode(conn) == 2 ? "secure" : "crc", (unsigned long long)msgr_conn_features(conn));
    for (int i = 1; i <= count; i++) {
        /* Time for the answer to what the library itself may have sent. */
        const struct timespec between = {0, 200 * 1000 * 1000};
        nanosleep(&between, NULL);
        uint64_t before = msgr_conn_last_keepalive_ack(conn);
        if (msgr_conn_keepalive(conn) < 0 || (took = wait_for(is_answered, conn, before)) < 0) {
            fprintf(stderr, "keepalive %d: no answer\n", i);
            return 1;
        }
        printf("keepalive %d: %.3f ms\n", i, took);
    }
    return 0;
}

int main(int argc, char **argv) {
    msgr_ctx *ctx = NULL;
    msgr_messenger *messenger = NULL;
    msgr_conn *conn = NULL;
    int type = argc > 2 ? 0 : MSGR_ENTITY_MON, failed = 1;
    for (size_t i = 0; i < sizeof types / sizeof types[0] && argc > 2; i++)
        if (strcmp(argv[2], types[i].name) == 0)
            type = types[i].type;
    if (argc < 2 || argc > 4 || type == 0) {
        fprintf(stderr, "usage: %s ADDR [mon|osd|mds|mgr|client [COUNT]]\n", argv[0]);
        return 2;
    }
    if (msgr_ctx_create(&ctx) < 0 || msgr_create(ctx, "client.admin", "ping", 0, &messenger) < 0 ||
        msgr_start(messenger) < 0 || msgr_connect(messenger, type, argv[1], &conn) < 0) {
        char why[512] = "";
        msgr_last_error(why, sizeof why);
        fprintf(stderr, "%s: %s\n", argv[1], why);
    } else {
        failed = ping(conn, argc > 3 ? atoi(argv[3]) : 4);
    }
    msgr_conn_unref(conn);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
    return failed;
}
