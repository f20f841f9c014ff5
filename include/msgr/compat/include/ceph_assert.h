/* What must hold, or the process ends. Ceph: include/ceph_assert.h. */
#ifndef MSGR_COMPAT_INCLUDE_CEPH_ASSERT_H
#define MSGR_COMPAT_INCLUDE_CEPH_ASSERT_H

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace ceph {
namespace detail {
[[noreturn]] __attribute__((format(printf, 5, 6))) inline void fail(const char *what, const char *file, int line,
                                                                    const char *function, const char *format, ...) {
  std::fprintf(stderr, "%s:%d: in %s: %s", file, line, function, what);
  va_list args;
  va_start(args, format);
  std::vfprintf(stderr, format, args);
  va_end(args);
  std::fputc('\n', stderr);
  std::abort();
}
} // namespace detail
} // namespace ceph

#define ceph_abort() ::ceph::detail::fail("abort() called", __FILE__, __LINE__, __func__, "%s", "")
#define ceph_abort_msg(message)                                                                                      \
  ::ceph::detail::fail("abort() called: ", __FILE__, __LINE__, __func__, "%s", std::string(message).c_str())
#define ceph_abort_msgf(...) ::ceph::detail::fail("abort() called: ", __FILE__, __LINE__, __func__, __VA_ARGS__)

/* Evaluated in every build. */
#define ceph_assert(condition)                                                                                       \
  ((condition) ? static_cast<void>(0)                                                                                \
               : ::ceph::detail::fail("FAILED ceph_assert(" #condition ")", __FILE__, __LINE__, __func__, "%s", ""))
#define ceph_assert_always(condition) ceph_assert(condition)
#define ceph_assertf(condition, ...)                                                                                 \
  ((condition) ? static_cast<void>(0)                                                                                \
               : ::ceph::detail::fail("FAILED ceph_assertf(" #condition "): ", __FILE__, __LINE__, __func__, __VA_ARGS__))

#endif
