/* Order: messages of one priority arrive as they were sent, whatever the other
 * priorities do; and a burst by several threads loses none. */
#include "check.h"

#define THREADS 4
#define EACH 2000
static const int priorities[] = { 1, MSGR_PRIO_LOW, MSGR_PRIO_DEFAULT, MSGR_PRIO_HIGHEST };
#define PRIORITIES ((int)(sizeof(priorities) / sizeof(priorities[0])))

/* The tid is thread * 2^32 + count; each thread has priorities of its own. */
static uint64_t next_tid[THREADS][256];
static int got;
static msgr_conn *conn;

static int in_order(void *user, msgr_msg *msg)
{
    uint64_t tid = msgr_msg_tid(msg);
    int thread = (int)(tid >> 32), priority = msgr_msg_priority(msg);
    (void)user;
    CHECK(thread >= 0 && thread < THREADS && priority >= 0 && priority < 256);
    CHECK((uint32_t)tid == next_tid[thread][priority]);
    next_tid[thread][priority]++;
    msgr_msg_unref(msg);
    LOCKED(got++);
    return 1;
}

static void *send_many(void *arg)
{
    uint64_t thread = (uint64_t)(uintptr_t)arg;
    uint32_t count[256] = { 0 };
    int i;
    for (i = 0; i < EACH; i++) {
        msgr_msg *msg = check_message(7, "ordered");
        int priority = priorities[i * 7 % PRIORITIES];
        msgr_msg_set_priority(msg, priority);
        msgr_msg_set_tid(msg, thread << 32 | count[priority]++);
        CHECK_OK(msgr_send(conn, msg));
    }
    return NULL;
}

static void run(uint32_t flags)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_dispatcher none = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    pthread_t threads[THREADS];
    char addrs[128];
    uintptr_t i;
    memset(next_tid, 0, sizeof(next_tid));
    got = 0;
    callbacks.flags = flags;
    callbacks.fast_dispatch = in_order;
    callbacks.dispatch = in_order;
    server = check_server(ctx, &callbacks, NULL, addrs, sizeof(addrs));
    client = check_client(ctx, &none, NULL);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, send_many, (void *)i) == 0);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    WAIT_UNTIL(got == THREADS * EACH);
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

int main(void)
{
    run(0);
    run(MSGR_DISPATCH_FAST);
    return 0;
}
