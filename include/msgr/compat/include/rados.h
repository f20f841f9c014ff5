/* What OSDs are asked to do, as it travels. Ceph: include/rados.h. */
#ifndef CEPH_RADOS_H
#define CEPH_RADOS_H

#include <cstring>

#include "byteorder.h"
#include "msgr.h"

/* Numbers of snapshots with a meaning: all of them as one, what is written to, the largest there can be. */
#define CEPH_SNAPDIR ((__u64)(-1))
#define CEPH_NOSNAP ((__u64)(-2))
#define CEPH_MAXSNAP ((__u64)(-3))

#define CEPH_OSD_IN 0x10000
#define CEPH_OSD_OUT 0

#define OSD_WRITETOOBIG EMSGSIZE
#define EOLDSNAPC 85
#define EBLOCKLISTED 108

/* Operations: what they do to the object in the first four bits, what they are about in the next four. */
#define CEPH_OSD_OP_MODE 0xf000
#define CEPH_OSD_OP_MODE_RD 0x1000
#define CEPH_OSD_OP_MODE_WR 0x2000
#define CEPH_OSD_OP_MODE_RMW 0x3000
#define CEPH_OSD_OP_MODE_SUB 0x4000
#define CEPH_OSD_OP_MODE_CACHE 0x8000

#define CEPH_OSD_OP_TYPE 0x0f00
#define CEPH_OSD_OP_TYPE_DATA 0x0200
#define CEPH_OSD_OP_TYPE_ATTR 0x0300
#define CEPH_OSD_OP_TYPE_EXEC 0x0400
#define CEPH_OSD_OP_TYPE_PG 0x0500

