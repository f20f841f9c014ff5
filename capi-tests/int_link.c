/* Connections that end: by mark_down, by the peer, by nobody being there; and
 * what keeps them alive. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen {
    int got, accepted, reset, refused, connected;
    msgr_conn *last;
};

static int dispatch(void *user, msgr_msg *msg)
{
    msgr_msg_unref(msg);
    LOCKED(((struct seen *)user)->got++);
    return 1;
}

static void handle_accept(void *user, msgr_conn *conn)
{
    struct seen *seen = (struct seen *)user;
    LOCKED(msgr_conn_unref(seen->last); seen->last = msgr_conn_ref(conn); seen->accepted++);
}

static void handle_connect(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(((struct seen *)user)->connected++);
}

static int handle_reset(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(((struct seen *)user)->reset++);
    return 1;
}

static int handle_refused(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(((struct seen *)user)->refused++);
    return 1;
}

static msgr_dispatcher callbacks(void)
{
    msgr_dispatcher made = MSGR_DISPATCHER_INIT;
    made.dispatch = dispatch;
    made.handle_accept = handle_accept;
    made.handle_connect = handle_connect;
    made.handle_reset = handle_reset;
    made.handle_refused = handle_refused;
    return made;
}

static void mark_down_ends_it_for_both(void)
{
    struct seen at_server = { 0, 0, 0, 0, 0, NULL }, at_client = { 0, 0, 0, 0, 0, NULL };
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    msgr_messenger *server = check_server(ctx, &made, &at_server, addrs, sizeof(addrs));
    msgr_messenger *client = check_client(ctx, &made, &at_client);
    msgr_conn *conn = NULL, *again = NULL;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(at_server.got == 1 && at_client.connected == 1);

    /* The end that asks is not told; the other is. */
    CHECK_OK(msgr_conn_mark_down(conn));
    CHECK_IS(msgr_send(conn, check_message(1, "x")), -ENOTCONN);
    CHECK_IS(msgr_conn_is_connected(conn), 0);
    WAIT_UNTIL(at_server.reset == 1);

    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &again));
    CHECK(again != conn);
    CHECK_OK(msgr_send(again, check_message(1, "x")));
    WAIT_UNTIL(at_server.got == 2 && at_server.accepted == 2 && at_client.connected == 2);
    CHECK_OK(msgr_conn_mark_down(at_server.last));
    WAIT_UNTIL(at_client.reset == 1);
    CHECK_IS(msgr_send(again, check_message(1, "x")), -ENOTCONN);

    msgr_conn_unref(conn);
    msgr_conn_unref(again);
    msgr_conn_unref(at_server.last);
    check_end(client);
    check_end(server);
    CHECK_LOCKED(at_server.reset == 1 && at_client.reset == 1);
    msgr_ctx_unref(ctx);
}

static void a_dropped_reference_does_not_close(void)
{
    struct seen at_server = { 0, 0, 0, 0, 0, NULL }, at_client = { 0, 0, 0, 0, 0, NULL };
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    msgr_messenger *server = check_server(ctx, &made, &at_server, addrs, sizeof(addrs));
    msgr_messenger *client = check_client(ctx, &made, &at_client);
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    msgr_conn_unref(conn);
    WAIT_UNTIL(at_server.got == 1 && at_server.accepted == 1);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(at_server.got == 2);
    CHECK_LOCKED(at_server.accepted == 1);
    msgr_conn_unref(conn);
    msgr_conn_unref(at_server.last);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void a_keepalive_is_answered(void)
{
    struct seen at_server = { 0, 0, 0, 0, 0, NULL }, at_client = { 0, 0, 0, 0, 0, NULL };
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    msgr_messenger *server = check_server(ctx, &made, &at_server, addrs, sizeof(addrs));
    msgr_messenger *client = check_client(ctx, &made, &at_client);
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_conn_keepalive(conn));
    CHECK_OK(msgr_send(conn, check_message(1, "there")));
    WAIT_UNTIL(at_server.got == 1 && at_server.accepted == 1);
    /* No callback tells of the answer, but what the server sends now is behind it. */
    CHECK_OK(msgr_send(at_server.last, check_message(1, "and back")));
    WAIT_UNTIL(at_client.got == 1);
    CHECK(msgr_conn_last_keepalive_ack(conn) > UINT64_C(1600000000) * 1000000000);
    CHECK(msgr_conn_last_keepalive_ack(at_server.last) == 0);
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_conn_unref(at_server.last);
    msgr_ctx_unref(ctx);
}

