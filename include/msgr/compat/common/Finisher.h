/* A thread that completes contexts. Ceph: common/Finisher.h. */
#ifndef MSGR_COMPAT_COMMON_FINISHER_H
#define MSGR_COMPAT_COMMON_FINISHER_H

#include <vector>

#include "../include/Context.h"
#include "Thread.h"
#include "ceph_context.h"
#include "ceph_mutex.h"

class Finisher {
  ceph::mutex lock = ceph::make_mutex("Finisher::lock");
  ceph::condition_variable changed, emptied;
  std::vector<std::pair<Context *, int>> queued;
  bool stopping = false, running = false;
  const std::string thread_name;

  struct FinisherThread : Thread {
    Finisher *const finisher;
    explicit FinisherThread(Finisher *f) : finisher(f) {}
    void *entry() override {
      finisher->run();
      return nullptr;
    }
  } thread{this};

  void run() {
    std::unique_lock<ceph::mutex> guard(lock);
    for (;;) {
      changed.wait(guard, [this] { return stopping || !queued.empty(); });
      if (queued.empty())
        return;
      std::vector<std::pair<Context *, int>> now;
      now.swap(queued);
      running = true;
      guard.unlock();
      for (const auto &[context, result] : now)
        context->complete(result);
      guard.lock();
      running = false;
      if (queued.empty())
        emptied.notify_all();
    }
  }

public:
  explicit Finisher(CephContext *) : thread_name("fn_anonymous") {}
  Finisher(CephContext *, const std::string &, const std::string &tn) : thread_name(tn) {}
  Finisher(const Finisher &) = delete;
  Finisher &operator=(const Finisher &) = delete;

  void start() { thread.create(thread_name.c_str()); }
  /* When all that is queued is completed. */
  void stop() {
    {
      const std::lock_guard<ceph::mutex> guard(lock);
      stopping = true;
      changed.notify_all();
    }
    thread.join();
    stopping = false;
  }
  void queue(Context *context, int result = 0) {
    const std::lock_guard<ceph::mutex> guard(lock);
    queued.emplace_back(context, result);
    changed.notify_one();
  }
  /* All of them, and takes them. */
  template <class Contexts> auto queue(Contexts &contexts) -> decltype(contexts.clear()) {
    const std::lock_guard<ceph::mutex> guard(lock);
    for (Context *context : contexts)
      queued.emplace_back(context, 0);
    contexts.clear();
    changed.notify_one();
  }
  void wait_for_empty() {
    std::unique_lock<ceph::mutex> guard(lock);
    emptied.wait(guard, [this] { return queued.empty() && !running; });
  }
  bool is_empty() {
    const std::lock_guard<ceph::mutex> guard(lock);
    return queued.empty();
  }
};

/* Queues another one when it is completed. */
class C_OnFinisher : public Context {
  Context *const context;
  Finisher *const finisher;

public:
  C_OnFinisher(Context *c, Finisher *f) : context(c), finisher(f) {}

protected:
  void finish(int r) override { finisher->queue(context, r); }
};

#endif