/* Name, mode, type, number, text. */
#define CEPH_OSD_OPS(f)                                                                                                \
  /* data, read */                                                                                                     \
  f(READ, RD, DATA, 1, "read")                                                                                         \
  f(STAT, RD, DATA, 2, "stat")                                                                                         \
  f(MAPEXT, RD, DATA, 3, "mapext")                                                                                     \
  f(MASKTRUNC, RD, DATA, 4, "masktrunc")                                                                               \
  f(SPARSE_READ, RD, DATA, 5, "sparse-read")                                                                           \
  f(NOTIFY, RD, DATA, 6, "notify")                                                                                     \
  f(NOTIFY_ACK, RD, DATA, 7, "notify-ack")                                                                             \
  f(ASSERT_VER, RD, DATA, 8, "assert-version")                                                                         \
  f(LIST_WATCHERS, RD, DATA, 9, "list-watchers")                                                                       \
  f(LIST_SNAPS, RD, DATA, 10, "list-snaps")                                                                            \
  f(SYNC_READ, RD, DATA, 11, "sync_read")                                                                              \
  f(TMAPGET, RD, DATA, 12, "tmapget")                                                                                  \
  f(OMAPGETKEYS, RD, DATA, 17, "omap-get-keys")                                                                        \
  f(OMAPGETVALS, RD, DATA, 18, "omap-get-vals")                                                                        \
  f(OMAPGETHEADER, RD, DATA, 19, "omap-get-header")                                                                    \
  f(OMAPGETVALSBYKEYS, RD, DATA, 20, "omap-get-vals-by-keys")                                                          \
  f(OMAP_CMP, RD, DATA, 25, "omap-cmp")                                                                                \
  f(ISDIRTY, RD, DATA, 29, "isdirty")                                                                                  \
  f(COPY_GET, RD, DATA, 30, "copy-get")                                                                                \
  f(CHECKSUM, RD, DATA, 31, "checksum")                                                                                \
  f(CMPEXT, RD, DATA, 32, "cmpext")                                                                                    \
  /* data, written */                                                                                                  \
  f(WRITE, WR, DATA, 1, "write")                                                                                       \
  f(WRITEFULL, WR, DATA, 2, "writefull")                                                                               \
  f(TRUNCATE, WR, DATA, 3, "truncate")                                                                                 \
  f(ZERO, WR, DATA, 4, "zero")                                                                                         \
  f(DELETE, WR, DATA, 5, "delete")                                                                                     \
  f(APPEND, WR, DATA, 6, "append")                                                                                     \
  f(STARTSYNC, WR, DATA, 7, "startsync")                                                                               \
  f(SETTRUNC, WR, DATA, 8, "settrunc")                                                                                 \
  f(TRIMTRUNC, WR, DATA, 9, "trimtrunc")                                                                               \
  f(TMAPUP, RMW, DATA, 10, "tmapup")                                                                                   \
  f(TMAPPUT, WR, DATA, 11, "tmapput")                                                                                  \
  f(CREATE, WR, DATA, 13, "create")                                                                                    \
  f(ROLLBACK, WR, DATA, 14, "rollback")                                                                                \
  f(WATCH, WR, DATA, 15, "watch")                                                                                      \
  f(OMAPSETVALS, WR, DATA, 21, "omap-set-vals")                                                                        \
  f(OMAPSETHEADER, WR, DATA, 22, "omap-set-header")                                                                    \
  f(OMAPCLEAR, WR, DATA, 23, "omap-clear")                                                                             \
  f(OMAPRMKEYS, WR, DATA, 24, "omap-rm-keys")                                                                          \
  f(COPY_FROM, WR, DATA, 26, "copy-from")                                                                              \
  f(UNDIRTY, WR, DATA, 28, "undirty")                                                                                  \
  f(TMAP2OMAP, RMW, DATA, 34, "tmap2omap")                                                                             \
  f(SETALLOCHINT, WR, DATA, 35, "set-alloc-hint")                                                                      \
  f(CACHE_PIN, WR, DATA, 36, "cache-pin")                                                                              \
  f(CACHE_UNPIN, WR, DATA, 37, "cache-unpin")                                                                          \
  f(WRITESAME, WR, DATA, 38, "write-same")                                                                             \
  f(SET_REDIRECT, WR, DATA, 39, "set-redirect")                                                                        \
  f(SET_CHUNK, WR, DATA, 40, "set-chunk")                                                                              \
  f(TIER_PROMOTE, WR, DATA, 41, "tier-promote")                                                                        \
  f(UNSET_MANIFEST, WR, DATA, 42, "unset-manifest")                                                                    \
  f(OMAPRMKEYRANGE, WR, DATA, 44, "omap-rm-key-range")                                                                 \
  f(COPY_FROM2, WR, DATA, 45, "copy-from2")                                                                            \
  /* caches */                                                                                                         \
  f(CACHE_FLUSH, CACHE, DATA, 31, "cache-flush")                                                                       \
  f(CACHE_EVICT, CACHE, DATA, 32, "cache-evict")                                                                       \
  f(CACHE_TRY_FLUSH, CACHE, DATA, 33, "cache-try-flush")                                                               \
  f(TIER_FLUSH, CACHE, DATA, 43, "tier-flush")                                                                         \
  f(TIER_EVICT, CACHE, DATA, 44, "tier-evict")                                                                         \
  /* attributes */                                                                                                     \
  f(GETXATTR, RD, ATTR, 1, "getxattr")                                                                                 \
  f(GETXATTRS, RD, ATTR, 2, "getxattrs")                                                                               \
  f(CMPXATTR, RD, ATTR, 3, "cmpxattr")                                                                                 \
  f(SETXATTR, WR, ATTR, 1, "setxattr")                                                                                 \
  f(SETXATTRS, WR, ATTR, 2, "setxattrs")                                                                               \
  f(RESETXATTRS, WR, ATTR, 3, "resetxattrs")                                                                           \
  f(RMXATTR, WR, ATTR, 4, "rmxattr")                                                                                   \
  /* methods, which may write as well */                                                                               \
  f(CALL, RD, EXEC, 1, "call")                                                                                         \
  /* placement groups */                                                                                               \
  f(PGLS, RD, PG, 1, "pgls")                                                                                           \
  f(PGLS_FILTER, RD, PG, 2, "pgls-filter")                                                                             \
  f(PG_HITSET_LS, RD, PG, 3, "pg-hitset-ls")                                                                           \
  f(PG_HITSET_GET, RD, PG, 4, "pg-hitset-get")                                                                         \
  f(PGNLS, RD, PG, 5, "pgnls")                                                                                         \
  f(PGNLS_FILTER, RD, PG, 6, "pgnls-filter")                                                                           \
  f(SCRUBLS, RD, PG, 7, "scrubls")                                                                                     \

