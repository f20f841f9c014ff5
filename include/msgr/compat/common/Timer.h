/* A thread that completes contexts when it is time. Ceph: common/Timer.h. */
#ifndef MSGR_COMPAT_COMMON_TIMER_H
#define MSGR_COMPAT_COMMON_TIMER_H

#include <map>

#include "../include/Context.h"
#include "../include/utime.h"
#include "Thread.h"
#include "ceph_context.h"
#include "ceph_mutex.h"

/* All of it is called with the program's lock held, and contexts are completed with it held, unless `safe_callbacks` is
 * false. */
template <class Lock> class CommonSafeTimer {
public:
  using clock_t = ceph::mono_clock;
  using Events = std::multimap<clock_t::time_point, Context *>;

private:
  Lock &lock;
  std::condition_variable_any changed;
  const bool safe_callbacks;
  bool stopping = false;
  Events schedule;
  std::map<Context *, typename Events::iterator> events;

  struct TimerThread : Thread {
    CommonSafeTimer *const timer;
    explicit TimerThread(CommonSafeTimer *t) : timer(t) {}
    void *entry() override {
      timer->run();
      return nullptr;
    }
  } thread{this};

  void run() {
    std::unique_lock<Lock> guard(lock);
    while (!stopping) {
      if (schedule.empty()) {
        changed.wait(guard);
        continue;
      }
      const auto first = schedule.begin();
      const clock_t::time_point due = first->first;
      if (due > clock_t::now()) {
        changed.wait_until(guard, due);
        continue;
      }
      Context *const context = first->second;
      events.erase(context);
      schedule.erase(first);
      if (!safe_callbacks)
        guard.unlock();
      context->complete(0);
      if (!safe_callbacks)
        guard.lock();
    }
  }

public:
  CommonSafeTimer(CephContext *, Lock &l, bool safe = true) : lock(l), safe_callbacks(safe) {}
  CommonSafeTimer(const CommonSafeTimer &) = delete;
  CommonSafeTimer &operator=(const CommonSafeTimer &) = delete;

  void init() { thread.create("safe_timer"); }
  /* What has not been completed goes. It lets the lock go while it waits for the thread. */
  void shutdown() {
    if (!thread.is_started())
      return;
    cancel_all_events();
    stopping = true;
    changed.notify_all();
    lock.unlock();
    thread.join();
    lock.lock();
  }
  /* The context, which belongs to the timer then; NULL after shutdown, and the context is gone. */
  Context *add_event_after(double seconds, Context *context) {
    const std::chrono::duration<double> span(seconds);
    return add_event_at(clock_t::now() + std::chrono::duration_cast<clock_t::duration>(span), context);
  }
  Context *add_event_after(ceph::timespan span, Context *context) {
    return add_event_at(clock_t::now() + std::chrono::duration_cast<clock_t::duration>(span), context);
  }
  Context *add_event_at(clock_t::time_point when, Context *context) {
    if (stopping) {
      delete context;
      return nullptr;
    }
    const auto added = schedule.emplace(when, context);
    events[context] = added;
    if (added == schedule.begin())
      changed.notify_all();
    return context;
  }
  Context *add_event_at(utime_t when, Context *context) {
    return add_event_after(double(when) - double(utime_t::now()), context);
  }
  /* False if it is no longer there. */
  bool cancel_event(Context *context) {
    const auto found = events.find(context);
    if (found == events.end())
      return false;
    schedule.erase(found->second);
    events.erase(found);
    delete context;
    return true;
  }
  void cancel_all_events() {
    for (const auto &[when, context] : schedule)
      delete context;
    schedule.clear();
    events.clear();
  }
};

using SafeTimer = CommonSafeTimer<ceph::mutex>;

#endif
