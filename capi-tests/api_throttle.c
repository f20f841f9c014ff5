/* msgr_throttle: a budget shared among threads, types and messengers. */
#include "check.h"

static void a_throttle_counts_what_is_out(void)
{
    msgr_throttle *throttle = NULL;
    CHECK_OK(msgr_throttle_create("test", 10, &throttle));
    CHECK(msgr_throttle_ref(throttle) == throttle);
    msgr_throttle_unref(throttle);
    CHECK(msgr_throttle_max(throttle) == 10 && msgr_throttle_current(throttle) == 0);
    CHECK_IS(msgr_throttle_get(throttle, 6), 0);
    CHECK_IS(msgr_throttle_get_or_fail(throttle, 5), 0);
    CHECK_IS(msgr_throttle_get_or_fail(throttle, 4), 1);
    CHECK_OK(msgr_throttle_take(throttle, 5));
    CHECK(msgr_throttle_current(throttle) == 15);
    CHECK_IS(msgr_throttle_put(throttle, 16), -EINVAL);
    CHECK_OK(msgr_throttle_put(throttle, 15));
    CHECK_OK(msgr_throttle_set_max(throttle, 0));
    CHECK_IS(msgr_throttle_get_or_fail(throttle, 1000), 1);
    CHECK(msgr_throttle_max(throttle) == 0 && msgr_throttle_current(throttle) == 1000);
    msgr_throttle_unref(throttle);

    msgr_throttle_unref(NULL);
    CHECK(msgr_throttle_ref(NULL) == NULL);
    CHECK_IS(msgr_throttle_create(NULL, 10, &throttle), -EINVAL);
    CHECK(throttle == NULL);
    CHECK_IS(msgr_throttle_create("test", 10, NULL), -EINVAL);
    CHECK_IS(msgr_throttle_get(NULL, 1), -EINVAL);
    CHECK_IS(msgr_throttle_get_or_fail(NULL, 1), -EINVAL);
    CHECK_IS(msgr_throttle_take(NULL, 1), -EINVAL);
    CHECK_IS(msgr_throttle_put(NULL, 1), -EINVAL);
    CHECK_IS(msgr_throttle_set_max(NULL, 1), -EINVAL);
    CHECK(msgr_throttle_current(NULL) == 0 && msgr_throttle_max(NULL) == 0);
}

static int got = -2;

static void *get_three(void *throttle)
{
    int waited = msgr_throttle_get((msgr_throttle *)throttle, 3);
    LOCKED(got = waited);
    return NULL;
}

static void a_thread_waits_until_there_is_room(void)
{
    msgr_throttle *throttle = NULL;
    pthread_t thread;
    int before;
    CHECK_OK(msgr_throttle_create("test", 10, &throttle));
    CHECK_OK(msgr_throttle_take(throttle, 8));
    CHECK(pthread_create(&thread, NULL, get_three, throttle) == 0);
    /* What would fit is refused as soon as somebody waits. */
    while (msgr_throttle_get_or_fail(throttle, 1) == 1)
        CHECK_OK(msgr_throttle_put(throttle, 1));
    LOCKED(before = got);
    CHECK(before == -2);
    CHECK_OK(msgr_throttle_put(throttle, 1));
    WAIT_UNTIL(got == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(msgr_throttle_current(throttle) == 10);
    msgr_throttle_unref(throttle);
}

static msgr_msg *kept[4];
static int received, refused_on_worker;

static int keep(void *user, msgr_msg *msg)
{
    msgr_throttle *throttle = (msgr_throttle *)user;
    int result = msgr_throttle_get(throttle, 1);
    LOCKED(kept[received++] = msg; refused_on_worker += result == -EDEADLK);
    return 1;
}

static void two_messengers_share_one_budget(void)
{
    msgr_dispatcher dispatcher = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *servers[2], *client = check_client(ctx, &none, NULL);
    msgr_throttle *messages = NULL, *bytes = NULL;
    char addrs[2][128];
    int i;
    dispatcher.flags = MSGR_DISPATCH_FAST;
    dispatcher.fast_dispatch = keep;
    CHECK_OK(msgr_throttle_create("messages", 1, &messages));
    CHECK_OK(msgr_throttle_create("bytes", 100, &bytes));
    for (i = 0; i < 2; i++) {
        servers[i] = check_server(ctx, &dispatcher, messages, addrs[i], sizeof(addrs[i]));
        CHECK_OK(msgr_set_policy_throttles(servers[i], MSGR_ENTITY_CLIENT, bytes, messages));
    }
    CHECK_OK(msgr_send_to(client, check_message(1, "first"), MSGR_ENTITY_OSD, addrs[0]));
    WAIT_UNTIL(received == 1);
    CHECK(msgr_throttle_current(messages) == 1 && msgr_throttle_current(bytes) == 5);
    CHECK_OK(msgr_send_to(client, check_message(1, "second"), MSGR_ENTITY_OSD, addrs[1]));
    CHECK_OK(msgr_send_to(client, check_message(1, "third"), MSGR_ENTITY_OSD, addrs[0]));
    /* Of the one place there is the first message makes way for one of the others. */
    msgr_msg_unref(kept[0]);
    WAIT_UNTIL(received == 2);
    CHECK(msgr_throttle_current(messages) == 1);
    /* Without the limit the last comes, too. */
    CHECK_OK(msgr_throttle_set_max(messages, 0));
    WAIT_UNTIL(received == 3);
    CHECK(refused_on_worker == 3);
    msgr_msg_unref(kept[1]);
    msgr_msg_unref(kept[2]);
    CHECK(msgr_throttle_current(messages) == 0 && msgr_throttle_current(bytes) == 0);

    /* A messenger that ends leaves none of its connections waiting. */
    CHECK_OK(msgr_throttle_set_max(messages, 1));
    CHECK_OK(msgr_throttle_take(messages, 1));
    CHECK_OK(msgr_send_to(client, check_message(1, "fourth"), MSGR_ENTITY_OSD, addrs[1]));
    check_end(servers[1]);
    CHECK_OK(msgr_throttle_put(messages, 1));
    CHECK_OK(msgr_set_policy_throttles(servers[0], MSGR_ENTITY_CLIENT, NULL, NULL));
    CHECK_IS(msgr_set_policy_throttles(servers[0], 3, bytes, messages), -EINVAL);
    CHECK_IS(msgr_set_policy_throttles(NULL, MSGR_ENTITY_CLIENT, bytes, messages), -EINVAL);
    check_end(servers[0]);
    check_end(client);
    CHECK(msgr_throttle_current(messages) == 0 && msgr_throttle_current(bytes) == 0);
    msgr_throttle_unref(messages);
    msgr_throttle_unref(bytes);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    a_throttle_counts_what_is_out();
    a_thread_waits_until_there_is_room();
    two_messengers_share_one_budget();
    return 0;
}
