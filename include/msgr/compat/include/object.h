/* Names of objects and of their snapshots. Ceph: include/object.h. */
#ifndef CEPH_OBJECT_H
#define CEPH_OBJECT_H

#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>

#include "ceph_hash.h"
#include "encoding.h"
#include "rados.h"

struct object_t {
  std::string name;

  object_t() = default;
  object_t(const char *s) : name(s) {}
  object_t(const std::string &s) : name(s) {}
  object_t(std::string &&s) : name(std::move(s)) {}
  object_t(std::string_view s) : name(s) {}

  void swap(object_t &o) { name.swap(o.name); }
  void clear() { name.clear(); }

  void encode(ceph::buffer::list &bl) const { ceph::encode(name, bl); }
  void decode(ceph::buffer::list::const_iterator &p) { ceph::decode(name, p); }

  friend bool operator==(const object_t &a, const object_t &b) { return a.name == b.name; }
  friend bool operator!=(const object_t &a, const object_t &b) { return a.name != b.name; }
  friend bool operator<(const object_t &a, const object_t &b) { return a.name < b.name; }
  friend bool operator>(const object_t &a, const object_t &b) { return a.name > b.name; }
  friend bool operator<=(const object_t &a, const object_t &b) { return a.name <= b.name; }
  friend bool operator>=(const object_t &a, const object_t &b) { return a.name >= b.name; }
  friend std::ostream &operator<<(std::ostream &out, const object_t &o) { return out << o.name; }
};
WRITE_CLASS_ENCODER(object_t)

/* The number of a snapshot, or CEPH_NOSNAP for what is written to. */
struct snapid_t {
  uint64_t val;

  snapid_t(uint64_t v = 0) : val(v) {}
  operator uint64_t() const { return val; }
  snapid_t operator+=(snapid_t o) {
    val += o.val;
    return *this;
  }
  snapid_t operator++() {
    ++val;
    return *this;
  }
};
inline void encode(snapid_t snap, ceph::buffer::list &bl, uint64_t = 0) { ceph::encode(snap.val, bl); }
inline void decode(snapid_t &snap, ceph::buffer::list::const_iterator &p) { ceph::decode(snap.val, p); }

inline std::ostream &operator<<(std::ostream &out, const snapid_t &s) {
  if (s == CEPH_NOSNAP)
    return out << "head";
  if (s == CEPH_SNAPDIR)
    return out << "snapdir";
  return out << std::hex << s.val << std::dec;
}

/* An object as of a snapshot. */
struct sobject_t {
  object_t oid;
  snapid_t snap;

  sobject_t() = default;
  sobject_t(object_t o, snapid_t s) : oid(std::move(o)), snap(s) {}
  void swap(sobject_t &o) {
    oid.swap(o.oid);
    std::swap(snap, o.snap);
  }

  void encode(ceph::buffer::list &bl) const {
    oid.encode(bl);
    ::encode(snap, bl);
  }
  void decode(ceph::buffer::list::const_iterator &p) {
    oid.decode(p);
    ::decode(snap, p);
  }

  friend bool operator==(const sobject_t &a, const sobject_t &b) { return a.oid == b.oid && a.snap == b.snap; }
  friend bool operator!=(const sobject_t &a, const sobject_t &b) { return !(a == b); }
  friend bool operator<(const sobject_t &a, const sobject_t &b) {
    return std::tie(a.oid, a.snap.val) < std::tie(b.oid, b.snap.val);
  }
  friend std::ostream &operator<<(std::ostream &out, const sobject_t &o) { return out << o.oid << '/' << o.snap; }
};
WRITE_CLASS_ENCODER(sobject_t)

namespace std {
template <> struct hash<object_t> {
  size_t operator()(const object_t &o) const noexcept {
    return ceph_str_hash_linux(o.name.c_str(), unsigned(o.name.size()));
  }
};
template <> struct hash<snapid_t> {
  size_t operator()(const snapid_t &s) const noexcept { return hash<uint64_t>()(s.val); }
};
template <> struct hash<sobject_t> {
  size_t operator()(const sobject_t &o) const noexcept {
    return hash<object_t>()(o.oid) ^ hash<snapid_t>()(o.snap);
  }
};
} // namespace std

#endif
