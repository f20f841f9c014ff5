/*
 * Half of a program that has two versions of the library in it: compiled twice into shared libraries, PART(name) being
 * first_name in one and second_name in the other, each linked to its own version. The first serves, the second sends.
 */
#include <msgr.h>

#include "halves.h"

static int stop(void *server, msgr_msg *msg)
{
    msgr_msg_unref(msg);
    msgr_shutdown((msgr_messenger *)server);
    return 1;
}

function PART(library)(void)
{
    return (function)msgr_create;
}

int PART(serve)(struct side *side, char *addr, size_t len)
{
    msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;
    msgr_messenger *server = NULL;
    callbacks.dispatch = stop;
    if (msgr_ctx_create(&side->ctx) < 0 || msgr_create(side->ctx, "osd.0", "server", 0, &server) < 0)
        return -1;
    side->messenger = server;
    return msgr_bind(server, "v2:127.0.0.1:0") < 0 || msgr_add_dispatcher_head(server, &callbacks, server) < 0 ||
           msgr_start(server) < 0 || msgr_get_myaddrs(server, addr, len) < 0;
}

int PART(send)(struct side *side, const char *addr)
{
    msgr_conn *conn = NULL;
    msgr_msg *msg = NULL;
    if (msgr_ctx_create(&side->ctx) < 0 || msgr_create(side->ctx, "client.admin", "client", 0, &side->messenger) < 0 ||
        msgr_start(side->messenger) < 0 || msgr_connect(side->messenger, MSGR_ENTITY_OSD, addr, &conn) < 0 ||
        msgr_msg_create(1000, &msg) < 0)
        return -1;
    return msgr_send(conn, msg) < 0 || (msgr_conn_unref(conn), 0);
}

int PART(end)(struct side *side, int wait)
{
    int failed = wait ? msgr_wait(side->messenger) : 0;
    msgr_unref(side->messenger);
    msgr_ctx_unref(side->ctx);
    return failed;
}
