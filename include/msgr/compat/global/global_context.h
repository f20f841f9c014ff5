/* The one context of a program. Ceph: global/global_context.h. */
#ifndef MSGR_COMPAT_GLOBAL_GLOBAL_CONTEXT_H
#define MSGR_COMPAT_GLOBAL_GLOBAL_CONTEXT_H

#include "../common/ceph_context.h"

/* What global_init has made. It is lent: who called that holds it. */
inline CephContext *g_ceph_context = nullptr;
inline ConfigProxy &g_conf() { return g_ceph_context->_conf; }

#endif
