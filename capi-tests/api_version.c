/* The version of the header is that of the library it came with. */
#include "check.h"

int main(void)
{
    char text[32];
    snprintf(text, sizeof(text), "%d.%d.%d", MSGR_VERSION_MAJOR, MSGR_VERSION_MINOR,
             MSGR_VERSION_PATCH);
    CHECK(msgr_version() == MSGR_VERSION);
    CHECK((msgr_version() >> 16) == MSGR_VERSION_MAJOR);
    CHECK((msgr_version() >> 8 & 0xff) == MSGR_VERSION_MINOR);
    CHECK((msgr_version() & 0xff) == MSGR_VERSION_PATCH);
    CHECK(strcmp(msgr_version_string(), text) == 0);
    return 0;
}
