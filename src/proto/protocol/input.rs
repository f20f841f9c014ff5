//! Inputs from below.

use std::net::IpAddr;

use crate::proto::auth::{Answer, Identity};
use crate::proto::banner::{Banner, revision};
use crate::proto::exchange::Wire;
use crate::proto::fault::{Fault, LinkDown};
use crate::proto::frame::{Bulk, Frame};
use crate::proto::handshake::{Connecting, Context, Dialled, Handshake, Step};
use crate::proto::output::{Clock, Event, Initiator, Intake, Peer};
use crate::types::{AddrType, Hold, Time};

use super::owner::Owner;
use super::{Asking, Attempt, Protocol, State};

/// How far a step has brought the handshake.
enum Done {
    NotYet,
    Open(Peer),
    Resumed(Identity),
    Asks,
}

impl Attempt {
    /// Counts, and keeps as long as it is to be signed, what was taken off the
    /// front of `before`.
    fn note_received(&mut self, before: &[u8], rest: &[u8]) -> Result<(), Fault> {
        let taken = before.get(..before.len() - rest.len()).unwrap_or_default();
        self.budget.spend_bytes(taken.len())?;
        if self.handshake.is_recorded() {
            // No more than was sent: it is a stranger that makes us keep this.
            self.received.reserve_exact(taken.len());
            self.received.extend_from_slice(taken);
        }
        Ok(())
    }
}

impl Protocol {
    /// Sets a dialler going.
    pub fn start(&mut self, now: Time, events: &mut Vec<Event>) {
        if matches!(self.state, State::Idle) && !self.incoming {
            self.dial(now, events);
        }
    }

    /// The TCP connection that was asked for is up, from that IP of ours. It
    /// fills in an unknown address where peers are not asked for it.
    pub fn handle_connected(&mut self, from: Option<IpAddr>, now: Time) {
        let State::Dialling(dialling) = &self.state else {
            return;
        };
        // The time to be open in runs from the moment of dialling.
        let deadline = dialling.deadline.min(now + self.config.ready_timeout);
        let target = dialling.target;
        if let Some(from) = from.filter(|_| !self.config.learn_addr) {
            self.local.fill_blank_ips(from);
        }
        if target.kind == AddrType::Legacy {
            return self.begin_legacy(target, deadline);
        }
        let above = self.session.own_global_seq.saturating_add(1);
        self.session.own_global_seq = self.config.global_seq.next().max(above);
        let dialled = Dialled {
            gained: None,
            peer_type: self.peer_type,
            target,
            global_seq: self.session.own_global_seq,
        };
        self.shake(Handshake::Connect(Connecting::Banner(dialled)), deadline);
    }

    /// Parses as much of `input` as it can and returns how much it has used up.
    /// Present the rest again, in front of what is read next.
    pub fn handle_received(&mut self, input: &[u8], now: Clock, intake: &mut Intake<'_>) -> usize {
        let mut rest = input;
        match self.receive(&mut rest, now, intake) {
            Ok(()) => input.len() - rest.len(),
            Err(fault) => {
                self.fault(fault, now.now, intake.events);
                input.len()
            }
        }
    }

