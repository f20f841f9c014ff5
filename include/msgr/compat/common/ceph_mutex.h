/* Locks. Ceph: common/ceph_mutex.h, as it is without lockdep. */
#ifndef MSGR_COMPAT_COMMON_CEPH_MUTEX_H
#define MSGR_COMPAT_COMMON_CEPH_MUTEX_H

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "ceph_time.h"

namespace ceph {

using std::condition_variable;
using std::mutex;
using std::recursive_mutex;
using std::shared_mutex;
using condition_variable_any = std::condition_variable_any;

/* The names are for those who look at locks; nobody does here. */
template <class... Names> mutex make_mutex(Names &&...) { return mutex(); }
template <class... Names> recursive_mutex make_recursive_mutex(Names &&...) { return recursive_mutex(); }
template <class... Names> shared_mutex make_shared_mutex(Names &&...) { return shared_mutex(); }

static constexpr bool mutex_debugging = false;

} // namespace ceph

/* Nobody counts who holds a lock: what is asked is said to be so. */
#define ceph_mutex_is_locked(m) (static_cast<void>(m), true)
#define ceph_mutex_is_not_locked(m) (static_cast<void>(m), true)
#define ceph_mutex_is_rlocked(m) (static_cast<void>(m), true)
#define ceph_mutex_is_wlocked(m) (static_cast<void>(m), true)
#define ceph_mutex_is_locked_by_me(m) (static_cast<void>(m), true)
#define ceph_mutex_is_not_locked_by_me(m) (static_cast<void>(m), true)

#endif
