/* Bytes in pieces, and reading them one after the other. Ceph: ceph::buffer::list. */
#ifndef MSGR_BUFFERLIST_HPP
#define MSGR_BUFFERLIST_HPP

#include <ostream>

#include "buffer.hpp"

namespace msgr {
namespace buffer {

/* Several pieces that are read as one. Copies share the bytes. */
class list {
  pieces parts;
  size_t len_ = 0;
  /* Room behind the last piece, which nobody else knows of. */
  char *tail = nullptr;
  size_t tail_len = 0;

  /* What is allocated for small appends: as much again as there is, within bounds. */
  static constexpr size_t FIRST_CHUNK = 448, LAST_CHUNK = 65536;

  void new_tail(size_t len) {
    const size_t chunk = std::max(std::min(std::max(len_, FIRST_CHUNK), LAST_CHUNK), len);
    raw *const memory = raw::create(chunk);
    memory->used = chunk;
    parts.push_back(ptr(memory, 0, 0));
    tail = memory->data;
    tail_len = chunk;
  }
  void forget_tail() noexcept {
    tail = nullptr;
    tail_len = 0;
  }
  /* Numbers are written one by one: what is not rare is made for being inlined. */
  [[gnu::always_inline]] char *room(size_t len) {
    if (len > tail_len)
      new_tail(len);
    char *const at = tail;
    tail += len;
    tail_len -= len;
    len_ += len;
    parts.back().extend(len);
    return at;
  }

public:
  /* Reads on from a place; past the end it throws end_of_buffer and stays. */
  class const_iterator {
    const list *bytes = nullptr;
    const ptr *piece = nullptr;
    /* What is read next, and how much more of it is in the piece: none at the end of the list only. */
    const char *at = nullptr;
    size_t left = 0, off = 0;

    void enter() noexcept {
      while (piece != bytes->parts.end() && piece->length() == 0)
        ++piece;
      const bool some = piece != bytes->parts.end();
      at = some ? piece->c_str() : nullptr;
      left = some ? piece->length() : 0;
    }
    /* Calls `act` with every run of the next `len` bytes. */
    template <class Act> void each(size_t len, Act &&act) {
      if (len > get_remaining())
        throw end_of_buffer();
      while (len > 0) {
        const size_t run = std::min(len, left);
        act(*piece, piece->length() - left, run);
        at += run;
        left -= run;
        off += run;
        len -= run;
        if (left == 0) {
          ++piece;
          enter();
        }
      }
    }

  public:
    const_iterator() = default;
    explicit const_iterator(const list *l, size_t o = 0) : bytes(l), piece(l->parts.begin()) {
      enter();
      *this += o;
    }
    size_t get_off() const noexcept { return off; }
    size_t get_remaining() const noexcept { return bytes == nullptr ? 0 : bytes->len_ - off; }
    bool end() const noexcept { return get_remaining() == 0; }
    void seek(size_t o) { *this = const_iterator(bytes, o); }
    const_iterator &operator+=(size_t len) {
      each(len, [](const ptr &, size_t, size_t) {});
      return *this;
    }
    void advance(size_t len) { *this += len; }
    const_iterator &operator++() { return *this += 1; }
    char operator*() const {
      if (end())
        throw end_of_buffer();
      return *at;
    }
    /* As room is. */
    [[gnu::always_inline]] void copy(size_t len, char *dest) {
      if (len < left) {
        std::memcpy(dest, at, len);
        at += len;
        left -= len;
        off += len;
      } else {
        copy_across(len, dest);
      }
    }
    void copy_across(size_t len, char *dest) {
      each(len, [&dest](const ptr &p, size_t from, size_t run) {
        std::memcpy(dest, p.c_str() + from, run);
        dest += run;
      });
    }
    void copy(size_t len, std::string &dest) {
      if (len > get_remaining())
        throw end_of_buffer();
      each(len, [&dest](const ptr &p, size_t from, size_t run) { dest.append(p.c_str() + from, run); });
    }
    /* Shares the bytes. */
    void copy(size_t len, list &dest) {
      each(len, [&dest](const ptr &p, size_t from, size_t run) { dest.append(p, from, run); });
    }
    void copy_all(list &dest) { copy(get_remaining(), dest); }
    /* The same in one piece, which is new if the bytes are in several. */
    void copy_shallow(size_t len, ptr &dest) {
      if (len > 0 && len <= left)
        dest = ptr(*piece, piece->length() - left, len), *this += len;
      else
        copy_deep(len, dest);
    }
    void copy_deep(size_t len, ptr &dest) {
      if (len > get_remaining())
        throw end_of_buffer();
      ptr whole(len);
      copy(len, whole.c_str());
      dest = std::move(whole);
    }
    /* The rest of the piece that it is in. */
    ptr get_current_ptr() const {
      if (end())
        throw end_of_buffer();
      return ptr(*piece, piece->length() - left, left);
    }
    /* The longest run from here on within `want`, without copying; its length. */
    size_t get_ptr_and_advance(size_t want, const char **data) {
      if (end())
        return 0;
      const size_t run = std::min(want, left);
      *data = at;
      *this += run;
      return run;
    }
    friend bool operator==(const const_iterator &a, const const_iterator &b) {
      return a.bytes == b.bytes && a.off == b.off;
    }
    friend bool operator!=(const const_iterator &a, const const_iterator &b) { return !(a == b); }
  };
  using iterator = const_iterator;

