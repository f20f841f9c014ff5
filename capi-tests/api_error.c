/* Errors: texts for numbers, and each thread's last error. */
#include "check.h"

static void every_documented_errno_has_a_text(void)
{
    static const int errors[] = {
        EINVAL, ENOENT, ENAMETOOLONG, E2BIG, EMSGSIZE, EALREADY, EBUSY, EADDRINUSE,
        EOPNOTSUPP, ENOTCONN, ESHUTDOWN, EDEADLK, ENOTRECOVERABLE,
    };
    size_t i;
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        const char *text = msgr_strerror(-errors[i]);
        CHECK(text != NULL && text[0] != '\0');
        CHECK(strcmp(text, "unknown error") != 0);
        CHECK(text == msgr_strerror(errors[i]));
    }
    CHECK(strcmp(msgr_strerror(0), "success") == 0);
    CHECK(strcmp(msgr_strerror(123456), "unknown error") == 0);
    CHECK(strcmp(msgr_strerror(INT32_MIN), "unknown error") == 0);
}

static void a_success_keeps_the_last_error(void)
{
    char first[512], second[512];
    msgr_ctx *ctx = NULL;
    CHECK_IS(msgr_ctx_create(NULL), -EINVAL);
    CHECK(msgr_last_error(first, sizeof(first)) > 0);
    CHECK_OK(msgr_ctx_create(&ctx));
    CHECK(msgr_last_error(second, sizeof(second)) > 0);
    CHECK(strcmp(first, second) == 0);
    msgr_ctx_unref(ctx);
}

static void reading_it_wrongly_does_not_replace_it(void)
{
    char text[512], one[1] = { 'x' };
    CHECK_IS(msgr_ctx_create(NULL), -EINVAL);
    CHECK_IS(msgr_last_error(NULL, 10), -EINVAL);
    CHECK_IS(msgr_last_error(one, 1), -ENAMETOOLONG);
    CHECK(one[0] == 'x');
    CHECK(msgr_last_error(text, sizeof(text)) > 0);
    CHECK(strstr(text, "result") != NULL);
}

static void *another_thread(void *arg)
{
    char text[8];
    *(int *)arg = msgr_last_error(text, sizeof(text));
    return NULL;
}

static void another_thread_has_none(void)
{
    pthread_t thread;
    int length = -1;
    CHECK_IS(msgr_ctx_create(NULL), -EINVAL);
    CHECK(pthread_create(&thread, NULL, another_thread, &length) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(length == 0);
}

/* Destructors of thread-specific data run when the thread is nearly gone. */
static void late_call(void *arg)
{
    char text[512];
    CHECK_IS(msgr_ctx_create(NULL), -EINVAL);
    CHECK(msgr_last_error(text, sizeof(text)) > 0);
    LOCKED(++*(int *)arg);
}

static pthread_key_t late_key;

static void *dying_thread(void *arg)
{
    CHECK_IS(msgr_ctx_create(NULL), -EINVAL);
    CHECK(pthread_setspecific(late_key, arg) == 0);
    return NULL;
}

static void a_dying_thread_may_call(void)
{
    pthread_t thread;
    static int called;
    CHECK(pthread_key_create(&late_key, late_call) == 0);
    CHECK(pthread_create(&thread, NULL, dying_thread, &called) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(called == 1);
}

static void at_exit(void)
{
    msgr_ctx *ctx = NULL;
    CHECK_IS(msgr_ctx_create(NULL), -EINVAL);
    CHECK_OK(msgr_ctx_create(&ctx));
    msgr_ctx_unref(ctx);
}

int main(void)
{
    CHECK(atexit(at_exit) == 0);
    every_documented_errno_has_a_text();
    a_success_keeps_the_last_error();
    reading_it_wrongly_does_not_replace_it();
    another_thread_has_none();
    a_dying_thread_may_call();
    return 0;
}
