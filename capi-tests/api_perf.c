/* msgr_perf_dump: counters as text. */
#include <sched.h>
#include <time.h>

#include "check.h"

struct seen {
    int got;
};

static int dispatch(void *user, msgr_msg *msg)
{
    msgr_msg_unref(msg);
    LOCKED(((struct seen *)user)->got++);
    return 1;
}

/* The number of that name behind `from`, -1 if there is none. */
static long long number(const char *from, const char *name)
{
    char quoted[128];
    const char *found;
    snprintf(quoted, sizeof(quoted), "\"%s\":", name);
    found = strstr(from, quoted);
    return found == NULL ? -1 : atoll(found + strlen(quoted));
}

/* The sum of the numbers of that name. */
static long long sum(const char *text, const char *name)
{
    long long sum = 0;
    char quoted[128];
    snprintf(quoted, sizeof(quoted), "\"%s\":", name);
    for (text = strstr(text, quoted); text != NULL; text = strstr(text + 1, quoted))
        sum += number(text, name);
    return sum;
}

static void wrong_arguments_are_refused(void)
{
    char buf[64];
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_IS(msgr_perf_dump(NULL, buf, sizeof(buf)), -EINVAL);
    CHECK_IS(msgr_perf_dump(messenger, NULL, sizeof(buf)), -EINVAL);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void a_text_that_does_not_fit_is_cut(void)
{
    char buf[64], *whole;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    int len = msgr_perf_dump(messenger, NULL, 0);
    CHECK(len > (int)sizeof(buf));
    whole = (char *)malloc((size_t)len + 1);
    CHECK(whole != NULL);
    /* Nothing happens, so nothing is counted in between. */
    CHECK_IS(msgr_perf_dump(messenger, whole, (size_t)len + 1), len);
    CHECK(strlen(whole) == (size_t)len);
    CHECK(whole[0] == '{' && whole[len - 1] == '}');
    memset(buf, 'x', sizeof(buf));
    CHECK_IS(msgr_perf_dump(messenger, buf, 10), len);
    CHECK(strlen(buf) == 9 && strncmp(buf, whole, 9) == 0);
    CHECK(buf[10] == 'x');
    CHECK_IS(msgr_perf_dump(messenger, buf, 1), len);
    CHECK(buf[0] == '\0');
    free(whole);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void what_happens_is_counted(void)
{
    char addrs[128], text[16384];
    struct seen at_server = { 0 };
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    int i;
    callbacks.dispatch = dispatch;
    server = check_server(ctx, &callbacks, &at_server, addrs, sizeof(addrs));
    client = check_client(ctx, &callbacks, &at_server);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    for (i = 0; i < 5; i++)
        CHECK_OK(msgr_send(conn, check_message(1, "counted")));
    WAIT_UNTIL(at_server.got == 5);
    CHECK(msgr_perf_dump(server, text, sizeof(text)) < (int)sizeof(text));
    CHECK(strstr(text, "\"AsyncMessenger::osd.0\":{") != NULL);
    CHECK(strstr(text, "\"AsyncMessenger::Worker-0\":{") != NULL);
    CHECK(strstr(text, "\"throttle-msgr_dispatch_throttler-test\":{") != NULL);
    CHECK(number(text, "msgr_accepted") == 1);
    CHECK(number(text, "msgr_half_open") == 0);
    CHECK(sum(text, "msgr_recv_messages") == 5);
    CHECK(sum(text, "msgr_active_connections") == 1);
    CHECK(number(strstr(text, "throttle-"), "max") == 100 << 20);
    CHECK(msgr_perf_dump(client, text, sizeof(text)) < (int)sizeof(text));
    CHECK(number(text, "msgr_accepted") == 0);
    CHECK(sum(text, "msgr_created_connections") == 1);
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void one_number_can_be_read_and_begin_anew(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    struct seen seen = { 0 };
    msgr_ctx *ctx = check_ctx();
    char addrs[128], text[16384];
    uint64_t value = 7;
    int half;
    time_t deadline;
    const char *group = "AsyncMessenger::osd.0", *name = "msgr_accepted";
    msgr_messenger *server, *client;
    callbacks.dispatch = dispatch;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    client = check_client(ctx, &callbacks, &seen);
    CHECK_OK(msgr_send_to(client, check_message(1, "counted"), MSGR_ENTITY_OSD, addrs));
    WAIT_UNTIL(seen.got == 1);
    CHECK_OK(msgr_perf_get(server, group, name, &value));
    CHECK(value == 1);
    CHECK_IS(msgr_perf_get(server, group, "msgr_else", &value), -ENOENT);
    CHECK_IS(msgr_perf_get(server, "else", name, &value), -ENOENT);
    CHECK_IS(msgr_perf_get(server, group, NULL, &value), -EINVAL);
    CHECK_IS(msgr_perf_get(server, NULL, name, &value), -EINVAL);
    CHECK_IS(msgr_perf_get(server, group, name, NULL), -EINVAL);
    CHECK_IS(msgr_perf_get(NULL, group, name, &value), -EINVAL);
    CHECK(value == 1);

    /* Both messengers: one has sent what the other has received. It counts that when
     * the system has taken it, and by then it may have arrived. */
    deadline = time(NULL) + CHECK_DEADLINE_SECONDS;
    do {
        sched_yield();
        CHECK(msgr_ctx_perf_dump(ctx, MSGR_FORMAT_JSON, text, sizeof(text)) > 0);
    } while (sum(text, "msgr_send_messages") == 0 && time(NULL) < deadline);
    CHECK(sum(text, "msgr_send_messages") == 1 && sum(text, "msgr_recv_messages") == 1);
    CHECK(strstr(text, "\"AsyncMessenger::osd.0\"") != NULL);
    CHECK(strstr(text, "\"AsyncMessenger::client.admin\"") != NULL);
    CHECK(msgr_ctx_perf_dump(ctx, MSGR_FORMAT_PROMETHEUS, text, sizeof(text)) > 0);
    CHECK(strstr(text, "# TYPE ceph_AsyncMessenger_msgr_accepted counter\n") != NULL);
    CHECK(strstr(text, "\nceph_AsyncMessenger_msgr_accepted{name=\"osd.0\"} 1\n") != NULL);
    half = msgr_ctx_perf_dump(ctx, MSGR_FORMAT_PROMETHEUS, NULL, 0);
    CHECK(half == (int)strlen(text));

    CHECK_OK(msgr_perf_reset(server));
    CHECK_OK(msgr_perf_get(server, group, name, &value));
    CHECK(value == 0);
    /* Levels stay what they are. */
    CHECK(msgr_perf_dump(server, text, sizeof(text)) > 0);
    CHECK(sum(text, "msgr_active_connections") == 1 && sum(text, "msgr_recv_messages") == 0);

    CHECK_IS(msgr_perf_reset(NULL), -EINVAL);
    CHECK_IS(msgr_ctx_perf_dump(NULL, MSGR_FORMAT_JSON, text, sizeof(text)), -EINVAL);
    CHECK_IS(msgr_ctx_perf_dump(ctx, 0, text, sizeof(text)), -EINVAL);
    CHECK_IS(msgr_ctx_perf_dump(ctx, MSGR_FORMAT_JSON, NULL, 1), -EINVAL);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);

    ctx = check_ctx();
    CHECK_IS(msgr_ctx_perf_dump(ctx, MSGR_FORMAT_JSON, text, sizeof(text)), 2);
    CHECK(strcmp(text, "{}") == 0);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    wrong_arguments_are_refused();
    a_text_that_does_not_fit_is_cut();
    what_happens_is_counted();
    one_number_can_be_read_and_begin_anew();
    return 0;
}
