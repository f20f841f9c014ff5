/* Where entities are. Ceph: entity_addr_t, entity_addrvec_t and entity_inst_t of msg/msg_types.h. */
#ifndef MSGR_ENTITY_ADDR_HPP
#define MSGR_ENTITY_ADDR_HPP

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

#include "entity.hpp"

namespace msgr {

namespace detail {
/* What addresses are encoded by; Nautilus has two bits of older releases besides its own. */
constexpr uint64_t MSG_ADDR2 = uint64_t(1) << 59;
constexpr uint64_t SERVER_NAUTILUS = uint64_t(1) << 57 | uint64_t(1) << 28 | uint64_t(1) << 2;
constexpr uint8_t ADDR_MARKER = 1, ADDRVEC_MARKER = 2;

/* The text that `fill(buf, len)` writes, or "" if it fails. */
template <class Fill> std::string text_of(Fill &&fill) {
  std::string text(256, '\0');
  int len = fill(text.data(), text.size());
  while (len == -ENAMETOOLONG && text.size() < (1u << 20)) {
    text.resize(2 * text.size());
    len = fill(text.data(), text.size());
  }
  text.resize(len > 0 ? size_t(len) : 0);
  return text;
}
} // namespace detail

/* One address of a process: "v2:10.0.0.1:6800/4711". */
struct entity_addr_t {
  enum type_t : uint32_t { TYPE_NONE = 0, TYPE_LEGACY = 1, TYPE_MSGR2 = 2, TYPE_ANY = 3 };
  static constexpr type_t TYPE_DEFAULT = TYPE_MSGR2;

  uint32_t type = TYPE_NONE;
  uint32_t nonce = 0;
  union {
    sockaddr sa;
    sockaddr_in sin;
    sockaddr_in6 sin6;
  } u;

  entity_addr_t() { std::memset(&u, 0, sizeof(u)); }
  explicit entity_addr_t(uint32_t t, uint32_t n = 0) : entity_addr_t() {
    type = t;
    nonce = n;
  }
  explicit entity_addr_t(const msgr_addr &c) : type(c.type), nonce(c.nonce) {
    static_assert(sizeof(u) == sizeof(c.sa));
    std::memcpy(&u, c.sa, sizeof(u));
  }
  /* The same for the C interface. */
  msgr_addr c_addr() const {
    msgr_addr c = {};
    c.type = type;
    c.nonce = nonce;
    std::memcpy(c.sa, &u, sizeof(u));
    return c;
  }

  uint32_t get_type() const { return type; }
  void set_type(uint32_t t) { type = t; }
  bool is_legacy() const { return type == TYPE_LEGACY; }
  bool is_msgr2() const { return type == TYPE_MSGR2; }
  bool is_any() const { return type == TYPE_ANY; }
  uint32_t get_nonce() const { return nonce; }
  void set_nonce(uint32_t n) { nonce = n; }

