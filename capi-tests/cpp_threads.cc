/* What programs written for Ceph use besides a messenger to let threads work: locks, threads, pools and their queues,
 * timers, signals. */
#include <msgr/compat/common/Cond.h>
#include <msgr/compat/common/Cycles.h>
#include <msgr/compat/common/Finisher.h>
#include <msgr/compat/common/Timer.h>
#include <msgr/compat/common/WorkQueue.h>
#include <msgr/compat/global/signal_handler.h>

#include "check.hpp"

/* Numbers from 1 on: how many were processed, what they add up to, and how many had their end seen to. */
class Adder : public ThreadPool::WorkQueue<int> {
    std::list<int *> items;
    bool _enqueue(int *item) override
    {
        items.push_back(item);
        return true;
    }
    void _dequeue(int *item) override { items.remove(item); }
    int *_dequeue() override
    {
        if (items.empty())
            return nullptr;
        int *item = items.front();
        items.pop_front();
        return item;
    }
    bool _empty() override { return items.empty(); }
    void _clear() override { items.clear(); }
    void _process(int *item, ThreadPool::TPHandle &handle) override
    {
        handle.reset_tp_timeout();
        CHECK(handle.grace == ceph::make_timespan(30));
        LOCKED(sum += *item; processed++);
    }
    void _process_finish(int *) override { finished++; }

public:
    int sum = 0, processed = 0;
    int finished = 0; /* under the pool's lock */
    explicit Adder(ThreadPool *p) : WorkQueue("adder", ceph::make_timespan(30), ceph::make_timespan(60), p) {}
    size_t waiting()
    {
        lock();
        const size_t count = items.size();
        unlock();
        return count;
    }
};

static msgr::ref_t<CephContext> context()
{
    return msgr::ref_t<CephContext>(new CephContext, false);
}

static void a_pool_processes_each_item_once_on_its_threads()
{
    const auto cct = context();
    ThreadPool pool(cct.get(), "pool", "tp_test", 4);
    Adder one(&pool), other(&pool);
    std::vector<int> numbers(1000);
    for (int i = 0; i < 1000; i++) {
        numbers[size_t(i)] = i;
        if (i < 10)
            CHECK(one.queue(&numbers[size_t(i)]));
    }
    CHECK(one.waiting() == 10 && one.processed == 0);
    pool.start();
    CHECK(pool.get_num_threads() == 4);
    for (int i = 10; i < 1000; i++)
        (i % 2 == 0 ? one : other).queue(&numbers[size_t(i)]);
    one.drain();
    other.drain();
    pool.lock();
    CHECK(one.finished + other.finished == 1000);
    pool.unlock();
    LOCKED(CHECK(one.processed + other.processed == 1000 && one.sum + other.sum == 499500));
    pool.stop();
}

static void a_pool_that_is_paused_keeps_what_it_gets()
{
    const auto cct = context();
    ThreadPool pool(cct.get(), "pool", "tp_test", 2);
    Adder queue(&pool);
    int numbers[] = {1, 2, 4, 8};
    pool.start();
    pool.pause();
    for (int &number : numbers)
        queue.queue(&number);
    queue.dequeue(&numbers[1]);
    CHECK(queue.waiting() == 3 && queue.processed == 0);
    pool.unpause();
    queue.drain();
    LOCKED(CHECK(queue.sum == 13));
    /* What is queued when it ends is cleared. */
    pool.pause_new();
    queue.queue(&numbers[1]);
    pool.stop();
    CHECK(queue.waiting() == 0 && queue.sum == 13);
}

static void an_option_changes_the_number_of_threads()
{
    const auto cct = context();
    cct->_conf.declare("test_op_threads", "1");
    ThreadPool pool(cct.get(), "pool", "tp_test", 1, "test_op_threads");
    /* Each waits until all three have begun. */
    int begun = 0;
    ContextWQ queue("wq", ceph::make_timespan(30), &pool);
    pool.start();
    CHECK_OK(cct->_conf.set_val("test_op_threads", "3"));
    CHECK(pool.get_num_threads() == 1);
    cct->_conf.apply_changes(nullptr);
    CHECK(pool.get_num_threads() == 3);
    for (int i = 0; i < 3; i++)
        queue.queue(make_lambda_context([&begun] {
            LOCKED(begun++);
            WAIT_UNTIL(begun == 3);
        }));
    queue.drain();
    CHECK_OK(cct->_conf.set_val("test_op_threads", "1"));
    cct->_conf.apply_changes(nullptr);
    for (int i = 0; i < 100; i++)
        queue.queue(new C_NoopContext);
    queue.drain();
    CHECK(queue.empty() && pool.get_num_threads() == 1);
    pool.stop();
}

