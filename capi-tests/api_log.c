/* The log: to a callback or to stderr, and how much of it. */
#include "check.h"

#include <unistd.h>

/* An unclaimed message is logged as a warning: the way to get a line. */
static const msgr_dispatcher no_callbacks = MSGR_DISPATCHER_INIT;

struct log {
    int lines;
    int level;
    char text[512];
};

static void keep(void *arg, int level, const char *text)
{
    struct log *log = (struct log *)arg;
    /* A log callback cannot replace itself, and does not hang either. */
    CHECK_IS(msgr_set_log_callback(NULL, NULL), -EDEADLK);
    LOCKED(log->lines++; log->level = level; snprintf(log->text, sizeof(log->text), "%s", text));
}

static void provoke(msgr_messenger *messenger)
{
    msgr_conn *conn = NULL;
    CHECK_OK(msgr_get_loopback_connection(messenger, &conn));
    CHECK_OK(msgr_send(conn, check_message(4242, "unclaimed")));
    msgr_conn_unref(conn);
}

int main(void)
{
    msgr_ctx *ctx = check_ctx();
    msgr_messenger *messenger = check_client(ctx, &no_callbacks, NULL);
    struct log log = { 0, 99, "" };
    FILE *err;
    char line[512] = "";
    int ends[2], real_stderr = dup(2);
    CHECK(real_stderr >= 0 && pipe(ends) == 0);
    err = fdopen(ends[0], "r");
    CHECK(err != NULL);

    CHECK_OK(msgr_set_log_callback(keep, &log));
    provoke(messenger);
    WAIT_UNTIL(log.lines == 1);
    CHECK(log.level == MSGR_LOG_WARN);
    CHECK(strstr(log.text, "4242") != NULL && strchr(log.text, '\n') == NULL);

    /* Errors only: the warning is left out, and the next one comes. */
    CHECK_OK(msgr_set_log_level(MSGR_LOG_ERROR));
    provoke(messenger);
    CHECK_OK(msgr_shutdown(messenger));
    CHECK_OK(msgr_wait(messenger));
    CHECK(log.lines == 1);
    msgr_unref(messenger);
    CHECK_OK(msgr_set_log_level(MSGR_LOG_WARN));

    /* Back to stderr: one line. */
    CHECK_OK(msgr_set_log_callback(NULL, NULL));
    messenger = check_client(ctx, &no_callbacks, NULL);
    CHECK(dup2(ends[1], 2) == 2);
    provoke(messenger);
    CHECK(fgets(line, sizeof(line), err) != NULL);
    CHECK(dup2(real_stderr, 2) == 2);
    CHECK(strncmp(line, "msgr: warning: ", 15) == 0);
    CHECK(strstr(line, "4242") != NULL && line[strlen(line) - 1] == '\n');
    CHECK(log.lines == 1);
    check_end(messenger);
    msgr_ctx_unref(ctx);
    fclose(err);
    close(ends[1]);
    close(real_stderr);
    return 0;
}
