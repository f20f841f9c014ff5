//! An open connection: messages, acks and keepalives both ways.

use crate::types::{Message, RxRequest, Stamps, Time, WallTime, received};

use super::codec::DecodeError;
use super::config::ProtocolConfig;
use super::fault::Fault;
use super::frame::control::{Ack, Keepalive2, Keepalive2Ack};
use super::frame::{
    Frame, FrameReader, FrameWriter, MessageHeader, Tag, decode_legacy_header, fitting,
};
use super::handshake::payload;
use super::mutation::{self, Mutation};
use super::out_queue::Queued;
use super::output::{Clock, Event, Intake, Lend};
use super::session::Session;

/// As many bytes are staged before the socket has taken some: about what a
/// processor's cache holds.
const STAGE_MAX: usize = 256 << 10;

/// One link of a session, while it is open.
pub struct Exchange {
    /// What is written is forgotten, what is received is not acknowledged.
    lossy: bool,
    wire: Wire,
    /// Messages came that no message or ACK of ours has acknowledged yet.
    owes_ack: bool,
    /// The newest keepalive of the peer that is not answered yet.
    owed_answer: Option<WallTime>,
    /// When the message that is half read began to come, and was admitted.
    begun: Option<Stamps>,
    /// When a byte last came or went.
    last_active: Time,
    last_received: Time,
    /// When the peer last took something, or was first given something to take.
    last_progress: Time,
    /// The last write left bytes over.
    backlog: bool,
    /// When the socket last took bytes that it had no room for before.
    last_taken: Time,
    /// When a keepalive went out because nothing came.
    probed: Option<Time>,
}

/// What messages travel in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    /// Frames of msgr2. Each message acknowledges those that have come.
    Frames,
    /// Records of v1. Messages and acks are apart, and not everybody knows
    /// keepalives.
    Records {
        /// This peer does.
        keepalive2: bool,
    },
}

impl Exchange {
    /// Opened at that time.
    pub const fn new(lossy: bool, wire: Wire, now: Time) -> Self {
        Self {
            lossy,
            wire,
            owes_ack: false,
            owed_answer: None,
            begun: None,
            last_active: now,
            last_received: now,
            last_progress: now,
            backlog: false,
            last_taken: now,
            probed: None,
        }
    }

    /// Takes the frames that are whole off the front of `input`, as many as the
    /// intake has room for.
    pub fn receive(
        &mut self,
        reader: &mut FrameReader,
        session: &mut Session,
        input: &mut &[u8],
        clock: Clock,
        intake: &mut Intake<'_>,
    ) -> Result<(), Fault> {
        let now = clock.now;
        self.last_active = now;
        self.last_received = now;
        self.probed = None;
        let at_once = Stamps::at(clock.wall);
        reader.set_lending(intake.lend.is_some());
        while intake.events.len() < intake.max_events {
            let Some(frame) = reader.next(input, intake.admit)? else {
                if let (Some(lend), Some(wanted)) = (&mut intake.lend, reader.wanted()) {
                    reader.lend(lend(wanted));
                    continue;
                }
                self.note_begun(reader, clock);
                break;
            };
            let begun = self.begun.take();
            match frame.tag {
                Tag::Message => {
                    let stamps = begun.unwrap_or(at_once);
                    self.on_message(&frame, stamps, reader, session, clock, intake)?;
                }
                Tag::Keepalive2 => {
                    self.owed_answer = Some(payload::<Keepalive2>(&frame)?.stamp);
                    intake.events.push(Event::Keepalive);
                }
                Tag::Keepalive2Ack => {
                    let stamp = payload::<Keepalive2Ack>(&frame)?.stamp;
                    intake.events.push(Event::KeepaliveAck(stamp));
                }
                Tag::Ack => {
                    let seq = payload::<Ack>(&frame)?.seq;
                    self.on_ack(seq, session, now)?;
                }
                tag => return Err(Fault::Unexpected(tag)),
            }
        }
        Ok(())
    }

    /// Something of a frame has come, and perhaps was admitted. Whether that is a
    /// message will be seen.
    fn note_begun(&mut self, reader: &FrameReader, clock: Clock) {
        let at_once = Stamps::at(clock.wall);
        if reader.is_waiting() {
            let begun = self.begun.get_or_insert(at_once);
            begun.throttled = WallTime::default();
        } else if reader.is_within_frame() {
            let begun = self.begun.get_or_insert(at_once);
            if begun.throttled == WallTime::default() {
                begun.throttled = clock.wall;
            }
        }
    }

