/* Objects that are counted. Ceph: common/RefCountedObj.h. */
#ifndef MSGR_COMPAT_COMMON_REFCOUNTEDOBJ_H
#define MSGR_COMPAT_COMMON_REFCOUNTEDOBJ_H

#include "ref.h"

using msgr::RefCountedObject;
using RefCountedPtr = ceph::ref_t<RefCountedObject>;

#endif
