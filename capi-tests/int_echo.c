/* Two messengers over loopback TCP: what goes in comes out at the other end. */
#include "check.h"

struct end {
    msgr_conn *conn; /* lent by the callbacks below, kept with a reference */
    int connects, accepts, fast_connects, fast_accepts, got;
    msgr_msg *last;
};

static int echo(void *user, msgr_msg *msg)
{
    struct end *end = (struct end *)user;
    msgr_msg *reply = NULL;
    uint16_t compat = 0;
    int version = msgr_msg_version(msg, &compat), segment;
    CHECK(end->fast_accepts == 1);
    CHECK_OK(msgr_msg_create((uint16_t)(msgr_msg_type(msg) + 1), &reply));
    for (segment = MSGR_FRONT; segment <= MSGR_DATA; segment++)
        CHECK_OK(msgr_msg_append_copy(reply, segment, msgr_msg_data(msg, segment),
                                      msgr_msg_len(msg, segment)));
    msgr_msg_set_tid(reply, msgr_msg_tid(msg));
    msgr_msg_set_priority(reply, msgr_msg_priority(msg));
    msgr_msg_set_version(reply, (uint16_t)version, compat);
    CHECK_OK(msgr_send(msgr_msg_conn(msg), reply));
    LOCKED(end->got++);
    msgr_msg_unref(msg);
    return 1;
}

static int keep(void *user, msgr_msg *msg)
{
    struct end *end = (struct end *)user;
    LOCKED(end->last = msg; end->got++);
    return 1;
}

static void on_connect(void *user, msgr_conn *conn)
{
    struct end *end = (struct end *)user;
    CHECK(conn == end->conn);
    LOCKED(end->connects++);
}

static void on_fast_connect(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(((struct end *)user)->fast_connects++);
}

static void on_accept(void *user, msgr_conn *conn)
{
    CHECK_IS(msgr_conn_peer_type(conn), MSGR_ENTITY_CLIENT);
    LOCKED(((struct end *)user)->accepts++);
}

static void on_fast_accept(void *user, msgr_conn *conn)
{
    struct end *end = (struct end *)user;
    CHECK_IS(msgr_conn_is_connected(conn), 1);
    LOCKED(end->conn = msgr_conn_ref(conn); end->fast_accepts++);
}

static void one_round_trip(msgr_conn *conn, struct end *client, int tid, size_t size)
{
    unsigned char *bytes = (unsigned char *)malloc(size + 1);
    msgr_msg *msg = NULL;
    uint16_t compat = 0;
    size_t i;
    int freed = 0;
    CHECK(bytes != NULL);
    for (i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + size);
    CHECK_OK(msgr_msg_create(100, &msg));
    msgr_msg_set_tid(msg, (uint64_t)tid);
    msgr_msg_set_version(msg, 8, 3);
    msgr_msg_set_priority(msg, MSGR_PRIO_HIGH);
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_FRONT, "front", 5));
    if (tid % 2 == 0)
        CHECK_OK(msgr_msg_append_copy(msg, MSGR_MIDDLE, "middle", 6));
    CHECK_OK(msgr_msg_append(msg, MSGR_DATA, bytes, size, check_count, &freed));
    CHECK_OK(msgr_send(conn, msg));
    WAIT_UNTIL(client->got == tid);

    CHECK(msgr_msg_type(client->last) == 101);
    CHECK(msgr_msg_tid(client->last) == (uint64_t)tid);
    CHECK(msgr_msg_seq(client->last) == (uint64_t)tid);
    CHECK(msgr_msg_priority(client->last) == MSGR_PRIO_HIGH);
    CHECK(msgr_msg_version(client->last, &compat) == 8 && compat == 3);
    CHECK(msgr_msg_conn(client->last) == conn);
    CHECK(check_holds(client->last, MSGR_FRONT, "front"));
    CHECK(check_holds(client->last, MSGR_MIDDLE, tid % 2 == 0 ? "middle" : ""));
    CHECK(msgr_msg_len(client->last, MSGR_DATA) == size);
    CHECK(memcmp(msgr_msg_data(client->last, MSGR_DATA), bytes, size) == 0);
    msgr_msg_unref(client->last);
    WAIT_UNTIL(freed == 1); /* sent, so the memory is ours again */
    free(bytes);
}

int main(void)
{
    static const size_t sizes[] = { 0, 1, 64, 4095, 4096, 65536, 1000003, 8 << 20 };
    msgr_dispatcher server_callbacks = MSGR_DISPATCHER_INIT;
    msgr_dispatcher client_callbacks = MSGR_DISPATCHER_INIT;
    struct end at_server = { NULL, 0, 0, 0, 0, 0, NULL };
    struct end at_client = { NULL, 0, 0, 0, 0, 0, NULL };
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    char addrs[128], text[128];
    size_t i;
    server_callbacks.dispatch = echo;
    server_callbacks.handle_accept = on_accept;
    server_callbacks.handle_fast_accept = on_fast_accept;
    client_callbacks.dispatch = keep;
    client_callbacks.handle_connect = on_connect;
    client_callbacks.handle_fast_connect = on_fast_connect;
    server = check_server(ctx, &server_callbacks, &at_server, addrs, sizeof(addrs));
    client = check_client(ctx, &client_callbacks, &at_client);

    LOCKED(CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &at_client.conn)));
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        one_round_trip(at_client.conn, &at_client, (int)i + 1, sizes[i]);
    WAIT_UNTIL(at_client.connects == 1 && at_client.fast_connects == 1);
    WAIT_UNTIL(at_server.accepts == 1 && at_server.fast_accepts == 1);

    CHECK_IS(msgr_conn_is_connected(at_client.conn), 1);
    CHECK(msgr_conn_features(at_client.conn) != 0);
    CHECK(msgr_conn_features(at_client.conn) == msgr_conn_features(at_server.conn));
    CHECK(msgr_conn_peer_name(at_client.conn, text, sizeof(text)) > 0);
    CHECK(strcmp(text, "osd.0") == 0);
    CHECK(msgr_conn_peer_addrs(at_client.conn, text, sizeof(text)) > 0);
    CHECK(strcmp(text, addrs) == 0);
    CHECK(msgr_conn_peer_name(at_server.conn, text, sizeof(text)) > 0);
    CHECK(strncmp(text, "client.", 7) == 0);
    CHECK_IS(msgr_dispatch_queue_len(server), 0);

    msgr_conn_unref(at_client.conn);
    msgr_conn_unref(at_server.conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
    return 0;
}
