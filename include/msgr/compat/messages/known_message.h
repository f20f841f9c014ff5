/* Who includes the header of a message gets such messages as objects of its class. Ceph: decode_message, which knows
 * all classes. */
#ifndef CEPH_KNOWN_MESSAGE_H
#define CEPH_KNOWN_MESSAGE_H

#include "../../message.hpp"
#include "../include/ceph_fs.h"
#include "../include/types.h"

using msgr::Message;
using msgr::utime_t;

namespace ceph {
namespace detail {
template <class T> struct KnownMessage {
  explicit KnownMessage(int type) { msgr::register_message<T>(type); }
};
} // namespace detail
} // namespace ceph

#endif
