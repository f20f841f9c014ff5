/* Threads that work on what is queued for them. Ceph: common/WorkQueue.h.
 *
 * Queues add themselves to a pool and go before it. Their time limits are kept and nobody watches them: there is no
 * HeartbeatMap here. */
#ifndef MSGR_COMPAT_COMMON_WORKQUEUE_H
#define MSGR_COMPAT_COMMON_WORKQUEUE_H

#include <list>
#include <unordered_map>
#include <vector>

#include "../include/Context.h"
#include "Thread.h"
#include "ceph_context.h"
#include "ceph_mutex.h"

class ThreadPool : public md_config_obs_t {
public:
  /* What an item is processed with. */
  class TPHandle {
  public:
    const ceph::timespan grace, suicide_grace;
    TPHandle(ceph::timespan g, ceph::timespan s) : grace(g), suicide_grace(s) {}
    void reset_tp_timeout() {}
    void suspend_tp_timeout() {}
  };

  /* What the pool knows of a queue. All but _void_process is called with the pool's lock held. */
  struct WorkQueue_ {
    std::string name;
    ceph::timespan timeout_interval, suicide_interval;

    WorkQueue_(std::string n, ceph::timespan timeout, ceph::timespan suicide)
        : name(std::move(n)), timeout_interval(timeout), suicide_interval(suicide) {}
    WorkQueue_(const WorkQueue_ &) = delete;
    WorkQueue_ &operator=(const WorkQueue_ &) = delete;
    virtual ~WorkQueue_() = default;
    virtual void _clear() = 0;
    virtual bool _empty() = 0;
    /* An item, or NULL. */
    virtual void *_void_dequeue() = 0;
    virtual void _void_process(void *item, TPHandle &handle) = 0;
    virtual void _void_process_finish(void *item) = 0;
  };

private:
  CephContext *const cct;
  const std::string name, thread_name, option;
  const char *tracked[2] = {nullptr, nullptr};
  ceph::mutex _lock = ceph::make_mutex("ThreadPool::_lock");
  ceph::condition_variable _cond, _wait_cond;
  bool stopping = false;
  int paused = 0, draining = 0;
  unsigned processing = 0, wanted;
  std::vector<WorkQueue_ *> queues;
  size_t next_queue = 0;

  struct WorkThread : Thread {
    ThreadPool *const pool;
    bool retired = false;
    explicit WorkThread(ThreadPool *p) : pool(p) {}
    void *entry() override {
      pool->work(*this);
      return nullptr;
    }
  };
  std::list<std::unique_ptr<WorkThread>> threads;

  /* One item of the next queue that has any; false if none has. */
  bool process_one(std::unique_lock<ceph::mutex> &guard) {
    for (size_t tried = 0; tried < queues.size(); ++tried) {
      WorkQueue_ *const queue = queues[next_queue++ % queues.size()];
      void *const item = queue->_void_dequeue();
      if (item == nullptr)
        continue;
      ++processing;
      guard.unlock();
      TPHandle handle(queue->timeout_interval, queue->suicide_interval);
      queue->_void_process(item, handle);
      guard.lock();
      queue->_void_process_finish(item);
      --processing;
      if (paused > 0 || draining > 0)
        _wait_cond.notify_all();
      return true;
    }
    return false;
  }
  void work(WorkThread &self) {
    std::unique_lock<ceph::mutex> guard(_lock);
    while (!stopping && !surplus(self))
      if (paused > 0 || !process_one(guard))
        _cond.wait(guard);
  }
  /* There are to be fewer threads than there are. */
  bool surplus(WorkThread &self) {
    size_t active = 0;
    for (const auto &thread : threads)
      active += !thread->retired;
    self.retired = active > wanted;
    return self.retired;
  }
  void start_threads() {
    size_t active = 0;
    for (const auto &thread : threads)
      active += !thread->retired;
    for (; active < wanted; ++active) {
      threads.push_back(std::make_unique<WorkThread>(this));
      threads.back()->create(thread_name.c_str());
    }
  }
  bool idle(WorkQueue_ *queue) { return processing == 0 && (queue == nullptr || queue->_empty()); }

public:
  ThreadPool(CephContext *c, std::string n, std::string tn, int count, const char *thread_option = nullptr)
      : cct(c), name(std::move(n)), thread_name(std::move(tn)), option(thread_option == nullptr ? "" : thread_option),
        wanted(unsigned(count)) {
    tracked[0] = option.empty() ? nullptr : option.c_str();
  }
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  /* It must have been stopped. */
  ~ThreadPool() override { ceph_assert(threads.empty()); }

