/* A client's request to an OSD: operations on one object. Ceph: messages/MOSDOp.h. */
#ifndef CEPH_MOSDOP_H
#define CEPH_MOSDOP_H

#include <atomic>

#include "../common/zipkin_trace.h"
#include "../include/ceph_features.h"
#include "MOSDFastDispatchOp.h"

/*
 * What comes is decoded in two steps, as in Ceph: at once as much as is needed to pass it on to the thread that has its
 * placement group, and the rest when that thread calls finish_decode. Until then the object, the operations and what
 * else is said to be below must not be asked for.
 */
class MOSDOp final : public MOSDFastDispatchOp {
  static constexpr int HEAD_VERSION = 8;
  static constexpr int COMPAT_VERSION = 3;

  uint32_t client_inc = 0;
  epoch_t osdmap_epoch = 0;
  uint32_t flags = 0;
  utime_t mtime;
  /* 0 is the first attempt, -1 not known. */
  int32_t retry_attempt = -1;
  hobject_t hobj;
  spg_t pgid;
  ceph::buffer::list::const_iterator p;
  std::atomic<bool> partial_decode_needed{false};
  std::atomic<bool> final_decode_needed{false};

public:
  std::vector<OSDOp> ops;

private:
  snapid_t snap_seq;
  std::vector<snapid_t> snaps;
  uint64_t features = 0;
  /* The operations' data are in the message's. */
  bool bdata_encode = false;
  /* If the sender has set it. */
  osd_reqid_t reqid;

  friend class MOSDOpReply;

  bool has_reqid() const { return reqid.name != entity_name_t() || reqid.tid != 0; }

public:
  MOSDOp()
      : MOSDFastDispatchOp(CEPH_MSG_OSD_OP, HEAD_VERSION, COMPAT_VERSION), partial_decode_needed(true),
        final_decode_needed(true) {}
  MOSDOp(int inc, long tid, const hobject_t &o, const spg_t &pg, epoch_t epoch, int f, uint64_t feat)
      : MOSDFastDispatchOp(CEPH_MSG_OSD_OP, HEAD_VERSION, COMPAT_VERSION), client_inc(uint32_t(inc)),
        osdmap_epoch(epoch), flags(uint32_t(f)), hobj(o), pgid(pg), features(feat) {
    set_tid(uint64_t(tid));
    /* For get_reqid before it is decoded as a whole. */
    reqid.inc = inc;
  }

  uint64_t get_client_tid() const { return header.tid; }
  void set_snapid(const snapid_t &s) { hobj.snap = s; }
  void set_snaps(const std::vector<snapid_t> &s) { snaps = s; }
  void set_snap_seq(const snapid_t &s) { snap_seq = s; }
  void set_reqid(const osd_reqid_t &r) { reqid = r; }
  void set_spg(const spg_t &pg) { pgid = pg; }
  void set_mtime(utime_t t) { mtime = t; }
  template <class Clock, class Unit> void set_mtime(std::chrono::time_point<Clock, Unit> t) {
    using std::chrono::nanoseconds;
    mtime = utime_t::from_ns(uint64_t(std::chrono::duration_cast<nanoseconds>(t.time_since_epoch()).count()));
  }

  /* These are there at once. */
  pg_t get_pg() const { return get_spg().pgid; }
  spg_t get_spg() const override {
    assert(!partial_decode_needed);
    return pgid;
  }
  pg_t get_raw_pg() const {
    assert(!partial_decode_needed);
    return pg_t(hobj.get_hash(), pgid.pool());
  }
  epoch_t get_map_epoch() const override {
    assert(!partial_decode_needed);
    return osdmap_epoch;
  }
  int get_flags() const {
    assert(!partial_decode_needed);
    return int(flags);
  }
  bool has_flag(uint32_t flag) const { return (flags & flag) != 0; }
  osd_reqid_t get_reqid() const {
    assert(!partial_decode_needed);
    return has_reqid() ? reqid : osd_reqid_t(get_orig_source(), reqid.inc, header.tid);
  }

