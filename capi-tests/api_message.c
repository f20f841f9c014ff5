/* msgr_msg: numbers, segments and who owns their bytes. */
#include "check.h"

static void numbers_are_kept(void)
{
    msgr_msg *msg = NULL;
    uint16_t compat = 9;
    CHECK_OK(msgr_msg_create(42, &msg));
    CHECK(msgr_msg_type(msg) == 42);
    CHECK(msgr_msg_tid(msg) == 0);
    CHECK(msgr_msg_seq(msg) == 0);
    CHECK(msgr_msg_conn(msg) == NULL);
    CHECK(msgr_msg_priority(msg) == MSGR_PRIO_DEFAULT);
    CHECK(msgr_msg_version(msg, &compat) == 1 && compat == 1);
    msgr_msg_set_tid(msg, UINT64_MAX);
    CHECK(msgr_msg_tid(msg) == UINT64_MAX);
    msgr_msg_set_version(msg, 8, 3);
    CHECK(msgr_msg_version(msg, &compat) == 8 && compat == 3);
    CHECK(msgr_msg_version(msg, NULL) == 8);
    msgr_msg_set_priority(msg, MSGR_PRIO_HIGH);
    CHECK(msgr_msg_priority(msg) == MSGR_PRIO_HIGH);
    msgr_msg_set_priority(msg, -5);
    CHECK(msgr_msg_priority(msg) == 0);
    msgr_msg_set_priority(msg, 70000);
    CHECK(msgr_msg_priority(msg) == 255);
    msgr_msg_unref(msg);
}

static void segments_are_joined_in_order(void)
{
    msgr_msg *msg = NULL;
    char mine[] = "abc";
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK(msgr_msg_len(msg, MSGR_FRONT) == 0);
    CHECK(msgr_msg_data(msg, MSGR_FRONT) != NULL);
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_FRONT, mine, 3));
    mine[0] = 'X';
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, "-lent", 5, NULL, NULL));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_FRONT, "-copy", 5));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, "data", 4));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, NULL, 0));
    CHECK(check_holds(msg, MSGR_FRONT, "abc-lent-copy"));
    CHECK(check_holds(msg, MSGR_MIDDLE, ""));
    CHECK(check_holds(msg, MSGR_DATA, "data"));
    msgr_msg_unref(msg);
}

static void one_piece_is_not_copied(void)
{
    static const char lent[] = "lent bytes stay where they are";
    msgr_msg *msg = NULL;
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_DATA, lent, sizeof(lent), NULL, NULL));
    CHECK(msgr_msg_data(msg, MSGR_DATA) == lent);
    CHECK(msgr_msg_len(msg, MSGR_DATA) == sizeof(lent));
    msgr_msg_unref(msg);
}

static void lent_memory_is_given_back_once(void)
{
    msgr_msg *msg = NULL;
    char bytes[100] = { 1 };
    int freed = 0;
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_MIDDLE, bytes, sizeof(bytes), check_count, &freed));
    CHECK(freed == 0);
    CHECK(msgr_msg_ref(msg) == msg);
    msgr_msg_unref(msg);
    CHECK(freed == 0);
    msgr_msg_unref(msg);
    CHECK(freed == 1);
}

static void refused_memory_stays_the_callers(void)
{
    msgr_msg *msg = NULL;
    char bytes[4] = { 0 };
    int freed = 0;
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_IS(msgr_msg_append(NULL, MSGR_FRONT, bytes, 4, check_count, &freed), -EINVAL);
    CHECK_IS(msgr_msg_append(msg, 3, bytes, 4, check_count, &freed), -EINVAL);
    CHECK_IS(msgr_msg_append(msg, -1, bytes, 4, check_count, &freed), -EINVAL);
    CHECK_IS(msgr_msg_append(msg, MSGR_FRONT, NULL, 4, check_count, &freed), -EINVAL);
    CHECK_IS(msgr_msg_append(msg, MSGR_FRONT, bytes, SIZE_MAX, check_count, &freed), -EINVAL);
    /* The length is refused before a byte is read. */
    CHECK_IS(msgr_msg_append(msg, MSGR_FRONT, bytes, (size_t)1 << 32, check_count, &freed),
             -EMSGSIZE);
    CHECK_IS(msgr_msg_append_copy(msg, MSGR_FRONT, bytes, (size_t)1 << 32), -EMSGSIZE);
    CHECK_IS(msgr_msg_append_copy(msg, MSGR_FRONT, NULL, 4), -EINVAL);
    CHECK_IS(msgr_msg_append_copy(msg, 7, bytes, 4), -EINVAL);
    msgr_msg_unref(msg);
    CHECK(freed == 0);
}

