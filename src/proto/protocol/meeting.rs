//! A dialler asks for a session: who decides, and what follows.

use crate::proto::exchange::Wire;
use crate::proto::frame::control::{
    ClientIdent, FLAG_LOSSY, ServerIdent, SessionReconnectOk, SessionReset, SessionRetry,
    SessionRetryGlobal, Wait,
};
use crate::proto::frame::{FrameReader, FrameWriter};
use crate::proto::handshake::{Accepting, Authenticated, Handshake, Request};
use crate::proto::mutation::{self, Mutation};
use crate::proto::output::{Event, Initiator, Peer};
use crate::proto::replace::{Asked, Existing, Phase, Reconnect, Verdict, decide};
use crate::types::{EntityAddr, EntityAddrVec, EntityName, Time, features};

use super::owner::Owner;
use super::{Asking, Attempt, Protocol, State};

/// The incoming side: an acceptor whose dialler waits for an answer.
impl Protocol {
    /// The addresses of a dialler that waits for a verdict: look for a
    /// connection to them, let [`Self::meet`] decide and do what it says.
    pub fn asked(&self) -> Option<&EntityAddrVec> {
        match &self.state {
            State::Asking(asking) => Some(asking.request.addrs()),
            State::LegacyAsking(asking) => Some(asking.addrs()),
            _ => None,
        }
    }

    /// What is to become of the request, given the connection there is to the
    /// same peer.
    pub fn meet(&self, existing: Option<&Self>) -> Verdict {
        if let Some(existing) = existing.filter(|existing| self.is_stranger_to(existing)) {
            return match (self.asks_to_go_on(), &existing.state) {
                (true, _) => Verdict::Reset { full: true },
                // It must not end what somebody else has.
                (false, State::Open(_)) => Verdict::Stale,
                (false, _) => Verdict::Displace,
            };
        }
        let asking = match &self.state {
            State::Asking(asking) => asking,
            State::LegacyAsking(asking) => return self.meet_legacy(asking, existing),
            _ => return Verdict::Stale,
        };
        let asked = match &asking.request {
            Request::Ident(ident) => Asked::Ident {
                client_cookie: ident.cookie,
                global_seq: ident.global_seq,
            },
            Request::Reconnect(reconnect) => Asked::Reconnect(Reconnect {
                client_cookie: reconnect.client_cookie,
                global_seq: reconnect.global_seq,
                connect_seq: reconnect.connect_seq,
                plausible: existing
                    .is_some_and(|existing| existing.session.could_have(reconnect.msg_seq)),
            }),
        };
        let image = |addrs: &EntityAddrVec| addrs.msgr2().map(EntityAddr::memory_image);
        let dialler_first = image(asking.request.addrs()) < image(&self.local);
        let existing = existing.map(Self::as_existing);
        decide(existing.as_ref(), asked, dialler_first)
    }

    /// Has the dialler that waits for a verdict claimed the addresses of somebody
    /// else, who has that connection?
    pub fn is_stranger_to(&self, existing: &Self) -> bool {
        let newcomer = match &self.state {
            State::Asking(asking) => asking.owner(),
            State::LegacyAsking(asking) => asking.owner(),
            _ => return false,
        };
        let unproved = newcomer.is_to_prove_itself(&self.config) && !existing.policy.lossy;
        unproved || existing.owner.is_other(&newcomer)
    }

    /// Does it say that there is a session already?
    fn asks_to_go_on(&self) -> bool {
        match &self.state {
            State::Asking(asking) => matches!(asking.request, Request::Reconnect(_)),
            State::LegacyAsking(asking) => asking.request.connect.connect_seq > 0,
            _ => false,
        }
    }

    /// Gives the dialler a session of its own.
    pub fn grant(&mut self, now: Time, events: &mut Vec<Event>) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Asking(asking) => match asking.request {
                Request::Ident(ident) => self.welcome(asking.peer, ident, now, events),
                Request::Reconnect(_) => self.state = State::Asking(asking),
            },
            State::LegacyAsking(asking) => self.grant_legacy(*asking, now, events),
            other => self.state = other,
        }
    }

    /// Answers that it cannot be, in the words of the verdict. The dialler may
    /// ask for something else on the same socket.
    pub fn refuse(&mut self, verdict: Verdict) {
        let asking = match std::mem::replace(&mut self.state, State::Closed) {
            State::Asking(asking) => asking,
            State::LegacyAsking(asking) => return self.refuse_legacy(*asking, verdict),
            other => return self.state = other,
        };
        match verdict {
            Verdict::Wait => self.writer.control(&Wait),
            Verdict::Retry(connect_seq) => self.writer.control(&SessionRetry { connect_seq }),
            Verdict::RetryGlobal(global_seq) => {
                self.writer.control(&SessionRetryGlobal { global_seq });
            }
            Verdict::Reset { full } => self.writer.control(&SessionReset { full }),
            Verdict::New
            | Verdict::Displace
            | Verdict::Replace { .. }
            | Verdict::Resume
            | Verdict::Stale => {}
        }
        self.state = State::Handshake(Attempt {
            handshake: Handshake::Accept(Accepting::Session(asking.peer)),
            received: Vec::new(),
            budget: asking.budget,
            deadline: asking.deadline,
        });
    }

    /// A server that registers nobody has no connection the dialler could meet.
    pub(super) fn needs_verdict(&self) -> bool {
        !(self.policy.lossy && self.policy.server && !self.policy.register)
    }

    pub(super) fn decide_alone(&mut self, now: Time, events: &mut Vec<Event>) {
        match self.meet(None) {
            Verdict::New => self.grant(now, events),
            refusal => self.refuse(refusal),
        }
    }
}

