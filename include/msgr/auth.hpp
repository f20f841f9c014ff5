/* A program's own authentication. Ceph: auth/AuthClient.h, auth/AuthServer.h, auth/DummyAuth.h. */
#ifndef MSGR_AUTH_HPP
#define MSGR_AUTH_HPP

#include "auth_registry.hpp"
#include "bridge.hpp"

namespace msgr {

/* The end that dials. 0 goes on, a negative errno gives up. All on a worker, where nothing may block. */
class AuthClient {
public:
  virtual ~AuthClient() = default;
  virtual int get_auth_request(Connection *con, AuthConnectionMeta *meta, uint32_t *method,
                               std::vector<uint32_t> *preferred_modes, bufferlist *out) = 0;
  virtual int handle_auth_reply_more(Connection *con, AuthConnectionMeta *meta, const bufferlist &bl,
                                     bufferlist *reply) = 0;
  virtual int handle_auth_done(Connection *con, AuthConnectionMeta *meta, uint64_t global_id, uint32_t con_mode,
                               const bufferlist &bl, std::string *session_key, std::string *connection_secret) = 0;
  /* After 0 get_auth_request is asked again. */
  virtual int handle_auth_bad_method(Connection *con, AuthConnectionMeta *meta, uint32_t old_auth_method, int result,
                                     const std::vector<uint32_t> &allowed_methods,
                                     const std::vector<uint32_t> &allowed_modes) = 0;
};

/* The end that is dialled. Which modes are allowed the options say, ms_service_mode and so on. */
class AuthServer {
public:
  virtual ~AuthServer() = default;
  /* 1 is done, 0 wants to hear more, a negative errno declines. What the dialler has proved goes into `meta`. */
  virtual int handle_auth_request(Connection *con, AuthConnectionMeta *meta, bool more, uint32_t auth_method,
                                  const bufferlist &bl, bufferlist *reply) = 0;
  /* The methods for peers of a type, and the modes if `modes` is not NULL. A dialler that begins with another method is
   * declined before anybody else is asked; no methods at all stand for every one. */
  virtual void get_supported_auth_methods(int, std::vector<uint32_t> *, std::vector<uint32_t> * = nullptr) {}
};

/* Everybody is let in and nothing is proved. */
class DummyAuthClientServer : public AuthClient, public AuthServer {
public:
  AuthRegistry auth_registry;

  explicit DummyAuthClientServer(CephContext *cct) : auth_registry(cct) {}
  void get_supported_auth_methods(int, std::vector<uint32_t> *methods, std::vector<uint32_t> *modes) override {
    *methods = {AUTH_METHOD_NONE};
    if (modes != nullptr)
      *modes = {MSGR_CON_MODE_CRC};
  }
  int get_auth_request(Connection *, AuthConnectionMeta *, uint32_t *method, std::vector<uint32_t> *preferred_modes,
                       bufferlist *) override {
    *method = AUTH_METHOD_NONE;
    *preferred_modes = {MSGR_CON_MODE_CRC};
    return 0;
  }
  int handle_auth_reply_more(Connection *, AuthConnectionMeta *, const bufferlist &, bufferlist *) override {
    return -EOPNOTSUPP;
  }
  int handle_auth_done(Connection *, AuthConnectionMeta *, uint64_t, uint32_t, const bufferlist &, std::string *,
                       std::string *) override {
    return 0;
  }
  int handle_auth_bad_method(Connection *, AuthConnectionMeta *, uint32_t, int, const std::vector<uint32_t> &,
                             const std::vector<uint32_t> &) override {
    return -EOPNOTSUPP;
  }
  int handle_auth_request(Connection *, AuthConnectionMeta *, bool, uint32_t, const bufferlist &,
                          bufferlist *) override {
    return 1;
  }
};

/* Both as the handler of one messenger. */
class AuthBridge {
  std::atomic<AuthClient *> client{nullptr};
  std::atomic<AuthServer *> server{nullptr};
  Messenger *const messenger;

  static AuthBridge &self(void *user) {
    detail::take_over(user);
    return *static_cast<AuthBridge *>(user);
  }
  static bufferlist bytes(const void *payload, size_t len) {
    bufferlist bl;
    bl.append(static_cast<const char *>(payload), len);
    return bl;
  }

  /* `act` answers, or returns a negative errno, which is the answer then. */
  template <class Act> static void question(const char *name, msgr_auth_reply *reply, Act &&act) noexcept {
    const int result = detail::fenced(name, -EIO, act);
    if (result < 0)
      msgr_auth_reply_fail(reply, result);
  }

  static int request(AuthBridge &bridge, Connection *con, msgr_auth_reply *reply) {
    AuthClient *const asked = bridge.client;
    if (asked == nullptr)
      return -EOPNOTSUPP;
    uint32_t method = 0;
    std::vector<uint32_t> modes;
    bufferlist out;
    const int result = asked->get_auth_request(con, con->auth_meta.get(), &method, &modes, &out);
    if (result < 0)
      return result;
    con->auth_meta->auth_method = method;
    msgr_auth_reply_request(reply, method, modes.data(), modes.size(), out.c_str(), out.length());
    return 0;
  }