enum {
#define CEPH_OSD_OP_ENTRY(name, mode, type, number, text)                                                              \
  CEPH_OSD_OP_##name = CEPH_OSD_OP_MODE_##mode | CEPH_OSD_OP_TYPE_##type | (number),
  CEPH_OSD_OPS(CEPH_OSD_OP_ENTRY)
#undef CEPH_OSD_OP_ENTRY
};

inline const char *ceph_osd_op_name(int op) {
  switch (op) {
#define CEPH_OSD_OP_ENTRY(name, mode, type, number, text)                                                              \
  case CEPH_OSD_OP_##name:                                                                                             \
    return text;
    CEPH_OSD_OPS(CEPH_OSD_OP_ENTRY)
#undef CEPH_OSD_OP_ENTRY
  default:
    return "???";
  }
}

inline int ceph_osd_op_type_data(int op) { return (op & CEPH_OSD_OP_TYPE) == CEPH_OSD_OP_TYPE_DATA; }
inline int ceph_osd_op_type_attr(int op) { return (op & CEPH_OSD_OP_TYPE) == CEPH_OSD_OP_TYPE_ATTR; }
inline int ceph_osd_op_type_exec(int op) { return (op & CEPH_OSD_OP_TYPE) == CEPH_OSD_OP_TYPE_EXEC; }
inline int ceph_osd_op_type_pg(int op) { return (op & CEPH_OSD_OP_TYPE) == CEPH_OSD_OP_TYPE_PG; }
inline int ceph_osd_op_mode_subop(int op) { return (op & CEPH_OSD_OP_MODE) == CEPH_OSD_OP_MODE_SUB; }
inline int ceph_osd_op_mode_read(int op) { return (op & CEPH_OSD_OP_MODE_RD) != 0 && op != CEPH_OSD_OP_CALL; }
inline int ceph_osd_op_mode_modify(int op) { return (op & CEPH_OSD_OP_MODE_WR) != 0; }
inline int ceph_osd_op_mode_cache(int op) { return (op & CEPH_OSD_OP_MODE_CACHE) != 0; }

/* Does it say from where to where? */
inline int ceph_osd_op_uses_extent(int op) {
  switch (op) {
  case CEPH_OSD_OP_READ:
  case CEPH_OSD_OP_MAPEXT:
  case CEPH_OSD_OP_MASKTRUNC:
  case CEPH_OSD_OP_SPARSE_READ:
  case CEPH_OSD_OP_SYNC_READ:
  case CEPH_OSD_OP_WRITE:
  case CEPH_OSD_OP_WRITEFULL:
  case CEPH_OSD_OP_TRUNCATE:
  case CEPH_OSD_OP_ZERO:
  case CEPH_OSD_OP_APPEND:
  case CEPH_OSD_OP_TRIMTRUNC:
  case CEPH_OSD_OP_CMPEXT:
    return true;
  default:
    return false;
  }
}

