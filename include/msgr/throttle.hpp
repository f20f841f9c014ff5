/* A budget that messengers and threads share. Ceph: common/Throttle.h. */
#ifndef MSGR_THROTTLE_HPP
#define MSGR_THROTTLE_HPP

#include <new>

#include "context.hpp"

namespace msgr {

/* So many bytes, messages or whatever else may be out; 0 is no limit. Messengers keep what they need of it: it may go
 * before them. */
class Throttle {
  msgr_throttle *handle_ = nullptr;
  const std::string name;

  int64_t after(int result) const { return result < 0 ? result : get_current(); }

public:
  Throttle(CephContext *, const std::string &n, int64_t max = 0, bool = true) : name(n) {
    if (msgr_throttle_create(n.c_str(), uint64_t(max), &handle_) < 0)
      throw std::bad_alloc();
  }
  Throttle(const Throttle &) = delete;
  Throttle &operator=(const Throttle &) = delete;
  ~Throttle() { msgr_throttle_unref(handle_); }
  /* The C throttle; lent. */
  msgr_throttle *handle() const { return handle_; }

  const std::string &get_name() const { return name; }
  int64_t get_current() const { return int64_t(msgr_throttle_current(handle_)); }
  int64_t get_max() const { return int64_t(msgr_throttle_max(handle_)); }
  bool past_midpoint() const { return get_current() >= get_max() / 2; }
  /* Would `count` more have to wait? */
  bool should_wait(int64_t count) const {
    const int64_t max = get_max(), out = get_current();
    return max > 0 && ((count <= max && out + count > max) || (count >= max && out > max));
  }

  /* Takes it as soon as there is room; `max`, if not 0, becomes the limit first. True: it had to wait. Not in a fast
   * callback. */
  bool get(int64_t count = 1, int64_t max = 0) {
    if (max > 0)
      reset_max(max);
    return msgr_throttle_get(handle_, uint64_t(count)) > 0;
  }
  /* Takes it if there is room; true if it did. */
  bool get_or_fail(int64_t count = 1) { return msgr_throttle_get_or_fail(handle_, uint64_t(count)) > 0; }
  /* Takes it whatever is left; what is out then, or a negative errno. */
  int64_t take(int64_t count = 1) { return after(msgr_throttle_take(handle_, uint64_t(count))); }
  /* Gives it back; what is out then, or a negative errno. */
  int64_t put(int64_t count = 1) { return after(msgr_throttle_put(handle_, uint64_t(count))); }
  void reset_max(int64_t max) { msgr_throttle_set_max(handle_, uint64_t(max)); }
};

} // namespace msgr

#endif
