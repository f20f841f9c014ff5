//! `Ledger`: what connection objects have done, as far as one can see from outside.

use std::collections::BTreeMap;

use super::breakpoint::Role;
use super::wire::{self, Number, Point};
use crate::event::sim::StreamId;

/// A process and a connection object in it.
pub type Object = (usize, u64);

/// What one object has done.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Attempts, CLIENT_IDENTs and SESSION_RECONNECTs of the links that it dialled.
    pub connect: [u32; 3],
    /// Of those that were dialled by the peer.
    pub accept: [u32; 3],
    /// Another object has taken over its socket.
    pub replaced: bool,
}

#[derive(Default)]
pub struct Ledger {
    tallies: BTreeMap<Object, Tally>,
    /// The connect_seq and global_seq that an object has last sent in its session.
    counts: BTreeMap<Object, [u64; 2]>,
    /// Why the last request on the link of that dialler was declined.
    answers: BTreeMap<StreamId, (Point, u64)>,
    wrong: Vec<String>,
}

impl Ledger {
    pub fn tallies(&self) -> &BTreeMap<Object, Tally> {
        &self.tallies
    }

    /// What cannot be right whatever was done.
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// The object has got a socket.
    pub fn attempts(&mut self, object: Object, role: Role) {
        self.tally(object, role)[0] += 1;
    }

    /// A socket goes from one object to another of the same process.
    pub fn moves(&mut self, from: Object, to: Object) {
        if self.tallies.contains_key(&to) {
            // Who was there before has taken it over.
            self.tallies.entry(from).or_default().replaced = true;
        } else {
            // It went to another worker and is called otherwise there.
            let tally = self.tallies.remove(&from).unwrap_or_default();
            self.tallies.insert(to, tally);
        }
    }

    /// The dialler of a link has sent that frame, or its acceptor has read it.
    pub fn asks(&mut self, object: Object, role: Role, point: Point) {
        match point {
            Point::CLIENT_IDENT => self.tally(object, role)[1] += 1,
            Point::SESSION_RECONNECT => self.tally(object, role)[2] += 1,
            _ => {}
        }
    }

    /// The attempts to resume a session are told apart by their counts: neither
    /// falls, and one of them rises. The first one has the number 1, or more.
    pub fn check_counts(&mut self, object: Object, point: Point, frame: &[u8]) {
        match point {
            Point::CLIENT_IDENT => drop(self.counts.remove(&object)),
            Point::SESSION_RECONNECT => {
                let count = |number| wire::number(frame, number);
                let counts = [count(Number::ConnectSeq), count(Number::GlobalSeq)];
                let before = self.counts.insert(object, counts).unwrap_or_default();
                let falls = counts.iter().zip(before).any(|(new, old)| *new < old);
                if counts[0] == 0 || counts == before || falls {
                    let what = format!("asks with counts {counts:?} after {before:?}");
                    self.wrong.push(what);
                }
            }
            _ => {}
        }
    }

    /// A request on that dialler's link is declined.
    pub fn answers(&mut self, dialler: StreamId, point: Point, frame: &[u8]) {
        let value = wire::number(frame, Number::Answer);
        self.answers.insert(dialler, (point, value));
    }

    /// Whoever was declined asks again with the next connect_seq, or with a
    /// global_seq above the one it was told.
    pub fn check_answer(&mut self, dialler: StreamId, frame: &[u8]) {
        let count = |number| wire::number(frame, number);
        let fine = match self.answers.remove(&dialler) {
            Some((Point::SESSION_RETRY, newest)) => count(Number::ConnectSeq) == newest + 1,
            Some((_, newest)) => count(Number::GlobalSeq) > newest,
            None => true,
        };
        if !fine {
            self.wrong.push("asks again as if not declined".to_owned());
        }
    }

    /// What a forged request leads to is nobody's doing.
    pub fn forget_counts(&mut self) {
        self.counts.clear();
    }

    fn tally(&mut self, object: Object, role: Role) -> &mut [u32; 3] {
        let tally = self.tallies.entry(object).or_default();
        match role {
            Role::Dialler => &mut tally.connect,
            Role::Acceptor => &mut tally.accept,
        }
    }
}