  int get_family() const { return u.sa.sa_family; }
  void set_family(int family) { u.sa.sa_family = sa_family_t(family); }
  bool is_ipv4() const { return get_family() == AF_INET; }
  bool is_ipv6() const { return get_family() == AF_INET6; }
  bool is_ip() const { return is_ipv4() || is_ipv6(); }
  bool is_blank_ip() const {
    if (is_ipv4())
      return u.sin.sin_addr.s_addr == INADDR_ANY;
    return !is_ipv6() || std::memcmp(&u.sin6.sin6_addr, &in6addr_any, sizeof(in6addr_any)) == 0;
  }
  sockaddr_in &in4_addr() { return u.sin; }
  const sockaddr_in &in4_addr() const { return u.sin; }
  sockaddr_in6 &in6_addr() { return u.sin6; }
  const sockaddr_in6 &in6_addr() const { return u.sin6; }
  const sockaddr *get_sockaddr() const { return &u.sa; }
  size_t get_sockaddr_len() const { return is_ipv4() ? sizeof(u.sin) : sizeof(u); }
  bool set_sockaddr(const sockaddr *sa) {
    if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
      return false;
    std::memset(&u, 0, sizeof(u));
    std::memcpy(&u, sa, sa->sa_family == AF_INET ? sizeof(u.sin) : sizeof(u.sin6));
    return true;
  }
  void set_in4_quad(int position, int value) {
    u.sin.sin_family = AF_INET;
    reinterpret_cast<unsigned char *>(&u.sin.sin_addr)[position & 3] = static_cast<unsigned char>(value);
  }
  int get_port() const { return is_ipv4() ? ntohs(u.sin.sin_port) : is_ipv6() ? ntohs(u.sin6.sin6_port) : 0; }
  void set_port(int port) {
    if (is_ipv4())
      u.sin.sin_port = htons(uint16_t(port));
    else if (is_ipv6())
      u.sin6.sin6_port = htons(uint16_t(port));
  }
  bool is_same_host(const entity_addr_t &other) const {
    if (get_family() != other.get_family())
      return false;
    if (is_ipv4())
      return u.sin.sin_addr.s_addr == other.u.sin.sin_addr.s_addr;
    return is_ipv6() && std::memcmp(&u.sin6.sin6_addr, &other.u.sin6.sin6_addr, sizeof(u.sin6.sin6_addr)) == 0;
  }
  /* The same place, where one of the two may not know its IP. */
  bool probably_equals(const entity_addr_t &other) const {
    if (get_port() != other.get_port() || get_nonce() != other.get_nonce())
      return false;
    return is_blank_ip() || other.is_blank_ip() || is_same_host(other);
  }

  /* Reads one address from the beginning of a text; `*end` gets what comes after it, and without `end` nothing may.
   * An address without "v1:" or "v2:" gets `default_type`. False for a text that is none. */
  bool parse(const char *text, const char **end = nullptr, uint32_t default_type = TYPE_DEFAULT) {
    msgr_addr c = {};
    const char *rest = text;
    if (msgr_addr_parse(text, &rest, default_type, &c) < 0 || (end == nullptr && *rest != '\0'))
      return false;
    if (end != nullptr)
      *end = rest;
    *this = entity_addr_t(c);
    return true;
  }
  bool parse(const std::string &text, uint32_t default_type = TYPE_DEFAULT) {
    return parse(text.c_str(), nullptr, default_type);
  }
  std::string to_str() const {
    const msgr_addr c = c_addr();
    return detail::text_of([&c](char *buf, size_t len) { return msgr_addr_format(&c, buf, len); });
  }
  std::string ip_only_to_str() const {
    char text[INET6_ADDRSTRLEN] = "";
    const void *ip = is_ipv6() ? static_cast<const void *>(&u.sin6.sin6_addr) : &u.sin.sin_addr;
    if (!is_ip() || inet_ntop(get_family(), ip, text, sizeof(text)) == nullptr)
      return "";
    return text;
  }

  /* For a peer that has these features; those of before Nautilus got another form. */
  void encode(bufferlist &bl, uint64_t features) const {
    if ((features & detail::MSG_ADDR2) == 0) {
      encode_legacy(bl);
      return;
    }
    msgr::encode(detail::ADDR_MARKER, bl);
    encode_versioned(1, 1, bl, [this, features](bufferlist &body) {
      const bool knows_any = (features & detail::SERVER_NAUTILUS) == detail::SERVER_NAUTILUS;
      msgr::encode(type == TYPE_ANY && !knows_any ? uint32_t(TYPE_LEGACY) : type, body);
      msgr::encode(nonce, body);
      msgr::encode(uint32_t(get_sockaddr_len()), body);
      msgr::encode(u.sa.sa_family, body);
      body.append(address_bytes(), get_sockaddr_len() - FAMILY);
    });
  }
  void decode(bufferlist::const_iterator &p) {
    uint8_t marker;
    msgr::decode(marker, p);
    decode_after(marker, p);
  }

