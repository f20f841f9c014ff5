/* Something to be done later, once. Ceph: include/Context.h. */
#ifndef MSGR_COMPAT_INCLUDE_CONTEXT_H
#define MSGR_COMPAT_INCLUDE_CONTEXT_H

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "../../context.hpp"
#include "common_fwd.h"

using msgr::Context;

/* The same with an argument of another type. */
template <class T> class GenContext {
public:
  GenContext() = default;
  GenContext(const GenContext &) = delete;
  GenContext &operator=(const GenContext &) = delete;
  virtual ~GenContext() = default;
  template <class C> void complete(C &&t) {
    finish(std::forward<C>(t));
    delete this;
  }

protected:
  virtual void finish(T t) = 0;
};

template <class T> using GenContextURef = std::unique_ptr<GenContext<T>>;

/* Calls something. */
template <class Call> class LambdaContext : public Context {
  Call call;

public:
  explicit LambdaContext(Call &&c) : call(std::forward<Call>(c)) {}

protected:
  void finish(int r) override {
    if constexpr (std::is_invocable_v<Call, int>)
      call(r);
    else
      call();
  }
};
template <class Call> LambdaContext<Call> *make_lambda_context(Call &&call) {
  return new LambdaContext<Call>(std::forward<Call>(call));
}

class FunctionContext : public Context {
  std::function<void(int)> call;

public:
  explicit FunctionContext(std::function<void(int)> &&c) : call(std::move(c)) {}

protected:
  void finish(int r) override { call(r); }
};

class C_NoopContext : public Context {
protected:
  void finish(int) override {}
};

/* Completes all of them with `r`. */
template <class Contexts> void finish_contexts(CephContext *, Contexts &contexts, int r = 0) {
  Contexts now;
  now.swap(contexts);
  for (Context *c : now)
    c->complete(r);
}

/* Completes `onfinish` when all that were made of it have been completed, with the first result that is not 0. */
class C_Gather {
  std::mutex lock;
  size_t open = 1;
  int result = 0;
  Context *onfinish;

  class Sub : public Context {
    C_Gather *const gather;

  public:
    explicit Sub(C_Gather *g) : gather(g) {}

  protected:
    void finish(int r) override { gather->one_done(r); }
  };

  ~C_Gather() = default;

public:
  explicit C_Gather(Context *c) : onfinish(c) {}
  C_Gather(const C_Gather &) = delete;
  C_Gather &operator=(const C_Gather &) = delete;

  void set_finisher(Context *c) {
    const std::lock_guard<std::mutex> guard(lock);
    onfinish = c;
  }
  Context *new_sub() {
    const std::lock_guard<std::mutex> guard(lock);
    ++open;
    return new Sub(this);
  }
  /* The last one takes all of it away. */
  void one_done(int r) {
    {
      const std::lock_guard<std::mutex> guard(lock);
      if (r < 0 && result == 0)
        result = r;
      if (--open > 0)
        return;
    }
    if (onfinish != nullptr)
      onfinish->complete(result);
    delete this;
  }
};

/* To make them. Nothing is completed before activate. */
class C_GatherBuilder {
  C_Gather *gather = nullptr;
  Context *finisher = nullptr;
  size_t count = 0;

public:
  explicit C_GatherBuilder(CephContext *, Context *onfinish = nullptr) : finisher(onfinish) {}
  C_GatherBuilder(const C_GatherBuilder &) = delete;
  C_GatherBuilder &operator=(const C_GatherBuilder &) = delete;
  ~C_GatherBuilder() {
    if (gather != nullptr)
      gather->one_done(0);
    else
      delete finisher;
  }
  Context *new_sub() {
    if (gather == nullptr)
      gather = new C_Gather(std::exchange(finisher, nullptr));
    ++count;
    return gather->new_sub();
  }
  bool has_subs() const { return count > 0; }
  size_t num_subs_created() const { return count; }
  void set_finisher(Context *onfinish) {
    if (gather != nullptr)
      gather->set_finisher(onfinish);
    else
      finisher = onfinish;
  }
  /* Without any it never happens, as in Ceph. */
  void activate() {
    if (gather != nullptr)
      std::exchange(gather, nullptr)->one_done(0);
  }
};

#endif
