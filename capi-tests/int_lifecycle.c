/* The ends and new beginnings of connections and messengers: mark_down_all and
 * by address, disposable and anonymous connections, rebind and client_reset. */
#include "check.h"

#include <unistd.h>

struct seen {
    int got, accepted, reset, connected;
    msgr_conn *last; /* accepted */
    msgr_conn *gone; /* reset; only to be compared */
    int rebind_in_dispatch, rebind_in_fast;
    msgr_messenger *messenger;
};

static int dispatch(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    if (msgr_msg_type(msg) == 7)
        seen->rebind_in_dispatch = msgr_rebind(seen->messenger, NULL, 0);
    msgr_msg_unref(msg);
    LOCKED(seen->got++);
    return 1;
}

static int can_fast_dispatch(void *user, const msgr_msg *msg)
{
    (void)user;
    return msgr_msg_type(msg) == 9;
}

static int fast_dispatch(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    msgr_messenger *messenger;
    int result;
    (void)msg;
    LOCKED(messenger = seen->messenger);
    result = msgr_rebind(messenger, NULL, 0);
    LOCKED(seen->rebind_in_fast = result; seen->got++);
    return 0;
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
    struct seen *seen = (struct seen *)user;
    LOCKED(seen->gone = conn; seen->reset++);
    return 1;
}

static msgr_dispatcher callbacks(void)
{
    msgr_dispatcher made = MSGR_DISPATCHER_INIT;
    made.flags = MSGR_DISPATCH_FAST;
    made.can_fast_dispatch = can_fast_dispatch;
    made.fast_dispatch = fast_dispatch;
    made.dispatch = dispatch;
    made.handle_accept = handle_accept;
    made.handle_connect = handle_connect;
    made.handle_reset = handle_reset;
    return made;
}

static msgr_messenger *peer(msgr_ctx *ctx, const char *entity, int preset, struct seen *seen,
                            char *addrs, size_t len)
{
    msgr_dispatcher made = callbacks();
    msgr_messenger *messenger = check_messenger(ctx, entity, preset);
    memset(seen, 0, sizeof(*seen));
    LOCKED(seen->messenger = messenger);
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &made, seen));
    CHECK_OK(msgr_start(messenger));
    CHECK(msgr_get_myaddrs(messenger, addrs, len) > 0);
    return messenger;
}

static void end(msgr_messenger *messenger, struct seen *seen)
{
    check_end(messenger);
    msgr_conn_unref(seen->last);
}

/* Sends one message and waits for it. */
static void talk(msgr_conn *conn, struct seen *to)
{
    int got;
    check_enter();
    got = to->got;
    check_leave();
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(to->got == got + 1);
}