  list() = default;
  list(const list &other) : parts(other.parts), len_(other.len_) {}
  list &operator=(const list &other) {
    list(other).swap(*this);
    return *this;
  }
  list(list &&other) noexcept { swap(other); }
  list &operator=(list &&other) noexcept {
    list(std::move(other)).swap(*this);
    return *this;
  }
  ~list() = default;

  void swap(list &other) noexcept {
    parts.swap(other.parts);
    std::swap(len_, other.len_);
    std::swap(tail, other.tail);
    std::swap(tail_len, other.tail_len);
  }
  void clear() {
    parts.clear();
    len_ = 0;
    forget_tail();
  }
  size_t length() const noexcept { return len_; }
  bool empty() const noexcept { return len_ == 0; }
  const pieces &buffers() const noexcept { return parts; }
  size_t get_num_buffers() const noexcept { return parts.size(); }
  bool is_contiguous() const noexcept { return parts.size() <= 1; }
  /* The first and the last piece. There has to be one. */
  const ptr &front() const noexcept { return parts.front(); }
  const ptr &back() const noexcept { return parts.back(); }

  void push_back(ptr p) {
    if (p.length() == 0)
      return;
    len_ += p.length();
    parts.push_back(std::move(p));
    forget_tail();
  }
  void append(ptr &&p) { push_back(std::move(p)); }
  void append(const ptr &p) { push_back(p); }
  void append(const ptr &p, size_t off, size_t len) { push_back(ptr(p, off, len)); }
  void append(const list &other) {
    /* Its own pieces may move while they are added. */
    const list same = other;
    for (const ptr &p : same.parts)
      push_back(p);
  }
  void append(list &&other) { claim_append(other); }
  /* Takes all of the other's. */
  void claim_append(list &other) {
    if (empty())
      swap(other);
    else
      append(other);
    other.clear();
  }
  void claim_append(list &&other) { claim_append(other); }
  void claim(list &other) {
    clear();
    swap(other);
  }
  [[gnu::always_inline]] void append(const char *data, size_t len) {
    if (len > 0)
      std::memcpy(room(len), data, len);
  }
  void append(std::string_view text) { append(text.data(), text.size()); }
  void append(const std::string &text) { append(text.data(), text.size()); }
  void append(const char *text) { append(std::string_view(text)); }
  void append(char c) { *room(1) = c; }
  void append_zero(size_t len) {
    if (len > 0)
      std::memset(room(len), 0, len);
  }
  /* Space that is written to later; it stays where it is while the list or a copy of it lives. */
  char *append_hole(size_t len) { return room(len); }
  void substr_of(const list &other, size_t off, size_t len) {
    if (off > other.len_ || len > other.len_ - off)
      throw end_of_buffer();
    list part;
    const_iterator at(&other, off);
    at.copy(len, part);
    swap(part);
  }

