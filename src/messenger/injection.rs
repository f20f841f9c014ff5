//! Faults on purpose: what Ceph's `ms_inject_*` and `ms_blackhole_*` options
//! ask for. Usable in production, where they cost one load of a flag.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::conf::Conf;
use crate::types::{EntityType, Message, Random, Time};

/// The faults of one context. They may be switched at any time, and hold for
/// connections that are there already from their next read, write or message on.
#[derive(Default)]
pub(crate) struct FaultInjection {
    /// False nearly always, and then nothing else here is looked at.
    on: AtomicBool,
    settings: RwLock<Settings>,
}

/// What is asked for, as it was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// One read or write in so many fails; 0 for none.
    socket_failures: u64,
    /// How long a worker stands still.
    internal_delay: Duration,
    /// Peers whose messages are held back.
    delay_types: TypeSet,
    delay_probability: f64,
    delay_max: Duration,
    /// Peers with whom messages vanish, both ways.
    blackholes: TypeSet,
}

/// A set of entity types, which are bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct TypeSet(u8);

/// What one link injects: its random numbers, and the messages held back. A
/// link has one from the first fault asked for on.
pub(crate) struct Injector {
    random: Random,
    /// In the order of arrival, each with the time from which it may go.
    delayed: VecDeque<(Time, Box<Message>)>,
}

impl FaultInjection {
    /// Takes over what the options say now.
    pub(crate) fn read(&self, conf: &Conf) {
        let mut settings = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *settings = Settings::read(conf);
        self.on
            .store(*settings != Settings::NONE, Ordering::Relaxed);
    }

    /// What is asked for, if anything is.
    #[inline]
    pub(crate) fn settings(&self) -> Option<Settings> {
        // Whoever sees the flag late is a moment late with a fault.
        match self.on.load(Ordering::Relaxed) {
            true => Some(self.asked()),
            false => None,
        }
    }

    #[cold]
    fn asked(&self) -> Settings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a message to that peer vanish?
    #[inline]
    pub(crate) fn swallows(&self, peer: EntityType) -> bool {
        self.settings().is_some_and(|asked| asked.swallows(peer))
    }
}

impl Settings {
    const NONE: Self = Self {
        socket_failures: 0,
        internal_delay: Duration::ZERO,
        delay_types: TypeSet(0),
        delay_probability: 0.0,
        delay_max: Duration::ZERO,
        blackholes: TypeSet(0),
    };

    /// Only what has an effect, so that all else equals [`Settings::NONE`].
    fn read(conf: &Conf) -> Self {
        let mut settings = Self {
            socket_failures: conf.number("ms_inject_socket_failures"),
            ..Self::NONE
        };
        if settings.socket_failures > 0 {
            settings.internal_delay = conf.seconds("ms_inject_internal_delays");
        }
        let (probability, max) = (
            conf.decimal("ms_inject_delay_probability"),
            conf.seconds("ms_inject_delay_max"),
        );
        let types = conf.entity_types("ms_inject_delay_type");
        if probability > 0.0 && !max.is_zero() && !types.is_empty() {
            settings.delay_types = types.into_iter().collect();
            settings.delay_probability = probability;
            settings.delay_max = max;
        }
        let blackholes = [
            ("ms_blackhole_osd", EntityType::OSD),
            ("ms_blackhole_mon", EntityType::MON),
            ("ms_blackhole_mds", EntityType::MDS),
            ("ms_blackhole_client", EntityType::CLIENT),
        ];
        let swallowing = blackholes.into_iter().filter(|(key, _)| conf.switch(key));
        settings.blackholes = swallowing.map(|(_, kind)| kind).collect();
        settings
    }

    /// Does a message from or to that peer vanish?
    pub(crate) const fn swallows(&self, peer: EntityType) -> bool {
        self.blackholes.contains(peer)
    }
}

impl TypeSet {
    const fn contains(self, kind: EntityType) -> bool {
        self.0 & kind.0 != 0
    }
}

impl FromIterator<EntityType> for TypeSet {
    fn from_iter<T: IntoIterator<Item = EntityType>>(types: T) -> Self {
        Self(types.into_iter().fold(0, |set, kind| set | kind.0))
    }
}

impl Injector {
    /// Equal seeds make equal faults.
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            delayed: VecDeque::new(),
        }
    }

    /// Shall the next read or write of the socket fail?
    pub(crate) fn breaks_socket(&mut self, asked: &Settings) -> bool {
        self.one_in(asked.socket_failures)
    }

    /// Keeps the worker at a state change for a while, now and then: other
    /// threads go on meanwhile, and what they do meets it later than usual.
    pub(crate) fn stall(&mut self, asked: &Settings) {
        if !asked.internal_delay.is_zero() && self.one_in(asked.socket_failures) {
            log::info!("injecting a delay of {:?}", asked.internal_delay);
            stand_still(asked.internal_delay);
        }
    }

    /// Holds a message back if it is chosen, or if earlier ones are held, which
    /// it must not pass; else gives it back.
    pub(crate) fn hold_back(
        &mut self,
        message: Box<Message>,
        asked: Option<&Settings>,
        peer: EntityType,
        now: Time,
    ) -> Option<Box<Message>> {
        let mut until = now;
        if let Some(asked) = asked.filter(|asked| asked.delay_types.contains(peer)) {
            if self.fraction() < asked.delay_probability {
                until = now + part(asked.delay_max, self.fraction());
            }
        }
        if until == now && self.delayed.is_empty() {
            return Some(message);
        }
        self.delayed.push_back((until, message));
        None
    }

    /// When [`Injector::pop_due`] has the next message.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.delayed.front().map(|(until, _)| *until)
    }

    /// The first message held back, if its time has come. It never lies behind
    /// one that came later, so each waits for those before it at most.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Box<Message>> {
        let (until, _) = self.delayed.front()?;
        if *until > now {
            return None;
        }
        self.delayed.pop_front().map(|(_, message)| message)
    }

    /// Lets all that is held back go at once.
    pub(crate) fn release(&mut self, now: Time) {
        for (until, _) in &mut self.delayed {
            *until = now;
        }
    }

    /// Drops what is held back; returns the payload bytes.
    pub(crate) fn discard(&mut self) -> u64 {
        let dropped = std::mem::take(&mut self.delayed);
        let bytes = |(_, message): &(Time, Box<Message>)| message.payload_len() as u64;
        dropped.iter().map(bytes).sum()
    }

    /// True once in `n` times; never for 0.
    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.random.below(n) == 0
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what fits")]
        let (numerator, steps) = (self.random.below(STEPS) as f64, STEPS as f64);
        numerator / steps
    }
}

