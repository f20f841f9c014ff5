/* The queues of a ThreadPool: programs include common/WorkQueue.h. */
#ifndef MSGR_COMPAT_COMMON_WORK_QUEUES_H
#define MSGR_COMPAT_COMMON_WORK_QUEUES_H

#include "WorkQueue.h"

/* Of pointers, that a program keeps in an order of its own. Its methods with an underscore are called with the pool's
 * lock held. */
template <class T> class ThreadPool::WorkQueue : public ThreadPool::WorkQueue_ {
  ThreadPool *const pool_;

  virtual bool _enqueue(T *item) = 0;
  /* Takes out that one. */
  virtual void _dequeue(T *item) = 0;
  /* Takes out the next, or NULL. */
  virtual T *_dequeue() = 0;
  virtual void _process_finish(T *) {}

  void *_void_dequeue() override { return _dequeue(); }
  void _void_process(void *item, TPHandle &handle) override { _process(static_cast<T *>(item), handle); }
  void _void_process_finish(void *item) override { _process_finish(static_cast<T *>(item)); }

protected:
  /* On a thread of the pool, without its lock. */
  virtual void _process(T *item, TPHandle &handle) = 0;

public:
  WorkQueue(std::string n, ceph::timespan timeout, ceph::timespan suicide, ThreadPool *p)
      : WorkQueue_(std::move(n), timeout, suicide), pool_(p) {
    pool_->add_work_queue(this);
  }
  /* In seconds, as older code says it. */
  WorkQueue(std::string n, time_t timeout, time_t suicide, ThreadPool *p)
      : WorkQueue(std::move(n), ceph::make_timespan(double(timeout)), ceph::make_timespan(double(suicide)), p) {}
  ~WorkQueue() override { pool_->remove_work_queue(this); }

  bool queue(T *item) {
    const std::lock_guard<ceph::mutex> guard(pool_->_lock);
    const bool added = _enqueue(item);
    pool_->_cond.notify_one();
    return added;
  }
  void dequeue(T *item) {
    const std::lock_guard<ceph::mutex> guard(pool_->_lock);
    _dequeue(item);
  }
  void clear() {
    const std::lock_guard<ceph::mutex> guard(pool_->_lock);
    this->_clear();
  }
  void lock() { pool_->lock(); }
  void unlock() { pool_->unlock(); }
  void wake() { pool_->wake(); }
  void _wake() { pool_->_wake(); }
  void _wait() { pool_->_wait(); }
  void drain() { pool_->drain(this); }
};

/* Of small things by value. */
template <class T, class U> class ThreadPool::WorkQueueVal : public ThreadPool::WorkQueue_ {
  ceph::mutex _lock = ceph::make_mutex("WorkQueueVal::_lock");
  ThreadPool *const pool_;
  std::list<U> to_process, to_finish;

  virtual void _enqueue(T item) = 0;
  virtual void _enqueue_front(T item) = 0;
  virtual U _dequeue() = 0;
  virtual void _process_finish(U) {}

  U take(std::list<U> &from) {
    const std::lock_guard<ceph::mutex> guard(_lock);
    U item = std::move(from.front());
    from.pop_front();
    return item;
  }
  void *_void_dequeue() override {
    if (this->_empty())
      return nullptr;
    const std::lock_guard<ceph::mutex> guard(_lock);
    to_process.push_back(_dequeue());
    return this; /* Anything but NULL. */
  }
  void _void_process(void *, TPHandle &handle) override {
    U item = take(to_process);
    _process(item, handle);
    const std::lock_guard<ceph::mutex> guard(_lock);
    to_finish.push_back(std::move(item));
  }
  void _void_process_finish(void *) override { _process_finish(take(to_finish)); }
  void _clear() override {}

protected:
  void lock() { pool_->lock(); }
  void unlock() { pool_->unlock(); }
  virtual void _process(U item, TPHandle &handle) = 0;

public:
  WorkQueueVal(std::string n, ceph::timespan timeout, ceph::timespan suicide, ThreadPool *p)
      : WorkQueue_(std::move(n), timeout, suicide), pool_(p) {
    pool_->add_work_queue(this);
  }
  ~WorkQueueVal() override { pool_->remove_work_queue(this); }
  void queue(T item) {
    const std::lock_guard<ceph::mutex> guard(pool_->_lock);
    _enqueue(std::move(item));
    pool_->_cond.notify_one();
  }
  void queue_front(T item) {
    const std::lock_guard<ceph::mutex> guard(pool_->_lock);
    _enqueue_front(std::move(item));
    pool_->_cond.notify_one();
  }
  void drain() { pool_->drain(this); }
};

