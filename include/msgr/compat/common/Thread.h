/* A thread. Ceph: common/Thread.h. */
#ifndef MSGR_COMPAT_COMMON_THREAD_H
#define MSGR_COMPAT_COMMON_THREAD_H

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <string_view>
#include <thread>

#include "../include/ceph_assert.h"

/* A class of the program's with what the thread does. Nobody joins it but the program. */
class Thread {
  pthread_t id{};
  bool started = false;
  /* The thread names itself, and may be gone before create returns. */
  std::string name;

  static void *run(void *self) {
    Thread *const thread = static_cast<Thread *>(self);
    if (!thread->name.empty())
      pthread_setname_np(pthread_self(), thread->name.substr(0, 15).c_str());
    /* After that the object may be gone. */
    return thread->entry();
  }

public:
  Thread() = default;
  Thread(const Thread &) = delete;
  Thread &operator=(const Thread &) = delete;
  virtual ~Thread() = default;

  const pthread_t &get_thread_id() const { return id; }
  bool is_started() const { return started; }
  bool am_self() const { return started && pthread_equal(pthread_self(), id) != 0; }
  int kill(int signal) { return started ? pthread_kill(id, signal) : -EINVAL; }

  /* 0 or an errno. A thread blocks all signals but those that a fault of its own causes. */
  int try_create(size_t stacksize) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (stacksize > 0)
      pthread_attr_setstacksize(&attributes, stacksize);
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP})
      sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    started = true;
    const int result = pthread_create(&id, &attributes, run, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (result != 0)
      started = false;
    return result;
  }
  void create(const char *thread_name, size_t stacksize = 0) {
    name = thread_name == nullptr ? "" : thread_name;
    const int result = try_create(stacksize);
    ceph_assertf(result == 0, "cannot start a thread: %s", std::strerror(result));
  }
  int join(void **result = nullptr) {
    if (!started)
      return -EINVAL;
    const int failed = pthread_join(id, result);
    ceph_assertf(failed == 0, "cannot join a thread: %s", std::strerror(failed));
    started = false;
    return 0;
  }
  int detach() { return pthread_detach(id); }
  int set_affinity(int cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(unsigned(cpu), &cpus);
    return started ? -pthread_setaffinity_np(id, sizeof(cpus), &cpus) : -EINVAL;
  }

protected:
  virtual void *entry() = 0;
};

/* A std::thread with a name. */
template <class Call, class... Args> std::thread make_named_thread(std::string_view name, Call &&call, Args &&...args) {
  return std::thread(
      [](std::string n, auto &&f, auto &&...with) {
        pthread_setname_np(pthread_self(), n.substr(0, 15).c_str());
        std::invoke(std::forward<decltype(f)>(f), std::forward<decltype(with)>(with)...);
      },
      std::string(name), std::forward<Call>(call), std::forward<Args>(args)...);
}

#endif
