/* What kind of program it is. Ceph: common/code_environment.h. */
#ifndef MSGR_COMPAT_COMMON_CODE_ENVIRONMENT_H
#define MSGR_COMPAT_COMMON_CODE_ENVIRONMENT_H

enum code_environment_t {
  CODE_ENVIRONMENT_UTILITY = 0,
  CODE_ENVIRONMENT_DAEMON = 1,
  CODE_ENVIRONMENT_LIBRARY = 2,
  CODE_ENVIRONMENT_UTILITY_NODOUT = 3
};

#endif
