/* msgr_auth: what is refused, and facts of connections that nobody has yet. */
#include "check.h"

static int released;

static void on_release(void *user)
{
    CHECK(user == &released);
    LOCKED(released++);
}

static void a_handler_is_checked_and_released_once(void)
{
    msgr_auth_handler handler = MSGR_AUTH_HANDLER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    handler.release = on_release;
    CHECK_IS(msgr_set_auth_handler(NULL, &handler, &released), -EINVAL);
    CHECK_IS(msgr_set_auth_handler(messenger, NULL, &released), -EINVAL);
    handler.flags = 1;
    CHECK_IS(msgr_set_auth_handler(messenger, &handler, &released), -EINVAL);
    handler.flags = 0;
    handler.struct_size = 4;
    CHECK_IS(msgr_set_auth_handler(messenger, &handler, &released), -EINVAL);
    CHECK(released == 0);
    handler.struct_size = sizeof(handler);
    CHECK_OK(msgr_set_auth_handler(messenger, &handler, &released));
    CHECK_IS(msgr_set_auth_handler(messenger, &handler, &released), -EALREADY);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
    CHECK(released == 1);
}

static void a_longer_handler_is_taken_if_its_tail_is_zero(void)
{
    struct {
        msgr_auth_handler known;
        void (*future)(void);
    } newer = { MSGR_AUTH_HANDLER_INIT, NULL };
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    newer.known.struct_size = sizeof(newer);
    newer.future = (void (*)(void))abort;
    CHECK_IS(msgr_set_auth_handler(messenger, &newer.known, NULL), -E2BIG);
    newer.future = NULL;
    CHECK_OK(msgr_set_auth_handler(messenger, &newer.known, NULL));
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void nothing_is_known_of_a_connection_that_is_none(void)
{
    msgr_auth_result result = MSGR_AUTH_RESULT_INIT;
    char text[8];
    CHECK_IS(msgr_conn_auth_name(NULL, text, sizeof(text)), -EINVAL);
    CHECK_IS(msgr_conn_auth_caps(NULL, text, sizeof(text)), -EINVAL);
    CHECK_IS(msgr_conn_last_fault(NULL, text, sizeof(text)), -EINVAL);
    CHECK_IS(msgr_conn_is_authenticated(NULL), 0);
    CHECK_IS(msgr_conn_mode(NULL), 0);
    CHECK_IS(msgr_auth_reply_request(NULL, 1, NULL, 0, NULL, 0), -EINVAL);
    CHECK_IS(msgr_auth_reply_more(NULL, NULL, 0), -EINVAL);
    CHECK_IS(msgr_auth_reply_done(NULL, &result), -EINVAL);
    CHECK_IS(msgr_auth_reply_fail(NULL, -EACCES), -EINVAL);
}

static void methods_and_keys_are_options(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = NULL;
    char text[64];
    CHECK_OK(msgr_conf_set(ctx, "auth_client_required", "cephx, none"));
    CHECK_IS(msgr_conf_set(ctx, "auth_client_required", "magic"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "key", "not a key"), -EINVAL);
    CHECK_OK(msgr_conf_set(ctx, "key", "AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg=="));
    CHECK_IS(msgr_conf_get(ctx, "key", text, sizeof(text)), -EACCES);
    CHECK_OK(msgr_conf_set(ctx, "keyring", "/nowhere/at/all"));
    CHECK_IS(msgr_create(ctx, "client.admin", "test", 1, &messenger), -ENOENT);
    CHECK(messenger == NULL);
    CHECK_OK(msgr_conf_set(ctx, "keyring", ""));
    CHECK_OK(msgr_create(ctx, "client.admin", "test", 1, &messenger));
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    a_handler_is_checked_and_released_once();
    a_longer_handler_is_taken_if_its_tail_is_zero();
    nothing_is_known_of_a_connection_that_is_none();
    methods_and_keys_are_options();
    return 0;
}
