/* What consumer.c says, of a program with nothing but Ceph's header paths and names. */
#include "messages/MOSDOp.h"
#include "messages/MOSDOpReply.h"

#include <iostream>

int main() {
  auto *op = new MOSDOp(0, 1, hobject_t(object_t("name"), "", CEPH_NOSNAP, 0, 1, ""), spg_t(pg_t(0, 1)), 1, 0, 0);
  auto *reply = new MOSDOpReply(op, 0, 1, CEPH_OSD_FLAG_ONDISK, false);
  const bool same = reply->get_oid() == op->get_oid();
  reply->put();
  op->put();
  std::cout << MSGR_VERSION_MAJOR << '.' << MSGR_VERSION_MINOR << '.' << MSGR_VERSION_PATCH << ' '
            << msgr_version_string() << '\n';
  return same ? 0 : 1;
}
