//! `Model`: what a cluster may do, held against everything it does.
//!
//! It knows what was sent by whom on which connection, what was delivered, and
//! who was told what. A message that is sent has one of two ends: it is delivered
//! once, in its order; or somebody who can know is told afterwards that something
//! is lost. Told means, for the sender: a reset of either kind on the connection.
//! Where an end forgets the session by its own doing, by a restart or a
//! `mark_down`, that end has been told.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::Time;

/// A process: one of the lives of a node.
pub type Life = usize;

/// A connection of one life.
pub type Con = (Life, u64);

/// What an application hears of a connection besides messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    FastConnect,
    FastAccept,
    Connect,
    Accept,
    Reset,
    RemoteReset,
    Refused,
}

/// How messages of a connection keep their order: by priority, and by whether a
/// worker dispatches them or the dispatch thread.
pub type Lane = (u16, bool);

/// A message, named by its tid, which is its index.
#[derive(Debug)]
struct Sent {
    at: Time,
    con: Con,
    to: usize,
    lane: Lane,
    len: usize,
    delivered: Vec<Con>,
}

/// What is known of a connection.
#[derive(Debug)]
struct Facts {
    /// The node at the other end.
    peer: usize,
    /// That node's nonce, as far as this end knows.
    nonce: u32,
    lossy: bool,
    disposable: bool,
    loopback: bool,
    /// How often a worker has told that it is up, and how often the dispatch
    /// thread has.
    fast_ups: u64,
    ups: u64,
    marked_down: Option<Time>,
    reset: Option<Time>,
    remote_reset: Option<Time>,
    /// What a peer has sent that was gone then is not to be delivered any more.
    lost_before: Option<Time>,
    last_fast_up: Time,
    /// The last message of each lane of each connection at the other end.
    last: BTreeMap<(Con, Lane), u64>,
}

/// A node's lives.
#[derive(Debug, Default)]
struct Node {
    lives: Vec<Life>,
}

#[derive(Debug)]
struct LifeFacts {
    node: usize,
    nonce: u32,
    /// Its application hears no more from then on.
    ended: Option<Time>,
}

/// Everything that was seen, and what of it must not be.
#[derive(Debug, Default)]
pub struct Model {
    nodes: Vec<Node>,
    lives: Vec<LifeFacts>,
    sent: Vec<Sent>,
    cons: BTreeMap<Con, Facts>,
    /// When the first node last forgot what it shared with the second, or was
    /// told that it is gone.
    forgot: BTreeMap<(usize, usize), Time>,
    /// The first node may forget what it shares with the second, and be told so
    /// only later.
    may_forget: BTreeSet<(usize, usize)>,
    /// Messages delivered.
    pub delivered: u64,
    /// Calls made.
    pub calls: u64,
    /// What must not be.
    pub violations: Vec<String>,
}

/// The other end of a connection, as one end sees it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub node: usize,
    pub nonce: u32,
    pub lossy: bool,
    pub loopback: bool,
}

impl Model {
    /// A model of so many nodes.
    pub fn new(nodes: usize) -> Self {
        let mut model = Self::default();
        model.nodes.resize_with(nodes, Node::default);
        model
    }

    // ---- what happens

    /// A node begins a life.
    pub fn born(&mut self, node: usize, nonce: u32) -> Life {
        let ended = None;
        self.lives.push(LifeFacts { node, nonce, ended });
        self.nodes[node].lives.push(self.lives.len() - 1);
        self.lives.len() - 1
    }

    /// It ends: nothing is called any more, and everybody's session with it is
    /// forgotten at that end.
    pub fn died(&mut self, life: Life, now: Time) {
        self.lives[life].ended.get_or_insert(now);
        let node = self.lives[life].node;
        for other in 0..self.nodes.len() {
            self.forgot.insert((node, other), now);
        }
    }

    /// A message is about to be sent; its tid. [`Model::unsent`] takes it back.
    pub fn sends(
        &mut self,
        now: Time,
        con: Con,
        peer: Peer,
        (priority, fast): Lane,
        len: usize,
    ) -> u64 {
        self.know(con, peer);
        self.sent.push(Sent {
            at: now,
            con,
            to: peer.node,
            lane: (priority, fast),
            len,
            delivered: Vec::new(),
        });
        self.sent.len() as u64 - 1
    }

    /// The last message was refused.
    pub fn unsent(&mut self, tid: u64) {
        assert_eq!(tid, self.sent.len() as u64 - 1);
        self.sent.pop();
    }

    /// A `mark_down` of that connection has returned.
    pub fn marked_down(&mut self, now: Time, con: Con, peer: Peer) {
        self.know(con, peer);
        let from = self.lives[con.0].node;
        let facts = self.cons.get_mut(&con).expect("known by now");
        if !facts.loopback && facts.marked_down.is_none() {
            facts.marked_down = Some(now);
            self.forgot.insert((from, peer.node), now);
        }
    }

