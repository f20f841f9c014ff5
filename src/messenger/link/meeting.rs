//! A dialler asks for a session: what its link, and that of the session, do then.

use std::io;

use super::{Link, Scratch, count, down};
use crate::event::{ConnectedSocket, EventCenter, Interest, Registered};
use crate::messenger::connection::ConnectionRef;
use crate::proto::{LinkDown, Verdict};
use crate::types::EntityAddrVec;

impl Link {
    /// True once after its dialler has asked.
    pub(crate) fn take_asks(&mut self) -> bool {
        std::mem::take(&mut self.asks)
    }

    /// The addresses of a dialler that waits for an answer.
    pub(crate) fn asked(&self) -> Option<&EntityAddrVec> {
        self.protocol.asked()
    }

    /// Of two protocols one has to go: a session is spoken in one alone.
    pub(crate) fn speaks_as(&self, other: &Self) -> bool {
        self.protocol.speaks() == other.protocol.speaks()
    }

    /// Is the dialler that asks somebody else than the peer of that link?
    pub(crate) fn is_stranger_to(&self, other: &Self) -> bool {
        self.protocol.is_stranger_to(&other.protocol)
    }

    /// What becomes of the dialler's request.
    pub(crate) fn meet(&self, existing: Option<&Self>) -> Verdict {
        self.protocol.meet(existing.map(|link| &link.protocol))
    }

    /// Gives the dialler a session of its own.
    pub(crate) fn grant(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.grant(center.now(), &mut scratch.events);
        self.settle(scratch, center);
        self.resume(scratch, center);
    }

    /// Answers that it cannot be.
    pub(crate) fn refuse(
        &mut self,
        verdict: Verdict,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        self.protocol.refuse(verdict);
        self.resume(scratch, center);
    }

    /// Its own attempt shall survive, not that of the peer.
    pub(crate) fn insist(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.insist(center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    /// Goes on over the socket of `incoming`, of whose connection nobody knew.
    pub(crate) fn take_over(
        &mut self,
        mut incoming: Box<Self>,
        reset: bool,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        let now = center.now();
        self.close_socket(now);
        self.protocol
            .take_over(&mut incoming.protocol, reset, now, &mut scratch.events);
        self.held = std::mem::take(&mut incoming.held);
        self.begun = incoming.begun;
        let socket = incoming.socket.take();
        let so_far = incoming.con.take_mon_auth();
        self.con.mon_auth(|mon_auth| *mon_auth = so_far);
        self.con.note_socket_addr(incoming.con.peer_socket_addr());
        incoming.con.close();
        drop(incoming);
        match socket.map(|socket| self.move_here(socket, center)) {
            Some(Ok(())) => {
                self.settle(scratch, center);
                self.resume(scratch, center);
            }
            Some(Err(error)) => self.lost(down(&error), scratch, center),
            None => self.lost(LinkDown::Eof, scratch, center),
        }
    }

    /// Leaves its worker, before it is sent to another.
    pub(crate) fn detach(&mut self, center: &mut EventCenter) -> io::Result<()> {
        center.disarm(self.con.id());
        (self.armed, self.dirty, self.paused) = (None, false, false);
        match &mut self.socket {
            Some(socket) => socket.set_interest(Interest::NONE),
            None => Ok(()),
        }
    }

    /// Arrives at the worker of `con`, which takes the place of the connection
    /// that it had and of which nobody knew.
    pub(crate) fn attach(
        &mut self,
        con: ConnectionRef,
        center: &mut EventCenter,
    ) -> io::Result<()> {
        let former = std::mem::replace(&mut self.con, con);
        let so_far = former.take_mon_auth();
        self.con.mon_auth(|mon_auth| *mon_auth = so_far);
        self.con.note_socket_addr(former.peer_socket_addr());
        former.close();
        former.worker().release();
        count(&former, |traffic| &traffic.ended);
        count(&self.con, |traffic| &traffic.created);
        self.blocked = false;
        self.settle_entrant()?;
        match self.socket.take() {
            Some(socket) => self.move_here(socket, center),
            None => Ok(()),
        }
    }

    fn move_here(
        &mut self,
        mut socket: Registered<ConnectedSocket>,
        center: &mut EventCenter,
    ) -> io::Result<()> {
        let moved = socket.move_to(self.con.id(), center, Interest::READ);
        self.socket = Some(socket);
        moved
    }
}
