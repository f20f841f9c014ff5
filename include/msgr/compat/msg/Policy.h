/* The rules for connections with one kind of peer. Ceph: msg/Policy.h. */
#ifndef MSGR_COMPAT_MSG_POLICY_H
#define MSGR_COMPAT_MSG_POLICY_H

#include "../../policy.hpp"

namespace ceph {
namespace net {
using Policy = msgr::Policy;
} // namespace net
} // namespace ceph

#endif
