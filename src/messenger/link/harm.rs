//! Faults on purpose, as a link meets them.

use super::Link;
use crate::messenger::connection::ConnectionRef;
use crate::messenger::injection::{Injector, Settings};
use crate::types::{Message, Time};

impl Link {
    /// The message, if it is to be delivered now.
    #[inline]
    pub(super) fn pass(&mut self, message: Box<Message>, now: Time) -> Option<Box<Message>> {
        let asked = self.con.messenger().injection().settings();
        if asked.is_none() && self.injector.is_none() {
            return Some(message);
        }
        self.pass_faults(message, asked.as_ref(), now)
    }

    #[cold]
    fn pass_faults(
        &mut self,
        message: Box<Message>,
        asked: Option<&Settings>,
        now: Time,
    ) -> Option<Box<Message>> {
        let peer = self.con.peer_type();
        if asked.is_some_and(|asked| asked.swallows(peer)) {
            self.dispatched += message.payload_len() as u64;
            return None;
        }
        let injector = self.injector.get_or_insert_with(|| injector(&self.con));
        injector.hold_back(message, asked, peer, now)
    }

    /// Delivers what was held back and whose time has come.
    pub(super) fn deliver_delayed(&mut self, now: Time) {
        let Some(injector) = &mut self.injector else {
            return;
        };
        let messenger = self.con.messenger();
        let chain = messenger.dispatchers().snapshot();
        while let Some(message) = injector.pop_due(now) {
            self.dispatched += messenger.deliver(&chain, &self.con, message, now);
        }
    }

    pub(super) fn discard_delayed(&mut self) {
        if let Some(injector) = &mut self.injector {
            self.dispatched += injector.discard();
        }
    }

    pub(super) fn stall(&mut self) {
        if let Some(asked) = self.con.messenger().injection().settings() {
            let injector = self.injector.get_or_insert_with(|| injector(&self.con));
            injector.stall(&asked);
        }
    }
}

/// Shall the next read or write fail on purpose?
pub(super) fn breaks_socket(slot: &mut Option<Box<Injector>>, con: &ConnectionRef) -> bool {
    let Some(asked) = con.messenger().injection().settings() else {
        return false;
    };
    let breaks = slot
        .get_or_insert_with(|| injector(con))
        .breaks_socket(&asked);
    if breaks {
        log::info!("{con}: injecting a socket failure");
    }
    breaks
}

fn injector(con: &ConnectionRef) -> Box<Injector> {
    Box::new(Injector::new(con.messenger().seed()))
}
