/* Are you there? Ceph: messages/MPing.h. */
#ifndef CEPH_MPING_H
#define CEPH_MPING_H

#include "known_message.h"

class MPing final : public Message {
  static constexpr int HEAD_VERSION = 1;
  static constexpr int COMPAT_VERSION = 1;

public:
  MPing() : Message(CEPH_MSG_PING, HEAD_VERSION, COMPAT_VERSION) {}

  void decode_payload() override {}
  void encode_payload(uint64_t) override {}
  std::string_view get_type_name() const override { return "ping"; }

private:
  ~MPing() final = default;
};

inline const ceph::detail::KnownMessage<MPing> mping_is_known(CEPH_MSG_PING);

#endif
