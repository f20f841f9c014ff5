/* What an operator tells a daemon that is no monitor to do. Ceph: messages/MCommand.h. */
#ifndef CEPH_MCOMMAND_H
#define CEPH_MCOMMAND_H

#include "known_message.h"

class MCommand final : public Message {
public:
  uuid_d fsid;
  /* JSON, in as many pieces as one likes. */
  std::vector<std::string> cmd;

  MCommand() : Message(MSG_COMMAND) {}
  explicit MCommand(const uuid_d &f) : Message(MSG_COMMAND), fsid(f) {}

  void encode_payload(uint64_t) override {
    ceph::encode(fsid, payload);
    ceph::encode(cmd, payload);
  }
  void decode_payload() override {
    auto p = payload.cbegin();
    ceph::decode(fsid, p);
    ceph::decode(cmd, p);
  }
  std::string_view get_type_name() const override { return "command"; }
  void print(std::ostream &out) const override {
    out << "command(tid " << get_tid() << ": ";
    for (const std::string &word : cmd)
      out << (&word == &cmd.front() ? "" : " ") << word;
    out << ')';
  }

private:
  ~MCommand() final = default;
};

inline const ceph::detail::KnownMessage<MCommand> mcommand_is_known(MSG_COMMAND);

#endif
