/* The processor's clock, which is cheap to read. Ceph: common/Cycles.h. */
#ifndef MSGR_COMPAT_COMMON_CYCLES_H
#define MSGR_COMPAT_COMMON_CYCLES_H

#include <chrono>
#include <cstdint>
#include <thread>

class Cycles {
  static inline double rate = 0;

  static uint64_t nanoseconds() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
  }

public:
  /* Measures how fast it is, for 10 ms. Before any other call, by one thread. */
  static void init() {
    if (rate > 0)
      return;
    const uint64_t begin = nanoseconds(), ticks = rdtsc();
    uint64_t end = begin;
    while (end - begin < 10000000)
      end = nanoseconds();
    rate = double(rdtsc() - ticks) * 1e9 / double(end - begin);
  }
  static uint64_t rdtsc() {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return nanoseconds();
#endif
  }
  static double per_second() { return rate; }
  /* `per_second` 0 stands for the rate that init has found. */
  static double to_seconds(uint64_t cycles, double per_second = 0) {
    return double(cycles) / (per_second > 0 ? per_second : rate);
  }
  static uint64_t from_seconds(double seconds, double per_second = 0) {
    return static_cast<uint64_t>(seconds * (per_second > 0 ? per_second : rate) + 0.5);
  }
  static uint64_t to_milliseconds(uint64_t cycles, double per_second = 0) {
    return static_cast<uint64_t>(to_seconds(cycles, per_second) * 1e3 + 0.5);
  }
  static uint64_t to_microseconds(uint64_t cycles, double per_second = 0) {
    return static_cast<uint64_t>(to_seconds(cycles, per_second) * 1e6 + 0.5);
  }
  static uint64_t to_nanoseconds(uint64_t cycles, double per_second = 0) {
    return static_cast<uint64_t>(to_seconds(cycles, per_second) * 1e9 + 0.5);
  }
  static uint64_t from_nanoseconds(uint64_t ns, double per_second = 0) {
    return from_seconds(double(ns) * 1e-9, per_second);
  }
  static void sleep(uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }
};

#endif
