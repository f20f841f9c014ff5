/*
 * The asking side of the benchmark, in C++: perf_client.c says what it does and what the arguments are.
 *
 *     perf_client++ ADDR JOBS CONCURRENCY IOS THINK_US MSG_LEN
 */
#include "perf.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <unistd.h>
#include <vector>

struct Options {
    const char *text;
    msgr::entity_addrvec_t addrs;
    unsigned long jobs, concurrency, ios, think_us;
    msgr::bufferlist data; /* what every request carries, never copied */
};

class Job final : public msgr::Dispatcher {
    const Options &options;
    std::unique_ptr<msgr::Messenger> messenger;
    msgr::ConnectionRef con;
    std::atomic<unsigned long> inflight{0};
    std::atomic<bool> connected{false}, lost{false};
    std::atomic<bool> waiting{false}; /* the thread sleeps, or is about to: whoever clears it rings */
    std::mutex lock;
    std::condition_variable changed;

    /* Wakes the job's thread once per sleep; costs nothing while it is busy. */
    void wake() {
        if (!waiting.load() || !waiting.exchange(false))
            return;
        const std::lock_guard<std::mutex> guard(lock);
        changed.notify_one();
    }

    /* Sleeps until `done()`. The flag goes up before the last look, and wake() looks at the flag after the change, so
     * one of the two sees the other. False after the time limit, if there is one. */
    template <class Done> bool sleep_until(Done done, std::chrono::seconds limit = std::chrono::seconds::zero()) {
        if (done())
            return true;
        const auto deadline = std::chrono::steady_clock::now() + limit;
        std::unique_lock<std::mutex> guard(lock);
        bool in_time = true;
        for (;;) {
            waiting = true;
            if (done() || !in_time)
                break;
            while (waiting && in_time) {
                if (limit == limit.zero())
                    changed.wait(guard);
                else
                    in_time = changed.wait_until(guard, deadline) == std::cv_status::no_timeout;
            }
        }
        waiting = false;
        return done();
    }

    void wait_for_replies(unsigned long limit) {
        sleep_until([this, limit] { return inflight <= limit || lost; });
    }

public:
    Job(msgr::CephContext *context, const Options &o, unsigned long number) : Dispatcher(context), options(o) {
        const uint64_t nonce = uint64_t(getpid()) + number;
        messenger.reset(
            msgr::Messenger::create(context, "async+posix", msgr::entity_name_t::CLIENT(0), "client", nonce));
        if (!messenger)
            die("Messenger::create", "failed");
        must("set_default_policy", messenger->set_default_policy(msgr::Policy::lossy_client(0)));
        must("add_dispatcher_head", messenger->add_dispatcher_head(this));
        must("start", messenger->start());
        con = messenger->connect_to_osd(options.addrs);
        if (!con)
            die(options.text, "cannot be dialled");
    }

    bool ms_can_fast_dispatch_any() const override { return true; }
    std::vector<uint16_t> ms_fast_dispatch_types() const override { return {MSG_OSD_OPREPLY}; }
    void ms_fast_dispatch(msgr::Message *m) override {
        m->put();
        inflight--;
        wake();
    }
    void ms_handle_fast_connect(msgr::Connection *) override {
        connected = true;
        wake();
    }
    /* A lossy connection is not repaired: the requests in flight are gone. */
    bool ms_handle_reset(msgr::Connection *) override {
        lost = true;
        wake();
        return true;
    }
    void ms_handle_remote_reset(msgr::Connection *) override {}
    bool ms_handle_refused(msgr::Connection *) override { return false; }

    void wait_until_connected() {
        if (!sleep_until([this] { return connected || lost; }, std::chrono::seconds(10)))
            die(options.text, "no connection within 10 seconds");
        if (lost)
            die(options.text, "connection lost");
    }

    void run() {
        for (unsigned long i = 0; i < options.ios && !lost; i++) {
            wait_for_replies(options.concurrency);
            if (lost)
                break;
            inflight++;
            auto request = msgr::make_message<Request>();
            request->set_tid(i + 1);
            request->set_data(options.data);
            con->send_message2(std::move(request)); /* a failure shows as a reset */
            think(options.think_us);
        }
        wait_for_replies(0);
    }

    /* True if all its requests were answered. */
    bool close() {
        must("shutdown", messenger->shutdown());
        must("wait", messenger->wait());
        return inflight == 0 && !lost;
    }
};

static Options parse(int argc, char **argv) {
    if (argc != 7) {
        std::fprintf(stderr, "usage: %s ADDR JOBS CONCURRENCY IOS THINK_US MSG_LEN\n", argv[0]);
        std::exit(2);
    }
    Options options = {argv[1],
                       parse_addrs(argv[1]),
                       count_arg("JOBS", argv[2], 1024),
                       count_arg("CONCURRENCY", argv[3], UINT_MAX),
                       count_arg("IOS", argv[4], UINT_MAX),
                       count_arg("THINK_US", argv[5], UINT_MAX),
                       {}};
    if (const unsigned long len = count_arg("MSG_LEN", argv[6], INT_MAX))
        options.data.append(std::string(len, 'x'));
    return options;
}

int main(int argc, char **argv) {
    const Options options = parse(argc, argv);
    msgr::register_message<Reply>(MSG_OSD_OPREPLY);
    const auto cct = create_context();
    std::vector<std::unique_ptr<Job>> jobs;
    for (unsigned long i = 0; i < options.jobs; i++)
        jobs.push_back(std::make_unique<Job>(cct.get(), options, i));
    for (const auto &job : jobs)
        job->wait_until_connected();

    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (const auto &job : jobs)
        threads.emplace_back([&job] { job->run(); });
    for (std::thread &thread : threads)
        thread.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

    bool complete = true;
    for (const auto &job : jobs)
        complete = job->close() && complete;
    jobs.clear();
    if (!complete)
        die(options.text, "connection lost before every request was answered");

    const double operations = double(options.jobs) * double(options.ios);
    std::printf("%.0f operations in %.3f s: %.0f operations/s, %.2f us/operation\n", operations, seconds,
                seconds > 0 ? operations / seconds : 0, operations > 0 ? seconds * 1e6 / operations : 0);
    return 0;
}
