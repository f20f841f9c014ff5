/* Faults on purpose, asked for and called off while messengers are at work. */
#include "check.h"

struct seen {
    int got, reset;
    uint64_t last;
};

static int dispatch(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    LOCKED(seen->got++; seen->last = msgr_msg_tid(msg));
    msgr_msg_unref(msg);
    return 1;
}

static int handle_reset(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(((struct seen *)user)->reset++);
    return 1;
}

static void send_numbered(msgr_conn *conn, uint64_t tid)
{
    msgr_msg *msg = check_message(1, "x");
    msgr_msg_set_tid(msg, tid);
    CHECK_OK(msgr_send(conn, msg));
}

static void what_makes_no_sense_is_refused(void)
{
    msgr_ctx *ctx = check_ctx();
    char value[32];
    CHECK_IS(msgr_conf_set(ctx, "ms_inject_delay_type", "osd disk"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "ms_inject_delay_probability", "often"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "ms_inject_socket_failures", "-1"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "ms_blackhole_osd", "2"), -EINVAL);
    CHECK_OK(msgr_conf_set(ctx, "ms_inject_delay_type", "osd client"));
    CHECK(msgr_conf_get(ctx, "ms_inject_delay_type", value, sizeof(value)) > 0);
    CHECK(strcmp(value, "osd client") == 0);
    msgr_ctx_unref(ctx);
}

static void faults_come_and_go_while_a_connection_is_open(void)
{
    struct seen at_server = { 0, 0, 0 }, at_client = { 0, 0, 0 };
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx(), *client_ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    char addrs[128];
    uint64_t tid;
    callbacks.dispatch = dispatch;
    callbacks.handle_reset = handle_reset;
    server = check_server(ctx, &callbacks, &at_server, addrs, sizeof(addrs));
    client = check_client(client_ctx, &callbacks, &at_client);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    send_numbered(conn, 1);
    WAIT_UNTIL(at_server.got == 1);

    /* Sends to a black hole succeed and do not even leave. */
    CHECK_OK(msgr_conf_set(client_ctx, "ms_blackhole_osd", "true"));
    send_numbered(conn, 2);
    CHECK_OK(msgr_conf_set(client_ctx, "ms_blackhole_osd", "false"));

    CHECK_OK(msgr_conf_set(ctx, "ms_inject_delay_type", "client"));
    CHECK_OK(msgr_conf_set(ctx, "ms_inject_delay_max", "0.01"));
    CHECK_OK(msgr_conf_set(ctx, "ms_inject_delay_probability", "1"));
    for (tid = 3; tid <= 100; tid++)
        send_numbered(conn, tid);
    WAIT_UNTIL(at_server.got == 99);
    LOCKED(CHECK(at_server.last == 100));

    CHECK_OK(msgr_conf_set(ctx, "ms_inject_socket_failures", "1"));
    send_numbered(conn, 101);
    WAIT_UNTIL(at_server.reset == 1 && at_client.reset == 1);
    CHECK_IS(msgr_send(conn, check_message(1, "x")), -ENOTCONN);

    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
    msgr_ctx_unref(client_ctx);
}

int main(void)
{
    what_makes_no_sense_is_refused();
    faults_come_and_go_while_a_connection_is_open();
    return 0;
}
