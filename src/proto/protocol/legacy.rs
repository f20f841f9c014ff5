//! Connections that speak v1: its handshake, and what becomes of its diallers.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::proto::auth::{Answer, ConMode};
use crate::proto::codec::Field;
use crate::proto::config::ProtocolConfig;
use crate::proto::exchange::Wire;
use crate::proto::fault::Fault;
use crate::proto::frame::LegacyForm;
use crate::proto::handshake::{Budget, Context};
use crate::proto::mutation::{self, Mutation};
use crate::proto::output::{Clock, Event, Initiator, Peer};
use crate::proto::replace::{Phase, Verdict};
use crate::proto::v1;
use crate::types::{
    AddrType, EntityAddr, EntityAddrVec, EntityName, EntityType, Time, WallTime, features,
};

use super::owner::Owner;
use super::{Protocol, State};

/// A handshake of v1 under way.
pub struct LegacyAttempt {
    pub handshake: v1::Handshake,
    budget: Budget,
    pub deadline: Time,
}

/// A dialler of v1 that waits for a verdict.
pub struct LegacyAsking {
    pub request: Box<v1::Request>,
    budget: Budget,
    pub deadline: Time,
}

impl LegacyAsking {
    /// The dialler's addresses.
    pub const fn addrs(&self) -> &EntityAddrVec {
        &self.request.addrs
    }
}

/// From the first byte to the request.
impl Protocol {
    /// An acceptor that speaks v1, on a socket that was accepted `at` one of our
    /// addresses. The banner is staged.
    pub fn accept_legacy(
        config: Arc<ProtocolConfig>,
        local: EntityAddrVec,
        at: SocketAddr,
        from: SocketAddr,
        seed: u64,
        now: Time,
    ) -> Self {
        // Its request will tell whom it is and so which policy holds.
        let policy = *config.policies.get(EntityType(0));
        let deadline = now + config.ready_timeout;
        let mut protocol = Self {
            incoming: true,
            speaks: AddrType::Legacy,
            ..Self::new(config, local, policy, seed)
        };
        protocol.shake_legacy(deadline, |context| {
            v1::Handshake::Accept(v1::Accepting::start(at, from, context))
        });
        protocol
    }

    /// The socket that was dialled is up.
    pub(super) fn begin_legacy(&mut self, target: EntityAddr, deadline: Time) {
        let above = v1::narrow(self.session.own_global_seq).saturating_add(1);
        let dialled = v1::Dialled {
            peer_type: self.peer_type,
            target,
            addrs: self.peer.clone(),
            global_seq: self.config.global_seq.next_narrow().max(above),
        };
        self.shake_legacy(deadline, |context| {
            v1::Handshake::Connect(v1::Connecting::start(dialled, context))
        });
    }

    fn shake_legacy(
        &mut self,
        deadline: Time,
        begin: impl FnOnce(&mut Context<'_>) -> v1::Handshake,
    ) {
        let (mut nothing, mut silence) = (Vec::new(), Vec::new());
        let mut context = self.context(WallTime::default(), &mut nothing, &mut silence);
        let handshake = begin(&mut context);
        self.state = State::Legacy(LegacyAttempt {
            handshake,
            budget: Budget::of(self.config.handshake),
            deadline,
        });
    }

    /// Takes the next record. False: it is not whole yet, or must wait.
    pub(super) fn receive_legacy(
        &mut self,
        rest: &mut &[u8],
        now: Clock,
        events: &mut Vec<Event>,
    ) -> Result<bool, Fault> {
        let State::Legacy(attempt) = &mut self.state else {
            return Ok(false);
        };
        if attempt.handshake.awaits_host() {
            return attempt.budget.check(rest.len()).map(|()| false);
        }
        let before = rest.len();
        let most = self.config.handshake.frame;
        let Some(record) = attempt.handshake.expects().take(rest, most)? else {
            return attempt.budget.check(rest.len()).map(|()| false);
        };
        attempt.budget.spend_bytes(before - rest.len())?;
        attempt.budget.spend_record()?;
        self.advance_legacy(
            |handshake, context| handshake.handle(record, context),
            now,
            events,
        )?;
        Ok(true)
    }

    /// What the host says to the question that it was asked.
    pub(super) fn answer_legacy(
        &mut self,
        answer: Answer,
        now: Clock,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        self.advance_legacy(
            |handshake, context| handshake.handle_auth(answer, context),
            now,
            events,
        )
    }

    /// Moves the handshake on.
    fn advance_legacy(
        &mut self,
        step: impl FnOnce(v1::Handshake, &mut Context<'_>) -> Result<v1::Step<v1::Handshake>, Fault>,
        now: Clock,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let name = self.state_name();
        let State::Legacy(attempt) = std::mem::replace(&mut self.state, State::Failing(name))
        else {
            return Ok(());
        };
        let (budget, deadline) = (attempt.budget, attempt.deadline);
        let mut nothing = Vec::new();
        let mut context = self.context(now.wall, &mut nothing, events);
        match step(attempt.handshake, &mut context)? {
            v1::Step::Next(handshake) => {
                self.state = State::Legacy(LegacyAttempt {
                    handshake,
                    budget,
                    deadline,
                });
            }
            v1::Step::Open(form) => self.open_legacy(form, now.now),
            v1::Step::Ask(request) => {
                let asking = LegacyAsking {
                    request,
                    budget,
                    deadline,
                };
                if self.needs_verdict() {
                    self.state = State::LegacyAsking(Box::new(asking));
                    events.push(Event::Asked);
                } else {
                    self.welcome_legacy(asking, false, now.now, events);
                }
            }
        }
        Ok(())
    }

    fn context<'a>(
        &'a mut self,
        wall: WallTime,
        received: &'a mut Vec<u8>,
        events: &'a mut Vec<Event>,
    ) -> Context<'a> {
        Context {
            config: &self.config,
            policy: &mut self.policy,
            local: &mut self.local,
            session: &mut self.session,
            random: &mut self.random,
            received,
            wall,
            features: 0,
            reader: &mut self.reader,
            out: &mut self.writer,
            events,
        }
    }
}

