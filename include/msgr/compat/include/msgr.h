/* Constants of the messenger protocol. Ceph: include/msgr.h, whose structures msgr's own headers replace. */
#ifndef CEPH_MSGR_H
#define CEPH_MSGR_H

#include "byteorder.h"

#define CEPH_ENTITY_TYPE_MON 0x01
#define CEPH_ENTITY_TYPE_MDS 0x02
#define CEPH_ENTITY_TYPE_OSD 0x04
#define CEPH_ENTITY_TYPE_CLIENT 0x08
#define CEPH_ENTITY_TYPE_MGR 0x10
#define CEPH_ENTITY_TYPE_AUTH 0x20
#define CEPH_ENTITY_TYPE_ANY 0xFF

#define CEPH_MSG_PRIO_LOW 64
#define CEPH_MSG_PRIO_DEFAULT 127
#define CEPH_MSG_PRIO_HIGH 196
#define CEPH_MSG_PRIO_HIGHEST 255

#define CEPH_MON_PORT_LEGACY 6789
#define CEPH_MON_PORT_IANA 3300

/* The numbers of the three protocols that daemons may speak with each other. */
#define CEPH_OSD_PROTOCOL 10
#define CEPH_MDS_PROTOCOL 36
#define CEPH_MON_PROTOCOL 13
#define CEPH_OSDC_PROTOCOL 24
#define CEPH_MDSC_PROTOCOL 32
#define CEPH_MONC_PROTOCOL 15

#endif
