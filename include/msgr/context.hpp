/* What messengers share: options and worker threads. Ceph: CephContext, as far as a messenger needs one. */
#ifndef MSGR_CONTEXT_HPP
#define MSGR_CONTEXT_HPP

#include "entity_addr.hpp"
#include "ref.hpp"

namespace msgr {

/* Something to be done once, and then gone. Ceph: Context. */
class Context {
public:
  Context() = default;
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;
  virtual ~Context() = default;
  virtual void complete(int r) {
    finish(r);
    delete this;
  }

protected:
  virtual void finish(int r) = 0;
};

class CephContext : public RefCountedObject {
  msgr_ctx *handle_ = nullptr;

public:
  CephContext() {
    if (msgr_ctx_create(&handle_) < 0)
      throw std::bad_alloc();
  }
  /* The C context; lent. */
  msgr_ctx *handle() const { return handle_; }

  /* Options under Ceph's names: 0 or a negative errno. */
  int set_val(const std::string &key, const std::string &value) {
    return msgr_conf_set(handle_, key.c_str(), value.c_str());
  }
  int get_val(const std::string &key, std::string *value) const {
    char probe[1];
    const int known = msgr_conf_get(handle_, key.c_str(), probe, sizeof(probe));
    if (known < 0 && known != -ENAMETOOLONG)
      return known;
    *value =
        detail::text_of([this, &key](char *buf, size_t len) { return msgr_conf_get(handle_, key.c_str(), buf, len); });
    return 0;
  }

protected:
  ~CephContext() override { msgr_ctx_unref(handle_); }
};

} // namespace msgr

#endif
