/* A method of the program's own: two rounds, answers from another thread, in every
 * mode; and what becomes of those who are not believed. */
#include "check.h"

#define METHOD 99

static const unsigned char session_key[16] = "a session key..";
static const unsigned char secret[64] = "sixty-four bytes that no other connection may ever use again...";

/* Both ends of one case. */
struct scene {
    const char *password;
    uint32_t mode;
    int asked, connected, accepted, resets;
    msgr_conn *incoming;
    /* the server's last question, to be answered by main */
    msgr_auth_reply *pending;
    int good;
};

static void begin(void *user, msgr_conn *conn, int peer_type, msgr_auth_reply *reply)
{
    struct scene *scene = (struct scene *)user;
    (void)conn;
    CHECK(peer_type == MSGR_ENTITY_OSD);
    LOCKED(scene->asked++);
    CHECK_OK(msgr_auth_reply_request(reply, METHOD, &scene->mode, 1, "hello", 5));
}

static void say_more(void *user, msgr_conn *conn, const void *payload, size_t len,
                     msgr_auth_reply *reply)
{
    struct scene *scene = (struct scene *)user;
    (void)conn;
    CHECK(len == 8 && memcmp(payload, "password", 8) == 0);
    CHECK_OK(msgr_auth_reply_more(reply, scene->password, strlen(scene->password)));
}

static void done(void *user, msgr_conn *conn, uint64_t global_id, uint32_t con_mode,
                 const void *payload, size_t len, msgr_auth_reply *reply)
{
    struct scene *scene = (struct scene *)user;
    msgr_auth_result result = MSGR_AUTH_RESULT_INIT;
    (void)conn;
    CHECK(global_id == 4711 && con_mode == scene->mode);
    CHECK(len == 7 && memcmp(payload, "welcome", 7) == 0);
    result.global_id = global_id;
    result.session_key = session_key;
    result.session_key_len = sizeof(session_key);
    result.connection_secret = secret;
    result.connection_secret_len = sizeof(secret);
    CHECK_OK(msgr_auth_reply_done(reply, &result));
}

static void declined(void *user, msgr_conn *conn, uint32_t method, int result,
                     const uint32_t *methods, size_t method_count, const uint32_t *modes,
                     size_t mode_count, msgr_auth_reply *reply)
{
    (void)user, (void)conn, (void)methods, (void)method_count, (void)modes, (void)mode_count;
    CHECK(method == METHOD && result == -EACCES);
    CHECK_OK(msgr_auth_reply_fail(reply, -EACCES));
}

static void examine(void *user, msgr_conn *conn, int peer_type, int more, uint32_t method,
                    uint32_t con_mode, const void *payload, size_t len, msgr_auth_reply *reply)
{
    struct scene *scene = (struct scene *)user;
    (void)conn;
    CHECK(peer_type == MSGR_ENTITY_CLIENT && method == METHOD && con_mode == scene->mode);
    if (!more) {
        CHECK(len == 5 && memcmp(payload, "hello", 5) == 0);
        CHECK_OK(msgr_auth_reply_more(reply, "password", 8));
        return;
    }
    /* Main answers, when it likes. */
    LOCKED(scene->good = len == 7 && memcmp(payload, "correct", 7) == 0; scene->pending = reply);
}

/* By a program that was built with a later header and does not use what is new there. */
static void welcome(msgr_auth_reply *reply)
{
    struct {
        msgr_auth_result known;
        uint64_t future;
    } newer = { MSGR_AUTH_RESULT_INIT, 0 };
    newer.known.struct_size = sizeof(newer);
    newer.known.global_id = 4711;
    newer.known.entity = "client.alice";
    newer.known.caps = "allow r";
    newer.known.session_key = session_key;
    newer.known.session_key_len = sizeof(session_key);
    newer.known.connection_secret = secret;
    newer.known.connection_secret_len = sizeof(secret);
    newer.known.payload = "welcome";
    newer.known.payload_len = 7;
    CHECK_OK(msgr_auth_reply_done(reply, &newer.known));
}

static void on_connect(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(((struct scene *)user)->connected++);
}

static void on_accept(void *user, msgr_conn *conn)
{
    struct scene *scene = (struct scene *)user;
    LOCKED(scene->incoming = msgr_conn_ref(conn); scene->accepted++);
}

static int on_reset(void *user, msgr_conn *conn)
{
    (void)conn;
    LOCKED(((struct scene *)user)->resets++);
    return 1;
}

static int ignore(void *user, msgr_msg *msg)
{
    (void)user, (void)msg;
    return 0;
}

