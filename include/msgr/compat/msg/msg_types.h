/* Who takes part, and where: Ceph's names. Ceph: msg/msg_types.h, include/msgr.h. */
#ifndef MSGR_COMPAT_MSG_MSG_TYPES_H
#define MSGR_COMPAT_MSG_MSG_TYPES_H

#include "../../entity_addr.hpp"
#include "../include/msgr.h"

using msgr::entity_addr_t;
using msgr::entity_addrvec_t;
using msgr::entity_inst_t;
using msgr::entity_name_t;

/* "osd" for CEPH_ENTITY_TYPE_OSD. */
inline const char *ceph_entity_type_name(int type) {
  return type == CEPH_ENTITY_TYPE_AUTH ? "auth" : msgr::entity_type_name(type);
}

#endif
