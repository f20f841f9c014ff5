/* Objects as OSDs name them: with their pool, namespace and place by hash. Ceph: common/hobject.h. */
#ifndef CEPH_OS_HOBJECT_H
#define CEPH_OS_HOBJECT_H

#include <iomanip>
#include <sstream>

#include "../include/types.h"

struct hobject_t {
  static constexpr int64_t POOL_META = -1;
  static constexpr int64_t POOL_TEMP_START = -2;

  object_t oid;
  snapid_t snap;

private:
  uint32_t hash = 0;
  bool max = false;

public:
  int64_t pool = INT64_MIN;
  std::string nspace;

private:
  /* Empty if it is the name. */
  std::string key;

public:
  hobject_t() = default;
  hobject_t(const object_t &o, const std::string &k, snapid_t s, uint32_t h, int64_t p, const std::string &ns)
      : oid(o), snap(s), hash(h), pool(p), nspace(ns), key(k == o.name ? std::string() : k) {}
  hobject_t(const sobject_t &o, const std::string &k, uint32_t h, int64_t p, const std::string &ns)
      : hobject_t(o.oid, k, o.snap, h, p, ns) {}
  explicit hobject_t(const sobject_t &o) : oid(o.oid), snap(o.snap), hash(uint32_t(std::hash<sobject_t>()(o))) {}

  const std::string &get_key() const { return key; }
  void set_key(const std::string &k) { key = k == oid.name ? std::string() : k; }
  const std::string &get_effective_key() const { return key.empty() ? oid.name : key; }
  uint32_t get_hash() const { return hash; }
  void set_hash(uint32_t h) { hash = h; }
  const std::string &get_namespace() const { return nspace; }

  /* The bits of the hash the other way round: objects are in this order. */
  uint32_t get_bitwise_key_u32() const {
    uint32_t bits = hash, reversed = 0;
    for (int i = 0; i < 32; ++i, bits >>= 1)
      reversed = reversed << 1 | (bits & 1);
    return reversed;
  }
  static bool match_hash(uint32_t to_check, uint32_t bits, uint32_t match) {
    const uint32_t mask = bits >= 32 ? UINT32_MAX : (uint32_t(1) << bits) - 1;
    return (match & mask) == (to_check & mask);
  }
  bool match(uint32_t bits, uint32_t m) const { return match_hash(hash, bits, m); }

  bool is_temp() const { return pool <= POOL_TEMP_START && pool != INT64_MIN; }
  bool is_meta() const { return pool == POOL_META; }
  int64_t get_logical_pool() const { return is_temp() ? POOL_TEMP_START - pool : pool; }
  bool is_head() const { return snap == CEPH_NOSNAP; }
  bool is_snapdir() const { return snap == CEPH_SNAPDIR; }
  bool is_snap() const { return !is_head() && !is_snapdir(); }
  hobject_t get_head() const {
    hobject_t head(*this);
    head.snap = CEPH_NOSNAP;
    return head;
  }
  static hobject_t get_max() {
    hobject_t h;
    h.max = true;
    return h;
  }
  bool is_max() const { return max; }
  bool is_min() const { return pool == INT64_MIN; }
  void swap(hobject_t &o) { std::swap(*this, o); }

