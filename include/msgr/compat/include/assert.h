/* The same under its older name. Ceph: include/assert.h. */
#include "ceph_assert.h"

/* Whoever includes <cassert> later has its assert again. */
#ifdef assert
#undef assert
#endif
#define assert(condition) ceph_assert(condition)
#define assert_warn(condition) ((condition) ? 0 : std::fprintf(stderr, "WARNING: %s\n", #condition))
