/* Two versions of the library in one process: each half has its own, and they talk to each other. */
#include "halves.h"

#include <stdio.h>

int main(void)
{
    struct side server = { NULL, NULL }, client = { NULL, NULL };
    char addr[128];
    if (first_library() == second_library()) {
        fputs("both halves have the same library\n", stderr);
        return 1;
    }
    if (first_serve(&server, addr, sizeof(addr)) != 0 || second_send(&client, addr) != 0)
        return 1;
    /* The message that has come ends the server. */
    return first_end(&server, 1) != 0 || second_end(&client, 0) != 0;
}