/* Of pointers, first in, first out. What derives from it calls register_work_queue. */
template <class T> class ThreadPool::PointerWQ : public ThreadPool::WorkQueue_ {
  ThreadPool *const m_pool;
  std::list<T *> m_items;
  uint32_t m_processing = 0;

protected:
  PointerWQ(std::string n, ceph::timespan timeout, ceph::timespan suicide, ThreadPool *p)
      : WorkQueue_(std::move(n), timeout, suicide), m_pool(p) {}
  void register_work_queue() { m_pool->add_work_queue(this); }
  void _clear() override { m_items.clear(); }
  bool _empty() override { return m_items.empty(); }
  void *_void_dequeue() override {
    if (m_items.empty())
      return nullptr;
    ++m_processing;
    T *const item = m_items.front();
    m_items.pop_front();
    return item;
  }
  void _void_process(void *item, TPHandle &) override { process(static_cast<T *>(item)); }
  void _void_process_finish(void *) override { --m_processing; }
  virtual void process(T *item) = 0;
  ceph::mutex &get_pool_lock() { return m_pool->_lock; }

public:
  ~PointerWQ() override {
    m_pool->remove_work_queue(this);
    ceph_assert(m_processing == 0);
  }
  void queue(T *item) {
    const std::lock_guard<ceph::mutex> guard(m_pool->_lock);
    m_items.push_back(item);
    m_pool->_cond.notify_one();
  }
  bool empty() {
    const std::lock_guard<ceph::mutex> guard(m_pool->_lock);
    return m_items.empty();
  }
  void drain() { m_pool->drain(this); }
};

/* Completes contexts. */
class ContextWQ : public ThreadPool::PointerWQ<Context> {
  ceph::mutex m_lock = ceph::make_mutex("ContextWQ::m_lock");
  std::unordered_map<Context *, int> results;

protected:
  void process(Context *context) override {
    int result = 0;
    {
      const std::lock_guard<ceph::mutex> guard(m_lock);
      const auto found = results.find(context);
      if (found != results.end()) {
        result = found->second;
        results.erase(found);
      }
    }
    context->complete(result);
  }

public:
  ContextWQ(const std::string &n, ceph::timespan timeout, ThreadPool *p)
      : PointerWQ<Context>(n, timeout, ceph::timespan::zero(), p) {
    register_work_queue();
  }
  void queue(Context *context, int result = 0) {
    if (result != 0) {
      const std::lock_guard<ceph::mutex> guard(m_lock);
      results[context] = result;
    }
    PointerWQ<Context>::queue(context);
  }
};

/* The same of those that are given the thread's handle. */
class GenContextWQ : public ThreadPool::WorkQueueVal<GenContext<ThreadPool::TPHandle &> *> {
  using Item = GenContext<ThreadPool::TPHandle &> *;
  std::list<Item> items;

  void _enqueue(Item item) override { items.push_back(item); }
  void _enqueue_front(Item item) override { items.push_front(item); }
  bool _empty() override { return items.empty(); }
  Item _dequeue() override {
    Item const item = items.front();
    items.pop_front();
    return item;
  }
  void _process(Item item, ThreadPool::TPHandle &handle) override { item->complete(handle); }

public:
  GenContextWQ(const std::string &n, ceph::timespan timeout, ThreadPool *p)
      : WorkQueueVal<Item>(n, timeout, timeout * 10, p) {}
};

#endif
