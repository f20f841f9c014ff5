/* Options that Ceph's programs read as members, and how their texts are read. Ceph: common/legacy_config_opts.h. */
#ifndef MSGR_CONFIG_VALUES_HPP
#define MSGR_CONFIG_VALUES_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <type_traits>

namespace msgr {

/* Type and name of each. */
#define MSGR_CONFIG_VALUES(X)                                                                                        \
  X(std::string, ms_type)                                                                                            \
  X(std::string, ms_public_type)                                                                                     \
  X(std::string, ms_cluster_type)                                                                                    \
  X(std::string, ms_cluster_mode)                                                                                    \
  X(std::string, ms_service_mode)                                                                                    \
  X(std::string, ms_client_mode)                                                                                     \
  X(std::string, ms_mon_cluster_mode)                                                                                \
  X(std::string, ms_mon_service_mode)                                                                                \
  X(std::string, ms_mon_client_mode)                                                                                 \
  X(std::string, auth_cluster_required)                                                                              \
  X(std::string, auth_service_required)                                                                              \
  X(std::string, auth_client_required)                                                                               \
  X(std::string, keyring)                                                                                            \
  X(std::string, keyfile)                                                                                            \
  X(bool, cephx_sign_messages)                                                                                       \
  X(bool, cephx_require_signatures)                                                                                  \
  X(bool, cephx_cluster_require_signatures)                                                                          \
  X(bool, cephx_service_require_signatures)                                                                          \
  X(bool, ms_tcp_nodelay)                                                                                            \
  X(uint64_t, ms_tcp_rcvbuf)                                                                                         \
  X(uint64_t, ms_tcp_prefetch_max_size)                                                                              \
  X(int64_t, ms_tcp_listen_backlog)                                                                                  \
  X(int64_t, ms_max_accept_failures)                                                                                 \
  X(bool, ms_bind_before_connect)                                                                                    \
  X(bool, ms_bind_ipv4)                                                                                              \
  X(bool, ms_bind_ipv6)                                                                                              \
  X(bool, ms_bind_msgr1)                                                                                             \
  X(bool, ms_bind_msgr2)                                                                                             \
  X(int64_t, ms_bind_port_min)                                                                                       \
  X(int64_t, ms_bind_port_max)                                                                                       \
  X(int64_t, ms_bind_retry_count)                                                                                    \
  X(int64_t, ms_bind_retry_delay)                                                                                    \
  X(double, ms_initial_backoff)                                                                                      \
  X(double, ms_max_backoff)                                                                                          \
  X(int64_t, ms_connection_ready_timeout)                                                                            \
  X(int64_t, ms_connection_idle_timeout)                                                                             \
  X(bool, ms_learn_addr_from_peer)                                                                                   \
  X(bool, ms_crc_data)                                                                                               \
  X(bool, ms_crc_header)                                                                                             \
  X(bool, ms_die_on_bad_msg)                                                                                         \
  X(bool, ms_die_on_unhandled_msg)                                                                                   \
  X(bool, ms_die_on_old_message)                                                                                     \
  X(bool, ms_die_on_skipped_message)                                                                                 \
  X(bool, ms_die_on_bug)                                                                                             \
  X(bool, ms_dump_on_send)                                                                                           \
  X(int64_t, ms_dump_corrupt_message_level)                                                                          \
  X(uint64_t, ms_dispatch_throttle_bytes)                                                                            \
  X(uint64_t, ms_pq_max_tokens_per_priority)                                                                         \
  X(uint64_t, ms_pq_min_cost)                                                                                        \
  X(uint64_t, ms_async_op_threads)                                                                                   \
  X(uint64_t, ms_async_max_op_threads)                                                                               \
  X(uint64_t, ms_inject_socket_failures)                                                                             \
  X(std::string, ms_inject_delay_type)                                                                               \
  X(double, ms_inject_delay_max)                                                                                     \
  X(double, ms_inject_delay_probability)                                                                             \
  X(double, ms_inject_internal_delays)                                                                               \
  X(bool, ms_blackhole_osd)                                                                                          \
  X(bool, ms_blackhole_mon)                                                                                          \
  X(bool, ms_blackhole_mds)                                                                                          \
  X(bool, ms_blackhole_client)                                                                                       \
  X(bool, ms_blackhole_mgr)

/* Ceph: ConfigValues. */
struct ConfigValues {
#define MSGR_CONFIG_MEMBER(type, name) type name{};
  MSGR_CONFIG_VALUES(MSGR_CONFIG_MEMBER)
#undef MSGR_CONFIG_MEMBER
};

namespace detail {
inline bool is_bool(const std::string &text) {
  return text == "true" || text == "false" || text == "1" || text == "0" || text == "yes" || text == "no";
}

/* A number with a suffix for powers of 1024. */
inline double option_number(const std::string &text) {
  char *end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  switch (*end) {
  case 'K':
    return number * 1024.0;
  case 'M':
    return number * 1048576.0;
  case 'G':
    return number * 1073741824.0;
  case 'T':
    return number * 1099511627776.0;
  default:
    return number;
  }
}

inline void option_value(const std::string &text, std::string &value) { value = text; }
inline void option_value(const std::string &text, bool &value) {
  value = text == "true" || text == "1" || text == "yes";
}
template <class T> std::enable_if_t<std::is_arithmetic_v<T>> option_value(const std::string &text, T &value) {
  if constexpr (std::is_integral_v<T>) {
    char *end = nullptr;
    const long long whole = std::strtoll(text.c_str(), &end, 10);
    value = *end == '\0' ? static_cast<T>(whole) : static_cast<T>(option_number(text));
  } else {
    value = static_cast<T>(option_number(text));
  }
}
/* Options are in seconds. */
template <class Rep, class Period>
void option_value(const std::string &text, std::chrono::duration<Rep, Period> &value) {
  value = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(
      std::chrono::duration<double>(option_number(text)));
}
} // namespace detail

} // namespace msgr

#endif
