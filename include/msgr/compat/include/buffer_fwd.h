/* The names of buffer.h. Ceph: include/buffer_fwd.h. */
#ifndef CEPH_BUFFER_FWD_H
#define CEPH_BUFFER_FWD_H

#include "buffer.h"

#endif
