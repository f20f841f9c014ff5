/* Strangers on the port: what is no msgr2 peer is dropped, with one log line
 * that names it and says why, and everybody else is served meanwhile. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int got, lines;
static char last_line[1024];

static int dispatch(void *user, msgr_msg *msg)
{
    (void)user;
    msgr_msg_unref(msg);
    LOCKED(got++);
    return 1;
}

static void keep_line(void *arg, int level, const char *text)
{
    (void)arg;
    CHECK(level == MSGR_LOG_WARN || level == MSGR_LOG_ERROR);
    LOCKED(lines++; snprintf(last_line, sizeof(last_line), "%s", text));
}

static int dial(const char *addrs, int *own_port)
{
    struct sockaddr_in in;
    socklen_t size = sizeof(in);
    struct timeval patience = { CHECK_DEADLINE_SECONDS, 0 };
    int fd = socket(AF_INET, SOCK_STREAM, 0), port = 0;
    CHECK(sscanf(addrs, "v2:127.0.0.1:%d/", &port) == 1);
    memset(&in, 0, sizeof(in));
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons((uint16_t)port);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&in, &size) == 0);
    *own_port = ntohs(in.sin_port);
    return fd;
}

/* Reads until the other end closes. A reset is an end too: it closes with our
 * bytes unread. */
static void until_closed(int fd)
{
    char buf[256];
    ssize_t n;
    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
        continue;
    CHECK(n == 0 || errno == ECONNRESET);
}

static void a_stranger_is_dropped(const char *addrs, const char *bytes, size_t len,
                                  const char *reason)
{
    int before, port = 0, fd = dial(addrs, &port);
    char name[32];
    LOCKED(before = lines);
    CHECK(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
    until_closed(fd);
    close(fd);
    WAIT_UNTIL(lines == before + 1);
    snprintf(name, sizeof(name), "127.0.0.1:%d", port);
    if (strstr(last_line, name) == NULL || strstr(last_line, reason) == NULL)
        fprintf(stderr, "the line is: %s\n", last_line);
    CHECK(strstr(last_line, name) != NULL);
    CHECK(strstr(last_line, reason) != NULL);
}

int main(void)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char v1[] = "ceph v027\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    static char noise[4096];
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT, none = MSGR_DISPATCHER_INIT;
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *server, *client;
    msgr_conn *conn = NULL;
    char addrs[128];
    size_t i;
    int idle, port, round, expected;
    for (i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 31 + 200);
    CHECK_OK(msgr_set_log_callback(keep_line, NULL));
    callbacks.dispatch = dispatch;
    server = check_server(ctx, &callbacks, NULL, addrs, sizeof(addrs));
    client = check_client(ctx, &none, NULL);

    /* One that says nothing stays connected and holds nobody up. */
    idle = dial(addrs, &port);
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, addrs, &conn));
    CHECK_OK(msgr_send(conn, check_message(1, "before")));
    WAIT_UNTIL(got == 1);

    for (round = 0; round < 3; round++) {
        a_stranger_is_dropped(addrs, http, sizeof(http) - 1, "GET / HT");
        a_stranger_is_dropped(addrs, v1, sizeof(v1) - 1, "v1");
        a_stranger_is_dropped(addrs, noise, sizeof(noise), "");
        a_stranger_is_dropped(addrs, "ceph v2\nXXXXXXXX", 16, ""); /* no banner is that long */
        expected = got + 1;
        CHECK_OK(msgr_send(conn, check_message(1, "between")));
        WAIT_UNTIL(got == expected);
    }
    CHECK_IS(msgr_conn_is_connected(conn), 1);
    CHECK(lines == 12);

    CHECK_OK(msgr_set_log_callback(NULL, NULL));
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR));
    msgr_conn_unref(conn);
    check_end(client);
    check_end(server);
    until_closed(idle);
    close(idle);
    msgr_ctx_unref(ctx);
    return 0;
}
