//! One connection: link states, timers, back-off, and the way in and out.
//!
//! ```text
//!   connect ── start ──► Dialling ──► Handshake ──► Open
//!                           ▲   │        │   ▲        │
//!                  back-off │   ▼ fault  ▼   │        │ fault
//!                           └─ Backoff ◄─┘ accept     ▼
//!                              (dialler)          Closed
//! ```

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::types::{EntityAddr, EntityAddrVec, EntityType, Time};

use super::banner::Banner;
use super::config::ProtocolConfig;
use super::exchange::Exchange;
use super::fault::{Fault, LinkDown};
use super::frame::{Bulk, Frame, FrameReader, FrameWriter};
use super::handshake::{self, Accepting, Budget, Connecting, Context, Dialled, Handshake, Step};
use super::out_queue::{OutQueue, Outgoing};
use super::output::{Clock, Event, Intake, Peer, Spares};

/// One connection to one peer, without its socket.
///
/// Inputs are `handle_*`, commands are plain verbs, outputs are `poll_*`. After
/// each input and command, drain the outputs. Once closed, every input is
/// ignored and every output empty.
pub struct Protocol {
    config: Arc<ProtocolConfig>,
    local: EntityAddrVec,
    role: Role,
    state: State,
    queue: OutQueue,
    /// A keepalive is to go out before the next message.
    keepalive: bool,
    reader: FrameReader,
    writer: FrameWriter,
}

enum Role {
    Dialler(Dialler),
    Acceptor,
}

struct Dialler {
    peer_type: EntityType,
    peer: EntityAddrVec,
    /// The last pause between attempts; zero after success.
    backoff: Duration,
}

enum State {
    /// Not started.
    Idle,
    Dialling(Dialling),
    Handshake(Attempt),
    Open(Exchange),
    /// The last attempt failed; the next is due then.
    Backoff(Time),
    Closed,
}

struct Dialling {
    target: EntityAddr,
    deadline: Time,
}

struct Attempt {
    handshake: Handshake,
    budget: Budget,
    deadline: Time,
}

/// Inputs from below.
impl Protocol {
    /// A dialler. Nothing happens before [`Self::start`].
    pub fn connect(
        config: Arc<ProtocolConfig>,
        local: EntityAddrVec,
        peer_type: EntityType,
        peer: EntityAddrVec,
    ) -> Self {
        let role = Role::Dialler(Dialler {
            peer_type,
            peer,
            backoff: Duration::ZERO,
        });
        Self::new(config, local, role)
    }

    /// An acceptor, on a socket from that address. The banner is staged.
    pub fn accept(
        config: Arc<ProtocolConfig>,
        local: EntityAddrVec,
        from: SocketAddr,
        now: Time,
    ) -> Self {
        let mut protocol = Self::new(config, local, Role::Acceptor);
        let deadline = now + protocol.config.ready_timeout;
        protocol.shake(Handshake::Accept(Accepting::Banner(from)), deadline);
        protocol
    }

    /// Sets a dialler going.
    pub fn start(&mut self, now: Time, events: &mut Vec<Event>) {
        if matches!((&self.state, &self.role), (State::Idle, Role::Dialler(_))) {
            self.dial(now, events);
        }
    }

    /// The TCP connection that was asked for is up, from that IP of ours. It
    /// fills in an unknown address where peers are not asked for it.
    pub fn handle_connected(&mut self, from: Option<IpAddr>, now: Time) {
        let (State::Dialling(dialling), Role::Dialler(dialler)) = (&self.state, &self.role) else {
            return;
        };
        // The time to be open in runs from the moment of dialling.
        let deadline = dialling.deadline.min(now + self.config.ready_timeout);
        let dialled = Dialled {
            peer_type: dialler.peer_type,
            target: dialling.target,
            global_seq: self.config.global_seq.next(0),
        };
        if let Some(from) = from.filter(|_| !self.config.learn_addr) {
            self.local.fill_blank_ips(from);
        }
        self.shake(Handshake::Connect(Connecting::Banner(dialled)), deadline);
    }

    /// Parses as much of `input` as it can and returns how much it has used up.
    /// Present the rest again, in front of what is read next.
    pub fn handle_received(&mut self, input: &[u8], now: Clock, intake: &mut Intake<'_>) -> usize {
        let mut rest = input;
        match self.receive(&mut rest, now.now, intake) {
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

    /// The payload that was refused before is paid for now. Present the kept
    /// bytes again. Not to be called unless [`Self::is_waiting_for_admission`].
    pub fn handle_admitted(&mut self) {
        self.reader.handle_admitted();
    }

    /// The socket is gone, or could not be had.
    pub fn handle_disconnected(&mut self, why: LinkDown, now: Time, events: &mut Vec<Event>) {
        match self.state {
            State::Dialling(_) | State::Handshake(_) | State::Open(_) => {
                if matches!((&self.state, why), (State::Dialling(_), LinkDown::Refused)) {
                    events.push(Event::Refused);
                }
                self.fault(Fault::Link(why), now, events);
            }
            State::Idle | State::Backoff(_) | State::Closed => {}
        }
    }

    /// Time has passed; nothing happens before [`Self::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Time, events: &mut Vec<Event>) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        match self.state {
            State::Backoff(_) => self.dial(now, events),
            State::Open(_) => self.fault(Fault::IdleTimeout, now, events),
            _ => self.fault(Fault::ReadyTimeout, now, events),
        }
    }

