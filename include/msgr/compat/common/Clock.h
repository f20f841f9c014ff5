/* What time it is. Ceph: common/Clock.h. */
#ifndef MSGR_COMPAT_COMMON_CLOCK_H
#define MSGR_COMPAT_COMMON_CLOCK_H

#include "../include/utime.h"

inline utime_t ceph_clock_now() { return utime_t::now(); }
/* As older code asks. */
template <class Context> utime_t ceph_clock_now(Context *) { return utime_t::now(); }

#endif
