/* Calls from within callbacks: all are legal but waiting for oneself. */
#include "check.h"

struct state {
    msgr_messenger *messenger;
    int done;
    int released;
};

static void release(void *user)
{
    LOCKED(((struct state *)user)->released++);
}

static const msgr_dispatcher no_callbacks = MSGR_DISPATCHER_INIT;

/* Everything but what ends the messenger. */
static int call_everything(void *user, msgr_msg *msg)
{
    struct state *state = (struct state *)user;
    msgr_messenger *messenger = state->messenger;
    msgr_conn *conn = NULL, *loopback = NULL;
    msgr_ctx *ctx = NULL;
    msgr_messenger *another = NULL;
    char buf[128];
    CHECK_IS(msgr_wait(messenger), -EDEADLK);
    CHECK(msgr_last_error(buf, sizeof(buf)) > 0);
    CHECK(msgr_get_myaddrs(messenger, buf, sizeof(buf)) > 0);
    CHECK(msgr_dispatch_queue_len(messenger) >= 0);
    CHECK(msgr_perf_dump(messenger, NULL, 0) > 0);
    CHECK_OK(msgr_add_dispatcher_head(messenger, &no_callbacks, NULL));
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &no_callbacks, NULL));
    CHECK_OK(msgr_get_loopback_connection(messenger, &loopback));
    CHECK_OK(msgr_connect(messenger, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &conn));
    CHECK_OK(msgr_conn_keepalive(conn));
    CHECK_OK(msgr_send(conn, check_message(1, "never arrives")));
    CHECK_OK(msgr_conn_mark_down(conn));
    msgr_conn_set_priv(conn, buf, NULL);
    CHECK(msgr_conn_get_priv(conn) == buf);
    msgr_conn_unref(conn);
    msgr_conn_unref(loopback);

    /* Another messenger, from its first moment to its last. */
    CHECK_OK(msgr_ctx_create(&ctx));
    CHECK_OK(msgr_create(ctx, "client.2", "inner", 2, &another));
    CHECK_OK(msgr_start(another));
    CHECK_OK(msgr_shutdown(another));
    msgr_unref(another);
    msgr_ctx_unref(ctx);
    msgr_msg_unref(msg);
    LOCKED(state->done++);
    return 1;
}

static int end_it(void *user, msgr_msg *msg)
{
    struct state *state = (struct state *)user;
    (void)msg;
    CHECK_OK(msgr_shutdown(state->messenger));
    CHECK_IS(msgr_wait(state->messenger), -EDEADLK);
    CHECK(msgr_send(msgr_msg_conn(msg), check_message(1, "too late")) < 0);
    LOCKED(state->done++);
    return 0;
}

static int drop_it(void *user, msgr_msg *msg)
{
    struct state *state = (struct state *)user;
    int i;
    /* Some wait for dispatch, and will never get there. */
    for (i = 0; i < 10; i++)
        CHECK_OK(msgr_send(msgr_msg_conn(msg), check_message(1, "left behind")));
    /* The last reference, while the messenger waits for this callback. */
    msgr_unref(state->messenger);
    LOCKED(state->done++);
    return 0;
}

static void start_with(struct state *state, msgr_ctx *ctx, int (*dispatch)(void *, msgr_msg *))
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_conn *conn = NULL;
    callbacks.dispatch = dispatch;
    callbacks.release = release;
    state->done = state->released = 0;
    state->messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    CHECK_OK(msgr_add_dispatcher_head(state->messenger, &callbacks, state));
    CHECK_OK(msgr_start(state->messenger));
    CHECK_OK(msgr_get_loopback_connection(state->messenger, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "go")));
    msgr_conn_unref(conn);
    WAIT_UNTIL(state->done == 1);
}

int main(void)
{
    struct state state;
    msgr_ctx *ctx = check_ctx();
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR)); /* declined messages are logged */

    start_with(&state, ctx, call_everything);
    check_end(state.messenger);
    WAIT_UNTIL(state.released == 1);

    start_with(&state, ctx, end_it);
    CHECK_OK(msgr_wait(state.messenger));
    msgr_unref(state.messenger);
    WAIT_UNTIL(state.released == 1);

    start_with(&state, ctx, drop_it);
    WAIT_UNTIL(state.released == 1);

    msgr_ctx_unref(ctx);
    return 0;
}
