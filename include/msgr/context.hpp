/* What messengers share: options and worker threads. Ceph: CephContext, as far as a messenger needs one. */
#ifndef MSGR_CONTEXT_HPP
#define MSGR_CONTEXT_HPP

#include "config.hpp"
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
  msgr_ctx *const handle_;
  const uint32_t module_type;
  const int init_flags;

  static msgr_ctx *create() {
    msgr_ctx *made = nullptr;
    if (msgr_ctx_create(&made) < 0)
      throw std::bad_alloc();
    return made;
  }

public:
  /* Its options. */
  ConfigProxy _conf;

  explicit CephContext(uint32_t type = MSGR_ENTITY_CLIENT, int flags = 0)
      : handle_(create()), module_type(type), init_flags(flags), _conf(handle_) {}
  /* What kind of entity the process is, and what global_init was told. */
  uint32_t get_module_type() const { return module_type; }
  int get_init_flags() const { return init_flags; }
  /* The C context; lent. */
  msgr_ctx *handle() const { return handle_; }

  /* Options under Ceph's names: 0 or a negative errno. */
  int set_val(const std::string &key, const std::string &value) { return _conf.set_val(key, value); }
  int get_val(const std::string &key, std::string *value) const { return _conf.get_val(key, value); }

protected:
  ~CephContext() override { msgr_ctx_unref(handle_); }
};

} // namespace msgr

#endif
