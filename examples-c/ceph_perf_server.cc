/*
 * The answering side of the benchmark, written as a program of Ceph's is: nothing in it but Ceph's names and headers. It
 * answers each write of an object as an OSD would that has it done at once. perf_server.c says what the arguments are;
 * Ceph's options may be among them (--ms-async-op-threads 2, --debug-ms 1).
 *
 *     ceph_perf_server ADDR THREADS THINK_US
 */
#include <deque>
#include <iostream>
#include <memory>

#include "auth/DummyAuth.h"
#include "common/WorkQueue.h"
#include "common/ceph_argparse.h"
#include "common/debug.h"
#include "global/global_init.h"
#include "global/signal_handler.h"
#include "messages/MOSDOp.h"
#include "messages/MOSDOpReply.h"
#include "msg/Messenger.h"

#define dout_context g_ceph_context
#define dout_subsys ceph_subsys_osd
#undef dout_prefix
#define dout_prefix *_dout << "perf_server "

/* Requests wait here, oldest first, for a thread of the pool. */
class OpQueue final : public ThreadPool::WorkQueue<MOSDOp> {
    const useconds_t think_us;
    std::deque<MOSDOp *> ops;

    bool _enqueue(MOSDOp *op) override {
        ops.push_back(op);
        return true;
    }
    void _dequeue(MOSDOp *) override { ceph_abort_msg("nobody takes an operation back"); }
    MOSDOp *_dequeue() override {
        if (ops.empty())
            return nullptr;
        MOSDOp *const op = ops.front();
        ops.pop_front();
        return op;
    }
    bool _empty() override { return ops.empty(); }
    void _clear() override {
        for (MOSDOp *op : ops)
            op->put();
        ops.clear();
    }
    void _process(MOSDOp *op, ThreadPool::TPHandle &) override { answer(op); }

public:
    OpQueue(ThreadPool *pool, useconds_t us)
        : WorkQueue("perf_server::OpQueue", ceph::make_timespan(30), ceph::make_timespan(0), pool), think_us(us) {}

    void answer(MOSDOp *op) {
        if (think_us > 0)
            usleep(think_us);
        op->finish_decode();
        const int flags = CEPH_OSD_FLAG_ACK | CEPH_OSD_FLAG_ONDISK;
        auto reply = ceph::make_message<MOSDOpReply>(op, 0, op->get_map_epoch(), flags, true);
        /* A client that has gone in the meantime is no concern of a server. */
        op->get_connection()->send_message2(std::move(reply));
        op->put();
    }
};

class ServerDispatcher final : public Dispatcher {
    OpQueue &queue;
    const bool direct;

public:
    ServerDispatcher(OpQueue &q, bool d) : Dispatcher(g_ceph_context), queue(q), direct(d) {}

    bool ms_can_fast_dispatch_any() const override { return true; }
    bool ms_can_fast_dispatch(const Message *m) const override { return m->get_type() == CEPH_MSG_OSD_OP; }
    void ms_fast_dispatch(Message *m) override {
        MOSDOp *const op = static_cast<MOSDOp *>(m);
        if (direct)
            queue.answer(op);
        else
            queue.queue(op);
    }
    bool ms_handle_reset(Connection *con) override {
        dout(5) << con->get_peer_name() << " has gone" << dendl;
        return true;
    }
    void ms_handle_remote_reset(Connection *) override {}
    bool ms_handle_refused(Connection *) override { return false; }
};

static Messenger *messenger;

static void end(int signum) {
    dout(1) << "signal " << signum << dendl;
    messenger->shutdown();
}

int main(int argc, char **argv) {
    std::vector<const char *> args;
    argv_to_vec(argc, argv, args);
    const auto cct = global_init(nullptr, args, CEPH_ENTITY_TYPE_OSD, CODE_ENVIRONMENT_UTILITY,
                                 CINIT_FLAG_NO_DEFAULT_CONFIG_FILE);
    if (const char *workers = std::getenv("MSGR_WORKERS"))
        g_conf().set_val_or_die("ms_async_op_threads", workers);
    common_init_finish(g_ceph_context);
    entity_addr_t addr;
    if (args.size() != 3 || !addr.parse(args[0])) {
        std::cerr << "usage: " << argv[0] << " ADDR THREADS THINK_US" << std::endl;
        return 2;
    }
    const int threads = std::atoi(args[1]);

    init_async_signal_handler();
    register_async_signal_handler_oneshot(SIGTERM, end);
    register_async_signal_handler_oneshot(SIGINT, end);
    ThreadPool pool(g_ceph_context, "perf_server::pool", "tp_perf", threads);
    OpQueue queue(&pool, useconds_t(std::atoi(args[2])));
    pool.start();
    ServerDispatcher dispatcher(queue, threads == 0);
    DummyAuthClientServer auth(g_ceph_context);
    const std::unique_ptr<Messenger> made(
        Messenger::create(g_ceph_context, g_conf()->ms_type, entity_name_t::OSD(0), "server", 0));
    messenger = made.get();
    messenger->set_default_policy(Messenger::Policy::stateless_server(0));
    messenger->set_auth_server(&auth);
    if (const int result = messenger->bind(addr)) {
        derr << "cannot listen at " << addr << ": " << cpp_strerror(result) << dendl;
        return 1;
    }
    messenger->add_dispatcher_head(&dispatcher);
    messenger->start();
    std::cout << "listening on " << messenger->get_myaddrs() << std::endl;
    messenger->wait();

    pool.stop(); /* after wait: no callback can add an operation any more */
    shutdown_async_signal_handler();
    return 0;
}
