/* What messages to and from OSDs are made of. Ceph: osd/osd_types.h, as far as requests of clients need it. */
#ifndef CEPH_OSD_TYPES_H
#define CEPH_OSD_TYPES_H

#include <cassert>
#include <sstream>

#include "../common/hobject.h"
#include "../include/types.h"
#include "../msg/msg_types.h"

/* The hash that says in which placement group an object is. */
typedef uint32_t ps_t;

/* Which request that is: who asks, in which life of its, and the how manieth. */
struct osd_reqid_t {
  entity_name_t name;
  ceph_tid_t tid = 0;
  int32_t inc = 0;

  osd_reqid_t() = default;
  osd_reqid_t(const entity_name_t &n, int32_t i, ceph_tid_t t) : name(n), tid(t), inc(i) {}

  void encode(ceph::buffer::list &bl) const {
    ENCODE_START(2, 2, bl);
    encode(name, bl);
    encode(tid, bl);
    encode(inc, bl);
    ENCODE_FINISH(bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    DECODE_START_LEGACY_COMPAT_LEN(2, 2, 2, p);
    decode(name, p);
    decode(tid, p);
    decode(inc, p);
    DECODE_FINISH(p);
  }

  friend bool operator==(const osd_reqid_t &a, const osd_reqid_t &b) { return a.order() == b.order(); }
  friend bool operator!=(const osd_reqid_t &a, const osd_reqid_t &b) { return !(a == b); }
  friend bool operator<(const osd_reqid_t &a, const osd_reqid_t &b) { return a.order() < b.order(); }
  friend std::ostream &operator<<(std::ostream &out, const osd_reqid_t &r) {
    return out << r.name << '.' << r.inc << ':' << r.tid;
  }

private:
  std::tuple<const entity_name_t &, int32_t, ceph_tid_t> order() const { return {name, inc, tid}; }
};
WRITE_CLASS_ENCODER(osd_reqid_t)

/* Where an object is to be: a pool and a namespace, and the hash or what it is made of if that is not the name. */
struct object_locator_t {
  int64_t pool = -1;
  std::string key;
  std::string nspace;
  int64_t hash = -1;

  object_locator_t() = default;
  explicit object_locator_t(int64_t po) : pool(po) {}
  explicit object_locator_t(int64_t po, int64_t ps) : pool(po), hash(ps) {}
  explicit object_locator_t(int64_t po, std::string_view ns) : pool(po), nspace(ns) {}
  explicit object_locator_t(int64_t po, std::string_view ns, int64_t ps) : pool(po), nspace(ns), hash(ps) {}
  explicit object_locator_t(int64_t po, std::string_view ns, std::string_view k) : pool(po), key(k), nspace(ns) {}
  explicit object_locator_t(const hobject_t &o) : pool(o.pool), key(o.get_key()), nspace(o.nspace) {}

  int64_t get_pool() const { return pool; }
  void clear() { *this = object_locator_t(); }
  bool empty() const { return pool == -1; }

  void encode(ceph::buffer::list &bl) const {
    assert(hash == -1 || key.empty());
    ENCODE_START(6, 3, bl);
    encode(pool, bl);
    /* There was once an OSD that was preferred. */
    encode(int32_t(-1), bl);
    encode(key, bl);
    encode(nspace, bl);
    encode(hash, bl);
    /* Who cannot read a hash would look in the wrong place. */
    ENCODE_FINISH_NEW_COMPAT(bl, hash == -1 ? 3 : 6);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    DECODE_START_LEGACY_COMPAT_LEN(6, 3, 3, p);
    if (struct_v < 2) {
      int32_t old_pool;
      decode(old_pool, p);
      pool = old_pool;
      p += sizeof(int16_t);
    } else {
      decode(pool, p);
      p += sizeof(int32_t);
    }
    decode(key, p);
    nspace.clear();
    if (struct_v >= 5)
      decode(nspace, p);
    hash = -1;
    if (struct_v >= 6)
      decode(hash, p);
    DECODE_FINISH(p);
    if (hash != -1 && !key.empty())
      throw ceph::buffer::malformed_input("an object has both a key and a hash");
  }