static void contexts_are_completed_with_their_results()
{
    const auto cct = context();
    ThreadPool pool(cct.get(), "pool", "tp_test", 2);
    ContextWQ plain("plain", ceph::make_timespan(30), &pool);
    GenContextWQ with_handle("with handle", ceph::make_timespan(30), &pool);
    struct Handled : GenContext<ThreadPool::TPHandle &> {
        int &count;
        explicit Handled(int &c) : count(c) {}
        void finish(ThreadPool::TPHandle &) override { LOCKED(count++); }
    };
    int sum = 0, handled = 0;
    pool.start();
    for (int i = 1; i <= 4; i++) {
        plain.queue(new FunctionContext([&sum](int r) { LOCKED(sum += r); }), i);
        with_handle.queue(new Handled(handled));
        with_handle.queue_front(new Handled(handled));
    }
    plain.drain();
    with_handle.drain();
    LOCKED(CHECK(sum == 10 && handled == 8));
    pool.stop();
}

static void a_finisher_completes_in_order_and_ends_when_all_is_done()
{
    const auto cct = context();
    Finisher finisher(cct.get(), "finisher", "fn_test");
    std::vector<int> order;
    std::list<Context *> list;
    finisher.start();
    for (int i = 0; i < 3; i++)
        finisher.queue(new LambdaContext([&order](int r) { LOCKED(order.push_back(r)); }), i);
    for (int i = 0; i < 2; i++)
        list.push_back(new LambdaContext([&order](int r) { LOCKED(order.push_back(10 + r)); }));
    finisher.queue(list);
    CHECK(list.empty());
    finisher.wait_for_empty();
    LOCKED(CHECK((order == std::vector<int>{0, 1, 2, 10, 10})));
    C_SaferCond done;
    (new C_OnFinisher(&done, &finisher))->complete(-EIO);
    CHECK(done.wait() == -EIO);
    finisher.queue(new LambdaContext([&order] { LOCKED(order.clear()); }));
    finisher.stop();
    CHECK(order.empty());
}

static void a_timer_completes_when_it_is_time_and_not_what_was_cancelled()
{
    const auto cct = context();
    ceph::mutex lock = ceph::make_mutex("timer");
    SafeTimer timer(cct.get(), lock);
    std::vector<int> order;
    bool destroyed = false;
    struct Gone : C_NoopContext {
        bool &gone;
        explicit Gone(bool &g) : gone(g) {}
        ~Gone() override { gone = true; }
    };
    C_SaferCond last;
    std::unique_lock<ceph::mutex> guard(lock);
    timer.init();
    timer.add_event_after(0.02, make_lambda_context([&] { order.push_back(2); }));
    timer.add_event_after(0.01, make_lambda_context([&] { order.push_back(1); }));
    timer.add_event_at(utime_t::now() + utime_t(0, 30000000), make_lambda_context([&](int r) { last.complete(r); }));
    Context *const never = timer.add_event_after(3600, new Gone(destroyed));
    CHECK(timer.cancel_event(never) && destroyed && !timer.cancel_event(never));
    destroyed = false;
    timer.add_event_after(3600, new Gone(destroyed));
    guard.unlock();
    CHECK(last.wait() == 0);
    guard.lock();
    CHECK((order == std::vector<int>{1, 2}));
    timer.shutdown();
    CHECK(destroyed);
    CHECK(timer.add_event_after(0, new C_NoopContext) == nullptr);
}

static void a_thread_has_a_name_a_result_and_no_signals()
{
    struct Worker : Thread {
        char name[16] = "";
        sigset_t blocked;
        void *entry() override
        {
            CHECK(am_self());
            pthread_getname_np(pthread_self(), name, sizeof(name));
            pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
            return this;
        }
    } worker;
    void *result = nullptr;
    CHECK(!worker.is_started() && worker.join() == -EINVAL);
    worker.create("a_name_that_is_too_long");
    CHECK(worker.is_started() && !worker.am_self());
    CHECK_OK(worker.join(&result));
    CHECK(result == &worker && strcmp(worker.name, "a_name_that_is_") == 0);
    CHECK(sigismember(&worker.blocked, SIGTERM) == 1 && sigismember(&worker.blocked, SIGSEGV) == 0);
    int sum = 0;
    make_named_thread("adder", [](int a, int *to) { *to += a; }, 5, &sum).join();
    CHECK(sum == 5);
}