static void null_and_nonsense_are_refused(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *client = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_conn *conn = NULL;
    uint16_t port = 6800;
    CHECK_IS(msgr_mark_down_all(NULL), -EINVAL);
    CHECK_IS(msgr_mark_down_addrs(NULL, "v2:127.0.0.1:1"), -EINVAL);
    CHECK_IS(msgr_mark_down_addrs(client, NULL), -EINVAL);
    CHECK_IS(msgr_mark_down_addrs(client, "nowhere"), -EINVAL);
    CHECK_IS(msgr_rebind(NULL, NULL, 0), -EINVAL);
    CHECK_IS(msgr_rebind(client, NULL, 1), -EINVAL);
    CHECK_IS(msgr_rebind(client, &port, 1), -EINVAL); /* not bound */
    CHECK_IS(msgr_client_reset(NULL), -EINVAL);
    CHECK_IS(msgr_connect_with(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", 0, &conn), -ENOTCONN);
    CHECK_OK(msgr_start(client));
    CHECK_IS(msgr_connect_with(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", 4, &conn), -EINVAL);
    CHECK_IS(msgr_connect_with(client, 3, "v2:127.0.0.1:1", 0, &conn), -EINVAL);
    CHECK_IS(msgr_connect_with(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", 0, NULL), -EINVAL);
    CHECK(conn == NULL);
    CHECK_OK(msgr_mark_down_all(client));
    CHECK_OK(msgr_mark_down_addrs(client, "v2:127.0.0.1:1"));
    CHECK_OK(msgr_shutdown(client));
    CHECK_OK(msgr_mark_down_all(client));
    CHECK_IS(msgr_client_reset(client), -ESHUTDOWN);
    CHECK_IS(msgr_rebind(client, NULL, 0), -ESHUTDOWN);
    msgr_unref(client);
    CHECK_IS(msgr_conn_mark_disposable(NULL), -EINVAL);
    CHECK_IS(msgr_conn_is_anon(NULL), -EINVAL);
    CHECK(msgr_conn_queued_bytes(NULL) == 0 && msgr_conn_peer_global_id(NULL) == 0);
    CHECK(msgr_conn_peer_id(NULL) == -1);
    msgr_ctx_unref(ctx);
}

static void connections_are_marked_down_by_address_or_all(void)
{
    struct seen at_hub, at_first, at_second;
    char hub_addrs[128], first_addrs[128], second_addrs[128];
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *hub =
        peer(ctx, "osd.0", MSGR_POLICY_LOSSLESS_PEER, &at_hub, hub_addrs, sizeof(hub_addrs));
    msgr_messenger *first = peer(ctx, "osd.1", MSGR_POLICY_LOSSLESS_PEER, &at_first, first_addrs,
                                 sizeof(first_addrs));
    msgr_messenger *second = peer(ctx, "osd.2", MSGR_POLICY_STATELESS_SERVER, &at_second,
                                  second_addrs, sizeof(second_addrs));
    msgr_conn *one = NULL, *two = NULL, *three = NULL;
    CHECK_OK(msgr_connect(hub, MSGR_ENTITY_OSD, first_addrs, &one));
    CHECK_OK(msgr_connect_with(hub, MSGR_ENTITY_OSD, second_addrs, MSGR_CONNECT_ANONYMOUS, &two));
    CHECK_OK(msgr_connect_with(hub, MSGR_ENTITY_OSD, second_addrs, MSGR_CONNECT_ANONYMOUS,
                               &three));
    CHECK(two != three && msgr_conn_is_anon(two) == 1 && msgr_conn_is_anon(one) == 0);
    talk(one, &at_first);
    talk(two, &at_second);
    talk(three, &at_second);
    CHECK(msgr_conn_peer_id(one) == 1 && msgr_conn_peer_id(two) == 2);
    CHECK_LOCKED(at_hub.reset == 0);

    CHECK_OK(msgr_mark_down_addrs(hub, first_addrs));
    CHECK_OK(msgr_mark_down_addrs(hub, first_addrs));
    CHECK_OK(msgr_mark_down_addrs(hub, second_addrs)); /* anonymous ones are not found */
    WAIT_UNTIL(at_hub.reset == 1);
    LOCKED(CHECK(at_hub.gone == one));
    CHECK_IS(msgr_send(one, check_message(1, "x")), -ENOTCONN);
    talk(two, &at_second);
    CHECK_OK(msgr_mark_down_all(hub));
    WAIT_UNTIL(at_hub.reset == 3);
    CHECK_IS(msgr_send(two, check_message(1, "x")), -ENOTCONN);
    CHECK_IS(msgr_send(three, check_message(1, "x")), -ENOTCONN);

    msgr_conn_unref(one);
    msgr_conn_unref(two);
    msgr_conn_unref(three);
    end(hub, &at_hub);
    end(first, &at_first);
    end(second, &at_second);
    CHECK_LOCKED(at_hub.reset == 3);
    msgr_ctx_unref(ctx);
}

static void a_disposable_connection_is_not_dialled_again(void)
{
    struct seen at_server, at_client;
    char server_addrs[128], addrs[128];
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server = peer(ctx, "osd.0", MSGR_POLICY_STATEFUL_SERVER, &at_server,
                                  server_addrs, sizeof(server_addrs));
    msgr_messenger *client =
        peer(ctx, "client.7", MSGR_POLICY_LOSSLESS_CLIENT, &at_client, addrs, sizeof(addrs));
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, server_addrs, &conn));
    talk(conn, &at_server);
    WAIT_UNTIL(at_server.accepted == 1);
    CHECK(msgr_conn_peer_id(at_server.last) == 7);
    CHECK_OK(msgr_conn_mark_disposable(conn));
    talk(conn, &at_server);
    CHECK_OK(msgr_conn_mark_down(at_server.last));
    WAIT_UNTIL(at_client.reset == 1);
    CHECK_IS(msgr_send(conn, check_message(1, "x")), -ENOTCONN);
    CHECK_OK(msgr_conn_mark_disposable(conn));
    CHECK_LOCKED(at_client.connected == 1 && msgr_conn_queued_bytes(conn) == 0);
    msgr_conn_unref(conn);
    end(client, &at_client);
    end(server, &at_server);
    msgr_ctx_unref(ctx);
}

/* Nobody listens there: what is sent stays. */
static void queued_bytes_tell_what_is_kept(void)
{
    struct seen at_client;
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *client;
    msgr_conn *conn = NULL;
    memset(&at_client, 0, sizeof(at_client));
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR));
    client = check_client(ctx, &made, &at_client);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn));
    CHECK(msgr_conn_queued_bytes(conn) == 0);
    CHECK_OK(msgr_send(conn, check_message(1, "12345")));
    CHECK_OK(msgr_send(conn, check_message(1, "1234567")));
    CHECK(msgr_conn_queued_bytes(conn) == 12);
    CHECK_OK(msgr_conn_mark_down(conn));
    CHECK(msgr_conn_queued_bytes(conn) == 0);
    msgr_conn_unref(conn);
    check_end(client);
    CHECK_OK(msgr_set_log_level(MSGR_LOG_WARN));
    msgr_ctx_unref(ctx);
}

