/*
 * The answering side of the benchmark, in C++: perf_server.c says what it does and what the arguments are.
 *
 *     perf_server++ ADDR THREADS THINK_US
 */
#include "perf.hpp"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <vector>

/* Requests wait here, oldest first, for a thread of the pool. */
class Pool {
    const unsigned long think_us;
    std::mutex lock;
    std::condition_variable not_empty;
    std::deque<msgr::MessageRef> queue;
    unsigned long idle = 0; /* threads that sleep and have not been rung for */
    bool stopping = false;
    std::vector<std::thread> threads;

    void run() {
        std::unique_lock<std::mutex> guard(lock);
        for (;;) {
            while (queue.empty() && !stopping) {
                idle++; /* put takes it back when it rings */
                not_empty.wait(guard);
            }
            if (queue.empty())
                return;
            msgr::MessageRef request = std::move(queue.front());
            queue.pop_front();
            guard.unlock();
            answer(std::move(request));
            guard.lock();
        }
    }

public:
    Pool(unsigned long count, unsigned long us) : think_us(us) {
        for (unsigned long i = 0; i < count; i++)
            threads.emplace_back([this] { run(); });
    }

    void answer(msgr::MessageRef request) {
        think(think_us);
        auto reply = msgr::make_message<Reply>();
        reply->set_tid(request->get_tid());
        /* A client that has gone in the meantime is no concern of a server. */
        request->get_connection()->send_message2(std::move(reply));
    }

    void put(msgr::MessageRef request) {
        if (threads.empty())
            return answer(std::move(request));
        std::unique_lock<std::mutex> guard(lock);
        queue.push_back(std::move(request));
        const bool wake = idle > 0;
        idle -= wake;
        guard.unlock();
        if (wake)
            not_empty.notify_one();
    }

    /* Lets the threads finish what is queued, then ends them. */
    void stop() {
        {
            const std::lock_guard<std::mutex> guard(lock);
            stopping = true;
        }
        not_empty.notify_all();
        for (std::thread &thread : threads)
            thread.join();
    }
};

class ServerDispatcher final : public msgr::Dispatcher {
    Pool &pool;

public:
    ServerDispatcher(msgr::CephContext *context, Pool &p) : Dispatcher(context), pool(p) {}
    bool ms_can_fast_dispatch_any() const override { return true; }
    std::vector<uint16_t> ms_fast_dispatch_types() const override { return {MSG_OSD_OP}; }
    void ms_fast_dispatch(msgr::Message *m) override { pool.put(msgr::MessageRef(m, false)); }
    bool ms_handle_reset(msgr::Connection *) override { return true; }
    void ms_handle_remote_reset(msgr::Connection *) override {}
    bool ms_handle_refused(msgr::Connection *) override { return false; }
};

int main(int argc, char **argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: %s ADDR THREADS THINK_US\n", argv[0]);
        return 2;
    }
    const unsigned long threads = count_arg("THREADS", argv[2], 1024);
    const unsigned long think_us = count_arg("THINK_US", argv[3], UINT_MAX);

    /* Blocked before any thread starts, so that only sigwait below ever sees them. */
    sigset_t end_signals;
    int signal_number;
    sigemptyset(&end_signals);
    sigaddset(&end_signals, SIGTERM);
    sigaddset(&end_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &end_signals, nullptr);

    msgr::register_message<Request>(MSG_OSD_OP);
    Pool pool(threads, think_us);
    const auto cct = create_context();
    ServerDispatcher dispatcher(cct.get(), pool);
    std::unique_ptr<msgr::Messenger> messenger(
        msgr::Messenger::create(cct.get(), "async+posix", msgr::entity_name_t::OSD(0), "server", 0));
    if (!messenger)
        die("Messenger::create", "failed");
    must("set_default_policy", messenger->set_default_policy(msgr::Policy::stateless_server(0)));
    must(argv[1], messenger->bindv(parse_addrs(argv[1])));
    must("add_dispatcher_head", messenger->add_dispatcher_head(&dispatcher));
    must("start", messenger->start());
    std::printf("listening on %s\n", messenger->get_myaddrs().get_str().c_str());
    std::fflush(stdout);
    sigwait(&end_signals, &signal_number);

    must("shutdown", messenger->shutdown());
    must("wait", messenger->wait());
    pool.stop(); /* after wait: no callback can add a request any more */
    return 0;
}
