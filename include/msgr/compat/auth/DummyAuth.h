/* Everybody is let in and nothing is proved. Ceph: auth/DummyAuth.h. */
#ifndef MSGR_COMPAT_AUTH_DUMMYAUTH_H
#define MSGR_COMPAT_AUTH_DUMMYAUTH_H

#include "AuthClient.h"
#include "AuthServer.h"

using msgr::DummyAuthClientServer;

#endif
