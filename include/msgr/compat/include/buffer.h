/* Bytes in counted pieces, under Ceph's names. Ceph: include/buffer.h. */
#ifndef CEPH_BUFFER_H
#define CEPH_BUFFER_H

#include "../../bufferlist.hpp"

namespace ceph {

namespace buffer = msgr::buffer;

using bufferptr = buffer::ptr;
using bufferlist = buffer::list;

} // namespace ceph

using ceph::bufferlist;
using ceph::bufferptr;

#endif
