/* Where a message belongs in a trace of Zipkin's. msgr traces nothing: the place of it on the wire is filled with 0 and
 * passed over. Ceph: common/zipkin_trace.h. */
#ifndef COMMON_ZIPKIN_TRACE_H
#define COMMON_ZIPKIN_TRACE_H

#include "../include/encoding.h"

struct blkin_trace_info {
  int64_t trace_id = 0, span_id = 0, parent_span_id = 0;

  void encode(ceph::buffer::list &bl) const {
    ceph::encode(trace_id, bl);
    ceph::encode(span_id, bl);
    ceph::encode(parent_span_id, bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    ceph::decode(trace_id, p);
    ceph::decode(span_id, p);
    ceph::decode(parent_span_id, p);
  }
};
WRITE_CLASS_ENCODER(blkin_trace_info)

#endif
