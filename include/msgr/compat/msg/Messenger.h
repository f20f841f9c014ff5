/* An endpoint with a name, addresses and connections. Ceph: msg/Messenger.h. */
#ifndef MSGR_COMPAT_MSG_MESSENGER_H
#define MSGR_COMPAT_MSG_MESSENGER_H

#include "../../messenger.hpp"
#include "../auth/Auth.h"
#include "../common/Cond.h"
#include "../common/Thread.h"
#include "../common/Throttle.h"
#include "../common/ceph_mutex.h"
#include "../include/Context.h"
#include "../include/ceph_features.h"
#include "../include/types.h"
#include "Dispatcher.h"
#include "Message.h"
#include "Policy.h"

using msgr::Messenger;

/* Priorities of sockets. */
#define SOCKET_PRIORITY_MIN_DELAY 6

#endif
