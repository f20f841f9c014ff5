/* What a program is told of. Ceph: msg/Dispatcher.h. */
#ifndef MSGR_COMPAT_MSG_DISPATCHER_H
#define MSGR_COMPAT_MSG_DISPATCHER_H

#include "../../dispatcher.hpp"
#include "../common/ceph_context.h"
#include "Message.h"

using msgr::Dispatcher;

#endif
