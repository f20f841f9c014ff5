/*
 * Both ends of a workload on one worker thread: nothing depends on when which
 * thread gets to run, so that the instructions and system calls of a run can be
 * counted, and come out the same again.
 *
 *     both_ends WORKLOAD COUNT [NAME=VALUE]...
 *
 * Moves COUNT messages, in batches that follow each other, with these options set.
 *
 *     b    64 bytes there and back, 64 in flight
 *     c    64 bytes one way, in batches of 1024, each acknowledged
 *     d8   4 KiB there and back, 32 in flight on each of 8 connections
 *     e    1 MiB one way, in batches of 4, each acknowledged
 */
#include <msgr.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_TYPE = 1000, ACK_TYPE = 1001, LARGE = 4096, LENT = 16384, CONNS_MAX = 8 };

struct workload {
    const char *name;
    size_t size;
    unsigned conns, depth; /* in flight on each connection */
    unsigned ack_every;    /* 0: every message is answered by itself */
};

static const struct workload workloads[] = {
    {"b", 64, 1, 64, 0},
    {"c", 64, 1, 1024, 1024},
    {"d8", 4096, 8, 32, 0},
    {"e", 1 << 20, 1, 4, 4},
};

static const struct workload *work;
static char *payload;
static unsigned long left; /* to be sent still; the worker alone changes it */
static unsigned long under_way;
static sem_t done;

static void must(const char *what, int result) {
    char why[512];
    if (result >= 0)
        return;
    why[0] = '\0';
    msgr_last_error(why, sizeof why);
    fprintf(stderr, "both_ends: %s: %s\n", what, why);
    _Exit(1);
}

static void keep(void *arg) { (void)arg; }

static msgr_msg *new_message(void) {
    int segment = work->size < LARGE ? MSGR_FRONT : MSGR_DATA;
    msgr_msg *msg;
    must("msgr_msg_create", msgr_msg_create(DATA_TYPE, &msg));
    if (work->size < LENT)
        must("msgr_msg_append_copy", msgr_msg_append_copy(msg, segment, payload, work->size));
    else
        must("msgr_msg_append", msgr_msg_append(msg, segment, payload, work->size, keep, NULL));
    return msg;
}

static void send_some(msgr_conn *conn, unsigned count) {
    for (; count > 0 && left > 0; count--, left--, under_way++)
        must("msgr_send", msgr_send(conn, new_message()));
}

static void arrived(unsigned long count) {
    under_way -= count;
    if (under_way == 0 && left == 0)
        sem_post(&done);
}

/* ---- the server: sends back what comes, or counts it ---- */

static int serve(void *user, msgr_msg *msg) {
    static unsigned long received;
    (void)user;
    if (work->ack_every == 0) {
        must("msgr_send", msgr_send(msgr_msg_conn(msg), msg));
        return 1;
    }
    if (++received % work->ack_every == 0) {
        msgr_msg *ack;
        must("msgr_msg_create", msgr_msg_create(ACK_TYPE, &ack));
        must("msgr_send", msgr_send(msgr_msg_conn(msg), ack));
    }
    return 0;
}

/* ---- the client ---- */

static int go_on(void *user, msgr_msg *msg) {
    unsigned count = work->ack_every ? work->ack_every : 1;
    (void)user;
    send_some(msgr_msg_conn(msg), count);
    arrived(count);
    return 0;
}

/* On the worker, too: when the last one is there, all begin at once. */
static void begin(void *user, msgr_conn *conn) {
    static msgr_conn *conns[CONNS_MAX]; /* never given back */
    static unsigned connected;
    (void)user;
    conns[connected++] = msgr_conn_ref(conn);
    for (unsigned i = 0; connected == work->conns && i < connected; i++)
        send_some(conns[i], work->depth);
}

static msgr_messenger *new_messenger(msgr_ctx *ctx, const char *name, int preset, int (*fast)(void *, msgr_msg *)) {
    msgr_messenger *messenger;
    msgr_policy policy = MSGR_POLICY_INIT;
    msgr_dispatcher dispatcher = MSGR_DISPATCHER_INIT;
    dispatcher.flags = MSGR_DISPATCH_FAST;
    dispatcher.fast_dispatch = fast;
    if (fast == go_on)
        dispatcher.handle_fast_connect = begin;
    must("msgr_create", msgr_create(ctx, name, "cost", 1, &messenger));
    must("msgr_policy_init", msgr_policy_init(&policy, preset));
    must("msgr_set_default_policy", msgr_set_default_policy(messenger, &policy));
    if (fast == serve)
        must("msgr_bind", msgr_bind(messenger, "v2:127.0.0.1:0"));
    must("msgr_add_dispatcher_head", msgr_add_dispatcher_head(messenger, &dispatcher, NULL));
    must("msgr_start", msgr_start(messenger));
    return messenger;
}

static void set_option(msgr_ctx *ctx, char *setting) {
    char *value = strchr(setting, '=');
    if (value == NULL) {
        fprintf(stderr, "both_ends: %s is not NAME=VALUE\n", setting);
        _Exit(2);
    }
    *value++ = '\0';
    must(setting, msgr_conf_set(ctx, setting, value));
}

int main(int argc, char **argv) {
    msgr_ctx *ctx;
    char addr[64];
    for (size_t i = 0; argc > 2 && i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(workloads[i].name, argv[1]) == 0)
            work = &workloads[i];
    /* Whole batches only, so that every one of them is acknowledged. */
    left = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    if (work == NULL || left == 0 || left % (work->conns * work->depth) != 0) {
        fprintf(stderr, "usage: both_ends b|c|d8|e COUNT [NAME=VALUE]..., COUNT in whole batches\n");
        return 2;
    }
    payload = calloc(1, work->size);
    if (payload == NULL || sem_init(&done, 0, 0) != 0)
        return 1;
    must("msgr_ctx_create", msgr_ctx_create(&ctx));
    must("ms_async_op_threads", msgr_conf_set(ctx, "ms_async_op_threads", "1"));
    for (int i = 3; i < argc; i++)
        set_option(ctx, argv[i]);
    msgr_messenger *server = new_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER, serve);
    must("msgr_get_myaddrs", msgr_get_myaddrs(server, addr, sizeof addr));
    for (unsigned i = 0; i < work->conns; i++) {
        msgr_conn *conn;
        char name[32];
        snprintf(name, sizeof name, "client.%u", i + 1);
        msgr_messenger *client = new_messenger(ctx, name, MSGR_POLICY_LOSSY_CLIENT, go_on);
        must("msgr_connect", msgr_connect(client, MSGR_ENTITY_OSD, addr, &conn));
    }
    sem_wait(&done);
    _Exit(0); /* leaving with live workers is legal */
}
