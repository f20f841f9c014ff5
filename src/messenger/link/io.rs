//! Reading and writing: bytes between a link's socket and its protocol.

use std::io::{self, IoSlice};

use super::harm::breaks_socket;
use super::{Flushed, Link, STAGING_LEN, Scratch, clock, down};
use crate::event::{EventCenter, Interest};
use crate::messenger::decoder::decode;
use crate::messenger::rx_alloc::alloc;
use crate::proto::{Admission, Decode, Event, Intake, Lend, LinkDown, Protocol};
use crate::types::Message;

/// Bytes a link may read, and write, in one turn before the others have theirs.
const TURN_BYTES: usize = 2 << 20;

/// Messages delivered before it is looked whether replies wait to be written. A
/// peer that waits for them gets on with its work while the rest is dispatched.
const DELIVERED_AT_ONCE: usize = 32;

/// Slices handed to the kernel at once.
const SLICES: usize = 64;

impl Link {
    /// Writes what there is to write, until the socket is full or the turn's
    /// share is used up.
    pub(crate) fn flush(&mut self, scratch: &mut Scratch, center: &mut EventCenter) -> Flushed {
        if self.blocked || self.dialling {
            return Flushed::Done;
        }
        let Some(socket) = &self.socket else {
            self.wake(scratch, center);
            return Flushed::Done;
        };
        let clock = clock(center);
        self.protocol.lend(&mut scratch.encode);
        let mut written = 0;
        let mut result = Ok(Flushed::More);
        while written < TURN_BYTES {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.protocol.poll_transmit(clock, &mut slices);
            if filled == 0 {
                result = Ok(Flushed::Done);
                break;
            }
            let wanted: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
            if breaks_socket(&mut self.injector, &self.con) {
                result = Err(io::ErrorKind::ConnectionReset.into());
                break;
            }
            match socket.write_vectored(&slices[..filled]) {
                Ok(taken) => {
                    self.protocol.handle_sent(taken, clock.now);
                    written += taken;
                    if taken < wanted {
                        self.blocked = true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            if self.blocked {
                result = Ok(Flushed::Done);
                break;
            }
        }
        self.protocol.reclaim(&mut scratch.encode);
        let messages = std::mem::take(&mut self.sent);
        if let Some(traffic) = self.traffic() {
            traffic.sent_messages.add_alone(messages);
            traffic.sent_bytes.add_alone(written as u64);
        }
        self.con.note_released(self.protocol.take_released());
        for unencoded in self.protocol.take_unencoded() {
            log::warn!("{}: {unencoded}", self.con);
        }
        match result {
            Ok(flushed) => {
                self.update_interest(scratch, center);
                flushed
            }
            Err(error) => {
                self.lost(LinkDown::Io(error.kind()), scratch, center);
                Flushed::Done
            }
        }
    }

    /// Dials if it rested and now has something to send.
    fn wake(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.wake(center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    /// The dialled socket reported: it is connected, or it failed.
    pub(super) fn dialled(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let Some(socket) = &self.socket else { return };
        match socket.take_error() {
            Ok(()) => {
                self.dialling = false;
                // To an address of one's own host one comes from there.
                let from = self
                    .local
                    .or_else(|| socket.local_addr().ok().map(|local| local.ip()));
                let messenger = self.con.messenger();
                if let Some(from) = from.filter(|_| !messenger.options().learn_addr) {
                    messenger.learned_addr(from);
                }
                self.protocol.handle_connected(from, center.now());
                self.update_interest(scratch, center);
            }
            Err(error) => self.lost(down(&error), scratch, center),
        }
    }

    /// Reads what the socket has, up to the turn's share, and lets the protocol
    /// act on it.
    pub(super) fn fill(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let mut read = 0;
        while read < TURN_BYTES && !self.paused && self.reads() {
            let Some(socket) = &self.socket else { return };
            if breaks_socket(&mut self.injector, &self.con) {
                let reset = LinkDown::Io(io::ErrorKind::ConnectionReset);
                return self.lost(reset, scratch, center);
            }
            let lent = self.protocol.lent().map(|room| {
                let (room, _) = room.split_at_mut(room.len().min(TURN_BYTES));
                (socket.read(room), room.len())
            });
            let (got, room) = match (lent, self.protocol.bulk()) {
                (Some((got, room)), _) => {
                    self.count_received(&got);
                    if let Ok(read @ 1..) = got {
                        self.parse_lent(read, scratch, center);
                    }
                    (got, room)
                }
                (None, Some(bulk)) => {
                    let room = bulk.missing.min(bulk.buffer.capacity() - bulk.buffer.len());
                    let got = socket.read_to_spare(bulk.buffer);
                    // More spare room than was asked for brings bytes of the
                    // next frame: they belong in front of the next read.
                    let excess = got
                        .as_ref()
                        .map_or(0, |got| got.saturating_sub(bulk.missing));
                    let end = bulk.buffer.len() - excess;
                    self.held.extend_from_slice(&bulk.buffer[end..]);
                    bulk.buffer.truncate(end);
                    self.count_received(&got);
                    if matches!(got, Ok(1..)) {
                        self.parse_bulk(scratch, center);
                        if excess > 0 && self.socket.is_some() {
                            self.resume(scratch, center);
                        }
                    }
                    (got, room)
                }
                (None, None) => {
                    scratch.staging.clear();
                    scratch.staging.append(&mut self.held);
                    scratch.staging.reserve(STAGING_LEN / 2);
                    let room = scratch.staging.capacity() - scratch.staging.len();
                    let got = socket.read_to_spare(&mut scratch.staging);
                    self.count_received(&got);
                    if matches!(got, Ok(1..)) {
                        self.parse(scratch, center);
                    } else {
                        self.held.extend_from_slice(&scratch.staging);
                    }
                    (got, room)
                }
            };
            match got {
                Ok(0) => return self.lost(LinkDown::Eof, scratch, center),
                // A short read has emptied the socket; the poller tells of more.
                Ok(got) if got < room => return,
                Ok(got) => read += got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.lost(down(&error), scratch, center),
            }
        }
    }

    /// Before what was read is acted on: who is told of a message finds its bytes
    /// counted.
    fn count_received(&self, got: &io::Result<usize>) {
        if let (Some(traffic), Ok(got)) = (self.traffic(), got) {
            traffic.received_bytes.add_alone(*got as u64);
        }
    }

    /// Gives the staged bytes to the protocol and keeps what it leaves.
    pub(super) fn parse(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let mut used = 0;
        self.paused = false;
        loop {
            let input = &scratch.staging[used..];
            used += self.take_in(&mut scratch.events, |protocol, intake| {
                protocol.handle_received(input, clock(center), intake)
            });
            let has_more = scratch.events.len() >= self.max_events();
            self.settle(scratch, center);
            if !has_more || self.socket.is_none() {
                break;
            }
            if self.con.worker().has_events() {
                self.paused = true;
                break;
            }
        }
        if self.socket.is_some() {
            hold(&mut self.held, &scratch.staging[used..]);
        }
    }

    fn parse_bulk(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.take_in(&mut scratch.events, |protocol, intake| {
            protocol.handle_bulk(clock(center), intake);
        });
        self.settle(scratch, center);
    }

    fn parse_lent(&mut self, read: usize, scratch: &mut Scratch, center: &mut EventCenter) {
        self.take_in(&mut scratch.events, |protocol, intake| {
            protocol.handle_lent(read, clock(center), intake)
        });
        self.settle(scratch, center);
    }

    /// Lets the protocol look at received bytes, with the messenger's budget to
    /// draw on.
    fn take_in<R>(
        &mut self,
        events: &mut Vec<Event>,
        look: impl FnOnce(&mut Protocol, &mut Intake<'_>) -> R,
    ) -> R {
        let max_events = self.max_events();
        let (con, wait, entry) = (&self.con, &mut self.wait, &mut self.entry);
        let decoder = con.messenger().decoder();
        let mut decode =
            decoder.map(|decoder| |message: &mut Message| decode(decoder, con, message));
        let allocator = con.messenger().rx_allocator_slot().get();
        let mut lend = allocator.map(|allocator| |request| alloc(allocator, con, request));
        let mut intake = Intake {
            events,
            admit: &mut |request| {
                *wait += 1;
                match con.messenger().admit(con, *wait, request) {
                    Ok(hold) => Admission::Granted(hold),
                    Err(waits) => {
                        *entry = Some(Box::new(waits));
                        Admission::Wait
                    }
                }
            },
            lend: lend.as_mut().map(|lend| lend as Lend<'_>),
            decode: decode.as_mut().map(|decode| decode as Decode<'_>),
            max_events,
        };
        look(&mut self.protocol, &mut intake)
    }

    /// That the connection is open is told before its first message is parsed:
    /// what may be read depends on who the peer is.
    fn max_events(&self) -> usize {
        match self.con.is_connected() {
            true => DELIVERED_AT_ONCE,
            false => 1,
        }
    }

    /// Not before it is connected, which it may have to be anew since it was read
    /// last. Nor while it waits for admission or for the host, or its dialler for an
    /// answer: what comes then stays in the kernel.
    fn reads(&self) -> bool {
        !self.dialling
            && !self.protocol.is_waiting_for_admission()
            && self.protocol.asked().is_none()
            && !self.protocol.awaits_host()
    }

    /// Reads if it may; asks for writability only while the socket is full.
    pub(super) fn update_interest(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let reads = self.reads();
        let Some(socket) = &mut self.socket else {
            return;
        };
        let writes = self.blocked || self.dialling;
        let interest = match (reads, writes) {
            (true, true) => Interest::READ_WRITE,
            (true, false) => Interest::READ,
            (false, true) => Interest::WRITE,
            (false, false) => Interest::NONE,
        };
        if socket.interest() == interest {
            return;
        }
        if let Err(error) = socket.set_interest(interest) {
            self.lost(LinkDown::Io(error.kind()), scratch, center);
        }
    }
}

/// Keeps bytes for later. With none to keep the buffer goes as well: it would
/// lie idle in every link that ever waited with a full one.
fn hold(held: &mut Vec<u8>, rest: &[u8]) {
    if rest.is_empty() {
        *held = Vec::new();
    } else {
        // Without room to grow, which mostly goes unused.
        held.reserve_exact(rest.len());
        held.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_nothing_held_keeps_no_buffer() {
        let (mut held, mut staging) = (Vec::new(), Vec::new());
        hold(&mut held, &[7; 100_000]);
        assert_eq!(held, [7; 100_000]);
        staging.append(&mut held);
        hold(&mut held, &[]);
        assert_eq!(held.capacity(), 0);
    }
}