    /// From now on a fault may end that connection.
    pub fn disposable(&mut self, con: Con, peer: Peer) {
        self.know(con, peer);
        self.cons.get_mut(&con).expect("known by now").disposable = true;
        let from = self.lives[con.0].node;
        // If the peer's own dial ends it, the attempt that it had under way may
        // still take the session over there: then that end has lost it, too.
        self.may_forget.insert((from, peer.node));
        self.may_forget.insert((peer.node, from));
    }

    /// An application is told something of a connection.
    pub fn called(&mut self, now: Time, con: Con, peer: Peer, call: Call) {
        self.calls += 1;
        self.know(con, peer);
        self.check_callable(con, &format!("{call:?}"));
        let from = self.lives[con.0].node;
        // Whoever meets somebody who has forgotten is made to forget as well.
        let forgotten = self.has_forgotten(peer.node, from) || self.has_forgotten(from, peer.node);
        let facts = self.cons.get_mut(&con).expect("known by now");
        let mut wrong = None;
        match call {
            Call::FastConnect | Call::FastAccept => {
                facts.fast_ups += 1;
                facts.last_fast_up = now;
            }
            Call::Connect | Call::Accept => {
                facts.ups += 1;
                if facts.ups > facts.fast_ups {
                    wrong = Some("no fast call has come before it");
                }
            }
            Call::Reset => {
                if facts.reset.replace(now).is_some() {
                    wrong = Some("it is the second one");
                } else if !facts.lossy && !facts.disposable {
                    wrong = Some("a lossless connection does not end by itself");
                }
                self.forgot.insert((from, peer.node), now);
            }
            Call::RemoteReset => {
                if facts.lossy {
                    wrong = Some("a lossy connection has no session");
                } else if !forgotten {
                    wrong = Some("the peer has forgotten nothing");
                }
                facts.remote_reset = Some(now);
                // The dispatch thread may lag behind: it tells of links in the
                // order in which they came, so it is known which link it is at.
                facts.lost_before = match facts.fast_ups.saturating_sub(facts.ups) {
                    0 => Some(now),
                    1 => Some(facts.last_fast_up),
                    _ => facts.lost_before,
                };
                self.forgot.insert((from, peer.node), now);
            }
            Call::Refused => {}
        }
        if let Some(why) = wrong {
            self.violation(now, con, &format!("{call:?}: {why}"));
        }
    }

    /// A message is delivered.
    pub fn delivers(&mut self, now: Time, con: Con, peer: Peer, tid: u64, lane: Lane, len: usize) {
        self.calls += 1;
        self.delivered += 1;
        self.know(con, peer);
        self.check_callable(con, "a message");
        let here = self.lives[con.0].node;
        let Some(sent) = usize::try_from(tid)
            .ok()
            .and_then(|at| self.sent.get_mut(at))
        else {
            return self.violation(now, con, &format!("message {tid} was never sent"));
        };
        let (from, to, expected) = (sent.con, sent.to, (sent.lane, sent.len));
        let again = sent.delivered.contains(&con);
        let elsewhere = !sent.delivered.is_empty();
        sent.delivered.push(con);
        let lossy = self.cons[&from].lossy;
        let gone = match (self.cons[&from].marked_down, self.lives[from.0].ended) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let sender = self.lives[from.0].node;
        let facts = self.cons.get_mut(&con).expect("known by now");
        let ups = if lane.1 { facts.fast_ups } else { facts.ups };
        let before = facts.last.insert((from, lane), tid);
        let mut wrong = Vec::new();
        if ups == 0 && !facts.loopback {
            wrong.push("no call has told that the connection is up");
        }
        if to != here || peer.node != sender {
            wrong.push("it was sent to somebody else or comes from somebody else");
        }
        if expected != (lane, len) {
            wrong.push("it is not what was sent");
        }
        if facts
            .lost_before
            .is_some_and(|lost| gone.is_some_and(|gone| gone < lost))
        {
            wrong.push("it is of a session that was told to be lost");
        }
        if again {
            wrong.push("it was delivered before");
        } else if elsewhere && (lossy || !self.has_forgotten(here, sender)) {
            wrong.push("it was delivered before on another connection");
        }
        if before.is_some_and(|before| before > tid) {
            wrong.push("a later one was delivered before");
        }
        for why in wrong {
            self.violation(now, con, &format!("message {tid} of {from:?}: {why}"));
        }
    }

    // ---- the end

    /// Nothing has been in the way of any message since a while.
    pub fn check_prompt(&mut self, now: Time, healed: Time) {
        let late = self.sent.iter().enumerate().filter(|(_, sent)| {
            sent.at <= healed
                && sent.delivered.is_empty()
                && !self.is_to_a_former_life(sent)
                && !self.is_told(sent)
        });
        let late: Vec<_> = late.map(|(tid, sent)| (tid, sent.con)).collect();
        for (tid, con) in late {
            let what = format!("message {tid} has not come since {healed:?}");
            self.violation(now, con, &what);
        }
    }

