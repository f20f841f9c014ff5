/*
 * A program of the time when the header was one of those in capi-tests/abi/headers. It is compiled with such a header
 * and run with the library of today: it must not notice. Not to be brought up to date.
 */
#include <msgr.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);      \
            _Exit(1);                                                                    \
        }                                                                                \
    } while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int replies, releases, frees;

static void count(int *what)
{
    pthread_mutex_lock(&lock);
    ++*what;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int echo(void *user, msgr_msg *msg)
{
    msgr_msg *reply = NULL;
    (void)user;
    CHECK(msgr_msg_type(msg) == 1000 && msgr_msg_len(msg, MSGR_DATA) == 5);
    CHECK(msgr_msg_create(1001, &reply) == 0);
    CHECK(msgr_msg_append_copy(reply, MSGR_FRONT, msgr_msg_data(msg, MSGR_DATA), 5) == 0);
    CHECK(msgr_send(msgr_msg_conn(msg), reply) == 0);
    msgr_msg_unref(msg);
    return 1;
}

static int take(void *user, msgr_msg *msg)
{
    (void)user;
    CHECK(msgr_msg_type(msg) == 1001 && msgr_msg_len(msg, MSGR_FRONT) == 5);
    CHECK(memcmp(msgr_msg_data(msg, MSGR_FRONT), "hello", 5) == 0);
    msgr_msg_unref(msg);
    count(&replies);
    return 1;
}

static void release(void *user)
{
    (void)user;
    count(&releases);
}

static void freed(void *arg)
{
    count((int *)arg);
}

/* The structures are copied to where they end: a library that reads further is caught by valgrind. */
static msgr_messenger *messenger(msgr_ctx *ctx, const char *entity, int preset, int fast,
                                 int (*dispatch)(void *, msgr_msg *))
{
    msgr_messenger *made = NULL;
    msgr_policy *policy = (msgr_policy *)malloc(sizeof(msgr_policy));
    msgr_dispatcher init = MSGR_DISPATCHER_INIT;
    msgr_dispatcher *callbacks = (msgr_dispatcher *)malloc(sizeof(msgr_dispatcher));
    CHECK(policy != NULL && callbacks != NULL);
    CHECK(msgr_create(ctx, entity, "older", 0, &made) == 0);
    CHECK(msgr_policy_init(policy, preset) == 0 && policy->struct_size <= sizeof(msgr_policy));
    CHECK(msgr_set_default_policy(made, policy) == 0);
    *callbacks = init;
    callbacks->flags = fast ? MSGR_DISPATCH_FAST : 0;
    callbacks->dispatch = dispatch;
    callbacks->fast_dispatch = dispatch;
    callbacks->release = release;
    CHECK(msgr_add_dispatcher_head(made, callbacks, NULL) == 0);
    free(policy);
    free(callbacks);
    return made;
}

int main(void)
{
    msgr_ctx *ctx = NULL;
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    msgr_msg *msg = NULL;
    char addrs[128];
    char bytes[] = "hello";
    CHECK(msgr_ctx_create(&ctx) == 0);
    server = messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER, 1, echo);
    CHECK(msgr_bind(server, "v2:127.0.0.1:0") == 0);
    CHECK(msgr_start(server) == 0);
    CHECK(msgr_get_myaddrs(server, addrs, sizeof(addrs)) > 0);
    client = messenger(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT, 0, take);
    CHECK(msgr_start(client) == 0);
    CHECK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn) == 0);
    CHECK(msgr_msg_create(1000, &msg) == 0);
    CHECK(msgr_msg_append(msg, MSGR_DATA, bytes, 5, freed, &frees) == 0);
    CHECK(msgr_send(conn, msg) == 0);
    pthread_mutex_lock(&lock);
    while (replies == 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    msgr_conn_unref(conn);
    msgr_unref(client);
    msgr_unref(server);
    msgr_ctx_unref(ctx);
    CHECK(releases == 2 && frees == 1);
    return 0;
}
