/* msgr_dispatcher: the size rule, the chain, ownership, and release. All over
 * the loopback connection, so that no network is involved. */
#include "check.h"

/* One dispatcher of a chain, and what it saw. */
struct link {
    int answer;          /* what dispatch returns for 0 < type */
    int keep;            /* takes a reference of its own although it declines */
    int asked;
    int released;
    msgr_msg *kept;
};

static int dispatch(void *user, msgr_msg *msg)
{
    struct link *link = (struct link *)user;
    int answer = link->answer;
    if (link->keep) {
        link->kept = msgr_msg_ref(msg);
        msgr_msg_set_tid(msg, 77);
    }
    if (answer > 0)
        msgr_msg_unref(msg);
    LOCKED(link->asked++);
    return answer;
}

static void release(void *user)
{
    LOCKED(((struct link *)user)->released++);
}

static msgr_dispatcher callbacks(void)
{
    msgr_dispatcher made = MSGR_DISPATCHER_INIT;
    made.dispatch = dispatch;
    made.release = release;
    return made;
}

static msgr_conn *loopback_of(msgr_messenger *messenger)
{
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_get_loopback_connection(messenger, &conn));
    CHECK_IS(msgr_conn_is_loopback(conn), 1);
    return conn;
}

static void the_chain_ends_with_the_first_that_takes_it(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher made = callbacks();
    msgr_dispatcher empty = MSGR_DISPATCHER_INIT;
    struct link first = { 0, 0, 0, 0, NULL }, second = { -EIO, 0, 0, 0, NULL };
    struct link third = { 1, 0, 0, 0, NULL }, fourth = { 1, 0, 0, 0, NULL };
    msgr_conn *conn;
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR)); /* the negative answer is logged */
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &made, &third));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &made, &second));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &empty, NULL));
    CHECK_OK(msgr_add_dispatcher_head(messenger, &made, &first));
    CHECK_OK(msgr_start(messenger));
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &made, &fourth));
    conn = loopback_of(messenger);
    CHECK_OK(msgr_send(conn, check_message(1, "to whom it concerns")));
    CHECK_OK(msgr_send(conn, check_message(1, "again")));
    WAIT_UNTIL(third.asked == 2);
    CHECK(first.asked == 2 && second.asked == 2 && fourth.asked == 0);
    CHECK_OK(msgr_set_log_level(MSGR_LOG_WARN));
    msgr_conn_unref(conn);
    check_end(messenger);
    WAIT_UNTIL(first.released == 1 && second.released == 1 && third.released == 1 &&
               fourth.released == 1);
    msgr_ctx_unref(ctx);
}

static void a_message_nobody_takes_is_freed(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher made = callbacks();
    struct link link = { 0, 0, 0, 0, NULL };
    msgr_msg *msg = NULL;
    msgr_conn *conn;
    int freed = 0;
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR)); /* Ceph logs it, so do we */
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &made, &link));
    CHECK_OK(msgr_start(messenger));
    conn = loopback_of(messenger);
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_DATA, "x", 1, check_count, &freed));
    CHECK_OK(msgr_send(conn, msg));
    WAIT_UNTIL(link.asked == 1 && freed == 1);
    CHECK_OK(msgr_set_log_level(MSGR_LOG_WARN));
    msgr_conn_unref(conn);
    check_end(messenger);
    msgr_ctx_unref(ctx);
}

static void a_declined_message_may_still_be_kept(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher made = callbacks();
    struct link keeper = { 0, 1, 0, 0, NULL }, taker = { 1, 0, 0, 0, NULL };
    msgr_conn *conn;
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &made, &keeper));
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &made, &taker));
    CHECK_OK(msgr_start(messenger));
    conn = loopback_of(messenger);
    CHECK_OK(msgr_send(conn, check_message(3, "kept")));
    WAIT_UNTIL(taker.asked == 1);
    CHECK(check_holds(keeper.kept, MSGR_FRONT, "kept"));
    CHECK(msgr_msg_tid(keeper.kept) == 77);
    CHECK(msgr_msg_conn(keeper.kept) == conn);
    msgr_conn_unref(conn);
    check_end(messenger);
    /* The message outlives the messenger, with the connection it came on. */
    CHECK(msgr_msg_conn(keeper.kept) == conn);
    CHECK_IS(msgr_conn_is_loopback(msgr_msg_conn(keeper.kept)), 1);
    msgr_msg_unref(keeper.kept);
    msgr_ctx_unref(ctx);
}

