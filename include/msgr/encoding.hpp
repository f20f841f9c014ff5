/*
 * Ceph's encoding of numbers, texts and lists of them: little-endian, lengths of 32 bits in front.
 *
 * A type of one's own has `void encode(bufferlist &) const` and `void decode(bufferlist::const_iterator &)`, or
 * free functions of these names. Ceph: include/encoding.h.
 */
#ifndef MSGR_ENCODING_HPP
#define MSGR_ENCODING_HPP

#include <array>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
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

/* The other way round on a machine that begins with the highest byte. */
template <class T> constexpr T little(T v) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return v;
#else
  T swapped = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    swapped = T(swapped << 8 | (uint64_t(v) >> (8 * i) & 0xff));
  return swapped;
#endif
}
} // namespace detail

template <class T> std::enable_if_t<detail::is_plain<T>> encode(T v, bufferlist &bl) {
  const auto bits = detail::little(detail::as_unsigned(v));
  bl.append(reinterpret_cast<const char *>(&bits), sizeof(bits));
}
template <class T> std::enable_if_t<detail::is_plain<T>> decode(T &v, bufferlist::const_iterator &p) {
  decltype(detail::as_unsigned(v)) bits;
  p.copy(sizeof(bits), reinterpret_cast<char *>(&bits));
  v = static_cast<T>(detail::little(bits));
}

inline void encode(bool v, bufferlist &bl) { bl.append(char(v)); }
inline void decode(bool &v, bufferlist::const_iterator &p) {
  uint8_t byte;
  decode(byte, p);
  v = byte != 0;
}

namespace detail {
template <class Bits, class T> void encode_bits(T v, bufferlist &bl) {
  Bits bits;
  static_assert(sizeof(bits) == sizeof(v));
  std::memcpy(&bits, &v, sizeof(bits));
  encode(bits, bl);
}
template <class Bits, class T> void decode_bits(T &v, bufferlist::const_iterator &p) {
  Bits bits;
  decode(bits, p);
  std::memcpy(&v, &bits, sizeof(v));
}
} // namespace detail

inline void encode(float v, bufferlist &bl) { detail::encode_bits<uint32_t>(v, bl); }
inline void decode(float &v, bufferlist::const_iterator &p) { detail::decode_bits<uint32_t>(v, p); }
inline void encode(double v, bufferlist &bl) { detail::encode_bits<uint64_t>(v, bl); }
inline void decode(double &v, bufferlist::const_iterator &p) { detail::decode_bits<uint64_t>(v, p); }

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

inline void encode(const bufferptr &v, bufferlist &bl) {
  encode(uint32_t(v.length()), bl);
  bl.append(v);
}
inline void decode(bufferptr &v, bufferlist::const_iterator &p) {
  bufferlist bytes;
  decode(bytes, p);
  if (!bytes.is_contiguous())
    bytes.rebuild();
  v = bytes.empty() ? bufferptr() : bytes.front();
}

/* What is made of other things. All are announced first, since they may be made of each other. */
template <class A, class B> void encode(const std::pair<A, B> &v, bufferlist &bl);
template <class A, class B> void decode(std::pair<A, B> &v, bufferlist::const_iterator &p);
template <class... Items> void encode(const std::tuple<Items...> &v, bufferlist &bl);
template <class... Items> void decode(std::tuple<Items...> &v, bufferlist::const_iterator &p);
template <class T, size_t N> void encode(const std::array<T, N> &v, bufferlist &bl);
template <class T, size_t N> void decode(std::array<T, N> &v, bufferlist::const_iterator &p);
template <class T> void encode(const std::optional<T> &v, bufferlist &bl);
template <class T> void decode(std::optional<T> &v, bufferlist::const_iterator &p);

#define MSGR_SEQUENCES(f) f(std::vector) f(std::list) f(std::deque)
#define MSGR_SETS(f) f(std::set) f(std::multiset) f(std::unordered_set)
#define MSGR_MAPS(f) f(std::map) f(std::multimap) f(std::unordered_map)

#define MSGR_SEQUENCE(type)                                                                                            \
  template <class T, class A> void encode(const type<T, A> &v, bufferlist &bl);                                        \
  template <class T, class A> void decode(type<T, A> &v, bufferlist::const_iterator &p);