  /* The option that was named for the number of threads, which may be changed while they work. */
  const char **get_tracked_conf_keys() const override { return const_cast<const char **>(tracked); }
  void handle_conf_change(const ConfigProxy &conf, const std::set<std::string> &changed) override {
    if (changed.count(option) == 0)
      return;
    const int count = conf.get_val<int>(option);
    const std::lock_guard<ceph::mutex> guard(_lock);
    if (count <= 0)
      return;
    wanted = unsigned(count);
    start_threads();
    _cond.notify_all();
  }

  int get_num_threads() {
    const std::lock_guard<ceph::mutex> guard(_lock);
    return int(wanted);
  }
  void add_work_queue(WorkQueue_ *queue) {
    const std::lock_guard<ceph::mutex> guard(_lock);
    queues.push_back(queue);
  }
  void remove_work_queue(WorkQueue_ *queue) {
    const std::lock_guard<ceph::mutex> guard(_lock);
    queues.erase(std::remove(queues.begin(), queues.end(), queue), queues.end());
  }

  void lock() { _lock.lock(); }
  void unlock() { _lock.unlock(); }
  /* Wakes threads: with the lock held, and without. */
  void _wake() { _cond.notify_all(); }
  void wake() {
    const std::lock_guard<ceph::mutex> guard(_lock);
    _cond.notify_all();
  }
  /* Waits to be woken, with the lock held. */
  void _wait() { wait(_cond); }
  void wait(ceph::condition_variable &cond) {
    std::unique_lock<ceph::mutex> guard(_lock, std::adopt_lock);
    cond.wait(guard);
    guard.release();
  }

  void start() {
    if (tracked[0] != nullptr)
      cct->_conf.add_observer(this);
    const std::lock_guard<ceph::mutex> guard(_lock);
    start_threads();
  }
  /* Ends the threads when they have done with what they have in hand; what is queued is cleared. */
  void stop(bool clear_after = true) {
    if (tracked[0] != nullptr)
      cct->_conf.remove_observer(this);
    std::unique_lock<ceph::mutex> guard(_lock);
    stopping = true;
    _cond.notify_all();
    guard.unlock();
    for (const auto &thread : threads)
      thread->join();
    guard.lock();
    threads.clear();
    if (clear_after)
      for (WorkQueue_ *queue : queues)
        queue->_clear();
    stopping = false;
  }
  /* Begins no more items, and waits until none is in hand. */
  void pause() {
    std::unique_lock<ceph::mutex> guard(_lock);
    ++paused;
    _wait_cond.wait(guard, [this] { return processing == 0; });
  }
  void pause_new() {
    const std::lock_guard<ceph::mutex> guard(_lock);
    ++paused;
  }
  /* Once for each of those. */
  void unpause() {
    const std::lock_guard<ceph::mutex> guard(_lock);
    --paused;
    _cond.notify_all();
  }
  /* Waits until nothing is in hand, and that queue is empty if there is one. */
  void drain(WorkQueue_ *queue = nullptr) {
    std::unique_lock<ceph::mutex> guard(_lock);
    ++draining;
    _wait_cond.wait(guard, [this, queue] { return idle(queue); });
    --draining;
  }

  template <class T> class WorkQueue;
  template <class T, class U = T> class WorkQueueVal;
  template <class T> class PointerWQ;
};

#include "work_queues.h"

#endif
