/* Numbers that lie in memory as they travel, little-endian and at any address. Ceph: include/byteorder.h. */
#ifndef CEPH_BYTEORDER_H
#define CEPH_BYTEORDER_H

#include <type_traits>

#include "../../encoding.hpp"
#include "int_types.h"

template <class T> class ceph_le {
  unsigned char bytes[sizeof(T)];

public:
  ceph_le() = default;
  explicit ceph_le(T v) { *this = v; }
  ceph_le &operator=(T v) {
    const auto little = msgr::detail::little(std::make_unsigned_t<T>(v));
    std::memcpy(bytes, &little, sizeof(bytes));
    return *this;
  }
  operator T() const {
    std::make_unsigned_t<T> bits;
    std::memcpy(&bits, bytes, sizeof(bits));
    return T(msgr::detail::little(bits));
  }
  friend bool operator==(ceph_le a, ceph_le b) { return T(a) == T(b); }
  friend bool operator!=(ceph_le a, ceph_le b) { return T(a) != T(b); }
};

using ceph_le64 = ceph_le<__u64>;
using ceph_le32 = ceph_le<__u32>;
using ceph_le16 = ceph_le<__u16>;
using ceph_les64 = ceph_le<__s64>;
using ceph_les32 = ceph_le<__s32>;
using ceph_les16 = ceph_le<__s16>;

static_assert(sizeof(ceph_le64) == 8 && alignof(ceph_le64) == 1);
static_assert(std::is_trivial_v<ceph_le64>, "it is a member of unions");

inline ceph_le64 init_le64(__u64 v) { return ceph_le64(v); }
inline ceph_le32 init_le32(__u32 v) { return ceph_le32(v); }
inline ceph_le16 init_le16(__u16 v) { return ceph_le16(v); }

#endif
