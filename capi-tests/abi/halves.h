/* What half.c is made of, and what halves.c calls of the two. */
#ifndef HALVES_H
#define HALVES_H

#include <stddef.h>

typedef void (*function)(void);
struct side {
    struct msgr_ctx *ctx;
    struct msgr_messenger *messenger;
};

#define DECLARE(part)                                                                    \
    function part##_library(void);                                                       \
    int part##_serve(struct side *side, char *addr, size_t len);                         \
    int part##_send(struct side *side, const char *addr);                                \
    int part##_end(struct side *side, int wait);

DECLARE(first)
DECLARE(second)

#endif
