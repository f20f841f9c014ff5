/* fork: the parent goes on, the child is refused what it inherited and may start
 * anew, and a program that is executed inherits no descriptor. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

struct seen {
    int got, reset;
    msgr_msg *held;
    msgr_conn *accepted;
};

/* Static, so that a memory checker finds in the child what is left there. */
static msgr_ctx *ctx;
static msgr_messenger *server, *client;
static msgr_conn *conn, *loopback;
static msgr_msg *own, *lent;
static struct seen at_server, at_client;
static int freed;

/* Keeps one message going round, and the very first for the test. */
static int echo(void *user, msgr_msg *msg)
{
    struct seen *seen = (struct seen *)user;
    msgr_conn *from = msgr_msg_conn(msg);
    if (msgr_msg_type(msg) == 2) {
        LOCKED(seen->held = msg);
        return 1;
    }
    LOCKED(seen->got++);
    msgr_send(from, check_message(1, "again"));
    msgr_msg_unref(msg);
    return 1;
}

static int count(void *user, msgr_msg *msg)
{
    msgr_msg_unref(msg);
    LOCKED(((struct seen *)user)->got++);
    return 1;
}

static void handle_accept(void *user, msgr_conn *accepted)
{
    struct seen *seen = (struct seen *)user;
    LOCKED(msgr_conn_unref(seen->accepted); seen->accepted = msgr_conn_ref(accepted));
}

static int handle_reset(void *user, msgr_conn *gone)
{
    (void)gone;
    LOCKED(((struct seen *)user)->reset++);
    return 1;
}

/* How many descriptors above stderr are open. */
static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int open = 0;
    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL)
        open += atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(dir);
    closedir(dir);
    return open;
}

/* Of those, how many a program executed by this one would have. */
static int inherited_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int open = 0;
    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);
        if (fd > 2 && fd != dirfd(dir))
            open += (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
    }
    closedir(dir);
    return open;
}