static int forward(void *user, msgr_msg *msg)
{
    int hops = (int)msgr_msg_tid(msg);
    LOCKED(*(int *)user = hops);
    if (hops == 5)
        return 0;
    msgr_msg_set_tid(msg, (uint64_t)hops + 1);
    /* The very message goes back on the connection it holds. */
    CHECK_OK(msgr_send(msgr_msg_conn(msg), msg));
    return 1;
}

static void a_received_message_can_be_sent_on(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher made = MSGR_DISPATCHER_INIT;
    msgr_conn *conn;
    int hops = 0;
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR));
    made.dispatch = forward;
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &made, &hops));
    CHECK_OK(msgr_start(messenger));
    conn = loopback_of(messenger);
    CHECK_OK(msgr_send(conn, check_message(1, "ball")));
    msgr_conn_unref(conn);
    WAIT_UNTIL(hops == 5);
    check_end(messenger);
    CHECK_OK(msgr_set_log_level(MSGR_LOG_WARN));
    msgr_ctx_unref(ctx);
}

static void one_message_can_be_sent_twice(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher made = callbacks();
    struct link taker = { 1, 0, 0, 0, NULL };
    msgr_msg *msg = NULL;
    msgr_conn *conn;
    int freed = 0;
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &made, &taker));
    CHECK_OK(msgr_start(messenger));
    conn = loopback_of(messenger);
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_DATA, "shared", 6, check_count, &freed));
    CHECK_OK(msgr_send(conn, msgr_msg_ref(msg)));
    CHECK_OK(msgr_send(conn, msgr_msg_ref(msg)));
    WAIT_UNTIL(taker.asked == 2);
    CHECK(check_holds(msg, MSGR_DATA, "shared"));
    LOCKED(CHECK(freed == 0));
    CHECK_OK(msgr_send(conn, msg));
    WAIT_UNTIL(taker.asked == 3 && freed == 1);
    msgr_conn_unref(conn);
    check_end(messenger);
    msgr_ctx_unref(ctx);
}

static void a_refused_dispatcher_is_not_released(void)
{
    struct {
        msgr_dispatcher known;
        void *future;
    } newer;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    struct link link = { 1, 0, 0, 0, NULL };
    memset(&newer, 0, sizeof(newer));
    newer.known = callbacks();
    CHECK_IS(msgr_add_dispatcher_head(messenger, NULL, &link), -EINVAL);
    newer.known.struct_size = 0;
    CHECK_IS(msgr_add_dispatcher_head(messenger, &newer.known, &link), -EINVAL);
    newer.known.struct_size = 4;
    CHECK_IS(msgr_add_dispatcher_tail(messenger, &newer.known, &link), -EINVAL);
    newer.known.struct_size = UINT32_MAX;
    CHECK_IS(msgr_add_dispatcher_tail(messenger, &newer.known, &link), -E2BIG);
    newer.known.struct_size = sizeof(newer);
    newer.future = &newer;
    CHECK_IS(msgr_add_dispatcher_tail(messenger, &newer.known, &link), -E2BIG);
    newer.future = NULL;
    newer.known.flags = 4;
    CHECK_IS(msgr_add_dispatcher_tail(messenger, &newer.known, &link), -EINVAL);
    CHECK(link.released == 0);
    newer.known.flags = 0;
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &newer.known, &link));
    msgr_unref(messenger);
    WAIT_UNTIL(link.released == 1);
    msgr_ctx_unref(ctx);
}

static void an_older_structure_is_enough(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher made = callbacks();
    struct link taker = { 1, 0, 0, 0, NULL };
    msgr_conn *conn;
    /* Up to dispatch, in exactly that much memory. */
    size_t size = offsetof(msgr_dispatcher, handle_connect);
    void *older = malloc(size);
    CHECK(older != NULL);
    made.struct_size = (uint32_t)size;
    memcpy(older, &made, size);
    CHECK_OK(msgr_add_dispatcher_tail(messenger, (const msgr_dispatcher *)older, &taker));
    free(older);
    CHECK_OK(msgr_start(messenger));
    conn = loopback_of(messenger);
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(taker.asked == 1);
    msgr_conn_unref(conn);
    check_end(messenger);
    CHECK(taker.released == 0);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    the_chain_ends_with_the_first_that_takes_it();
    a_message_nobody_takes_is_freed();
    a_declined_message_may_still_be_kept();
    a_received_message_can_be_sent_on();
    one_message_can_be_sent_twice();
    a_refused_dispatcher_is_not_released();
    an_older_structure_is_enough();
    return 0;
}