  void encode(ceph::buffer::list &bl) const {
    ENCODE_START(4, 3, bl);
    encode_name(bl);
    encode(nspace, bl);
    encode(pool, bl);
    ENCODE_FINISH(bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    DECODE_START_LEGACY_COMPAT_LEN(4, 3, 3, p);
    decode_name(struct_v, p);
    if (struct_v >= 4) {
      decode(nspace, p);
      decode(pool, p);
      tidy();
    }
    DECODE_FINISH(p);
  }

  friend bool operator==(const hobject_t &a, const hobject_t &b) { return a.order() == b.order(); }
  friend bool operator!=(const hobject_t &a, const hobject_t &b) { return a.order() != b.order(); }
  friend bool operator<(const hobject_t &a, const hobject_t &b) { return a.order() < b.order(); }
  friend bool operator>(const hobject_t &a, const hobject_t &b) { return a.order() > b.order(); }
  friend bool operator<=(const hobject_t &a, const hobject_t &b) { return a.order() <= b.order(); }
  friend bool operator>=(const hobject_t &a, const hobject_t &b) { return a.order() >= b.order(); }

  std::string to_str() const {
    if (is_max())
      return "MAX";
    if (*this == hobject_t())
      return "MIN";
    std::ostringstream out;
    out << pool << ':' << std::hex << std::setw(8) << std::setfill('0') << get_bitwise_key_u32() << std::dec << ':'
        << escaped(nspace) << ':' << escaped(key) << ':' << escaped(oid.name) << ':' << snap;
    return out.str();
  }
  friend std::ostream &operator<<(std::ostream &out, const hobject_t &o) { return out << o.to_str(); }

private:
  friend struct ghobject_t;

  std::tuple<bool, int64_t, uint32_t, const std::string &, const std::string &, const std::string &, uint64_t>
  order() const {
    return {max, pool, get_bitwise_key_u32(), nspace, get_effective_key(), oid.name, snap.val};
  }
  static std::string escaped(const std::string &text) {
    static constexpr char DIGITS[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
      const unsigned code = static_cast<unsigned char>(c);
      if (c == '%' || c == ':' || c == '/' || code < 32 || code >= 127)
        (out += '%') += {DIGITS[code >> 4], DIGITS[code & 15]};
      else
        out += c;
    }
    return out;
  }

  void encode_name(ceph::buffer::list &bl) const {
    ceph::encode(key, bl);
    oid.encode(bl);
    ceph::encode(snap.val, bl);
    ceph::encode(hash, bl);
    ceph::encode(max, bl);
  }
  void decode_name(unsigned version, ceph::buffer::list::const_iterator &p) {
    if (version >= 1)
      ceph::decode(key, p);
    oid.decode(p);
    ceph::decode(snap.val, p);
    ceph::decode(hash, p);
    max = false;
    if (version >= 2)
      ceph::decode(max, p);
  }
  /* There is one least and one greatest object, but old peers have written both in other ways. */
  void tidy() {
    if (pool == -1 && snap == 0 && hash == 0 && !max && oid.name.empty())
      pool = INT64_MIN;
    if (max)
      *this = get_max();
  }
};
WRITE_CLASS_ENCODER(hobject_t)

/* An object in a store: of a generation, and a shard of it. */
struct ghobject_t {
  static constexpr gen_t NO_GEN = UINT64_MAX;

  hobject_t hobj;
  gen_t generation = NO_GEN;
  shard_id_t shard_id = shard_id_t::NO_SHARD;
  bool max = false;

  ghobject_t() = default;
  explicit ghobject_t(const hobject_t &o) : hobj(o) {}
  ghobject_t(const hobject_t &o, gen_t g, shard_id_t s) : hobj(o), generation(g), shard_id(s) {}
  static ghobject_t get_max() {
    ghobject_t o;
    o.max = true;
    o.hobj = hobject_t::get_max();
    return o;
  }
  bool is_max() const { return max; }
  bool is_degenerate() const { return generation == NO_GEN && shard_id == shard_id_t::NO_SHARD; }
  bool is_no_gen() const { return generation == NO_GEN; }
  bool is_no_shard() const { return shard_id == shard_id_t::NO_SHARD; }

  void encode(ceph::buffer::list &bl) const {
    ENCODE_START(6, 3, bl);
    hobj.encode_name(bl);
    encode(hobj.nspace, bl);
    encode(hobj.pool, bl);
    encode(generation, bl);
    encode(shard_id, bl);
    encode(max, bl);
    ENCODE_FINISH(bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    DECODE_START_LEGACY_COMPAT_LEN(6, 3, 3, p);
    hobj.decode_name(struct_v, p);
    if (struct_v >= 4) {
      decode(hobj.nspace, p);
      decode(hobj.pool, p);
      hobj.tidy();
    }
    generation = NO_GEN;
    shard_id = shard_id_t::NO_SHARD;
    if (struct_v >= 5) {
      decode(generation, p);
      decode(shard_id, p);
    }
    max = false;
    if (struct_v >= 6)
      decode(max, p);
    DECODE_FINISH(p);
  }

  friend bool operator==(const ghobject_t &a, const ghobject_t &b) { return a.order() == b.order(); }
  friend bool operator!=(const ghobject_t &a, const ghobject_t &b) { return a.order() != b.order(); }
  friend bool operator<(const ghobject_t &a, const ghobject_t &b) { return a.order() < b.order(); }
  friend std::ostream &operator<<(std::ostream &out, const ghobject_t &o) {
    out << '#' << o.hobj << '#';
    if (!o.is_degenerate())
      out << std::hex << o.generation << std::dec << '#' << o.shard_id;
    return out;
  }

private:
  std::tuple<bool, int8_t, const hobject_t &, gen_t> order() const { return {max, shard_id, hobj, generation}; }
};
WRITE_CLASS_ENCODER(ghobject_t)

namespace std {
template <> struct hash<hobject_t> {
  size_t operator()(const hobject_t &o) const noexcept { return hash<object_t>()(o.oid) ^ hash<snapid_t>()(o.snap); }
};
template <> struct hash<ghobject_t> {
  size_t operator()(const ghobject_t &o) const noexcept { return hash<hobject_t>()(o.hobj); }
};
} // namespace std

#endif
