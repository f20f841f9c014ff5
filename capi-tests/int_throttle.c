/* Policy throttlers: what the program holds keeps the peers of a type waiting,
 * and what it gives up lets them go on. */
#include "check.h"

struct seen {
    int got;
    uint64_t bytes;
    msgr_msg *held[4];
};

static int hold(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    size_t len = msgr_msg_len(msg, MSGR_DATA);
    check_enter();
    CHECK(seen->got < 4);
    seen->held[seen->got++] = msg;
    seen->bytes += len;
    check_leave();
    return 1;
}

/* Gives up the oldest message that is held. */
static void give_up(struct seen *seen, int at)
{
    msgr_msg *msg;
    check_enter();
    msg = seen->held[at];
    check_leave();
    msgr_msg_unref(msg);
}

static void send_bytes(msgr_conn *conn, size_t len)
{
    msgr_msg *msg = NULL;
    char *bytes = (char *)calloc(1, len + 1);
    CHECK(bytes != NULL);
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, bytes, len));
    CHECK_OK(msgr_send(conn, msg));
    free(bytes);
}

static void what_cannot_be_is_refused(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_IS(msgr_set_policy_throttlers(NULL, MSGR_ENTITY_CLIENT, 1, 1), -EINVAL);
    CHECK_IS(msgr_set_policy_throttlers(server, 0, 1, 1), -EINVAL);
    CHECK_IS(msgr_set_policy_throttlers(server, 3, 1, 1), -EINVAL);
    CHECK_OK(msgr_set_policy_throttlers(server, MSGR_ENTITY_MDS, 0, 0));
    CHECK_OK(msgr_set_policy_throttlers(server, MSGR_ENTITY_MDS, UINT64_MAX, UINT64_MAX));
    msgr_unref(server);
    msgr_ctx_unref(ctx);
}

static void a_message_counts_until_its_last_reference_goes(void)
{
    struct seen seen;
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    char addrs[128];
    memset(&seen, 0, sizeof(seen));
    callbacks.dispatch = hold;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    CHECK_OK(msgr_set_policy_throttlers(server, MSGR_ENTITY_CLIENT, 1000, 2));
    client = check_client(ctx, &none, NULL);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    send_bytes(conn, 600);
    send_bytes(conn, 500); /* no bytes left for it */
    send_bytes(conn, 5000); /* more than there are at all */
    send_bytes(conn, 0);
    WAIT_UNTIL(seen.got == 1);
    CHECK(msgr_msg_ref(seen.held[0]) == seen.held[0]);
    give_up(&seen, 0);
    LOCKED(CHECK(seen.got == 1));
    give_up(&seen, 0);
    WAIT_UNTIL(seen.got == 2);
    give_up(&seen, 1);
    WAIT_UNTIL(seen.got == 4); /* the last one has no bytes and is the second */
    LOCKED(CHECK(seen.bytes == 6100));
    check_end(client);
    check_end(server);
    /* They outlive their messenger, and so does what they count in. */
    give_up(&seen, 2);
    give_up(&seen, 3);
    msgr_conn_unref(conn);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    what_cannot_be_is_refused();
    a_message_counts_until_its_last_reference_goes();
    return 0;
}