/* Flags of a whole request, and of its answer. */
enum {
  CEPH_OSD_FLAG_ACK = 0x1,
  CEPH_OSD_FLAG_ONNVRAM = 0x2,
  CEPH_OSD_FLAG_ONDISK = 0x4,
  CEPH_OSD_FLAG_RETRY = 0x8,
  CEPH_OSD_FLAG_READ = 0x10,
  CEPH_OSD_FLAG_WRITE = 0x20,
  CEPH_OSD_FLAG_ORDERSNAP = 0x40,
  CEPH_OSD_FLAG_PEERSTAT_OLD = 0x80,
  CEPH_OSD_FLAG_BALANCE_READS = 0x100,
  CEPH_OSD_FLAG_PARALLELEXEC = 0x200,
  CEPH_OSD_FLAG_PGOP = 0x400,
  CEPH_OSD_FLAG_EXEC = 0x800,
  CEPH_OSD_FLAG_EXEC_PUBLIC = 0x1000,
  CEPH_OSD_FLAG_LOCALIZE_READS = 0x2000,
  CEPH_OSD_FLAG_RWORDERED = 0x4000,
  CEPH_OSD_FLAG_IGNORE_CACHE = 0x8000,
  CEPH_OSD_FLAG_SKIPRWLOCKS = 0x10000,
  CEPH_OSD_FLAG_IGNORE_OVERLAY = 0x20000,
  CEPH_OSD_FLAG_FLUSH = 0x40000,
  CEPH_OSD_FLAG_MAP_SNAP_CLONE = 0x80000,
  CEPH_OSD_FLAG_ENFORCE_SNAPC = 0x100000,
  CEPH_OSD_FLAG_REDIRECTED = 0x200000,
  CEPH_OSD_FLAG_KNOWN_REDIR = 0x400000,
  CEPH_OSD_FLAG_FULL_TRY = 0x800000,
  CEPH_OSD_FLAG_FULL_FORCE = 0x1000000,
  CEPH_OSD_FLAG_IGNORE_REDIRECT = 0x2000000,
  CEPH_OSD_FLAG_RETURNVEC = 0x4000000,
  CEPH_OSD_FLAG_SUPPORTSPOOLEIO = 0x8000000,
};

/* The name of one of them. */
inline const char *ceph_osd_flag_name(unsigned flag) {
  static constexpr struct {
    unsigned flag;
    const char *name;
  } NAMES[] = {
      {CEPH_OSD_FLAG_ACK, "ack"},
      {CEPH_OSD_FLAG_ONNVRAM, "onnvram"},
      {CEPH_OSD_FLAG_ONDISK, "ondisk"},
      {CEPH_OSD_FLAG_RETRY, "retry"},
      {CEPH_OSD_FLAG_READ, "read"},
      {CEPH_OSD_FLAG_WRITE, "write"},
      {CEPH_OSD_FLAG_ORDERSNAP, "ordersnap"},
      {CEPH_OSD_FLAG_PEERSTAT_OLD, "peerstat_old"},
      {CEPH_OSD_FLAG_BALANCE_READS, "balance_reads"},
      {CEPH_OSD_FLAG_PARALLELEXEC, "parallelexec"},
      {CEPH_OSD_FLAG_PGOP, "pgop"},
      {CEPH_OSD_FLAG_EXEC, "exec"},
      {CEPH_OSD_FLAG_EXEC_PUBLIC, "exec_public"},
      {CEPH_OSD_FLAG_LOCALIZE_READS, "localize_reads"},
      {CEPH_OSD_FLAG_RWORDERED, "rwordered"},
      {CEPH_OSD_FLAG_IGNORE_CACHE, "ignore_cache"},
      {CEPH_OSD_FLAG_SKIPRWLOCKS, "skiprwlocks"},
      {CEPH_OSD_FLAG_IGNORE_OVERLAY, "ignore_overlay"},
      {CEPH_OSD_FLAG_FLUSH, "flush"},
      {CEPH_OSD_FLAG_MAP_SNAP_CLONE, "map_snap_clone"},
      {CEPH_OSD_FLAG_ENFORCE_SNAPC, "enforce_snapc"},
      {CEPH_OSD_FLAG_REDIRECTED, "redirected"},
      {CEPH_OSD_FLAG_KNOWN_REDIR, "known_if_redirected"},
      {CEPH_OSD_FLAG_FULL_TRY, "full_try"},
      {CEPH_OSD_FLAG_FULL_FORCE, "full_force"},
      {CEPH_OSD_FLAG_IGNORE_REDIRECT, "ignore_redirect"},
      {CEPH_OSD_FLAG_RETURNVEC, "returnvec"},
      {CEPH_OSD_FLAG_SUPPORTSPOOLEIO, "supportspooleio"},
  };
  for (const auto &known : NAMES)
    if (known.flag == flag)
      return known.name;
  return "???";
}