    /// While a large frame is half read: where its next bytes belong. Read at
    /// most `missing` bytes to the end of `buffer`, which has spare capacity
    /// (perhaps less than is missing: memory grows with what came), then call
    /// [`Self::handle_bulk`].
    pub fn bulk(&mut self) -> Option<Bulk<'_>> {
        self.reader.bulk()
    }

    /// Bytes were read into [`Self::bulk`].
    pub fn handle_bulk(&mut self, now: Clock, intake: &mut Intake<'_>) {
        self.handle_received(&[], now, intake);
    }

    /// While data are read into memory that the program has lent: where the next
    /// bytes belong. Read there, then call [`Self::handle_lent`].
    #[inline]
    pub fn lent(&mut self) -> Option<&mut [u8]> {
        self.reader.lent()
    }

    /// So many bytes were read into [`Self::lent`].
    pub fn handle_lent(&mut self, n: usize, now: Clock, intake: &mut Intake<'_>) {
        self.reader.handle_lent(n);
        self.handle_received(&[], now, intake);
    }

    /// The payload that was refused before is paid for now, and its message
    /// shall hold that. Present the kept bytes again. Not to be called unless
    /// [`Self::is_waiting_for_admission`].
    pub fn handle_admitted(&mut self, hold: Hold, now: Time) {
        self.reader.handle_admitted(hold);
        if let State::Open(exchange) = &mut self.state {
            exchange.read_again(now);
        }
    }

    /// What the host says to the last [`Event::Auth`]. Present the kept bytes again.
    /// Nothing happens if nothing is asked (any more).
    pub fn handle_auth(&mut self, answer: Answer, now: Clock, events: &mut Vec<Event>) {
        if !self.awaits_host() {
            return;
        }
        let done = match self.state {
            State::Legacy(_) => self.answer_legacy(answer, now, events),
            _ => self
                .advance(
                    |handshake, context| handshake.handle_auth(answer, context),
                    now,
                    events,
                )
                .map(|_| ()),
        };
        if let Err(fault) = done {
            self.fault(fault, now.now, events);
        }
    }

    /// The socket is gone, or could not be had.
    pub fn handle_disconnected(&mut self, why: LinkDown, now: Time, events: &mut Vec<Event>) {
        match self.state {
            State::Dialling(_)
            | State::Handshake(_)
            | State::Asking(_)
            | State::Legacy(_)
            | State::LegacyAsking(_)
            | State::Open(_) => self.fault(Fault::Link(why), now, events),
            State::Idle
            | State::Failing(_)
            | State::Backoff(_)
            | State::Standby
            | State::Closed => {}
        }
    }

    /// Time has passed; nothing happens before [`Self::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Time, events: &mut Vec<Event>) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        let fault = match &mut self.state {
            State::Backoff(_) => return self.dial(now, events),
            State::Open(exchange) => exchange.handle_timeout(
                &self.config,
                &self.reader,
                &self.writer,
                &self.session,
                now,
            ),
            _ => Some(Fault::ReadyTimeout),
        };
        match fault {
            Some(fault) => self.fault(fault, now, events),
            None => self.keepalive = true,
        }
    }

    /// The first `n` bytes of what [`Self::poll_transmit`] offered are written.
    pub fn handle_sent(&mut self, n: usize, now: Time) {
        self.writer.handle_sent(n);
        if let State::Open(exchange) = &mut self.state {
            exchange.handle_sent(!self.writer.is_empty(), now);
        }
    }

    #[inline]
    fn receive(
        &mut self,
        rest: &mut &[u8],
        now: Clock,
        intake: &mut Intake<'_>,
    ) -> Result<(), Fault> {
        while let State::Legacy(_) = self.state {
            if !self.receive_legacy(rest, now, intake.events)? {
                return Ok(());
            }
        }
        while let State::Handshake(attempt) = &mut self.state {
            if attempt.handshake.expects_banner() {
                if !self.receive_banner(rest, now, intake.events)? {
                    return Ok(());
                }
                continue;
            }
            if attempt.handshake.awaits_host() {
                return attempt.budget.check(rest.len());
            }
            let before = *rest;
            let frame = self.reader.next(rest, intake.admit)?;
            attempt.note_received(before, rest)?;
            let Some(frame) = frame else {
                return attempt.budget.check(rest.len());
            };
            attempt.budget.spend_frame(&frame)?;
            self.receive_handshake(&frame, now, intake.events)?;
        }
        match &mut self.state {
            State::Open(exchange) => {
                exchange.receive(&mut self.reader, &mut self.session, rest, now, intake)
            }
            // What follows the request belongs to whoever gets the socket.
            State::Asking(_) | State::LegacyAsking(_) => Ok(()),
            // Nobody should read now; what comes belongs to a lost link.
            _ => {
                *rest = &[];
                Ok(())
            }
        }
    }

    /// False: it is not whole yet.
    fn receive_banner(
        &mut self,
        rest: &mut &[u8],
        now: Clock,
        events: &mut Vec<Event>,
    ) -> Result<bool, Fault> {
        let before = *rest;
        let Some(theirs) = Banner::decode(rest)? else {
            return Ok(false);
        };
        self.features = Banner::of(&self.config).agree(&theirs)?;
        let revision = revision(self.features);
        self.reader.set_revision(revision);
        self.writer.set_revision(revision);
        if let State::Handshake(attempt) = &mut self.state {
            attempt.note_received(before, rest)?;
        }
        self.advance(
            |handshake, context| Ok(Step::Next(handshake.handle_banner(context))),
            now,
            events,
        )?;
        Ok(true)
    }

    fn receive_handshake(
        &mut self,
        frame: &Frame<'_>,
        now: Clock,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let done = self.advance(
            |handshake, context| handshake.handle(frame, context),
            now,
            events,
        )?;
        let now = now.now;
        match done {
            Done::Open(peer) => {
                self.session.features = peer.features;
                self.owner = Owner::of(peer.name, &peer.identity);
                self.open(Wire::Frames, now);
                events.push(Event::Open(Box::new(peer), Initiator::Us));
            }
            Done::Resumed(identity) => {
                self.open(Wire::Frames, now);
                events.push(Event::Resumed(identity, Initiator::Us));
            }
            Done::Asks if self.needs_verdict() => events.push(Event::Asked),
            Done::Asks => self.decide_alone(now, events),
            Done::NotYet => {}
        }
        Ok(())
    }

    /// Moves the handshake on.
    fn advance(
        &mut self,
        step: impl FnOnce(Handshake, &mut Context<'_>) -> Result<Step<Handshake>, Fault>,
        now: Clock,
        events: &mut Vec<Event>,
    ) -> Result<Done, Fault> {
        let name = self.state_name();
        let State::Handshake(attempt) = std::mem::replace(&mut self.state, State::Failing(name))
        else {
            return Ok(Done::NotYet);
        };
        let Attempt {
            handshake,
            mut received,
            budget,
            deadline,
        } = attempt;
        let mut context = Context {
            config: &self.config,
            features: self.features,
            policy: &mut self.policy,
            local: &mut self.local,
            session: &mut self.session,
            random: &mut self.random,
            received: &mut received,
            wall: now.wall,
            reader: &mut self.reader,
            out: &mut self.writer,
            events,
        };
        match step(handshake, &mut context)? {
            Step::Next(handshake) => {
                self.state = State::Handshake(Attempt {
                    handshake,
                    received,
                    budget,
                    deadline,
                });
                Ok(Done::NotYet)
            }
            Step::Open(peer) => Ok(Done::Open(peer)),
            Step::Resumed(identity) => Ok(Done::Resumed(identity)),
            Step::Ask(peer, request) => {
                self.state = State::Asking(Box::new(Asking {
                    peer,
                    request,
                    budget,
                    deadline,
                }));
                Ok(Done::Asks)
            }
        }
    }
}
