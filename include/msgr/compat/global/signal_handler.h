/* Signals, as something that a thread sees to. Ceph: global/signal_handler.h. */
#ifndef MSGR_COMPAT_GLOBAL_SIGNAL_HANDLER_H
#define MSGR_COMPAT_GLOBAL_SIGNAL_HANDLER_H

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <map>
#include <memory>
#include <mutex>
#include <unistd.h>

#include "../common/Thread.h"

using signal_handler_t = void (*)(int);

namespace ceph {
namespace detail {
/* A signal is written to a pipe, which a thread reads. */
class SignalThread : public Thread {
  std::mutex lock;
  std::map<int, signal_handler_t> handlers;
  std::map<int, struct sigaction> before;
  int ends[2] = {-1, -1};

  static inline int wake = -1;
  static void note(int number) {
    const int kept = errno;
    const char byte = char(number);
    /* A full pipe has enough of them. */
    if (::write(wake, &byte, 1) < 0)
      errno = kept;
    errno = kept;
  }

protected:
  void *entry() override {
    for (char number; ::read(ends[0], &number, 1) == 1 && number != 0;) {
      signal_handler_t handler = nullptr;
      {
        const std::lock_guard<std::mutex> guard(lock);
        const auto found = handlers.find(number);
        if (found != handlers.end())
          handler = found->second;
      }
      if (handler != nullptr)
        handler(number);
    }
    return nullptr;
  }

public:
  static inline std::unique_ptr<SignalThread> running;

  SignalThread() {
    const int result = pipe2(ends, O_CLOEXEC);
    ceph_assert(result == 0);
    wake = ends[1];
    create("signal_handler");
  }
  ~SignalThread() override {
    for (const auto &[number, action] : before)
      sigaction(number, &action, nullptr);
    note(0);
    join();
    wake = -1;
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void add(int number, signal_handler_t handler, bool oneshot) {
    const std::lock_guard<std::mutex> guard(lock);
    handlers[number] = handler;
    struct sigaction action = {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART | (oneshot ? int(SA_RESETHAND) : 0);
    sigfillset(&action.sa_mask);
    struct sigaction old;
    if (sigaction(number, &action, &old) == 0)
      before.emplace(number, old);
  }
  void remove(int number) {
    const std::lock_guard<std::mutex> guard(lock);
    const auto old = before.find(number);
    if (old != before.end()) {
      sigaction(number, &old->second, nullptr);
      before.erase(old);
    }
    handlers.erase(number);
  }
  void queue(int number) { note(number); }
};
} // namespace detail
} // namespace ceph

/* Before any handler is registered, and after all of them have been taken out. */
inline void init_async_signal_handler() {
  ceph::detail::SignalThread::running = std::make_unique<ceph::detail::SignalThread>();
}
inline void shutdown_async_signal_handler() { ceph::detail::SignalThread::running.reset(); }
/* `handler` is called by a thread of its own and may do whatever a thread may. */
inline void register_async_signal_handler(int number, signal_handler_t handler) {
  ceph::detail::SignalThread::running->add(number, handler, false);
}
/* The second such signal does what it would have done without it. */
inline void register_async_signal_handler_oneshot(int number, signal_handler_t handler) {
  ceph::detail::SignalThread::running->add(number, handler, true);
}
inline void unregister_async_signal_handler(int number, signal_handler_t) {
  ceph::detail::SignalThread::running->remove(number);
}
inline void queue_async_signal(int number) { ceph::detail::SignalThread::running->queue(number); }

#endif