static void empty_memory_is_given_back_at_once(void)
{
    msgr_msg *msg = NULL;
    int freed = 0;
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, NULL, 0, check_count, &freed));
    CHECK(freed == 1);
    msgr_msg_unref(msg);
    CHECK(freed == 1);
}

static msgr_msg *being_joined;

/* Calls back into the message whose bytes it frees: no lock may be held. */
static void free_and_look(void *arg)
{
    if (being_joined != NULL)
        CHECK(msgr_msg_type(being_joined) == 5);
    check_count(arg);
}

static void memory_is_given_back_without_a_lock(void)
{
    msgr_msg *msg = NULL;
    int freed = 0;
    CHECK_OK(msgr_msg_create(5, &msg));
    being_joined = msg;
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, "ab", 2, free_and_look, &freed));
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, "cd", 2, free_and_look, &freed));
    CHECK(check_holds(msg, MSGR_FRONT, "abcd"));
    CHECK(freed == 2);
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, NULL, 0, free_and_look, &freed));
    CHECK(freed == 3);
    being_joined = NULL;
    msgr_msg_unref(msg);
}

static void null_messages_are_harmless(void)
{
    CHECK_IS(msgr_msg_create(1, NULL), -EINVAL);
    CHECK(msgr_msg_ref(NULL) == NULL);
    msgr_msg_unref(NULL);
    CHECK_IS(msgr_msg_append_copy(NULL, MSGR_FRONT, "x", 1), -EINVAL);
    CHECK(msgr_msg_len(NULL, MSGR_FRONT) == 0);
    CHECK(msgr_msg_data(NULL, MSGR_FRONT) == NULL);
    CHECK(msgr_msg_type(NULL) == 0);
    CHECK(msgr_msg_tid(NULL) == 0);
    CHECK(msgr_msg_seq(NULL) == 0);
    CHECK(msgr_msg_conn(NULL) == NULL);
    CHECK_IS(msgr_msg_priority(NULL), -EINVAL);
    CHECK_IS(msgr_msg_version(NULL, NULL), -EINVAL);
    msgr_msg_set_tid(NULL, 1);
    msgr_msg_set_priority(NULL, 1);
    msgr_msg_set_version(NULL, 1, 1);
}

static void unknown_segments_are_refused(void)
{
    msgr_msg *msg = check_message(1, "front");
    CHECK(msgr_msg_len(msg, 3) == 0);
    CHECK(msgr_msg_len(msg, -1) == 0);
    CHECK(msgr_msg_data(msg, 3) == NULL);
    msgr_msg_unref(msg);
}

static void a_refused_send_takes_the_message(void)
{
    msgr_msg *msg = NULL;
    int freed = 0;
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, "x", 1, check_count, &freed));
    CHECK_IS(msgr_send(NULL, msg), -EINVAL);
    CHECK(freed == 1);
    CHECK_IS(msgr_send(NULL, NULL), -EINVAL);
}

int main(void)
{
    numbers_are_kept();
    segments_are_joined_in_order();
    one_piece_is_not_copied();
    lent_memory_is_given_back_once();
    refused_memory_stays_the_callers();
    empty_memory_is_given_back_at_once();
    memory_is_given_back_without_a_lock();
    null_messages_are_harmless();
    unknown_segments_are_refused();
    a_refused_send_takes_the_message();
    return 0;
}