/* Flags of one operation. */
enum {
  CEPH_OSD_OP_FLAG_EXCL = 0x1,
  CEPH_OSD_OP_FLAG_FAILOK = 0x2,
  CEPH_OSD_OP_FLAG_FADVISE_RANDOM = 0x4,
  CEPH_OSD_OP_FLAG_FADVISE_SEQUENTIAL = 0x8,
  CEPH_OSD_OP_FLAG_FADVISE_WILLNEED = 0x10,
  CEPH_OSD_OP_FLAG_FADVISE_DONTNEED = 0x20,
  CEPH_OSD_OP_FLAG_FADVISE_NOCACHE = 0x40,
};

enum {
  CEPH_OSD_CMPXATTR_OP_EQ = 1,
  CEPH_OSD_CMPXATTR_OP_NE = 2,
  CEPH_OSD_CMPXATTR_OP_GT = 3,
  CEPH_OSD_CMPXATTR_OP_GTE = 4,
  CEPH_OSD_CMPXATTR_OP_LT = 5,
  CEPH_OSD_CMPXATTR_OP_LTE = 6,
};
enum {
  CEPH_OSD_CMPXATTR_MODE_STRING = 1,
  CEPH_OSD_CMPXATTR_MODE_U64 = 2,
};
enum {
  CEPH_OSD_WATCH_OP_UNWATCH = 0,
  CEPH_OSD_WATCH_OP_LEGACY_WATCH = 1,
  CEPH_OSD_WATCH_OP_WATCH = 3,
  CEPH_OSD_WATCH_OP_RECONNECT = 5,
  CEPH_OSD_WATCH_OP_PING = 7,
};

struct ceph_timespec {
  ceph_le32 tv_sec;
  ceph_le32 tv_nsec;
};

/* One operation on an object. What it needs besides lies in the data of the message. */
struct ceph_osd_op {
  struct extent_t {
    ceph_le64 offset, length, truncate_size;
    ceph_le32 truncate_seq;
  };
  struct xattr_t {
    ceph_le32 name_len, value_len;
    __u8 cmp_op, cmp_mode;
  };
  struct cls_t {
    __u8 class_len, method_len, argc;
    ceph_le32 indata_len;
  };
  struct pgls_t {
    ceph_le64 count;
    ceph_le32 start_epoch;
  };
  struct snap_t {
    ceph_le64 snapid;
  };
  struct watch_t {
    ceph_le64 cookie, ver;
    __u8 op;
    ceph_le32 gen, timeout;
  };
  struct notify_t {
    ceph_le64 cookie;
  };
  struct assert_ver_t {
    ceph_le64 unused, ver;
  };
  struct clonerange_t {
    ceph_le64 offset, length, src_offset;
  };
  struct copy_get_t {
    ceph_le64 max;
  };
  struct copy_from_t {
    ceph_le64 snapid, src_version;
    __u8 flags;
    ceph_le32 src_fadvise_flags;
  };
  struct hit_set_get_t {
    ceph_timespec stamp;
  };
  struct tmap2omap_t {
    __u8 flags;
  };
  struct alloc_hint_t {
    ceph_le64 expected_object_size, expected_write_size;
    ceph_le32 flags;
  };
  struct writesame_t {
    ceph_le64 offset, length, data_length;
  };
  struct checksum_t {
    ceph_le64 offset, length;
    ceph_le32 chunk_size;
    __u8 type;
  };

  ceph_le16 op;
  ceph_le32 flags;
  union {
    extent_t extent;
    xattr_t xattr;
    cls_t cls;
    pgls_t pgls;
    snap_t snap;
    watch_t watch;
    notify_t notify;
    assert_ver_t assert_ver;
    clonerange_t clonerange;
    copy_get_t copy_get;
    copy_from_t copy_from;
    hit_set_get_t hit_set_get;
    tmap2omap_t tmap2omap;
    alloc_hint_t alloc_hint;
    writesame_t writesame;
    checksum_t checksum;
  };
  ceph_le32 payload_len;
};
static_assert(sizeof(ceph_osd_op) == 38 && alignof(ceph_osd_op) == 1, "it lies in memory as it travels");

#endif
