/* Methods and modes that the options allow. Ceph: auth/AuthRegistry.h. */
#ifndef MSGR_COMPAT_AUTH_AUTHREGISTRY_H
#define MSGR_COMPAT_AUTH_AUTHREGISTRY_H

#include "../../auth_registry.hpp"
#include "../common/ceph_context.h"

using msgr::AuthRegistry;

#endif
