/* What both ends of an authentication know. Ceph: auth/Auth.h. */
#ifndef MSGR_COMPAT_AUTH_AUTH_H
#define MSGR_COMPAT_AUTH_AUTH_H

#include "../../connection.hpp"
#include "../include/ceph_fs.h"
#include "../msg/msg_types.h"

using msgr::AuthConnectionMeta;

#endif
