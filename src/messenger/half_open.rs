//! Accepted connections without a session, and how many of them there may be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::types::Time;

/// So long a newcomer may take beyond what its source is given, if there is room:
/// behind one address there may be many who mean it, and all come at once after a
/// restart. Longer than a handshake takes where workers are busy with a storm of
/// them, and shorter than one who holds sockets for the sake of it would like.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// What newcomers may take of a messenger; 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HalfOpenLimits {
    /// All together.
    pub(crate) total: usize,
    /// From one source, as soon as there is no room or its oldest is no newcomer
    /// any more. Without a limit of all it holds at once.
    pub(crate) per_source: usize,
}

/// The half-open connections of one messenger, whichever worker has them, from
/// `accept` until they have a session. `P` is where one of them is found.
///
/// Beyond a limit the oldest has to go. A peer that means it is through with its
/// handshake in milliseconds; who floods loses what it opened first. Where all
/// together are too many, a source with more than it is given pays for it.
pub(crate) struct HalfOpen<P> {
    limits: HalfOpenLimits,
    table: Mutex<Table<P>>,
}

struct Table<P> {
    /// Of those ever accepted.
    next: u64,
    /// By age, the oldest first.
    entrants: BTreeMap<u64, Entry<P>>,
    by_source: BTreeMap<Source, BTreeSet<u64>>,
    /// Sources that have got more than they are given, while there was room.
    indebted: BTreeSet<Source>,
}

struct Entry<P> {
    source: Source,
    since: Time,
    /// Unknown while it is on its way to its worker.
    place: Option<P>,
}

/// Who is counted as one: an IPv4 address, or the IPv6 network that a single
/// host is usually given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
}

/// One of them. Dropping it, wherever, ends its being half open.
pub(crate) struct Entrant<P> {
    among: Arc<HalfOpen<P>>,
    number: u64,
}

/// Who had to go for a newcomer.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Evicted<P> {
    /// Where it is, unless it is on its way there.
    pub(crate) place: Option<P>,
    pub(crate) limit: Limit,
}

/// Which limit a newcomer has met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    Total,
    PerSource,
}

