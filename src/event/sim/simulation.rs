//! `Simulation`: the clock, the network and the workers that take turns.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::network::{Network, Weather};
use super::poller::Poller;
use super::rng::Rng;
use crate::types::{Time, WallTime};

/// A whole world. Everything in it happens on the thread that drives it; the
/// locks only satisfy the types that are shared between threads in earnest.
pub struct Simulation {
    network: Mutex<Network>,
    seats: Mutex<Vec<Seat>>,
}

/// A worker's place.
struct Seat {
    process: usize,
    /// `None` while it takes its turn, and once it has ended.
    turner: Option<Box<dyn Turn>>,
    taking_turn: bool,
    /// Not scheduled before: its thread does not get the processor.
    paused_until: Time,
}

/// An event loop that takes one turn at a time.
pub(in crate::event) trait Turn: Send {
    /// One turn; false: it was the last.
    fn take_turn(&mut self) -> bool;
    /// Is there something to do that needs neither socket nor time?
    fn has_work(&self) -> bool;
    fn next_timer(&mut self) -> Option<Time>;
}

/// A process on a host: what workers and their sockets belong to.
#[derive(Clone)]
pub struct Process {
    simulation: Arc<Simulation>,
    id: usize,
}

impl Simulation {
    /// An empty world.
    pub fn new(seed: u64, weather: Weather) -> Arc<Self> {
        Arc::new(Self {
            network: Mutex::new(Network::new(Rng::new(seed), weather)),
            seats: Mutex::default(),
        })
    }

    /// Starts a process on the host with that address.
    pub fn spawn(self: &Arc<Self>, ip: IpAddr) -> Process {
        let id = self.network().spawn(ip);
        let simulation = Arc::clone(self);
        Process { simulation, id }
    }

    /// The network, to look at or to harm.
    pub fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time in this world.
    pub fn now(&self) -> Time {
        self.network().now()
    }

    /// The calendar in this world.
    pub fn wall(&self) -> WallTime {
        (EPOCH + self.now().since(Time::ZERO)).into()
    }

    /// The workers that have something to do now, by their seats.
    pub fn runnable(&self, seats: &mut Vec<usize>) {
        seats.clear();
        let mut network = self.network();
        for (number, seat) in self.seats().iter_mut().enumerate() {
            let Some(turner) = &mut seat.turner else {
                continue;
            };
            let now = network.now();
            if now >= seat.paused_until
                && (turner.has_work()
                    || network.has_ready(number)
                    || turner.next_timer().is_some_and(|due| due <= now))
            {
                seats.push(number);
            }
        }
    }

    /// Lets the worker in that seat take a turn; false if it has ended.
    pub fn turn(&self, number: usize) -> bool {
        let mut seats = self.seats();
        let seat = &mut seats[number];
        assert!(!seat.taking_turn, "two workers wait for each other");
        let Some(mut turner) = seat.turner.take() else {
            return false;
        };
        seat.taking_turn = true;
        drop(seats);
        let now = self.now();
        self.network().trace().note(now, "turn", &[number as u64]);
        let goes_on = turner.take_turn();
        let mut seats = self.seats();
        seats[number].taking_turn = false;
        if goes_on {
            seats[number].turner = Some(turner);
        }
        drop(seats);
        goes_on
    }

    /// When something happens next by itself.
    pub fn next_event(&self) -> Option<Time> {
        let mut next = self.network().next_event();
        for seat in self.seats().iter_mut() {
            let Some(turner) = &mut seat.turner else {
                continue;
            };
            let timer = turner.next_timer().map(|due| due.max(seat.paused_until));
            let awake = (seat.paused_until > Time::ZERO).then_some(seat.paused_until);
            next = next.into_iter().chain(timer).chain(awake).min();
        }
        next
    }

    /// Moves the clock on and lets the network do what is due until then.
    pub fn advance(&self, to: Time) {
        self.network().advance(to);
        for seat in self.seats().iter_mut() {
            if seat.paused_until <= to {
                seat.paused_until = Time::ZERO;
            }
        }
    }

    /// Gives every worker the processor again.
    pub fn resume(&self) {
        for seat in self.seats().iter_mut() {
            seat.paused_until = Time::ZERO;
        }
    }

    /// Keeps a worker from its turns for a while.
    pub fn pause(&self, number: usize, until: Time) {
        self.seats()[number].paused_until = until;
    }

    /// The workers of that process that have not ended.
    pub fn workers_of(&self, process: &Process) -> Vec<usize> {
        let seats = self.seats();
        let of = |(number, seat): (usize, &Seat)| {
            (seat.process == process.id && seat.turner.is_some()).then_some(number)
        };
        seats.iter().enumerate().filter_map(of).collect()
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Its number, for [`Network::kill`].
    pub fn id(&self) -> usize {
        self.id
    }

    /// A place for a worker.
    pub(in crate::event) fn seat(&self) -> Poller {
        let mut seats = self.simulation.seats();
        let number = seats.len();
        seats.push(Seat {
            process: self.id,
            turner: None,
            taking_turn: false,
            paused_until: Time::ZERO,
        });
        self.simulation.network().add_poller();
        Poller::new(&self.simulation, self.id, number)
    }

    /// Puts a worker in its place.
    pub(in crate::event) fn sit(&self, seat: usize, turner: Box<dyn Turn>) {
        self.simulation.seats()[seat].turner = Some(turner);
    }
}

/// The calendar time at which worlds begin.
const EPOCH: Duration = Duration::from_secs(1_700_000_000);
