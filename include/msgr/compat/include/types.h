/* Small types that everything else is made of. Ceph: include/types.h. */
#ifndef CEPH_TYPES_H
#define CEPH_TYPES_H

#include <ostream>
#include <string>

#include "byteorder.h"
#include "ceph_fs.h"
#include "encoding.h"
#include "object.h"
#include "rados.h"
#include "uuid.h"

typedef uint32_t epoch_t;
typedef uint64_t version_t;
typedef uint64_t ceph_tid_t;
typedef uint64_t gen_t;

/* Which part of an erasure coded object; NO_SHARD where there are none. */
struct shard_id_t {
  int8_t id;

  static const shard_id_t NO_SHARD;

  constexpr shard_id_t() : id(0) {}
  constexpr explicit shard_id_t(int8_t i) : id(i) {}
  constexpr operator int8_t() const { return id; }

  void encode(ceph::buffer::list &bl) const { ceph::encode(id, bl); }
  void decode(ceph::buffer::list::const_iterator &p) { ceph::decode(id, p); }
};
WRITE_CLASS_ENCODER(shard_id_t)
inline constexpr shard_id_t shard_id_t::NO_SHARD = shard_id_t(-1);

inline std::ostream &operator<<(std::ostream &out, const shard_id_t &shard) { return out << int(shard.id); }

/* What came of an operation: 0 or more, or a negative errno, which has Linux' number on the wire. */
struct errorcode32_t {
  int32_t code = 0;

  errorcode32_t() = default;
  errorcode32_t(int32_t c) : code(c) {}
  operator int() const { return code; }
  int *operator&() { return &code; }

  void encode(ceph::buffer::list &bl) const { ceph::encode(code, bl); }
  void decode(ceph::buffer::list::const_iterator &p) { ceph::decode(code, p); }
};
WRITE_CLASS_ENCODER(errorcode32_t)

#endif