/// From the request to the open link.
impl Protocol {
    /// What is to become of a request, given the connection there is to the same
    /// peer.
    pub(super) fn meet_legacy(&self, asking: &LegacyAsking, existing: Option<&Self>) -> Verdict {
        let connect = &asking.request.connect;
        let asked = v1::Asked {
            global_seq: connect.global_seq.into(),
            connect_seq: connect.connect_seq.into(),
        };
        let dialler = asking.addrs().front();
        let own = v1::own_address(&self.local, dialler.socket);
        let dialler_first = dialler.memory_image() < own.memory_image();
        let existing = existing.map(|existing| existing.as_existing_legacy(asked));
        v1::decide(existing.as_ref(), asked, dialler_first)
    }

    fn as_existing_legacy(&self, asked: v1::Asked) -> v1::Existing {
        let told = match &self.state {
            State::Legacy(attempt) => attempt.handshake.connect_seq(),
            _ => None,
        };
        v1::Existing {
            // One that is only given up at its next loss still has its session.
            lossy: self.policy.lossy || (self.disposable && asked.connect_seq == 0),
            server: self.policy.server,
            resetcheck: self.policy.resetcheck,
            phase: match self.state {
                State::Open(_) => Phase::Open,
                _ if self.is_granted() => Phase::Open,
                State::Standby => Phase::Standby,
                _ => Phase::Dialling,
            },
            shared: self.session.shared,
            peer_global_seq: self.session.peer_global_seq,
            connect_seq: told.map_or(self.session.connect_seq, u64::from),
        }
    }

    /// Gives the dialler a session of its own.
    pub(super) fn grant_legacy(
        &mut self,
        asking: LegacyAsking,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        self.welcome_legacy(asking, false, now, events);
    }

    /// Answers that it cannot be. The dialler may ask for something else.
    pub(super) fn refuse_legacy(&mut self, asking: LegacyAsking, verdict: Verdict) {
        let reply = |tag| asking.request.reply(tag, &self.config, &self.policy);
        let reply = match verdict {
            Verdict::Wait => Some(reply(v1::Tag::Wait)),
            Verdict::Retry(connect_seq) => Some(v1::ConnectReply {
                connect_seq: v1::narrow(connect_seq),
                ..reply(v1::Tag::RetrySession)
            }),
            Verdict::RetryGlobal(global_seq) => Some(v1::ConnectReply {
                global_seq: v1::narrow(global_seq),
                ..reply(v1::Tag::RetryGlobal)
            }),
            Verdict::Reset { .. } => Some(reply(v1::Tag::ResetSession)),
            Verdict::New
            | Verdict::Displace
            | Verdict::Replace { .. }
            | Verdict::Resume
            | Verdict::Stale => None,
        };
        if let Some(reply) = reply {
            self.writer.raw(&reply.encode());
        }
        self.state = State::Legacy(LegacyAttempt {
            handshake: v1::Handshake::Accept(asking.request.decline()),
            budget: asking.budget,
            deadline: asking.deadline,
        });
    }

