//! `Breakpoint`: where something is to happen, and what.

use std::fmt;

use super::wire::{Bit, Forgery, Number, Point};

/// Which end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Dialler,
    Acceptor,
}

/// Before it is written, or before it is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    Write,
    Read,
}

/// What is done there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The connection breaks.
    Fault,
    /// Nothing passes until the test lets it.
    Block,
    /// Nothing passes ever again.
    Stall,
    /// Half of it passes, then the stream ends.
    Truncate,
    Flip(Bit),
    /// That number in it becomes another one.
    Forge(Number, Forgery),
}

/// A step of a link as one of its ends sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spot {
    pub at: Role,
    pub point: Point,
    pub side: Side,
}

/// A spot of one link, and what is done there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breakpoint {
    /// The node that dials the link, and which of its links it is, from 1 on.
    pub dialler: usize,
    pub link: usize,
    pub spot: Spot,
    /// Counted from 1 on in this link.
    pub nth: usize,
    pub action: Action,
}

impl Role {
    pub fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

impl Spot {
    /// The step as seen by the end that takes it.
    pub const fn write(at: Role, point: Point) -> Self {
        let side = Side::Write;
        Self { at, point, side }
    }

    /// The step as seen by the other end, `at`.
    pub const fn read(at: Role, point: Point) -> Self {
        let side = Side::Read;
        Self { at, point, side }
    }

    /// Who takes the step.
    pub fn writer(self) -> Role {
        match self.side {
            Side::Write => self.at,
            Side::Read => self.at.other(),
        }
    }

    /// Where it happens for the first time on that link.
    pub fn on(self, dialler: usize, link: usize, action: Action) -> Breakpoint {
        Breakpoint {
            dialler,
            link,
            spot: self,
            nth: 1,
            action,
        }
    }
}

impl Breakpoint {
    /// Not the first time but that.
    pub fn at_time(self, nth: usize) -> Self {
        Self { nth, ..self }
    }
}

impl fmt::Display for Breakpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot { at, point, side } = self.spot;
        let node = ["first", "second"][self.dialler];
        match self.action {
            Action::Forge(number, forgery) => write!(f, "{number:?} {forgery:?} in")?,
            other => write!(f, "{other:?} at")?,
        }
        let (link, nth) = (self.link, self.nth);
        write!(
            f,
            " {point:?} {nth}, {at:?} {side:?}, link {link} of the {node} node"
        )
    }
}
