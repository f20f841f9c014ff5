/* The rules for connections with one kind of peer. Ceph: msg/Policy.h. */
#ifndef MSGR_POLICY_HPP
#define MSGR_POLICY_HPP

#include <cstdint>

#include "../msgr.h"

namespace msgr {

class Throttle;

struct Policy {
  /* A fault ends the connection; nothing is sent twice. */
  bool lossy = false;
  /* This end never dials. */
  bool server = false;
  /* With nothing to send after a fault, rest. */
  bool standby = false;
  /* Act on signs that the peer has lost its session. */
  bool resetcheck = true;
  /* A new lossy connection from a peer displaces its old one. */
  bool register_lossy_clients = true;
  /* What peers of the kind may have under way together; lent. */
  Throttle *throttler_bytes = nullptr;
  Throttle *throttler_messages = nullptr;
  uint64_t features_supported = 0;
  uint64_t features_required = 0;

  Policy() = default;
  explicit Policy(const msgr_policy &c)
      : lossy(c.lossy != 0), server(c.server != 0), standby(c.standby != 0), resetcheck(c.resetcheck != 0),
        register_lossy_clients(c.register_lossy_clients != 0), features_supported(c.features_supported),
        features_required(c.features_required) {}
  msgr_policy c_policy() const {
    msgr_policy c = MSGR_POLICY_INIT;
    c.lossy = lossy;
    c.server = server;
    c.standby = standby;
    c.resetcheck = resetcheck;
    c.register_lossy_clients = register_lossy_clients;
    c.features_supported = features_supported;
    c.features_required = features_required;
    return c;
  }

  static Policy stateful_server(uint64_t required) { return preset(MSGR_POLICY_STATEFUL_SERVER, required); }
  static Policy stateless_registered_server(uint64_t required) {
    return preset(MSGR_POLICY_STATELESS_REGISTERED_SERVER, required);
  }
  static Policy stateless_server(uint64_t required) { return preset(MSGR_POLICY_STATELESS_SERVER, required); }
  static Policy lossless_peer(uint64_t required) { return preset(MSGR_POLICY_LOSSLESS_PEER, required); }
  static Policy lossless_peer_reuse(uint64_t required) { return preset(MSGR_POLICY_LOSSLESS_PEER_REUSE, required); }
  static Policy lossy_client(uint64_t required) { return preset(MSGR_POLICY_LOSSY_CLIENT, required); }
  static Policy lossless_client(uint64_t required) { return preset(MSGR_POLICY_LOSSLESS_CLIENT, required); }

private:
  static Policy preset(int which, uint64_t required) {
    msgr_policy c = MSGR_POLICY_INIT;
    msgr_policy_init(&c, which);
    Policy policy(c);
    policy.features_required = required;
    return policy;
  }
};

} // namespace msgr

#endif
