/* A message, and the numbers of Ceph's own. Ceph: msg/Message.h. */
#ifndef MSGR_COMPAT_MSG_MESSAGE_H
#define MSGR_COMPAT_MSG_MESSAGE_H

#include "../../message.hpp"
#include "../common/debug.h"
#include "../include/Context.h"
#include "Connection.h"
#include "MessageRef.h"
#include "message_types.h"

/* A message that can be read without its connection. */
using SafeMessage = msgr::Message;

namespace ceph {
using msgr::make_message;
} // namespace ceph

#endif