    /// Stages what is due, keepalives first, as long as little is staged.
    pub fn stage(
        &mut self,
        writer: &mut FrameWriter,
        session: &mut Session,
        keepalive: &mut bool,
        now: Clock,
        max_message: u64,
    ) {
        if writer.is_empty() && !session.awaits_ack() {
            self.last_progress = now.now;
        }
        if writer.is_worn() {
            return;
        }
        if std::mem::take(keepalive) && self.has_keepalives() {
            writer.control(&Keepalive2 { stamp: now.wall });
        }
        if let Some(stamp) = self.owed_answer.take() {
            writer.control(&Keepalive2Ack { stamp });
        }
        while writer.unsent() < STAGE_MAX && !writer.is_worn() {
            let outgoing = match session.next(max_message) {
                Some(Queued::One(outgoing)) => outgoing,
                Some(Queued::Batch(batch)) if self.lossy && writer.takes_batches() => {
                    writer.batch(&batch, session.number(&batch), session.in_seq());
                    self.owes_ack = false;
                    continue;
                }
                Some(Queued::Batch(batch)) => {
                    session.unpack(&batch);
                    continue;
                }
                None => {
                    self.acknowledge(writer, session);
                    break;
                }
            };
            writer.message(&outgoing, outgoing.message.seq, session.in_seq());
            self.owes_ack &= self.wire != Wire::Frames;
            match self.lossy || mutation::is(Mutation::AckEarly) {
                true => session.let_go(outgoing),
                false => session.keep(outgoing),
            }
        }
        if self.wire != Wire::Frames {
            // However much there is to say, it must not wait for the end of that.
            self.acknowledge(writer, session);
        }
    }

    /// A message of msgr2 would have carried it.
    #[inline]
    fn acknowledge(&mut self, writer: &mut FrameWriter, session: &Session) {
        if std::mem::take(&mut self.owes_ack) {
            let seq = session.in_seq();
            writer.control(&Ack { seq });
        }
    }

    const fn has_keepalives(&self) -> bool {
        match self.wire {
            Wire::Frames => true,
            Wire::Records { keepalive2 } => keepalive2,
        }
    }

    /// When a byte last came or went, and when one last came.
    pub const fn last_active(&self) -> (Time, Time) {
        (self.last_active, self.last_received)
    }

    /// The socket has taken bytes, and `left` says whether some remain.
    pub fn handle_sent(&mut self, left: bool, now: Time) {
        self.last_active = now;
        // Bytes that just vanish into the kernel's buffer prove nothing.
        if self.backlog {
            self.last_taken = now;
        }
        if self.backlog || self.lossy {
            self.last_progress = now;
        }
        self.backlog = left;
    }

    /// What the peer has sent is read again, after this end had no room for it.
    /// Its silence meanwhile was ours.
    pub fn read_again(&mut self, now: Time) {
        self.last_received = now;
        self.last_progress = now;
        self.probed = None;
    }

    /// True if a frame other than a message is due.
    pub const fn owes_frame(&self) -> bool {
        self.owes_ack || self.owed_answer.is_some()
    }

    /// When [`Self::handle_timeout`] is due. It moves with every byte.
    pub fn poll_timeout(
        &self,
        config: &ProtocolConfig,
        reader: &FrameReader,
        writer: &FrameWriter,
        session: &Session,
    ) -> Time {
        self.next_due(config, reader, writer, session).0
    }

    /// What the passing of so much time means. No fault: send a keepalive.
    pub fn handle_timeout(
        &mut self,
        config: &ProtocolConfig,
        reader: &FrameReader,
        writer: &FrameWriter,
        session: &Session,
        now: Time,
    ) -> Option<Fault> {
        let (_, fault) = self.next_due(config, reader, writer, session);
        if fault.is_none() {
            self.probed = Some(now);
        }
        fault
    }

    /// What is due next; no fault stands for a keepalive.
    fn next_due(
        &self,
        config: &ProtocolConfig,
        reader: &FrameReader,
        writer: &FrameWriter,
        session: &Session,
    ) -> (Time, Option<Fault>) {
        let mut next = (
            self.last_active + config.idle_timeout,
            Some(Fault::IdleTimeout),
        );
        let mut sooner = |at: Time, fault: Option<Fault>| {
            if at < next.0 {
                next = (at, fault);
            }
        };
        if writer.is_worn() && writer.is_empty() {
            sooner(Time::ZERO, Some(Fault::NoncesUsedUp));
        }
        // Acks and answers may lie behind a message that there is no room for.
        let reads = !reader.is_waiting();
        if !config.progress_timeout.is_zero() {
            if !writer.is_empty() || (reads && session.awaits_ack()) {
                let at = self.last_progress + config.progress_timeout;
                sooner(at, Some(Fault::NoProgress));
            }
            // It may hold budget that others wait for.
            if reader.is_within_frame() {
                let at = self.last_received + config.progress_timeout;
                sooner(at, Some(Fault::HalfFrame));
            }
        }
        if reads && !config.keepalive_interval.is_zero() && self.has_keepalives() {
            match self.probed {
                // It goes out, and comes in, behind what is under way.
                Some(at) => {
                    let at = at.max(self.last_taken) + config.keepalive_timeout;
                    sooner(at, Some(Fault::KeepaliveTimeout));
                }
                None => sooner(self.last_received + config.keepalive_interval, None),
            }
        }
        next
    }

