/* Who takes part: types of entities and their names. Ceph: msg/msg_types.h. */
#ifndef MSGR_ENTITY_HPP
#define MSGR_ENTITY_HPP

#include <cstdlib>
#include <functional>
#include <ostream>
#include <string>

#include "../msgr.h"
#include "encoding.hpp"

namespace msgr {

/* "osd" for MSGR_ENTITY_OSD. Ceph: ceph_entity_type_name. */
inline const char *entity_type_name(int type) {
  switch (type) {
  case MSGR_ENTITY_MON:
    return "mon";
  case MSGR_ENTITY_MDS:
    return "mds";
  case MSGR_ENTITY_OSD:
    return "osd";
  case MSGR_ENTITY_CLIENT:
    return "client";
  case MSGR_ENTITY_MGR:
    return "mgr";
  case 0:
    return "???";
  default:
    return "unknown";
  }
}

/* A type and a number, "osd.3"; -1 is a number that is not known yet. Ceph: entity_name_t. */
class entity_name_t {
public:
  static constexpr uint8_t TYPE_MON = MSGR_ENTITY_MON, TYPE_MDS = MSGR_ENTITY_MDS, TYPE_OSD = MSGR_ENTITY_OSD,
                           TYPE_CLIENT = MSGR_ENTITY_CLIENT, TYPE_MGR = MSGR_ENTITY_MGR;
  static constexpr int64_t NEW = -1;

  uint8_t _type = 0;
  int64_t _num = 0;

  constexpr entity_name_t() = default;
  constexpr entity_name_t(int type, int64_t num) : _type(uint8_t(type)), _num(num) {}
  static entity_name_t MON(int64_t i = NEW) { return {TYPE_MON, i}; }
  static entity_name_t MDS(int64_t i = NEW) { return {TYPE_MDS, i}; }
  static entity_name_t OSD(int64_t i = NEW) { return {TYPE_OSD, i}; }
  static entity_name_t CLIENT(int64_t i = NEW) { return {TYPE_CLIENT, i}; }
  static entity_name_t MGR(int64_t i = NEW) { return {TYPE_MGR, i}; }

  int64_t num() const { return _num; }
  int type() const { return _type; }
  const char *type_str() const { return entity_type_name(_type); }
  bool is_new() const { return _num < 0; }
  bool is_client() const { return _type == TYPE_CLIENT; }
  bool is_mds() const { return _type == TYPE_MDS; }
  bool is_osd() const { return _type == TYPE_OSD; }
  bool is_mon() const { return _type == TYPE_MON; }
  bool is_mgr() const { return _type == TYPE_MGR; }

  std::string to_str() const { return std::string(type_str()) + '.' + (_num < 0 ? "?" : std::to_string(_num)); }
  /* False, and nothing is changed, for a text that is no name. */
  bool parse(const std::string &text) {
    for (int type : {int(TYPE_MON), int(TYPE_MDS), int(TYPE_OSD), int(TYPE_CLIENT), int(TYPE_MGR)}) {
      const std::string prefix = std::string(entity_type_name(type)) + '.';
      if (text.compare(0, prefix.size(), prefix) != 0)
        continue;
      const char *number = text.c_str() + prefix.size();
      char *end = nullptr;
      const long long num = std::strtoll(number, &end, 10);
      const bool is_number = *number >= '0' && *number <= '9' && *end == '\0';
      if (!is_number && std::string(number) != "?")
        return false;
      *this = entity_name_t(type, is_number ? num : NEW);
      return true;
    }
    return false;
  }

  void encode(bufferlist &bl) const {
    msgr::encode(_type, bl);
    msgr::encode(_num, bl);
  }
  void decode(bufferlist::const_iterator &p) {
    msgr::decode(_type, p);
    msgr::decode(_num, p);
  }

  friend bool operator==(const entity_name_t &a, const entity_name_t &b) {
    return a._type == b._type && a._num == b._num;
  }
  friend bool operator!=(const entity_name_t &a, const entity_name_t &b) { return !(a == b); }
  friend bool operator<(const entity_name_t &a, const entity_name_t &b) {
    return a._type < b._type || (a._type == b._type && a._num < b._num);
  }
  friend std::ostream &operator<<(std::ostream &out, const entity_name_t &n) { return out << n.to_str(); }
};

} // namespace msgr

namespace std {
template <> struct hash<msgr::entity_name_t> {
  size_t operator()(const msgr::entity_name_t &n) const noexcept {
    return std::hash<int64_t>()(n._num) * 31 + n._type;
  }
};
} // namespace std

#endif
