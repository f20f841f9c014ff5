/* An endpoint with a name, addresses and connections. Ceph: msg/Messenger.h. */
#ifndef MSGR_MESSENGER_HPP
#define MSGR_MESSENGER_HPP

#include <random>
#include <set>
#include <unistd.h>

#include "auth.hpp"
#include "policy.hpp"
#include "throttle.hpp"

namespace msgr {

class Messenger {
  msgr_messenger *handle_ = nullptr;
  const ref_t<CephContext> context;
  AuthBridge *auth = nullptr;
  bool auth_attached = false;
  std::mutex lock;
  /* By what the library knows them. */
  std::map<Dispatcher *, void *> dispatchers;
  /* Those for bytes and for messages, by type of peer. */
  std::map<int, std::pair<Throttle *, Throttle *>> throttlers;

  Messenger(CephContext *cct) : context(cct) {}

  /* The handler of an AuthClient and an AuthServer has to be there before the first connection. */
  int attach_auth() {
    if (auth == nullptr || auth_attached)
      return 0;
    const int result = auth->attach(handle_);
    auth_attached = result >= 0;
    return result;
  }
  AuthBridge &auth_bridge() {
    if (auth == nullptr)
      auth = new AuthBridge(this);
    return *auth;
  }
  int add_dispatcher(Dispatcher *d, bool at_tail) {
    void *user = nullptr;
    const int result = DispatcherBridge::add(handle_, this, d, at_tail, &user);
    const std::lock_guard<std::mutex> guard(lock);
    if (result == 0)
      dispatchers[d] = user;
    return result;
  }
  ConnectionRef adopt(int result, msgr_conn *conn) {
    return result < 0 ? ConnectionRef() : Connection::adopt(conn, this);
  }
  /* A text that is made anew by each call, and may have grown meanwhile. */
  template <class Fill> static std::string all_of(Fill &&fill) {
    std::string text;
    for (int len = fill(nullptr, 0); len >= 0;) {
      text.resize(size_t(len) + 4096);
      len = fill(text.data(), text.size());
      if (len >= 0 && size_t(len) < text.size()) {
        text.resize(size_t(len));
        return text;
      }
    }
    return std::string();
  }
  static std::vector<uint16_t> ports(const std::set<int> &numbers) {
    return std::vector<uint16_t>(numbers.begin(), numbers.end());
  }

public:
  using Policy = msgr::Policy;

  Messenger(const Messenger &) = delete;
  Messenger &operator=(const Messenger &) = delete;
  /* Shuts it down and waits, if nobody has. Not in a callback of its own. Connections that the program still holds must
   * not be asked for their messenger any more. */
  ~Messenger() {
    msgr_unref(handle_);
    if (!auth_attached)
      delete auth;
  }

  /* NULL for a `type` that is not here: all have "async" in their name. Delete what you get. */
  static Messenger *create(CephContext *cct, const std::string &type, entity_name_t name, const std::string &lname,
                           uint64_t nonce) {
    if (type.find("async") == std::string::npos && type != "random")
      return nullptr;
    std::unique_ptr<Messenger> made(new Messenger(cct));
    if (msgr_create(cct->handle(), name.to_str().c_str(), lname.c_str(), nonce, &made->handle_) < 0)
      return nullptr;
    auto decode = [](void *user, msgr_conn *, msgr_msg *raw) noexcept {
      return MessageBridge::decode(raw, static_cast<Messenger *>(user));
    };
    if (msgr_set_decoder(made->handle_, decode, made.get(), nullptr) < 0)
      return nullptr;
    return made.release();
  }
  static Messenger *create_client_messenger(CephContext *cct, const std::string &lname) {
    return create(cct, "async+posix", entity_name_t::CLIENT(), lname, get_random_nonce());
  }
  static uint64_t get_random_nonce() {
    std::random_device source;
    return uint64_t(source()) << 32 | source();
  }
  /* The process id where that tells one process from another: not in a container of its own. */
  static uint64_t get_pid_nonce() {
    const pid_t pid = getpid();
    return pid == 1 || std::getenv("CEPH_USE_RANDOM_NONCE") != nullptr ? get_random_nonce() : uint64_t(pid);
  }

  /* The C messenger; lent. */
  msgr_messenger *handle() const { return handle_; }
  CephContext *get_context() const { return context.get(); }