    /// The first `n` bytes of what [`Self::poll_transmit`] offered are written.
    pub fn handle_sent(&mut self, n: usize, now: Time) {
        self.writer.handle_sent(n);
        if let State::Open(exchange) = &mut self.state {
            exchange.last_active = now;
        }
    }
}

/// Commands from above.
impl Protocol {
    /// Queues a message; it is written once the connection is open. On a closed
    /// connection it is dropped.
    #[inline]
    pub fn send(&mut self, message: Outgoing) {
        if !self.is_closed() {
            self.queue.push(message);
        }
    }

    /// Asks the peer for a sign of life before the next message goes out.
    pub fn keepalive(&mut self) {
        self.keepalive = !self.is_closed();
    }

    /// Ends it at once and without an event: what is queued is dropped, what
    /// was admitted for a half-read message is unused.
    pub fn mark_down(&mut self) {
        self.close();
    }

    /// Lets the connection stage its bytes in a buffer of the caller's, unless
    /// bytes of its own still wait.
    pub fn lend(&mut self, buffer: &mut Vec<u8>) {
        self.writer.lend(buffer);
    }

    /// Gives the lent buffer back, emptied, if all was written. Otherwise the
    /// connection keeps it until it is, and `buffer` gets an empty one.
    pub fn reclaim(&mut self, buffer: &mut Vec<u8>) {
        self.writer.reclaim(buffer);
    }
}

/// Outputs.
impl Protocol {
    /// Encodes queued messages, fills `slices` with what is to be written next
    /// and returns how many it has filled.
    pub fn poll_transmit<'a>(
        &'a mut self,
        now: Clock,
        spares: &mut Spares,
        slices: &mut [IoSlice<'a>],
    ) -> usize {
        if let State::Open(exchange) = &mut self.state {
            exchange.stage(
                &mut self.writer,
                &mut self.queue,
                &mut self.keepalive,
                now.wall,
                spares,
            );
        }
        self.writer.fill(slices)
    }

    /// When [`Self::handle_timeout`] is due. While open it moves with every
    /// byte; a timer armed for an earlier answer does no harm.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Idle | State::Closed => None,
            State::Dialling(dialling) => Some(dialling.deadline),
            State::Handshake(attempt) => Some(attempt.deadline),
            State::Open(exchange) => Some(exchange.last_active + self.config.idle_timeout),
            State::Backoff(until) => Some(*until),
        }
    }

    /// Budget admitted for frames of which no message came. Ask after each
    /// input, and when dropping the connection; each byte is reported once.
    pub fn take_unused_admission(&mut self) -> u64 {
        self.reader.take_unused()
    }

    /// True while staged bytes or, once open, anything queued remains.
    pub fn has_unsent(&self) -> bool {
        let queued = match &self.state {
            State::Open(exchange) => {
                self.keepalive || exchange.owes_ack() || !self.queue.is_empty()
            }
            _ => false,
        };
        queued || !self.writer.is_empty()
    }

    /// True while a refused payload is in the way of everything behind it.
    pub const fn is_waiting_for_admission(&self) -> bool {
        self.reader.is_waiting()
    }

    /// True from the end of the handshake to the end of the link.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// True once it is over for good.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Ceph's name for the state; back-off, which has none there, gets one.
    pub const fn state_name(&self) -> &'static str {
        match &self.state {
            State::Idle => "NONE",
            State::Dialling(_) => "START_CONNECT",
            State::Handshake(attempt) => attempt.handshake.name(),
            State::Open(_) => "READY",
            State::Backoff(_) => "BACKOFF",
            State::Closed => "CLOSED",
        }
    }
}

impl Protocol {
    fn new(config: Arc<ProtocolConfig>, local: EntityAddrVec, role: Role) -> Self {
        let crcs = config.crc_data;
        Self {
            config,
            local,
            role,
            state: State::Idle,
            queue: OutQueue::default(),
            keepalive: false,
            reader: FrameReader::new(crcs),
            writer: FrameWriter::new(crcs),
        }
    }

    fn dial(&mut self, now: Time, events: &mut Vec<Event>) {
        let Role::Dialler(dialler) = &self.role else {
            return;
        };
        let Some(target) = dialler.peer.msgr2().copied() else {
            return self.fault(Fault::NothingToDial, now, events);
        };
        let deadline = now + self.config.ready_timeout;
        self.state = State::Dialling(Dialling { target, deadline });
        events.push(Event::Dial(target));
    }

