use std::panic::resume_unwind;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};

use super::{External, Probe, SPINS, Seen, rig, spinning_rig, until_parked};
use crate::event::driver::EventDriver;
use crate::event::event_loop::EventLoop;
use crate::event::{SubmitError, Worker};

#[test]
fn events_of_many_threads_all_arrive_in_the_order_of_each() {
    const THREADS: usize = 8;
    const EVENTS: u64 = 100_000;
    let rig = rig(1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let worker = rig.worker().clone();
            scope.spawn(move || {
                for n in 0..EVENTS {
                    worker.dispatch_event_external(External::Note(thread, n));
                }
            });
        }
        let mut next = [0; THREADS];
        for seen in rig.seen.iter().take(THREADS * EVENTS as usize) {
            let Seen::Note(thread, n) = seen else {
                panic!("not an event")
            };
            assert_eq!(n, next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [EVENTS; THREADS]);
    });
    assert_eq!(rig.turns_while_idle(), 0);
}

#[test]
fn events_to_a_waking_and_sleeping_worker_are_never_left_lying() {
    for spin in SPINS {
        let rig = spinning_rig(2, spin);
        for n in 0..20_000 {
            let worker = &rig.stack.workers()[n as usize % 2];
            worker.dispatch_event_external(External::Note(0, n));
            let Ok(Seen::Note(0, m)) = rig.seen.recv() else {
                panic!("not an event")
            };
            assert_eq!(n, m);
        }
    }
}

#[test]
fn an_idle_worker_sleeps_and_a_woken_one_sleeps_again() {
    for spin in SPINS {
        let rig = spinning_rig(1, spin);
        assert_eq!(rig.turns_while_idle(), 0);
        rig.worker().submit_to(|_, _| ()).unwrap();
        assert_eq!(rig.turns_while_idle(), 0);
    }
}

#[test]
fn only_a_sleeping_worker_is_rung() {
    let rig = rig(1);
    let worker = rig.worker();
    let (release, gate) = channel::<()>();
    until_parked(worker);
    let before = worker.rings();
    worker.dispatch_event_external(External::Call(Box::new(move |_, _| gate.recv().unwrap())));
    assert_eq!(worker.rings(), before + 1);
    for n in 0..1000 {
        // Awake, though held up: it looks at its events before it sleeps.
        worker.dispatch_event_external(External::Note(0, n));
    }
    assert_eq!(worker.rings(), before + 1);
    release.send(()).unwrap();
    assert_eq!(rig.seen.iter().take(1000).count(), 1000);
    until_parked(worker);
    worker.dispatch_event_external(External::Note(0, 0));
    assert_eq!(worker.rings(), before + 2);
}

#[test]
fn a_worker_that_tells_itself_something_is_not_rung() {
    let rig = rig(1);
    let worker = rig.worker();
    until_parked(worker);
    let before = worker.rings();
    let tell = |probe: &mut Probe, _: &mut _| {
        let worker = probe.worker.clone();
        worker.dispatch_event_external(External::Note(3, 4));
    };
    worker.submit_to(tell).unwrap();
    assert!(matches!(rig.seen.recv(), Ok(Seen::Note(3, 4))));
    assert_eq!(worker.rings(), before + 1);
}

#[test]
fn a_submitted_function_runs_on_the_worker_and_its_value_comes_back() {
    let rig = rig(2);
    let worker = &rig.stack.workers()[1];
    assert!(!worker.is_current());
    assert!(!Worker::<Probe>::on_any_worker());
    let there = worker.submit_to(|probe, _| {
        let name = std::thread::current().name().map(String::from);
        (
            probe.worker.is_current(),
            Worker::<Probe>::on_any_worker(),
            name,
        )
    });
    assert_eq!(there, Ok((true, true, Some(String::from("msgr-worker-1")))));
    let other = rig.worker().clone();
    assert_eq!(worker.submit_to(move |_, _| other.is_current()), Ok(false));
}

#[test]
fn a_worker_cannot_submit_to_itself() {
    let rig = rig(1);
    let there = rig
        .worker()
        .submit_to(|probe, _| probe.worker.submit_to(|_, _| ()));
    assert_eq!(there, Ok(Err(SubmitError::OwnThread)));
}

#[test]
fn a_stopped_worker_refuses_and_drops_what_it_gets() {
    let rig = rig(1);
    let worker = rig.worker().clone();
    rig.stack.stop();
    assert_eq!(worker.submit_to(|_, _| ()), Err(SubmitError::Stopped));
    let token = Arc::new(());
    let held = Arc::clone(&token);
    worker.dispatch_event_external(External::Call(Box::new(move |_, _| drop(held))));
    assert_eq!(Arc::strong_count(&token), 1);
    rig.stack.stop();
}

