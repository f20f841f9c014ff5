/* What an error number means. Ceph: common/errno.h. */
#ifndef MSGR_COMPAT_COMMON_ERRNO_H
#define MSGR_COMPAT_COMMON_ERRNO_H

#include <string>
#include <system_error>

/* "(2) No such file or directory"; the sign does not matter. */
inline std::string cpp_strerror(int error) {
  const int number = error < 0 ? -error : error;
  return "(" + std::to_string(number) + ") " + std::generic_category().message(number);
}

#endif
