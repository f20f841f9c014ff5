/* Memory that the program lends for the data of messages that come. */
#include "check.h"

#define TYPE 55
#define PAGE 4096
#define LARGE 300000

#define KEYRING "[osd.]\n\tkey = AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==\n"

struct pool {
    int lent, freed, released, denies;
    size_t len;
    uint16_t type, data_off;
    uint64_t tid;
    void *memory;
};

/* Its pages begin where those of the sender do. */
static void *lend(void *user, const msgr_rx_request *request)
{
    struct pool *pool = (struct pool *)user;
    size_t off = request->data_off % PAGE;
    char *pages = (char *)malloc(request->len + 2 * PAGE);
    uintptr_t begin = ((uintptr_t)pages + PAGE - 1) / PAGE * PAGE;
    CHECK(pages != NULL && request->len > 0 && request->conn != NULL);
    CHECK(request->struct_size == sizeof(*request));
    check_enter();
    pool->len = request->len;
    pool->type = request->type;
    pool->data_off = request->data_off;
    pool->tid = request->tid;
    pool->lent++;
    pool->memory = pool->denies ? NULL : (void *)(begin + off);
    /* Where they are to be freed stands behind the data. */
    memcpy((char *)begin + off + request->len, &pages, sizeof(pages));
    check_leave();
    if (pool->denies) {
        free(pages);
        return NULL;
    }
    return (void *)(begin + off);
}

static void give_back(void *user, void *memory, size_t len)
{
    char *pages;
    LOCKED(memcpy(&pages, (char *)memory + len, sizeof(pages)));
    free(pages);
    LOCKED(((struct pool *)user)->freed++);
}

static void release(void *user)
{
    LOCKED(((struct pool *)user)->released++);
}

struct got {
    int messages;
    msgr_msg *last;
};

static int dispatch(void *user, msgr_msg *msg)
{
    struct got *got = (struct got *)user;
    msgr_msg *former;
    check_enter();
    former = got->last;
    got->last = msg;
    got->messages++;
    check_leave();
    msgr_msg_unref(former); /* unlocked: it may give memory back */
    return 1;
}

struct ends {
    msgr_ctx *ctx;
    msgr_messenger *server, *client;
    msgr_conn *conn;
    struct pool pool;
    struct got got;
};

