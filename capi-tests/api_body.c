/* The program's objects: encoded when a message goes out, made when one comes. */
#include "check.h"

#define TYPE 77

struct object {
    int encoded, destroyed;
    uint64_t features;
    pthread_t thread;
    int answer;
    size_t more;
};

static int encode(void *user, msgr_msg *msg, uint64_t features)
{
    struct object *object = (struct object *)user;
    char front[32];
    CHECK(msgr_msg_len(msg, MSGR_FRONT) == 0 && msgr_msg_len(msg, MSGR_MIDDLE) == 0);
    CHECK(msgr_msg_user(msg) == NULL);
    snprintf(front, sizeof(front), "tid %d", (int)msgr_msg_tid(msg));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_FRONT, front, strlen(front)));
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_MIDDLE, "middle", 6));
    if (object->more > 0) {
        char *bytes = (char *)calloc(1, object->more);
        CHECK_OK(msgr_msg_append(msg, MSGR_MIDDLE, bytes, object->more, free, bytes));
    }
    msgr_msg_set_version(msg, 9, 8);
    LOCKED(object->encoded++; object->features = features; object->thread = pthread_self());
    return object->answer;
}

static void destroy(void *user)
{
    LOCKED(((struct object *)user)->destroyed++);
}

static void an_object_goes_when_another_comes_or_its_message_ends(void)
{
    msgr_msg *msg = check_message(TYPE, "front");
    struct object first, second;
    memset(&first, 0, sizeof(first));
    memset(&second, 0, sizeof(second));
    CHECK(msgr_msg_user(msg) == NULL && msgr_msg_user(NULL) == NULL);
    CHECK_IS(msgr_msg_set_user(NULL, &first, encode, destroy), -EINVAL);
    CHECK(first.destroyed == 0);
    CHECK_OK(msgr_msg_set_user(msg, &first, encode, destroy));
    CHECK(msgr_msg_user(msg) == &first && first.destroyed == 0);
    CHECK_OK(msgr_msg_set_user(msg, &second, NULL, destroy));
    CHECK(msgr_msg_user(msg) == &second && first.destroyed == 1);
    CHECK_OK(msgr_msg_set_user(msg, NULL, NULL, NULL));
    CHECK(msgr_msg_user(msg) == NULL && second.destroyed == 1);
    CHECK_OK(msgr_msg_set_user(msg, &second, NULL, destroy));
    msgr_msg_unref(msg);
    CHECK(first.destroyed == 1 && second.destroyed == 2 && first.encoded == 0);
}

struct got {
    int messages, resets, decoded, released;
    char front[64];
    size_t middle, data;
    int version;
    void *user;
    char fault[256];
};

static int dispatch(void *user, msgr_msg *msg)
{
    struct got *got = (struct got *)user;
    check_enter();
    memset(got->front, 0, sizeof(got->front));
    memcpy(got->front, msgr_msg_data(msg, MSGR_FRONT), msgr_msg_len(msg, MSGR_FRONT));
    got->middle = msgr_msg_len(msg, MSGR_MIDDLE);
    got->data = msgr_msg_len(msg, MSGR_DATA);
    got->version = msgr_msg_version(msg, NULL);
    got->user = msgr_msg_user(msg);
    got->messages++;
    check_leave();
    return 0;
}

static int take(void *user, msgr_msg *msg)
{
    dispatch(user, msg);
    msgr_msg_unref(msg);
    return 1;
}

static int handle_reset(void *user, msgr_conn *conn)
{
    struct got *got = (struct got *)user;
    check_enter();
    CHECK(msgr_conn_last_fault(conn, got->fault, sizeof(got->fault)) >= 0);
    got->resets++;
    check_leave();
    return 1;
}

static void release(void *user)
{
    LOCKED(((struct got *)user)->released++);
}

/* A server that notes what comes, and a connection to it. */
struct ends {
    msgr_ctx *ctx;
    msgr_messenger *server, *client;
    msgr_conn *conn;
    struct got got;
};

static int decode(void *user, msgr_conn *conn, msgr_msg *msg)
{
    struct got *got = (struct got *)user;
    CHECK(msgr_msg_conn(msg) == conn);
    if (check_holds(msg, MSGR_FRONT, "bad"))
        return -EBADMSG;
    CHECK_OK(msgr_msg_set_user(msg, got, NULL, release));
    LOCKED(got->decoded++);
    return 0;
}

