//! `Interceptor`: looks at every byte of every link, counts who did what, and does
//! what it is told at the n-th frame of a kind.

use std::collections::{BTreeMap, VecDeque};

use super::breakpoint::{Action, Breakpoint, Role, Side, Spot};
use super::ledger::{Ledger, Object};
use super::sealed::{self, Onlooker, Sight};
use super::wire::{self, Bit, Point, Stage, Wire};
use crate::event::sim::{Passage, StreamId, Tap};
use crate::proto::secrets_used;

pub struct Interceptor {
    wire: Wire,
    breakpoints: Vec<Breakpoint>,
    /// The node that a process is a life of.
    nodes: BTreeMap<usize, usize>,
    ends: BTreeMap<StreamId, End>,
    /// Links that a node has dialled.
    dialled: BTreeMap<usize, usize>,
    blocked: Vec<StreamId>,
    pub ledger: Ledger,
}

/// One end of a link.
struct End {
    process: usize,
    role: Role,
    dialler: usize,
    link: usize,
    peer: Option<StreamId>,
    key: Option<u64>,
    counts: BTreeMap<(Point, Side), usize>,
    stage: Stage,
    /// What it writes is sealed.
    is_sealed: bool,
    /// Who looks into that, from its first frame on.
    onlooker: Option<Onlooker>,
    /// Sent by this end and not read whole.
    sent: VecDeque<Piece>,
    /// The next to be written or read was held back before, and counted.
    admitted: [bool; 2],
    /// What comes next is the end.
    ends: [bool; 2],
    /// The other end was told a wrong revision of it.
    misled: bool,
}

/// What stands at the front of what an end writes.
struct Front {
    point: Point,
    len: usize,
    /// The stage behind it.
    next: Stage,
    /// What is in it, if it is sealed.
    sight: Option<Sight>,
}

struct Piece {
    point: Point,
    len: usize,
    read: usize,
    /// It is not what was written, so that nobody will look at what follows.
    spoilt: bool,
}

const WRITE: usize = Side::Write as usize;
const READ: usize = Side::Read as usize;

