/* A connection to one peer. Ceph: msg/Connection.h. */
#ifndef MSGR_CONNECTION_HPP
#define MSGR_CONNECTION_HPP

#include <memory>
#include <mutex>

#include "context.hpp"
#include "thread_sanitizer.hpp"

namespace msgr {

class Connection;
class Message;
class Messenger;

using ConnectionRef = ref_t<Connection>;
using ConnectionConstRef = cref_t<Connection>;
using MessageRef = ref_t<Message>;
using MessageConstRef = cref_t<Message>;

/* What the handshake agrees on, and what an AuthServer says of the dialler. Ceph: auth/Auth.h. */
struct AuthConnectionMeta {
  uint32_t auth_method = 0;
  uint32_t con_mode = 0;
  std::string session_key, connection_secret;
  uint64_t global_id = 0;
  std::string entity_name, caps;
  bool is_mode_crc() const { return con_mode == MSGR_CON_MODE_CRC; }
  bool is_mode_secure() const { return con_mode == MSGR_CON_MODE_SECURE; }
};

/* One object per connection of the library, made when the program first sees it and gone when the connection is: its
 * references are references of the connection. */
class Connection {
  msgr_conn *const handle_;
  Messenger *const messenger;
  mutable std::mutex lock;
  RefCountedPtr priv;

  friend class AuthBridge;
  /* Touched by the connection's worker alone, while it shakes hands. */
  const std::unique_ptr<AuthConnectionMeta> auth_meta = std::make_unique<AuthConnectionMeta>();

  Connection(msgr_conn *h, Messenger *m) : handle_(h), messenger(m) {}
  ~Connection() = default;

public:
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  /* The object of a connection of the C interface, which belongs to the connection. */
  static Connection *of(msgr_conn *conn, Messenger *messenger) {
    void *object = msgr_conn_object(conn);
    if (object == nullptr && conn != nullptr) {
      Connection *made = new Connection(conn, messenger);
      auto destroy = [](void *gone) {
        detail::take_over(gone);
        delete static_cast<Connection *>(gone);
      };
      detail::hand_over(made);
      object = msgr_conn_set_object(conn, made, destroy);
      if (object != made)
        delete made;
    }
    detail::take_over(object);
    return static_cast<Connection *>(object);
  }
  /* The same with a reference that belonged to the caller. */
  static ConnectionRef adopt(msgr_conn *conn, Messenger *messenger) {
    return ConnectionRef(of(conn, messenger), false);
  }

  const Connection *get() const {
    msgr_conn_ref(handle_);
    return this;
  }
  Connection *get() {
    msgr_conn_ref(handle_);
    return this;
  }
  void put() const {
    detail::hand_over(this);
    msgr_conn_unref(handle_);
  }
  /* The C connection; lent. */
  msgr_conn *handle() const { return handle_; }
  Messenger *get_messenger() const { return messenger; }

  /* What the program hangs on it. */
  RefCountedPtr get_priv() const {
    const std::lock_guard<std::mutex> guard(lock);
    return priv;
  }
  void set_priv(RefCountedPtr other) {
    /* The former one goes outside of the lock, with whatever it does then. */
    const std::lock_guard<std::mutex> guard(lock);
    priv.swap(other);
  }
  void clear_priv() { set_priv(nullptr); }

  /* Takes the caller's reference. 0, or a negative errno after which the message is gone as well. */
  int send_message(Message *m);
  int send_message2(MessageRef m);
  int send_keepalive() { return msgr_conn_keepalive(handle_); }
  void mark_down() { msgr_conn_mark_down(handle_); }
  void mark_disposable() { msgr_conn_mark_disposable(handle_); }

  bool is_connected() const { return msgr_conn_is_connected(handle_) > 0; }
  bool is_anon() const { return msgr_conn_is_anon(handle_) > 0; }
  bool is_loopback() const { return msgr_conn_is_loopback(handle_) > 0; }
  /* With msgr2, not the first protocol. */
  bool is_msgr2() const { return msgr_conn_is_msgr2(handle_) > 0; }
  /* Its messages vanish, on purpose. */
  bool is_blackhole() const { return msgr_conn_is_blackhole(handle_) > 0; }
  utime_t get_last_keepalive() const { return utime_t::from_ns(msgr_conn_last_keepalive(handle_)); }
  utime_t get_last_keepalive_ack() const { return utime_t::from_ns(msgr_conn_last_keepalive_ack(handle_)); }
  /* Payload bytes that were sent on it and are still kept. */
  uint64_t get_queued_bytes() const { return msgr_conn_queued_bytes(handle_); }
  /* Why its last link came to its end, in words. */
  std::string get_last_fault() const {
    return detail::text_of([this](char *buf, size_t len) { return msgr_conn_last_fault(handle_, buf, len); });
  }

  int get_peer_type() const { return msgr_conn_peer_type(handle_); }
  bool peer_is_mon() const { return get_peer_type() == MSGR_ENTITY_MON; }
  bool peer_is_mgr() const { return get_peer_type() == MSGR_ENTITY_MGR; }
  bool peer_is_mds() const { return get_peer_type() == MSGR_ENTITY_MDS; }
  bool peer_is_osd() const { return get_peer_type() == MSGR_ENTITY_OSD; }
  bool peer_is_client() const { return get_peer_type() == MSGR_ENTITY_CLIENT; }
  int64_t get_peer_id() const { return msgr_conn_peer_id(handle_); }
  uint64_t get_peer_global_id() const { return msgr_conn_peer_global_id(handle_); }
  entity_name_t get_peer_name() const { return entity_name_t(get_peer_type(), get_peer_id()); }
  /* Whom the peer has proved to be, "client.admin". Ceph: get_peer_entity_name. */
  std::string get_peer_entity_name() const {
    return detail::text_of([this](char *buf, size_t len) { return msgr_conn_auth_name(handle_, buf, len); });
  }
  /* What it may do. Ceph: get_peer_caps_info. */
  std::string get_peer_caps() const {
    return detail::text_of([this](char *buf, size_t len) { return msgr_conn_auth_caps(handle_, buf, len); });
  }
  entity_addrvec_t get_peer_addrs() const {
    entity_addrvec_t addrs;
    addrs.parse(detail::text_of([this](char *buf, size_t len) { return msgr_conn_peer_addrs(handle_, buf, len); }));
    return addrs;
  }
  entity_addr_t get_peer_addr() const { return get_peer_addrs().front(); }

  /* Where its socket leads. */
  entity_addr_t get_peer_socket_addr() const {
    entity_addr_t addr;
    addr.parse(
        detail::text_of([this](char *buf, size_t len) { return msgr_conn_peer_socket_addr(handle_, buf, len); }));
    return addr;
  }

  uint64_t get_features() const { return msgr_conn_features(handle_); }
  void set_features(uint64_t features) { msgr_conn_set_features(handle_, features); }
  bool has_feature(uint64_t feature) const { return (get_features() & feature) != 0; }
  bool has_features(uint64_t features) const { return (get_features() & features) == features; }
  int get_con_mode() const { return msgr_conn_mode(handle_); }

  /* Ceph has turned these into nothing long ago, too. */
  void post_rx_buffer(uint64_t, bufferlist &) {}
  void revoke_rx_buffer(uint64_t) {}
};

} // namespace msgr

#endif