  const_iterator begin(size_t off = 0) const { return const_iterator(this, off); }
  const_iterator cbegin(size_t off = 0) const { return const_iterator(this, off); }
  const_iterator end() const { return const_iterator(this, len_); }
  const_iterator cend() const { return end(); }

  void copy(size_t off, size_t len, char *dest) const { const_iterator(this, off).copy(len, dest); }
  void copy(size_t off, size_t len, std::string &dest) const { const_iterator(this, off).copy(len, dest); }
  void copy(size_t off, size_t len, list &dest) const { const_iterator(this, off).copy(len, dest); }
  /* Overwrites. Whoever shares the bytes sees it. */
  void copy_in(size_t off, size_t len, const char *src) {
    if (off > len_ || len > len_ - off)
      throw end_of_buffer();
    for (ptr &p : parts) {
      if (off < p.length()) {
        const size_t run = std::min(len, p.length() - off);
        p.copy_in(off, run, src);
        src += run;
        len -= run;
        off = 0;
      } else {
        off -= p.length();
      }
      if (len == 0)
        return;
    }
  }
  void zero() {
    for (ptr &p : parts)
      p.zero();
  }
  /* Takes bytes out, into `taken` if there is one. */
  void splice(size_t off, size_t len, list *taken = nullptr) {
    list before, between, after;
    before.substr_of(*this, 0, off);
    between.substr_of(*this, off, len);
    after.substr_of(*this, off + len, len_ - off - len);
    if (taken != nullptr)
      taken->append(between);
    before.append(after);
    swap(before);
  }
  std::string to_str() const {
    std::string text;
    text.reserve(len_);
    for (const ptr &p : parts)
      text.append(p.c_str(), p.length());
    return text;
  }
  /* Joins the pieces. */
  void rebuild() {
    ptr whole(len_);
    copy(0, len_, whole.c_str());
    clear();
    push_back(std::move(whole));
  }
  bool is_aligned(size_t align) const noexcept {
    return std::all_of(parts.begin(), parts.end(),
                       [align](const ptr &p) { return reinterpret_cast<uintptr_t>(p.c_str()) % align == 0; });
  }
  bool is_page_aligned() const noexcept { return is_aligned(4096); }
  /* Joins the pieces at the beginning of a page, unless each begins one already. */
  void rebuild_page_aligned() {
    if (is_page_aligned())
      return;
    ptr whole = create_page_aligned(len_);
    copy(0, len_, whole.c_str());
    clear();
    push_back(std::move(whole));
  }
  /* All bytes in one piece, which the list keeps. Never NULL. */
  char *c_str() {
    static char nothing[1];
    if (parts.empty())
      return nothing;
    if (parts.size() > 1)
      rebuild();
    return parts.front().c_str();
  }
  char operator[](size_t off) const { return *const_iterator(this, off); }

  bool contents_equal(const list &other) const { return *this == other; }
  friend bool operator==(const list &a, const list &b) {
    if (a.len_ != b.len_)
      return false;
    const_iterator left(&a), right(&b);
    while (!left.end()) {
      const char *p = nullptr, *q = nullptr;
      const_iterator ahead = left;
      const size_t run = right.get_ptr_and_advance(ahead.get_ptr_and_advance(a.len_, &p), &q);
      left += run;
      if (std::memcmp(p, q, run) != 0)
        return false;
    }
    return true;
  }
  friend bool operator!=(const list &a, const list &b) { return !(a == b); }
  friend std::ostream &operator<<(std::ostream &out, const list &l) {
    return out << "buffer::list(len=" << l.len_ << ", " << l.parts.size() << " pieces)";
  }
};

} // namespace buffer

using bufferlist = buffer::list;

} // namespace msgr

#endif
