/* Two messengers in one process: the client sends one message over TCP, the server prints it. */
#include <msgr.h>
#include <stdio.h>

static int print_and_stop(void *server, msgr_msg *msg) { /* on the server's dispatch thread */
    printf("%.*s\n", (int)msgr_msg_len(msg, MSGR_FRONT), (const char *)msgr_msg_data(msg, MSGR_FRONT));
    msgr_msg_unref(msg);
    msgr_shutdown((msgr_messenger *)server);
    return 1; /* the message was mine, and its reference */
}

int main(void) {
    msgr_ctx *ctx = NULL;
    msgr_messenger *server = NULL, *client = NULL;
    msgr_conn *conn = NULL;
    msgr_msg *msg = NULL;
    msgr_dispatcher printer = MSGR_DISPATCHER_INIT;
    char addr[64], why[512] = "";
    printer.dispatch = print_and_stop;
    int failed = msgr_ctx_create(&ctx) < 0 || msgr_create(ctx, "osd.0", "server", 0, &server) < 0 ||
                 msgr_bind(server, "v2:127.0.0.1:0") < 0 || /* port 0: any free one */
                 msgr_add_dispatcher_head(server, &printer, server) < 0 || msgr_start(server) < 0 ||
                 msgr_get_myaddrs(server, addr, sizeof addr) < 0 ||
                 msgr_create(ctx, "client.admin", "client", 0, &client) < 0 || msgr_start(client) < 0 ||
                 msgr_connect(client, MSGR_ENTITY_OSD, addr, &conn) < 0 || msgr_msg_create(1000, &msg) < 0 ||
                 msgr_msg_append_copy(msg, MSGR_FRONT, "Hello over TCP", 14) < 0 ||
                 msgr_send(conn, msg) < 0 || /* takes the reference to msg */
                 msgr_wait(server) < 0;      /* print_and_stop ends it */
    if (failed && msgr_last_error(why, sizeof why) >= 0)
        fprintf(stderr, "hello: %s\n", why);
    msgr_conn_unref(conn);
    msgr_unref(client); /* shuts down and waits */
    msgr_unref(server);
    msgr_ctx_unref(ctx);
    return failed;
}
