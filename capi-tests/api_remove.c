/* Taking dispatchers out again: who is asked then, and that none is still at work. */
#include <sched.h>

#include "check.h"

struct link {
    msgr_messenger *messenger;
    int asked, released, inside, leaving, finished;
    int refusal;
};

static int dispatch(void *user, msgr_msg *msg)
{
    struct link *link = (struct link *)user;
    msgr_msg_unref(msg);
    LOCKED(link->asked++);
    return 1;
}

static int dispatch_slowly(void *user, msgr_msg *msg)
{
    struct link *link = (struct link *)user;
    struct link before;
    int turn, refusal;
    (void)msg;
    LOCKED(before = *link);
    CHECK(before.released == 0);
    refusal = msgr_remove_dispatcher(before.messenger, link);
    LOCKED(link->refusal = refusal; link->inside = 1);
    WAIT_UNTIL(link->leaving);
    for (turn = 0; turn < 1000; turn++)
        sched_yield();
    LOCKED(link->finished = 1);
    return 0;
}

/* What a thread sanitizer cannot see is that the library hands it over. */
static struct link seen(const struct link *link)
{
    struct link copy;
    LOCKED(copy = *link);
    return copy;
}

static void release(void *user)
{
    LOCKED(((struct link *)user)->released++);
}

static void after_a_removal_the_others_are_asked(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_conn *conn = NULL;
    struct link first, second;
    LOCKED(memset(&first, 0, sizeof(first)); memset(&second, 0, sizeof(second)));
    callbacks.dispatch = dispatch;
    callbacks.release = release;
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &callbacks, &first));
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &callbacks, &second));
    CHECK_OK(msgr_start(messenger));
    CHECK_OK(msgr_get_loopback_connection(messenger, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(first.asked == 1);
    CHECK_IS(msgr_remove_dispatcher(NULL, &first), -EINVAL);
    CHECK_IS(msgr_remove_dispatcher(messenger, &callbacks), -ENOENT);
    CHECK_OK(msgr_remove_dispatcher(messenger, &first));
    CHECK(seen(&first).released == 1 && seen(&second).released == 0);
    CHECK_IS(msgr_remove_dispatcher(messenger, &first), -ENOENT);
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(second.asked == 1);
    CHECK(seen(&first).asked == 1);
    /* It may come back. */
    CHECK_OK(msgr_add_dispatcher_head(messenger, &callbacks, &first));
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(first.asked == 2);
    msgr_conn_unref(conn);
    check_end(messenger);
    CHECK(seen(&first).released == 2 && seen(&second).released == 1);
    msgr_ctx_unref(ctx);
}

static void no_callback_runs_any_more(unsigned flags)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.1", MSGR_POLICY_LOSSY_CLIENT);
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_conn *conn = NULL;
    struct link link;
    LOCKED(memset(&link, 0, sizeof(link)); link.messenger = messenger);
    callbacks.flags = flags;
    callbacks.fast_dispatch = dispatch_slowly;
    callbacks.dispatch = dispatch_slowly;
    callbacks.release = release;
    CHECK_OK(msgr_add_dispatcher_tail(messenger, &callbacks, &link));
    CHECK_OK(msgr_start(messenger));
    CHECK_OK(msgr_get_loopback_connection(messenger, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "x")));
    WAIT_UNTIL(link.inside);
    CHECK_IS(seen(&link).refusal, -EDEADLK);
    LOCKED(link.leaving = 1);
    CHECK_OK(msgr_remove_dispatcher(messenger, &link));
    CHECK(seen(&link).finished && seen(&link).released == 1);
    msgr_conn_unref(conn);
    check_end(messenger);
    msgr_ctx_unref(ctx);
    CHECK(seen(&link).released == 1);
}

int main(void)
{
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR)); /* messages that nobody takes are logged */
    after_a_removal_the_others_are_asked();
    no_callback_runs_any_more(0);
    no_callback_runs_any_more(MSGR_DISPATCH_FAST);
    return 0;
}