    fn shake(&mut self, handshake: Handshake, deadline: Time) {
        handshake::send_banner(&self.config, &mut self.writer);
        self.state = State::Handshake(Attempt {
            handshake,
            budget: Budget::default(),
            deadline,
        });
    }

    #[inline]
    fn receive(
        &mut self,
        rest: &mut &[u8],
        now: Time,
        intake: &mut Intake<'_>,
    ) -> Result<(), Fault> {
        while let State::Handshake(attempt) = &mut self.state {
            if attempt.handshake.expects_banner() {
                if !self.receive_banner(rest, intake.events)? {
                    return Ok(());
                }
                continue;
            }
            let before = rest.len();
            let frame = self.reader.next(rest, intake.admit)?;
            attempt.budget.spend_bytes(before - rest.len())?;
            let Some(frame) = frame else {
                return Ok(());
            };
            attempt.budget.spend_frame()?;
            self.receive_handshake(&frame, now, intake.events)?;
        }
        match &mut self.state {
            State::Open(exchange) => {
                exchange.last_active = now;
                exchange.receive(&mut self.reader, rest, intake)
            }
            // Nobody should read now; what comes belongs to a lost link.
            _ => {
                *rest = &[];
                Ok(())
            }
        }
    }

    /// False: it is not whole yet.
    fn receive_banner(&mut self, rest: &mut &[u8], events: &mut Vec<Event>) -> Result<bool, Fault> {
        let before = rest.len();
        let Some(theirs) = Banner::decode(rest)? else {
            return Ok(false);
        };
        let revision = Banner::of(&self.config).agree(&theirs)?;
        self.reader.set_revision(revision);
        self.writer.set_revision(revision);
        self.advance(
            |handshake, context| Ok(Step::Next(handshake.handle_banner(context))),
            events,
        )?;
        if let State::Handshake(attempt) = &mut self.state {
            attempt.budget.spend_bytes(before - rest.len())?;
        }
        Ok(true)
    }

    fn receive_handshake(
        &mut self,
        frame: &Frame<'_>,
        now: Time,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let peer = self.advance(
            |handshake, context| handshake.handle(frame, context),
            events,
        )?;
        if let Some(peer) = peer {
            if let Role::Dialler(dialler) = &mut self.role {
                dialler.backoff = Duration::ZERO;
            }
            self.reader.allow_messages(self.config.max_message);
            self.state = State::Open(Exchange::new(now));
            events.push(Event::Open(peer));
        }
        Ok(())
    }

    /// Moves the handshake on; yields the peer when that was the last step.
    fn advance(
        &mut self,
        step: impl FnOnce(Handshake, &mut Context<'_>) -> Result<Step<Handshake>, Fault>,
        events: &mut Vec<Event>,
    ) -> Result<Option<Peer>, Fault> {
        // A step that fails leaves the state behind in which a fault leads to
        // the next attempt.
        let State::Handshake(attempt) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(None);
        };
        let Attempt {
            handshake,
            budget,
            deadline,
        } = attempt;
        let (config, local, out) = (&*self.config, &mut self.local, &mut self.writer);
        match step(
            handshake,
            &mut Context {
                config,
                local,
                out,
                events,
            },
        )? {
            Step::Next(handshake) => {
                self.state = State::Handshake(Attempt {
                    handshake,
                    budget,
                    deadline,
                });
                Ok(None)
            }
            Step::Open(peer) => Ok(Some(peer)),
        }
    }

    /// The link is lost. A dialler that was not open yet tries again, unless
    /// that is hopeless; anything else is over.
    fn fault(&mut self, fault: Fault, now: Time, events: &mut Vec<Event>) {
        let was_open = self.is_open();
        let during = self.state_name();
        self.reader.reset();
        self.writer.clear();
        events.push(Event::Fault { fault, during });
        events.push(Event::CloseSocket);
        match &mut self.role {
            Role::Dialler(dialler) if !was_open && !fault.is_final() => {
                dialler.backoff = match fault {
                    Fault::Wait => self.config.max_backoff,
                    _ if dialler.backoff.is_zero() => self.config.initial_backoff,
                    _ => dialler
                        .backoff
                        .saturating_mul(2)
                        .min(self.config.max_backoff),
                };
                self.state = State::Backoff(now + dialler.backoff);
            }
            Role::Dialler(_) => {
                self.close();
                events.push(Event::Closed { reset: true });
            }
            Role::Acceptor => {
                self.close();
                events.push(Event::Closed { reset: was_open });
            }
        }
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.queue = OutQueue::default();
        self.keepalive = false;
        self.reader.reset();
        self.writer.clear();
    }
}
