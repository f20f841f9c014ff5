/* Addresses as text: what is refused, and how it is said. */
#include "check.h"

static const char *const malformed[] = {
    "", "v2:", "v2:localhost:6800", "v3:1.2.3.4:5", "127.0.0.1:", "127.0.0.1:99999",
    "127.0.0.1:+5", "127.0.0.1:5/", "127.0.0.1:5/4294967296", "::1:6800", "[::1:6800",
    "[v2:127.0.0.1:5", "[]", "v2:127.0.0.1:5,", "127.0.0:5", " v2:127.0.0.1:5", "\xff\xfe",
    "v2:127.0.0.1:5/-1",
};

static void malformed_addresses_are_refused_by_name(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    char last[512];
    size_t i;
    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        msgr_conn *conn = (msgr_conn *)messenger;
        CHECK_IS(msgr_bind(messenger, malformed[i]), -EINVAL);
        CHECK_IS(msgr_connect(messenger, MSGR_ENTITY_OSD, malformed[i], &conn), -EINVAL);
        CHECK(conn == NULL);
        CHECK(msgr_last_error(last, sizeof(last)) > 0);
        /* What is not even text cannot be quoted. */
        CHECK(malformed[i][0] == '\xff' || strstr(last, malformed[i]) != NULL);
    }
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void a_huge_text_is_refused_and_cut(void)
{
    static char huge[100000];
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    char last[512];
    memset(huge, '1', sizeof(huge) - 1);
    CHECK_IS(msgr_bind(messenger, huge), -EINVAL);
    CHECK(msgr_last_error(last, sizeof(last)) == 511);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void addresses_that_cannot_be_used_are_refused(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    msgr_conn *conn = NULL;
    /* 192.0.2.0/24 is for documentation: no machine has it. */
    CHECK(msgr_bind(messenger, "v2:192.0.2.1:0") < 0);
    CHECK_OK(msgr_start(messenger));
    CHECK(msgr_connect(messenger, MSGR_ENTITY_OSD, "-", &conn) < 0);
    CHECK(msgr_connect(messenger, MSGR_ENTITY_OSD, "any:", &conn) < 0);
    CHECK_IS(msgr_connect(messenger, 0, "v2:127.0.0.1:1", &conn), -EINVAL);
    CHECK_IS(msgr_connect(messenger, 3, "v2:127.0.0.1:1", &conn), -EINVAL);
    CHECK_IS(msgr_connect(messenger, -1, "v2:127.0.0.1:1", &conn), -EINVAL);
    CHECK_IS(msgr_connect(messenger, 256 + MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn), -EINVAL);
    CHECK_IS(msgr_connect(messenger, MSGR_ENTITY_OSD, NULL, &conn), -EINVAL);
    CHECK_IS(msgr_connect(messenger, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", NULL), -EINVAL);
    CHECK(conn == NULL);
    check_end(messenger);
    msgr_ctx_unref(ctx);
}

static void bound_addresses_have_their_port_and_parse_again(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    char addrs[128], small[4] = "old";
    int port = 0, length;
    CHECK_OK(msgr_bind(messenger, "v2:127.0.0.1:0"));
    length = msgr_get_myaddrs(messenger, addrs, sizeof(addrs));
    CHECK(length > 0 && (size_t)length == strlen(addrs));
    CHECK(sscanf(addrs, "v2:127.0.0.1:%d/", &port) == 1 && port > 0);
    CHECK_IS(msgr_get_myaddrs(messenger, small, sizeof(small)), -ENAMETOOLONG);
    CHECK(strcmp(small, "old") == 0);
    CHECK_IS(msgr_get_myaddrs(messenger, NULL, 0), -EINVAL);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void avoided_ports_are_passed_over(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    uint16_t avoid[400];
    char addrs[128];
    /* The default range is 6800 to 7300. */
    for (uint16_t i = 0; i < 400; i++)
        avoid[i] = (uint16_t)(6800 + i);
    CHECK_IS(msgr_bind_avoiding(messenger, "v2:127.0.0.1:0", NULL, 400), -EINVAL);
    CHECK_OK(msgr_bind_avoiding(messenger, "v2:127.0.0.1:0", avoid, 400));
    CHECK(msgr_get_myaddrs(messenger, addrs, sizeof(addrs)) > 0);
    CHECK(atoi(addrs + strlen("v2:127.0.0.1:")) >= 7200);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void a_taken_port_is_told(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *first = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_messenger *second = check_messenger(ctx, "osd.1", MSGR_POLICY_STATELESS_SERVER);
    char addrs[128];
    CHECK_OK(msgr_bind(first, "v2:127.0.0.1:0"));
    CHECK(msgr_get_myaddrs(first, addrs, sizeof(addrs)) > 0);
    *strchr(addrs, '/') = '\0';
    CHECK_IS(msgr_bind(second, addrs), -EADDRINUSE);
    /* It can still be bound elsewhere. */
    CHECK_OK(msgr_bind(second, "v2:127.0.0.1:0"));
    msgr_unref(first);
    msgr_unref(second);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    malformed_addresses_are_refused_by_name();
    a_huge_text_is_refused_and_cut();
    addresses_that_cannot_be_used_are_refused();
    bound_addresses_have_their_port_and_parse_again();
    avoided_ports_are_passed_over();
    a_taken_port_is_told();
    return 0;
}
