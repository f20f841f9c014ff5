/* Stress: many messages of 0 to 1 MiB, of random priorities, both ways over 8
 * connections. Checks every byte by a checksum, and the order within each
 * priority of each connection. Prints the resident memory at the middle and at
 * the end: it must not grow.
 *
 *     int_million [MESSAGES [SEED]]
 */
#include "check.h"

#include <unistd.h>

#define CONNECTIONS 8
#define LARGEST (1u << 20)
/* How many bytes may be under way per connection and direction: below what a
 * messenger lets wait for dispatch (ms_dispatch_throttle_bytes, 100 MiB). */
#define WINDOW (4u << 20)

struct way {
    uint64_t random;
    uint32_t sent[256], received[256]; /* per priority */
    uint64_t in_flight;                /* bytes */
};

struct pair {
    msgr_conn *end[2]; /* at the client, at the server */
    struct way way[2]; /* from the client, from the server */
};

static struct pair pairs[CONNECTIONS];
static uint64_t received, total;
static unsigned char *source; /* random bytes that payloads are cut from */

/* splitmix64: small, and the same sequence everywhere. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* FNV-1a over words: quick, and any changed or moved byte shows. */
static uint64_t checksum(const unsigned char *bytes, size_t len)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325), word;
    for (; len >= 8; bytes += 8, len -= 8) {
        memcpy(&word, bytes, 8);
        sum = (sum ^ word) * UINT64_C(0x100000001b3);
        sum ^= sum >> 29;
    }
    for (; len > 0; bytes++, len--)
        sum = (sum ^ *bytes) * UINT64_C(0x100000001b3);
    return sum;
}

struct body {
    uint64_t checksum;
    uint32_t pair, from, priority, number;
};

/* Half are small, the others spread evenly over the orders of magnitude up to
 * 1 MiB: the mean is near 25 KiB. */
static size_t random_size(uint64_t *state)
{
    uint64_t dice = next_random(state);
    if (dice & 1)
        return (size_t)(dice >> 8) % 1024;
    return (size_t)(dice >> 8) % (((size_t)1 << ((dice >> 1) % 21)) + 1);
}

static void send_one(uint32_t index, uint32_t from)
{
    struct pair *pair = &pairs[index];
    struct way *way = &pair->way[from];
    size_t size = random_size(&way->random);
    size_t at = (size_t)next_random(&way->random) % LARGEST;
    struct body body;
    msgr_msg *msg = NULL;
    body.pair = index;
    body.from = from;
    body.priority = 1 + (uint32_t)(next_random(&way->random) % 4) * 63;
    body.checksum = checksum(source + at, size);
    WAIT_UNTIL(way->in_flight <= WINDOW);
    LOCKED(way->in_flight += size; body.number = way->sent[body.priority]++);
    CHECK_OK(msgr_msg_create(1000, &msg));
    msgr_msg_set_priority(msg, (int)body.priority);
    CHECK_OK(msgr_msg_append_copy(msg, MSGR_FRONT, &body, sizeof(body)));
    if (next_random(&way->random) & 1)
        CHECK_OK(msgr_msg_append(msg, MSGR_DATA, source + at, size, NULL, NULL));
    else
        CHECK_OK(msgr_msg_append_copy(msg, MSGR_DATA, source + at, size));
    CHECK_OK(msgr_send(pair->end[from], msg));
}

static int receive(void *user, msgr_msg *msg)
{
    size_t size = msgr_msg_len(msg, MSGR_DATA);
    struct body body;
    struct way *way;
    (void)user;
    CHECK(msgr_msg_len(msg, MSGR_FRONT) == sizeof(body));
    memcpy(&body, msgr_msg_data(msg, MSGR_FRONT), sizeof(body));
    CHECK(body.pair < CONNECTIONS && body.from < 2 && body.priority < 256);
    CHECK(msgr_msg_priority(msg) == (int)body.priority);
    CHECK(checksum((const unsigned char *)msgr_msg_data(msg, MSGR_DATA), size) == body.checksum);
    way = &pairs[body.pair].way[body.from];
    CHECK(body.number == way->received[body.priority]);
    way->received[body.priority]++;
    msgr_msg_unref(msg);
    LOCKED(way->in_flight -= size; received++);
    return 1;
}