  /* Before bind and start. */
  int set_default_policy(const Policy &p) {
    const msgr_policy c = p.c_policy();
    return msgr_set_default_policy(handle_, &c);
  }
  int set_policy(int type, const Policy &p) {
    const msgr_policy c = p.c_policy();
    const int result = msgr_set_policy(handle_, type, &c);
    if (result < 0 || (p.throttler_bytes == nullptr && p.throttler_messages == nullptr))
      return result;
    return set_policy_throttlers(type, p.throttler_bytes, p.throttler_messages);
  }
  Policy get_policy(int type) {
    msgr_policy c = MSGR_POLICY_INIT;
    msgr_get_policy(handle_, type, &c);
    Policy policy(c);
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = throttlers.find(type);
    if (found != throttlers.end()) {
      policy.throttler_bytes = found->second.first;
      policy.throttler_messages = found->second.second;
    }
    return policy;
  }
  /* What peers of a type may have under way together, whichever messengers share the throttles; NULL is no limit. At any
   * time, from the next message on. */
  int set_policy_throttlers(int type, Throttle *bytes, Throttle *messages = nullptr) {
    const int result = msgr_set_policy_throttles(handle_, type, bytes == nullptr ? nullptr : bytes->handle(),
                                                 messages == nullptr ? nullptr : messages->handle());
    const std::lock_guard<std::mutex> guard(lock);
    if (result == 0)
      throttlers[type] = {bytes, messages};
    return result;
  }
  Policy get_default_policy() const {
    msgr_policy c = MSGR_POLICY_INIT;
    msgr_get_default_policy(handle_, &c);
    return Policy(c);
  }
  int set_myname(entity_name_t name) { return msgr_set_myname(handle_, name.to_str().c_str()); }
  int set_default_send_priority(int priority) { return msgr_set_default_send_priority(handle_, priority); }
  int set_socket_priority(int priority) { return msgr_set_socket_priority(handle_, priority); }
  int set_cluster_protocol(int version) { return msgr_set_cluster_protocol(handle_, version); }
  int set_require_authorizer(bool required) { return msgr_set_require_authorizer(handle_, required); }
  void set_auth_client(AuthClient *c) { auth_bridge().set_client(c); }
  void set_auth_server(AuthServer *s) { auth_bridge().set_server(s); }
  AuthClient *get_auth_client() const { return auth == nullptr ? nullptr : auth->get_client(); }
  AuthServer *get_auth_server() const { return auth == nullptr ? nullptr : auth->get_server(); }

  /* At any time. The first one lets the messenger accept connections. */
  int add_dispatcher_head(Dispatcher *d) { return add_dispatcher(d, false); }
  int add_dispatcher_tail(Dispatcher *d) { return add_dispatcher(d, true); }
  /* Returns when no callback of it runs any more. -EDEADLK in a callback, -ENOENT if it was not added. Not in Ceph. */
  int remove_dispatcher(Dispatcher *d) {
    std::unique_lock<std::mutex> guard(lock);
    const auto found = dispatchers.find(d);
    if (found == dispatchers.end())
      return -ENOENT;
    void *const user = found->second;
    guard.unlock();
    const int result = msgr_remove_dispatcher(handle_, user);
    guard.lock();
    if (result == 0)
      dispatchers.erase(d);
    return result;
  }

  int bind(const entity_addr_t &addr) { return bindv(entity_addrvec_t(addr)); }
  int bindv(const entity_addrvec_t &addrs) {
    const int result = attach_auth();
    return result < 0 ? result : msgr_bind(handle_, addrs.get_str().c_str());
  }
  int rebind(const std::set<int> &avoid_ports) {
    const std::vector<uint16_t> avoided = ports(avoid_ports);
    return msgr_rebind(handle_, avoided.data(), avoided.size());
  }
  /* From where connections of a client are dialled. */
  int client_bind(const entity_addr_t &addr) { return msgr_client_bind(handle_, addr.to_str().c_str()); }
  int client_reset() { return msgr_client_reset(handle_); }
  int set_addrs(const entity_addrvec_t &addrs) { return msgr_set_addrs(handle_, addrs.get_str().c_str()); }

  /* What is blank in its own addresses, as somebody knows better. */
  int set_addr_unknowns(const entity_addrvec_t &addrs) {
    return msgr_set_addr_unknowns(handle_, addrs.get_str().c_str());
  }

