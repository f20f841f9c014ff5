/* What came of it; what it has printed is the data. Ceph: messages/MCommandReply.h. */
#ifndef CEPH_MCOMMANDREPLY_H
#define CEPH_MCOMMANDREPLY_H

#include "MCommand.h"

class MCommandReply final : public Message {
public:
  errorcode32_t r;
  /* In words. */
  std::string rs;

  MCommandReply() : Message(MSG_COMMAND_REPLY) {}
  MCommandReply(const MCommand *m, int result) : Message(MSG_COMMAND_REPLY), r(result) { set_tid(m->get_tid()); }
  MCommandReply(int result, std::string_view said) : Message(MSG_COMMAND_REPLY), r(result), rs(said) {}

  void encode_payload(uint64_t) override {
    ceph::encode(r, payload);
    ceph::encode(rs, payload);
  }
  void decode_payload() override {
    auto p = payload.cbegin();
    ceph::decode(r, p);
    ceph::decode(rs, p);
  }
  std::string_view get_type_name() const override { return "command_reply"; }
  void print(std::ostream &out) const override {
    out << "command_reply(tid " << get_tid() << ": " << int(r) << ' ' << rs << ')';
  }

private:
  ~MCommandReply() final = default;
};

inline const ceph::detail::KnownMessage<MCommandReply> mcommandreply_is_known(MSG_COMMAND_REPLY);

#endif
