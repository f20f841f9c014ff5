/* Clocks and spans of time. Ceph: common/ceph_time.h. */
#ifndef MSGR_COMPAT_COMMON_CEPH_TIME_H
#define MSGR_COMPAT_COMMON_CEPH_TIME_H

#include <chrono>
#include <cstdint>

#include "../../time.hpp"

namespace ceph {

/* Not negative. */
using timespan = std::chrono::duration<uint64_t, std::nano>;
using signedspan = std::chrono::duration<int64_t, std::nano>;

using real_clock = std::chrono::system_clock;
using coarse_real_clock = std::chrono::system_clock;
using mono_clock = std::chrono::steady_clock;
using coarse_mono_clock = std::chrono::steady_clock;
using real_time = real_clock::time_point;
using coarse_real_time = coarse_real_clock::time_point;
using mono_time = mono_clock::time_point;
using coarse_mono_time = coarse_mono_clock::time_point;

constexpr timespan make_timespan(double seconds) {
  return std::chrono::duration_cast<timespan>(std::chrono::duration<double>(seconds));
}
/* Nothing for less than no time. */
constexpr timespan to_timespan(signedspan span) {
  return timespan(span.count() < 0 ? 0 : static_cast<uint64_t>(span.count()));
}
template <class Rep, class Period> constexpr double to_seconds(std::chrono::duration<Rep, Period> span) {
  return std::chrono::duration<double>(span).count();
}

} // namespace ceph

#endif
