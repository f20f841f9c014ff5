/*
 * Prints the monitors of a Ceph cluster, as `ceph mon dump` does.
 *
 *     mon_map ADDR
 *
 * ADDR is the msgr2 address of any monitor, such as "v2:127.0.0.1:3300". The cluster
 * must allow authentication method none. Exit code 0 if the map was printed, 1 if
 * not (the reason is on standard error), 2 for wrong usage.
 *
 * The map arrives as bytes from the network, so everything is read through a cursor
 * that knows where they end. A read beyond the end fails the cursor, every later
 * read returns zero, and one check at the end tells whether all of it was good.
 */
#define _POSIX_C_SOURCE 200809L
#include "mon_client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MONMAP_VERSION = 9,        /* newest version known here; the decoder skips what newer ones append */
    MONMAP_FIRST_WITH_RANKS = 6,
    MON_INFO_VERSION = 5,
    ADDR_VERSION = 1,
    FEATURES_VERSION = 1,
    FSID_LEN = 16,
    UTIME_LEN = 8,
    MARK_ADDR = 1, MARK_ADDRVEC = 2,
    ADDR_TYPE_NONE = 0, ADDR_TYPE_LEGACY = 1, ADDR_TYPE_MSGR2 = 2,
    WIRE_AF_INET = 2, WIRE_AF_INET6 = 10
};

/* ---- reading bytes ---- */

struct cursor {
    const unsigned char *at, *end;
    bool failed;
};

static void fail(struct cursor *in) {
    in->failed = true;
    in->at = in->end;
}

/* The next `len` bytes, or NULL. */
static const unsigned char *take(struct cursor *in, size_t len) {
    if (len > (size_t)(in->end - in->at)) {
        fail(in);
        return NULL;
    }
    const unsigned char *bytes = in->at;
    in->at += len;
    return bytes;
}

/* A little-endian integer of `len` bytes. */
static uint64_t take_int(struct cursor *in, size_t len) {
    const unsigned char *bytes = take(in, len);
    uint64_t value = 0;
    for (size_t i = len; bytes != NULL && i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static uint8_t take_u8(struct cursor *in) { return (uint8_t)take_int(in, 1); }
static uint32_t take_u32(struct cursor *in) { return (uint32_t)take_int(in, 4); }

/* A cursor over the next `len` bytes; an empty and failed one if they are not there. */
static struct cursor take_part(struct cursor *in, size_t len) {
    const unsigned char *bytes = take(in, len);
    struct cursor part = {bytes, bytes, bytes == NULL};
    if (bytes != NULL)
        part.end += len;
    return part;
}

/* A blob or string: u32 length, then the bytes. */
static struct cursor take_blob(struct cursor *in) {
    uint32_t len = take_u32(in);
    return take_part(in, len);
}

/*
 * The body of a versioned struct: u8 version, u8 oldest version that can read it,
 * u32 length, body. A body is a cursor of its own, so what a newer version has
 * appended is skipped without being understood.
 */
static struct cursor take_struct(struct cursor *in, uint8_t known, uint8_t *version) {
    uint8_t written = take_u8(in);
    uint8_t compat = take_u8(in);
    struct cursor body = take_blob(in);
    if (compat > known)
        fail(&body);
    if (version != NULL)
        *version = written;
    return body;
}

/* A struct of which nothing is wanted. */
static void skip_struct(struct cursor *in, uint8_t known) {
    struct cursor body = take_struct(in, known, NULL);
    if (body.failed)
        fail(in);
}

/* ---- addresses ---- */

static void print_ip(FILE *out, int family, const unsigned char *ip, unsigned port) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family, ip, text, sizeof text);
    fprintf(out, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
}

/* A socket address: u16 family, then port (big-endian) and address as in a sockaddr. */
static void print_sockaddr(struct cursor *in, FILE *out) {
    if (in->at == in->end) {
        fputs(":", out);
        return;
    }
    unsigned family = (unsigned)take_int(in, 2);
    if (family == 0) {
        fputs(":", out);
        return;
    }
    const unsigned char *port = take(in, 2);
    if (family == WIRE_AF_INET6)
        take(in, 4); /* flow information */
    else if (family != WIRE_AF_INET)
        fail(in);
    const unsigned char *ip = take(in, family == WIRE_AF_INET6 ? 16 : 4);
    if (port == NULL || ip == NULL)
        return;
    print_ip(out, family == WIRE_AF_INET6 ? AF_INET6 : AF_INET, ip, (unsigned)port[0] << 8 | port[1]);
}

/* One address after its marker byte: type, nonce, socket address. */
static void print_addr(struct cursor *in, FILE *out) {
    struct cursor body = take_struct(in, ADDR_VERSION, NULL);
    uint32_t type = take_u32(&body);
    uint32_t nonce = take_u32(&body);
    struct cursor sockaddr = take_blob(&body);
    if (type == ADDR_TYPE_NONE) {
        fputs("-", out);
    } else {
        fputs(type == ADDR_TYPE_LEGACY ? "v1:" : type == ADDR_TYPE_MSGR2 ? "v2:" : "any:", out);
        print_sockaddr(&sockaddr, out);
        fprintf(out, "/%u", nonce);
    }
    if (body.failed || sockaddr.failed)
        fail(in);
}

/* An address vector; more than one address stand in brackets. */
static void print_addrvec(struct cursor *in, FILE *out) {
    uint8_t marker = take_u8(in);
    uint32_t count = marker == MARK_ADDRVEC ? take_u32(in) : 1;
    if (marker != MARK_ADDRVEC && marker != MARK_ADDR)
        fail(in); /* the pre-Nautilus form: such a map has no ranks either */
    if (count > 1)
        fputc('[', out);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        if (i > 0)
            fputc(',', out);
        if (marker == MARK_ADDRVEC && take_u8(in) != MARK_ADDR)
            fail(in);
        print_addr(in, out);
    }
    if (count > 1)
        fputc(']', out);
}

