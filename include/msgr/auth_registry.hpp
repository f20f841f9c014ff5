/* Which methods of authentication and which modes the options of a context allow. Ceph: auth/AuthRegistry.h. */
#ifndef MSGR_AUTH_REGISTRY_HPP
#define MSGR_AUTH_REGISTRY_HPP

#include "context.hpp"

namespace msgr {

constexpr uint32_t AUTH_METHOD_NONE = 1, AUTH_METHOD_CEPHX = 2;

class AuthRegistry {
  CephContext *const cct;
  mutable std::mutex lock;
  std::map<std::string, std::vector<uint32_t>> lists;

  static std::vector<uint32_t> numbers(const std::string &text, const char *first, const char *second) {
    std::string words = text;
    std::replace_if(
        words.begin(), words.end(), [](char c) { return c == ',' || c == ';'; }, ' ');
    std::istringstream in(words);
    std::vector<uint32_t> found;
    for (std::string word; in >> word;)
      if (word == first || word == second)
        found.push_back(word == first ? 1 : 2);
    return found;
  }
  static bool is_mon(int type) { return type == MSGR_ENTITY_MON || type == MSGR_ENTITY_MGR; }

  std::vector<uint32_t> list(const std::string &key) const {
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = lists.find(key);
    return found == lists.end() ? std::vector<uint32_t>() : found->second;
  }
  /* "cluster", "service" or "client", for a peer of that type. */
  const char *role(int peer_type) const {
    const int mine = int(cct->get_module_type());
    if (mine == MSGR_ENTITY_CLIENT)
      return "client";
    /* To a monitor the other daemons are clients. */
    const bool same = is_mon(mine) ? is_mon(peer_type) : peer_type != MSGR_ENTITY_CLIENT;
    return same ? "cluster" : "service";
  }

public:
  /* Of a context that outlives it. */
  explicit AuthRegistry(CephContext *context) : cct(context) { refresh_config(); }

  /* Reads the options again. */
  void refresh_config() {
    const std::lock_guard<std::mutex> guard(lock);
    for (const char *role : {"cluster", "service", "client"}) {
      std::string text;
      const std::string required = std::string("auth_") + role + "_required";
      cct->get_val(required, &text);
      /* Nothing is said: what there are keys for. */
      lists[required] = text.empty() ? std::vector<uint32_t>{AUTH_METHOD_CEPHX, AUTH_METHOD_NONE}
                                     : numbers(text, "none", "cephx");
      for (const char *prefix : {"ms_", "ms_mon_"}) {
        const std::string mode = std::string(prefix) + role + "_mode";
        cct->get_val(mode, &text);
        lists[mode] = numbers(text, "crc", "secure");
      }
    }
  }

  /* For peers of a type, the preferred one first. Either may be NULL. */
  void get_supported_methods(int peer_type, std::vector<uint32_t> *methods,
                             std::vector<uint32_t> *modes = nullptr) const {
    if (methods != nullptr)
      *methods = list(std::string("auth_") + role(peer_type) + "_required");
    if (modes == nullptr)
      return;
    const bool with_mon = is_mon(peer_type) || is_mon(int(cct->get_module_type()));
    *modes = list(std::string(with_mon ? "ms_mon_" : "ms_") + role(peer_type) + "_mode");
  }
  bool is_supported_method(int peer_type, uint32_t method) const {
    std::vector<uint32_t> methods;
    get_supported_methods(peer_type, &methods);
    return std::find(methods.begin(), methods.end(), method) != methods.end();
  }
  /* Method none has no keys to encrypt with. */
  void get_supported_modes(int peer_type, uint32_t auth_method, std::vector<uint32_t> *modes) const {
    get_supported_methods(peer_type, nullptr, modes);
    if (auth_method == AUTH_METHOD_NONE)
      modes->erase(std::remove(modes->begin(), modes->end(), uint32_t(MSGR_CON_MODE_SECURE)), modes->end());
  }
  /* The first of the dialler's that is supported; 0 if none is. */
  uint32_t pick_mode(int peer_type, uint32_t auth_method, const std::vector<uint32_t> &preferred_modes) const {
    std::vector<uint32_t> modes;
    get_supported_modes(peer_type, auth_method, &modes);
    for (uint32_t mode : preferred_modes)
      if (std::find(modes.begin(), modes.end(), mode) != modes.end())
        return mode;
    return 0;
  }
  static bool is_secure_method(uint32_t method) { return method == AUTH_METHOD_CEPHX; }
  static bool is_secure_mode(uint32_t mode) { return mode == MSGR_CON_MODE_SECURE; }
};

} // namespace msgr

#endif
