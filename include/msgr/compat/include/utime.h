/* A point or a span of time, as it is on the wire. Ceph: include/utime.h. */
#ifndef MSGR_COMPAT_INCLUDE_UTIME_H
#define MSGR_COMPAT_INCLUDE_UTIME_H

#include "../../time.hpp"

using msgr::utime_t;

#endif
