//! Authentication by the host's own method.

use std::fmt;

use super::connection::ConnectionRef;
use super::external::External;
use crate::proto::{Answer, Question};

/// A method that the program brings (Ceph's `AuthClient` and `AuthServer`).
///
/// It is asked on a worker and must not block. The reply may be given at once, or
/// later and from any other thread; until then the connection waits, as long as
/// its time to be open allows, and no other does.
pub trait AuthHandler: Send + Sync {
    /// What to say next on a connection of which the application may not know
    /// yet. Each question is answered by one [`AuthReply::answer`].
    fn handle_auth(&self, con: &ConnectionRef, question: Question, reply: AuthReply);
}

/// Where the answer to one question goes. Dropped without one, it says no.
pub struct AuthReply {
    con: ConnectionRef,
    /// Which question of the connection's it answers.
    serial: u64,
    answered: bool,
}

impl AuthReply {
    pub(crate) fn new(con: &ConnectionRef, serial: u64) -> Self {
        Self {
            con: ConnectionRef::clone(con),
            serial,
            answered: false,
        }
    }

    /// Answers. It comes to nothing if the attempt has ended meanwhile.
    pub fn answer(mut self, answer: Answer) {
        self.send(answer);
    }

    fn send(&mut self, answer: Answer) {
        self.answered = true;
        let event = External::AuthAnswer(self.con.id(), self.serial, Box::new(answer));
        self.con.worker().dispatch_event_external(event);
    }
}

impl Drop for AuthReply {
    fn drop(&mut self) {
        if !self.answered {
            self.send(Answer::No(libc::ECANCELED));
        }
    }
}

impl fmt::Debug for AuthReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthReply({} question {})", self.con, self.serial)
    }
}
