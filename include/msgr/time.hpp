/* A point or a span of time, as Ceph puts it on the wire. Ceph: include/utime.h. */
#ifndef MSGR_TIME_HPP
#define MSGR_TIME_HPP

#include <chrono>
#include <cstdint>
#include <iomanip>
#include <ostream>

namespace msgr {

/* Seconds and nanoseconds, since 1970 where it is a point in time. */
class utime_t {
  uint32_t seconds = 0, nanoseconds = 0;

public:
  static constexpr uint64_t NS_PER_SEC = 1000000000;

  constexpr utime_t() = default;
  constexpr utime_t(uint64_t s, uint64_t n)
      : seconds(uint32_t(s + n / NS_PER_SEC)), nanoseconds(uint32_t(n % NS_PER_SEC)) {}
  static constexpr utime_t from_ns(uint64_t ns) { return utime_t(0, ns); }
  static utime_t now() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return from_ns(uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()));
  }

  constexpr uint32_t sec() const { return seconds; }
  constexpr uint32_t nsec() const { return nanoseconds; }
  constexpr uint32_t usec() const { return nanoseconds / 1000; }
  constexpr uint64_t to_nsec() const { return seconds * NS_PER_SEC + nanoseconds; }
  constexpr uint64_t to_msec() const { return to_nsec() / 1000000; }
  constexpr bool is_zero() const { return seconds == 0 && nanoseconds == 0; }
  void set_from_double(double d) { *this = from_ns(d > 0 ? uint64_t(d * 1e9) : 0); }
  constexpr operator double() const { return double(seconds) + double(nanoseconds) / 1e9; }

  friend constexpr utime_t operator+(utime_t a, utime_t b) { return from_ns(a.to_nsec() + b.to_nsec()); }
  /* Nothing is less than no time. */
  friend constexpr utime_t operator-(utime_t a, utime_t b) {
    return a < b ? utime_t() : from_ns(a.to_nsec() - b.to_nsec());
  }
  utime_t &operator+=(utime_t b) { return *this = *this + b; }
  utime_t &operator-=(utime_t b) { return *this = *this - b; }
  friend constexpr bool operator==(utime_t a, utime_t b) { return a.to_nsec() == b.to_nsec(); }
  friend constexpr bool operator!=(utime_t a, utime_t b) { return a.to_nsec() != b.to_nsec(); }
  friend constexpr bool operator<(utime_t a, utime_t b) { return a.to_nsec() < b.to_nsec(); }
  friend constexpr bool operator>(utime_t a, utime_t b) { return b < a; }
  friend constexpr bool operator<=(utime_t a, utime_t b) { return !(b < a); }
  friend constexpr bool operator>=(utime_t a, utime_t b) { return !(a < b); }
  friend std::ostream &operator<<(std::ostream &out, utime_t t) {
    const char fill = out.fill('0');
    out << t.seconds << '.' << std::setw(6) << t.usec();
    out.fill(fill);
    return out;
  }
};

} // namespace msgr

#endif
