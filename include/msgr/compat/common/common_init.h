/* Before and after a program's options are known. Ceph: common/common_init.h. */
#ifndef MSGR_COMPAT_COMMON_COMMON_INIT_H
#define MSGR_COMPAT_COMMON_COMMON_INIT_H

#include "ceph_context.h"

/* What global_init may be told. Here the second is obeyed: no configuration file but one that an argument names. */
enum common_init_flags_t {
  CINIT_FLAG_UNPRIVILEGED_DAEMON_DEFAULTS = 0x1,
  CINIT_FLAG_NO_DEFAULT_CONFIG_FILE = 0x2,
  CINIT_FLAG_NO_CLOSE_STDERR = 0x4,
  CINIT_FLAG_NO_DAEMON_ACTIONS = 0x8,
  CINIT_FLAG_DEFER_DROP_PRIVILEGES = 0x10,
  CINIT_FLAG_NO_MON_CONFIG = 0x20,
  CINIT_FLAG_NO_CCT_PERF_COUNTERS = 0x40
};

/* Once the program's arguments have been read: observers hear of what they have set. */
inline void common_init_finish(CephContext *cct) { cct->_conf.apply_changes(nullptr); }

#endif