#define MSGR_SET(type)                                                                                                 \
  template <class T, class... More> void encode(const type<T, More...> &v, bufferlist &bl);                            \
  template <class T, class... More> void decode(type<T, More...> &v, bufferlist::const_iterator &p);
#define MSGR_MAP(type)                                                                                                 \
  template <class K, class V, class... More> void encode(const type<K, V, More...> &v, bufferlist &bl);                \
  template <class K, class V, class... More> void decode(type<K, V, More...> &v, bufferlist::const_iterator &p);
MSGR_SEQUENCES(MSGR_SEQUENCE)
MSGR_SETS(MSGR_SET)
MSGR_MAPS(MSGR_MAP)
#undef MSGR_SEQUENCE
#undef MSGR_SET
#undef MSGR_MAP

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

#define MSGR_SEQUENCE(type)                                                                                            \
  template <class T, class A> void encode(const type<T, A> &v, bufferlist &bl) { detail::encode_items(v, bl); }        \
  template <class T, class A> void decode(type<T, A> &v, bufferlist::const_iterator &p) {                              \
    v.clear();                                                                                                         \
    detail::decode_items<T>(p, [&v](T &&item) { v.push_back(std::move(item)); });                                      \
  }
#define MSGR_SET(type)                                                                                                 \
  template <class T, class... More> void encode(const type<T, More...> &v, bufferlist &bl) {                           \
    detail::encode_items(v, bl);                                                                                       \
  }                                                                                                                    \
  template <class T, class... More> void decode(type<T, More...> &v, bufferlist::const_iterator &p) {                  \
    v.clear();                                                                                                         \
    detail::decode_items<T>(p, [&v](T &&item) { v.insert(std::move(item)); });                                         \
  }
#define MSGR_MAP(type)                                                                                                 \
  template <class K, class V, class... More> void encode(const type<K, V, More...> &v, bufferlist &bl) {               \
    detail::encode_items(v, bl);                                                                                       \
  }                                                                                                                    \
  template <class K, class V, class... More> void decode(type<K, V, More...> &v, bufferlist::const_iterator &p) {      \
    v.clear();                                                                                                         \
    detail::decode_items<std::pair<K, V>>(p, [&v](std::pair<K, V> &&item) { v.insert(std::move(item)); });             \
  }
MSGR_SEQUENCES(MSGR_SEQUENCE)
MSGR_SETS(MSGR_SET)
MSGR_MAPS(MSGR_MAP)
#undef MSGR_SEQUENCE
#undef MSGR_SET
#undef MSGR_MAP
#undef MSGR_SEQUENCES
#undef MSGR_SETS
#undef MSGR_MAPS

template <class A, class B> void encode(const std::pair<A, B> &v, bufferlist &bl) {
  encode(v.first, bl);
  encode(v.second, bl);
}
template <class A, class B> void decode(std::pair<A, B> &v, bufferlist::const_iterator &p) {
  decode(v.first, p);
  decode(v.second, p);
}
template <class... Items> void encode(const std::tuple<Items...> &v, bufferlist &bl) {
  std::apply([&bl](const Items &...item) { (encode(item, bl), ...); }, v);
}
template <class... Items> void decode(std::tuple<Items...> &v, bufferlist::const_iterator &p) {
  std::apply([&p](Items &...item) { (decode(item, p), ...); }, v);
}
/* No count: both ends know it. */
template <class T, size_t N> void encode(const std::array<T, N> &v, bufferlist &bl) {
  for (const T &item : v)
    encode(item, bl);
}
template <class T, size_t N> void decode(std::array<T, N> &v, bufferlist::const_iterator &p) {
  for (T &item : v)
    decode(item, p);
}
template <class T> void encode(const std::optional<T> &v, bufferlist &bl) {
  encode(v.has_value(), bl);
  if (v)
    encode(*v, bl);
}
template <class T> void decode(std::optional<T> &v, bufferlist::const_iterator &p) {
  bool present;
  decode(present, p);
  v.reset();
  if (present)
    decode(v.emplace(), p);
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
