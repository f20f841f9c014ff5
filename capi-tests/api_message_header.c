/* What stands on a message: whom it came from and when, its header and its crcs. */
#include "check.h"

struct got {
    int messages;
    char source[32];
    int source_type;
    int64_t source_num;
    uint64_t stamps[5];
    msgr_header header;
};

/* All at once is what it is one by one. */
static void check_view(msgr_msg *msg)
{
    msgr_view view = MSGR_VIEW_INIT;
    uint16_t compat = 0;
    int segment;
    CHECK_OK(msgr_msg_view(msg, &view));
    CHECK(view.struct_size == sizeof(view) && view.reserved == 0);
    CHECK(view.type == msgr_msg_type(msg) && view.priority == msgr_msg_priority(msg));
    CHECK(view.version == msgr_msg_version(msg, &compat) && view.compat == compat);
    CHECK(view.data_off == msgr_msg_data_off(msg) && view.seq == msgr_msg_seq(msg));
    CHECK(view.tid == msgr_msg_tid(msg) && view.conn == msgr_msg_conn(msg));
    CHECK(view.user == msgr_msg_user(msg));
    for (segment = MSGR_FRONT; segment <= MSGR_DATA; segment++) {
        CHECK(view.len[segment] == msgr_msg_len(msg, segment));
        CHECK(view.data[segment] == (view.len[segment] == 0 ? NULL : msgr_msg_data(msg, segment)));
    }
}

static int dispatch(void *user, msgr_msg *msg)
{
    struct got *got = (struct got *)user;
    const msgr_header blank = MSGR_HEADER_INIT;
    int which;
    check_enter();
    CHECK(msgr_msg_source(msg, got->source, sizeof(got->source)) > 0);
    got->source_type = msgr_msg_source_type(msg);
    got->source_num = msgr_msg_source_num(msg);
    for (which = MSGR_STAMP_RECV; which <= MSGR_STAMP_DISPATCH + 1; which++)
        got->stamps[which] = msgr_msg_stamp(msg, which);
    got->header = blank;
    CHECK_OK(msgr_msg_header(msg, &got->header));
    check_view(msg);
    got->messages++;
    check_leave();
    msgr_msg_unref(msg);
    return 1;
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void check_got(const struct got *got, uint64_t before, const char *source, int64_t number)
{
    int which;
    CHECK(strcmp(got->source, source) == 0 && got->source_num == number);
    CHECK(got->header.source_type == got->source_type && got->header.source_num == number);
    for (which = MSGR_STAMP_RECV; which <= MSGR_STAMP_DISPATCH; which++) {
        CHECK(got->stamps[which] > before && got->stamps[which] < now());
        CHECK(which == 0 || got->stamps[which] >= got->stamps[which - 1]);
    }
    CHECK(got->stamps[MSGR_STAMP_DISPATCH + 1] == 0);
}

static void a_received_message_tells_whom_it_came_from_and_when(void)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    struct got got;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL, *self = NULL;
    msgr_msg *msg = check_message(42, "123456789");
    char addrs[128];
    /* The first wakeup may read the clock a little before the message is sent. */
    uint64_t before = now() - 1000000000;
    memset(&got, 0, sizeof(got));
    callbacks.flags = MSGR_DISPATCH_STAMPS;
    callbacks.dispatch = dispatch;
    server = check_server(ctx, &callbacks, &got, addrs, sizeof(addrs));
    client = check_messenger(ctx, "mds.3", MSGR_POLICY_LOSSY_CLIENT);
    CHECK_OK(msgr_start(client));
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    msgr_msg_set_tid(msg, 99);
    msgr_msg_set_data_off(msg, 4095);
    msgr_msg_set_version(msg, 7, 5);
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, "data", 4));
    CHECK_OK(msgr_send(conn, msg));
    WAIT_UNTIL(got.messages == 1);
    CHECK_IS(got.source_type, MSGR_ENTITY_MDS);
    check_got(&got, before, "mds.3", 3);
    CHECK(got.header.flags == MSGR_HEADER_COMPLETE && got.header.seq == 1);
    CHECK(got.header.tid == 99 && got.header.type == 42 && got.header.data_off == 4095);
    CHECK(got.header.priority == MSGR_PRIO_DEFAULT);
    CHECK(got.header.version == 7 && got.header.compat == 5);
    CHECK(got.header.front_len == 9 && got.header.middle_len == 0 && got.header.data_len == 4);
    /* The check value of crc32c, e3069283, with other register values around it. */
    CHECK(got.header.front_crc == 0x58e3fa20 && got.header.middle_crc == 0);

    CHECK_OK(msgr_get_loopback_connection(server, &self));
    CHECK_OK(msgr_send(self, check_message(1, "x")));
    WAIT_UNTIL(got.messages == 2);
    CHECK_IS(got.source_type, MSGR_ENTITY_OSD);
    check_got(&got, before, "osd.0", 0);
    CHECK(got.header.seq == 0);
    msgr_conn_unref(conn);
    msgr_conn_unref(self);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