    /// Everything is settled: every message has come to one of its ends. Those
    /// sent from `calm` on have to be delivered.
    pub fn finish(&mut self, now: Time, calm: Time) {
        let mut lost = Vec::new();
        for (tid, sent) in self.sent.iter().enumerate() {
            if !sent.delivered.is_empty() || self.is_to_a_former_life(sent) {
                continue;
            }
            let was_told = self.is_told(sent);
            if !was_told || sent.at >= calm {
                let excuse = if was_told { "told of" } else { "not told of" };
                lost.push((
                    sent.con,
                    format!(
                        "message {tid} of {:?} to node {} is lost, {excuse}",
                        sent.at, sent.to
                    ),
                ));
            }
        }
        for (con, what) in lost {
            self.violation(now, con, &what);
        }
        let untold = self
            .cons
            .iter()
            .filter(|(con, facts)| self.is_callable(**con).is_ok() && facts.ups != facts.fast_ups);
        for con in untold.map(|(con, _)| *con).collect::<Vec<_>>() {
            let what = "the dispatch thread has told of fewer links than the workers";
            self.violation(now, con, what);
        }
    }

    /// An application still holds this connection to somebody it could reach.
    /// All is quiet, so nothing is queued on it, and where a connection is known
    /// by its peer it is the only one to that peer.
    pub fn check_open(&mut self, now: Time, con: Con, peer: Peer, queued: u64, alone: bool) {
        self.know(con, peer);
        let last = self.nodes[peer.node].lives.last();
        if last.is_none_or(|life| self.lives[*life].nonce != peer.nonce) {
            return;
        }
        if queued > 0 {
            self.violation(now, con, &format!("{queued} bytes are queued for ever"));
        }
        if !alone {
            self.violation(now, con, "there is another connection to that peer");
        }
    }

    /// Is there somebody who knows that this message may be lost?
    fn is_told(&self, sent: &Sent) -> bool {
        let facts = &self.cons[&sent.con];
        let from = self.lives[sent.con.0].node;
        let since = |at: Option<Time>| at.is_some_and(|at| at >= sent.at);
        since(facts.reset)
            || since(facts.remote_reset)
            || since(facts.marked_down)
            || since(self.lives[sent.con.0].ended)
            || since(self.forgot.get(&(sent.to, from)).copied())
    }

    /// Was it sent to somebody who is no more, and never will be again?
    fn is_to_a_former_life(&self, sent: &Sent) -> bool {
        let last = self.nodes[sent.to].lives.last();
        let last = last.map(|life| &self.lives[*life]);
        last.is_none_or(|life| life.nonce != self.cons[&sent.con].nonce)
    }

    // ---- inner workings

    /// Can what the first node shared with the second be forgotten there?
    fn has_forgotten(&self, node: usize, about: usize) -> bool {
        let pair = (node, about);
        self.forgot.contains_key(&pair) || self.may_forget.contains(&pair)
    }

    fn know(&mut self, con: Con, peer: Peer) {
        let facts = self.cons.entry(con).or_insert(Facts {
            peer: peer.node,
            nonce: peer.nonce,
            lossy: peer.lossy,
            disposable: false,
            loopback: peer.loopback,
            fast_ups: 0,
            ups: 0,
            marked_down: None,
            reset: None,
            remote_reset: None,
            lost_before: None,
            last_fast_up: Time::ZERO,
            last: BTreeMap::new(),
        });
        if (facts.peer, facts.nonce) != (peer.node, peer.nonce) {
            let what = format!(
                "the peer was {:?} and is {peer:?}",
                (facts.peer, facts.nonce)
            );
            self.violation(Time::ZERO, con, &what);
        }
    }

    fn check_callable(&mut self, con: Con, what: &str) {
        if let Err(why) = self.is_callable(con) {
            self.violation(Time::ZERO, con, &format!("{what}, after {why}"));
        }
    }

    /// May anything still be told of this connection?
    fn is_callable(&self, con: Con) -> Result<(), &'static str> {
        let facts = &self.cons[&con];
        let ended = self.lives[con.0].ended;
        match (ended, facts.marked_down, facts.reset) {
            (Some(_), ..) => Err("its messenger was shut down"),
            (_, Some(_), _) => Err("it was marked down"),
            (_, _, Some(_)) => Err("it was reset"),
            _ => Ok(()),
        }
    }

    fn violation(&mut self, at: Time, con: Con, what: &str) {
        let node = self.lives[con.0].node;
        self.violations
            .push(format!("{at:?} node {node} con {con:?}: {what}"));
    }
}
