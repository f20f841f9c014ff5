/* What messengers share: options and worker threads. Ceph: common/ceph_context.h. */
#ifndef MSGR_COMPAT_COMMON_CEPH_CONTEXT_H
#define MSGR_COMPAT_COMMON_CEPH_CONTEXT_H

#include "../../context.hpp"
#include "../include/common_fwd.h"
#include "code_environment.h"
#include "config.h"
#include "ref.h"

#endif
