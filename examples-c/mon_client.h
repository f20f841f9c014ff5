/*
 * One question to a Ceph monitor, one answer: what mon_map and mon_ping share.
 */
#ifndef MON_CLIENT_H
#define MON_CLIENT_H

#include <msgr.h>

enum {
    MSG_PING = 2,          /* empty; a monitor answers with a PING that carries its status as JSON */
    MSG_MON_MAP = 4,       /* front: u32 length, encoded monitor map */
    MSG_MON_GET_MAP = 5,   /* empty; answered by MON_MAP */
    MON_DEADLINE = 30      /* seconds for everything */
};

/*
 * Sends an empty message of type `question` to the monitor at `addr` as client.admin
 * (auth none) and waits for a message of type `wanted`. The caller gets its reference.
 *
 * A monitor that has no quorum yet closes connections; the question is asked again
 * until the deadline. On failure the reason is printed and NULL is returned.
 */
msgr_msg *mon_ask(const char *addr, uint16_t question, uint16_t wanted);

#endif