/* The first message of each connection tells the server which pair it is. */
static int receive_at_server(void *user, msgr_msg *msg)
{
    uint32_t index = (uint32_t)msgr_msg_tid(msg);
    if (msgr_msg_type(msg) != 999)
        return receive(user, msg);
    LOCKED(pairs[index].end[1] = msgr_conn_ref(msgr_msg_conn(msg)));
    msgr_msg_unref(msg);
    return 1;
}

static long resident_kib(void)
{
    long pages = 0, unused = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%ld %ld", &unused, &pages) == 2);
    fclose(statm);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

struct sender {
    uint32_t index, from;
    uint64_t count;
};

static void *send_share(void *arg)
{
    const struct sender *sender = (const struct sender *)arg;
    uint64_t i;
    for (i = 0; i < sender->count; i++)
        send_one(sender->index, sender->from);
    return NULL;
}

/* Sends a half of all messages by 16 threads and waits for them to arrive. */
static void half(uint64_t until)
{
    pthread_t threads[CONNECTIONS][2];
    struct sender senders[CONNECTIONS][2];
    uint64_t count = until - received;
    uint32_t i, from;
    for (i = 0; i < CONNECTIONS; i++)
        for (from = 0; from < 2; from++) {
            uint64_t share = count / (CONNECTIONS * 2);
            if (i == 0 && from == 0)
                share += count % (CONNECTIONS * 2);
            senders[i][from].index = i;
            senders[i][from].from = from;
            senders[i][from].count = share;
            CHECK(pthread_create(&threads[i][from], NULL, send_share, &senders[i][from]) == 0);
        }
    for (i = 0; i < CONNECTIONS; i++)
        for (from = 0; from < 2; from++)
            CHECK(pthread_join(threads[i][from], NULL) == 0);
    WAIT_UNTIL(received == until);
}

int main(int argc, char **argv)
{
    msgr_dispatcher at_server = MSGR_DISPATCHER_INIT, at_client = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    /* One client per connection: one messenger has one connection per peer. */
    msgr_messenger *server, *clients[CONNECTIONS];
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    char addrs[128];
    long middle, end;
    uint32_t i;
    size_t at;
    total = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    source = (unsigned char *)malloc(2 * LARGEST);
    CHECK(source != NULL && total > 0);
    for (at = 0; at < 2 * LARGEST; at++)
        source[at] = (unsigned char)next_random(&seed);

    at_server.dispatch = receive_at_server;
    at_client.dispatch = receive;
    server = check_server(ctx, &at_server, NULL, addrs, sizeof(addrs));
    for (i = 0; i < CONNECTIONS; i++) {
        msgr_msg *msg = check_message(999, "");
        pairs[i].way[0].random = next_random(&seed);
        pairs[i].way[1].random = next_random(&seed);
        clients[i] = check_client(ctx, &at_client, NULL);
        CHECK_OK(msgr_connect(clients[i], MSGR_ENTITY_OSD, addrs, &pairs[i].end[0]));
        msgr_msg_set_tid(msg, i);
        CHECK_OK(msgr_send(pairs[i].end[0], msg));
        WAIT_UNTIL(pairs[i].end[1] != NULL);
    }

    half(total / 2);
    middle = resident_kib();
    half(total);
    end = resident_kib();
    printf("RSS %ld KiB at the middle, %ld KiB at the end of %llu messages\n", middle, end,
           (unsigned long long)total);

    for (i = 0; i < CONNECTIONS; i++) {
        msgr_conn_unref(pairs[i].end[0]);
        msgr_conn_unref(pairs[i].end[1]);
        check_end(clients[i]);
    }
    check_end(server);
    msgr_ctx_unref(ctx);
    free(source);
    return 0;
}