/* A port that nobody listens on: it was free a moment ago. */
static void free_port(char *addrs, size_t len)
{
    struct sockaddr_in in;
    socklen_t size = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&in, 0, sizeof(in));
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&in, &size) == 0);
    snprintf(addrs, len, "v2:127.0.0.1:%d", ntohs(in.sin_port));
    close(fd);
}

static void a_refused_port_is_told_until_mark_down(void)
{
    struct seen at_client = { 0, 0, 0, 0, 0, NULL };
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *client;
    msgr_msg *msg = NULL;
    msgr_conn *conn = NULL;
    char addrs[64];
    int freed = 0;
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR));
    CHECK_OK(msgr_conf_set(ctx, "ms_initial_backoff", "0.01"));
    client = check_client(ctx, &made, &at_client);
    free_port(addrs, sizeof(addrs));
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_DATA, "x", 1, check_count, &freed));
    CHECK_OK(msgr_send(conn, msg));
    WAIT_UNTIL(at_client.refused >= 2); /* it dials again and again */
    CHECK_IS(msgr_conn_is_connected(conn), 0);
    LOCKED(CHECK(freed == 0));
    CHECK_OK(msgr_conn_mark_down(conn));
    WAIT_UNTIL(freed == 1); /* what was queued is dropped */
    msgr_conn_unref(conn);
    check_end(client);
    CHECK_LOCKED(at_client.reset == 0 && at_client.connected == 0);
    CHECK_OK(msgr_set_log_level(MSGR_LOG_WARN));
    msgr_ctx_unref(ctx);
}

static void ones_own_address_is_the_loopback_connection(void)
{
    struct seen seen = { 0, 0, 0, 0, 0, NULL };
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    msgr_messenger *server = check_server(ctx, &made, &seen, addrs, sizeof(addrs));
    msgr_conn *conn = NULL, *loopback = NULL;
    CHECK_OK(msgr_connect(server, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_get_loopback_connection(server, &loopback));
    CHECK(conn == loopback);
    CHECK_IS(msgr_conn_is_connected(conn), 1);
    CHECK_OK(msgr_send(conn, check_message(1, "to myself")));
    WAIT_UNTIL(seen.got == 1);
    CHECK_LOCKED(seen.accepted == 0 && seen.connected == 0);
    msgr_conn_unref(conn);
    msgr_conn_unref(loopback);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void a_priv_is_destroyed_with_its_connection(void)
{
    struct seen at_server = { 0, 0, 0, 0, 0, NULL }, at_client = { 0, 0, 0, 0, 0, NULL };
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    msgr_messenger *server = check_server(ctx, &made, &at_server, addrs, sizeof(addrs));
    msgr_messenger *client = check_client(ctx, &made, &at_client);
    msgr_conn *conn = NULL;
    int destroyed = 0;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    WAIT_UNTIL(at_server.accepted == 1);
    msgr_conn_set_priv(at_server.last, &destroyed, check_count);
    CHECK_OK(msgr_conn_mark_down(conn));
    WAIT_UNTIL(at_server.reset == 1);
    LOCKED(CHECK(destroyed == 0));
    LOCKED(CHECK(msgr_conn_get_priv(at_server.last) == &destroyed));
    msgr_conn_unref(at_server.last);
    msgr_conn_unref(conn);
    WAIT_UNTIL(destroyed == 1); /* while the messenger lives on */
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    mark_down_ends_it_for_both();
    a_dropped_reference_does_not_close();
    a_keepalive_is_answered();
    a_refused_port_is_told_until_mark_down();
    ones_own_address_is_the_loopback_connection();
    a_priv_is_destroyed_with_its_connection();
    return 0;
}
