/* Pointers that hold a message. Ceph: msg/MessageRef.h. */
#ifndef MSGR_COMPAT_MSG_MESSAGEREF_H
#define MSGR_COMPAT_MSG_MESSAGEREF_H

#include "../../connection.hpp"
#include "../common/ref.h"

using msgr::Message;
using msgr::MessageConstRef;
using msgr::MessageRef;

#endif
