/* Names that everybody knows. Ceph: include/common_fwd.h. */
#ifndef MSGR_COMPAT_INCLUDE_COMMON_FWD_H
#define MSGR_COMPAT_INCLUDE_COMMON_FWD_H

#include "../../context.hpp"

namespace ceph {
namespace common {
using msgr::CephContext;
} // namespace common
} // namespace ceph
using msgr::CephContext;

#endif
