/* Options from arguments, environment and files, and who hears of them. */
#include <unistd.h>

#include "check.h"

static int is_set(msgr_ctx *ctx, const char *key, const char *value)
{
    char text[256];
    return msgr_conf_get(ctx, key, text, sizeof(text)) == (int)strlen(value) &&
           strcmp(text, value) == 0;
}

static msgr_ctx *context(void)
{
    msgr_ctx *ctx = NULL;
    CHECK_OK(msgr_ctx_create(&ctx));
    return ctx;
}

static void arguments_are_taken_and_the_rest_is_handed_back(void)
{
    const char *argv[] = {"program", "--ms-max-backoff=3", "file",  "--ms_tcp_rcvbuf", "4K",
                          "--no-ms-crc-data", "--else", "--", "--ms_max_backoff=9"};
    const char *bad[] = {"program", "--ms_max_backoff"};
    const char *rest[9] = {NULL};
    int argc = (int)(sizeof(argv) / sizeof(argv[0]));
    msgr_ctx *ctx = context();
    CHECK_IS(msgr_conf_parse_argv(ctx, argc, argv, rest), 5);
    CHECK(rest[0] == argv[0] && rest[1] == argv[2] && rest[2] == argv[6]);
    CHECK(rest[3] == argv[7] && rest[4] == argv[8] && rest[5] == NULL);
    CHECK(is_set(ctx, "ms_max_backoff", "3") && is_set(ctx, "ms_tcp_rcvbuf", "4K"));
    CHECK(is_set(ctx, "ms_crc_data", "false"));
    /* In place, and only counted. */
    CHECK_IS(msgr_conf_parse_argv(ctx, argc, argv, NULL), 5);
    CHECK_IS(msgr_conf_parse_argv(ctx, argc, argv, argv), 5);
    CHECK(strcmp(argv[1], "file") == 0);
    CHECK_IS(msgr_conf_parse_argv(ctx, 0, NULL, NULL), 0);
    CHECK_IS(msgr_conf_parse_argv(ctx, 2, bad, rest), -EINVAL);
    CHECK_IS(msgr_conf_parse_argv(ctx, 2, NULL, rest), -EINVAL);
    CHECK_IS(msgr_conf_parse_argv(ctx, -1, argv, rest), -EINVAL);
    CHECK_IS(msgr_conf_parse_argv(NULL, 1, argv, rest), -EINVAL);
    msgr_ctx_unref(ctx);
}

static void the_environment_is_read_like_arguments(void)
{
    msgr_ctx *ctx = context();
    CHECK(unsetenv("CEPH_ARGS") == 0);
    CHECK_OK(msgr_conf_parse_env(ctx, NULL));
    CHECK(setenv("CEPH_ARGS", " --ms_max_backoff 4  --id admin", 1) == 0);
    CHECK_OK(msgr_conf_parse_env(ctx, NULL));
    CHECK(is_set(ctx, "ms_max_backoff", "4"));
    CHECK(setenv("OTHER_ARGS", "--ms_max_backoff=soon", 1) == 0);
    CHECK_IS(msgr_conf_parse_env(ctx, "OTHER_ARGS"), -EINVAL);
    CHECK_IS(msgr_conf_parse_env(NULL, NULL), -EINVAL);
    msgr_ctx_unref(ctx);
}

/* Puts a text into a new file, whose name it writes to `path`. */
static void put(char *path, const char *text)
{
    int fd;
    strcpy(path, "/tmp/msgr-conf-XXXXXX");
    fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(fd) == 0);
}

static void a_file_says_what_holds_for_an_entity(void)
{
    char path[64], paths[256];
    msgr_ctx *osd = context(), *client = context(), *anybody = context();
    put(path, "# comment\n[osd.0]\nms max backoff = 3\n[global]\nms-max-backoff=1 ; first\n"
              "mon host = 10.0.0.1\nms_tcp_rcvbuf = \"8K\"\nkeyring = /x/$cluster.$name.keyring\n"
              "[osd]\nms_max_backoff = 2\nms_initial_backoff = 0.\\\n5\n");
    snprintf(paths, sizeof(paths), "/nowhere/ceph.conf,%s", path);
    CHECK_OK(msgr_conf_read_file(osd, paths, "osd.0"));
    CHECK(is_set(osd, "ms_max_backoff", "3") && is_set(osd, "ms_initial_backoff", "0.5"));
    CHECK(is_set(osd, "ms_tcp_rcvbuf", "8K") && is_set(osd, "keyring", "/x/ceph.osd.0.keyring"));
    CHECK_OK(msgr_conf_read_file(client, path, "client.admin"));
    CHECK(is_set(client, "ms_max_backoff", "1") && is_set(client, "ms_initial_backoff", "0.2"));
    CHECK(setenv("CEPH_CONF", path, 1) == 0);
    CHECK_OK(msgr_conf_read_file(anybody, NULL, NULL));
    CHECK(is_set(anybody, "ms_max_backoff", "1"));
    CHECK_IS(msgr_conf_read_file(anybody, path, "rgw.0"), -EINVAL);
    CHECK_IS(msgr_conf_read_file(NULL, path, NULL), -EINVAL);
    CHECK_IS(msgr_conf_read_file(anybody, "/nowhere/ceph.conf", NULL), -ENOENT);
    CHECK(unlink(path) == 0);
    msgr_ctx_unref(osd);
    msgr_ctx_unref(client);
    msgr_ctx_unref(anybody);
}

