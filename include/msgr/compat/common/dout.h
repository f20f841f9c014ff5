/* Writing to the log. Ceph: common/dout.h.
 *
 * A source defines dout_subsys, and dout_context where it says dout, and may define another dout_prefix. */
#ifndef MSGR_COMPAT_COMMON_DOUT_H
#define MSGR_COMPAT_COMMON_DOUT_H

#include <ostream>

#include "../global/global_context.h"
#include "../include/ceph_assert.h"
#include "../log/Log.h"
#include "ceph_context.h"

/* What somebody's lines begin with. */
class DoutPrefixProvider {
public:
  virtual ~DoutPrefixProvider() = default;
  virtual std::ostream &gen_prefix(std::ostream &out) const = 0;
  virtual CephContext *get_cct() const = 0;
  virtual unsigned get_subsys() const = 0;
};

class NoDoutPrefix : public DoutPrefixProvider {
  CephContext *const cct;
  const unsigned subsys;

public:
  NoDoutPrefix(CephContext *c, unsigned s) : cct(c), subsys(s) {}
  std::ostream &gen_prefix(std::ostream &out) const override { return out; }
  CephContext *get_cct() const override { return cct; }
  unsigned get_subsys() const override { return subsys; }
};

class DoutPrefix : public NoDoutPrefix {
  const char *const prefix;

public:
  DoutPrefix(CephContext *c, unsigned s, const char *text) : NoDoutPrefix(c, s), prefix(text) {}
  std::ostream &gen_prefix(std::ostream &out) const override { return out << prefix; }
};

#define dout_prefix *_dout

/* The text is made only if it is wanted. Ends with dendl. */
#define dout_impl(cct, sub, v)                                                                                       \
  do {                                                                                                               \
    if (::ceph::logging::Log::instance().should_gather((sub), (v))) {                                                \
      ::ceph::logging::Entry _dout_entry(v);                                                                         \
      static_cast<void>(cct);                                                                                        \
      std::ostream *const _dout = &_dout_entry.stream();
#define dendl_impl                                                                                                   \
  std::flush;                                                                                                        \
  }                                                                                                                  \
  }                                                                                                                  \
  while (0)
#define dendl dendl_impl

#define lsubdout(cct, sub, v) dout_impl(cct, ceph_subsys_##sub, v) dout_prefix
#define ldout(cct, v) dout_impl(cct, dout_subsys, v) dout_prefix
#define lderr(cct) dout_impl(cct, ceph_subsys_, -1) dout_prefix
#define ldpp_dout(dpp, v) dout_impl((dpp)->get_cct(), (dpp)->get_subsys(), v) (dpp)->gen_prefix(*_dout)
#define ldpp_subdout(dpp, sub, v) dout_impl((dpp)->get_cct(), ceph_subsys_##sub, v) (dpp)->gen_prefix(*_dout)
#define lgeneric_subdout(cct, sub, v) dout_impl(cct, ceph_subsys_##sub, v) *_dout
#define lgeneric_dout(cct, v) dout_impl(cct, ceph_subsys_, v) *_dout
#define lgeneric_derr(cct) dout_impl(cct, ceph_subsys_, -1) *_dout
#define ldlog_p1(cct, sub, level)                                                                                    \
  (static_cast<void>(cct), ::ceph::logging::Log::instance().should_gather((sub), (level)))

#endif