  /* And these below after finish_decode. */
  int get_client_inc() const {
    assert(!final_decode_needed);
    return int(client_inc);
  }
  utime_t get_mtime() const {
    assert(!final_decode_needed);
    return mtime;
  }
  object_locator_t get_object_locator() const {
    assert(!final_decode_needed);
    return hobj.oid.name.empty() ? object_locator_t(hobj.pool, hobj.nspace, int64_t(hobj.get_hash()))
                                 : object_locator_t(hobj);
  }
  const object_t &get_oid() const {
    assert(!final_decode_needed);
    return hobj.oid;
  }
  const hobject_t &get_hobj() const { return hobj; }
  snapid_t get_snapid() const {
    assert(!final_decode_needed);
    return hobj.snap;
  }
  const snapid_t &get_snap_seq() const {
    assert(!final_decode_needed);
    return snap_seq;
  }
  const std::vector<snapid_t> &get_snaps() const {
    assert(!final_decode_needed);
    return snaps;
  }
  int get_retry_attempt() const { return retry_attempt; }
  bool is_retry_attempt() const { return has_flag(CEPH_OSD_FLAG_RETRY); }
  void set_retry_attempt(unsigned a) {
    flags = a == 0 ? flags & ~uint32_t(CEPH_OSD_FLAG_RETRY) : flags | CEPH_OSD_FLAG_RETRY;
    retry_attempt = int32_t(a);
  }
  /* What the client understands. */
  uint64_t get_features() const { return features != 0 ? features : get_connection()->get_features(); }

  void add_simple_op(int op, uint64_t off, uint64_t len) {
    OSDOp &added = ops.emplace_back();
    added.op.op = uint16_t(op);
    added.op.extent.offset = off;
    added.op.extent.length = len;
  }
  /* Takes the bytes, which are no operation's but the message's. */
  void write(uint64_t off, uint64_t len, ceph::buffer::list &bl) {
    add_simple_op(CEPH_OSD_OP_WRITE, off, len);
    data.claim(bl);
    header.data_off = uint16_t(off);
  }
  void writefull(ceph::buffer::list &bl) {
    add_simple_op(CEPH_OSD_OP_WRITEFULL, 0, bl.length());
    data.claim(bl);
    header.data_off = 0;
  }
  void zero(uint64_t off, uint64_t len) { add_simple_op(CEPH_OSD_OP_ZERO, off, len); }
  void truncate(uint64_t off) { add_simple_op(CEPH_OSD_OP_TRUNCATE, off, 0); }
  void remove() { add_simple_op(CEPH_OSD_OP_DELETE, 0, 0); }
  void read(uint64_t off, uint64_t len) { add_simple_op(CEPH_OSD_OP_READ, off, len); }
  void stat() { add_simple_op(CEPH_OSD_OP_STAT, 0, 0); }

  void encode_payload(uint64_t peer_features) override {
    if (!bdata_encode) {
      OSDOp::merge_osd_op_vector_in_data(ops, data);
      bdata_encode = true;
    }
    if (!HAVE_FEATURE(peer_features, NEW_OSDOP_ENCODING)) {
      header.version = 6;
      encode_v6(peer_features);
    } else if (!HAVE_FEATURE(peer_features, RESEND_ON_SPLIT)) {
      header.version = 7;
      encode_head_v7();
      encode_rest(peer_features);
    } else {
      header.version = HEAD_VERSION;
      encode_head();
      encode_rest(peer_features);
    }
  }

  void decode_payload() override {
    p = payload.cbegin();
    if (header.version >= HEAD_VERSION)
      decode_head();
    else if (header.version == 7)
      decode_head_v7();
    else if (header.version >= COMPAT_VERSION)
      decode_v6();
    else
      throw ceph::buffer::malformed_input("an osd_op of a version that is too old");
    partial_decode_needed = false;
  }
  /* False if it was decoded already. Throws ceph::buffer::error for bytes that are no request. */
  bool finish_decode() {
    assert(!partial_decode_needed);
    if (!final_decode_needed)
      return false;
    using ceph::decode;
    object_locator_t oloc;
    decode(client_inc, p);
    decode(mtime, p);
    decode(oloc, p);
    decode(hobj.oid, p);
    decode_ops();
    decode(hobj.snap, p);
    decode(snap_seq, p);
    decode(snaps, p);
    decode(retry_attempt, p);
    decode(features, p);
    decoded(oloc);
    return true;
  }

  void clear_buffers() override {
    OSDOp::clear_data(ops);
    bdata_encode = false;
  }
  std::string_view get_type_name() const override { return "osd_op"; }
  void print(std::ostream &out) const override {
    out << "osd_op(";
    if (!partial_decode_needed) {
      out << get_reqid() << ' ' << pgid << ' ';
      if (final_decode_needed)
        out << get_raw_pg() << " (undecoded)";
      else
        print_object(out);
      out << ' ' << ceph_osd_flag_string(flags) << " e" << osdmap_epoch;
    }
    out << ')';
  }

private:
  ~MOSDOp() final = default;