  friend bool operator==(const entity_addr_t &a, const entity_addr_t &b) { return compare(a, b) == 0; }
  friend bool operator!=(const entity_addr_t &a, const entity_addr_t &b) { return compare(a, b) != 0; }
  friend bool operator<(const entity_addr_t &a, const entity_addr_t &b) { return compare(a, b) < 0; }
  friend bool operator>(const entity_addr_t &a, const entity_addr_t &b) { return compare(a, b) > 0; }
  friend bool operator<=(const entity_addr_t &a, const entity_addr_t &b) { return compare(a, b) <= 0; }
  friend bool operator>=(const entity_addr_t &a, const entity_addr_t &b) { return compare(a, b) >= 0; }
  friend std::ostream &operator<<(std::ostream &out, const entity_addr_t &a) { return out << a.to_str(); }

private:
  friend struct entity_addrvec_t;

  /* The family of an address, in front of its bytes. */
  static constexpr size_t FAMILY = sizeof(sa_family_t);
  char *address_bytes() { return reinterpret_cast<char *>(&u) + FAMILY; }
  const char *address_bytes() const { return reinterpret_cast<const char *>(&u) + FAMILY; }

  void encode_legacy(bufferlist &bl) const {
    msgr::encode(uint32_t(0), bl);
    msgr::encode(nonce, bl);
    msgr::encode(htons(u.sa.sa_family), bl);
    bl.append(address_bytes(), sizeof(u) - FAMILY);
    bl.append_zero(sizeof(sockaddr_storage) - sizeof(u));
  }
  void decode_after(uint8_t marker, bufferlist::const_iterator &p) {
    *this = entity_addr_t();
    if (marker == 0)
      decode_legacy(p);
    else if (marker == detail::ADDR_MARKER)
      decode_versioned(1, p, [this](uint8_t, bufferlist::const_iterator &body) { decode_body(body); });
    else
      throw buffer::malformed_input("an address has an unknown marker");
    if (!is_ip() && get_family() != AF_UNSPEC)
      throw buffer::malformed_input("an address family is neither IPv4 nor IPv6");
  }
  void decode_legacy(bufferlist::const_iterator &p) {
    uint16_t family;
    p += 3;
    msgr::decode(nonce, p);
    msgr::decode(family, p);
    p.copy(sizeof(u) - FAMILY, address_bytes());
    p += sizeof(sockaddr_storage) - sizeof(u);
    set_family(ntohs(family));
    type = get_family() == AF_UNSPEC ? TYPE_NONE : TYPE_LEGACY;
  }
  void decode_body(bufferlist::const_iterator &p) {
    uint32_t len;
    uint16_t family;
    msgr::decode(type, p);
    msgr::decode(nonce, p);
    msgr::decode(len, p);
    if (len == 0)
      return;
    msgr::decode(family, p);
    set_family(family);
    if (len < FAMILY || len > get_sockaddr_len())
      throw buffer::malformed_input("a socket address is longer than its family's");
    p.copy(len - FAMILY, address_bytes());
  }

  static int compare(const entity_addr_t &a, const entity_addr_t &b) {
    const msgr_addr left = a.c_addr(), right = b.c_addr();
    return std::memcmp(&left, &right, sizeof(left));
  }
};

/* All addresses of a process: "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]". */
struct entity_addrvec_t {
  std::vector<entity_addr_t> v;

  entity_addrvec_t() = default;
  explicit entity_addrvec_t(const entity_addr_t &a) : v({a}) {}

  size_t size() const { return v.size(); }
  bool empty() const { return v.empty(); }
  auto begin() const { return v.begin(); }
  auto end() const { return v.end(); }

