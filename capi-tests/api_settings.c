/* What a messenger is called, and how it goes about its work. */
/* SO_PRIORITY is not of POSIX. */
#define _DEFAULT_SOURCE
#include <sys/socket.h>

#include "check.h"

static int received, last_priority;
static char last_peer[64];

static int take(void *user, msgr_msg *msg)
{
    char peer[64];
    (void)user;
    CHECK(msgr_conn_peer_name(msgr_msg_conn(msg), peer, sizeof(peer)) > 0);
    LOCKED(received++; last_priority = msgr_msg_priority(msg); strcpy(last_peer, peer));
    msgr_msg_unref(msg);
    return 1;
}

static msgr_dispatcher taker(void)
{
    msgr_dispatcher dispatcher = MSGR_DISPATCHER_INIT;
    dispatcher.dispatch = take;
    return dispatcher;
}

static int is_called(msgr_messenger *messenger, const char *name)
{
    char text[64];
    return msgr_myname(messenger, text, sizeof(text)) == (int)strlen(name) &&
           strcmp(text, name) == 0;
}

static void its_name_is_what_it_was_made_with_and_its_number_can_change(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *osd = check_messenger(ctx, "osd.3", MSGR_POLICY_STATELESS_SERVER);
    msgr_messenger *client = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    char small[5];
    CHECK(msgr_get_ctx(osd) == ctx && msgr_get_ctx(NULL) == NULL);
    CHECK(is_called(osd, "osd.3") && is_called(client, "client.?"));
    CHECK(msgr_mytype(osd) == MSGR_ENTITY_OSD && msgr_mynum(osd) == 3);
    CHECK(msgr_mytype(client) == MSGR_ENTITY_CLIENT && msgr_mynum(client) == -1);
    CHECK_OK(msgr_set_myname(client, "client.4711"));
    CHECK(is_called(client, "client.4711") && msgr_mynum(client) == 4711);
    CHECK_OK(msgr_set_myname(client, "client.?"));
    CHECK(is_called(client, "client.?"));
    CHECK_IS(msgr_set_myname(client, "osd.4711"), -EINVAL);
    CHECK_IS(msgr_set_myname(client, "client.admin"), -EINVAL);
    CHECK_IS(msgr_set_myname(client, NULL), -EINVAL);
    CHECK_IS(msgr_set_myname(NULL, "osd.1"), -EINVAL);
    CHECK_IS(msgr_myname(osd, small, sizeof(small)), -ENAMETOOLONG);
    CHECK_IS(msgr_mytype(NULL), -EINVAL);
    CHECK(msgr_mynum(NULL) == -1);
    msgr_unref(osd);
    msgr_unref(client);
    msgr_ctx_unref(ctx);
}

static void policies_can_be_read_back(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *osd = check_messenger(ctx, "osd.3", MSGR_POLICY_STATELESS_SERVER);
    msgr_policy policy, held;
    CHECK_OK(msgr_policy_init(&policy, MSGR_POLICY_LOSSLESS_PEER));
    policy.features_required = 8;
    CHECK_OK(msgr_set_policy(osd, MSGR_ENTITY_OSD, &policy));
    memset(&held, 0xee, sizeof(held));
    CHECK_OK(msgr_get_policy(osd, MSGR_ENTITY_OSD, &held));
    CHECK(memcmp(&held, &policy, sizeof(held)) == 0);
    CHECK_OK(msgr_policy_init(&policy, MSGR_POLICY_STATELESS_SERVER));
    CHECK_OK(msgr_get_policy(osd, MSGR_ENTITY_MON, &held));
    CHECK(memcmp(&held, &policy, sizeof(held)) == 0);
    memset(&held, 0xee, sizeof(held));
    CHECK_OK(msgr_get_default_policy(osd, &held));
    CHECK(memcmp(&held, &policy, sizeof(held)) == 0);
    CHECK_IS(msgr_get_policy(osd, 3, &held), -EINVAL);
    CHECK_IS(msgr_get_policy(osd, MSGR_ENTITY_MON, NULL), -EINVAL);
    CHECK_IS(msgr_get_policy(NULL, MSGR_ENTITY_MON, &held), -EINVAL);
    CHECK_IS(msgr_get_default_policy(osd, NULL), -EINVAL);
    msgr_unref(osd);
    msgr_ctx_unref(ctx);
}