  void print_object(std::ostream &out) const {
    out << hobj << ' ' << ops << " snapc " << snap_seq << "=[";
    for (size_t i = 0; i < snaps.size(); ++i)
      out << (i == 0 ? "" : ",") << snaps[i];
    out << ']';
    if (is_retry_attempt())
      out << " RETRY=" << retry_attempt;
  }

  void encode_ops() {
    ceph::encode(uint16_t(ops.size()), payload);
    ceph::detail::encode_ops(ops, payload);
  }
  void decode_ops() {
    uint16_t count;
    ceph::decode(count, p);
    ceph::detail::decode_ops(count, ops, p);
  }

  void encode_head() {
    using ceph::encode;
    encode(pgid, payload);
    encode(hobj.get_hash(), payload);
    encode(osdmap_epoch, payload);
    encode(flags, payload);
    encode(reqid, payload);
    encode(blkin_trace_info(), payload);
  }
  void decode_head() {
    using ceph::decode;
    uint32_t hash;
    blkin_trace_info trace;
    decode(pgid, p);
    decode(hash, p);
    hobj.set_hash(hash);
    decode(osdmap_epoch, p);
    decode(flags, p);
    decode(reqid, p);
    decode(trace, p);
  }
  /* Where the hash was the group's, and there was a version that was to be repeated. */
  void encode_head_v7() {
    using ceph::encode;
    encode(get_raw_pg(), payload);
    encode(osdmap_epoch, payload);
    encode(flags, payload);
    encode(eversion_t(), payload);
    encode(reqid, payload);
  }
  void decode_head_v7() {
    using ceph::decode;
    eversion_t reassert_version;
    decode(pgid.pgid, p);
    hobj.set_hash(pgid.ps());
    decode(osdmap_epoch, p);
    decode(flags, p);
    decode(reassert_version, p);
    decode(reqid, p);
  }
  void encode_rest(uint64_t peer_features) {
    using ceph::encode;
    encode(client_inc, payload);
    encode(mtime, payload);
    encode(get_object_locator(), payload);
    encode(hobj.oid, payload);
    encode_ops();
    encode_snaps(peer_features);
  }
  void encode_snaps(uint64_t peer_features) {
    using ceph::encode;
    encode(hobj.snap, payload);
    encode(snap_seq, payload);
    encode(snaps, payload);
    encode(retry_attempt, payload);
    encode(peer_features, payload);
  }

  void encode_v6(uint64_t peer_features) {
    using ceph::encode;
    encode(client_inc, payload);
    encode(osdmap_epoch, payload);
    encode(flags, payload);
    encode(mtime, payload);
    encode(eversion_t(), payload);
    encode(get_object_locator(), payload);
    encode(get_raw_pg(), payload);
    encode(hobj.oid, payload);
    encode_ops();
    encode_snaps(peer_features);
    /* A reqid with nothing but an incarnation would confuse who reads this version. */
    encode(has_reqid() ? reqid : osd_reqid_t(), payload);
  }
  /* From 3 to 6, all at once. */
  void decode_v6() {
    using ceph::decode;
    eversion_t reassert_version;
    object_locator_t oloc;
    decode(client_inc, p);
    decode(osdmap_epoch, p);
    decode(flags, p);
    decode(mtime, p);
    decode(reassert_version, p);
    decode(oloc, p);
    decode(pgid.pgid, p);
    hobj.set_hash(pgid.ps());
    decode(hobj.oid, p);
    decode_ops();
    decode(hobj.snap, p);
    decode(snap_seq, p);
    decode(snaps, p);
    if (header.version >= 4)
      decode(retry_attempt, p);
    if (header.version >= 5)
      decode(features, p);
    if (header.version >= 6)
      decode(reqid, p);
    if (!has_reqid())
      reqid.inc = int32_t(client_inc);
    decoded(oloc);
  }
  void decoded(const object_locator_t &oloc) {
    hobj.pool = int64_t(pgid.pool());
    hobj.set_key(oloc.key);
    hobj.nspace = oloc.nspace;
    OSDOp::split_osd_op_vector_in_data(ops, data);
    final_decode_needed = false;
  }
};

inline const ceph::detail::KnownMessage<MOSDOp> mosdop_is_known(CEPH_MSG_OSD_OP);

#endif
