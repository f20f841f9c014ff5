//! An open connection: messages and keepalives both ways.

use crate::types::{Time, WallTime};

use super::codec::DecodeError;
use super::fault::Fault;
use super::frame::control::{Ack, Keepalive2, Keepalive2Ack};
use super::frame::{Frame, FrameReader, FrameWriter, MessageHeader, Tag};
use super::handshake::payload;
use super::out_queue::OutQueue;
use super::output::{Event, Intake, Spares};

/// As many bytes are staged before the socket has taken some: about what a
/// processor's cache holds.
const STAGE_MAX: usize = 256 << 10;

/// Where both directions stand.
pub struct Exchange {
    in_seq: u64,
    out_seq: u64,
    /// The newest keepalive of the peer that is not answered yet.
    owed_ack: Option<WallTime>,
    /// When a byte last came or went.
    pub last_active: Time,
}

impl Exchange {
    /// Opened at that time.
    pub const fn new(now: Time) -> Self {
        Self {
            in_seq: 0,
            out_seq: 0,
            owed_ack: None,
            last_active: now,
        }
    }

    /// Takes the frames that are whole off the front of `input`, as many as the
    /// intake has room for.
    pub fn receive(
        &mut self,
        reader: &mut FrameReader,
        input: &mut &[u8],
        intake: &mut Intake<'_>,
    ) -> Result<(), Fault> {
        while intake.events.len() < intake.max_events {
            let Some(frame) = reader.next(input, intake.admit)? else {
                break;
            };
            match frame.tag {
                Tag::Message => self.on_message(&frame, reader, intake)?,
                Tag::Keepalive2 => {
                    self.owed_ack = Some(payload::<Keepalive2>(&frame)?.stamp);
                }
                Tag::Keepalive2Ack => {
                    let stamp = payload::<Keepalive2Ack>(&frame)?.stamp;
                    intake.events.push(Event::KeepaliveAck(stamp));
                }
                Tag::Ack => self.on_ack(&payload(&frame)?)?,
                tag => return Err(Fault::Unexpected(tag)),
            }
        }
        Ok(())
    }

    /// Stages what is due, keepalives first, as long as little is staged.
    pub fn stage(
        &mut self,
        writer: &mut FrameWriter,
        queue: &mut OutQueue,
        keepalive: &mut bool,
        wall: WallTime,
        spares: &mut Spares,
    ) {
        if std::mem::take(keepalive) {
            writer.control(&Keepalive2 { stamp: wall });
        }
        if let Some(stamp) = self.owed_ack.take() {
            writer.control(&Keepalive2Ack { stamp });
        }
        while writer.unsent() < STAGE_MAX {
            let Some(outgoing) = queue.pop() else {
                break;
            };
            self.out_seq += 1;
            writer.message(&outgoing, self.out_seq, self.in_seq);
            spares.put(outgoing.message);
        }
    }

    /// True if an answer is due.
    pub const fn owes_ack(&self) -> bool {
        self.owed_ack.is_some()
    }

    /// Gaps are accepted: the peer may have lost messages with an earlier
    /// connection.
    #[inline]
    fn on_message(
        &mut self,
        frame: &Frame<'_>,
        reader: &mut FrameReader,
        intake: &mut Intake<'_>,
    ) -> Result<(), Fault> {
        let malformed = |why: DecodeError| Fault::Payload(Tag::Message, why);
        let header = MessageHeader::decode(frame.first()).map_err(malformed)?;
        if header.seq <= self.in_seq {
            reader.refund();
            return Ok(());
        }
        self.in_seq = header.seq;
        let mut message = header.into_message(intake.spares);
        [message.front, message.middle, message.data] = frame.payloads();
        reader.spend();
        intake.events.push(Event::Message(message));
        Ok(())
    }

    /// Nothing is kept for a lossy peer, so there is nothing to forget.
    const fn on_ack(&self, ack: &Ack) -> Result<(), Fault> {
        if ack.seq > self.out_seq {
            return Err(Fault::AckAhead(ack.seq));
        }
        Ok(())
    }
}