/// That fraction of a length of time, also of the longest there is.
fn part(of: Duration, fraction: f64) -> Duration {
    Duration::try_from_secs_f64(of.as_secs_f64() * fraction).unwrap_or(of)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a worker that stands still is the very fault asked for"
)]
fn stand_still(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(options: &[(&str, &str)]) -> Option<Settings> {
        let (conf, injection) = (Conf::default(), FaultInjection::default());
        for (key, value) in options {
            conf.set(key, value, true).unwrap();
        }
        injection.read(&conf);
        injection.settings()
    }

    fn message(tid: u64) -> Box<Message> {
        let mut message = Message::new(1);
        message.tid = tid;
        message.front.append_copy(&[0; 10]);
        message.into()
    }

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn options_without_an_effect_leave_the_switch_off() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("ms_inject_internal_delays", "1")]), None);
        assert_eq!(asked(&[("ms_inject_delay_type", "osd")]), None);
        assert_eq!(asked(&[("ms_inject_delay_probability", "1")]), None);
        let conf = Conf::default();
        let injection = FaultInjection::default();
        conf.set("ms_blackhole_mon", "true", true).unwrap();
        injection.read(&conf);
        assert!(injection.swallows(EntityType::MON) && !injection.swallows(EntityType::MGR));
        conf.set("ms_blackhole_mon", "false", true).unwrap();
        injection.read(&conf);
        assert_eq!(injection.settings(), None);
    }

    #[test]
    fn a_socket_fails_about_as_often_as_asked_and_the_same_way_for_the_same_seed() {
        let asked = asked(&[("ms_inject_socket_failures", "30")]).unwrap();
        let run = |seed| {
            let mut injector = Injector::new(seed);
            (0..30_000)
                .map(|_| injector.breaks_socket(&asked))
                .collect::<Vec<_>>()
        };
        let first = run(7);
        let failures = first.iter().filter(|broken| **broken).count();
        assert!((800..1200).contains(&failures), "{failures} of 30000");
        assert_eq!(first, run(7));
        assert_ne!(first, run(8));
    }

    #[test]
    fn messages_held_back_keep_their_order_and_none_waits_longer_than_the_longest_delay() {
        let asked = asked(&[
            ("ms_inject_delay_type", "osd"),
            ("ms_inject_delay_probability", "0.5"),
            ("ms_inject_delay_max", "1"),
        ]);
        let mut injector = Injector::new(7);
        let (mut out, mut held) = (Vec::new(), 0);
        for tid in 0..1000 {
            let now = at(tid * 10);
            out.extend(std::iter::from_fn(|| injector.pop_due(now)).map(|due| (due.tid, now)));
            match injector.hold_back(message(tid), asked.as_ref(), EntityType::OSD, now) {
                Some(through) => out.push((through.tid, now)),
                None => held += 1,
            }
        }
        out.extend(std::iter::from_fn(|| injector.pop_due(at(11_000))).map(|due| (due.tid, at(0))));
        assert!(held > 500, "{held} of 1000");
        for (index, (tid, when)) in (0..).zip(out) {
            assert_eq!(tid, index);
            assert!(when - at(tid * 10) <= Duration::from_millis(1010));
        }
        assert_eq!(injector.next_due(), None);
    }

    #[test]
    fn a_message_of_another_type_waits_for_nobody_and_one_that_comes_after_the_switch_for_all() {
        let asked = asked(&[
            ("ms_inject_delay_type", "osd"),
            ("ms_inject_delay_probability", "1"),
            ("ms_inject_delay_max", "100"),
        ]);
        let mut injector = Injector::new(7);
        let mut hold = |tid, asked: Option<&Settings>, peer| {
            injector
                .hold_back(message(tid), asked, peer, at(0))
                .is_none()
        };
        assert!(!hold(0, asked.as_ref(), EntityType::MON));
        assert!(hold(1, asked.as_ref(), EntityType::OSD));
        assert!(hold(2, None, EntityType::OSD));
        injector.release(at(5));
        assert_eq!(injector.next_due(), Some(at(5)));
        assert_eq!(injector.pop_due(at(5)).map(|due| due.tid), Some(1));
        assert_eq!(injector.discard(), 10);
        assert_eq!(injector.pop_due(at(5)), None);
    }

    #[test]
    fn the_longest_delay_there_is_can_be_asked_for() {
        assert!(part(Duration::MAX, 0.999_999_999_999_999_9) > Duration::ZERO);
        assert_eq!(
            part(Duration::from_secs(2), 0.25),
            Duration::from_millis(500)
        );
    }
}
