//! `Witness`: an application that notes what it is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{ConnectionRef, Dispatcher, Message};

/// What the application of one process has heard.
#[derive(Default)]
pub struct Witness {
    heard: Mutex<Heard>,
    /// What it says to whom it hears of for the first time.
    greetings: u64,
}

#[derive(Default)]
struct Heard {
    of: BTreeMap<u64, Callbacks>,
    inbox: Vec<u64>,
    /// What must not be.
    wrong: Vec<String>,
}

/// What it was told of one connection.
#[derive(Clone, Default, Debug)]
pub struct Callbacks {
    pub con: Option<ConnectionRef>,
    pub connect: u32,
    pub accept: u32,
    pub reset: u32,
    pub remote_reset: u32,
    fast_connect: u32,
    fast_accept: u32,
    /// A remote reset was told and not yet that the connection is up again.
    is_reset: bool,
}

impl Witness {
    /// One that sends so many messages on every connection that it accepts.
    pub fn new(greetings: u64) -> Self {
        Self {
            greetings,
            ..Self::default()
        }
    }

    /// It knows of this connection, having asked for it.
    pub fn asked_for(&self, con: &ConnectionRef) {
        self.note(con, |_| ());
    }

    pub fn callbacks(&self) -> BTreeMap<u64, Callbacks> {
        self.heard().of.clone()
    }

    /// The messages that came, by their tids.
    pub fn inbox(&self) -> Vec<u64> {
        self.heard().inbox.clone()
    }

    /// What cannot be right whatever happened.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = self.heard().wrong.clone();
        for (id, of) in self.callbacks() {
            let (fast, queued) = ((of.fast_connect, of.fast_accept), (of.connect, of.accept));
            if fast != queued {
                wrong.push(format!(
                    "{id}: {fast:?} fast and {queued:?} queued callbacks"
                ));
            }
            if of.is_reset && of.con.is_some_and(|con| con.is_connected()) {
                wrong.push(format!(
                    "{id}: a remote reset is told after the link behind it"
                ));
            }
        }
        wrong
    }

    fn note<R>(&self, con: &ConnectionRef, note: impl FnOnce(&mut Callbacks) -> R) -> R {
        let mut heard = self.heard();
        let of = heard.of.entry(con.id()).or_default();
        of.con.get_or_insert_with(|| ConnectionRef::clone(con));
        if of.reset > 0 {
            let late = format!("{}: something is told after its end", con.id());
            heard.wrong.push(late);
        }
        note(heard.of.entry(con.id()).or_default())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatcher for Witness {
    fn can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        mut got: Box<Message>,
    ) -> Result<(), Box<Message>> {
        let is_up = self.note(con, |of| of.fast_connect + of.fast_accept > 0);
        let mut sent = message(got.tid);
        let mut heard = self.heard();
        heard.inbox.push(got.tid);
        if !is_up {
            let what = format!("message {} comes before its connection", got.tid);
            heard.wrong.push(what);
        }
        if *got.front.contiguous() != *sent.front.contiguous()
            || *got.data.contiguous() != *sent.data.contiguous()
        {
            let what = format!("message {} has become another one", got.tid);
            heard.wrong.push(what);
        }
        Ok(())
    }

    fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        unreachable!("every message is taken at once")
    }

    fn handle_fast_connect(&self, con: &ConnectionRef) {
        self.note(con, |of| of.fast_connect += 1);
    }

    fn handle_connect(&self, con: &ConnectionRef) {
        self.note(con, |of| {
            of.connect += 1;
            of.is_reset = false;
        });
    }

    fn handle_fast_accept(&self, con: &ConnectionRef) {
        let heard_of = self.note(con, |of| {
            of.fast_accept += 1;
            of.fast_accept + of.fast_connect
        });
        if heard_of == 1 {
            (1..=self.greetings).for_each(|tid| con.send(message(tid)).expect("it is up"));
        }
    }

    fn handle_accept(&self, con: &ConnectionRef) {
        self.note(con, |of| {
            of.accept += 1;
            of.is_reset = false;
        });
    }

    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        self.note(con, |of| of.reset += 1);
        true
    }

    fn handle_remote_reset(&self, con: &ConnectionRef) {
        self.note(con, |of| {
            of.remote_reset += 1;
            of.is_reset = true;
        });
    }
}

/// The message with that tid.
pub fn message(tid: u64) -> Message {
    let mut message = Message::new(1);
    message.tid = tid;
    message.front.append_copy(&tid.to_le_bytes());
    message.data.append_copy(&[tid as u8; 300]);
    message
}
