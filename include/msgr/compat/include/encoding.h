/*
 * Ceph's encoding under its names: encode and decode of namespace ceph, and the macros with which programs give types of
 * their own an encoding. Ceph: include/encoding.h.
 *
 *     struct point_t {
 *       int32_t x = 0, y = 0;
 *       void encode(ceph::buffer::list &bl) const {
 *         ENCODE_START(1, 1, bl);
 *         encode(x, bl);
 *         encode(y, bl);
 *         ENCODE_FINISH(bl);
 *       }
 *       void decode(ceph::buffer::list::const_iterator &p) {
 *         DECODE_START(1, p);
 *         decode(x, p);
 *         decode(y, p);
 *         DECODE_FINISH(p);
 *       }
 *     };
 *     WRITE_CLASS_ENCODER(point_t)
 *
 * What cannot be decoded throws ceph::buffer::error. Of a list that is read nothing but its bytes costs memory, whatever
 * number of items it says it has.
 */
#ifndef CEPH_ENCODING_H
#define CEPH_ENCODING_H

#include "../../encoding.hpp"
#include "buffer.h"
#include "byteorder.h"
#include "int_types.h"

template <class T> void encode(const ceph_le<T> &v, ceph::buffer::list &bl, uint64_t = 0) { msgr::encode(T(v), bl); }
template <class T> void decode(ceph_le<T> &v, ceph::buffer::list::const_iterator &p) {
  T number;
  msgr::decode(number, p);
  v = number;
}

