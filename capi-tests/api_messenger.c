/* msgr_messenger: its life, in the right order and in wrong ones. */
#include "check.h"

static const msgr_dispatcher no_callbacks = MSGR_DISPATCHER_INIT;

static void wrong_arguments_are_refused(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = NULL;
    static const char *const entities[] = { "", "osd", "osd.", ".1", "rgw.1", "OSD.1", "\xff" };
    size_t i;
    for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        messenger = (msgr_messenger *)ctx;
        CHECK_IS(msgr_create(ctx, entities[i], "test", 1, &messenger), -EINVAL);
        CHECK(messenger == NULL);
    }
    CHECK_IS(msgr_create(NULL, "osd.0", "test", 1, &messenger), -EINVAL);
    CHECK_IS(msgr_create(ctx, NULL, "test", 1, &messenger), -EINVAL);
    CHECK_IS(msgr_create(ctx, "osd.0", NULL, 1, &messenger), -EINVAL);
    CHECK_IS(msgr_create(ctx, "osd.0", "test", 1, NULL), -EINVAL);
    msgr_ctx_unref(ctx);
}

static void null_is_refused(void)
{
    char buf[8];
    msgr_conn *conn = NULL;
    CHECK(msgr_ref(NULL) == NULL);
    msgr_unref(NULL);
    CHECK_IS(msgr_bind(NULL, "v2:127.0.0.1:0"), -EINVAL);
    CHECK_IS(msgr_set_addrs(NULL, "v2:127.0.0.1:1"), -EINVAL);
    CHECK_IS(msgr_start(NULL), -EINVAL);
    CHECK_IS(msgr_shutdown(NULL), -EINVAL);
    CHECK_IS(msgr_wait(NULL), -EINVAL);
    CHECK_IS(msgr_get_myaddrs(NULL, buf, sizeof(buf)), -EINVAL);
    CHECK_IS(msgr_connect(NULL, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn), -EINVAL);
    CHECK_IS(msgr_get_loopback_connection(NULL, &conn), -EINVAL);
    CHECK_IS(msgr_dispatch_queue_len(NULL), -EINVAL);
    CHECK_IS(msgr_add_dispatcher_head(NULL, &no_callbacks, NULL), -EINVAL);
    CHECK_IS(msgr_add_dispatcher_tail(NULL, &no_callbacks, NULL), -EINVAL);
}

static void one_that_was_only_made_can_go(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK(msgr_ref(messenger) == messenger);
    msgr_unref(messenger);
    CHECK_OK(msgr_wait(messenger)); /* never started: at once */
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

/* Both orders are in use: perf programs add before start, daemons after. */
static void dispatchers_may_come_before_or_after_start(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *before = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_messenger *after = check_messenger(ctx, "osd.1", MSGR_POLICY_STATELESS_SERVER);
    CHECK_OK(msgr_bind(before, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(before, &no_callbacks, NULL));
    CHECK_OK(msgr_start(before));
    CHECK_OK(msgr_bind(after, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_start(after));
    CHECK_OK(msgr_add_dispatcher_tail(after, &no_callbacks, NULL));
    check_end(before);
    check_end(after);
    msgr_ctx_unref(ctx);
}

static void a_client_may_connect_before_its_first_dispatcher(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *client = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_start(client));
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn));
    CHECK_OK(msgr_add_dispatcher_head(client, &no_callbacks, NULL));
    msgr_conn_unref(conn);
    check_end(client);
    msgr_ctx_unref(ctx);
}

static void a_messenger_may_be_known_by_other_addresses(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    char bound[128], told[128];
    const char *port;
    CHECK_IS(msgr_set_addrs(messenger, "v2:192.0.2.7:0"), -EINVAL); /* no port to take over yet */
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    CHECK(msgr_get_myaddrs(messenger, bound, sizeof(bound)) > 0);
    port = strrchr(bound, ':');
    CHECK_IS(msgr_set_addrs(messenger, NULL), -EINVAL);
    CHECK_IS(msgr_set_addrs(messenger, "nonsense"), -EINVAL);
    CHECK_IS(msgr_set_addrs(messenger, "v2:0.0.0.0:1"), -EINVAL);
    CHECK_IS(msgr_set_addrs(messenger, "v1:192.0.2.7:6789"), -EOPNOTSUPP);
    CHECK(msgr_get_myaddrs(messenger, told, sizeof(told)) > 0);
    CHECK(strcmp(bound, told) == 0);

    CHECK_OK(msgr_set_addrs(messenger, "v2:192.0.2.7:0/99"));
    CHECK(msgr_get_myaddrs(messenger, told, sizeof(told)) > 0);
    CHECK(strncmp(told, "v2:192.0.2.7:", 13) == 0);
    CHECK(strcmp(strrchr(told, ':'), port) == 0); /* port and nonce are its own */
    CHECK_OK(msgr_set_addrs(messenger, "v2:192.0.2.7:6800"));
    CHECK_OK(msgr_start(messenger));
    CHECK_IS(msgr_set_addrs(messenger, "v2:192.0.2.7:6801"), -EBUSY);
    CHECK(msgr_get_myaddrs(messenger, told, sizeof(told)) > 0);
    CHECK(strncmp(told, "v2:192.0.2.7:6800/", 18) == 0);
    check_end(messenger);
    msgr_ctx_unref(ctx);
}

