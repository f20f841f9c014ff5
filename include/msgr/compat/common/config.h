/* Options. Ceph: common/config.h, common/config_proxy.h, common/config_obs.h. */
#ifndef MSGR_COMPAT_COMMON_CONFIG_H
#define MSGR_COMPAT_COMMON_CONFIG_H

#include "../../config.hpp"

namespace ceph {
namespace common {
using msgr::ConfigProxy;
} // namespace common
} // namespace ceph
using msgr::ConfigProxy;
using msgr::ConfigValues;
using msgr::md_config_obs_t;

#endif