/// The existing side: a connection that others know.
impl Protocol {
    /// Goes on over the socket on which `incoming` was asked for a session, by
    /// [`Verdict::Replace`] or [`Verdict::Resume`]. The old socket is closed
    /// already. `reset`: the peer has lost the session.
    pub fn take_over(
        &mut self,
        incoming: &mut Self,
        reset: bool,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        let asking = match std::mem::replace(&mut incoming.state, State::Closed) {
            State::Asking(asking) => asking,
            State::LegacyAsking(asking) => {
                return self.take_over_legacy(incoming, *asking, reset, now, events);
            }
            _ => return,
        };
        let Asking { peer, request, .. } = *asking;
        self.take_link(incoming);
        match request {
            Request::Ident(ident) => {
                if reset || mutation::is(Mutation::LoseQueueOnReplace) {
                    self.session.reset();
                }
                if reset && !mutation::is(Mutation::ForgetResetCallback) {
                    events.push(Event::RemoteReset);
                }
                self.policy = incoming.policy;
                self.welcome(peer, ident, now, events);
            }
            Request::Reconnect(reconnect) => {
                self.session.peer_global_seq = reconnect.global_seq;
                self.session.connect_seq = reconnect.connect_seq;
                self.session.resume(reconnect.msg_seq);
                let msg_seq = self.session.in_seq();
                self.writer.control(&SessionReconnectOk { msg_seq });
                self.open(Wire::Frames, now);
                events.push(Event::Resumed(peer.identity, Initiator::Peer));
            }
        }
    }

    /// What `incoming` had of its link is ours, as if we had accepted it.
    pub(super) fn take_link(&mut self, incoming: &mut Self) {
        let crcs = self.config.crc_data;
        self.session.requeue();
        let reader = std::mem::replace(&mut incoming.reader, FrameReader::new(crcs));
        self.reader.become_other(reader);
        self.writer = std::mem::replace(&mut incoming.writer, FrameWriter::new(crcs));
        self.local = incoming.local.clone();
        self.speaks = incoming.speaks;
    }

    fn as_existing(&self) -> Existing {
        Existing {
            lossy: self.ends_with_its_link(),
            server: self.policy.server,
            resetcheck: self.policy.resetcheck,
            phase: match self.state {
                State::Open(_) => Phase::Open,
                State::Standby => Phase::Standby,
                _ => Phase::Dialling,
            },
            client_cookie: self.session.client_cookie,
            server_cookie: self.session.server_cookie,
            peer_global_seq: self.session.peer_global_seq,
            connect_seq: self.session.connect_seq,
        }
    }

    fn welcome(
        &mut self,
        peer: Authenticated,
        ident: ClientIdent,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        let lossy = self.policy.lossy;
        self.session.begin();
        self.session.client_cookie = ident.cookie;
        self.session.server_cookie = if lossy {
            0
        } else {
            self.random.next_non_zero()
        };
        self.session.peer_global_seq = ident.global_seq;
        self.peer_type = peer.peer_type;
        self.peer = ident.addrs.clone();
        self.writer.control(&ServerIdent {
            addrs: self.local.clone(),
            gid: self.config.own_number(),
            global_seq: self.config.global_seq.next(),
            supported_features: self.policy.features_supported,
            required_features: self.policy.features_required | features::MSG_ADDR2,
            flags: if lossy { FLAG_LOSSY } else { 0 },
            cookie: self.session.server_cookie,
        });
        let features = self.policy.features_supported & ident.supported_features;
        self.session.features = features;
        self.open(Wire::Frames, now);
        let peer = Peer {
            name: EntityName::new(peer.peer_type, ident.gid),
            addrs: ident.addrs,
            features,
            identity: peer.identity,
            lossy,
        };
        self.owner = Owner::of(peer.name, &peer.identity);
        events.push(Event::Open(Box::new(peer), Initiator::Peer));
    }
}

impl Asking {
    /// Who asks.
    fn owner(&self) -> Owner {
        let num = match &self.request {
            Request::Ident(ident) => ident.gid,
            Request::Reconnect(_) => -1,
        };
        Owner::of(
            EntityName::new(self.peer.peer_type, num),
            &self.peer.identity,
        )
    }
}
