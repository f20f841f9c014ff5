/* What OSDs dispatch by placement group, at once. Ceph: messages/MOSDFastDispatchOp.h. */
#ifndef CEPH_MOSDFASTDISPATCHOP_H
#define CEPH_MOSDFASTDISPATCHOP_H

#include "../osd/osd_types.h"
#include "known_message.h"

class MOSDFastDispatchOp : public Message {
public:
  MOSDFastDispatchOp(int type, int version, int compat_version) : Message(type, version, compat_version) {}
  virtual epoch_t get_map_epoch() const = 0;
  virtual epoch_t get_min_epoch() const { return get_map_epoch(); }
  virtual spg_t get_spg() const = 0;

protected:
  ~MOSDFastDispatchOp() override = default;
};

#endif