    #[inline]
    fn on_message(
        &mut self,
        frame: &Frame<'_>,
        stamps: Stamps,
        reader: &mut FrameReader,
        session: &mut Session,
        clock: Clock,
        intake: &mut Intake<'_>,
    ) -> Result<(), Fault> {
        let malformed = |why: DecodeError| Fault::Payload(Tag::Message, why);
        let header = match self.wire {
            Wire::Frames => MessageHeader::decode(frame.first()).map_err(malformed)?,
            Wire::Records { .. } => decode_legacy_header(frame.first()).map_err(malformed)?.0,
        };
        if !self.lossy {
            self.owes_ack = true;
            if self.wire == Wire::Frames {
                self.on_ack(header.ack_seq, session, clock.now)?;
            }
        }
        let seq = header.seq;
        if !session.is_new(seq) {
            reader.refund();
            return Ok(());
        }
        let mut message = header.into_message();
        frame.fill(&mut message);
        if let Some(lend) = &mut intake.lend {
            if !reader.take_asked() {
                copy_to_lent(&mut message, lend);
            }
        }
        message.stamps = Stamps {
            completed: clock.wall,
            dispatched: clock.wall,
            ..stamps
        };
        if message.stamps.throttled == WallTime::default() {
            message.stamps.throttled = clock.wall;
        }
        if let Some(decode) = &mut intake.decode {
            let kind = message.kind;
            decode(&mut message).map_err(|errno| Fault::Undecodable(kind, errno))?;
        }
        session.receive(seq);
        message.hold = reader.spend();
        intake.events.push(Event::Message(message));
        Ok(())
    }

    /// Nothing is kept for a lossy peer, so there is nothing to forget.
    fn on_ack(&mut self, seq: u64, session: &mut Session, now: Time) -> Result<(), Fault> {
        let is_news = session.acknowledge(seq)?;
        if is_news {
            self.last_progress = now;
        }
        Ok(())
    }
}

/// Moves a message's data to memory that the program lends for them, if it does.
#[cold]
fn copy_to_lent(message: &mut Message, lend: &mut Lend<'_>) {
    let len = message.data.len();
    if len == 0 {
        return;
    }
    let request = RxRequest {
        kind: message.kind,
        tid: message.tid,
        data_off: message.data_off,
        len,
    };
    let Some(mut buffer) = fitting(lend(request), len) else {
        return;
    };
    let mut room = buffer.bytes_mut();
    for piece in message.data.pieces() {
        let (to, rest) = room.split_at_mut(piece.len().min(room.len()));
        to.copy_from_slice(piece.get(..to.len()).unwrap_or_default());
        room = rest;
    }
    message.data = received(buffer).into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::frame::{Revision, Side, keys};
    use crate::types::{AuthName, Message, Policy, PolicySet, Secret};

    #[test]
    fn a_link_without_nonces_writes_what_is_staged_and_ends() {
        let name: AuthName = "client.a".parse().unwrap();
        let config = ProtocolConfig::new(name, PolicySet::new(Policy::lossless_peer()));
        let secret = Secret::new(vec![7; 64]);
        let (mut sealer, opener) = keys(&secret, Side::Dialler, Revision::Rev1).unwrap();
        sealer.skip_to_last(5);
        let (mut reader, mut writer) = (FrameReader::new(true), FrameWriter::new(true));
        reader.set_secure(opener);
        writer.set_secure(sealer);
        let mut session = Session::default();
        for _ in 0..9 {
            let mut message = Message::new(1);
            message.data.append_copy(b"two records each");
            session.push(message);
        }
        let now = Clock::default();
        let mut exchange = Exchange::new(false, Wire::Frames, now.now);
        let max = config.max_message;
        exchange.stage(&mut writer, &mut session, &mut true, now, max);
        // A keepalive, of one record, and one message; the others wait.
        let staged = writer.unsent();
        assert_eq!(staged, 96 + 96 + 48);
        assert!(session.has_queued());
        let due = |writer: &FrameWriter, session: &Session| {
            exchange.next_due(&config, &reader, writer, session)
        };
        assert!(due(&writer, &session).0 > now.now);
        writer.handle_sent(staged);
        let (at, fault) = due(&writer, &session);
        assert_eq!((at, fault), (Time::ZERO, Some(Fault::NoncesUsedUp)));
    }
}
