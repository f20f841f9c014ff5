/* The same for the context of the program. Ceph: common/debug.h. */
#ifndef MSGR_COMPAT_COMMON_DEBUG_H
#define MSGR_COMPAT_COMMON_DEBUG_H

#include "dout.h"

#define dout(v) ldout((dout_context), (v))
#define derr lderr((dout_context))
#define generic_dout(v) lgeneric_dout((dout_context), (v))
#define generic_derr lgeneric_derr((dout_context))
#define dlog_p1(sub, level) ldlog_p1((dout_context), (sub), (level))

#endif