static void a_daemon_comes_back_as_another(void)
{
    struct seen at_daemon, at_peer;
    char before[128], after[128], last[128], peer_addrs[128];
    uint16_t avoid[100];
    unsigned port = 0, nonce = 0, new_port = 0, new_nonce = 0;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *daemon =
        peer(ctx, "osd.0", MSGR_POLICY_LOSSLESS_PEER, &at_daemon, before, sizeof(before));
    msgr_messenger *other = peer(ctx, "osd.1", MSGR_POLICY_LOSSLESS_PEER, &at_peer, peer_addrs,
                                 sizeof(peer_addrs));
    msgr_conn *conn = NULL;
    size_t i;
    CHECK_OK(msgr_connect(daemon, MSGR_ENTITY_OSD, peer_addrs, &conn));
    talk(conn, &at_peer);
    for (i = 0; i < 100; i++)
        avoid[i] = (uint16_t)(6800 + i);
    CHECK_OK(msgr_rebind(daemon, avoid, 100));
    WAIT_UNTIL(at_daemon.reset == 1);
    LOCKED(CHECK(at_daemon.gone == conn));
    msgr_conn_unref(conn);
    CHECK(msgr_get_myaddrs(daemon, after, sizeof(after)) > 0);
    CHECK(sscanf(before, "v2:127.0.0.1:%u/%u", &port, &nonce) == 2);
    CHECK(sscanf(after, "v2:127.0.0.1:%u/%u", &new_port, &new_nonce) == 2);
    CHECK(new_port >= 6900 && new_port != port && new_nonce == nonce + 1000000);
    CHECK_IS(msgr_client_reset(daemon), -EALREADY);

    CHECK_OK(msgr_connect(other, MSGR_ENTITY_OSD, after, &conn));
    talk(conn, &at_daemon);
    /* On the dispatch thread it works, on a worker it would wait for itself. */
    CHECK_OK(msgr_send(conn, check_message(9, "rebind")));
    CHECK_OK(msgr_send(conn, check_message(7, "rebind")));
    WAIT_UNTIL(at_daemon.got == 3 && at_daemon.reset == 2);
    CHECK_LOCKED(at_daemon.rebind_in_fast == -EDEADLK && at_daemon.rebind_in_dispatch == 0);
    CHECK(msgr_get_myaddrs(daemon, last, sizeof(last)) > 0 && strcmp(last, after) != 0);
    msgr_conn_unref(conn);
    CHECK_OK(msgr_connect(other, MSGR_ENTITY_OSD, last, &conn));
    talk(conn, &at_daemon);
    msgr_conn_unref(conn);
    end(other, &at_peer);
    end(daemon, &at_daemon);
    msgr_ctx_unref(ctx);
}

static void a_client_comes_back_as_another(void)
{
    struct seen at_server, at_client;
    char addrs[128], before[128], after[128];
    msgr_dispatcher made = callbacks();
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server =
        peer(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER, &at_server, addrs, sizeof(addrs));
    msgr_messenger *client;
    msgr_conn *conn = NULL;
    memset(&at_client, 0, sizeof(at_client));
    client = check_client(ctx, &made, &at_client);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    talk(conn, &at_server);
    WAIT_UNTIL(at_server.accepted == 1);
    CHECK(msgr_conn_peer_addrs(at_server.last, before, sizeof(before)) > 0);
    CHECK_OK(msgr_client_reset(client));
    WAIT_UNTIL(at_client.reset == 1 && at_server.reset == 1);
    msgr_conn_unref(conn);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    talk(conn, &at_server);
    WAIT_UNTIL(at_server.accepted == 2);
    CHECK(msgr_conn_peer_addrs(at_server.last, after, sizeof(after)) > 0);
    CHECK(strcmp(before, after) != 0);
    msgr_conn_unref(conn);
    check_end(client);
    end(server, &at_server);
    msgr_ctx_unref(ctx);
}

static void ones_own_address_can_be_dialled(void)
{
    struct seen seen;
    char addrs[128];
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server =
        peer(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER, &seen, addrs, sizeof(addrs));
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_connect_with(server, MSGR_ENTITY_OSD, addrs,
                               MSGR_CONNECT_ANONYMOUS | MSGR_CONNECT_NOT_LOCAL, &conn));
    CHECK_IS(msgr_conn_is_loopback(conn), 0);
    talk(conn, &seen);
    WAIT_UNTIL(seen.accepted == 1);
    msgr_conn_unref(conn);
    CHECK_OK(msgr_connect_with(server, MSGR_ENTITY_OSD, addrs, MSGR_CONNECT_ANONYMOUS, &conn));
    CHECK_IS(msgr_conn_is_loopback(conn), 1);
    msgr_conn_unref(conn);
    end(server, &seen);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    null_and_nonsense_are_refused();
    connections_are_marked_down_by_address_or_all();
    a_disposable_connection_is_not_dialled_again();
    queued_bytes_tell_what_is_kept();
    a_daemon_comes_back_as_another();
    a_client_comes_back_as_another();
    ones_own_address_can_be_dialled();
    return 0;
}
