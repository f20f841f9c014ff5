/* A ping with something in it. Ceph: messages/MDataPing.h. */
#ifndef CEPH_MDATAPING_H
#define CEPH_MDATAPING_H

#include "known_message.h"

class MDataPing final : public Message {
  static constexpr int HEAD_VERSION = 1;
  static constexpr int COMPAT_VERSION = 1;

public:
  std::string tag;
  uint32_t counter = 0;

  MDataPing() : Message(MSG_DATA_PING, HEAD_VERSION, COMPAT_VERSION) {}

  void decode_payload() override {
    auto p = payload.cbegin();
    ceph::decode(tag, p);
    ceph::decode(counter, p);
  }
  void encode_payload(uint64_t) override {
    ceph::encode(tag, payload);
    ceph::encode(counter, payload);
  }
  std::string_view get_type_name() const override { return "data_ping"; }
  void print(std::ostream &out) const override { out << get_type_name() << ' ' << tag << ' ' << counter; }

private:
  ~MDataPing() final = default;
};

inline const ceph::detail::KnownMessage<MDataPing> mdataping_is_known(MSG_DATA_PING);

#endif