static void a_message_goes_to_an_address_by_name_and_priority(void)
{
    msgr_dispatcher dispatcher = taker();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    int freed = 0;
    msgr_messenger *server = check_server(ctx, &dispatcher, NULL, addrs, sizeof(addrs));
    msgr_messenger *client = check_client(ctx, &dispatcher, NULL);
    msgr_msg *msg = check_message(1, "by address");
    msgr_msg_set_priority(msg, 0);
    CHECK_OK(msgr_set_myname(client, "client.4711"));
    CHECK_OK(msgr_set_default_send_priority(client, MSGR_PRIO_HIGH));
    CHECK_OK(msgr_send_to(client, msg, MSGR_ENTITY_OSD, addrs));
    WAIT_UNTIL(received == 1);
    CHECK(last_priority == MSGR_PRIO_HIGH && strcmp(last_peer, "client.4711") == 0);
    /* A priority of its own stays. */
    msg = check_message(1, "its own");
    CHECK_OK(msgr_send_to(client, msg, MSGR_ENTITY_OSD, addrs));
    WAIT_UNTIL(received == 2);
    CHECK(last_priority == MSGR_PRIO_DEFAULT);

    CHECK_IS(msgr_set_default_send_priority(client, 256), -EINVAL);
    CHECK_IS(msgr_set_default_send_priority(client, -1), -EINVAL);
    CHECK_IS(msgr_set_default_send_priority(NULL, 1), -EINVAL);
    CHECK_IS(msgr_send_to(client, NULL, MSGR_ENTITY_OSD, addrs), -EINVAL);
    /* The reference is taken whatever is wrong. */
    msg = check_message(1, "lost");
    CHECK_OK(msgr_msg_append(msg, MSGR_DATA, "x", 1, check_count, &freed));
    CHECK_IS(msgr_send_to(client, msg, MSGR_ENTITY_OSD, "nowhere"), -EINVAL);
    CHECK(freed == 1);
    CHECK_IS(msgr_send_to(NULL, check_message(1, "lost"), MSGR_ENTITY_OSD, addrs), -EINVAL);
    CHECK_IS(msgr_send_to(client, check_message(1, "lost"), 3, addrs), -EINVAL);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static int sockets_of_priority(int wanted)
{
    int found = 0, fd;
    for (fd = 0; fd < 1024; fd++) {
        int priority = 0;
        socklen_t len = sizeof(priority);
        if (getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, &len) == 0)
            found += priority == wanted;
    }
    return found;
}