  friend bool operator==(const object_locator_t &a, const object_locator_t &b) {
    return a.pool == b.pool && a.key == b.key && a.nspace == b.nspace && a.hash == b.hash;
  }
  friend bool operator!=(const object_locator_t &a, const object_locator_t &b) { return !(a == b); }
  friend std::ostream &operator<<(std::ostream &out, const object_locator_t &l) {
    out << '@' << l.pool;
    if (!l.nspace.empty())
      out << ';' << l.nspace;
    if (!l.key.empty())
      out << ':' << l.key;
    return out;
  }
};
WRITE_CLASS_ENCODER(object_locator_t)

/* Ask for it there instead. */
struct request_redirect_t {
private:
  object_locator_t redirect_locator;
  /* Another name, unless it is empty. */
  std::string redirect_object;

public:
  request_redirect_t() = default;
  explicit request_redirect_t(const object_locator_t &to) : redirect_locator(to) {}
  explicit request_redirect_t(const object_locator_t &orig, int64_t pool) : redirect_locator(orig) {
    redirect_locator.pool = pool;
  }
  explicit request_redirect_t(const object_locator_t &orig, const std::string &object)
      : redirect_locator(orig), redirect_object(object) {}

  bool empty() const { return redirect_locator.empty() && redirect_object.empty(); }
  void combine_with_locator(object_locator_t &orig, std::string &object) const {
    orig = redirect_locator;
    if (!redirect_object.empty())
      object = redirect_object;
  }

  void encode(ceph::buffer::list &bl) const {
    ENCODE_START(1, 1, bl);
    encode(redirect_locator, bl);
    encode(redirect_object, bl);
    /* The length of instructions that nobody gives any more. */
    encode(uint32_t(0), bl);
    ENCODE_FINISH(bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    DECODE_START(1, p);
    decode(redirect_locator, p);
    decode(redirect_object, p);
    uint32_t instructions_len;
    decode(instructions_len, p);
    p += instructions_len;
    DECODE_FINISH(p);
  }
  friend std::ostream &operator<<(std::ostream &out, const request_redirect_t &r) {
    return out << "object " << r.redirect_object << ", locator{" << r.redirect_locator << '}';
  }
};
WRITE_CLASS_ENCODER(request_redirect_t)

/* A placement group, or the whole hash where one is meant that is not known yet. */
struct pg_t {
  uint64_t m_pool = 0;
  uint32_t m_seed = 0;

  constexpr pg_t() = default;
  constexpr pg_t(ps_t seed, uint64_t pool) : m_pool(pool), m_seed(seed) {}

  ps_t ps() const { return m_seed; }
  int64_t pool() const { return int64_t(m_pool); }
  void set_ps(ps_t p) { m_seed = p; }
  void set_pool(uint64_t p) { m_pool = p; }

  void encode(ceph::buffer::list &bl) const {
    ceph::encode(uint8_t(1), bl);
    ceph::encode(m_pool, bl);
    ceph::encode(m_seed, bl);
    ceph::encode(int32_t(-1), bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    uint8_t version;
    ceph::decode(version, p);
    ceph::decode(m_pool, p);
    ceph::decode(m_seed, p);
    p += sizeof(int32_t);
  }

  friend bool operator==(const pg_t &a, const pg_t &b) { return a.m_pool == b.m_pool && a.m_seed == b.m_seed; }
  friend bool operator!=(const pg_t &a, const pg_t &b) { return !(a == b); }
  friend bool operator<(const pg_t &a, const pg_t &b) {
    return std::tie(a.m_pool, a.m_seed) < std::tie(b.m_pool, b.m_seed);
  }
  friend std::ostream &operator<<(std::ostream &out, const pg_t &pg) {
    return out << pg.pool() << '.' << std::hex << pg.ps() << std::dec;
  }
};
WRITE_CLASS_ENCODER(pg_t)

/* A shard of one. */
struct spg_t {
  pg_t pgid;
  shard_id_t shard = shard_id_t::NO_SHARD;

  constexpr spg_t() = default;
  constexpr explicit spg_t(pg_t pg) : pgid(pg) {}
  constexpr spg_t(pg_t pg, shard_id_t s) : pgid(pg), shard(s) {}

