/* msgr_dump, msgr_admin_socket: what an operator sees. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

static int dump_len(void)
{
    msgr_messenger *messenger;
    LOCKED(messenger = dumped);
    return msgr_dump(messenger, NULL, 0);
}

static int fast_dispatch(void *user, msgr_msg *msg)
{
    msgr_msg_unref(msg);
    CHECK_IS(dump_len(), -EDEADLK);
    LOCKED(((struct seen *)user)->got++);
    return 1;
}

static void handle_accept(void *user, msgr_conn *conn)
{
    CHECK(conn != NULL && dump_len() > 0);
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
    LOCKED(dumped = check_messenger(ctx, "osd.1", MSGR_POLICY_STATELESS_SERVER));
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

/* The admin socket, in a folder of this process's. */

static char dir[] = "/tmp/msgr-api-admin-XXXXXX";
static char path[64];

/* Connects; -1 if nobody listens there. */
static int knock(void)
{
    struct sockaddr_un addr;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    memset(&addr, 0, sizeof(addr));
    addr.sun_family = AF_UNIX;
    strcpy(addr.sun_path, path);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* What is answered, to be freed. Its length comes first, as a big number does. */
static char *ask(const char *request)
{
    int fd = knock();
    uint32_t len = 0;
    size_t got = 0;
    char *answer;
    CHECK(fd >= 0);
    CHECK(write(fd, request, strlen(request) + 1) == (ssize_t)strlen(request) + 1);
    CHECK(recv(fd, &len, sizeof(len), MSG_WAITALL) == (ssize_t)sizeof(len));
    len = ntohl(len);
    answer = (char *)malloc((size_t)len + 1);
    CHECK(answer != NULL);
    while (got < len) {
        ssize_t more = read(fd, answer + got, len - got);
        CHECK(more > 0);
        got += (size_t)more;
    }
    answer[len] = '\0';
    close(fd);
    return answer;
}

static void check_answer(const char *request, const char *expected)
{
    char *answer = ask(request);
    if (strstr(answer, expected) == NULL) {
        fprintf(stderr, "%s: %s\n", request, answer);
        CHECK(!"the answer is as expected");
    }
    free(answer);
}

static void on_option(void *arg, const char *key, const char *value)
{
    CHECK(strcmp(key, "ms_max_backoff") == 0 && strcmp(value, "3") == 0);
    /* It is called in a command: that goes on, and is the last. */
    CHECK_OK(msgr_admin_socket((msgr_ctx *)arg, NULL));
}

static void a_tool_asks_by_the_admin_socket(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *one = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_messenger *other = check_messenger(ctx, "osd.1", MSGR_POLICY_STATELESS_SERVER);
    char long_path[256], value[16];
    struct stat data;
    memset(long_path, 'x', sizeof(long_path));
    long_path[sizeof(long_path) - 1] = '\0';
    CHECK_IS(msgr_admin_socket(NULL, path), -EINVAL);
    CHECK_IS(msgr_admin_socket(ctx, long_path), -EINVAL);
    CHECK_OK(msgr_admin_socket(ctx, NULL));
    CHECK_OK(msgr_admin_socket(ctx, path));
    CHECK_IS(msgr_admin_socket(ctx, path), -EALREADY);
    CHECK(stat(path, &data) == 0 && (data.st_mode & 0777) == 0600);

    check_answer("{\"prefix\":\"version\"}", "\"version\": \"");
    check_answer("{\"prefix\":\"help\",\"format\":\"json\"}", "\"config show\":\"");
    check_answer("{\"prefix\":\"get_command_descriptions\",\"format\":\"json\"}",
                 "{\"cmd000\":{\"sig\":[\"config\",\"get\",{\"name\":\"var\",\"type\":\"CephString\"}]");
    check_answer("{\"prefix\":\"config show\"}", "\"ms_crc_data\": \"true\"");
    check_answer("{\"prefix\":\"config set\",\"var\":\"ms_crc_data\",\"val\":[\"false\"]}",
                 "\"success\"");
    CHECK(msgr_conf_get(ctx, "ms_crc_data", value, sizeof(value)) == 5);
    check_answer("{\"prefix\":\"config get\",\"var\":\"ms_crc_data\"}", "\"false\"");
    check_answer("{\"prefix\":\"config get\",\"var\":\"key\"}", "ERROR: (13) ");
    check_answer("{\"prefix\":\"config get\"}", "ERROR: (22) Invalid argument\n");
    check_answer("{\"prefix\":\"config set\",\"var\":\"ms_crc_data\",\"val\":\"maybe\"}",
                 "ERROR: (22) Invalid argument\nms_crc_data must be true or false");
    check_answer("{\"prefix\":\"config set\",\"var\":\"debug_ms\",\"val\":\"loud\"}", "ERROR: (22)");
    check_answer("{\"prefix\":\"config set\",\"var\":\"debug_ms\",\"val\":\"0/5\"}", "success");
    check_answer("{\"prefix\":\"perf dump\"}", "\"AsyncMessenger::osd.1\": {");
    check_answer("{\"prefix\":\"perf dump\",\"logger\":\"AsyncMessenger::osd.1\","
                 "\"counter\":\"msgr_half_open\",\"format\":\"json\"}",
                 "{\"AsyncMessenger::osd.1\":{\"msgr_half_open\":0}}");
    check_answer("{\"prefix\":\"perf schema\"}", "\"metric_type\": \"gauge\"");
    check_answer("{\"prefix\":\"perf reset\",\"var\":\"all\"}", "\"success\"");
    check_answer("{\"prefix\":\"perf reset\",\"var\":\"AsyncMessenger::osd.1\"}", "\"success\"");
    check_answer("{\"prefix\":\"perf reset\",\"var\":\"else\"}", "ERROR: (2) ");
    /* Two are called "test", so that their nonces tell them apart. */
    check_answer("{\"prefix\":\"messenger dump\"}", "\"messengers\": [");
    check_answer("{\"prefix\":\"messenger dump\",\"msgr\":\"test\"}", "ERROR: (2) ");
    msgr_unref(other);
    check_answer("{\"prefix\":\"messenger dump\",\"msgr\":\"test\"}", "\"connections_count\": 0");
    check_answer("{\"prefix\":\"\"}", "ERROR: (22)");
    check_answer("[[[[", "ERROR: (22)");
    check_answer("\xff", "ERROR: (22)");
    check_answer("", "ERROR: (22)");

    CHECK(msgr_conf_observe(ctx, "ms_max_backoff", on_option, ctx, NULL) > 0);
    check_answer("{\"prefix\":\"config set\",\"var\":\"ms_max_backoff\",\"val\":\"3\"}", "");
    CHECK(knock() < 0);
    CHECK_OK(msgr_admin_socket(ctx, path));
    msgr_unref(one);
    msgr_ctx_unref(ctx);
    CHECK(knock() < 0 && access(path, F_OK) != 0);
}

int main(void)
{
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/it.asok", dir);
    wrong_arguments_are_refused();
    connections_are_told_with_what_they_have_done();
    a_callback_may_ask_unless_it_is_a_fast_one();
    many_are_told_while_they_are_at_work();
    a_tool_asks_by_the_admin_socket();
    CHECK(rmdir(dir) == 0);
    return 0;
}