static void begin(struct ends *ends, int decodes)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    char addrs[128];
    memset(ends, 0, sizeof(*ends));
    callbacks.dispatch = take;
    callbacks.handle_reset = handle_reset;
    ends->ctx = check_ctx();
    CHECK_OK(msgr_conf_set(ends->ctx, "ms_max_message_bytes", "1M"));
    ends->server = check_messenger(ends->ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    if (decodes) {
        CHECK_IS(msgr_set_decoder(NULL, decode, &ends->got, release), -EINVAL);
        CHECK_IS(msgr_set_decoder(ends->server, NULL, &ends->got, release), -EINVAL);
        CHECK_OK(msgr_set_decoder(ends->server, decode, &ends->got, release));
        CHECK_IS(msgr_set_decoder(ends->server, decode, NULL, release), -EALREADY);
    }
    CHECK_OK(msgr_bind(ends->server, "v2:127.0.0.1:0"));
    CHECK_OK(msgr_add_dispatcher_head(ends->server, &callbacks, &ends->got));
    CHECK_OK(msgr_start(ends->server));
    CHECK_IS(msgr_set_decoder(ends->server, decode, NULL, release), -EBUSY);
    CHECK(msgr_get_myaddrs(ends->server, addrs, sizeof(addrs)) > 0);
    ends->client = check_client(ends->ctx, &none, NULL);
    CHECK_OK(msgr_connect(ends->client, MSGR_ENTITY_OSD, addrs, &ends->conn));
}

static void end(struct ends *ends)
{
    msgr_conn_unref(ends->conn);
    check_end(ends->client);
    check_end(ends->server);
    msgr_ctx_unref(ends->ctx);
}

static void a_message_is_encoded_on_a_worker_as_it_goes_out(void)
{
    struct ends ends;
    struct object object;
    msgr_msg *msg = check_message(TYPE, "not this");
    memset(&object, 0, sizeof(object));
    begin(&ends, 0);
    msgr_msg_set_tid(msg, 1);
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, "data", 4));
    CHECK_OK(msgr_msg_set_user(msg, &object, encode, destroy));
    CHECK_OK(msgr_send(ends.conn, msg));
    WAIT_UNTIL(ends.got.messages == 1 && object.destroyed == 1);
    CHECK(object.encoded == 1 && object.features == msgr_conn_features(ends.conn));
    CHECK(object.features != 0 && !pthread_equal(object.thread, pthread_self()));
    CHECK(strcmp(ends.got.front, "tid 1") == 0);
    CHECK(ends.got.middle == 6 && ends.got.data == 4 && ends.got.version == 9);
    CHECK(ends.got.user == NULL);
    end(&ends);
}

static void an_object_is_sent_in_one_call(void)
{
    struct ends ends;
    struct object object, bytes;
    struct iovec data[2];
    char first[] = "first ", second[] = "second";
    msgr_object sent = MSGR_OBJECT_INIT;
    memset(&object, 0, sizeof(object));
    memset(&bytes, 0, sizeof(bytes));
    begin(&ends, 0);
    sent.type = TYPE;
    sent.tid = 5;
    sent.priority = MSGR_PRIO_HIGH;
    sent.data_off = 3;
    sent.user = &object;
    sent.encode = encode;
    sent.destroy = destroy;
    sent.data = data;
    sent.data_count = 2;
    data[0].iov_base = first;
    data[0].iov_len = 6;
    data[1].iov_base = second;
    data[1].iov_len = 6;

    /* Nothing is taken of what makes no sense. */
    sent.free_fn = destroy;
    sent.arg = &bytes;
    CHECK_IS(msgr_send_object(NULL, &sent), -EINVAL);
    CHECK_IS(msgr_send_object(ends.conn, NULL), -EINVAL);
    sent.flags = 2;
    CHECK_IS(msgr_send_object(ends.conn, &sent), -EINVAL);
    sent.flags = 0;
    data[1].iov_base = NULL;
    CHECK_IS(msgr_send_object(ends.conn, &sent), -EINVAL);
    data[1].iov_base = second;
    CHECK(object.destroyed == 0 && bytes.destroyed == 0);

    /* Lent: given back once. */
    CHECK_OK(msgr_send_object(ends.conn, &sent));
    WAIT_UNTIL(ends.got.messages == 1 && object.destroyed == 1 && bytes.destroyed == 1);
    CHECK(strcmp(ends.got.front, "tid 5") == 0 && ends.got.data == 12 && ends.got.version == 9);

    /* Copied: the memory is the program's at once. */
    sent.flags = MSGR_OBJECT_COPY;
    CHECK_OK(msgr_send_object(ends.conn, &sent));
    memset(first, 0, sizeof(first));
    memset(second, 0, sizeof(second));
    WAIT_UNTIL(ends.got.messages == 2 && object.destroyed == 2);
    CHECK(ends.got.data == 12 && bytes.destroyed == 1);

    /* Without data. */
    sent.flags = 0;
    sent.data_count = 0;
    sent.data = NULL;
    CHECK_OK(msgr_send_object(ends.conn, &sent));
    CHECK(bytes.destroyed == 2);
    WAIT_UNTIL(ends.got.messages == 3 && object.destroyed == 3);
    CHECK(ends.got.data == 0);

    /* Taken though it cannot be sent. */
    CHECK_OK(msgr_conn_mark_down(ends.conn));
    sent.data = data;
    sent.data_count = 1;
    CHECK_IS(msgr_send_object(ends.conn, &sent), -ENOTCONN);
    CHECK(object.destroyed == 4 && bytes.destroyed == 3);
    end(&ends);
}

