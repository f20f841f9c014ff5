//! What a link does about what its protocol has said.

use std::io;
use std::net::SocketAddr;

use super::{Link, Scratch, down};
use crate::event::{ConnectedSocket, EventCenter, Interest, SocketOptions};
use crate::messenger::auth::AuthReply;
use crate::messenger::dispatch_queue::Item;
use crate::messenger::dispatcher::Chain;
use crate::proto::{Event, Fault, LinkDown, MonAuth};
use crate::types::{EntityAddr, Time};

impl Link {
    pub(super) fn lost(&mut self, why: LinkDown, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol
            .handle_disconnected(why, center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    /// Acts on what the protocol has said.
    pub(super) fn settle(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        if scratch.events.is_empty() {
            return self.return_budget();
        }
        self.count_messages(&scratch.events);
        let mut events = std::mem::take(&mut scratch.events);
        let chain = self.con.messenger().dispatchers().snapshot();
        for event in events.drain(..) {
            self.handle_event(event, &chain, scratch, center);
        }
        // What dialling at once may have added behind.
        events.append(&mut scratch.events);
        scratch.events = events;
        if !scratch.events.is_empty() {
            return self.settle(scratch, center);
        }
        self.return_budget();
    }

    fn handle_event(
        &mut self,
        event: Event,
        chain: &Chain,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        let messenger = self.con.messenger();
        match event {
            Event::Message(message) => {
                if let Some(message) = self.pass(message, center.now()) {
                    let messenger = self.con.messenger();
                    self.dispatched += messenger.deliver(chain, &self.con, message, center.now());
                }
            }
            Event::Dial(addr) => {
                self.stall();
                self.con.mon_auth(MonAuth::begin_anew);
                self.dial_now(&addr, scratch, center);
            }
            Event::Learned(addr) => {
                if let Some(socket) = addr.socket {
                    messenger.learned_addr(socket.ip());
                }
            }
            Event::Open(peer, by) => {
                self.half_open = None;
                self.stall();
                let takes_frames = self.protocol.takes_batches();
                self.con.outbox().set_takes_frames(takes_frames);
                if self.con.open(*peer) {
                    self.con.messenger().connected(&self.con, by);
                }
            }
            Event::Resumed(identity, by) => {
                self.stall();
                if self.con.reopen(identity) {
                    self.con.messenger().connected(&self.con, by);
                }
            }
            Event::Auth(question) => {
                self.questions += 1;
                let reply = AuthReply::new(&self.con, self.questions);
                messenger.ask_host(&self.con, question, reply);
            }
            Event::MonAuth(so_far) => self.con.mon_auth(|mon_auth| *mon_auth = so_far),
            Event::Denied(why) => {
                messenger.counters().denied.add(1);
                log::warn!("{} is denied: {why}", self.con);
            }
            Event::Asked => self.asks = true,
            Event::RemoteReset => {
                self.discard_delayed();
                let messenger = self.con.messenger();
                messenger.discard(&self.con);
                messenger
                    .dispatch_queue()
                    .enqueue_event(&self.con, Item::RemoteReset);
            }
            Event::Keepalive => self.con.note_keepalive(center.wall()),
            Event::KeepaliveAck(stamp) => self.con.note_keepalive_ack(stamp),
            Event::Refused => messenger
                .dispatch_queue()
                .enqueue_event(&self.con, Item::Refused),
            Event::Fault { fault, during } => {
                self.con.note_fault(fault);
                self.report(&fault, during);
                self.stall();
            }
            Event::CloseSocket => self.close_socket(center.now()),
            Event::Closed { reset } => self.end(reset),
        }
    }

    fn count_messages(&self, events: &[Event]) {
        let is_message = |event: &&Event| matches!(event, Event::Message(_));
        let messages = events.iter().filter(is_message).count();
        if let Some(traffic) = self.traffic() {
            traffic.received_messages.add_alone(messages as u64);
        }
    }

    /// One line that names peer and reason. That a peer hangs up after a
    /// conversation is the usual end of one and no cause for concern.
    fn report(&self, fault: &Fault, during: &str) {
        let messenger = self.con.messenger();
        messenger.counters().note_fault(fault, during);
        let usual = self.con.is_connected() && *fault == Fault::Link(LinkDown::Eof);
        let level = if usual {
            log::Level::Debug
        } else {
            log::Level::Warn
        };
        log::log!(level, "{} {during}: {fault}", self.con);
    }

    fn dial_now(&mut self, addr: &EntityAddr, scratch: &mut Scratch, center: &mut EventCenter) {
        let Some(target) = addr.socket else { return };
        self.con.note_socket_addr(*addr);
        self.begun = Some(center.now());
        let dialled = self
            .connect(target, center)
            .and_then(|socket| center.register(self.con.id(), socket, Interest::WRITE));
        match dialled {
            Ok(socket) => {
                self.socket = Some(socket);
                self.dialling = true;
            }
            Err(error) => {
                self.protocol
                    .handle_disconnected(down(&error), center.now(), &mut scratch.events)
            }
        }
    }

    /// The way past the network, if the peer is on this host and listens there. If
    /// it led nowhere the last time the other one is taken.
    fn connect(&mut self, to: SocketAddr, center: &EventCenter) -> io::Result<ConnectedSocket> {
        let messenger = self.con.messenger();
        self.local = None;
        let local = messenger.options().local_sockets.as_ref();
        if let Some(sockets) = local.filter(|_| !self.avoids_local) {
            match center.connect_local(to, sockets) {
                Ok(socket) => {
                    messenger.counters().connected_locally.add(1);
                    self.local = Some(to.ip());
                    return Ok(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => log::debug!("{}: no local socket for {to}: {error}", self.con),
            }
        }
        let options = messenger.socket_options();
        if !messenger.options().bind_before_connect {
            return center.connect(to, &options);
        }
        let options = SocketOptions {
            source: messenger.own_ip(to),
            ..options
        };
        center.connect(to, &options)
    }

    pub(super) fn close_socket(&mut self, now: Time) {
        self.avoids_local = self.local.is_some() && !self.con.is_connected();
        self.local = None;
        self.con.lose();
        self.stop_waiting();
        // What has arrived is delivered, unless this is the end of the link.
        if let Some(injector) = &mut self.injector {
            injector.release(now);
        }
        self.socket = None;
        self.dialling = false;
        self.blocked = false;
        self.paused = false;
        self.held = Vec::new();
    }

    /// The connection is over; the shard drops the link.
    pub(crate) fn end(&mut self, reset: bool) {
        self.over = true;
        let known = self.con.close();
        let messenger = self.con.messenger();
        messenger.forget(&self.con);
        // Whoever marked it down wants to hear no more of it.
        if reset && known {
            messenger
                .dispatch_queue()
                .enqueue_event(&self.con, Item::Reset);
        }
    }

    /// Returns the budget of what was dispatched, and what was admitted for
    /// frames that never became a message.
    pub(super) fn return_budget(&mut self) {
        let bytes = std::mem::take(&mut self.dispatched) + self.protocol.take_unused_admission();
        self.con.messenger().put_throttle(bytes);
        self.con.note_released(self.protocol.take_released());
    }
}
