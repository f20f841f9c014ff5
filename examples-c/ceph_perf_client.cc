/*
 * The asking side of the benchmark, written as a program of Ceph's is: nothing in it but Ceph's names and headers. It
 * writes one object over and over. perf_client.c says what the arguments are; Ceph's options may be among them.
 *
 *     ceph_perf_client ADDR JOBS CONCURRENCY IOS THINK_US MSG_LEN
 */
#include <atomic>
#include <iostream>
#include <memory>

#include "auth/DummyAuth.h"
#include "common/Cycles.h"
#include "common/Thread.h"
#include "common/ceph_argparse.h"
#include "common/ceph_mutex.h"
#include "common/debug.h"
#include "global/global_init.h"
#include "messages/MOSDOp.h"
#include "messages/MOSDOpReply.h"
#include "msg/Messenger.h"

#define dout_context g_ceph_context
#define dout_subsys ceph_subsys_client
#undef dout_prefix
#define dout_prefix *_dout << "perf_client "

struct Options {
    entity_addrvec_t addrs;
    int jobs, concurrency, ios;
    useconds_t think_us;
    bufferlist data; /* what every write carries, never copied */
};

class Job final : public Dispatcher, public Thread {
    const Options &options;
    DummyAuthClientServer auth;
    std::unique_ptr<Messenger> messenger;
    ConnectionRef con;
    const object_t oid;
    const object_locator_t oloc;
    const pg_t pgid;
    ceph::mutex lock = ceph::make_mutex("perf_client::Job::lock");
    ceph::condition_variable changed;
    std::atomic<int> inflight{0};
    std::atomic<bool> connected{false}, lost{false};
    std::atomic<bool> waiting{false}; /* the thread sleeps, or is about to: whoever clears it rings */

    void wake() {
        if (!waiting.load() || !waiting.exchange(false))
            return;
        const std::lock_guard l{lock};
        changed.notify_one();
    }
    /* The flag goes up before the last look, and wake looks at it after the change: one of the two sees the other. */
    template <class Done> void wait_until(Done done) {
        if (done())
            return;
        std::unique_lock l{lock};
        for (;;) {
            waiting = true;
            if (done())
                break;
            changed.wait(l, [this] { return !waiting; });
        }
        waiting = false;
    }

    void *entry() override {
        const hobject_t hobj(oid, oloc.key, CEPH_NOSNAP, pgid.ps(), pgid.pool(), oloc.nspace);
        const int flags = CEPH_OSD_FLAG_WRITE | CEPH_OSD_FLAG_ONDISK;
        for (int i = 0; i < options.ios && !lost; ++i) {
            wait_until([this] { return inflight <= options.concurrency || lost; });
            auto op = ceph::make_message<MOSDOp>(0, i + 1, hobj, spg_t(pgid), 0, flags, 0);
            bufferlist data(options.data);
            op->write(0, data.length(), data);
            ++inflight;
            con->send_message2(std::move(op)); /* a failure shows as a reset */
            if (options.think_us > 0)
                usleep(options.think_us);
        }
        wait_until([this] { return inflight == 0 || lost; });
        return nullptr;
    }

public:
    Job(const Options &o, int number)
        : Dispatcher(g_ceph_context), options(o), auth(g_ceph_context), oid("object-name"), oloc(1, 1) {
        messenger.reset(Messenger::create(g_ceph_context, g_conf()->ms_type, entity_name_t::CLIENT(0), "client",
                                          Messenger::get_pid_nonce() + uint64_t(number)));
        messenger->set_default_policy(Messenger::Policy::lossy_client(0));
        messenger->set_auth_client(&auth);
        messenger->add_dispatcher_head(this);
        messenger->start();
        con = messenger->connect_to_osd(options.addrs);
        ceph_assert(con);
    }

    bool ms_can_fast_dispatch_any() const override { return true; }
    bool ms_can_fast_dispatch(const Message *m) const override { return m->get_type() == CEPH_MSG_OSD_OPREPLY; }
    void ms_fast_dispatch(Message *m) override {
        const int result = static_cast<MOSDOpReply *>(m)->get_result();
        ceph_assert(result == 0);
        m->put();
        --inflight;
        wake();
    }
    void ms_handle_fast_connect(Connection *) override {
        connected = true;
        wake();
    }
    /* A lossy connection is not repaired: the requests in flight are gone. */
    bool ms_handle_reset(Connection *c) override {
        derr << "connection lost: " << c->get_last_fault() << dendl;
        lost = true;
        wake();
        return true;
    }
    void ms_handle_remote_reset(Connection *) override {}
    /* There is nobody: a benchmark does not wait for him. */
    bool ms_handle_refused(Connection *c) override { return ms_handle_reset(c); }

    void wait_until_connected() {
        wait_until([this] { return connected || lost; });
    }
    /* True if all its requests were answered. */
    bool close() {
        messenger->shutdown();
        messenger->wait();
        return inflight == 0 && !lost;
    }
};

int main(int argc, char **argv) {
    std::vector<const char *> args;
    argv_to_vec(argc, argv, args);
    const auto cct = global_init(nullptr, args, CEPH_ENTITY_TYPE_CLIENT, CODE_ENVIRONMENT_UTILITY,
                                 CINIT_FLAG_NO_DEFAULT_CONFIG_FILE);
    if (const char *workers = std::getenv("MSGR_WORKERS"))
        g_conf().set_val_or_die("ms_async_op_threads", workers);
    common_init_finish(g_ceph_context);
    entity_addrvec_t addrs;
    if (args.size() != 6 || !addrs.parse(args[0])) {
        std::cerr << "usage: " << argv[0] << " ADDR JOBS CONCURRENCY IOS THINK_US MSG_LEN" << std::endl;
        return 2;
    }
    Options options = {addrs, std::atoi(args[1]), std::atoi(args[2]), std::atoi(args[3]),
                       useconds_t(std::atoi(args[4])), {}};
    bufferptr data(size_t(std::atoi(args[5])));
    data.zero();
    options.data.append(data);

    std::vector<std::unique_ptr<Job>> jobs;
    for (int i = 0; i < options.jobs; ++i)
        jobs.push_back(std::make_unique<Job>(options, i));
    for (const auto &job : jobs)
        job->wait_until_connected();

    Cycles::init();
    const uint64_t begin = Cycles::rdtsc();
    for (const auto &job : jobs)
        job->create("perf_job");
    for (const auto &job : jobs)
        job->join();
    const double seconds = Cycles::to_seconds(Cycles::rdtsc() - begin);

    bool complete = true;
    for (const auto &job : jobs)
        complete = job->close() && complete;
    if (!complete) {
        derr << "not every request was answered" << dendl;
        return 1;
    }
    const double operations = double(options.jobs) * options.ios;
    std::printf("%.0f operations in %.3f s: %.0f operations/s, %.2f us/operation\n", operations, seconds,
                seconds > 0 ? operations / seconds : 0, operations > 0 ? seconds * 1e6 / operations : 0);
    return 0;
}