static void wrong_orders_are_told(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_conn *conn = NULL;
    CHECK_IS(msgr_connect(messenger, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn), -ENOTCONN);
    CHECK(conn == NULL);
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    CHECK_IS(msgr_bind(messenger, "v2:127.0.0.1:0"), -EALREADY);
    CHECK_OK(msgr_start(messenger));
    CHECK_IS(msgr_bind(messenger, "v2:127.0.0.1:0"), -EALREADY);
    CHECK_IS(msgr_start(messenger), -EALREADY);
    check_end(messenger);
    msgr_ctx_unref(ctx);
}

static void nothing_works_after_shutdown_and_nothing_breaks(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    msgr_conn *conn = NULL, *loopback = NULL, *other = NULL;
    int freed = 0;
    msgr_msg *msg = NULL;
    char buf[128];
    CHECK_OK(msgr_add_dispatcher_head(messenger, &no_callbacks, NULL));
    CHECK_OK(msgr_start(messenger));
    CHECK_OK(msgr_connect(messenger, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn));
    CHECK_OK(msgr_get_loopback_connection(messenger, &loopback));
    CHECK_OK(msgr_shutdown(messenger));
    CHECK_OK(msgr_shutdown(messenger));
    CHECK_OK(msgr_wait(messenger));
    CHECK_OK(msgr_wait(messenger));
    CHECK_OK(msgr_shutdown(messenger));

    CHECK_IS(msgr_start(messenger), -ESHUTDOWN);
    CHECK_IS(msgr_bind(messenger, "v2:127.0.0.1:0"), -ESHUTDOWN);
    CHECK_IS(msgr_set_addrs(messenger, "v2:127.0.0.1:1"), -ESHUTDOWN);
    CHECK_IS(msgr_connect(messenger, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &other), -ESHUTDOWN);
    CHECK_IS(msgr_add_dispatcher_head(messenger, &no_callbacks, NULL), -ESHUTDOWN);
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, "x", 1, check_count, &freed));
    CHECK(msgr_send(conn, msg) < 0);
    CHECK(freed == 1);
    CHECK(msgr_send(loopback, check_message(1, "x")) < 0);
    CHECK_OK(msgr_get_loopback_connection(messenger, &other));
    CHECK(msgr_send(other, check_message(1, "x")) < 0);
    msgr_conn_unref(other);
    CHECK(msgr_conn_keepalive(conn) < 0);
    CHECK_IS(msgr_conn_is_connected(conn), 0);
    CHECK_OK(msgr_conn_mark_down(conn));
    CHECK(msgr_get_myaddrs(messenger, buf, sizeof(buf)) > 0);

    /* Connections outlive their messenger. */
    msgr_unref(messenger);
    CHECK(msgr_send(conn, check_message(1, "x")) < 0);
    CHECK(msgr_conn_peer_addrs(conn, buf, sizeof(buf)) > 0);
    CHECK_OK(msgr_conn_mark_down(conn));
    msgr_conn_unref(conn);
    msgr_conn_unref(loopback);
    msgr_ctx_unref(ctx);
}

static void *waiting_thread(void *messenger)
{
    CHECK_OK(msgr_wait((msgr_messenger *)messenger));
    return NULL;
}

static void several_threads_may_wait(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    pthread_t threads[4];
    size_t i;
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &no_callbacks, NULL));
    CHECK_OK(msgr_start(messenger));
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, waiting_thread, messenger) == 0);
    CHECK_OK(msgr_shutdown(messenger));
    for (i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void a_messenger_that_is_just_dropped_ends(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    int released = 0;
    callbacks.release = check_count;
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &callbacks, &released));
    CHECK_OK(msgr_start(messenger));
    msgr_unref(messenger);
    WAIT_UNTIL(released == 1);
    msgr_ctx_unref(ctx);
}

static void messengers_may_be_left_behind_at_exit(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    /* So that leak checkers see that they are reachable. */
    static msgr_messenger *volatile kept;
    static msgr_ctx *volatile kept_ctx;
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &no_callbacks, NULL));
    CHECK_OK(msgr_start(messenger));
    kept = messenger;
    kept_ctx = ctx;
    CHECK(kept != NULL && kept_ctx != NULL);
}

int main(void)
{
    wrong_arguments_are_refused();
    null_is_refused();
    one_that_was_only_made_can_go();
    dispatchers_may_come_before_or_after_start();
    a_client_may_connect_before_its_first_dispatcher();
    a_messenger_may_be_known_by_other_addresses();
    wrong_orders_are_told();
    nothing_works_after_shutdown_and_nothing_breaks();
    several_threads_may_wait();
    a_messenger_that_is_just_dropped_ends();
    messengers_may_be_left_behind_at_exit();
    return 0;
}
