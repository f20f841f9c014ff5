/* A connection to one peer. Ceph: msg/Connection.h. */
#ifndef MSGR_COMPAT_MSG_CONNECTION_H
#define MSGR_COMPAT_MSG_CONNECTION_H

#include "../../connection.hpp"
#include "../common/RefCountedObj.h"
#include "../include/buffer.h"
#include "msg_types.h"

using msgr::Connection;
using msgr::ConnectionConstRef;
using msgr::ConnectionRef;

#endif