impl<P> HalfOpen<P> {
    pub(crate) fn new(limits: HalfOpenLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            table: Mutex::new(Table {
                next: 0,
                entrants: BTreeMap::new(),
                by_source: BTreeMap::new(),
                indebted: BTreeSet::new(),
            }),
        })
    }

    /// Counts a newcomer, and says who has to go for it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        from: IpAddr,
        now: Time,
    ) -> (Entrant<P>, Option<Evicted<P>>) {
        let source = Source::of(from);
        let mut table = self.lock();
        let evicted = table.make_room(source, self.limits, now);
        let number = table.next;
        table.next += 1;
        let entry = Entry {
            source,
            since: now,
            place: None,
        };
        table.entrants.insert(number, entry);
        let of_source = table.by_source.entry(source).or_default();
        of_source.insert(number);
        if exceeds(of_source.len(), self.limits.per_source) {
            table.indebted.insert(source);
        }
        let entrant = Entrant {
            among: Arc::clone(self),
            number,
        };
        (entrant, evicted)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().entrants.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table<P>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> Table<P> {
    fn make_room(
        &mut self,
        source: Source,
        limits: HalfOpenLimits,
        now: Time,
    ) -> Option<Evicted<P>> {
        let is_full = exceeds(self.entrants.len() + 1, limits.total);
        let (number, limit) = match self.oldest_of(source, limits.per_source) {
            Some(oldest) if is_full || limits.total == 0 || self.is_old(oldest, now) => {
                (oldest, Limit::PerSource)
            }
            None if is_full => match self.indebted.first() {
                // It has taken what belongs to others.
                Some(indebted) => (*self.by_source.get(indebted)?.first()?, Limit::PerSource),
                None => (*self.entrants.first_key_value()?.0, Limit::Total),
            },
            _ => return None,
        };
        let place = self.leave(number, limits.per_source)?.place;
        Some(Evicted { place, limit })
    }

    /// The oldest of a source to which one more is one too many.
    fn oldest_of(&self, source: Source, limit: usize) -> Option<u64> {
        let numbers = self.by_source.get(&source)?;
        exceeds(numbers.len() + 1, limit)
            .then(|| numbers.first().copied())
            .flatten()
    }

    fn is_old(&self, number: u64, now: Time) -> bool {
        let entry = self.entrants.get(&number);
        entry.is_some_and(|entry| now.since(entry.since) >= GRACE)
    }

    fn leave(&mut self, number: u64, per_source: usize) -> Option<Entry<P>> {
        let entry = self.entrants.remove(&number)?;
        if let Some(numbers) = self.by_source.get_mut(&entry.source) {
            numbers.remove(&number);
            if !exceeds(numbers.len(), per_source) {
                self.indebted.remove(&entry.source);
            }
            if numbers.is_empty() {
                self.by_source.remove(&entry.source);
            }
        }
        Some(entry)
    }
}

impl<P> Entrant<P> {
    /// It is found there from now on. False: it had to go meanwhile.
    #[must_use]
    pub(crate) fn settle(&self, place: P) -> bool {
        let mut table = self.among.lock();
        match table.entrants.get_mut(&self.number) {
            Some(entry) => {
                entry.place = Some(place);
                true
            }
            None => false,
        }
    }
}

impl<P> Drop for Entrant<P> {
    fn drop(&mut self) {
        // What it held is dropped unlocked.
        let per_source = self.among.limits.per_source;
        let left = self.among.lock().leave(self.number, per_source);
        drop(left);
    }
}

impl Source {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

fn exceeds(count: usize, limit: usize) -> bool {
    limit != 0 && count > limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(total: usize, per_source: usize) -> Arc<HalfOpen<u32>> {
        HalfOpen::new(HalfOpenLimits { total, per_source })
    }

    fn enter(among: &Arc<HalfOpen<u32>>, from: &str, place: u32) -> Entrant<u32> {
        let (entrant, evicted) = among.enter(from.parse().unwrap(), Time::ZERO);
        assert_eq!(evicted, None);
        assert!(entrant.settle(place));
        entrant
    }

    /// Who has to go for one that comes then, and goes again.
    fn evicted_at(now: Time, among: &Arc<HalfOpen<u32>>, from: &str) -> Option<Evicted<u32>> {
        among.enter(from.parse().unwrap(), now).1
    }

    fn evicted(among: &Arc<HalfOpen<u32>>, from: &str) -> Option<Evicted<u32>> {
        evicted_at(Time::ZERO, among, from)
    }

    fn gone(place: u32, limit: Limit) -> Option<Evicted<u32>> {
        let place = Some(place);
        Some(Evicted { place, limit })
    }

    #[test]
    fn beyond_the_limit_of_all_the_oldest_goes() {
        let among = limited(3, 0);
        let _held: Vec<_> = (1..=3).map(|n| enter(&among, "10.0.0.1", n)).collect();
        assert_eq!(evicted(&among, "10.0.0.2"), gone(1, Limit::Total));
        assert_eq!(among.len(), 2, "the newcomer was dropped at once");
    }

    #[test]
    fn beyond_the_limit_of_a_source_the_oldest_of_that_source_goes() {
        let among = limited(0, 2);
        let _other = enter(&among, "10.0.0.2", 7);
        let _held: Vec<_> = (1..=2).map(|n| enter(&among, "10.0.0.1", n)).collect();
        assert_eq!(evicted(&among, "10.0.0.1"), gone(1, Limit::PerSource));
        assert_eq!(evicted(&among, "10.0.0.2"), None);
    }

    #[test]
    fn many_that_come_at_once_from_one_source_may_all_stay_while_they_are_new() {
        let among = limited(100, 4);
        let _held: Vec<_> = (0..100).map(|n| enter(&among, "10.0.0.1", n)).collect();
        assert_eq!(among.len(), 100);
        // All the room is taken now, by them.
        assert_eq!(evicted(&among, "10.0.0.1"), gone(0, Limit::PerSource));
    }

    #[test]
    fn beyond_its_limit_a_source_keeps_none_that_is_no_newcomer_any_more() {
        let among = limited(100, 4);
        let _held: Vec<_> = (0..5).map(|n| enter(&among, "10.0.0.1", n)).collect();
        let [soon, late] = [GRACE / 2, GRACE].map(|after| Time::ZERO + after);
        assert_eq!(evicted_at(soon, &among, "10.0.0.1"), None);
        let first = gone(0, Limit::PerSource);
        assert_eq!(evicted_at(late, &among, "10.0.0.1"), first);
        assert_eq!(evicted_at(late, &among, "10.0.0.2"), None);
    }

    #[test]
    fn a_source_that_fills_all_the_room_pays_for_newcomers_of_others() {
        let among = limited(8, 4);
        let _quiet = enter(&among, "10.0.0.2", 77);
        let _flood: Vec<_> = (0..7).map(|n| enter(&among, "10.0.0.1", n)).collect();
        let mut others = Vec::new();
        for n in 0..3 {
            let (other, evicted) = among.enter("10.0.0.3".parse().unwrap(), Time::ZERO);
            assert_eq!(evicted, gone(n, Limit::PerSource));
            others.push(other);
        }
        // Now it has no more than its due.
        assert_eq!(evicted(&among, "10.0.0.4"), gone(77, Limit::Total));
        drop(others);
        assert!(among.lock().indebted.is_empty());
    }

    #[test]
    fn hosts_of_one_ipv6_network_are_one_source_and_mapped_ones_their_ipv4_address() {
        let among = limited(0, 1);
        let _held = enter(&among, "2001:db8:0:1::1", 1);
        assert!(evicted(&among, "2001:db8:0:2::1").is_none());
        assert!(evicted(&among, "2001:db8:0:1:ffff::9").is_some());
        let _held = enter(&among, "10.0.0.1", 2);
        assert!(evicted(&among, "::ffff:10.0.0.1").is_some());
    }

    #[test]
    fn one_that_has_ended_or_has_its_session_makes_room() {
        let among = limited(1, 1);
        for n in 0..3 {
            drop(enter(&among, "10.0.0.1", n));
        }
        assert_eq!(among.len(), 0);
        assert!(among.lock().by_source.is_empty());
    }

    #[test]
    fn one_that_had_to_go_on_its_way_finds_out_where_it_arrives() {
        let among = limited(1, 0);
        let (on_its_way, _) = among.enter("10.0.0.1".parse().unwrap(), Time::ZERO);
        let next = among.enter("10.0.0.2".parse().unwrap(), Time::ZERO);
        assert_eq!(next.1.map(|evicted| evicted.place), Some(None));
        assert!(!on_its_way.settle(1));
        // Its end makes no room a second time.
        drop(on_its_way);
        assert_eq!(among.len(), 1);
    }

    #[test]
    fn without_limits_nobody_has_to_go() {
        let among = limited(0, 0);
        let held: Vec<_> = (0..10_000).map(|n| enter(&among, "::1", n)).collect();
        assert_eq!(among.len(), held.len());
    }
}