  static void done(msgr_auth_reply *reply, const AuthConnectionMeta &meta, bufferlist &last_word) {
    msgr_auth_result result = MSGR_AUTH_RESULT_INIT;
    result.global_id = meta.global_id;
    result.entity = meta.entity_name.empty() ? nullptr : meta.entity_name.c_str();
    result.caps = meta.caps.empty() ? nullptr : meta.caps.c_str();
    result.session_key = meta.session_key.data();
    result.session_key_len = meta.session_key.size();
    result.connection_secret = meta.connection_secret.data();
    result.connection_secret_len = meta.connection_secret.size();
    result.payload = last_word.c_str();
    result.payload_len = last_word.length();
    msgr_auth_reply_done(reply, &result);
  }

  static void get_auth_request(void *user, msgr_conn *conn, int, msgr_auth_reply *reply) noexcept {
    question("get_auth_request", reply,
             [&] { return request(self(user), Connection::of(conn, self(user).messenger), reply); });
  }
  static void handle_auth_reply_more(void *user, msgr_conn *conn, const void *payload, size_t len,
                                     msgr_auth_reply *reply) noexcept {
    question("handle_auth_reply_more", reply, [&] {
      Connection *con = Connection::of(conn, self(user).messenger);
      AuthClient *const asked = self(user).client;
      bufferlist out;
      const int result = asked == nullptr ? -EOPNOTSUPP
                                          : asked->handle_auth_reply_more(con, con->auth_meta.get(),
                                                                          bytes(payload, len), &out);
      if (result >= 0)
        msgr_auth_reply_more(reply, out.c_str(), out.length());
      return result;
    });
  }
  static void handle_auth_done(void *user, msgr_conn *conn, uint64_t global_id, uint32_t con_mode,
                               const void *payload, size_t len, msgr_auth_reply *reply) noexcept {
    question("handle_auth_done", reply, [&] {
      Connection *con = Connection::of(conn, self(user).messenger);
      AuthClient *const asked = self(user).client;
      AuthConnectionMeta &meta = *con->auth_meta;
      meta.con_mode = con_mode;
      meta.global_id = global_id;
      const int result = asked == nullptr
                             ? -EOPNOTSUPP
                             : asked->handle_auth_done(con, &meta, global_id, con_mode, bytes(payload, len),
                                                       &meta.session_key, &meta.connection_secret);
      bufferlist nothing;
      if (result >= 0)
        done(reply, meta, nothing);
      return result;
    });
  }
  static void handle_auth_bad_method(void *user, msgr_conn *conn, uint32_t method, int result,
                                     const uint32_t *allowed_methods, size_t method_count,
                                     const uint32_t *allowed_modes, size_t mode_count,
                                     msgr_auth_reply *reply) noexcept {
    question("handle_auth_bad_method", reply, [&] {
      Connection *con = Connection::of(conn, self(user).messenger);
      AuthClient *const asked = self(user).client;
      if (asked == nullptr)
        return -EOPNOTSUPP;
      const int answer = asked->handle_auth_bad_method(
          con, con->auth_meta.get(), method, result,
          std::vector<uint32_t>(allowed_methods, allowed_methods + method_count),
          std::vector<uint32_t>(allowed_modes, allowed_modes + mode_count));
      return answer < 0 ? answer : request(self(user), con, reply);
    });
  }
  static bool declines(AuthServer *asked, int peer_type, uint32_t method) {
    std::vector<uint32_t> methods;
    asked->get_supported_auth_methods(peer_type, &methods);
    return !methods.empty() && std::find(methods.begin(), methods.end(), method) == methods.end();
  }
  static void handle_auth_request(void *user, msgr_conn *conn, int peer_type, int more, uint32_t method,
                                  uint32_t con_mode, const void *payload, size_t len, msgr_auth_reply *reply) noexcept {
    question("handle_auth_request", reply, [&] {
      Connection *con = Connection::of(conn, self(user).messenger);
      AuthServer *const asked = self(user).server;
      if (asked == nullptr || (more == 0 && declines(asked, peer_type, method)))
        return -EOPNOTSUPP;
      AuthConnectionMeta &meta = *con->auth_meta;
      meta.auth_method = method;
      meta.con_mode = con_mode;
      bufferlist out;
      const int result = asked->handle_auth_request(con, &meta, more != 0, method, bytes(payload, len), &out);
      if (result > 0)
        done(reply, meta, out);
      else if (result == 0)
        msgr_auth_reply_more(reply, out.c_str(), out.length());
      return result;
    });
  }

public:
  explicit AuthBridge(Messenger *m) : messenger(m) {}
  void set_client(AuthClient *c) { client = c; }
  void set_server(AuthServer *s) { server = s; }
  AuthClient *get_client() const { return client; }
  AuthServer *get_server() const { return server; }

  /* Becomes the handler of a messenger, which then owns it; before bind and start. */
  int attach(msgr_messenger *to) {
    msgr_auth_handler slots = MSGR_AUTH_HANDLER_INIT;
    slots.get_auth_request = get_auth_request;
    slots.handle_auth_reply_more = handle_auth_reply_more;
    slots.handle_auth_done = handle_auth_done;
    slots.handle_auth_bad_method = handle_auth_bad_method;
    slots.handle_auth_request = handle_auth_request;
    slots.release = [](void *user) noexcept { delete static_cast<AuthBridge *>(user); };
    detail::hand_over(this);
    return msgr_set_auth_handler(to, &slots, this);
  }
};

} // namespace msgr

#endif