static void what_was_inherited_is_refused(void)
{
    const msgr_dispatcher none = MSGR_DISPATCHER_INIT;
    msgr_messenger *messenger = NULL;
    msgr_conn *connection = NULL;
    msgr_policy policy;
    uint16_t port = 1, compat = 0;
    char buf[128];

    CHECK_IS(msgr_conf_set(ctx, "ms_crc_data", "true"), -ECHILD);
    CHECK_IS(msgr_conf_get(ctx, "ms_crc_data", buf, sizeof(buf)), -ECHILD);
    CHECK_IS(msgr_create(ctx, "osd.1", "", 0, &messenger), -ECHILD);
    CHECK(messenger == NULL && msgr_ctx_ref(ctx) == NULL);

    CHECK_OK(msgr_policy_init(&policy, MSGR_POLICY_LOSSY_CLIENT));
    CHECK_IS(msgr_set_default_policy(server, &policy), -ECHILD);
    CHECK_IS(msgr_set_policy(server, MSGR_ENTITY_MON, &policy), -ECHILD);
    CHECK_IS(msgr_set_policy_throttlers(server, MSGR_ENTITY_MON, 1, 1), -ECHILD);
    CHECK_IS(msgr_bind(server, "v2:127.0.0.1:0"), -ECHILD);
    CHECK_IS(msgr_bind_avoiding(server, "v2:127.0.0.1:0", &port, 1), -ECHILD);
    CHECK_IS(msgr_add_dispatcher_head(server, &none, NULL), -ECHILD);
    CHECK_IS(msgr_add_dispatcher_tail(server, &none, NULL), -ECHILD);
    CHECK_IS(msgr_start(server), -ECHILD);
    CHECK_IS(msgr_connect(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", &connection), -ECHILD);
    CHECK_IS(msgr_connect_with(client, MSGR_ENTITY_OSD, "v2:127.0.0.1:1", 0, &connection),
             -ECHILD);
    CHECK_IS(msgr_get_loopback_connection(client, &connection), -ECHILD);
    CHECK_IS(msgr_mark_down_all(server), -ECHILD);
    CHECK_IS(msgr_mark_down_addrs(server, "v2:127.0.0.1:1"), -ECHILD);
    CHECK_IS(msgr_rebind(server, NULL, 0), -ECHILD);
    CHECK_IS(msgr_client_reset(client), -ECHILD);
    CHECK_IS(msgr_set_addrs(server, "v2:127.0.0.1:1"), -ECHILD);
    CHECK_IS(msgr_get_myaddrs(server, buf, sizeof(buf)), -ECHILD);
    CHECK_IS(msgr_dispatch_queue_len(server), -ECHILD);
    CHECK_IS(msgr_shutdown(server), -ECHILD);
    CHECK_IS(msgr_wait(server), -ECHILD);
    CHECK(connection == NULL && msgr_ref(server) == NULL);

    CHECK_IS(msgr_send(conn, check_message(1, "x")), -ECHILD);
    CHECK_IS(msgr_send(loopback, check_message(1, "x")), -ECHILD);
    CHECK_IS(msgr_conn_mark_down(conn), -ECHILD);
    CHECK_IS(msgr_conn_mark_disposable(conn), -ECHILD);
    CHECK_IS(msgr_conn_is_anon(conn), -ECHILD);
    CHECK(msgr_conn_peer_id(conn) == -1 && msgr_conn_peer_global_id(conn) == 0);
    CHECK(msgr_conn_queued_bytes(conn) == 0);
    CHECK_IS(msgr_conn_keepalive(conn), -ECHILD);
    CHECK_IS(msgr_conn_is_connected(conn), -ECHILD);
    CHECK_IS(msgr_conn_is_loopback(loopback), -ECHILD);
    CHECK_IS(msgr_conn_peer_type(conn), -ECHILD);
    CHECK_IS(msgr_conn_peer_name(conn, buf, sizeof(buf)), -ECHILD);
    CHECK_IS(msgr_conn_peer_addrs(conn, buf, sizeof(buf)), -ECHILD);
    CHECK(msgr_conn_features(conn) == 0 && msgr_conn_last_keepalive_ack(conn) == 0);
    CHECK(msgr_conn_get_priv(conn) == NULL && msgr_conn_ref(conn) == NULL);

    CHECK_IS(msgr_msg_append_copy(own, MSGR_FRONT, "x", 1), -ECHILD);
    CHECK(msgr_msg_len(own, MSGR_FRONT) == 0 && msgr_msg_data(own, MSGR_FRONT) == NULL);
    CHECK_IS(msgr_msg_priority(own), -ECHILD);
    CHECK_IS(msgr_msg_version(own, &compat), -ECHILD);
    CHECK(msgr_msg_type(own) == 0 && msgr_msg_tid(own) == 0 && msgr_msg_seq(own) == 0);
    CHECK(msgr_msg_conn(at_server.held) == NULL && msgr_msg_ref(own) == NULL);
    CHECK(msgr_last_error(buf, sizeof(buf)) > 0 && strstr(buf, "forked") != NULL);
}

/* Memory is given up, nothing else: the parent must not notice. */
static void what_was_inherited_can_be_given_up(void)
{
    msgr_conn_unref(conn);
    msgr_conn_unref(loopback);
    msgr_msg_unref(at_server.held);
    msgr_msg_unref(own);
    CHECK(freed == 0);
    msgr_msg_unref(lent);
    CHECK(freed == 1); /* its bytes belonged to nobody else */
    msgr_unref(client);
    msgr_unref(server);
    msgr_ctx_unref(ctx);
}

static void a_context_of_ones_own_works(void)
{
    struct seen mine = { 0, 0, NULL, NULL };
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_ctx *fresh = check_ctx();
    msgr_messenger *to, *from;
    msgr_conn *between = NULL;
    char addrs[128];
    callbacks.dispatch = count;
    to = check_server(fresh, &callbacks, &mine, addrs, sizeof(addrs));
    from = check_client(fresh, &callbacks, &mine);
    CHECK_OK(msgr_connect(from, MSGR_ENTITY_OSD, addrs, &between));
    CHECK_OK(msgr_send(between, check_message(1, "hello")));
    WAIT_UNTIL(mine.got == 1);
    msgr_conn_unref(between);
    check_end(from);
    check_end(to);
    msgr_ctx_unref(fresh);
}

/* What the child reads from `go` is its leave to look at its handles; it ends as
 * another program, so that no checker looks for what its threads would hold. */
static void child(int go, const char *self, int before)
{
    char byte, known[16];
    CHECK(read(go, &byte, 1) == 1);
    close(go);
    what_was_inherited_is_refused();
    a_context_of_ones_own_works();
    what_was_inherited_can_be_given_up();
    snprintf(known, sizeof(known), "%d", before);
    execl(self, self, known, (char *)NULL);
    check_failed(__FILE__, __LINE__, "exec");
}

static void parent(int go, pid_t pid)
{
    int round, status, got;
    /* Business as usual while the child is there. */
    check_enter();
    got = at_server.got;
    check_leave();
    WAIT_UNTIL(at_server.got >= got + 100 && at_client.got >= 100);
    /* The child has the socket, too; the connection ends nevertheless. */
    CHECK_OK(msgr_conn_mark_down(conn));
    WAIT_UNTIL(at_server.reset == 1);
    CHECK(write(go, "!", 1) == 1);
    close(go);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    /* What the child gave up is still here. */
    CHECK(freed == 0 && check_holds(at_server.held, MSGR_FRONT, "kept"));
    CHECK(msgr_msg_conn(at_server.held) == at_server.accepted);
    msgr_msg_unref(at_server.held);
    msgr_conn_unref(conn);
    for (round = 0; round < 3; round++) {
        char addrs[128];
        CHECK(msgr_get_myaddrs(server, addrs, sizeof(addrs)) > 0);
        CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
        check_enter();
        got = at_server.got;
        check_leave();
        CHECK_OK(msgr_send(conn, check_message(1, "go")));
        WAIT_UNTIL(at_server.got >= got + 10);
        CHECK_OK(msgr_conn_mark_down(conn));
        msgr_conn_unref(conn);
        WAIT_UNTIL(at_server.reset == 2 + round);
    }
}

static void parent_and_child_go_their_ways(const char *self, int before)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    char addrs[128];
    int pipes[2];
    pid_t pid;
    ctx = check_ctx();
    callbacks.dispatch = echo;
    callbacks.handle_accept = handle_accept;
    callbacks.handle_reset = handle_reset;
    server = check_server(ctx, &callbacks, &at_server, addrs, sizeof(addrs));
    CHECK_OK(msgr_set_policy_throttlers(server, MSGR_ENTITY_CLIENT, 1 << 20, 100));
    callbacks.handle_accept = NULL;
    client = check_client(ctx, &callbacks, &at_client);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_get_loopback_connection(client, &loopback));
    CHECK_OK(msgr_send(conn, check_message(2, "kept")));
    CHECK_OK(msgr_send(conn, check_message(1, "go")));
    own = check_message(1, "mine");
    CHECK_OK(msgr_msg_create(1, &lent));
    CHECK_OK(msgr_msg_append(lent, MSGR_DATA, "x", 1, check_count, &freed));
    WAIT_UNTIL(at_server.held != NULL && at_server.accepted != NULL && at_client.got > 10);

    CHECK(descriptors() > before);
    CHECK(inherited_descriptors() == before);
    CHECK(pipe(pipes) == 0);
    CHECK(fcntl(pipes[1], F_SETFD, FD_CLOEXEC) == 0);
    /* Under the lock: the child must not find it taken by a thread that it does
     * not have. */
    check_enter();
    pid = fork();
    check_leave();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(pipes[1]);
        child(pipes[0], self, before);
    }
    close(pipes[0]);
    parent(pipes[1], pid);

    msgr_msg_unref(own);
    msgr_msg_unref(lent);
    CHECK(freed == 1);
    msgr_conn_unref(loopback);
    msgr_conn_unref(at_server.accepted);
    check_end(client);
    check_end(server);
    msgr_ctx_unref(ctx);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* executed by the child */
        CHECK(descriptors() == atoi(argv[1]));
        return 0;
    }
    parent_and_child_go_their_ways(argv[0], inherited_descriptors());
    return 0;
}
