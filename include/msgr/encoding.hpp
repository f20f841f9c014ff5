/*
 * Ceph's encoding of numbers, texts and lists of them: little-endian, lengths of 32 bits in front.
 *
 * A type of one's own has `void encode(bufferlist &) const` and `void decode(bufferlist::const_iterator &)`, or
 * free functions of these names. Ceph: include/encoding.h.
 */
#ifndef MSGR_ENCODING_HPP
#define MSGR_ENCODING_HPP

#include <map>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "bufferlist.hpp"
#include "time.hpp"

namespace msgr {

namespace detail {
template <class T> constexpr bool is_plain = (std::is_integral_v<T> || std::is_enum_v<T>)&&!std::is_same_v<T, bool>;

template <class T> auto as_unsigned(T v) {
  if constexpr (std::is_enum_v<T>)
    return std::make_unsigned_t<std::underlying_type_t<T>>(v);
  else
    return std::make_unsigned_t<T>(v);
}
} // namespace detail

template <class T> std::enable_if_t<detail::is_plain<T>> encode(T v, bufferlist &bl) {
  auto bits = detail::as_unsigned(v);
  char bytes[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); ++i)
    bytes[i] = char(uint64_t(bits) >> (8 * i));
  bl.append(bytes, sizeof(bytes));
}
template <class T> std::enable_if_t<detail::is_plain<T>> decode(T &v, bufferlist::const_iterator &p) {
  char bytes[sizeof(T)];
  p.copy(sizeof(bytes), bytes);
  uint64_t bits = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    bits |= uint64_t(static_cast<unsigned char>(bytes[i])) << (8 * i);
  v = static_cast<T>(bits);
}

inline void encode(bool v, bufferlist &bl) { bl.append(char(v)); }
inline void decode(bool &v, bufferlist::const_iterator &p) {
  uint8_t byte;
  decode(byte, p);
  v = byte != 0;
}

inline void encode(double v, bufferlist &bl) {
  uint64_t bits;
  static_assert(sizeof(bits) == sizeof(v));
  std::memcpy(&bits, &v, sizeof(bits));
  encode(bits, bl);
}
inline void decode(double &v, bufferlist::const_iterator &p) {
  uint64_t bits;
  decode(bits, p);
  std::memcpy(&v, &bits, sizeof(v));
}

inline void encode(std::string_view v, bufferlist &bl) {
  encode(uint32_t(v.size()), bl);
  bl.append(v);
}
inline void encode(const std::string &v, bufferlist &bl) { encode(std::string_view(v), bl); }
inline void encode(const char *v, bufferlist &bl) { encode(std::string_view(v), bl); }
inline void decode(std::string &v, bufferlist::const_iterator &p) {
  uint32_t len;
  decode(len, p);
  v.clear();
  p.copy(len, v);
}

inline void encode(const bufferlist &v, bufferlist &bl) {
  encode(uint32_t(v.length()), bl);
  bl.append(v);
}
inline void decode(bufferlist &v, bufferlist::const_iterator &p) {
  uint32_t len;
  decode(len, p);
  v.clear();
  p.copy(len, v);
}

inline void encode(const utime_t &v, bufferlist &bl) {
  encode(v.sec(), bl);
  encode(v.nsec(), bl);
}
inline void decode(utime_t &v, bufferlist::const_iterator &p) {
  uint32_t sec, nsec;
  decode(sec, p);
  decode(nsec, p);
  v = utime_t(sec, nsec);
}

template <class T> auto encode(const T &v, bufferlist &bl) -> decltype(v.encode(bl), void()) { v.encode(bl); }
template <class T> auto decode(T &v, bufferlist::const_iterator &p) -> decltype(v.decode(p), void()) { v.decode(p); }

template <class A, class B> void encode(const std::pair<A, B> &v, bufferlist &bl);
template <class A, class B> void decode(std::pair<A, B> &v, bufferlist::const_iterator &p);
template <class T, class A> void encode(const std::vector<T, A> &v, bufferlist &bl);
template <class T, class A> void decode(std::vector<T, A> &v, bufferlist::const_iterator &p);
template <class T, class C, class A> void encode(const std::set<T, C, A> &v, bufferlist &bl);
template <class T, class C, class A> void decode(std::set<T, C, A> &v, bufferlist::const_iterator &p);
template <class K, class V, class C, class A> void encode(const std::map<K, V, C, A> &v, bufferlist &bl);
template <class K, class V, class C, class A> void decode(std::map<K, V, C, A> &v, bufferlist::const_iterator &p);

namespace detail {
template <class Items> void encode_items(const Items &items, bufferlist &bl) {
  encode(uint32_t(items.size()), bl);
  for (const auto &item : items)
    encode(item, bl);
}
/* A claimed count costs nothing: memory follows the bytes that are there. */
template <class Item, class Add> void decode_items(bufferlist::const_iterator &p, Add &&add) {
  uint32_t count;
  decode(count, p);
  for (; count > 0; --count) {
    if (p.end())
      throw buffer::end_of_buffer();
    Item item{};
    decode(item, p);
    add(std::move(item));
  }
}
} // namespace detail

template <class A, class B> void encode(const std::pair<A, B> &v, bufferlist &bl) {
  encode(v.first, bl);
  encode(v.second, bl);
}
template <class A, class B> void decode(std::pair<A, B> &v, bufferlist::const_iterator &p) {
  decode(v.first, p);
  decode(v.second, p);
}
template <class T, class A> void encode(const std::vector<T, A> &v, bufferlist &bl) { detail::encode_items(v, bl); }
template <class T, class A> void decode(std::vector<T, A> &v, bufferlist::const_iterator &p) {
  v.clear();
  detail::decode_items<T>(p, [&v](T &&item) { v.push_back(std::move(item)); });
}
template <class T, class C, class A> void encode(const std::set<T, C, A> &v, bufferlist &bl) {
  detail::encode_items(v, bl);
}
template <class T, class C, class A> void decode(std::set<T, C, A> &v, bufferlist::const_iterator &p) {
  v.clear();
  detail::decode_items<T>(p, [&v](T &&item) { v.insert(std::move(item)); });
}
template <class K, class V, class C, class A> void encode(const std::map<K, V, C, A> &v, bufferlist &bl) {
  detail::encode_items(v, bl);
}
template <class K, class V, class C, class A> void decode(std::map<K, V, C, A> &v, bufferlist::const_iterator &p) {
  v.clear();
  detail::decode_items<std::pair<K, V>>(p, [&v](std::pair<K, V> &&item) { v.insert(std::move(item)); });
}

/* A structure that later versions may add to: its version, the oldest that can read it, its length. Ceph:
 * ENCODE_START, ENCODE_FINISH. */
template <class Write> void encode_versioned(uint8_t version, uint8_t compat, bufferlist &bl, Write &&write) {
  bufferlist body;
  write(body);
  encode(version, bl);
  encode(compat, bl);
  encode(body, bl);
}
/* `read` gets the version and an iterator that ends with the structure. What it leaves is passed over. */
template <class Read> void decode_versioned(uint8_t known, bufferlist::const_iterator &p, Read &&read) {
  uint8_t version, compat;
  decode(version, p);
  decode(compat, p);
  if (compat > known)
    throw buffer::malformed_input("a structure is of a later version");
  bufferlist body;
  decode(body, p);
  auto inside = body.cbegin();
  read(version, inside);
}

} // namespace msgr

#endif