namespace ceph {

using msgr::decode;
using msgr::encode;

namespace detail {
template <class T, class = void> struct is_featured : std::false_type {};
template <class T>
struct is_featured<
    T, std::void_t<decltype(std::declval<const T &>().encode(std::declval<buffer::list &>(), uint64_t()))>>
    : std::true_type {};
} // namespace detail

/* For a peer that has these features. Most things do not ask. */
template <class T> void encode(const T &v, buffer::list &bl, uint64_t features);
template <class A, class B> void encode(const std::pair<A, B> &v, buffer::list &bl, uint64_t features);
template <class T, class A> void encode(const std::vector<T, A> &v, buffer::list &bl, uint64_t features);
template <class T, class A> void encode(const std::list<T, A> &v, buffer::list &bl, uint64_t features);
template <class T, class A> void encode(const std::deque<T, A> &v, buffer::list &bl, uint64_t features);
template <class T, class... M> void encode(const std::set<T, M...> &v, buffer::list &bl, uint64_t features);
template <class K, class V, class... M> void encode(const std::map<K, V, M...> &v, buffer::list &bl, uint64_t features);
template <class T> void encode(const std::optional<T> &v, buffer::list &bl, uint64_t features);

namespace detail {
template <class Items> void encode_items(const Items &items, buffer::list &bl, uint64_t features) {
  encode(uint32_t(items.size()), bl);
  for (const auto &item : items)
    encode(item, bl, features);
}
} // namespace detail

template <class T> void encode(const T &v, buffer::list &bl, uint64_t features) {
  if constexpr (detail::is_featured<T>::value)
    v.encode(bl, features);
  else
    encode(v, bl);
}
template <class A, class B> void encode(const std::pair<A, B> &v, buffer::list &bl, uint64_t features) {
  encode(v.first, bl, features);
  encode(v.second, bl, features);
}
template <class T, class A> void encode(const std::vector<T, A> &v, buffer::list &bl, uint64_t features) {
  detail::encode_items(v, bl, features);
}
template <class T, class A> void encode(const std::list<T, A> &v, buffer::list &bl, uint64_t features) {
  detail::encode_items(v, bl, features);
}
template <class T, class A> void encode(const std::deque<T, A> &v, buffer::list &bl, uint64_t features) {
  detail::encode_items(v, bl, features);
}
template <class T, class... M> void encode(const std::set<T, M...> &v, buffer::list &bl, uint64_t features) {
  detail::encode_items(v, bl, features);
}
template <class K, class V, class... M>
void encode(const std::map<K, V, M...> &v, buffer::list &bl, uint64_t features) {
  detail::encode_items(v, bl, features);
}
template <class T> void encode(const std::optional<T> &v, buffer::list &bl, uint64_t features) {
  encode(v.has_value(), bl);
  if (v)
    encode(*v, bl, features);
}

/* A whole list is one thing, and nothing is left. */
template <class T> void decode(T &v, const buffer::list &bl) {
  auto p = bl.cbegin();
  decode(v, p);
  if (!p.end())
    throw buffer::malformed_input("bytes are left behind what was decoded");
}

/* As it lies in memory. */
template <class T> void encode_raw(const T &v, buffer::list &bl) {
  static_assert(std::is_trivially_copyable_v<T>);
  bl.append(reinterpret_cast<const char *>(&v), sizeof(v));
}
template <class T> void decode_raw(T &v, buffer::list::const_iterator &p) {
  static_assert(std::is_trivially_copyable_v<T>);
  p.copy(sizeof(v), reinterpret_cast<char *>(&v));
}

/* Without the length, which is somewhere else. */
inline void encode_nohead(const std::string &v, buffer::list &bl) { bl.append(v); }
inline void encode_nohead(const buffer::list &v, buffer::list &bl) { bl.append(v); }
template <class T, class A> void encode_nohead(const std::vector<T, A> &v, buffer::list &bl) {
  for (const T &item : v)
    encode(item, bl);
}
inline void decode_nohead(size_t len, std::string &v, buffer::list::const_iterator &p) {
  v.clear();
  p.copy(len, v);
}
inline void decode_nohead(size_t len, buffer::list &v, buffer::list::const_iterator &p) {
  v.clear();
  p.copy(len, v);
}
template <class T, class A> void decode_nohead(size_t len, std::vector<T, A> &v, buffer::list::const_iterator &p) {
  v.clear();
  for (; len > 0; --len) {
    if (p.end())
      throw buffer::end_of_buffer();
    decode(v.emplace_back(), p);
  }
}
inline void encode_destructively(buffer::list &v, buffer::list &bl) {
  encode(uint32_t(v.length()), bl);
  bl.claim_append(v);
}

namespace detail {

/* The head of a structure that later versions may add to, written when its length is known. */
class StructEncoder {
  static constexpr size_t HEAD = 6;
  buffer::list &bl;
  char *const head;
  const size_t body;

public:
  StructEncoder(uint8_t version, uint8_t compat, buffer::list &to)
      : bl(to), head(to.append_hole(HEAD)), body(to.length()) {
    head[0] = char(version);
    head[1] = char(compat);
  }
  /* The oldest version that can read it, if that was not known at the beginning. */
  void set_compat(uint8_t compat) { head[1] = char(compat); }
  void finish() {
    const ceph_le32 len(uint32_t(bl.length() - body));
    std::memcpy(head + 2, &len, sizeof(len));
  }
};

/* The same when it is read. Versions before `compat_since` had no second byte, those before `len_since` no length. */
class StructDecoder {
  static constexpr size_t UNKNOWN = SIZE_MAX;
  size_t end = UNKNOWN;

public:
  uint8_t version = 0, compat = 0;
  uint32_t len = 0;

  StructDecoder(uint8_t known, buffer::list::const_iterator &p, uint8_t compat_since = 0, uint8_t len_since = 0,
                size_t first_bytes = 1) {
    decode(version, p);
    p += first_bytes - 1;
    if (version >= compat_since) {
      decode(compat, p);
      if (compat > known)
        throw buffer::malformed_input("a structure is of a later version");
    }
    if (version < len_since)
      return;
    decode(len, p);
    if (len > p.get_remaining())
      throw buffer::malformed_input("a structure is longer than the bytes that there are");
    end = p.get_off() + len;
  }
  /* Passes over what a later version has added. */
  void finish(buffer::list::const_iterator &p) const {
    if (end == UNKNOWN)
      return;
    if (p.get_off() > end)
      throw buffer::malformed_input("a structure was read past its end");
    p += end - p.get_off();
  }
  void need(uint8_t oldest) const {
    if (version < oldest)
      throw buffer::malformed_input("a structure is of a version that is too old");
  }
};

} // namespace detail
} // namespace ceph