  ps_t ps() const { return pgid.ps(); }
  uint64_t pool() const { return uint64_t(pgid.pool()); }
  bool is_no_shard() const { return shard == shard_id_t::NO_SHARD; }

  void encode(ceph::buffer::list &bl) const {
    ENCODE_START(1, 1, bl);
    encode(pgid, bl);
    encode(shard, bl);
    ENCODE_FINISH(bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    DECODE_START(1, p);
    decode(pgid, p);
    decode(shard, p);
    DECODE_FINISH(p);
  }

  friend bool operator==(const spg_t &a, const spg_t &b) { return a.pgid == b.pgid && a.shard == b.shard; }
  friend bool operator!=(const spg_t &a, const spg_t &b) { return !(a == b); }
  friend bool operator<(const spg_t &a, const spg_t &b) {
    return a.pgid < b.pgid || (a.pgid == b.pgid && a.shard < b.shard);
  }
  friend std::ostream &operator<<(std::ostream &out, const spg_t &pg) {
    out << pg.pgid;
    if (!pg.is_no_shard())
      out << 's' << pg.shard;
    return out;
  }
};
WRITE_CLASS_ENCODER(spg_t)

/* An OSD, and which shard it has. */
struct pg_shard_t {
  static constexpr int32_t NO_OSD = 0x7fffffff;

  int32_t osd = -1;
  shard_id_t shard = shard_id_t::NO_SHARD;

  pg_shard_t() = default;
  explicit pg_shard_t(int32_t o, shard_id_t s = shard_id_t::NO_SHARD) : osd(o), shard(s) {}
  bool is_undefined() const { return osd == -1; }

  void encode(ceph::buffer::list &bl) const {
    ENCODE_START(1, 1, bl);
    encode(osd, bl);
    encode(shard, bl);
    ENCODE_FINISH(bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    DECODE_START(1, p);
    decode(osd, p);
    decode(shard, p);
    DECODE_FINISH(p);
  }
  friend bool operator==(const pg_shard_t &a, const pg_shard_t &b) { return a.osd == b.osd && a.shard == b.shard; }
  friend bool operator!=(const pg_shard_t &a, const pg_shard_t &b) { return !(a == b); }
  friend bool operator<(const pg_shard_t &a, const pg_shard_t &b) {
    return a.osd < b.osd || (a.osd == b.osd && a.shard < b.shard);
  }
};
WRITE_CLASS_ENCODER(pg_shard_t)

/* The how manieth change of a placement group, and in which epoch of the map it was made. */
struct eversion_t {
  version_t version = 0;
  epoch_t epoch = 0;

  constexpr eversion_t() = default;
  constexpr eversion_t(epoch_t e, version_t v) : version(v), epoch(e) {}
  static eversion_t max() { return eversion_t(UINT32_MAX, UINT64_MAX); }

  void encode(ceph::buffer::list &bl) const {
    ceph::encode(version, bl);
    ceph::encode(epoch, bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    ceph::decode(version, p);
    ceph::decode(epoch, p);
  }

  friend bool operator==(const eversion_t &a, const eversion_t &b) {
    return a.version == b.version && a.epoch == b.epoch;
  }
  friend bool operator!=(const eversion_t &a, const eversion_t &b) { return !(a == b); }
  friend bool operator<(const eversion_t &a, const eversion_t &b) {
    return std::tie(a.epoch, a.version) < std::tie(b.epoch, b.version);
  }
  friend bool operator>(const eversion_t &a, const eversion_t &b) { return b < a; }
  friend bool operator<=(const eversion_t &a, const eversion_t &b) { return !(b < a); }
  friend bool operator>=(const eversion_t &a, const eversion_t &b) { return !(a < b); }
  friend std::ostream &operator<<(std::ostream &out, const eversion_t &e) {
    return out << e.epoch << '\'' << e.version;
  }
};
WRITE_CLASS_ENCODER(eversion_t)

WRITE_RAW_ENCODER(ceph_osd_op)

/* One operation, what it is given and what came of it. */
struct OSDOp {
  ceph_osd_op op{};
  sobject_t soid;
  ceph::buffer::list indata, outdata;
  errorcode32_t rval;

