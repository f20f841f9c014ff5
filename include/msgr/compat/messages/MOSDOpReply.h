/* What came of a request. Ceph: messages/MOSDOpReply.h. */
#ifndef CEPH_MOSDOPREPLY_H
#define CEPH_MOSDOPREPLY_H

#include "MOSDOp.h"

class MOSDOpReply final : public Message {
  static constexpr int HEAD_VERSION = 8;
  static constexpr int COMPAT_VERSION = 2;

  object_t oid;
  pg_t pgid;
  std::vector<OSDOp> ops;
  /* The operations' data are in the message's. */
  bool bdata_encode = false;
  int64_t flags = 0;
  errorcode32_t result;
  eversion_t bad_replay_version;
  eversion_t replay_version;
  version_t user_version = 0;
  epoch_t osdmap_epoch = 0;
  int32_t retry_attempt = -1;
  bool do_redirect = false;
  request_redirect_t redirect;

public:
  MOSDOpReply() : Message(CEPH_MSG_OSD_OPREPLY, HEAD_VERSION, COMPAT_VERSION) {}
  MOSDOpReply(const MOSDOp *req, int r, epoch_t e, int acktype, bool ignore_out_data)
      : Message(CEPH_MSG_OSD_OPREPLY, HEAD_VERSION, COMPAT_VERSION), oid(req->hobj.oid), pgid(req->pgid.pgid),
        ops(req->ops), flags((req->flags & ~ACKS) | uint32_t(acktype)), result(r), osdmap_epoch(e),
        retry_attempt(req->get_retry_attempt()) {
    set_tid(req->get_tid());
    for (OSDOp &op : ops) {
      op.op.payload_len = 0;
      if (ignore_out_data)
        op.outdata.clear();
    }
  }

  const object_t &get_oid() const { return oid; }
  const pg_t &get_pg() const { return pgid; }
  int get_flags() const { return int(flags); }
  void add_flags(int f) { flags |= f; }
  bool is_ondisk() const { return (flags & CEPH_OSD_FLAG_ONDISK) != 0; }
  bool is_onnvram() const { return (flags & CEPH_OSD_FLAG_ONNVRAM) != 0; }
  int get_result() const { return result; }
  void set_result(int r) { result = r; }
  const eversion_t &get_replay_version() const { return replay_version; }
  const version_t &get_user_version() const { return user_version; }
  /* Old clients take `bad_replay_version` for the version that users see. */
  void set_reply_versions(eversion_t v, version_t uv) {
    replay_version = bad_replay_version = v;
    user_version = uv;
    if (uv != 0)
      bad_replay_version.version = uv;
  }
  /* Where nothing was written. */
  void set_enoent_reply_versions(const eversion_t &v, const version_t &uv) {
    bad_replay_version = v;
    user_version = uv;
  }
  void set_redirect(const request_redirect_t &to) { redirect = to; }
  const request_redirect_t &get_redirect() const { return redirect; }
  bool is_redirect_reply() const { return do_redirect; }
  int get_retry_attempt() const { return retry_attempt; }
  epoch_t get_map_epoch() const { return osdmap_epoch; }

  void claim_op_out_data(std::vector<OSDOp> &from) {
    assert(ops.size() == from.size());
    for (size_t i = 0; i < ops.size(); ++i)
      ops[i].outdata.claim(from[i].outdata);
  }
  void claim_ops(std::vector<OSDOp> &from) {
    ops.swap(from);
    bdata_encode = false;
  }
  void set_op_returns(const std::vector<std::pair<int, ceph::buffer::list>> &returns) {
    for (size_t i = 0; i < std::min(ops.size(), returns.size()); ++i) {
      ops[i].rval = returns[i].first;
      ops[i].outdata = returns[i].second;
    }
  }

  void encode_payload(uint64_t features) override {
    using ceph::encode;
    if (!bdata_encode) {
      OSDOp::merge_osd_op_vector_out_data(ops, data);
      bdata_encode = true;
    }
    do_redirect = !redirect.empty();
    encode(oid, payload);
    encode(pgid, payload);
    encode(flags, payload);
    encode(result, payload);
    encode(bad_replay_version, payload);
    encode(osdmap_epoch, payload);
    encode(uint32_t(ops.size()), payload);
    ceph::detail::encode_ops(ops, payload);
    encode(retry_attempt, payload);
    for (const OSDOp &op : ops)
      encode(op.rval, payload);
    encode(replay_version, payload);
    encode(user_version, payload);
    if (HAVE_FEATURE(features, NEW_OSDOPREPLY_ENCODING)) {
      header.version = HEAD_VERSION;
      encode(do_redirect, payload);
      if (do_redirect)
        encode(redirect, payload);
    } else {
      header.version = 6;
      encode(redirect, payload);
    }
    encode(blkin_trace_info(), payload);
  }

  void decode_payload() override {
    using ceph::decode;
    if (header.version < COMPAT_VERSION)
      throw ceph::buffer::malformed_input("an osd_op_reply of a version that is too old");
    auto p = payload.cbegin();
    decode(oid, p);
    decode(pgid, p);
    decode(flags, p);
    decode(result, p);
    decode(bad_replay_version, p);
    decode(osdmap_epoch, p);
    uint32_t count;
    decode(count, p);
    ceph::detail::decode_ops(count, ops, p);
    if (header.version >= 3)
      decode(retry_attempt, p);
    if (header.version >= 4) {
      for (OSDOp &op : ops)
        decode(op.rval, p);
      OSDOp::split_osd_op_vector_out_data(ops, data);
    }
    decode_versions(p);
    decode_redirect(p);
  }

  void clear_buffers() override {
    OSDOp::clear_data(ops);
    bdata_encode = false;
  }
  std::string_view get_type_name() const override { return "osd_op_reply"; }
  void print(std::ostream &out) const override {
    out << "osd_op_reply(" << get_tid() << ' ' << oid << ' ' << ops << " v" << replay_version << " uv" << user_version
        << (is_ondisk() ? " ondisk" : is_onnvram() ? " onnvram" : " ack") << " = " << get_result();
    if (get_result() < 0)
      out << " ((" << -get_result() << ") " << std::strerror(-get_result()) << ')';
    if (is_redirect_reply())
      out << " redirect: { " << redirect << " }";
    out << ')';
  }

private:
  static constexpr uint32_t ACKS = CEPH_OSD_FLAG_ONDISK | CEPH_OSD_FLAG_ONNVRAM | CEPH_OSD_FLAG_ACK;

  ~MOSDOpReply() final = default;

  void decode_versions(ceph::buffer::list::const_iterator &p) {
    if (header.version >= 5) {
      ceph::decode(replay_version, p);
      ceph::decode(user_version, p);
    } else {
      replay_version = bad_replay_version;
      user_version = replay_version.version;
    }
  }
  void decode_redirect(ceph::buffer::list::const_iterator &p) {
    if (header.version == 6) {
      ceph::decode(redirect, p);
      do_redirect = !redirect.empty();
    } else if (header.version >= 7) {
      ceph::decode(do_redirect, p);
      if (do_redirect)
        ceph::decode(redirect, p);
    }
    if (header.version >= 8) {
      blkin_trace_info trace;
      ceph::decode(trace, p);
    }
  }
};

inline const ceph::detail::KnownMessage<MOSDOpReply> mosdopreply_is_known(CEPH_MSG_OSD_OPREPLY);

#endif
