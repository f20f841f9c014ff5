/* Numbers that lie in memory as they travel, little-endian and at any address. Ceph: include/byteorder.h. */
#ifndef CEPH_BYTEORDER_H
#define CEPH_BYTEORDER_H

#include <cstddef>
#include <type_traits>

#include "int_types.h"

template <class T> class ceph_le {
  unsigned char bytes[sizeof(T)];

public:
  ceph_le() = default;
  explicit constexpr ceph_le(T v) : bytes{} { *this = v; }
  constexpr ceph_le &operator=(T v) {
    auto bits = std::make_unsigned_t<T>(v);
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes[i] = static_cast<unsigned char>(bits & 0xff);
      bits = static_cast<std::make_unsigned_t<T>>(uint64_t(bits) >> 8);
    }
    return *this;
  }
  constexpr operator T() const {
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      bits |= uint64_t(bytes[i]) << (8 * i);
    return static_cast<T>(bits);
  }
  friend constexpr bool operator==(ceph_le a, ceph_le b) { return T(a) == T(b); }
  friend constexpr bool operator!=(ceph_le a, ceph_le b) { return T(a) != T(b); }
};

using ceph_le64 = ceph_le<__u64>;
using ceph_le32 = ceph_le<__u32>;
using ceph_le16 = ceph_le<__u16>;
using ceph_les64 = ceph_le<__s64>;
using ceph_les32 = ceph_le<__s32>;
using ceph_les16 = ceph_le<__s16>;

static_assert(sizeof(ceph_le64) == 8 && alignof(ceph_le64) == 1);
static_assert(std::is_trivial_v<ceph_le64>, "it is a member of unions");

constexpr ceph_le64 init_le64(__u64 v) { return ceph_le64(v); }
constexpr ceph_le32 init_le32(__u32 v) { return ceph_le32(v); }
constexpr ceph_le16 init_le16(__u16 v) { return ceph_le16(v); }

#endif