static void a_file_that_is_wrong_is_refused_by_its_line(void)
{
    char path[64], last[512];
    msgr_ctx *ctx = context();
    put(path, "ms_max_backoff = 2\n[global\n");
    CHECK_IS(msgr_conf_read_file(ctx, path, NULL), -EINVAL);
    CHECK(msgr_last_error(last, sizeof(last)) > 0 && strstr(last, ":2: ") != NULL);
    CHECK(is_set(ctx, "ms_max_backoff", "15"));
    CHECK(unlink(path) == 0);
    /* A bad value does not keep others from being set. */
    put(path, "ms_max_backoff = soon\nms_initial_backoff = 1\n");
    CHECK_IS(msgr_conf_read_file(ctx, path, NULL), -EINVAL);
    CHECK(msgr_last_error(last, sizeof(last)) > 0 && strstr(last, ":1: ms_max_backoff") != NULL);
    CHECK(is_set(ctx, "ms_initial_backoff", "1"));
    CHECK(unlink(path) == 0);
    msgr_ctx_unref(ctx);
}

static int seen;
static char previous[128];

static int look(void *arg, const char *key, const char *value)
{
    (void)arg;
    CHECK(strcmp(key, "key") != 0 && strcmp(previous, key) < 0);
    if (strcmp(key, "ms_max_backoff") == 0)
        CHECK(strcmp(value, "15") == 0);
    snprintf(previous, sizeof(previous), "%s", key);
    seen++;
    return 0;
}

static int stop(void *arg, const char *key, const char *value)
{
    (void)key;
    (void)value;
    ++*(int *)arg;
    return 7;
}

static void every_option_is_shown_but_keys(void)
{
    msgr_ctx *ctx = context();
    int calls = 0;
    CHECK_OK(msgr_conf_foreach(ctx, look, NULL));
    CHECK(seen > 80);
    CHECK_IS(msgr_conf_foreach(ctx, stop, &calls), 7);
    CHECK(calls == 1);
    CHECK_IS(msgr_conf_foreach(ctx, NULL, NULL), -EINVAL);
    CHECK_IS(msgr_conf_foreach(NULL, look, NULL), -EINVAL);
    msgr_ctx_unref(ctx);
}

static int heard, released;
static char now[64];

static void hear(void *arg, const char *key, const char *value)
{
    CHECK(arg == &heard && strcmp(key, "ms_max_backoff") == 0);
    snprintf(now, sizeof(now), "%s", value);
    heard++;
}

static void let_go(void *arg)
{
    CHECK(arg == &heard);
    released++;
}

static void an_observer_hears_of_changes_until_it_goes(void)
{
    msgr_ctx *ctx = context();
    int observer = msgr_conf_observe(ctx, "ms_max_backoff", hear, &heard, let_go);
    CHECK(observer > 0);
    CHECK_OK(msgr_conf_set(ctx, "ms_max_backoff", "3"));
    CHECK_OK(msgr_conf_set(ctx, "ms_initial_backoff", "1"));
    CHECK(heard == 1 && strcmp(now, "3") == 0 && released == 0);
    CHECK_OK(msgr_conf_unobserve(ctx, observer));
    CHECK(released == 1);
    CHECK_OK(msgr_conf_set(ctx, "ms_max_backoff", "4"));
    CHECK(heard == 1);
    CHECK_IS(msgr_conf_unobserve(ctx, observer), -ENOENT);
    CHECK_IS(msgr_conf_unobserve(ctx, -1), -ENOENT);
    CHECK_IS(msgr_conf_unobserve(NULL, 1), -EINVAL);
    /* One that is refused is not released. */
    CHECK_IS(msgr_conf_observe(ctx, "ms_nothing", hear, &heard, let_go), -ENOENT);
    CHECK_IS(msgr_conf_observe(ctx, "key", hear, &heard, let_go), -EACCES);
    CHECK_IS(msgr_conf_observe(ctx, "ms_max_backoff", NULL, &heard, let_go), -EINVAL);
    CHECK_IS(msgr_conf_observe(ctx, NULL, hear, &heard, let_go), -EINVAL);
    CHECK_IS(msgr_conf_observe(NULL, "ms_max_backoff", hear, &heard, let_go), -EINVAL);
    CHECK(released == 1);
    CHECK(msgr_conf_observe(ctx, "ms_max_backoff", hear, &heard, let_go) > observer);
    msgr_ctx_unref(ctx);
    CHECK(released == 2);
}

int main(void)
{
    arguments_are_taken_and_the_rest_is_handed_back();
    the_environment_is_read_like_arguments();
    a_file_says_what_holds_for_an_entity();
    a_file_that_is_wrong_is_refused_by_its_line();
    every_option_is_shown_but_keys();
    an_observer_hears_of_changes_until_it_goes();
    return 0;
}
