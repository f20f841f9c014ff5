/* msgr_ctx: references and options. */
#include "check.h"

static void references_are_counted(void)
{
    msgr_ctx *ctx = NULL;
    char value[64];
    CHECK_OK(msgr_ctx_create(&ctx));
    CHECK(msgr_ctx_ref(ctx) == ctx);
    msgr_ctx_unref(ctx);
    CHECK(msgr_conf_get(ctx, "ms_async_op_threads", value, sizeof(value)) > 0);
    msgr_ctx_unref(ctx);
    msgr_ctx_unref(NULL);
    CHECK(msgr_ctx_ref(NULL) == NULL);
    CHECK_IS(msgr_ctx_create(NULL), -EINVAL);
}

static void an_option_is_read_as_it_was_set(void)
{
    msgr_ctx *ctx = NULL;
    char value[64];
    CHECK_OK(msgr_ctx_create(&ctx));
    CHECK_IS(msgr_conf_get(ctx, "ms_async_op_threads", value, sizeof(value)), 1);
    CHECK(strcmp(value, "3") == 0);
    CHECK_OK(msgr_conf_set(ctx, "ms_async_op_threads", "2"));
    CHECK_IS(msgr_conf_get(ctx, "ms_async_op_threads", value, sizeof(value)), 1);
    CHECK(strcmp(value, "2") == 0);
    CHECK_OK(msgr_conf_set(ctx, "ms_crc_data", "false"));
    CHECK(msgr_conf_get(ctx, "ms_crc_data", value, sizeof(value)) == 5);
    CHECK(strcmp(value, "false") == 0);
    CHECK_OK(msgr_conf_set(ctx, "ms_dispatch_throttle_bytes", "100M"));
    CHECK_OK(msgr_conf_set(ctx, "ms_dispatch_throttle_bytes", "4K"));
    CHECK(msgr_conf_get(ctx, "ms_dispatch_throttle_bytes", value, sizeof(value)) > 0);
    msgr_ctx_unref(ctx);
}

static void wrong_options_and_values_are_refused(void)
{
    msgr_ctx *ctx = NULL;
    char value[64], last[512];
    CHECK_OK(msgr_ctx_create(&ctx));
    CHECK_IS(msgr_conf_set(ctx, "ms_no_such_option", "1"), -ENOENT);
    CHECK(msgr_last_error(last, sizeof(last)) > 0);
    CHECK(strstr(last, "ms_no_such_option") != NULL);
    CHECK_IS(msgr_conf_get(ctx, "ms_no_such_option", value, sizeof(value)), -ENOENT);
    CHECK_IS(msgr_conf_set(ctx, "ms_async_op_threads", "many"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "ms_async_op_threads", ""), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "ms_crc_data", "perhaps"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "ms_crc_data", "\xff"), -EINVAL);
    /* A refused value changes nothing. */
    CHECK(msgr_conf_get(ctx, "ms_async_op_threads", value, sizeof(value)) == 1);
    CHECK(strcmp(value, "3") == 0);
    msgr_ctx_unref(ctx);
}

static void null_is_refused(void)
{
    msgr_ctx *ctx = NULL;
    char value[64];
    CHECK_OK(msgr_ctx_create(&ctx));
    CHECK_IS(msgr_conf_set(NULL, "ms_crc_data", "true"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, NULL, "true"), -EINVAL);
    CHECK_IS(msgr_conf_set(ctx, "ms_crc_data", NULL), -EINVAL);
    CHECK_IS(msgr_conf_get(NULL, "ms_crc_data", value, sizeof(value)), -EINVAL);
    CHECK_IS(msgr_conf_get(ctx, NULL, value, sizeof(value)), -EINVAL);
    CHECK_IS(msgr_conf_get(ctx, "ms_crc_data", NULL, 0), -EINVAL);
    msgr_ctx_unref(ctx);
}

static void a_short_buffer_is_left_alone(void)
{
    msgr_ctx *ctx = NULL;
    char value[5] = "left";
    CHECK_OK(msgr_ctx_create(&ctx));
    CHECK_IS(msgr_conf_get(ctx, "ms_crc_data", value, 4), -ENAMETOOLONG);
    CHECK(strcmp(value, "left") == 0);
    CHECK_IS(msgr_conf_get(ctx, "ms_crc_data", value, 0), -ENAMETOOLONG);
    CHECK_IS(msgr_conf_get(ctx, "ms_crc_data", value, 5), 4);
    CHECK(strcmp(value, "true") == 0);
    msgr_ctx_unref(ctx);
}

static void a_messenger_keeps_its_context(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = NULL;
    CHECK_OK(msgr_create(ctx, "client.admin", "test", 1, &messenger));
    msgr_ctx_unref(ctx);
    CHECK_OK(msgr_start(messenger));
    check_end(messenger);
}

int main(void)
{
    references_are_counted();
    an_option_is_read_as_it_was_set();
    wrong_options_and_values_are_refused();
    null_is_refused();
    a_short_buffer_is_left_alone();
    a_messenger_keeps_its_context();
    return 0;
}
