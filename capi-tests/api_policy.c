/* msgr_policy: presets, the size rule, and when it may be set. */
#include "check.h"

static void presets_are_cephs(void)
{
    static const struct {
        int preset;
        uint32_t lossy, server, standby, resetcheck, registers;
    } table[] = {
        { MSGR_POLICY_LOSSY_CLIENT, 1, 0, 0, 0, 1 },
        { MSGR_POLICY_LOSSLESS_CLIENT, 0, 0, 0, 1, 1 },
        { MSGR_POLICY_STATEFUL_SERVER, 0, 1, 1, 1, 1 },
        { MSGR_POLICY_STATELESS_SERVER, 1, 1, 0, 0, 0 },
        { MSGR_POLICY_STATELESS_REGISTERED_SERVER, 1, 1, 0, 0, 1 },
        { MSGR_POLICY_LOSSLESS_PEER, 0, 0, 1, 0, 1 },
        { MSGR_POLICY_LOSSLESS_PEER_REUSE, 0, 0, 1, 1, 1 },
    };
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        msgr_policy policy;
        memset(&policy, 0xee, sizeof(policy));
        CHECK_OK(msgr_policy_init(&policy, table[i].preset));
        CHECK(policy.struct_size == sizeof(policy));
        CHECK(policy.lossy == table[i].lossy);
        CHECK(policy.server == table[i].server);
        CHECK(policy.standby == table[i].standby);
        CHECK(policy.resetcheck == table[i].resetcheck);
        CHECK(policy.register_lossy_clients == table[i].registers);
        CHECK(policy.features_supported != 0);
        CHECK(policy.features_required == 0);
    }
}

static void unknown_presets_and_null_are_refused(void)
{
    msgr_policy policy = MSGR_POLICY_INIT;
    CHECK_IS(msgr_policy_init(&policy, 0), -EINVAL);
    CHECK_IS(msgr_policy_init(&policy, 99), -EINVAL);
    CHECK_IS(msgr_policy_init(&policy, -1), -EINVAL);
    CHECK_IS(msgr_policy_init(NULL, MSGR_POLICY_LOSSY_CLIENT), -EINVAL);
    CHECK(policy.struct_size == sizeof(policy) && policy.lossy == 0);
}

static void sizes_follow_the_rule(void)
{
    struct {
        msgr_policy known;
        uint64_t future;
    } newer;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    void *exact;
    memset(&newer, 0, sizeof(newer));
    CHECK_OK(msgr_policy_init(&newer.known, MSGR_POLICY_LOSSY_CLIENT));
    newer.known.struct_size = sizeof(newer);
    CHECK_OK(msgr_set_default_policy(messenger, &newer.known));
    newer.future = 1;
    CHECK_IS(msgr_set_default_policy(messenger, &newer.known), -E2BIG);
    CHECK_IS(msgr_set_policy(messenger, MSGR_ENTITY_OSD, &newer.known), -E2BIG);
    newer.known.struct_size = 0;
    CHECK_IS(msgr_set_default_policy(messenger, &newer.known), -EINVAL);
    newer.known.struct_size = 20;
    CHECK_IS(msgr_set_default_policy(messenger, &newer.known), -EINVAL);
    newer.known.struct_size = UINT32_MAX;
    CHECK_IS(msgr_set_default_policy(messenger, &newer.known), -E2BIG);

    /* An older program's structure, and not one byte behind it. */
    newer.known.struct_size = 24;
    exact = malloc(24);
    CHECK(exact != NULL);
    memcpy(exact, &newer.known, 24);
    CHECK_OK(msgr_set_default_policy(messenger, (const msgr_policy *)exact));
    free(exact);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void wrong_arguments_are_refused(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    msgr_policy policy;
    CHECK_OK(msgr_policy_init(&policy, MSGR_POLICY_LOSSY_CLIENT));
    CHECK_IS(msgr_set_default_policy(NULL, &policy), -EINVAL);
    CHECK_IS(msgr_set_default_policy(messenger, NULL), -EINVAL);
    CHECK_IS(msgr_set_policy(NULL, MSGR_ENTITY_OSD, &policy), -EINVAL);
    CHECK_IS(msgr_set_policy(messenger, MSGR_ENTITY_OSD, NULL), -EINVAL);
    CHECK_IS(msgr_set_policy(messenger, 0, &policy), -EINVAL);
    CHECK_IS(msgr_set_policy(messenger, 0x20, &policy), -EINVAL);
    CHECK_OK(msgr_set_policy(messenger, MSGR_ENTITY_MON, &policy));
    policy.lossy = 2;
    CHECK_IS(msgr_set_default_policy(messenger, &policy), -EINVAL);
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
}

static void it_is_set_before_bind_and_start(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *bound = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_messenger *started = check_messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    msgr_policy policy;
    CHECK_OK(msgr_policy_init(&policy, MSGR_POLICY_LOSSY_CLIENT));
    CHECK_OK(msgr_bind(bound, "v2:127.0.0.1:0"));
    CHECK_IS(msgr_set_default_policy(bound, &policy), -EBUSY);
    CHECK_IS(msgr_set_policy(bound, MSGR_ENTITY_OSD, &policy), -EBUSY);
    CHECK_OK(msgr_start(started));
    CHECK_IS(msgr_set_default_policy(started, &policy), -EBUSY);
    msgr_unref(bound);
    check_end(started);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    presets_are_cephs();
    unknown_presets_and_null_are_refused();
    sizes_follow_the_rule();
    wrong_arguments_are_refused();
    it_is_set_before_bind_and_start();
    return 0;
}
