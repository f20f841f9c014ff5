/* Fast and queued dispatch: who is asked, on which thread, and who owns what. */
#include "check.h"

#define FAST_TYPE 1
#define SLOW_TYPE 2

struct seen {
    int can_fast, fast, slow, first;
    int reset;
    pthread_t fast_thread, slow_thread;
    msgr_msg *kept;
};

static int can_fast_dispatch(void *user, const msgr_msg *msg)
{
    CHECK(msgr_msg_conn(msg) != NULL && msgr_msg_len(msg, MSGR_FRONT) == 2);
    LOCKED(((struct seen *)user)->can_fast++);
    return msgr_msg_type(msg) == FAST_TYPE;
}

static int fast_dispatch(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    int take = msgr_msg_tid(msg) == 1;
    CHECK(msgr_msg_type(msg) == FAST_TYPE);
    CHECK_IS(msgr_wait(NULL), -EINVAL);
    LOCKED(seen->fast_thread = pthread_self(); if (take) seen->kept = msg; seen->fast++);
    return take; /* not taken: it is freed after the call */
}

static int dispatch(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    CHECK(msgr_msg_type(msg) == SLOW_TYPE);
    msgr_msg_unref(msg);
    LOCKED(seen->slow_thread = pthread_self(); seen->slow++);
    return 1;
}

static int handle_reset(void *user, msgr_conn *conn)
{
    CHECK_IS(msgr_conn_is_connected(conn), 0);
    LOCKED(((struct seen *)user)->reset++);
    return 1;
}

static void fast_preprocess(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    CHECK(msgr_msg_conn(msg) != NULL && msgr_msg_len(msg, MSGR_FRONT) == 2);
    LOCKED(CHECK(seen->first >= seen->fast + seen->slow); seen->first++);
}

static void send_one(msgr_conn *conn, uint16_t type, uint64_t tid)
{
    msgr_msg *msg = check_message(type, "hi");
    msgr_msg_set_tid(msg, tid);
    CHECK_OK(msgr_send(conn, msg));
}

static void the_callee_chooses_by_message(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    struct seen seen;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    char addrs[128];
    memset(&seen, 0, sizeof(seen));
    callbacks.flags = MSGR_DISPATCH_FAST;
    callbacks.can_fast_dispatch = can_fast_dispatch;
    callbacks.fast_dispatch = fast_dispatch;
    callbacks.dispatch = dispatch;
    callbacks.handle_reset = handle_reset;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    client = check_client(ctx, &none, NULL);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    send_one(conn, FAST_TYPE, 1);
    send_one(conn, SLOW_TYPE, 2);
    send_one(conn, FAST_TYPE, 3);
    send_one(conn, SLOW_TYPE, 4);
    WAIT_UNTIL(seen.fast == 2 && seen.slow == 2);
    CHECK_LOCKED(seen.can_fast >= 4);
    CHECK_LOCKED(!pthread_equal(seen.fast_thread, seen.slow_thread));
    CHECK(check_holds(seen.kept, MSGR_FRONT, "hi"));
    CHECK_IS(msgr_conn_peer_type(msgr_msg_conn(seen.kept)), MSGR_ENTITY_CLIENT);

    /* The client goes; the kept message and its connection stay usable. */
    msgr_conn_unref(conn);
    check_end(client);
    WAIT_UNTIL(seen.reset == 1);
    CHECK(msgr_send(msgr_msg_conn(seen.kept), seen.kept) < 0);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void without_the_flag_nobody_is_asked(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    struct seen seen;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    char addrs[128];
    memset(&seen, 0, sizeof(seen));
    callbacks.can_fast_dispatch = can_fast_dispatch;
    callbacks.fast_dispatch = fast_dispatch;
    callbacks.dispatch = dispatch;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    client = check_client(ctx, &none, NULL);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    send_one(conn, SLOW_TYPE, 1);
    WAIT_UNTIL(seen.slow == 1);
    CHECK_LOCKED(seen.can_fast == 0 && seen.fast == 0);
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void a_null_slot_takes_all_messages(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    struct seen seen;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    char addrs[128];
    memset(&seen, 0, sizeof(seen));
    callbacks.flags = MSGR_DISPATCH_FAST;
    callbacks.fast_dispatch = fast_dispatch;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    client = check_client(ctx, &none, NULL);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    send_one(conn, FAST_TYPE, 5);
    send_one(conn, FAST_TYPE, 6);
    WAIT_UNTIL(seen.fast == 2);
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static int fast_one(void *user, msgr_msg *msg)
{
    CHECK(msgr_msg_type(msg) == FAST_TYPE || msgr_msg_type(msg) == UINT16_MAX);
    LOCKED(((struct seen *)user)->fast++);
    return 0;
}

static int slow_one(void *user, msgr_msg *msg)
{
    CHECK(msgr_msg_type(msg) != FAST_TYPE && msgr_msg_type(msg) != UINT16_MAX);
    LOCKED(((struct seen *)user)->slow++);
    msgr_msg_unref(msg);
    return 1;
}

static void a_list_of_types_stands_for_the_question(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    uint16_t types[2] = { UINT16_MAX, FAST_TYPE };
    struct seen seen;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    char addrs[128];
    memset(&seen, 0, sizeof(seen));
    callbacks.flags = MSGR_DISPATCH_FAST;
    callbacks.can_fast_dispatch = can_fast_dispatch;
    callbacks.fast_dispatch = fast_one;
    callbacks.dispatch = slow_one;
    callbacks.fast_preprocess = fast_preprocess;
    callbacks.fast_types = types;
    callbacks.fast_type_count = 2;
    server = check_server(ctx, &callbacks, &seen, addrs, sizeof(addrs));
    types[0] = SLOW_TYPE; /* it was copied */
    client = check_client(ctx, &none, NULL);
    callbacks.fast_types = NULL;
    CHECK_IS(msgr_add_dispatcher_tail(client, &callbacks, &seen), -EINVAL);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    send_one(conn, FAST_TYPE, 1);
    send_one(conn, SLOW_TYPE, 2);
    send_one(conn, UINT16_MAX, 3);
    send_one(conn, 0, 4);
    send_one(conn, 64 + FAST_TYPE, 5);
    WAIT_UNTIL(seen.fast == 2 && seen.slow == 3);
    CHECK_LOCKED(seen.can_fast == 0 && seen.first == 5);
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    the_callee_chooses_by_message();
    without_the_flag_nobody_is_asked();
    a_null_slot_takes_all_messages();
    a_list_of_types_stands_for_the_question();
    return 0;
}
