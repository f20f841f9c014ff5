/* msgr_conn: what can be said about one without a network. */
#include "check.h"

static const msgr_dispatcher no_callbacks = MSGR_DISPATCHER_INIT;

static void null_connections_are_harmless(void)
{
    char buf[8];
    int destroyed = 0;
    CHECK(msgr_conn_ref(NULL) == NULL);
    msgr_conn_unref(NULL);
    CHECK_IS(msgr_conn_mark_down(NULL), -EINVAL);
    CHECK_IS(msgr_conn_keepalive(NULL), -EINVAL);
    CHECK_IS(msgr_conn_is_connected(NULL), -EINVAL);
    CHECK_IS(msgr_conn_is_loopback(NULL), -EINVAL);
    CHECK_IS(msgr_conn_peer_type(NULL), -EINVAL);
    CHECK_IS(msgr_conn_peer_name(NULL, buf, sizeof(buf)), -EINVAL);
    CHECK_IS(msgr_conn_peer_addrs(NULL, buf, sizeof(buf)), -EINVAL);
    CHECK(msgr_conn_features(NULL) == 0);
    CHECK(msgr_conn_last_keepalive_ack(NULL) == 0);
    CHECK(msgr_conn_get_priv(NULL) == NULL);
    msgr_conn_set_priv(NULL, buf, check_count);
    CHECK(destroyed == 0);
}

static void a_peer_is_known_by_what_was_dialled(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *client = check_client(ctx, &no_callbacks, NULL);
    msgr_conn *conn = NULL, *same = NULL, *other = NULL;
    char buf[128], small[4] = "old";
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_MON, "v2:127.0.0.1:1", &conn));
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_MON, "v2:127.0.0.1:1", &same));
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_MON, "v2:127.0.0.1:2", &other));
    CHECK(conn == same && conn != other);
    CHECK_IS(msgr_conn_peer_type(conn), MSGR_ENTITY_MON);
    CHECK_IS(msgr_conn_is_connected(conn), 0);
    CHECK_IS(msgr_conn_is_loopback(conn), 0);
    CHECK(msgr_conn_last_keepalive_ack(conn) == 0);
    CHECK(msgr_conn_peer_addrs(conn, buf, sizeof(buf)) > 0);
    CHECK(strcmp(buf, "v2:127.0.0.1:1/0") == 0);
    CHECK_IS(msgr_conn_peer_addrs(conn, small, sizeof(small)), -ENAMETOOLONG);
    CHECK(strcmp(small, "old") == 0);
    CHECK_IS(msgr_conn_peer_addrs(conn, NULL, 0), -EINVAL);
    CHECK(msgr_conn_peer_name(conn, buf, sizeof(buf)) > 0);
    CHECK(strncmp(buf, "mon.", 4) == 0);

    /* After mark_down the same address means a new connection. */
    CHECK_OK(msgr_conn_mark_down(conn));
    CHECK_OK(msgr_conn_mark_down(conn));
    CHECK_IS(msgr_send(conn, check_message(1, "x")), -ENOTCONN);
    CHECK_IS(msgr_conn_keepalive(conn), -ENOTCONN);
    msgr_conn_unref(same);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_MON, "v2:127.0.0.1:1", &same));
    CHECK(same != conn);
    msgr_conn_unref(conn);
    msgr_conn_unref(same);
    msgr_conn_unref(other);
    check_end(client);
    msgr_ctx_unref(ctx);
}

static void an_attached_pointer_is_destroyed_once(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *client = check_client(ctx, &no_callbacks, NULL);
    msgr_conn *conn = NULL;
    int first = 0, second = 0, third = 0;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn));
    CHECK(msgr_conn_get_priv(conn) == NULL);
    msgr_conn_set_priv(conn, &first, check_count);
    CHECK(msgr_conn_get_priv(conn) == &first);
    CHECK(first == 0);
    msgr_conn_set_priv(conn, &second, check_count);
    CHECK(first == 1 && second == 0);
    CHECK(msgr_conn_get_priv(conn) == &second);
    msgr_conn_set_priv(conn, NULL, check_count);
    CHECK(second == 1 && msgr_conn_get_priv(conn) == NULL);
    msgr_conn_set_priv(conn, ctx, NULL);
    msgr_conn_set_priv(conn, &third, check_count);
    msgr_conn_mark_down(conn);
    LOCKED(CHECK(third == 0));
    CHECK(msgr_conn_get_priv(conn) == &third);
    msgr_conn_unref(conn);
    check_end(client);
    msgr_ctx_unref(ctx);
    WAIT_UNTIL(third == 1);
    CHECK(first == 1 && second == 1);
}

static msgr_conn *destroying;

static void look_at_it(void *arg)
{
    CHECK(msgr_conn_get_priv(destroying) != arg);
    CHECK_IS(msgr_conn_is_connected(destroying), 0);
    check_count(arg);
}

static void destroy_may_call_the_connection(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *client = check_client(ctx, &no_callbacks, NULL);
    int destroyed = 0;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &destroying));
    msgr_conn_set_priv(destroying, &destroyed, look_at_it);
    msgr_conn_set_priv(destroying, NULL, NULL);
    CHECK(destroyed == 1);
    msgr_conn_unref(destroying);
    check_end(client);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    null_connections_are_harmless();
    a_peer_is_known_by_what_was_dialled();
    an_attached_pointer_is_destroyed_once();
    destroy_may_call_the_connection();
    return 0;
}
