/* Where the log of a process goes. Ceph: log/Log.h, as far as programs see of it. */
#ifndef MSGR_COMPAT_LOG_LOG_H
#define MSGR_COMPAT_LOG_LOG_H

#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <functional>
#include <mutex>
#include <pthread.h>
#include <sstream>
#include <string>

#include "../../../msgr.h"
#include "../../time.hpp"
#include "../common/subsys_types.h"

namespace ceph {
namespace logging {

/* One for the process: to stderr, until somebody says something else. It is never taken down, since threads log until the
 * very end. */
class Log {
  std::array<std::atomic<int>, ceph_subsys_max> levels;
  std::mutex lock;
  std::FILE *file = nullptr;
  bool to_stderr = true;

  Log() {
    levels[ceph_subsys_] = 0;
#define MSGR_COMPAT_SUBSYS_LEVEL(name, level) levels[ceph_subsys_##name] = level;
    MSGR_COMPAT_SUBSYS(MSGR_COMPAT_SUBSYS_LEVEL)
#undef MSGR_COMPAT_SUBSYS_LEVEL
  }

  /* What the library has to tell. */
  static void listen(void *self, int level, const char *text) {
    if (static_cast<Log *>(self)->should_gather(ceph_subsys_ms, level))
      static_cast<Log *>(self)->submit(level, text);
  }

public:
  Log(const Log &) = delete;
  Log &operator=(const Log &) = delete;
  static Log &instance() {
    static Log *const log = new Log;
    return *log;
  }

  bool should_gather(unsigned subsys, int level) const {
    return level <= levels[subsys < ceph_subsys_max ? subsys : 0].load(std::memory_order_relaxed);
  }
  int get_log_level(unsigned subsys) const { return levels[subsys < ceph_subsys_max ? subsys : 0]; }
  void set_log_level(unsigned subsys, int level) {
    if (subsys < ceph_subsys_max)
      levels[subsys] = level;
    if (subsys == ceph_subsys_ms)
      msgr_set_log_level(level);
  }
  /* From then on the library's own log is a part of this one, of the subsystem ms. */
  void take_over() {
    msgr_set_log_level(get_log_level(ceph_subsys_ms));
    msgr_set_log_callback(listen, this);
  }
  void set_log_to_stderr(bool on) {
    const std::lock_guard<std::mutex> guard(lock);
    to_stderr = on;
  }
  /* Adds to that file, too; "" for none. 0 or a negative errno. */
  int set_log_file(const std::string &path) {
    std::FILE *const opened = path.empty() ? nullptr : std::fopen(path.c_str(), "ae");
    if (!path.empty() && opened == nullptr)
      return -errno;
    const std::lock_guard<std::mutex> guard(lock);
    if (file != nullptr)
      std::fclose(file);
    file = opened;
    return 0;
  }
  /* One line: when, by which thread, at which level, and the text. */
  void submit(int level, const std::string &text) {
    const msgr::utime_t now = msgr::utime_t::now();
    const std::time_t seconds = now.sec();
    std::tm parts;
    localtime_r(&seconds, &parts);
    char when[32], zone[8], head[96];
    std::strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &parts);
    std::strftime(zone, sizeof(zone), "%z", &parts);
    std::snprintf(head, sizeof(head), "%s.%03u%s %lx %2d ", when, now.usec() / 1000, zone,
                  static_cast<unsigned long>(pthread_self()), level);
    const std::string line = head + text + '\n';
    const std::lock_guard<std::mutex> guard(lock);
    if (to_stderr)
      std::fwrite(line.data(), 1, line.size(), stderr);
    if (file != nullptr) {
      std::fwrite(line.data(), 1, line.size(), file);
      std::fflush(file);
    }
  }
};

/* A line that is being written: it is told the log when it goes. */
class Entry {
  const int level;
  std::ostringstream text;

public:
  explicit Entry(int l) : level(l) {}
  Entry(const Entry &) = delete;
  Entry &operator=(const Entry &) = delete;
  ~Entry() { Log::instance().submit(level, text.str()); }
  std::ostream &stream() { return text; }
};

} // namespace logging
} // namespace ceph

#endif