#[test]
fn what_was_dispatched_before_a_stop_is_handled_and_what_comes_later_is_dropped() {
    let rig = rig(1);
    let (release, gate) = channel::<()>();
    let worker = rig.worker();
    worker.dispatch_event_external(External::Call(Box::new(move |_, _| gate.recv().unwrap())));
    worker.dispatch_event_external(External::Note(1, 1));
    worker.stop();
    worker.dispatch_event_external(External::Note(2, 2));
    release.send(()).unwrap();
    rig.stack.stop();
    let seen: Vec<_> = rig.seen.try_iter().collect();
    assert!(matches!(seen[..], [Seen::Note(1, 1)]));
}

#[test]
fn dropping_the_stack_waits_until_the_handlers_are_gone() {
    let rig = rig(3);
    assert_eq!(Arc::strong_count(&rig.alive), 4);
    drop(rig.stack);
    assert_eq!(Arc::strong_count(&rig.alive), 1);
}

#[test]
fn a_stack_dropped_on_its_own_worker_ends_without_waiting_for_itself() {
    let rig = rig(2);
    let worker = rig.worker().clone();
    let stack = Mutex::new(Some(rig.stack));
    worker.dispatch_event_external(External::Call(Box::new(move |probe, _| {
        drop(stack.lock().unwrap().take());
        probe.worker.dispatch_event_external(External::Note(0, 0));
    })));
    // The channel ends when the last handler is dropped, at its thread's end.
    assert!(rig.seen.iter().next().is_none());
    assert_eq!(worker.submit_to(|_, _| ()), Err(SubmitError::Stopped));
}

#[test]
fn stops_on_a_worker_and_elsewhere_at_once_do_not_wait_for_each_other() {
    let rig = rig(2);
    let stack = Arc::new(rig.stack);
    let barrier = Arc::new(Barrier::new(2));
    let (inner, there) = (Arc::clone(&stack), Arc::clone(&barrier));
    let worker = stack.workers()[0].clone();
    worker.dispatch_event_external(External::Call(Box::new(move |_, _| {
        there.wait();
        inner.stop();
    })));
    barrier.wait();
    stack.stop();
    assert!(rig.seen.iter().next().is_none());
}

#[test]
fn who_waits_for_a_worker_that_panics_is_told() {
    let rig = rig(2);
    let worker = rig.worker();
    let (release, gate) = channel::<()>();
    let panic = move || {
        gate.recv().unwrap();
        // A panic without the message on the terminal.
        resume_unwind(Box::new("on purpose"))
    };
    worker.dispatch_event_external(External::Call(Box::new(move |_, _| panic())));
    std::thread::scope(|scope| {
        let waiters = [(); 4].map(|()| scope.spawn(|| worker.submit_to(|_, _| ())));
        release.send(()).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(SubmitError::Stopped));
        }
    });
    // The other worker goes on, and both can still be stopped.
    assert_eq!(rig.stack.workers()[1].submit_to(|_, _| 5), Ok(5));
    rig.stack.stop();
    assert_eq!(Arc::strong_count(&rig.alive), 1);
}

#[test]
fn a_submitted_function_that_panics_is_reported_to_its_submitter() {
    let rig = rig(1);
    let panic = |_: &mut Probe, _: &mut _| -> u32 { resume_unwind(Box::new("on purpose")) };
    assert_eq!(rig.worker().submit_to(panic), Err(SubmitError::Stopped));
}

#[test]
fn a_worker_whose_thread_never_started_leaves_nobody_waiting() {
    let worker = Worker::new(0, EventDriver::new().unwrap());
    let probe = Probe::new(worker.clone(), channel().0, Arc::new(()));
    let event_loop = EventLoop::new(worker.clone(), probe, SPINS[0]);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| worker.submit_to(|_, _| ()));
        // What happens to the thread's closure if it cannot be spawned.
        drop(event_loop);
        assert_eq!(waiter.join().unwrap(), Err(SubmitError::Stopped));
    });
}

#[test]
fn the_least_loaded_worker_is_the_one_with_the_fewest_connections() {
    let rig = rig(3);
    let workers = rig.stack.workers();
    assert_eq!(rig.stack.least_loaded().id(), 0);
    workers[0].acquire();
    workers[1].acquire();
    assert_eq!(rig.stack.least_loaded().id(), 2);
    workers[2].acquire();
    workers[2].acquire();
    workers[1].release();
    assert_eq!(rig.stack.least_loaded().id(), 1);
    assert_eq!(workers[2].load(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_takes_no_signals_but_those_it_raises_itself() {
    let rig = rig(1);
    let status = |_: &mut Probe, _: &mut _| std::fs::read_to_string("/proc/thread-self/status");
    let status = rig.worker().submit_to(status).unwrap().unwrap();
    let blocked = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))
        .unwrap();
    let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
    let is_blocked = |signal: i32| blocked & (1 << (signal - 1)) != 0;
    for signal in [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGUSR1,
    ] {
        assert!(is_blocked(signal), "{signal}");
    }
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT] {
        assert!(!is_blocked(signal), "{signal}");
    }
}