#define WRITE_CLASS_ENCODER(cl)                                                                                        \
  inline void encode(const cl &c, ::ceph::buffer::list &bl, uint64_t = 0) { c.encode(bl); }                            \
  inline void decode(cl &c, ::ceph::buffer::list::const_iterator &p) { c.decode(p); }

#define WRITE_CLASS_ENCODER_FEATURES(cl)                                                                               \
  inline void encode(const cl &c, ::ceph::buffer::list &bl, uint64_t features) { c.encode(bl, features); }             \
  inline void decode(cl &c, ::ceph::buffer::list::const_iterator &p) { c.decode(p); }

#define WRITE_CLASS_ENCODER_OPTIONAL_FEATURES(cl)                                                                      \
  inline void encode(const cl &c, ::ceph::buffer::list &bl, uint64_t features = 0) { c.encode(bl, features); }         \
  inline void decode(cl &c, ::ceph::buffer::list::const_iterator &p) { c.decode(p); }

#define WRITE_CLASS_MEMBER_ENCODER(cl)                                                                                 \
  inline void encode(const cl &c, ::ceph::buffer::list &bl) const { c.encode(bl); }                                    \
  inline void decode(cl &c, ::ceph::buffer::list::const_iterator &p) { c.decode(p); }

#define WRITE_RAW_ENCODER(type)                                                                                        \
  inline void encode(const type &v, ::ceph::buffer::list &bl, uint64_t = 0) { ::ceph::encode_raw(v, bl); }             \
  inline void decode(type &v, ::ceph::buffer::list::const_iterator &p) { ::ceph::decode_raw(v, p); }

#define ENCODE_START(v, compat, bl)                                                                                    \
  using ::ceph::encode;                                                                                                \
  ::ceph::detail::StructEncoder struct_encoder(v, compat, bl);                                                         \
  do {
#define ENCODE_FINISH(bl) ENCODE_FINISH_NEW_COMPAT(bl, 0)
/* Another oldest version, unless it is 0. */
#define ENCODE_FINISH_NEW_COMPAT(bl, new_compat)                                                                       \
  }                                                                                                                    \
  while (false)                                                                                                        \
    ;                                                                                                                  \
  if (uint8_t struct_new_compat = (new_compat))                                                                        \
    struct_encoder.set_compat(struct_new_compat);                                                                      \
  struct_encoder.finish()

#define MSGR_DECODE_START(...)                                                                                         \
  using ::ceph::decode;                                                                                                \
  const ::ceph::detail::StructDecoder struct_decoder(__VA_ARGS__);                                                     \
  [[maybe_unused]] const uint8_t struct_v = struct_decoder.version;                                                    \
  [[maybe_unused]] const uint8_t struct_compat = struct_decoder.compat;                                                \
  [[maybe_unused]] const uint32_t struct_len = struct_decoder.len;                                                     \
  do {
#define DECODE_START(v, p) MSGR_DECODE_START(v, p)
/* The second byte came with version `compatv`, the length with `lenv`. */
#define DECODE_START_LEGACY_COMPAT_LEN(v, compatv, lenv, p) MSGR_DECODE_START(v, p, compatv, lenv)
/* The same, where the version took 2 or 4 bytes at first. */
#define DECODE_START_LEGACY_COMPAT_LEN_16(v, compatv, lenv, p) MSGR_DECODE_START(v, p, compatv, lenv, 2)
#define DECODE_START_LEGACY_COMPAT_LEN_32(v, compatv, lenv, p) MSGR_DECODE_START(v, p, compatv, lenv, 4)
#define DECODE_OLDEST(oldestv) struct_decoder.need(oldestv)
#define DECODE_FINISH(p)                                                                                               \
  }                                                                                                                    \
  while (false)                                                                                                        \
    ;                                                                                                                  \
  struct_decoder.finish(p)

#endif
