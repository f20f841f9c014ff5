use std::time::Duration;

use super::{External, Probe, Seen, rig, until_parked};
use crate::event::EventCenter;
use crate::types::Time;

fn after(center: &EventCenter, micros: u64) -> Time {
    center.now() + Duration::from_micros(micros)
}

#[test]
fn timers_expire_in_order_and_never_early() {
    let rig = rig(1);
    let arm = |_: &mut Probe, center: &mut EventCenter| {
        for (key, micros) in [(1, 3000), (2, 1000), (3, 2000), (4, 0)] {
            center.arm(key, after(center, micros));
        }
        after(center, 3000)
    };
    let last = rig.worker().submit_to(arm).unwrap();
    assert_eq!(
        [rig.timer(), rig.timer(), rig.timer(), rig.timer()],
        [4, 2, 3, 1]
    );
    assert!(rig.worker().submit_to(|_, center| center.now()).unwrap() >= last);
}

#[test]
fn arming_again_moves_a_timer_and_disarming_stops_it() {
    let rig = rig(1);
    let arm = |_: &mut Probe, center: &mut EventCenter| {
        center.arm(1, after(center, 1000));
        center.arm(2, after(center, 1500));
        center.arm(3, after(center, 3_600_000_000));
        center.arm(1, after(center, 4000));
        center.arm(3, after(center, 2500));
        center.disarm(2);
    };
    rig.worker().submit_to(arm).unwrap();
    assert_eq!([rig.timer(), rig.timer()], [3, 1]);
    assert_eq!(rig.turns_while_idle(), 0);
    assert!(rig.seen.try_recv().is_err());
}

#[test]
fn a_timer_disarmed_by_one_that_expired_with_it_is_not_handled() {
    let rig = rig(1);
    let arm = |probe: &mut Probe, center: &mut EventCenter| {
        probe.victims.insert(1, 2);
        let at = after(center, 500);
        (1..=3).for_each(|key| center.arm(key, at));
    };
    rig.worker().submit_to(arm).unwrap();
    assert_eq!([rig.timer(), rig.timer()], [1, 3]);
    assert_eq!(rig.turns_while_idle(), 0);
}

#[test]
fn a_timer_less_than_a_millisecond_away_does_not_keep_the_worker_busy() {
    let rig = rig(1);
    until_parked(rig.worker());
    let before = rig.worker().turns();
    for key in 0..50 {
        let arm =
            move |_: &mut Probe, center: &mut EventCenter| center.arm(key, after(center, 300));
        rig.worker().submit_to(arm).unwrap();
        assert_eq!(rig.timer(), key);
    }
    // Each: woken to arm it, asleep, woken to fire it.
    let turns = rig.worker().turns() - before;
    assert!(turns <= 3 * 50, "{turns}");
}

#[test]
fn a_far_timer_neither_expires_nor_overflows_the_wait() {
    let rig = rig(1);
    let arm = |_: &mut Probe, center: &mut EventCenter| center.arm(1, Time::from_nanos(u64::MAX));
    rig.worker().submit_to(arm).unwrap();
    assert_eq!(rig.turns_while_idle(), 0);
    assert!(rig.seen.try_recv().is_err());
}

#[test]
fn time_stands_still_within_a_turn_and_goes_on_after_it() {
    let rig = rig(2);
    let look = |_: &mut Probe, center: &mut EventCenter| {
        let (now, wall) = (center.now(), center.wall());
        for _ in 0..1000 {
            assert_eq!((center.now(), center.wall()), (now, wall));
        }
        assert!(wall.sec > 1_600_000_000);
        now
    };
    let first = rig.worker().submit_to(look).unwrap();
    // One origin for all workers.
    let second = rig.stack.workers()[1]
        .submit_to(|_, center| center.now())
        .unwrap();
    assert!(second > first);
}

#[test]
fn events_do_not_starve_timers() {
    // A worker that always finds an event must still come to its timers.
    fn again(probe: &mut Probe, _: &mut EventCenter) {
        let worker = probe.worker.clone();
        if probe.echo {
            worker.dispatch_event_external(External::Call(Box::new(again)));
        }
    }
    let rig = rig(1);
    let start = |probe: &mut Probe, center: &mut EventCenter| {
        probe.echo = true;
        again(probe, center);
        center.arm(5, after(center, 100));
    };
    rig.worker().submit_to(start).unwrap();
    assert!(matches!(rig.seen.recv(), Ok(Seen::Timer(5))));
    rig.worker()
        .submit_to(|probe, _| probe.echo = false)
        .unwrap();
}
