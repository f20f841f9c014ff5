/*
 * Pieces of counted memory, and lists of them: what messages carry.
 *
 * Copies share the bytes. Ceph: include/buffer.h, as far as messages need it.
 */
#ifndef MSGR_BUFFER_HPP
#define MSGR_BUFFER_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory.hpp"

namespace msgr {
namespace buffer {

struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/* There are fewer bytes than were asked for. */
struct end_of_buffer : error {
  end_of_buffer() : error("end of buffer") {}
};
struct malformed_input : error {
  using error::error;
};

/* Memory and who frees it. A raw of one's own has its bytes right behind it. */
class raw {
  std::atomic<uint32_t> nref{1};
  using free_fn = void (*)(raw *);
  free_fn free_;

public:
  char *data;
  size_t len;
  /* How much of it pieces have taken. It may be written to behind that by whoever holds the only reference. */
  size_t used;
  void *owner;

  raw(char *d, size_t l, free_fn f, void *o = nullptr) : free_(f), data(d), len(l), used(l), owner(o) {}
  raw(const raw &) = delete;
  raw &operator=(const raw &) = delete;

  raw *get() noexcept {
    nref.fetch_add(1, std::memory_order_relaxed);
    return this;
  }
  void put() {
    if (nref.load(std::memory_order_acquire) == 1 || nref.fetch_sub(1, std::memory_order_acq_rel) == 1)
      free_(this);
  }
  bool is_shared() const noexcept { return nref.load(std::memory_order_acquire) != 1; }

  /* Room for `len` bytes in one allocation, nothing of it used. */
  static raw *create(size_t len, size_t align = alignof(std::max_align_t)) {
    if (align > alignof(std::max_align_t))
      return create_far(len, align);
    const size_t size = sizeof(raw) + len;
    void *const memory = detail::KeptBlocks::get(size);
    raw *made = new (memory) raw(static_cast<char *>(memory) + sizeof(raw), len, [](raw *r) {
      const size_t got = sizeof(raw) + r->len;
      r->~raw();
      detail::KeptBlocks::put(r, got);
    });
    made->used = 0;
    return made;
  }

  /* The same at a place that is a multiple of `align`, a power of two. */
  static raw *create_far(size_t len, size_t align) {
    const size_t head = (sizeof(raw) + align - 1) / align * align;
    void *const memory = std::aligned_alloc(align, (head + len + align - 1) / align * align);
    if (memory == nullptr)
      throw std::bad_alloc();
    raw *made = new (memory) raw(static_cast<char *>(memory) + head, len, [](raw *r) {
      r->~raw();
      std::free(r);
    });
    made->used = 0;
    return made;
  }

  /* Memory of somebody else's; `release` is called with `owner` when the last piece has gone. */
  static raw *borrow(const void *data, size_t len, void (*release)(void *), void *owner) {
    struct borrowed : raw {
      void (*release)(void *);
      borrowed(char *d, size_t l, void (*f)(void *), void *o)
          : raw(d, l,
                [](raw *r) {
                  borrowed *self = static_cast<borrowed *>(r);
                  if (self->release != nullptr)
                    self->release(self->owner);
                  delete self;
                },
                o),
            release(f) {}
    };
    return new borrowed(static_cast<char *>(const_cast<void *>(data)), len, release, owner);
  }
};

/* A part of a raw. Ceph: ceph::buffer::ptr. */
class ptr {
  raw *memory = nullptr;
  size_t off_ = 0, len_ = 0;

  void within(size_t off, size_t len) const {
    if (off > len_ || len > len_ - off)
      throw end_of_buffer();
  }

public:
  ptr() noexcept = default;
  /* Takes the caller's reference. */
  ptr(raw *r, size_t off, size_t len) noexcept : memory(r), off_(off), len_(len) {}
  explicit ptr(size_t len) : memory(raw::create(len)), len_(len) { memory->used = len; }
  ptr(const void *data, size_t len) : ptr(len) {
    if (len > 0)
      std::memcpy(memory->data, data, len);
  }
  ptr(const ptr &other) noexcept : memory(other.memory), off_(other.off_), len_(other.len_) {
    if (memory != nullptr)
      memory->get();
  }
  ptr(ptr &&other) noexcept
      : memory(std::exchange(other.memory, nullptr)), off_(std::exchange(other.off_, 0)),
        len_(std::exchange(other.len_, 0)) {}
  ptr(const ptr &other, size_t off, size_t len) : ptr(other) {
    within(off, len);
    off_ += off;
    len_ = len;
  }
  ~ptr() {
    if (memory != nullptr)
      memory->put();
  }
  ptr &operator=(const ptr &other) noexcept {
    ptr(other).swap(*this);
    return *this;
  }
  ptr &operator=(ptr &&other) noexcept {
    ptr(std::move(other)).swap(*this);
    return *this;
  }
  void swap(ptr &other) noexcept {
    std::swap(memory, other.memory);
    std::swap(off_, other.off_);
    std::swap(len_, other.len_);
  }