  entity_addr_t of_type(uint32_t type) const {
    for (const entity_addr_t &a : v)
      if (a.type == type)
        return a;
    return entity_addr_t();
  }
  entity_addr_t legacy_addr() const { return of_type(entity_addr_t::TYPE_LEGACY); }
  entity_addr_t msgr2_addr() const { return of_type(entity_addr_t::TYPE_MSGR2); }
  entity_addr_t front() const { return v.empty() ? entity_addr_t() : v.front(); }
  entity_addr_t legacy_or_front_addr() const {
    const entity_addr_t legacy = legacy_addr();
    return legacy.type == entity_addr_t::TYPE_NONE ? front() : legacy;
  }
  /* One of them, dressed up as an address of the first protocol. */
  entity_addr_t as_legacy_addr() const {
    for (const entity_addr_t &a : v)
      if (a.is_legacy() || a.is_any()) {
        entity_addr_t legacy = a;
        legacy.type = entity_addr_t::TYPE_LEGACY;
        return legacy;
      }
    return entity_addr_t();
  }
  bool has_msgr2() const { return msgr2_addr().is_msgr2(); }
  bool contains(const entity_addr_t &a) const { return std::find(v.begin(), v.end(), a) != v.end(); }
  bool is_same_host(const entity_addr_t &a) const {
    return std::any_of(v.begin(), v.end(), [&a](const entity_addr_t &mine) { return mine.is_same_host(a); });
  }
  bool probably_equals(const entity_addrvec_t &other) const {
    if (v.size() != other.v.size())
      return false;
    for (size_t i = 0; i < v.size(); ++i)
      if (v[i].type != other.v[i].type || !v[i].probably_equals(other.v[i]))
        return false;
    return true;
  }

  /* False, and nothing is changed, for a text that has no addresses. */
  bool parse(const char *text) {
    std::vector<msgr_addr> out(64);
    const int count = msgr_addrvec_parse(text, out.data(), out.size());
    if (count < 0 || size_t(count) > out.size())
      return false;
    v.clear();
    for (int i = 0; i < count; ++i)
      v.emplace_back(out[size_t(i)]);
    return true;
  }
  bool parse(const std::string &text) { return parse(text.c_str()); }
  std::string get_str() const {
    std::vector<msgr_addr> c;
    for (const entity_addr_t &a : v)
      c.push_back(a.c_addr());
    return detail::text_of(
        [&c](char *buf, size_t len) { return msgr_addrvec_format(c.data(), c.size(), buf, len); });
  }

  /* A peer without MSG_ADDR2 gets the one address that it can dial. */
  void encode(bufferlist &bl, uint64_t features) const {
    if ((features & detail::MSG_ADDR2) == 0) {
      legacy_addr().encode(bl, features);
      return;
    }
    msgr::encode(detail::ADDRVEC_MARKER, bl);
    msgr::encode(uint32_t(v.size()), bl);
    for (const entity_addr_t &a : v)
      a.encode(bl, features);
  }
  void decode(bufferlist::const_iterator &p) {
    uint8_t marker;
    msgr::decode(marker, p);
    if (marker == detail::ADDRVEC_MARKER) {
      msgr::decode(v, p);
      return;
    }
    entity_addr_t single;
    single.decode_after(marker, p);
    v.assign(1, single);
  }

  friend bool operator==(const entity_addrvec_t &a, const entity_addrvec_t &b) { return a.v == b.v; }
  friend bool operator!=(const entity_addrvec_t &a, const entity_addrvec_t &b) { return a.v != b.v; }
  friend bool operator<(const entity_addrvec_t &a, const entity_addrvec_t &b) { return a.v < b.v; }
  friend std::ostream &operator<<(std::ostream &out, const entity_addrvec_t &a) { return out << a.get_str(); }
};

/* Who, and where. */
struct entity_inst_t {
  entity_name_t name;
  entity_addr_t addr;

  entity_inst_t() = default;
  entity_inst_t(entity_name_t n, const entity_addr_t &a) : name(n), addr(a) {}

  void encode(bufferlist &bl, uint64_t features) const {
    name.encode(bl);
    addr.encode(bl, features);
  }
  void decode(bufferlist::const_iterator &p) {
    name.decode(p);
    addr.decode(p);
  }
  friend bool operator==(const entity_inst_t &a, const entity_inst_t &b) {
    return a.name == b.name && a.addr == b.addr;
  }
  friend bool operator!=(const entity_inst_t &a, const entity_inst_t &b) { return !(a == b); }
  friend bool operator<(const entity_inst_t &a, const entity_inst_t &b) {
    return a.name < b.name || (a.name == b.name && a.addr < b.addr);
  }
  friend std::ostream &operator<<(std::ostream &out, const entity_inst_t &i) {
    return out << i.name << ' ' << i.addr;
  }
};

} // namespace msgr

#endif