static void sockets_made_later_have_the_priority(void)
{
    msgr_dispatcher dispatcher = taker();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    int before = received;
    msgr_messenger *server = check_server(ctx, &dispatcher, NULL, addrs, sizeof(addrs));
    msgr_messenger *client = check_client(ctx, &dispatcher, NULL);
    CHECK_OK(msgr_set_socket_priority(server, 5));
    CHECK_OK(msgr_set_socket_priority(client, 5));
    CHECK_IS(msgr_set_socket_priority(NULL, 5), -EINVAL);
    CHECK(sockets_of_priority(5) == 0);
    CHECK_OK(msgr_send_to(client, check_message(1, "urgent"), MSGR_ENTITY_OSD, addrs));
    WAIT_UNTIL(received == before + 1);
    CHECK(sockets_of_priority(5) == 2);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static int refused;

static void note_refusal(void *arg, int level, const char *text)
{
    (void)arg;
    (void)level;
    if (strstr(text, "peer speaks protocol version 77") != NULL)
        LOCKED(refused++);
}

static void peers_of_one_type_must_agree_on_the_cluster_protocol(void)
{
    msgr_dispatcher dispatcher = taker();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    int before = received, i;
    msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_OK(msgr_set_cluster_protocol(server, 77));
    CHECK_OK(msgr_bind(server, "v1:127.0.0.1:0"));
    CHECK_IS(msgr_set_cluster_protocol(server, 78), -EBUSY);
    CHECK_IS(msgr_set_cluster_protocol(NULL, 78), -EINVAL);
    CHECK_OK(msgr_add_dispatcher_head(server, &dispatcher, NULL));
    CHECK_OK(msgr_start(server));
    CHECK(msgr_get_myaddrs(server, addrs, sizeof(addrs)) > 0);
    CHECK_OK(msgr_set_log_callback(note_refusal, NULL));
    for (i = 0; i < 2; i++) {
        msgr_messenger *peer = check_messenger(ctx, "osd.1", MSGR_POLICY_LOSSY_CLIENT);
        CHECK_IS(msgr_set_cluster_protocol(peer, -1), -EINVAL);
        CHECK_OK(msgr_set_cluster_protocol(peer, 77 + i));
        CHECK_OK(msgr_add_dispatcher_head(peer, &dispatcher, NULL));
        CHECK_OK(msgr_start(peer));
        if (i == 0) {
            CHECK_OK(msgr_send_to(peer, check_message(1, "equal"), MSGR_ENTITY_OSD, addrs));
            WAIT_UNTIL(received == before + 1);
        } else {
            msgr_conn *conn;
            CHECK_OK(msgr_connect(peer, MSGR_ENTITY_OSD, addrs, &conn));
            WAIT_UNTIL(refused > 0);
            msgr_conn_unref(conn);
        }
        check_end(peer);
    }
    CHECK(received == before + 1);
    CHECK_OK(msgr_set_log_callback(NULL, NULL));
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void whether_anonymous_peers_are_let_in_is_said_before_bind(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_OK(msgr_set_require_authorizer(server, 0));
    CHECK_OK(msgr_set_require_authorizer(server, 1));
    CHECK_IS(msgr_set_require_authorizer(server, 2), -EINVAL);
    CHECK_IS(msgr_set_require_authorizer(NULL, 0), -EINVAL);
    CHECK_OK(msgr_bind(server, "v2:127.0.0.1:0"));
    CHECK_IS(msgr_set_require_authorizer(server, 0), -EBUSY);
    msgr_unref(server);
    msgr_ctx_unref(ctx);
}

static int its_addrs_are(msgr_messenger *messenger, const char *begin)
{
    char addrs[128];
    CHECK(msgr_get_myaddrs(messenger, addrs, sizeof(addrs)) > 0);
    return strncmp(addrs, begin, strlen(begin)) == 0;
}

static void a_client_binds_before_it_dials_if_the_option_says_so(void)
{
    msgr_dispatcher dispatcher = taker();
    msgr_ctx *ctx = check_ctx();
    char addrs[128];
    int before = received;
    msgr_messenger *server = check_server(ctx, &dispatcher, NULL, addrs, sizeof(addrs));
    msgr_messenger *client = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    CHECK_OK(msgr_client_bind(client, "v2:127.0.0.5:0"));
    CHECK(its_addrs_are(client, "any::/"));
    msgr_unref(client);

    CHECK_OK(msgr_conf_set(ctx, "ms_bind_before_connect", "true"));
    client = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    CHECK_IS(msgr_client_bind(client, "any:"), -EINVAL);
    CHECK_IS(msgr_client_bind(client, "v2:0.0.0.0:0"), -EINVAL);
    CHECK_IS(msgr_client_bind(client, "nowhere"), -EINVAL);
    CHECK_IS(msgr_client_bind(NULL, "v2:127.0.0.5:0"), -EINVAL);
    CHECK_OK(msgr_client_bind(client, "v2:127.0.0.5:4000"));
    CHECK(its_addrs_are(client, "any:127.0.0.5:0/"));
    CHECK_OK(msgr_start(client));
    CHECK_IS(msgr_client_bind(client, "v2:127.0.0.6:0"), -EALREADY);
    CHECK_OK(msgr_send_to(client, check_message(1, "from there"), MSGR_ENTITY_OSD, addrs));
    WAIT_UNTIL(received == before + 1);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void unknown_ips_are_filled_in_by_family(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_IS(msgr_set_addr_unknowns(server, "v2:10.0.0.9:1"), 0);
    CHECK_OK(msgr_bind(server, "v2:0.0.0.0:0"));
    CHECK_IS(msgr_set_addr_unknowns(server, "v2:[2001:db8::1]:1"), 0);
    CHECK_IS(msgr_set_addr_unknowns(server, "[v2:[2001:db8::1]:1,v1:10.0.0.9:1/2]"), 1);
    CHECK(its_addrs_are(server, "v2:10.0.0.9:6") || its_addrs_are(server, "v2:10.0.0.9:7"));
    CHECK_IS(msgr_set_addr_unknowns(server, "v2:10.0.0.10:1"), 0);
    CHECK_IS(msgr_set_addr_unknowns(server, "nowhere"), -EINVAL);
    CHECK_IS(msgr_set_addr_unknowns(NULL, "v2:10.0.0.9:1"), -EINVAL);
    msgr_unref(server);
    msgr_ctx_unref(ctx);
}

static void only_one_that_listens_in_v1_alone_keeps_to_it(void)
{
    static const struct {
        const char *addrs;
        int uses;
    } table[] = {
        {"v1:127.0.0.1:0", 0}, {"v2:127.0.0.1:0", 1}, {"[v2:127.0.0.1:0,v1:127.0.0.1:0]", 1}};
    msgr_ctx *ctx = check_ctx();
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
        CHECK_IS(msgr_should_use_msgr2(server), 1);
        CHECK_OK(msgr_bind(server, table[i].addrs));
        CHECK_IS(msgr_should_use_msgr2(server), table[i].uses);
        msgr_unref(server);
    }
    CHECK_IS(msgr_should_use_msgr2(NULL), -EINVAL);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    its_name_is_what_it_was_made_with_and_its_number_can_change();
    policies_can_be_read_back();
    a_message_goes_to_an_address_by_name_and_priority();
    sockets_made_later_have_the_priority();
    peers_of_one_type_must_agree_on_the_cluster_protocol();
    whether_anonymous_peers_are_let_in_is_said_before_bind();
    a_client_binds_before_it_dials_if_the_option_says_so();
    unknown_ips_are_filled_in_by_family();
    only_one_that_listens_in_v1_alone_keeps_to_it();
    return 0;
}
