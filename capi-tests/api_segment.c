/* Segments in pieces, and bytes that outlive their message. */
#include "check.h"

static void pieces_of_one_owner_are_given_back_together(void)
{
    static char bytes[] = "abcdefgh";
    struct iovec pieces[4], seen[4];
    msgr_msg *msg = NULL;
    int freed = 0;
    pieces[0].iov_base = bytes, pieces[0].iov_len = 3;
    pieces[1].iov_base = NULL, pieces[1].iov_len = 0;
    pieces[2].iov_base = bytes + 5, pieces[2].iov_len = 1;
    pieces[3].iov_base = bytes + 6, pieces[3].iov_len = 2;
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_OK(msgr_msg_append_iov(msg, MSGR_DATA, pieces, 4, check_count, &freed));
    CHECK_IS(msgr_msg_iov(msg, MSGR_DATA, NULL, 0), 3);
    memset(seen, 0, sizeof(seen));
    CHECK_IS(msgr_msg_iov(msg, MSGR_DATA, seen, 2), 3);
    CHECK(seen[0].iov_base == bytes && seen[0].iov_len == 3);
    CHECK(seen[1].iov_base == bytes + 5 && seen[1].iov_len == 1 && seen[2].iov_base == NULL);
    CHECK_IS(msgr_msg_iov(msg, MSGR_DATA, seen, 4), 3);
    CHECK(seen[2].iov_base == bytes + 6 && seen[3].iov_base == NULL);
    CHECK(msgr_msg_len(msg, MSGR_DATA) == 6 && freed == 0);
    CHECK(check_holds(msg, MSGR_DATA, "abcfgh"));
    CHECK(freed == 1);
    CHECK_IS(msgr_msg_iov(msg, MSGR_DATA, seen, 4), 1);
    msgr_msg_unref(msg);
    CHECK(freed == 1);
}

static void refused_pieces_stay_the_callers(void)
{
    static char bytes[4];
    struct iovec pieces[2];
    msgr_msg *msg = NULL;
    int freed = 0;
    pieces[0].iov_base = bytes, pieces[0].iov_len = 4;
    pieces[1].iov_base = NULL, pieces[1].iov_len = 4;
    CHECK_OK(msgr_msg_create(1, &msg));
    CHECK_IS(msgr_msg_append_iov(NULL, MSGR_DATA, pieces, 1, check_count, &freed), -EINVAL);
    CHECK_IS(msgr_msg_append_iov(msg, 7, pieces, 1, check_count, &freed), -EINVAL);
    CHECK_IS(msgr_msg_append_iov(msg, MSGR_DATA, pieces, 2, check_count, &freed), -EINVAL);
    CHECK_IS(msgr_msg_append_iov(msg, MSGR_DATA, NULL, 1, check_count, &freed), -EINVAL);
    pieces[1].iov_base = bytes, pieces[1].iov_len = (size_t)1 << 32;
    CHECK_IS(msgr_msg_append_iov(msg, MSGR_DATA, pieces, 2, check_count, &freed), -EMSGSIZE);
    CHECK(msgr_msg_len(msg, MSGR_DATA) == 0 && freed == 0);
    CHECK_IS(msgr_msg_iov(NULL, MSGR_DATA, pieces, 1), -EINVAL);
    CHECK_IS(msgr_msg_iov(msg, 7, pieces, 1), -EINVAL);
    CHECK_IS(msgr_msg_iov(msg, MSGR_DATA, NULL, 1), -EINVAL);
    CHECK_OK(msgr_msg_append_iov(msg, MSGR_DATA, NULL, 0, check_count, &freed));
    CHECK(freed == 1);
    msgr_msg_unref(msg);
}

static void a_segment_can_be_emptied(void)
{
    msgr_msg *msg = check_message(1, "front");
    int freed = 0;
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, "lent", 4, check_count, &freed));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, "data", 4));
    CHECK_OK(msgr_msg_clear(msg, MSGR_FRONT));
    CHECK(freed == 1 && check_holds(msg, MSGR_FRONT, "") && check_holds(msg, MSGR_DATA, "data"));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_FRONT, "new", 3));
    CHECK(check_holds(msg, MSGR_FRONT, "new"));
    CHECK_IS(msgr_msg_clear(NULL, MSGR_FRONT), -EINVAL);
    CHECK_IS(msgr_msg_clear(msg, 3), -EINVAL);
    msgr_msg_unref(msg);
}

