/*
 * Asks a Ceph monitor whether it is alive and prints its status (JSON), as `ceph ping mon.a` does.
 *
 *     mon_ping ADDR
 *
 * ADDR is the monitor's msgr2 address, such as "v2:127.0.0.1:3300".
 */
#include "mon_client.h"

#include <stdio.h>

/* The front of a monitor's PING: u32 length (little-endian), then that many bytes of text. */
static int print_status(msgr_msg *pong) {
    size_t front_len = msgr_msg_len(pong, MSGR_FRONT);
    const unsigned char *front = msgr_msg_data(pong, MSGR_FRONT);
    if (front_len < 4)
        return -1;
    size_t len = front[0] | (size_t)front[1] << 8 | (size_t)front[2] << 16 | (size_t)front[3] << 24;
    if (len > front_len - 4)
        return -1;
    fwrite(front + 4, 1, len, stdout);
    putchar('\n');
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s ADDR\n", argv[0]);
        return 2;
    }
    msgr_msg *pong = mon_ask(argv[1], MSG_PING, MSG_PING);
    if (pong == NULL)
        return 1;
    int result = print_status(pong);
    if (result < 0)
        fprintf(stderr, "%s: the answer is malformed\n", argv[1]);
    msgr_msg_unref(pong);
    return result < 0 ? 1 : 0;
}
