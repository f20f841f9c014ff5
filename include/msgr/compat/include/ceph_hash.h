/* The hash that spreads objects over placement groups. Ceph: include/ceph_hash.h. */
#ifndef CEPH_HASH_H
#define CEPH_HASH_H

#include <cstddef>
#include <cstdint>

#define CEPH_STR_HASH_LINUX 0x1
#define CEPH_STR_HASH_RJENKINS 0x2

namespace ceph {
namespace detail {

/* Bob Jenkins' hash of 1996, with three words of state. */
struct Jenkins {
  uint32_t a = 0x9e3779b9, b = 0x9e3779b9, c = 0;

  void mix() {
    fold(a, b, c, 13, 8, 13);
    fold(a, b, c, 12, 16, 5);
    fold(a, b, c, 3, 10, 15);
  }

private:
  static void fold(uint32_t &x, uint32_t &y, uint32_t &z, int right_x, int left_y, int right_z) {
    x = (x - y - z) ^ (z >> right_x);
    y = (y - z - x) ^ (x << left_y);
    z = (z - x - y) ^ (y >> right_z);
  }
};

} // namespace detail
} // namespace ceph

inline unsigned ceph_str_hash_rjenkins(const char *text, unsigned length) {
  ceph::detail::Jenkins state;
  const auto byte = [text](size_t i) { return uint32_t(static_cast<unsigned char>(text[i])); };
  const auto word = [&byte](size_t i) { return byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24; };
  size_t at = 0;
  for (; length - at >= 12; at += 12) {
    state.a += word(at);
    state.b += word(at + 4);
    state.c += word(at + 8);
    state.mix();
  }
  /* The lowest byte of the third word is the length's. */
  state.c += length;
  uint32_t *const words[] = {&state.a, &state.b, &state.c};
  for (size_t i = 0; at + i < length; ++i) {
    const size_t place = i < 8 ? i : i + 1;
    *words[place / 4] += byte(at + i) << (8 * (place % 4));
  }
  state.mix();
  return state.c;
}

/* The kernel's for names in a folder. */
inline unsigned ceph_str_hash_linux(const char *text, unsigned length) {
  unsigned long hash = 0;
  for (const char *end = text + length; text != end; ++text) {
    const unsigned char c = static_cast<unsigned char>(*text);
    hash = (hash + (static_cast<unsigned long>(c) << 4) + (c >> 4)) * 11;
  }
  return unsigned(hash);
}

inline unsigned ceph_str_hash(int type, const char *text, unsigned length) {
  switch (type) {
  case CEPH_STR_HASH_LINUX:
    return ceph_str_hash_linux(text, length);
  case CEPH_STR_HASH_RJENKINS:
    return ceph_str_hash_rjenkins(text, length);
  default:
    return unsigned(-1);
  }
}

#endif
