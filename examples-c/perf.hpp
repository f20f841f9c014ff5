/*
 * What perf_server.cc and perf_client.cc share: the messages of the benchmark, which are those of perf.h, as classes.
 */
#ifndef PERF_HPP
#define PERF_HPP

#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <msgr.hpp>
#include <string>
#include <thread>

constexpr int MSG_OSD_OP = 42, MSG_OSD_OPREPLY = 43;
constexpr size_t REQUEST_FRONT = 220, REPLY_FRONT = 102;

/* A request: a front of fixed size, and the data that is to be written. */
class Request final : public msgr::Message {
public:
    Request() : Message(MSG_OSD_OP) {}
    void encode_payload(uint64_t) override { payload.append_zero(REQUEST_FRONT); }
    void decode_payload() override {
        auto p = payload.cbegin();
        p += REQUEST_FRONT; /* throws if there is less */
    }
    std::string_view get_type_name() const override { return "request"; }
};

class Reply final : public msgr::Message {
public:
    Reply() : Message(MSG_OSD_OPREPLY) {}
    void encode_payload(uint64_t) override { payload.append_zero(REPLY_FRONT); }
    void decode_payload() override {
        auto p = payload.cbegin();
        p += REPLY_FRONT;
    }
    std::string_view get_type_name() const override { return "reply"; }
};

[[noreturn]] inline void die(const char *what, const char *why) {
    std::fprintf(stderr, "%s: %s\n", what, why);
    std::exit(1);
}

/* Ends the program with the library's own words if a call has failed. */
inline void must(const char *what, int result) {
    char why[512];
    if (result < 0)
        die(what, msgr_last_error(why, sizeof why) > 0 ? why : msgr_strerror(result));
}

/* A count from the command line: digits only, at most `max`. */
inline unsigned long count_arg(const char *name, const char *text, unsigned long max) {
    char *end;
    errno = 0;
    const unsigned long value = std::strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > max) {
        std::fprintf(stderr, "%s: '%s' is not a number from 0 to %lu\n", name, text, max);
        std::exit(2);
    }
    return value;
}

/* Simulates the work of one operation. 0 is no call at all: even a sleep of nothing costs 50 us. */
inline void think(unsigned long us) {
    if (us > 0)
        std::this_thread::sleep_for(std::chrono::microseconds(us));
}

/* A context with MSGR_WORKERS threads, or the library's default number. */
inline msgr::ref_t<msgr::CephContext> create_context() {
    msgr::ref_t<msgr::CephContext> cct(new msgr::CephContext, false);
    if (const char *workers = std::getenv("MSGR_WORKERS"))
        must("MSGR_WORKERS", cct->set_val("ms_async_op_threads", workers));
    return cct;
}

inline msgr::entity_addrvec_t parse_addrs(const char *text) {
    msgr::entity_addrvec_t addrs;
    if (!addrs.parse(text))
        die(text, "is not an address");
    return addrs;
}

#endif
