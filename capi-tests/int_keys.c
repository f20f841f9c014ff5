/* A monitor of msgr's own: a client proves its key to it and gets tickets, by the handshake and by messages; a
 * daemon gets the keys that open them. */
#include "check.h"

#define KEYRING                                                                          \
    "[client.alice]\n\tkey = AQBBt2tpAAAAABAAn8BfnfGkLkKWlJzTBqGKCg==\n"                  \
    "\tcaps mon = \"allow r\"\n\tcaps osd = \"allow rw\"\n"                             \
    "[osd.0]\n\tkey = AQAMZ2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==\n"                         \
    "\tcaps mon = \"allow profile osd\"\n"

enum { MSG_AUTH = 17, MSG_AUTH_REPLY = 18 };

static int connected, served, done;

static int serve(void *user, msgr_msg *request)
{
    msgr_msg *reply = NULL;
    char name[64];
    (void)user;
    CHECK(msgr_msg_type(request) == MSG_AUTH);
    CHECK(msgr_conn_auth_name(msgr_msg_conn(request), name, sizeof(name)) > 0);
    CHECK(strcmp(name, "client.alice") == 0 || strcmp(name, "osd.0") == 0);
    CHECK_IS(msgr_auth_serve(NULL, request, &reply), -EINVAL);
    CHECK(reply == NULL);
    CHECK_OK(msgr_auth_serve(msgr_msg_conn(request), request, &reply));
    CHECK_OK(msgr_send(msgr_msg_conn(request), reply));
    msgr_msg_unref(request);
    LOCKED(served++);
    return 1;
}

static int handle(void *user, msgr_msg *reply)
{
    msgr_msg *next = NULL;
    msgr_conn *monitor = msgr_msg_conn(reply);
    int more;
    (void)user;
    CHECK(msgr_msg_type(reply) == MSG_AUTH_REPLY);
    CHECK_IS(msgr_auth_handle_reply(monitor, NULL, &next), -EINVAL);
    more = msgr_auth_handle_reply(monitor, reply, &next);
    CHECK(more == (next != NULL));
    if (next != NULL)
        CHECK_OK(msgr_send(monitor, next));
    msgr_msg_unref(reply);
    if (more == 0)
        LOCKED(done++);
    return 1;
}

static void handle_connect(void *user, msgr_conn *conn)
{
    (void)user;
    CHECK_IS(msgr_conn_is_authenticated(conn), 1);
    LOCKED(connected++);
}

/* Asks, and waits until nothing more is to be asked. */
static void ask(msgr_conn *monitor, int want)
{
    msgr_msg *request = NULL;
    int before;
    LOCKED(before = done);
    CHECK_OK(msgr_auth_request(monitor, want, &request));
    CHECK_OK(msgr_send(monitor, request));
    WAIT_UNTIL(done == before + 1);
}

static msgr_messenger *member(msgr_ctx *ctx, const char *entity, int preset,
                              int (*dispatch)(void *, msgr_msg *))
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_messenger *messenger = check_messenger(ctx, entity, preset);
    CHECK_IS(msgr_add_keyring(messenger, "no keyring"), -EINVAL);
    CHECK_OK(msgr_add_keyring(messenger, KEYRING));
    callbacks.dispatch = dispatch;
    callbacks.handle_connect = handle_connect;
    CHECK_OK(msgr_add_dispatcher_head(messenger, &callbacks, NULL));
    return messenger;
}

int main(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *monitor, *client, *osd;
    msgr_conn *conn = NULL;
    msgr_msg *request = NULL;
    char addrs[128];
    CHECK_OK(msgr_conf_set(ctx, "auth_cluster_required", "cephx"));
    CHECK_OK(msgr_conf_set(ctx, "auth_service_required", "cephx"));
    CHECK_OK(msgr_conf_set(ctx, "auth_client_required", "cephx"));
    monitor = member(ctx, "mon.a", MSGR_POLICY_STATELESS_SERVER, serve);
    CHECK_OK(msgr_bind(monitor, "v2:127.0.0.1:0"));
    CHECK_IS(msgr_add_keyring(monitor, KEYRING), -EBUSY);
    CHECK_OK(msgr_start(monitor));
    CHECK(msgr_get_myaddrs(monitor, addrs, sizeof(addrs)) > 0);
    client = member(ctx, "client.alice", MSGR_POLICY_LOSSY_CLIENT, handle);
    CHECK_IS(msgr_auth_ticket_left(client, MSGR_ENTITY_OSD), -ENOENT);
    CHECK_OK(msgr_start(client));

    CHECK_OK(msgr_connect(client, MSGR_ENTITY_MON, addrs, &conn));
    CHECK_IS(msgr_auth_request(conn, 99, &request), -EINVAL);
    CHECK(request == NULL);
    WAIT_UNTIL(connected == 1); /* the first tickets came with the handshake */
    ask(conn, MSGR_AUTH_LOGIN);
    ask(conn, MSGR_AUTH_TICKETS);
    CHECK(msgr_auth_ticket_left(client, MSGR_ENTITY_OSD) > 0);
    CHECK(msgr_auth_ticket_left(client, 32) > 0);
    CHECK_IS(msgr_auth_ticket_left(NULL, MSGR_ENTITY_OSD), -EINVAL);
    WAIT_UNTIL(served >= 2);
    CHECK_IS(msgr_auth_keys_left(client), -ENOENT);
    CHECK_IS(msgr_auth_keys_left(NULL), -EINVAL);
    msgr_conn_unref(conn);

    osd = member(ctx, "osd.0", MSGR_POLICY_LOSSY_CLIENT, handle);
    CHECK_OK(msgr_start(osd));
    CHECK_OK(msgr_connect(osd, MSGR_ENTITY_MON, addrs, &conn));
    WAIT_UNTIL(connected == 2);
    CHECK_IS(msgr_auth_keys_left(osd), -ENOENT);
    ask(conn, MSGR_AUTH_ROTATING_KEYS);
    CHECK(msgr_auth_keys_left(osd) > 0);
    msgr_conn_unref(conn);
    check_end(osd);
    check_end(client);
    check_end(monitor);
    msgr_ctx_unref(ctx);
    return 0;
}
