/* Pointers that count. Ceph: common/ref.h, without boost. */
#ifndef MSGR_COMPAT_COMMON_REF_H
#define MSGR_COMPAT_COMMON_REF_H

#include "../../ref.hpp"

namespace ceph {
using msgr::cref_t;
using msgr::ref_cast;
using msgr::ref_t;

template <class T, class... Args> ref_t<T> make_ref(Args &&...args) {
  return ref_t<T>(new T(std::forward<Args>(args)...), false);
}
} // namespace ceph

#endif
