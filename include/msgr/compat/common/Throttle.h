/* A budget that messengers and threads share. Ceph: common/Throttle.h. */
#ifndef MSGR_COMPAT_COMMON_THROTTLE_H
#define MSGR_COMPAT_COMMON_THROTTLE_H

#include "../../throttle.hpp"
#include "ceph_context.h"

using msgr::Throttle;

#endif