static void begin(struct ends *ends, const char *addr, const char *option, const char *value)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    char addrs[128];
    memset(ends, 0, sizeof(*ends));
    callbacks.dispatch = dispatch;
    ends->ctx = check_ctx();
    CHECK_OK(msgr_conf_set(ends->ctx, option, value));
    ends->server = check_messenger(ends->ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    CHECK_IS(msgr_set_rx_alloc(NULL, lend, give_back, &ends->pool, release), -EINVAL);
    CHECK_IS(msgr_set_rx_alloc(ends->server, NULL, give_back, &ends->pool, release), -EINVAL);
    CHECK_OK(msgr_set_rx_alloc(ends->server, lend, give_back, &ends->pool, release));
    CHECK_IS(msgr_set_rx_alloc(ends->server, lend, give_back, NULL, release), -EALREADY);
    CHECK_OK(msgr_add_keyring(ends->server, KEYRING));
    CHECK_OK(msgr_bind(ends->server, addr));
    CHECK_OK(msgr_add_dispatcher_head(ends->server, &callbacks, &ends->got));
    CHECK_OK(msgr_start(ends->server));
    CHECK_IS(msgr_set_rx_alloc(ends->server, lend, NULL, NULL, release), -EBUSY);
    CHECK(msgr_get_myaddrs(ends->server, addrs, sizeof(addrs)) > 0);
    ends->client = check_messenger(ends->ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    CHECK_OK(msgr_add_keyring(ends->client, KEYRING));
    CHECK_OK(msgr_add_dispatcher_head(ends->client, &none, NULL));
    CHECK_OK(msgr_start(ends->client));
    CHECK_OK(msgr_connect(ends->client, MSGR_ENTITY_OSD, addrs, &ends->conn));
}

static void end(struct ends *ends)
{
    msgr_msg_unref(ends->got.last);
    msgr_conn_unref(ends->conn);
    check_end(ends->client);
    check_end(ends->server);
    msgr_ctx_unref(ends->ctx);
    WAIT_UNTIL(ends->pool.released == 1);
    CHECK(ends->pool.freed == (ends->pool.denies ? 0 : ends->pool.lent));
}

static void send(struct ends *ends, size_t len, uint16_t data_off)
{
    int before;
    char *bytes = (char *)malloc(len + 1);
    msgr_msg *msg = check_message(TYPE, "front");
    CHECK(bytes != NULL);
    memset(bytes, (int)(len % 251), len);
    msgr_msg_set_tid(msg, len);
    msgr_msg_set_data_off(msg, data_off);
    CHECK_OK(msgr_msg_append(msg, MSGR_DATA, bytes, len, free, bytes));
    check_enter();
    before = ends->got.messages;
    check_leave();
    CHECK_OK(msgr_send(ends->conn, msg));
    WAIT_UNTIL(ends->got.messages == before + 1);
    CHECK(check_holds(ends->got.last, MSGR_FRONT, "front"));
    CHECK(msgr_msg_len(ends->got.last, MSGR_DATA) == len);
    const char *data = (const char *)msgr_msg_data(ends->got.last, MSGR_DATA);
    for (size_t i = 0; i < len; i++)
        CHECK(data[i] == (char)(len % 251));
}

/* Whatever way they come, and however large they are. */
static void data_come_in_the_memory_that_was_lent(void)
{
    static const struct {
        const char *addr, *option, *value;
    } ways[] = {
        {"v2:127.0.0.1:0", "ms_crc_data", "true"},
        {"v2:127.0.0.1:0", "ms_secure_only", "true"},
        {"v1:127.0.0.1:0", "ms_crc_data", "true"},
        {"v2:127.0.0.1:0", "ms_compress_mode", "force"},
    };
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        struct ends ends;
        begin(&ends, ways[way].addr, ways[way].option, ways[way].value);
        size_t lens[] = {1, 5000, LARGE, 70000, LARGE};
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            send(&ends, lens[i], (uint16_t)(512 * i));
            CHECK(ends.pool.lent == (int)i + 1 && ends.pool.len == lens[i]);
            CHECK(ends.pool.type == TYPE && ends.pool.tid == lens[i]);
            CHECK(ends.pool.data_off == 512 * i);
            CHECK(msgr_msg_data(ends.got.last, MSGR_DATA) == ends.pool.memory);
            WAIT_UNTIL(ends.pool.freed == (int)i);
        }
        send(&ends, 0, 0);
        CHECK(ends.pool.lent == 5);
        WAIT_UNTIL(ends.pool.freed == 5);
        end(&ends);
    }
}

static void the_library_takes_its_own_where_nothing_is_lent(void)
{
    struct ends ends;
    begin(&ends, "v2:127.0.0.1:0", "ms_crc_data", "true");
    ends.pool.denies = 1;
    send(&ends, LARGE, 0);
    send(&ends, 100, 0);
    CHECK(ends.pool.lent == 2 && ends.pool.freed == 0);
    end(&ends);
}

static void the_memory_lives_as_long_as_any_reference(void)
{
    struct ends ends;
    msgr_buf *buf = NULL;
    begin(&ends, "v2:127.0.0.1:0", "ms_crc_data", "true");
    send(&ends, LARGE, 0);
    CHECK_OK(msgr_msg_buf(ends.got.last, MSGR_DATA, 0, &buf));
    send(&ends, 100, 0);
    CHECK(ends.pool.freed == 0 && msgr_buf_len(buf) == LARGE);
    CHECK(((const char *)msgr_buf_data(buf))[LARGE - 1] == (char)(LARGE % 251));
    msgr_buf_unref(buf);
    WAIT_UNTIL(ends.pool.freed == 1);
    end(&ends);
}

int main(void)
{
    data_come_in_the_memory_that_was_lent();
    the_library_takes_its_own_where_nothing_is_lent();
    the_memory_lives_as_long_as_any_reference();
    return 0;
}
