/*
 * Counted objects and the pointers that count them.
 *
 * Ceph: common/RefCountedObj.h and common/ref.h, without boost.
 */
#ifndef MSGR_REF_HPP
#define MSGR_REF_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace msgr {

/* A pointer that holds a reference: of anything with get() and put(). Ceph: ceph::ref_t,
 * boost::intrusive_ptr. */
template <class T> class ref_t {
  T *target = nullptr;

  template <class U> friend class ref_t;

public:
  using element_type = T;

  constexpr ref_t() noexcept = default;
  constexpr ref_t(std::nullptr_t) noexcept {}
  /* Adds a reference, or with `add_ref` false takes over the caller's. */
  ref_t(T *p, bool add_ref = true) : target(p) {
    if (target && add_ref)
      target->get();
  }
  ref_t(const ref_t &other) : ref_t(other.target) {}
  template <class U> ref_t(const ref_t<U> &other) : ref_t(other.target) {}
  ref_t(ref_t &&other) noexcept : target(std::exchange(other.target, nullptr)) {}
  template <class U> ref_t(ref_t<U> &&other) noexcept : target(std::exchange(other.target, nullptr)) {}
  ~ref_t() {
    if (target)
      target->put();
  }

  ref_t &operator=(const ref_t &other) {
    ref_t(other).swap(*this);
    return *this;
  }
  ref_t &operator=(ref_t &&other) noexcept {
    ref_t(std::move(other)).swap(*this);
    return *this;
  }

  void swap(ref_t &other) noexcept { std::swap(target, other.target); }
  void reset() { ref_t().swap(*this); }
  void reset(T *p) { ref_t(p).swap(*this); }
  void reset(T *p, bool add_ref) { ref_t(p, add_ref).swap(*this); }
  /* Gives the reference to the caller. */
  T *detach() noexcept { return std::exchange(target, nullptr); }

  T *get() const noexcept { return target; }
  T *operator->() const noexcept { return target; }
  T &operator*() const noexcept { return *target; }
  explicit operator bool() const noexcept { return target != nullptr; }
};

template <class T, class U> bool operator==(const ref_t<T> &a, const ref_t<U> &b) { return a.get() == b.get(); }
template <class T, class U> bool operator!=(const ref_t<T> &a, const ref_t<U> &b) { return a.get() != b.get(); }
template <class T, class U> bool operator==(const ref_t<T> &a, const U *b) { return a.get() == b; }
template <class T, class U> bool operator!=(const ref_t<T> &a, const U *b) { return a.get() != b; }
template <class T> bool operator==(const ref_t<T> &a, std::nullptr_t) { return !a; }
template <class T> bool operator!=(const ref_t<T> &a, std::nullptr_t) { return !!a; }
template <class T> bool operator<(const ref_t<T> &a, const ref_t<T> &b) { return std::less<T *>()(a.get(), b.get()); }

template <class T> using cref_t = ref_t<const T>;

/* The same object as another type of its family. Ceph: ceph::ref_cast. */
template <class T, class U> ref_t<T> ref_cast(const ref_t<U> &r) { return ref_t<T>(static_cast<T *>(r.get())); }
template <class T, class U> ref_t<T> ref_cast(ref_t<U> &&r) { return ref_t<T>(static_cast<T *>(r.detach()), false); }

/* A base for what is counted. It begins with one reference, its maker's. */
class RefCountedObject {
  mutable std::atomic<uint64_t> nref{1};

public:
  void get() const noexcept { nref.fetch_add(1, std::memory_order_relaxed); }
  void put() const {
    if (nref.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }
  uint64_t get_nref() const noexcept { return nref.load(std::memory_order_relaxed); }

  RefCountedObject(const RefCountedObject &) = delete;
  RefCountedObject &operator=(const RefCountedObject &) = delete;

protected:
  RefCountedObject() = default;
  virtual ~RefCountedObject() = default;
};

using RefCountedPtr = ref_t<RefCountedObject>;

} // namespace msgr

namespace std {
template <class T> struct hash<msgr::ref_t<T>> {
  size_t operator()(const msgr::ref_t<T> &r) const noexcept { return std::hash<T *>()(r.get()); }
};
} // namespace std

#endif
