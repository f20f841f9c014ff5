//! `Tale`: everything that one connection object has gone through.

use std::fmt;

use super::ledger::Tally;
use super::witness::Callbacks;

/// What has become of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Open.
    Established,
    /// At rest, with a session.
    Standby,
    /// Neither open nor at rest.
    Connecting,
    /// Gone.
    Closed,
    /// Gone, because another object took over its socket.
    Replaced,
}

/// An object's state and counters, in the order of crimson's tests:
/// connect(attempts, CLIENT_IDENTs sent, SESSION_RECONNECTs sent, callbacks),
/// accept(attempts, CLIENT_IDENTs read, SESSION_RECONNECTs read, callbacks),
/// reset(local, remote).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tale {
    pub state: State,
    pub connect: [u32; 4],
    pub accept: [u32; 4],
    pub reset: [u32; 2],
}

impl Tale {
    /// As it was seen.
    pub fn new(state: Option<&str>, tally: &Tally, told: &Callbacks) -> Self {
        let state = match state {
            Some("READY") => State::Established,
            Some("STANDBY") => State::Standby,
            Some(_) => State::Connecting,
            None if tally.replaced => State::Replaced,
            None => State::Closed,
        };
        let with = |[attempts, idents, reconnects]: [u32; 3], callbacks| {
            [attempts, idents, reconnects, callbacks]
        };
        Self {
            state,
            connect: with(tally.connect, told.connect),
            accept: with(tally.accept, told.accept),
            reset: [told.reset, told.remote_reset],
        }
    }

    const fn of(state: State) -> Self {
        Self {
            state,
            connect: [0; 4],
            accept: [0; 4],
            reset: [0; 2],
        }
    }

    /// It has accepted as well.
    pub const fn accept(mut self, attempts: u32, idents: u32, reconnects: u32, told: u32) -> Self {
        self.accept = [attempts, idents, reconnects, told];
        self
    }

    /// It has dialled as well.
    pub const fn connect(mut self, attempts: u32, idents: u32, reconnects: u32, told: u32) -> Self {
        self.connect = [attempts, idents, reconnects, told];
        self
    }

    /// Its application was told so.
    pub const fn reset(mut self, local: u32, remote: u32) -> Self {
        self.reset = [local, remote];
        self
    }

    /// That is what has become of it.
    pub const fn now(mut self, state: State) -> Self {
        self.state = state;
        self
    }
}

/// An object that dialled and is open.
pub const fn connected(attempts: u32, idents: u32, reconnects: u32, told: u32) -> Tale {
    Tale::of(State::Established).connect(attempts, idents, reconnects, told)
}

/// An object that was accepted and is open.
pub const fn accepted(attempts: u32, idents: u32, reconnects: u32, told: u32) -> Tale {
    Tale::of(State::Established).accept(attempts, idents, reconnects, told)
}

/// An object that was accepted, and of which the application never knew.
pub const fn gone(idents: u32, reconnects: u32) -> Tale {
    Tale::of(State::Closed).accept(1, idents, reconnects, 0)
}

/// The same, and its socket serves an object that was there before.
pub const fn replaced(idents: u32, reconnects: u32) -> Tale {
    gone(idents, reconnects).now(State::Replaced)
}

impl fmt::Debug for Tale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.state)?;
        for (name, counters) in [
            ("connect", &self.connect[..]),
            ("accept", &self.accept),
            ("reset", &self.reset),
        ] {
            if counters.iter().any(|count| *count > 0) {
                let counters = counters.iter().map(u32::to_string).collect::<Vec<_>>();
                write!(f, " {name}({})", counters.join(","))?;
            }
        }
        Ok(())
    }
}