static void believed(struct scene *scene, msgr_conn *conn)
{
    char text[64];
    WAIT_UNTIL(scene->connected == 1 && scene->accepted == 1);
    CHECK_IS(msgr_conn_mode(conn), (int)scene->mode);
    CHECK_IS(msgr_conn_mode(scene->incoming), (int)scene->mode);
    CHECK_IS(msgr_conn_is_authenticated(scene->incoming), 1);
    CHECK(msgr_conn_auth_name(scene->incoming, text, sizeof(text)) == 12);
    CHECK(strcmp(text, "client.alice") == 0);
    CHECK(msgr_conn_auth_caps(scene->incoming, text, sizeof(text)) == 7);
    CHECK(strcmp(text, "allow r") == 0);
    CHECK(msgr_conn_peer_global_id(scene->incoming) == 4711);
    CHECK(msgr_conn_peer_global_id(conn) == 4711);
    CHECK_IS(msgr_conn_last_fault(conn, text, sizeof(text)), 0);
    msgr_conn_unref(scene->incoming);
}

static void not_believed(struct scene *scene, msgr_conn *conn)
{
    char text[128];
    WAIT_UNTIL(scene->resets == 1);
    CHECK(scene->connected == 0 && scene->accepted == 0);
    CHECK(msgr_conn_last_fault(conn, text, sizeof(text)) > 0);
    CHECK(strstr(text, "error 13") != NULL);
    CHECK_IS(msgr_conn_auth_name(conn, text, sizeof(text)), -ENOTCONN);
    CHECK_IS(msgr_conn_mode(conn), 0);
}

static void play(const char *password, uint32_t mode)
{
    struct scene scene = { password, mode, 0, 0, 0, 0, NULL, NULL, 0 };
    msgr_auth_handler at_client = MSGR_AUTH_HANDLER_INIT, at_server = MSGR_AUTH_HANDLER_INIT;
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_messenger *client = check_messenger(ctx, "client.alice", MSGR_POLICY_LOSSY_CLIENT);
    msgr_conn *conn = NULL;
    char addrs[128];
    at_client.get_auth_request = begin;
    at_client.handle_auth_reply_more = say_more;
    at_client.handle_auth_done = done;
    at_client.handle_auth_bad_method = declined;
    at_server.handle_auth_request = examine;
    callbacks.dispatch = ignore;
    callbacks.handle_connect = on_connect;
    callbacks.handle_accept = on_accept;
    callbacks.handle_reset = on_reset;
    CHECK_OK(msgr_set_auth_handler(client, &at_client, &scene));
    CHECK_IS(msgr_set_auth_handler(client, &at_client, &scene), -EALREADY);
    CHECK_OK(msgr_set_auth_handler(server, &at_server, &scene));
    CHECK_OK(msgr_bind(server, "v2:127.0.0.1:0"));
    CHECK_IS(msgr_set_auth_handler(server, &at_server, &scene), -EBUSY);
    CHECK_OK(msgr_add_dispatcher_head(server, &callbacks, &scene));
    CHECK_OK(msgr_start(server));
    CHECK_OK(msgr_add_dispatcher_head(client, &callbacks, &scene));
    CHECK_OK(msgr_start(client));
    CHECK(msgr_get_myaddrs(server, addrs, sizeof(addrs)) > 0);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));

    WAIT_UNTIL(scene.pending != NULL);
    CHECK_IS(msgr_conn_is_connected(conn), 0);
    if (scene.good)
        welcome(scene.pending);
    else
        CHECK_OK(msgr_auth_reply_fail(scene.pending, -EACCES));
    if (scene.good)
        believed(&scene, conn);
    else
        not_believed(&scene, conn);
    CHECK(scene.asked == 1);
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

/* A reply that nobody gives holds up its own connection and nothing else. */
static void shutdown_leaves_a_question_open(void)
{
    struct scene scene = { "correct", MSGR_CON_MODE_CRC, 0, 0, 0, 0, NULL, NULL, 0 };
    msgr_auth_handler handler = MSGR_AUTH_HANDLER_INIT, silent = MSGR_AUTH_HANDLER_INIT;
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_messenger *client = check_messenger(ctx, "client.alice", MSGR_POLICY_LOSSY_CLIENT);
    msgr_conn *conn = NULL;
    char addrs[128];
    handler.get_auth_request = begin;
    handler.handle_auth_reply_more = say_more;
    silent.handle_auth_request = examine;
    callbacks.dispatch = ignore;
    CHECK_OK(msgr_set_auth_handler(client, &handler, &scene));
    CHECK_OK(msgr_set_auth_handler(server, &silent, &scene));
    CHECK_OK(msgr_bind(server, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(server, &callbacks, &scene));
    CHECK_OK(msgr_start(server));
    CHECK_OK(msgr_start(client));
    CHECK(msgr_get_myaddrs(server, addrs, sizeof(addrs)) > 0);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    WAIT_UNTIL(scene.pending != NULL);
    CHECK_OK(msgr_conn_mark_down(conn));
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    welcome(scene.pending); /* comes to nothing */
    msgr_ctx_unref(ctx);
}

int main(void)
{
    play("correct", MSGR_CON_MODE_CRC);
    play("correct", MSGR_CON_MODE_SECURE);
    play("wrong", MSGR_CON_MODE_CRC);
    shutdown_leaves_a_question_open();
    return 0;
}