/* ---- the map ---- */

static void print_fsid(const unsigned char *fsid, FILE *out) {
    fputs("fsid ", out);
    for (int i = 0; i < FSID_LEN; i++)
        fprintf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", fsid[i]);
    fputc('\n', out);
}

/* A name from the network goes to a terminal: printable characters only. */
static void print_name(const struct cursor *name, FILE *out) {
    for (const unsigned char *c = name->at; c < name->end; c++)
        fputc(isprint(*c) ? *c : '?', out);
}

static bool same_bytes(const struct cursor *a, const struct cursor *b) {
    size_t len = (size_t)(a->end - a->at);
    return len == (size_t)(b->end - b->at) && memcmp(a->at, b->at, len) == 0;
}

/*
 * The map from names to what is known of each monitor (name, addresses, ...) stands
 * at `infos`. Prints the addresses of the one called `name`.
 */
static void print_addrs_of(struct cursor infos, const struct cursor *name, FILE *out, struct cursor *map) {
    uint32_t count = take_u32(&infos);
    for (uint32_t i = 0; i < count && !infos.failed; i++) {
        struct cursor key = take_blob(&infos);
        struct cursor info = take_struct(&infos, MON_INFO_VERSION, NULL);
        if (infos.failed || !same_bytes(&key, name))
            continue;
        take_blob(&info); /* the name again */
        print_addrvec(&info, out);
        if (info.failed)
            fail(map);
        return;
    }
    fail(map); /* a rank without a monitor */
}

/* Moves `map` behind the monitors and returns a cursor that stands in front of them. */
static struct cursor skip_infos(struct cursor *map) {
    struct cursor infos = *map;
    uint32_t count = take_u32(map);
    for (uint32_t i = 0; i < count && !map->failed; i++) {
        take_blob(map);
        skip_struct(map, MON_INFO_VERSION);
    }
    infos.end = map->at;
    return infos;
}

/* Prints a monitor map; false if the bytes are not one. */
static bool print_map(struct cursor *in, FILE *out) {
    uint8_t version;
    struct cursor map = take_struct(in, MONMAP_VERSION, &version);
    const unsigned char *fsid = take(&map, FSID_LEN);
    uint32_t epoch = take_u32(&map);
    if (map.failed || version < MONMAP_FIRST_WITH_RANKS)
        return false;
    print_fsid(fsid, out);
    fprintf(out, "epoch %u\n", epoch);

    take(&map, UTIME_LEN); /* last changed */
    take(&map, UTIME_LEN); /* created */
    skip_struct(&map, FEATURES_VERSION); /* persistent */
    skip_struct(&map, FEATURES_VERSION); /* optional */
    struct cursor infos = skip_infos(&map);
    uint32_t ranks = take_u32(&map);
    for (uint32_t rank = 0; rank < ranks && !map.failed; rank++) {
        struct cursor name = take_blob(&map);
        if (map.failed)
            break;
        fprintf(out, "%u: ", rank);
        print_addrs_of(infos, &name, out, &map);
        fputs(" mon.", out);
        print_name(&name, out);
        fputc('\n', out);
    }
    return !map.failed;
}

/* Prints the map a MON_MAP message carries, all of it or nothing. */
static int print_answer(const char *addr, msgr_msg *answer) {
    struct cursor front = {msgr_msg_data(answer, MSGR_FRONT), NULL, false};
    front.end = front.at + msgr_msg_len(answer, MSGR_FRONT);
    struct cursor blob = take_blob(&front);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        perror(addr);
        return 1;
    }
    bool good = !blob.failed && print_map(&blob, out);
    fclose(out);
    if (good)
        fwrite(text, 1, len, stdout);
    else
        fprintf(stderr, "%s: the monitor map cannot be read (older than Nautilus, or malformed)\n", addr);
    free(text);
    return good ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s ADDR\n", argv[0]);
        return 2;
    }
    msgr_msg *answer = mon_ask(argv[1], MSG_MON_GET_MAP, MSG_MON_MAP);
    if (answer == NULL)
        return 1;
    int exit_code = print_answer(argv[1], answer);
    msgr_msg_unref(answer);
    return exit_code;
}
