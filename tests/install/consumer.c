/* A program that uses an installed msgr: header and library must be of one version, and a messenger must bind. */
#include <msgr.h>
#include <stdio.h>

int main(void) {
    char addr[128];
    char version[32];
    msgr_ctx *ctx;
    msgr_messenger *messenger;
    snprintf(version, sizeof version, "%d.%d.%d", MSGR_VERSION_MAJOR, MSGR_VERSION_MINOR, MSGR_VERSION_PATCH);
    if (msgr_ctx_create(&ctx) < 0 || msgr_create(ctx, "osd.0", "consumer", 0, &messenger) < 0
        || msgr_bind(messenger, "v2:127.0.0.1:0") < 0 || msgr_get_myaddrs(messenger, addr, sizeof addr) < 0)
        return 1;
    msgr_unref(messenger);
    msgr_ctx_unref(ctx);
    printf("%s %s\n", version, msgr_version_string());
    return 0;
}
