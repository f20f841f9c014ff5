//! Accepted connections without a session, and how many of them there may be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What newcomers may take of a messenger; 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HalfOpenLimits {
    /// All together.
    pub(crate) total: usize,
    /// From one source.
    pub(crate) per_source: usize,
}

/// The half-open connections of one messenger, whichever worker has them, from
/// `accept` until they have a session. `P` is where one of them is found.
///
/// Beyond a limit the oldest has to go. A peer that means it is through with its
/// handshake in milliseconds; who floods loses what it opened first.
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
}

struct Entry<P> {
    source: Source,
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
            }),
        })
    }

    /// Counts a newcomer, and says who has to go for it.
    pub(crate) fn enter(self: &Arc<Self>, from: IpAddr) -> (Entrant<P>, Option<Evicted<P>>) {
        let source = Source::of(from);
        let mut table = self.lock();
        let evicted = table.make_room(source, self.limits);
        let number = table.next;
        table.next += 1;
        let entry = Entry {
            source,
            place: None,
        };
        table.entrants.insert(number, entry);
        table.by_source.entry(source).or_default().insert(number);
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
    fn make_room(&mut self, source: Source, limits: HalfOpenLimits) -> Option<Evicted<P>> {
        let of_source = self.by_source.get(&source);
        let (oldest, limit) = match of_source {
            Some(numbers) if is_full(numbers.len(), limits.per_source) => {
                (numbers.first().copied()?, Limit::PerSource)
            }
            _ if is_full(self.entrants.len(), limits.total) => {
                (*self.entrants.first_key_value()?.0, Limit::Total)
            }
            _ => return None,
        };
        let place = self.leave(oldest)?.place;
        Some(Evicted { place, limit })
    }

    fn leave(&mut self, number: u64) -> Option<Entry<P>> {
        let entry = self.entrants.remove(&number)?;
        if let Some(numbers) = self.by_source.get_mut(&entry.source) {
            numbers.remove(&number);
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
        let left = self.among.lock().leave(self.number);
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

fn is_full(count: usize, limit: usize) -> bool {
    limit != 0 && count >= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(total: usize, per_source: usize) -> Arc<HalfOpen<u32>> {
        HalfOpen::new(HalfOpenLimits { total, per_source })
    }

    fn enter(among: &Arc<HalfOpen<u32>>, from: &str, place: u32) -> Entrant<u32> {
        let (entrant, evicted) = among.enter(from.parse().unwrap());
        assert_eq!(evicted, None);
        assert!(entrant.settle(place));
        entrant
    }

    fn evicted(among: &Arc<HalfOpen<u32>>, from: &str) -> Option<Evicted<u32>> {
        among.enter(from.parse().unwrap()).1
    }

    #[test]
    fn beyond_the_limit_of_all_the_oldest_goes() {
        let among = limited(3, 0);
        let _held: Vec<_> = (1..=3).map(|n| enter(&among, "10.0.0.1", n)).collect();
        let expected = Evicted {
            place: Some(1),
            limit: Limit::Total,
        };
        assert_eq!(evicted(&among, "10.0.0.2"), Some(expected));
        assert_eq!(among.len(), 2, "the newcomer was dropped at once");
    }

    #[test]
    fn beyond_the_limit_of_a_source_the_oldest_of_that_source_goes() {
        let among = limited(0, 2);
        let _other = enter(&among, "10.0.0.2", 7);
        let _held: Vec<_> = (1..=2).map(|n| enter(&among, "10.0.0.1", n)).collect();
        let expected = Evicted {
            place: Some(1),
            limit: Limit::PerSource,
        };
        assert_eq!(evicted(&among, "10.0.0.1"), Some(expected));
        assert_eq!(evicted(&among, "10.0.0.2"), None);
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
        let (on_its_way, _) = among.enter("10.0.0.1".parse().unwrap());
        let next = among.enter("10.0.0.2".parse().unwrap());
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
