/* msgr_conn: where its link leads, whose it is, and how long things wait. */
#include "check.h"

static int received;
static msgr_conn *accepted;
static int blocked = 1, in_dispatch;

static int take(void *user, msgr_msg *msg)
{
    (void)user;
    LOCKED(if (accepted == NULL) accepted = msgr_conn_ref(msgr_msg_conn(msg)); received++);
    return 0;
}

static msgr_dispatcher taker(void)
{
    msgr_dispatcher dispatcher = MSGR_DISPATCHER_INIT;
    dispatcher.dispatch = take;
    return dispatcher;
}

static void both_ends_know_where_their_link_leads(void)
{
    static const char *const binds[] = {"v2:127.0.0.1:0", "v1:127.0.0.1:0"};
    msgr_dispatcher dispatcher = taker();
    int i;
    for (i = 0; i < 2; i++) {
        msgr_ctx *ctx = check_ctx();
        msgr_messenger *client = check_client(ctx, &dispatcher, NULL);
        msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
        char addrs[128], where[128], small[4] = "old";
        msgr_conn *conn;
        accepted = NULL;
        received = 0;
        CHECK_OK(msgr_bind(server, binds[i]));
        CHECK_OK(msgr_add_dispatcher_head(server, &dispatcher, NULL));
        CHECK_OK(msgr_start(server));
        CHECK(msgr_get_myaddrs(server, addrs, sizeof(addrs)) > 0);
        CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
        CHECK_OK(msgr_send(conn, check_message(1, "there")));
        WAIT_UNTIL(received == 1);
        CHECK_IS(msgr_conn_is_msgr2(conn), i == 0);
        CHECK_IS(msgr_conn_is_msgr2(accepted), i == 0);
        CHECK_IS(msgr_conn_peer_socket_addr(conn, where, sizeof(where)), (int)strlen(addrs));
        CHECK(strcmp(where, addrs) == 0);
        /* The other way it leads to a port that nobody listens at. */
        CHECK(msgr_conn_peer_socket_addr(accepted, where, sizeof(where)) > 0);
        CHECK(strncmp(where, binds[i], strlen("v2:127.0.0.1:")) == 0);
        CHECK(strcmp(where, addrs) != 0 && atoi(where + strlen("v2:127.0.0.1:")) > 0);
        CHECK_IS(msgr_conn_peer_socket_addr(conn, small, sizeof(small)), -ENAMETOOLONG);
        CHECK(strcmp(small, "old") == 0);
        CHECK_IS(msgr_conn_peer_socket_addr(NULL, where, sizeof(where)), -EINVAL);
        CHECK_IS(msgr_conn_is_msgr2(NULL), -EINVAL);
        msgr_conn_unref(conn);
        msgr_conn_unref(accepted);
        check_end(client);
        check_end(server);
        msgr_ctx_unref(ctx);
    }
}

static void a_connection_knows_its_messenger_while_that_is_there(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_conn *loopback;
    CHECK_OK(msgr_get_loopback_connection(messenger, &loopback));
    CHECK(msgr_conn_messenger(loopback) == messenger);
    CHECK(msgr_conn_messenger(NULL) == NULL);
    CHECK_IS(msgr_conn_is_msgr2(loopback), 1);
    msgr_unref(messenger);
    CHECK(msgr_conn_messenger(loopback) == NULL);
    msgr_conn_unref(loopback);
    msgr_ctx_unref(ctx);
}

static void features_blackholes_and_keepalives_are_told(void)
{
    msgr_dispatcher dispatcher = taker();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    msgr_messenger *server = check_server(ctx, &dispatcher, NULL, addrs, sizeof(addrs));
    msgr_messenger *client = check_client(ctx, &dispatcher, NULL);
    msgr_conn *conn;
    uint64_t acked;
    accepted = NULL;
    received = 0;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "first")));
    WAIT_UNTIL(received == 1);
    CHECK(msgr_conn_features(conn) > 1);
    CHECK_OK(msgr_conn_set_features(conn, 1));
    CHECK(msgr_conn_features(conn) == 1);
    CHECK_IS(msgr_conn_set_features(NULL, 1), -EINVAL);

    CHECK(msgr_conn_last_keepalive(accepted) == 0 && msgr_conn_last_keepalive(NULL) == 0);
    CHECK_OK(msgr_conn_keepalive(conn));
    /* Keepalives go ahead of messages. */
    CHECK_OK(msgr_send(conn, check_message(1, "second")));
    WAIT_UNTIL(received == 2);
    acked = msgr_conn_last_keepalive(accepted);
    CHECK(acked > UINT64_C(1600000000) * 1000000000);
    CHECK(msgr_conn_last_keepalive(conn) == 0);

    CHECK_IS(msgr_conn_is_blackhole(conn), 0);
    CHECK_OK(msgr_conf_set(ctx, "ms_blackhole_osd", "true"));
    CHECK_IS(msgr_conn_is_blackhole(conn), 1);
    CHECK_IS(msgr_conn_is_blackhole(accepted), 0);
    CHECK_IS(msgr_conn_is_blackhole(NULL), -EINVAL);
    msgr_conn_unref(conn);
    msgr_conn_unref(accepted);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static int block(void *user, msgr_msg *msg)
{
    (void)user;
    (void)msg;
    LOCKED(in_dispatch++);
    WAIT_UNTIL(!blocked);
    return 0;
}

static void the_oldest_message_that_waits_is_told_by_its_age(void)
{
    msgr_dispatcher dispatcher = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger;
    msgr_conn *loopback;
    uint64_t age;
    dispatcher.dispatch = block;
    messenger = check_client(ctx, &dispatcher, NULL);
    CHECK_OK(msgr_get_loopback_connection(messenger, &loopback));
    CHECK(msgr_dispatch_queue_max_age(messenger) == 0 && msgr_dispatch_queue_max_age(NULL) == 0);
    CHECK_OK(msgr_send(loopback, check_message(1, "in the callback")));
    WAIT_UNTIL(in_dispatch == 1);
    CHECK(msgr_dispatch_queue_max_age(messenger) == 0);
    CHECK_OK(msgr_send(loopback, check_message(1, "waits")));
    do
        age = msgr_dispatch_queue_max_age(messenger);
    while (age == 0);
    /* A later one is younger. */
    CHECK_OK(msgr_send(loopback, check_message(1, "waits, too")));
    while (msgr_dispatch_queue_len(messenger) < 2)
        ;
    CHECK(msgr_dispatch_queue_max_age(messenger) > age);
    LOCKED(blocked = 0);
    WAIT_UNTIL(in_dispatch == 3);
    CHECK(msgr_dispatch_queue_max_age(messenger) == 0);
    msgr_conn_unref(loopback);
    check_end(messenger);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    both_ends_know_where_their_link_leads();
    a_connection_knows_its_messenger_while_that_is_there();
    features_blackholes_and_keepalives_are_told();
    the_oldest_message_that_waits_is_told_by_its_age();
    return 0;
}