  int start() {
    const int result = attach_auth();
    detail::hand_over(this);
    return result < 0 ? result : msgr_start(handle_);
  }
  int shutdown() { return msgr_shutdown(handle_); }
  /* After it no callback runs. At once if it was never started; -EDEADLK in a callback. */
  int wait() {
    const int result = msgr_wait(handle_);
    detail::take_over(&detail::all_callbacks);
    return result;
  }

  entity_addrvec_t get_myaddrs() const {
    entity_addrvec_t addrs;
    addrs.parse(detail::text_of([this](char *buf, size_t len) { return msgr_get_myaddrs(handle_, buf, len); }));
    return addrs;
  }
  entity_addr_t get_myaddr_legacy() const { return get_myaddrs().as_legacy_addr(); }

  /* The connection to a peer; NULL for addresses that cannot be dialled, and if the messenger does not run. */
  ConnectionRef connect_to(int type, const entity_addrvec_t &dest, bool anon = false, bool not_local_dest = false) {
    const uint32_t flags = (anon ? MSGR_CONNECT_ANONYMOUS : 0u) | (not_local_dest ? MSGR_CONNECT_NOT_LOCAL : 0u);
    msgr_conn *conn = nullptr;
    const int result = msgr_connect_with(handle_, type, dest.get_str().c_str(), flags, &conn);
    return adopt(result, conn);
  }
  ConnectionRef connect_to_mon(const entity_addrvec_t &d, bool anon = false, bool not_local_dest = false) {
    return connect_to(MSGR_ENTITY_MON, d, anon, not_local_dest);
  }
  ConnectionRef connect_to_mds(const entity_addrvec_t &d, bool anon = false, bool not_local_dest = false) {
    return connect_to(MSGR_ENTITY_MDS, d, anon, not_local_dest);
  }
  ConnectionRef connect_to_osd(const entity_addrvec_t &d, bool anon = false, bool not_local_dest = false) {
    return connect_to(MSGR_ENTITY_OSD, d, anon, not_local_dest);
  }
  ConnectionRef connect_to_mgr(const entity_addrvec_t &d, bool anon = false, bool not_local_dest = false) {
    return connect_to(MSGR_ENTITY_MGR, d, anon, not_local_dest);
  }
  ConnectionRef get_loopback_connection() {
    msgr_conn *conn = nullptr;
    const int result = msgr_get_loopback_connection(handle_, &conn);
    return adopt(result, conn);
  }

  /* Takes the reference, whatever it returns. */
  int send_to(Message *m, int type, const entity_addrvec_t &addrs) {
    MessageRef taken(m, false);
    const ConnectionRef con = connect_to(type, addrs);
    return con ? con->send_message2(std::move(taken)) : -ENOTCONN;
  }
  int send_to_mon(Message *m, const entity_addrvec_t &addrs) { return send_to(m, MSGR_ENTITY_MON, addrs); }
  int send_to_mds(Message *m, const entity_addrvec_t &addrs) { return send_to(m, MSGR_ENTITY_MDS, addrs); }

  void mark_down_all() { msgr_mark_down_all(handle_); }
  void mark_down_addrs(const entity_addrvec_t &addrs) { msgr_mark_down_addrs(handle_, addrs.get_str().c_str()); }
  void mark_down(const entity_addr_t &addr) { mark_down_addrs(entity_addrvec_t(addr)); }

  entity_name_t get_myname() const { return entity_name_t(msgr_mytype(handle_), msgr_mynum(handle_)); }
  int get_mytype() const { return msgr_mytype(handle_); }
  int get_dispatch_queue_len() const { return msgr_dispatch_queue_len(handle_); }
  /* How long the oldest message has waited. Ceph wants to be told the time. */
  double get_dispatch_queue_max_age(utime_t = utime_t()) const {
    return double(utime_t::from_ns(msgr_dispatch_queue_max_age(handle_)));
  }
  bool should_use_msgr2() const { return msgr_should_use_msgr2(handle_) > 0; }
  /* Counters, as JSON in the shape of `perf dump`. */
  std::string perf_dump() const {
    return all_of([this](char *buf, size_t len) { return msgr_perf_dump(handle_, buf, len); });
  }
  /* What it and its connections are doing, as JSON in the shape of `messenger dump`; empty in a fast callback, where it
   * cannot be told. */
  std::string dump() const {
    return all_of([this](char *buf, size_t len) { return msgr_dump(handle_, buf, len); });
  }
};

} // namespace msgr

#endif
