/* The end of an authentication that is dialled. Ceph: auth/AuthServer.h. */
#ifndef MSGR_COMPAT_AUTH_AUTHSERVER_H
#define MSGR_COMPAT_AUTH_AUTHSERVER_H

#include "../../auth.hpp"
#include "Auth.h"
#include "AuthRegistry.h"

/* With the methods that the options allow. */
class AuthServer : public msgr::AuthServer {
public:
  AuthRegistry auth_registry;

  explicit AuthServer(CephContext *cct) : auth_registry(cct) {}
  void get_supported_auth_methods(int peer_type, std::vector<uint32_t> *methods,
                                  std::vector<uint32_t> *modes = nullptr) override {
    auth_registry.get_supported_methods(peer_type, methods, modes);
  }
};

#endif