static void a_message_of_ones_own_came_from_nowhere(void)
{
    msgr_header header = MSGR_HEADER_INIT;
    msgr_msg *msg = check_message(1, "front");
    char text[32] = "left alone";
    CHECK_IS(msgr_msg_source(msg, text, sizeof(text)), -ENOENT);
    CHECK_IS(msgr_msg_source(NULL, text, sizeof(text)), -EINVAL);
    CHECK(strcmp(text, "left alone") == 0);
    CHECK(msgr_msg_source_type(msg) == 0 && msgr_msg_source_type(NULL) == 0);
    CHECK(msgr_msg_source_num(msg) == -1 && msgr_msg_source_num(NULL) == -1);
    CHECK(msgr_msg_stamp(msg, MSGR_STAMP_RECV) == 0 && msgr_msg_stamp(NULL, 0) == 0);
    CHECK(msgr_msg_cost(msg) == 0 && msgr_msg_cost(NULL) == 0);
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, "data", 4));
    CHECK(msgr_msg_cost(msg) == 4);
    CHECK_IS(msgr_msg_data_off(msg), 0);
    CHECK_IS(msgr_msg_data_off(NULL), -EINVAL);
    msgr_msg_set_data_off(msg, 65535);
    msgr_msg_set_data_off(NULL, 1);
    CHECK_IS(msgr_msg_data_off(msg), 65535);
    CHECK_OK(msgr_msg_header(msg, &header));
    CHECK(header.struct_size == sizeof(header) && header.seq == 0 && header.data_len == 4);
    CHECK_IS(msgr_msg_header(NULL, &header), -EINVAL);
    CHECK_IS(msgr_msg_header(msg, NULL), -EINVAL);
    header.struct_size = 8;
    CHECK_IS(msgr_msg_header(msg, &header), -EINVAL);
    CHECK_OK(msgr_msg_set_user(msg, &header, NULL, NULL));
    check_view(msg);
    msgr_msg_unref(msg);
}

static void pieces_are_not_joined_to_be_looked_at(void)
{
    msgr_view view = MSGR_VIEW_INIT;
    msgr_msg *msg = check_message(1, "front");
    CHECK_OK(msgr_msg_append(msg, MSGR_FRONT, "more", 4, NULL, NULL));
    CHECK_OK(msgr_msg_view(msg, &view));
    CHECK(view.len[MSGR_FRONT] == 9 && view.data[MSGR_FRONT] == NULL);
    CHECK_IS(msgr_msg_iov(msg, MSGR_FRONT, NULL, 0), 2);
    CHECK_IS(msgr_msg_view(NULL, &view), -EINVAL);
    CHECK_IS(msgr_msg_view(msg, NULL), -EINVAL);
    view.struct_size = 8;
    CHECK_IS(msgr_msg_view(msg, &view), -EINVAL);
    msgr_msg_unref(msg);
}

static void a_message_can_be_said_to_come_by_a_connection(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_LOSSY_CLIENT);
    msgr_conn *self = NULL;
    msgr_msg *msg = check_message(1, "front");
    int destroyed = 0;
    CHECK_OK(msgr_get_loopback_connection(messenger, &self));
    msgr_conn_set_priv(self, &destroyed, check_count);
    msgr_msg_set_conn(NULL, self);
    msgr_msg_set_conn(msg, self);
    CHECK(msgr_msg_conn(msg) == self && msgr_msg_source_type(msg) == MSGR_ENTITY_OSD);
    msgr_msg_set_conn(msg, NULL);
    CHECK(msgr_msg_conn(msg) == NULL);
    msgr_msg_set_conn(msg, self);
    msgr_conn_unref(self);
    CHECK_OK(msgr_shutdown(messenger));
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
    CHECK(destroyed == 0);
    msgr_msg_unref(msg);
    CHECK(destroyed == 1);
}

int main(void)
{
    a_received_message_tells_whom_it_came_from_and_when();
    a_message_of_ones_own_came_from_nowhere();
    pieces_are_not_joined_to_be_looked_at();
    a_message_can_be_said_to_come_by_a_connection();
    return 0;
}
