/* The parts of a program that log, each with a level of its own. Ceph: common/subsys_types.h, common/subsys.h. */
#ifndef MSGR_COMPAT_COMMON_SUBSYS_TYPES_H
#define MSGR_COMPAT_COMMON_SUBSYS_TYPES_H

/* Name and level of each. */
#define MSGR_COMPAT_SUBSYS(X)                                                                                        \
  X(lockdep, 0) X(context, 0) X(crush, 1) X(mds, 1) X(mds_balancer, 1) X(mds_locker, 1) X(mds_log, 1)                \
  X(mds_log_expire, 1) X(mds_migrator, 1) X(buffer, 0) X(timer, 0) X(filer, 0) X(striper, 0) X(objecter, 0)          \
  X(rados, 0) X(rbd, 0) X(rbd_mirror, 0) X(rbd_replay, 0) X(rbd_pwl, 0) X(journaler, 0) X(objectcacher, 0)           \
  X(immutable_obj_cache, 0) X(client, 0) X(osd, 1) X(optracker, 0) X(objclass, 0) X(filestore, 1) X(journal, 1)      \
  X(ms, 0) X(mon, 1) X(monc, 0) X(paxos, 1) X(tp, 0) X(auth, 1) X(crypto, 1) X(finisher, 1) X(reserver, 1)           \
  X(heartbeatmap, 1) X(perfcounter, 1) X(rgw, 1) X(rgw_sync, 1) X(civetweb, 1) X(javaclient, 1) X(asok, 1)           \
  X(throttle, 1) X(refs, 0) X(compressor, 1) X(bluestore, 1) X(bluefs, 1) X(bdev, 1) X(kstore, 1) X(rocksdb, 4)      \
  X(leveldb, 4) X(memdb, 4) X(fuse, 1) X(mgr, 2) X(mgrc, 1) X(dpdk, 1) X(eventtrace, 1) X(prioritycache, 1)          \
  X(test, 0) X(cephfs_mirror, 0) X(cephsqlite, 0)

enum ceph_subsys_id_t {
  ceph_subsys_,
#define MSGR_COMPAT_SUBSYS_ID(name, level) ceph_subsys_##name,
  MSGR_COMPAT_SUBSYS(MSGR_COMPAT_SUBSYS_ID)
#undef MSGR_COMPAT_SUBSYS_ID
  ceph_subsys_max
};

#endif
