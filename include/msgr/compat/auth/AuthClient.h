/* The end of an authentication that dials. Ceph: auth/AuthClient.h. */
#ifndef MSGR_COMPAT_AUTH_AUTHCLIENT_H
#define MSGR_COMPAT_AUTH_AUTHCLIENT_H

#include "../../auth.hpp"
#include "Auth.h"

using msgr::AuthClient;

#endif
