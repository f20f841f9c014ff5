/* Waiting for something to happen. Ceph: common/Cond.h. */
#ifndef MSGR_COMPAT_COMMON_COND_H
#define MSGR_COMPAT_COMMON_COND_H

#include <cerrno>

#include "../include/Context.h"
#include "../include/utime.h"
#include "Mutex.h"
#include "ceph_mutex.h"

/* As older code waits. 0, or ETIMEDOUT. */
class Cond {
  std::condition_variable_any inner;

public:
  Cond() = default;
  Cond(const Cond &) = delete;
  Cond &operator=(const Cond &) = delete;

  int Wait(Mutex &mutex) {
    inner.wait(mutex);
    return 0;
  }
  int WaitUntil(Mutex &mutex, utime_t when) {
    const std::chrono::system_clock::time_point at{
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(when.to_nsec()))};
    return inner.wait_until(mutex, at) == std::cv_status::timeout ? ETIMEDOUT : 0;
  }
  int WaitInterval(Mutex &mutex, utime_t span) {
    return inner.wait_for(mutex, std::chrono::nanoseconds(span.to_nsec())) == std::cv_status::timeout ? ETIMEDOUT : 0;
  }
  int WaitInterval(CephContext *, Mutex &mutex, utime_t span) { return WaitInterval(mutex, span); }
  int Signal() {
    inner.notify_all();
    return 0;
  }
  int SignalOne() {
    inner.notify_one();
    return 0;
  }
  int SignalAll() { return Signal(); }
};

/* Tells who waits for it that it is complete. */
class C_SaferCond : public Context {
  std::mutex lock;
  std::condition_variable changed;
  bool done = false;
  int result = 0;

public:
  C_SaferCond() = default;
  explicit C_SaferCond(const std::string &) {}
  /* It belongs to who waits. */
  void complete(int r) override {
    const std::lock_guard<std::mutex> guard(lock);
    done = true;
    result = r;
    changed.notify_all();
  }
  /* The result. */
  int wait() {
    std::unique_lock<std::mutex> guard(lock);
    changed.wait(guard, [this] { return done; });
    return result;
  }
  /* The same, or -ETIMEDOUT after so many seconds. */
  int wait_for(double seconds) {
    std::unique_lock<std::mutex> guard(lock);
    if (!changed.wait_for(guard, std::chrono::duration<double>(seconds), [this] { return done; }))
      return -ETIMEDOUT;
    return result;
  }

protected:
  void finish(int) override {}
};

#endif