impl Interceptor {
    pub fn new(wire: Wire, breakpoints: Vec<Breakpoint>) -> Self {
        Self {
            wire,
            breakpoints,
            nodes: BTreeMap::new(),
            ends: BTreeMap::new(),
            dialled: BTreeMap::new(),
            blocked: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    /// That process is a life of that node.
    pub fn born(&mut self, process: usize, node: usize) {
        self.nodes.insert(process, node);
    }

    /// Ends at which something is held back of links that this node dialled; they
    /// are no longer known as such.
    pub fn take_blocked(&mut self, dialler: usize) -> Vec<StreamId> {
        let of_it = |end: &StreamId| self.ends[end].dialler == dialler;
        let (taken, left) = self.blocked.iter().partition(|end| of_it(end));
        self.blocked = left;
        taken
    }

    /// What happened to nobody.
    pub fn not_reached(&self) -> &[Breakpoint] {
        &self.breakpoints
    }

    fn end(&mut self, id: StreamId) -> &mut End {
        self.ends.get_mut(&id).expect("a socket of a link")
    }

    /// What is to be done at this point, which is reached for the first time.
    fn reach(&mut self, id: StreamId, point: Point, side: Side) -> Option<Action> {
        let end = self.end(id);
        let count = end.counts.entry((point, side)).or_default();
        *count += 1;
        let spot = Spot {
            at: end.role,
            point,
            side,
        };
        let (dialler, link, nth) = (end.dialler, end.link, *count);
        self.take_breakpoint(|at| {
            (at.dialler, at.link, at.nth, at.spot) == (dialler, link, nth, spot)
        })
    }

    /// A bit that the reader is to find flipped has to be flipped by the writer.
    fn flips_for_reader(&mut self, id: StreamId, point: Point) -> Option<Action> {
        let end = self.end(id);
        let nth = end.counts.get(&(point, Side::Write)).copied()?;
        let spot = Spot::read(end.role.other(), point);
        let (dialler, link) = (end.dialler, end.link);
        self.take_breakpoint(|at| {
            (at.dialler, at.link, at.nth, at.spot) == (dialler, link, nth, spot)
                && matches!(at.action, Action::Flip(_))
        })
    }

    fn take_breakpoint(&mut self, is_it: impl Fn(&Breakpoint) -> bool) -> Option<Action> {
        let found = self.breakpoints.iter().position(is_it)?;
        Some(self.breakpoints.swap_remove(found).action)
    }

    /// Can anything be done where that is written or read?
    fn is_watched(&self, point: Point) -> bool {
        let points = self.breakpoints.iter().map(|at| at.spot.point);
        points.into_iter().any(|watched| watched == point)
    }

    /// The wire form in which that end writes.
    fn wire_of(&self, id: StreamId) -> Wire {
        let peer = self.ends[&id].peer.and_then(|peer| self.ends.get(&peer));
        match (self.wire, peer.is_some_and(|peer| peer.misled)) {
            // Nothing misleads an end that has but one revision.
            (right, false) | (right @ Wire::Secure20, true) => right,
            (Wire::Msgr1, true) => Wire::Msgr1,
            (Wire::Msgr20, true) => Wire::Msgr21,
            (Wire::Msgr21 | Wire::Msgr21Compressing | Wire::Secure21, true) => Wire::Msgr20,
        }
    }

    /// An end in that role has come past a frame.
    fn passed(&mut self, id: StreamId, role: Role, point: Point) {
        let end = self.end(id);
        if let Some(object) = end.object().filter(|_| end.role == role) {
            self.ledger.asks(object, role, point);
        }
    }

    /// Holds something back; what waits shall not be counted again.
    fn hold(&mut self, id: StreamId, side: Side, action: Action) -> Passage {
        self.end(id).admitted[side as usize] = true;
        if action == Action::Block {
            self.blocked.push(id);
        }
        Passage::Hold
    }

    fn new_socket(&mut self, id: StreamId, end: End) -> Passage {
        let point = match end.role {
            Role::Dialler => Point::SOCKET_CONNECTING,
            Role::Acceptor => Point::SOCKET_ACCEPTED,
        };
        self.ends.insert(id, end);
        match self.reach(id, point, Side::Write) {
            None => Passage::Pass(0),
            Some(Action::Fault) => Passage::Break,
            Some(Action::Stall) => Passage::Hold,
            Some(Action::Block) => {
                self.blocked.push(id);
                Passage::Hold
            }
            Some(other) => panic!("{other:?} of a socket"),
        }
    }

    /// What stands at the front of what that end writes.
    fn front(&mut self, id: StreamId, bytes: &[u8]) -> Front {
        if self.end(id).is_sealed {
            let sight = self.look(id, bytes);
            return Front {
                point: wire::tag(sight.frame[0]),
                len: sight.len,
                next: Stage::Frames,
                sight: Some(sight),
            };
        }
        let wire = self.wire_of(id);
        let end = self.end(id);
        let (point, len, next) = wire::cut(bytes, end.stage, wire, end.role);
        Front {
            point,
            len,
            next,
            sight: None,
        }
    }

    fn look(&mut self, id: StreamId, bytes: &[u8]) -> Sight {
        let wire = self.wire;
        let end = self.end(id);
        if let Some(onlooker) = &end.onlooker {
            return onlooker.look(bytes).expect("it opens as the last one did");
        }
        let secrets = secrets_used();
        let mut onlookers = secrets
            .iter()
            .rev()
            .map(|secret| Onlooker::new(secret, end.role, wire));
        let found = onlookers.find_map(|onlooker| Some((onlooker.look(bytes)?, onlooker)));
        let (sight, onlooker) = found.expect("sealed with a secret of some link");
        end.onlooker = Some(onlooker);
        sight
    }

    fn onlooker(&mut self, id: StreamId) -> &mut Onlooker {
        let onlooker = &mut self.end(id).onlooker;
        onlooker.as_mut().expect("it has looked at this")
    }

    /// That has been written, and is not at the front any more.
    fn goes_on(&mut self, id: StreamId, front: &Front) {
        let is_secure = self.wire.is_secure();
        let end = self.end(id);
        let (stage, peer) = (end.stage, end.peer);
        end.stage = front.next;
        if let (Stage::Answer, Stage::Told | Stage::Records, Some(dialler)) =
            (stage, front.next, peer)
        {
            // What a dialler says next depends on the answer.
            self.end(dialler).stage = front.next;
        }
        if let Some(sight) = &front.sight {
            self.onlooker(id).go_on(sight);
        }
        if front.point == Point::AUTH_DONE && is_secure {
            for end in [Some(id), peer].into_iter().flatten() {
                self.end(end).is_sealed = true;
            }
        }
    }

    /// What is done to the frame, or part of a banner, that an end wants to write,
    /// and which stands alone at the front of `bytes` if anything is.
    fn interfere(&mut self, id: StreamId, front: &mut Front, frame: &mut [u8]) -> Option<Action> {
        let point = front.point;
        if point == Point::BANNER_PAYLOAD && !self.wire.is_secure() {
            wire::set_features(frame, self.wire);
        }
        if self.end(id).admitted[WRITE] {
            return None;
        }
        let seen = front.sight.as_ref().map_or(&*frame, |sight| &sight.frame);
        let counts = self.wire != Wire::Msgr1;
        if let Some(object) = self.end(id).object().filter(|_| counts) {
            self.ledger.check_counts(object, point, seen);
        }
        match (point, self.end(id).peer) {
            _ if !counts => {}
            (Point::SESSION_RETRY | Point::SESSION_RETRY_GLOBAL, Some(dialler)) => {
                self.ledger.answers(dialler, point, seen);
            }
            (Point::SESSION_RECONNECT, _) => self.ledger.check_answer(id, seen),
            _ => {}
        }
        self.passed(id, Role::Dialler, point);
        let action = self.reach(id, point, Side::Write);
        let action = action.or_else(|| self.flips_for_reader(id, point));
        match (action, &mut front.sight) {
            (Some(Action::Flip(bit)), None) => wire::flip(frame, point, bit, self.wire),
            (Some(Action::Flip(bit)), Some(_)) => sealed::flip(frame, bit),
            (Some(Action::Forge(number, forgery)), sight) => {
                self.ledger.forget_counts();
                match sight {
                    None => wire::forge(frame, number, forgery, self.wire),
                    Some(sight) => {
                        wire::set(&mut sight.frame, number, forgery);
                        frame.copy_from_slice(&self.onlooker(id).seal(&sight.frame));
                    }
                }
            }
            _ => {}
        }
        action
    }
}

impl End {
    fn new(process: usize, role: Role, dialler: usize, link: usize) -> Self {
        Self {
            process,
            role,
            dialler,
            link,
            peer: None,
            key: None,
            counts: BTreeMap::new(),
            stage: Stage::default(),
            is_sealed: false,
            onlooker: None,
            sent: VecDeque::new(),
            admitted: [false; 2],
            ends: [false; 2],
            misled: false,
        }
    }

    /// The object that has the socket now.
    fn object(&self) -> Option<Object> {
        self.key.map(|key| (self.process, key))
    }
}

impl Tap for Interceptor {
    fn dial(&mut self, id: StreamId, process: usize) -> Passage {
        let node = self.nodes[&process];
        let link = self.dialled.entry(node).or_default();
        *link += 1;
        let end = End::new(process, Role::Dialler, node, *link);
        self.new_socket(id, end)
    }

    fn accept(&mut self, id: StreamId, from: StreamId, process: usize) -> Passage {
        let dialler = self.end(from);
        dialler.peer = Some(id);
        let mut end = End::new(process, Role::Acceptor, dialler.dialler, dialler.link);
        end.peer = Some(from);
        self.new_socket(id, end)
    }

    fn watch(&mut self, id: StreamId, key: u64) {
        // A listening socket is none of a link.
        let Some(end) = self.ends.get_mut(&id) else {
            return;
        };
        let (role, before) = (end.role, end.object());
        end.key = Some(key);
        let object = (end.process, key);
        match before {
            None => self.ledger.attempts(object, role),
            Some(before) if before == object => {}
            Some(before) => self.ledger.moves(before, object),
        }
    }

    fn write(&mut self, id: StreamId, bytes: &mut Vec<u8>) -> Passage {
        let mut at = 0;
        while at < bytes.len() {
            if self.end(id).ends[WRITE] {
                return Passage::End;
            }
            let mut front = self.front(id, &bytes[at..]);
            let (point, len) = (front.point, front.len);
            if at > 0 && self.is_watched(point) {
                // By itself, so that it can be dealt with.
                bytes.truncate(at);
                break;
            }
            let action = self.interfere(id, &mut front, &mut bytes[at..at + len]);
            match action {
                Some(Action::Fault) => return Passage::Break,
                Some(held @ (Action::Block | Action::Stall)) => {
                    return self.hold(id, Side::Write, held);
                }
                _ => {}
            }
            self.goes_on(id, &front);
            let end = self.end(id);
            end.admitted[WRITE] = false;
            end.misled |= action == Some(Action::Flip(Bit::Revision));
            end.sent.push_back(Piece {
                point,
                len,
                read: 0,
                spoilt: matches!(action, Some(Action::Flip(_))),
            });
            if action == Some(Action::Truncate) {
                end.ends[WRITE] = true;
                bytes.truncate(len / 2);
                return Passage::Pass(bytes.len());
            }
            at += len;
        }
        Passage::Pass(at)
    }

    fn read(&mut self, id: StreamId, there: usize) -> Passage {
        let reader = self.end(id);
        let from = match (reader.ends[READ], reader.peer) {
            (true, _) => return Passage::End,
            (_, None) => return Passage::Pass(there),
            (_, Some(from)) => from,
        };
        let mut at = 0;
        while at < there {
            let piece = self.ends[&from].sent.front().expect("it was sent");
            let (point, len, read) = (piece.point, piece.len, piece.read);
            let admitted = self.end(id).admitted[READ];
            if read == 0 && at > 0 && self.is_watched(point) {
                break;
            }
            if read == 0 && !admitted {
                if let Some(action) = self.reach(id, point, Side::Read) {
                    self.passed(id, Role::Acceptor, point);
                    match action {
                        Action::Block | Action::Stall => return self.hold(id, Side::Read, action),
                        Action::Truncate => {
                            self.end(id).ends[READ] = true;
                            return Passage::Pass(len / 2);
                        }
                        _ => return Passage::Break,
                    }
                }
            }
            let now = (len - read).min(there - at);
            at += now;
            let sent = &mut self.end(from).sent;
            sent[0].read += now;
            if sent[0].read < len {
                continue;
            }
            let spoilt = sent.pop_front().is_some_and(|piece| piece.spoilt);
            if !admitted {
                self.passed(id, Role::Acceptor, point);
            }
            self.end(id).admitted[READ] = false;
            if spoilt {
                break;
            }
        }
        Passage::Pass(at)
    }
}
