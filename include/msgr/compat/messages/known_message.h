/* Who includes the header of a message gets such messages as objects of its class. Ceph: decode_message, which knows
 * all classes. */
#ifndef CEPH_KNOWN_MESSAGE_H
#define CEPH_KNOWN_MESSAGE_H

#include "../include/types.h"
#include "../include/utime.h"
#include "../msg/Message.h"

namespace ceph {
namespace detail {
template <class T> struct KnownMessage {
  explicit KnownMessage(int type) { msgr::register_message<T>(type); }
};
} // namespace detail
} // namespace ceph

#endif