static void copies_share_their_object(void)
{
    struct ends ends;
    struct object object;
    msgr_msg *msg = check_message(TYPE, "not this");
    memset(&object, 0, sizeof(object));
    begin(&ends, 0);
    CHECK_OK(msgr_msg_set_user(msg, &object, encode, destroy));
    CHECK_OK(msgr_send(ends.conn, msgr_msg_ref(msg)));
    CHECK_OK(msgr_send(ends.conn, msgr_msg_ref(msg)));
    WAIT_UNTIL(ends.got.messages == 2 && object.encoded == 2);
    CHECK(check_holds(msg, MSGR_FRONT, "not this"));
    CHECK(msgr_msg_user(msg) == &object && object.destroyed == 0);
    msgr_msg_unref(msg);
    WAIT_UNTIL(object.destroyed == 1);
    end(&ends);
}

static void what_does_not_encode_or_grows_too_large_is_dropped(void)
{
    struct ends ends;
    struct object refused, large;
    msgr_msg *msg = NULL;
    memset(&refused, 0, sizeof(refused));
    memset(&large, 0, sizeof(large));
    refused.answer = -EPROTO;
    large.more = 2 << 20;
    begin(&ends, 0);
    CHECK_OK(msgr_msg_create(TYPE, &msg));
    CHECK_OK(msgr_msg_set_user(msg, &refused, encode, destroy));
    CHECK_OK(msgr_send(ends.conn, msg));
    CHECK_OK(msgr_msg_create(TYPE, &msg));
    CHECK_OK(msgr_msg_set_user(msg, &large, encode, destroy));
    CHECK_OK(msgr_send(ends.conn, msg));
    CHECK_OK(msgr_send(ends.conn, check_message(TYPE, "last")));
    WAIT_UNTIL(ends.got.messages == 1);
    CHECK(strcmp(ends.got.front, "last") == 0);
    CHECK(refused.encoded == 1 && refused.destroyed == 1);
    CHECK(large.encoded == 1 && large.destroyed == 1);
    end(&ends);
}

static void what_stays_at_home_is_not_encoded(void)
{
    struct ends ends;
    struct object object;
    msgr_conn *self = NULL;
    msgr_msg *msg = check_message(TYPE, "as it is");
    memset(&object, 0, sizeof(object));
    begin(&ends, 1);
    CHECK_OK(msgr_get_loopback_connection(ends.server, &self));
    CHECK_OK(msgr_msg_set_user(msg, &object, encode, destroy));
    CHECK_OK(msgr_send(self, msg));
    WAIT_UNTIL(ends.got.messages == 1 && object.destroyed == 1);
    CHECK(ends.got.user == &object && object.encoded == 0 && ends.got.decoded == 0);
    CHECK(strcmp(ends.got.front, "as it is") == 0);
    /* Without an object it is decoded, and dropped if it is bad. */
    CHECK_OK(msgr_send(self, check_message(TYPE, "bad")));
    CHECK_OK(msgr_send(self, check_message(TYPE, "good")));
    WAIT_UNTIL(ends.got.messages == 2);
    CHECK(ends.got.user == &ends.got && ends.got.decoded == 1);
    msgr_conn_unref(self);
    end(&ends);
}

static void what_comes_is_decoded_before_it_is_dispatched(void)
{
    struct ends ends;
    begin(&ends, 1);
    CHECK_OK(msgr_send(ends.conn, check_message(TYPE, "good")));
    WAIT_UNTIL(ends.got.messages == 1 && ends.got.released == 1);
    CHECK(ends.got.decoded == 1 && ends.got.user == &ends.got);
    CHECK_OK(msgr_send(ends.conn, check_message(TYPE, "bad")));
    /* The peer may have hung up before this one. */
    (void)msgr_send(ends.conn, check_message(TYPE, "never seen"));
    WAIT_UNTIL(ends.got.resets == 1);
    CHECK(strstr(ends.got.fault, "type 77 does not decode") != NULL);
    CHECK(ends.got.messages == 1 && ends.got.decoded == 1);
    end(&ends);
    WAIT_UNTIL(ends.got.released == 2); /* the decoder itself */
}

int main(void)
{
    an_object_goes_when_another_comes_or_its_message_ends();
    a_message_is_encoded_on_a_worker_as_it_goes_out();
    an_object_is_sent_in_one_call();
    copies_share_their_object();
    what_does_not_encode_or_grows_too_large_is_dropped();
    what_stays_at_home_is_not_encoded();
    what_comes_is_decoded_before_it_is_dispatched();
    return 0;
}
