/* Two messengers in one process: the client sends one message over TCP, the server prints it. */
#include <msgr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int result) {
    if (result < 0) {
        fprintf(stderr, "hello: %s\n", msgr_strerror(result));
        exit(1);
    }
}

/* Runs on the server's dispatch thread. Returning 1: the message is mine, and so is its reference. */
static int print_and_stop(void *server, msgr_msg *msg) {
    printf("%.*s\n", (int)msgr_msg_len(msg, MSGR_FRONT), (const char *)msgr_msg_data(msg, MSGR_FRONT));
    msgr_msg_unref(msg);
    must(msgr_shutdown((msgr_messenger *)server));
    return 1;
}

static msgr_messenger *create(msgr_ctx *ctx, const char *entity, int preset) {
    msgr_messenger *messenger;
    msgr_policy policy;
    must(msgr_policy_init(&policy, preset));
    must(msgr_create(ctx, entity, "hello", 0, &messenger));
    must(msgr_set_default_policy(messenger, &policy));
    return messenger;
}

int main(void) {
    char addr[128];
    msgr_ctx *ctx;
    msgr_conn *conn;
    msgr_msg *msg;
    msgr_dispatcher printer;
    memset(&printer, 0, sizeof printer);
    printer.struct_size = sizeof printer;
    printer.dispatch = print_and_stop;

    must(msgr_ctx_create(&ctx));
    msgr_messenger *server = create(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    must(msgr_bind(server, "v2:127.0.0.1:0")); /* port 0: any free one */
    must(msgr_add_dispatcher_head(server, &printer, server));
    must(msgr_start(server));
    must(msgr_get_myaddrs(server, addr, sizeof addr));

    msgr_messenger *client = create(ctx, "client.admin", MSGR_POLICY_LOSSY_CLIENT);
    must(msgr_start(client));
    must(msgr_connect(client, MSGR_ENTITY_OSD, addr, &conn));
    must(msgr_msg_create(1000, &msg));
    must(msgr_msg_append_copy(msg, MSGR_FRONT, "Hello over TCP", 14));
    must(msgr_send(conn, msg)); /* takes the reference to msg */

    must(msgr_wait(server)); /* print_and_stop ends it */
    must(msgr_shutdown(client));
    must(msgr_wait(client));
    msgr_conn_unref(conn);
    msgr_unref(client);
    msgr_unref(server);
    msgr_ctx_unref(ctx);
    return 0;
}