  bool have_raw() const noexcept { return memory != nullptr; }
  raw *get_raw() const noexcept { return memory; }
  size_t offset() const noexcept { return off_; }
  size_t length() const noexcept { return len_; }
  size_t start() const noexcept { return off_; }
  size_t end() const noexcept { return off_ + len_; }
  char *c_str() noexcept { return memory == nullptr ? nullptr : memory->data + off_; }
  const char *c_str() const noexcept { return memory == nullptr ? nullptr : memory->data + off_; }
  const char &operator[](size_t i) const {
    within(i, 1);
    return memory->data[off_ + i];
  }
  char &operator[](size_t i) {
    within(i, 1);
    return memory->data[off_ + i];
  }
  void copy_out(size_t off, size_t len, void *dest) const {
    within(off, len);
    if (len > 0)
      std::memcpy(dest, c_str() + off, len);
  }
  void copy_in(size_t off, size_t len, const void *src) {
    within(off, len);
    if (len > 0)
      std::memcpy(c_str() + off, src, len);
  }
  void zero() {
    if (len_ > 0)
      std::memset(c_str(), 0, len_);
  }
  void set_length(size_t len) {
    if (memory == nullptr ? len > 0 : len > memory->len - off_)
      throw end_of_buffer();
    len_ = len;
  }
  void set_offset(size_t off) {
    if (memory == nullptr ? off > 0 : off > memory->len || len_ > memory->len - off)
      throw end_of_buffer();
    off_ = off;
  }
  bool is_page_aligned() const noexcept { return reinterpret_cast<uintptr_t>(c_str()) % 4096 == 0; }

  /* Room behind it that nobody else can see. */
  size_t unused_tail_length() const noexcept {
    return memory != nullptr && memory->used == end() && !memory->is_shared() ? memory->len - end() : 0;
  }
  /* Takes more of the memory. The caller knows that it is there, and whose it is. */
  void extend(size_t len) noexcept { len_ += len; }
};

inline ptr create(size_t len) { return ptr(len); }
inline ptr create_aligned(size_t len, size_t align) {
  raw *r = raw::create(len, align);
  r->used = len;
  return ptr(r, 0, len);
}
inline ptr create_page_aligned(size_t len) { return create_aligned(len, 4096); }
inline ptr copy(const void *data, size_t len) { return ptr(data, len); }
/* Memory that lives for ever. */
inline ptr create_static(size_t len, const char *data) { return ptr(raw::borrow(data, len, nullptr, nullptr), 0, len); }
/* Memory from malloc, that free gets. */
inline ptr claim_malloc(size_t len, char *data) { return ptr(raw::borrow(data, len, std::free, data), 0, len); }
/* Memory that `done` gets back. */
inline ptr claim_buffer(size_t len, char *data, std::function<void()> done) {
  auto *kept = new std::function<void()>(std::move(done));
  auto release = [](void *owner) {
    auto *call = static_cast<std::function<void()> *>(owner);
    if (*call)
      (*call)();
    delete call;
  };
  return ptr(raw::borrow(data, len, release, kept), 0, len);
}

/* The pieces of a list: a single one costs no allocation. */
class pieces {
  ptr single;
  std::vector<ptr> many;

public:
  size_t size() const noexcept { return many.empty() ? single.have_raw() : many.size(); }
  bool empty() const noexcept { return size() == 0; }
  ptr *begin() noexcept { return many.empty() ? &single : many.data(); }
  const ptr *begin() const noexcept { return many.empty() ? &single : many.data(); }
  ptr *end() noexcept { return begin() + size(); }
  const ptr *end() const noexcept { return begin() + size(); }
  ptr &front() noexcept { return *begin(); }
  const ptr &front() const noexcept { return *begin(); }
  ptr &back() noexcept { return many.empty() ? single : many.back(); }
  const ptr &back() const noexcept { return many.empty() ? single : many.back(); }

  void swap(pieces &other) noexcept {
    single.swap(other.single);
    many.swap(other.many);
  }
  void push_back(ptr &&p) {
    if (empty()) {
      single = std::move(p);
      return;
    }
    if (many.empty()) {
      many.reserve(4);
      many.push_back(std::move(single));
    }
    many.push_back(std::move(p));
  }
  void clear() {
    single = ptr();
    many.clear();
  }
};

} // namespace buffer

using bufferptr = buffer::ptr;

} // namespace msgr

#endif