    /// Goes on over the socket of `incoming`, whose dialler asked for that.
    pub(super) fn take_over_legacy(
        &mut self,
        incoming: &mut Self,
        asking: LegacyAsking,
        reset: bool,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        self.take_link(incoming);
        if asking.request.connect.connect_seq == 0 {
            self.policy = incoming.policy;
            if mutation::is(Mutation::LoseQueueOnReplace) {
                self.session.reset();
            }
        }
        self.welcome_legacy(asking, reset, now, events);
    }

    /// Grants what is asked for. `reset`: the peer has lost the session.
    fn welcome_legacy(
        &mut self,
        asking: LegacyAsking,
        reset: bool,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        let connect = &asking.request.connect;
        let features = self.policy.features_supported & connect.features;
        let forgotten = connect.connect_seq == 0 && self.session.connect_seq > 0;
        let begins = connect.connect_seq == 0 || self.session.connect_seq == 0;
        // Ceph says READY to a peer that has forgotten everything. If that got lost,
        // the peer would seem to have forgotten once more.
        let tells = features & features::RECONNECT_SEQ != 0;
        if reset {
            self.session.reset();
            if !mutation::is(Mutation::ForgetResetCallback) {
                events.push(Event::RemoteReset);
            }
        }
        if forgotten || !tells {
            self.session.begin();
        }
        if reset && features & features::MSG_AUTH != 0 {
            let first = self.random.below(v1::MAX_FIRST_SEQ);
            self.session.count_from(first);
        }
        self.session.peer_global_seq = connect.global_seq.into();
        self.session.connect_seq = u64::from(connect.connect_seq) + 1;
        self.incoming = false;
        self.answer_grant(&asking.request, tells);
        let (method, agreed) = (connect.authorizer_protocol, &asking.request.agreed);
        let ends = (self.config.name.kind, connect.host_type);
        let key = self.config.signatures.key(method, features, ends, agreed);
        let form = LegacyForm::new(v1::own_name(&self.config), features, key);
        let identity = agreed.clone().identity(ConMode::Crc);
        self.owner = asking.owner();
        if begins {
            let peer_type = connect.host_type;
            self.peer_type = peer_type;
            self.peer = asking.addrs().clone();
            let peer = Peer {
                name: EntityName::new(peer_type, -1),
                addrs: self.peer.clone(),
                features,
                identity,
                lossy: self.policy.lossy,
            };
            events.push(Event::Open(Box::new(peer), Initiator::Peer));
        } else {
            events.push(Event::Resumed(identity, Initiator::Peer));
        }
        if tells {
            self.state = State::Legacy(LegacyAttempt {
                handshake: v1::Handshake::Accept(v1::Accepting::Seq(form)),
                budget: asking.budget,
                deadline: asking.deadline,
            });
        } else {
            self.open_legacy(form, now);
        }
    }

    /// READY, or SEQ and the last message that was received.
    fn answer_grant(&mut self, request: &v1::Request, tells: bool) {
        let tag = if tells { v1::Tag::Seq } else { v1::Tag::Ready };
        let reply = v1::ConnectReply {
            global_seq: self.config.global_seq.next_narrow(),
            connect_seq: v1::narrow(self.session.connect_seq),
            flags: if self.policy.lossy { v1::FLAG_LOSSY } else { 0 },
            ..request.reply(tag, &self.config, &self.policy)
        };
        let mut bytes = reply.encode();
        if tells {
            self.session.in_seq().encode(&mut bytes);
        }
        self.writer.raw(&bytes);
    }

    /// True for an acceptor whose dialler has a session and has not said yet what
    /// it has received of it.
    pub(super) const fn is_granted(&self) -> bool {
        matches!(&self.state, State::Legacy(attempt) if attempt.handshake.is_granted())
    }

    /// The handshake is done.
    fn open_legacy(&mut self, form: LegacyForm, now: Time) {
        let keepalive2 = form.has_keepalive2();
        self.session.features = form.features();
        self.reader.set_legacy(form.clone());
        self.writer.set_legacy(form);
        self.session.shared = true;
        self.open(Wire::Records { keepalive2 }, now);
    }
}

impl LegacyAsking {
    /// Who asks.
    pub(super) fn owner(&self) -> Owner {
        let Self { request, .. } = self;
        let name = EntityName::new(request.connect.host_type, -1);
        Owner::of(name, &request.agreed.clone().identity(ConMode::Crc))
    }
}