static void a_buffer_is_shared_by_messages_and_outlives_them(void)
{
    static char bytes[] = "0123456789";
    msgr_msg *first = NULL, *second = NULL;
    msgr_buf *buf = NULL, *piece = NULL;
    int freed = 0;
    CHECK_OK(msgr_buf_create(bytes, 10, check_count, &freed, &buf));
    CHECK(msgr_buf_data(buf) == bytes && msgr_buf_len(buf) == 10);
    CHECK(msgr_buf_ref(buf) == buf);
    msgr_buf_unref(buf);
    CHECK_OK(msgr_msg_create(1, &first));
    CHECK_OK(msgr_msg_create(1, &second));
    CHECK_OK(msgr_msg_append_buf(first, MSGR_DATA, buf, 2, 3));
    CHECK_OK(msgr_msg_append_buf(first, MSGR_DATA, buf, 10, 0));
    CHECK_OK(msgr_msg_append_buf(second, MSGR_FRONT, buf, 0, 10));
    CHECK_IS(msgr_msg_append_buf(second, MSGR_FRONT, buf, 5, 6), -EINVAL);
    CHECK_IS(msgr_msg_append_buf(second, MSGR_FRONT, buf, SIZE_MAX, 2), -EINVAL);
    CHECK_IS(msgr_msg_append_buf(second, MSGR_FRONT, NULL, 0, 0), -EINVAL);
    CHECK_IS(msgr_msg_append_buf(NULL, MSGR_FRONT, buf, 0, 1), -EINVAL);
    CHECK_IS(msgr_msg_append_buf(second, 9, buf, 0, 1), -EINVAL);
    msgr_buf_unref(buf);
    CHECK(check_holds(first, MSGR_DATA, "234") && check_holds(second, MSGR_FRONT, "0123456789"));
    msgr_msg_unref(second);
    CHECK_OK(msgr_msg_buf(first, MSGR_DATA, 0, &piece));
    CHECK_IS(msgr_msg_buf(first, MSGR_DATA, 1, &buf), -ENOENT);
    CHECK(buf == NULL);
    CHECK_IS(msgr_msg_buf(first, 5, 0, &buf), -EINVAL);
    CHECK_IS(msgr_msg_buf(NULL, MSGR_DATA, 0, &buf), -EINVAL);
    CHECK_IS(msgr_msg_buf(first, MSGR_DATA, 0, NULL), -EINVAL);
    msgr_msg_unref(first);
    CHECK(freed == 0 && msgr_buf_data(piece) == bytes + 2 && msgr_buf_len(piece) == 3);
    msgr_buf_unref(piece);
    CHECK(freed == 1);
}

static void refused_buffers_stay_the_callers(void)
{
    msgr_buf *buf = NULL;
    int freed = 0;
    CHECK_IS(msgr_buf_create(NULL, 4, check_count, &freed, &buf), -EINVAL);
    CHECK_IS(msgr_buf_create("abcd", 4, check_count, &freed, NULL), -EINVAL);
    CHECK(buf == NULL && freed == 0);
    CHECK(msgr_buf_ref(NULL) == NULL && msgr_buf_data(NULL) == NULL && msgr_buf_len(NULL) == 0);
    msgr_buf_unref(NULL);
    CHECK_OK(msgr_buf_create(NULL, 0, check_count, &freed, &buf));
    CHECK(msgr_buf_len(buf) == 0 && freed == 0);
    msgr_buf_unref(buf);
    CHECK(freed == 1);
}

int main(void)
{
    pieces_of_one_owner_are_given_back_together();
    refused_pieces_stay_the_callers();
    a_segment_can_be_emptied();
    a_buffer_is_shared_by_messages_and_outlives_them();
    refused_buffers_stay_the_callers();
    return 0;
}
