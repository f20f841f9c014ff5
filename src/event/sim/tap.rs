//! `Tap`: somebody between programs and their sockets, who sees everything that
//! goes through and may stop it.

use std::io;
use std::time::Duration;

use super::network::Network;
use super::stream::{Held, Phase, StreamId, What};
use crate::event::registered::Key;

/// What becomes of bytes, or of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passage {
    /// So many of the bytes pass now; more is asked for anew.
    Pass(usize),
    /// Nothing passes in this direction before [`Network::release`].
    Hold,
    /// The connection breaks: this end gets an error, the other one a reset
    /// behind what is under way.
    Break,
    /// The stream ends here: this end gets an error when it writes and an end
    /// when it reads, the other one an end behind what is under way.
    End,
}

/// Called by the network, with the network locked.
pub trait Tap: Send {
    /// That process is about to dial. With [`Passage::Hold`] nobody hears of it.
    fn dial(&mut self, end: StreamId, process: usize) -> Passage;
    /// That process accepts `end`, whose dialler has the end `from`.
    fn accept(&mut self, end: StreamId, from: StreamId, process: usize) -> Passage;
    /// From now on it is watched under that key, of the process that has it.
    fn watch(&mut self, end: StreamId, key: Key);
    /// These bytes are about to be written. How many are taken, and what travels
    /// in their place.
    fn write(&mut self, end: StreamId, bytes: &mut Vec<u8>) -> Passage;
    /// So many bytes are there to be read.
    fn read(&mut self, end: StreamId, there: usize) -> Passage;
}

impl Network {
    /// Puts somebody in between, from now on.
    pub fn tap(&mut self, tap: Box<dyn Tap>) {
        self.tap = Some(tap);
    }

    /// Lets pass again, in both directions, what a tap holds at that end.
    pub fn release(&mut self, id: StreamId) {
        self.note("release", &[id]);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.held = Held::default();
            stream.void = false;
            self.touch(id);
            self.schedule_arrival(id);
        }
    }

    /// Asks the tap about a new socket of a process and does what it says.
    pub(super) fn tap_socket(&mut self, id: StreamId, from: Option<StreamId>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let process = stream.process;
        let passage = match (&mut self.tap, from) {
            (None, _) => return,
            (Some(tap), None) => tap.dial(id, process),
            (Some(tap), Some(from)) => tap.accept(id, from, process),
        };
        match passage {
            Passage::Pass(_) => {}
            Passage::Hold => {
                stream.held.reads = true;
                stream.held.writes = true;
                stream.void = stream.phase == Phase::Connecting;
            }
            Passage::Break | Passage::End if stream.phase == Phase::Connecting => {
                self.break_stream(id, io::ErrorKind::TimedOut);
            }
            Passage::Break => self.sever(id, What::Reset),
            Passage::End => self.sever(id, What::Fin),
        }
    }

    /// How many of `bytes` are taken, and in `bytes` what travels; the tap has
    /// been asked.
    pub(super) fn tap_write(&mut self, id: StreamId, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let Some(tap) = &mut self.tap else {
            return Ok(bytes.len());
        };
        match tap.write(id, bytes) {
            Passage::Pass(taken) => return Ok(taken),
            Passage::Hold => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.held.writes = true;
                }
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Passage::Break => self.sever(id, What::Reset),
            Passage::End => self.sever(id, What::Fin),
        }
        self.take_error(id).map(|()| 0)
    }

    /// How many of `there` bytes may be read; the tap has been asked. None: the
    /// stream ends here.
    pub(super) fn tap_read(&mut self, id: StreamId, there: usize) -> io::Result<Option<usize>> {
        let Some(tap) = &mut self.tap else {
            return Ok(Some(there));
        };
        let passage = tap.read(id, there);
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(Some(there));
        };
        match passage {
            Passage::Pass(taken) => Ok(Some(taken)),
            Passage::Hold => {
                stream.held.reads = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
            Passage::Break => {
                self.sever(id, What::Reset);
                self.take_error(id).map(|()| None)
            }
            Passage::End => {
                stream.ended = true;
                stream.received.clear();
                Ok(None)
            }
        }
    }

    /// Breaks this end alone. The other one gets what is under way, and then
    /// `last`.
    fn sever(&mut self, id: StreamId, last: What) {
        self.note("sever", &[id]);
        let why = match last {
            What::Fin => io::ErrorKind::BrokenPipe,
            _ => io::ErrorKind::ConnectionReset,
        };
        self.transmit(id, last);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.phase = Phase::Broken;
            stream.error = Some(why);
            stream.received.clear();
            // Not in the moment in which the bytes before it arrive: a reset takes
            // away what is not read yet.
            if let Some(last) = stream.outgoing.back_mut() {
                last.arrives = last.arrives + A_MOMENT;
            }
        }
        self.touch(id);
    }
}

const A_MOMENT: Duration = Duration::from_micros(1);
