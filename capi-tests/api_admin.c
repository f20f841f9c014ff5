/* msgr_dump: what an operator sees. */
#include "check.h"

struct seen {
    int got;
    int dumped;
};

static int dispatch(void *user, msgr_msg *msg)
{
    msgr_msg_unref(msg);
    LOCKED(((struct seen *)user)->got++);
    return 1;
}

/* A dump, to be freed. Another call may need more room than the one before. */
static char *dump(msgr_messenger *messenger)
{
    int len = msgr_dump(messenger, NULL, 0);
    for (;;) {
        int room = len + 1;
        char *text = (char *)malloc((size_t)room);
        CHECK(text != NULL && len > 0);
        len = msgr_dump(messenger, text, (size_t)room);
        if (len < room)
            return text;
        free(text);
    }
}

static int count(const char *text, const char *what)
{
    int count = 0;
    for (text = strstr(text, what); text != NULL; text = strstr(text + 1, what))
        count++;
    return count;
}

static void wrong_arguments_are_refused(void)
{
    char buf[64];
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_IS(msgr_dump(NULL, buf, sizeof(buf)), -EINVAL);
    CHECK_IS(msgr_dump(messenger, NULL, sizeof(buf)), -EINVAL);
    CHECK(msgr_dump(messenger, buf, sizeof(buf)) > (int)sizeof(buf));
    CHECK(strlen(buf) == sizeof(buf) - 1 && strncmp(buf, "{\"name\":\"test\",", 15) == 0);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void connections_are_told_with_what_they_have_done(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    struct seen seen = { 0, 0 };
    msgr_ctx *ctx = check_ctx();
    char addrs[128], *text;
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    int i;
    callbacks.dispatch = dispatch;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    client = check_client(ctx, &callbacks, &seen);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    for (i = 0; i < 3; i++)
        CHECK_OK(msgr_send(conn, check_message(1, "told")));
    WAIT_UNTIL(seen.got == 3);

    text = dump(client);
    CHECK(strstr(text, "\"connections_count\":1,") != NULL);
    CHECK(strstr(text, "\"async_connection\":{\"state\":\"STATE_CONNECTION_ESTABLISHED\"") != NULL);
    CHECK(strstr(text, "\"listen_sockets\":[]") != NULL);
    CHECK(strstr(text, "\"type\":\"osd\",\"id\":0,") != NULL);
    CHECK(strstr(text, "\"v2\":{\"state\":\"READY\"") != NULL);
    CHECK(strstr(text, "\"con_mode\":\"crc\",\"rev1\":true") != NULL);
    CHECK(strstr(text, "\"lossy\":true,\"server\":false") != NULL);
    CHECK(strstr(text, "\"out_seq\":3,") != NULL);
    CHECK(strstr(text, "\"port\":-1,") != NULL);
#ifdef __linux__
    CHECK(strstr(text, "\"tcpi_state\":\"established\",") != NULL);
    CHECK(strstr(text, "\"tcpi_total_retrans\":0,") != NULL);
#endif
    free(text);

    text = dump(server);
    CHECK(strstr(text, "\"my_name\":{\"type\":\"osd\",\"num\":0}") != NULL);
    CHECK(strstr(text, "\"in_seq\":3,") != NULL);
    CHECK(strstr(text, "\"lossy\":true,\"server\":true") != NULL);
    CHECK(count(text, "\"last_active_ago\":") == 2);
    CHECK(count(text, "\"loopback\":true") == 1);
    CHECK(strstr(text, "\"listen_sockets\":[{\"socket_fd\":") != NULL);
    free(text);

    msgr_conn_unref(conn);
    CHECK_OK(msgr_shutdown(client));
    CHECK_OK(msgr_wait(client));
    text = dump(client);
    CHECK(strstr(text, "\"connections\":[],\"anon_conns\":[]") != NULL);
    free(text);
    msgr_unref(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

/* A callback on a worker cannot wait for it; one on the dispatch thread can. */

static msgr_messenger *dumped;

static int fast_dispatch(void *user, msgr_msg *msg)
{
    msgr_msg_unref(msg);
    CHECK_IS(msgr_dump(dumped, NULL, 0), -EDEADLK);
    LOCKED(((struct seen *)user)->got++);
    return 1;
}

static void handle_accept(void *user, msgr_conn *conn)
{
    CHECK(conn != NULL && msgr_dump(dumped, NULL, 0) > 0);
    LOCKED(((struct seen *)user)->dumped++);
}

static void a_callback_may_ask_unless_it_is_a_fast_one(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    struct seen seen = { 0, 0 };
    uint16_t fast = 1;
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    msgr_messenger *server, *client;
    callbacks.flags = MSGR_DISPATCH_FAST;
    callbacks.fast_types = &fast;
    callbacks.fast_type_count = 1;
    callbacks.fast_dispatch = fast_dispatch;
    callbacks.handle_accept = handle_accept;
    dumped = check_messenger(ctx, "osd.1", MSGR_POLICY_STATELESS_SERVER);
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    client = check_client(ctx, &callbacks, &seen);
    CHECK_OK(msgr_send_to(client, check_message(1, "fast"), MSGR_ENTITY_OSD, addrs));
    WAIT_UNTIL(seen.got == 1 && seen.dumped == 1);
    check_end(client);
    check_end(server);
    msgr_unref(dumped);
    msgr_ctx_unref(ctx);
}

/* Many connections, which go on meanwhile. */

enum { MANY = 400, ROUNDS = 5 };

static void many_are_told_while_they_are_at_work(void)
{
    static msgr_conn *conns[MANY];
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    struct seen seen = { 0, 0 };
    msgr_ctx *ctx = check_ctx();
    char addrs[128], *text;
    msgr_messenger *server, *client;
    int i, round;
    CHECK_OK(msgr_conf_set(ctx, "ms_max_half_open_per_source", "0"));
    callbacks.dispatch = dispatch;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    client = check_client(ctx, &callbacks, &seen);
    for (i = 0; i < MANY; i++)
        CHECK_OK(msgr_connect_with(client, MSGR_ENTITY_OSD, addrs, MSGR_CONNECT_ANONYMOUS, &conns[i]));
    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < MANY; i++)
            CHECK_OK(msgr_send(conns[i], check_message(1, "busy")));
        free(dump(server));
        text = dump(client);
        CHECK(count(text, "\"last_connect_started_ago\":") == MANY + 1);
        free(text);
    }
    WAIT_UNTIL(seen.got == MANY * ROUNDS);
    text = dump(client);
    CHECK(strstr(text, "\"connections_count\":0,") != NULL);
    CHECK(count(text, "\"out_seq\":5,") == MANY);
    free(text);
    for (i = 0; i < MANY; i++)
        msgr_conn_unref(conns[i]);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    wrong_arguments_are_refused();
    connections_are_told_with_what_they_have_done();
    a_callback_may_ask_unless_it_is_a_fast_one();
    many_are_told_while_they_are_at_work();
    return 0;
}
