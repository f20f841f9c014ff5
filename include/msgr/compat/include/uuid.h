/* The 16 bytes that name a cluster or a daemon. Ceph: include/uuid.h. */
#ifndef _CEPH_UUID_H
#define _CEPH_UUID_H

#include <array>
#include <ostream>
#include <random>
#include <string>

#include "encoding.h"

struct uuid_d {
  std::array<uint8_t, 16> uuid{};

  bool is_zero() const { return uuid == std::array<uint8_t, 16>{}; }
  const char *bytes() const { return reinterpret_cast<const char *>(uuid.data()); }

  void generate_random() {
    std::random_device source;
    for (uint8_t &byte : uuid)
      byte = uint8_t(source());
    /* Version 4, variant 1 of RFC 4122. */
    uuid[6] = uint8_t((uuid[6] & 0x0f) | 0x40);
    uuid[8] = uint8_t((uuid[8] & 0x3f) | 0x80);
  }

  /* False, and nothing is changed, for a text that is none. */
  bool parse(const char *text) {
    std::array<uint8_t, 16> parsed{};
    for (size_t i = 0; i < parsed.size(); ++i) {
      if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
        return false;
      for (int digit = 0; digit < 2; ++digit, ++text) {
        const int value = digit_of(*text);
        if (value < 0)
          return false;
        parsed[i] = uint8_t(parsed[i] * 16 + value);
      }
    }
    if (*text != '\0')
      return false;
    uuid = parsed;
    return true;
  }
  bool parse(const std::string &text) { return parse(text.c_str()); }
  std::string to_string() const {
    static constexpr char DIGITS[] = "0123456789abcdef";
    std::string text;
    for (size_t i = 0; i < uuid.size(); ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10)
        text += '-';
      text += DIGITS[uuid[i] >> 4];
      text += DIGITS[uuid[i] & 15];
    }
    return text;
  }
  void print(char *text) const { to_string().copy(text, 36), text[36] = '\0'; }

  void encode(ceph::buffer::list &bl) const { bl.append(bytes(), uuid.size()); }
  void decode(ceph::buffer::list::const_iterator &p) {
    p.copy(uuid.size(), reinterpret_cast<char *>(uuid.data()));
  }

  friend bool operator==(const uuid_d &a, const uuid_d &b) { return a.uuid == b.uuid; }
  friend bool operator!=(const uuid_d &a, const uuid_d &b) { return a.uuid != b.uuid; }
  friend bool operator<(const uuid_d &a, const uuid_d &b) { return a.uuid < b.uuid; }
  friend bool operator>(const uuid_d &a, const uuid_d &b) { return a.uuid > b.uuid; }
  friend std::ostream &operator<<(std::ostream &out, const uuid_d &u) { return out << u.to_string(); }

private:
  static int digit_of(char c) {
    if (c >= '0' && c <= '9')
      return c - '0';
    const char lower = char(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }
};
WRITE_CLASS_ENCODER(uuid_d)

#endif
