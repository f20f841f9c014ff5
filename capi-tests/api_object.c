/* What a layer above hangs on a connection: the first one stays. */
#include "check.h"

static int destroyed;
static int first, second;

static void the_first_object_stays_until_the_connection_goes(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_get_loopback_connection(messenger, &conn));
    CHECK(msgr_conn_object(conn) == NULL);
    CHECK(msgr_conn_set_object(conn, NULL, check_count) == NULL);
    CHECK(msgr_conn_set_object(conn, &first, NULL) == &first);
    /* refused, so that its destroy function must not be called */
    CHECK(msgr_conn_set_object(conn, &second, check_count) == &first);
    CHECK(msgr_conn_object(conn) == &first);
    CHECK(msgr_conn_get_priv(conn) == NULL);
    msgr_conn_unref(conn);
    check_end(messenger);
    msgr_ctx_unref(ctx);
    CHECK(second == 0);
}

static void destroy_is_called_once_with_the_connection(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_messenger(ctx, "osd.0", MSGR_POLICY_STATELESS_SERVER);
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_get_loopback_connection(messenger, &conn));
    CHECK(msgr_conn_set_object(conn, &destroyed, check_count) == &destroyed);
    CHECK(destroyed == 0);
    msgr_unref(messenger);
    msgr_conn_unref(conn);
    msgr_ctx_unref(ctx);
    WAIT_UNTIL(destroyed == 1);
}

static void null_has_no_object(void)
{
    CHECK(msgr_conn_object(NULL) == NULL);
    CHECK(msgr_conn_set_object(NULL, &first, check_count) == NULL);
    CHECK(first == 0);
}

int main(void)
{
    the_first_object_stays_until_the_connection_goes();
    destroy_is_called_once_with_the_connection();
    null_has_no_object();
    return 0;
}
