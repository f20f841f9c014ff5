/* A lock, in the manner of older code. Ceph: common/Mutex.h, up to Nautilus. */
#ifndef MSGR_COMPAT_COMMON_MUTEX_H
#define MSGR_COMPAT_COMMON_MUTEX_H

#include <atomic>
#include <mutex>
#include <string>
#include <thread>

class Mutex {
  std::recursive_mutex inner;
  std::atomic<int> held{0};
  std::atomic<std::thread::id> owner{};

public:
  /* Whether it may be locked twice is not looked at: it may. */
  explicit Mutex(const std::string &, bool = false, bool = true, bool = false) {}
  Mutex(const Mutex &) = delete;
  Mutex &operator=(const Mutex &) = delete;

  void Lock(bool = false) {
    inner.lock();
    owner = std::this_thread::get_id();
    ++held;
  }
  void Unlock() {
    if (--held == 0)
      owner = std::thread::id();
    inner.unlock();
  }
  bool TryLock() {
    if (!inner.try_lock())
      return false;
    owner = std::this_thread::get_id();
    ++held;
    return true;
  }
  bool is_locked() const { return held > 0; }
  bool is_locked_by_me() const { return held > 0 && owner == std::this_thread::get_id(); }

  /* For std::lock_guard and Cond. */
  void lock() { Lock(); }
  void unlock() { Unlock(); }
  bool try_lock() { return TryLock(); }

  class Locker {
    Mutex &mutex;

  public:
    explicit Locker(Mutex &m) : mutex(m) { mutex.Lock(); }
    ~Locker() { mutex.Unlock(); }
    Locker(const Locker &) = delete;
    Locker &operator=(const Locker &) = delete;
  };
};

#endif