  OSDOp() = default;
  OSDOp(const ceph_osd_op &o, ceph::buffer::list in) : op(o), indata(std::move(in)) {}

  /* The data of a message are those of its operations, one after the other. */
  static void split_osd_op_vector_in_data(std::vector<OSDOp> &ops, const ceph::buffer::list &in) {
    split(ops, in, &OSDOp::indata);
  }
  static void merge_osd_op_vector_in_data(std::vector<OSDOp> &ops, ceph::buffer::list &out) {
    merge(ops, out, &OSDOp::indata);
  }
  static void split_osd_op_vector_out_data(std::vector<OSDOp> &ops, const ceph::buffer::list &in) {
    split(ops, in, &OSDOp::outdata);
  }
  static void merge_osd_op_vector_out_data(std::vector<OSDOp> &ops, ceph::buffer::list &out) {
    merge(ops, out, &OSDOp::outdata);
  }
  static void clear_data(std::vector<OSDOp> &ops) {
    for (OSDOp &op : ops) {
      op.outdata.clear();
      op.indata.clear();
    }
  }

  friend std::ostream &operator<<(std::ostream &out, const OSDOp &o) {
    out << ceph_osd_op_name(o.op.op);
    if (ceph_osd_op_uses_extent(o.op.op))
      out << ' ' << o.op.extent.offset << '~' << o.op.extent.length;
    if (o.indata.length() > 0)
      out << " in=" << o.indata.length() << 'b';
    if (o.outdata.length() > 0)
      out << " out=" << o.outdata.length() << 'b';
    return out;
  }

private:
  using Data = ceph::buffer::list OSDOp::*;

  static void split(std::vector<OSDOp> &ops, const ceph::buffer::list &in, Data data) {
    auto p = in.cbegin();
    for (OSDOp &op : ops)
      p.copy(op.op.payload_len, op.*data);
  }
  static void merge(std::vector<OSDOp> &ops, ceph::buffer::list &out, Data data) {
    for (OSDOp &op : ops) {
      if ((op.*data).empty())
        continue;
      op.op.payload_len = uint32_t((op.*data).length());
      out.append(op.*data);
    }
  }
};

inline std::ostream &operator<<(std::ostream &out, const std::vector<OSDOp> &ops) {
  const char *separator = "[";
  for (const OSDOp &op : ops) {
    out << separator << op;
    separator = ",";
  }
  return out << (ops.empty() ? "[]" : "]");
}

namespace ceph {
namespace detail {
/* Operations without their number, and without what they are given. */
inline void encode_ops(const std::vector<OSDOp> &ops, buffer::list &bl) {
  for (const OSDOp &op : ops)
    encode_raw(op.op, bl);
}
inline void decode_ops(size_t count, std::vector<OSDOp> &ops, buffer::list::const_iterator &p) {
  if (count > p.get_remaining() / sizeof(ceph_osd_op))
    throw buffer::end_of_buffer();
  ops.clear();
  ops.resize(count);
  for (OSDOp &op : ops)
    decode_raw(op.op, p);
}
} // namespace detail
} // namespace ceph

/* The names of all flags that are set: "read+known_if_redirected". */
inline std::string ceph_osd_flag_string(unsigned flags) {
  std::string names;
  for (unsigned flag = 1; flags != 0; flag <<= 1) {
    if ((flags & flag) == 0)
      continue;
    flags &= ~flag;
    if (!names.empty())
      names += '+';
    names += ceph_osd_flag_name(flag);
  }
  return names.empty() ? "-" : names;
}

namespace std {
template <> struct hash<osd_reqid_t> {
  size_t operator()(const osd_reqid_t &r) const noexcept {
    return hash<uint64_t>()(uint64_t(r.name.num()) ^ r.tid ^ uint64_t(r.inc));
  }
};
template <> struct hash<pg_t> {
  size_t operator()(const pg_t &pg) const noexcept { return hash<uint64_t>()(pg.m_pool << 32 ^ pg.m_seed); }
};
template <> struct hash<spg_t> {
  size_t operator()(const spg_t &pg) const noexcept { return hash<pg_t>()(pg.pgid) ^ hash<int>()(pg.shard); }
};
} // namespace std

#endif