static void older_locks_know_who_holds_them()
{
    Mutex lock("lock");
    Cond cond;
    int turn = 0;
    CHECK(!lock.is_locked());
    lock.Lock();
    CHECK(lock.is_locked_by_me() && lock.TryLock());
    lock.Unlock();
    CHECK(lock.is_locked());
    std::thread other([&] {
        CHECK(!lock.is_locked_by_me());
        Mutex::Locker l(lock);
        turn = 1;
        cond.Signal();
        while (turn != 2)
            cond.Wait(lock);
    });
    while (turn != 1)
        cond.Wait(lock);
    CHECK(lock.is_locked_by_me());
    turn = 2;
    cond.SignalAll();
    lock.Unlock();
    other.join();
    lock.Lock();
    CHECK(cond.WaitInterval(lock, utime_t(0, 1000)) == ETIMEDOUT);
    CHECK(cond.WaitUntil(lock, utime_t(1, 0)) == ETIMEDOUT);
    lock.Unlock();
    C_SaferCond never;
    CHECK(never.wait_for(0.001) == -ETIMEDOUT);
}

static void a_gathering_ends_with_the_last_and_tells_the_first_failure()
{
    const auto cct = context();
    C_SaferCond done;
    C_GatherBuilder gather(cct.get(), &done);
    std::vector<Context *> subs;
    for (int i = 0; i < 4; i++)
        subs.push_back(gather.new_sub());
    CHECK(gather.has_subs() && gather.num_subs_created() == 4);
    subs[0]->complete(0);
    gather.activate();
    CHECK(done.wait_for(0) == -ETIMEDOUT);
    std::thread one([&] { subs[1]->complete(-EIO); });
    std::thread other([&] { subs[2]->complete(0); });
    one.join();
    other.join();
    subs[3]->complete(-EPERM);
    CHECK(done.wait() == -EIO);
    int sum = 0;
    std::list<Context *> all = {make_lambda_context([&sum](int r) { sum += r; }),
                                make_lambda_context([&sum](int r) { sum += r; })};
    finish_contexts(cct.get(), all, 3);
    CHECK(sum == 6 && all.empty());
}

static int signalled, stray;

static void a_thread_sees_to_signals()
{
    init_async_signal_handler();
    register_async_signal_handler(SIGUSR1, [](int number) { LOCKED(signalled += number); });
    register_async_signal_handler_oneshot(SIGUSR2, [](int) { LOCKED(stray++); });
    CHECK(raise(SIGUSR1) == 0);
    WAIT_UNTIL(signalled == SIGUSR1);
    queue_async_signal(SIGUSR2);
    WAIT_UNTIL(stray == 1);
    CHECK(raise(SIGUSR2) == 0);
    WAIT_UNTIL(stray == 2);
    unregister_async_signal_handler(SIGUSR1, nullptr);
    shutdown_async_signal_handler();
    struct sigaction now;
    CHECK(sigaction(SIGUSR1, nullptr, &now) == 0 && now.sa_handler == SIG_DFL);
}

static void cycles_are_as_long_as_the_clock_says()
{
    Cycles::init();
    const auto begin = std::chrono::steady_clock::now();
    const uint64_t ticks = Cycles::rdtsc();
    Cycles::sleep(20000);
    const double cycles = Cycles::to_seconds(Cycles::rdtsc() - ticks);
    const double clock = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(cycles > 0.5 * clock && cycles < 2 * clock);
    CHECK(Cycles::to_microseconds(2000, 1e9) == 2 && Cycles::to_nanoseconds(3, 1e9) == 3);
    CHECK(Cycles::from_seconds(0.5, 1000) == 500 && Cycles::from_nanoseconds(7, 1e9) == 7);
}

int main()
{
    a_pool_processes_each_item_once_on_its_threads();
    a_pool_that_is_paused_keeps_what_it_gets();
    an_option_changes_the_number_of_threads();
    contexts_are_completed_with_their_results();
    a_finisher_completes_in_order_and_ends_when_all_is_done();
    a_timer_completes_when_it_is_time_and_not_what_was_cancelled();
    a_thread_has_a_name_a_result_and_no_signals();
    older_locks_know_who_holds_them();
    a_gathering_ends_with_the_last_and_tells_the_first_failure();
    a_thread_sees_to_signals();
    cycles_are_as_long_as_the_clock_says();
    return 0;
}
