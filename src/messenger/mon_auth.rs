//! Authentication by messages, as a program meets it.

use std::time::Duration;

use super::async_messenger::AsyncMessenger;
use super::connection::Connection;
use super::error::{Error, Result};
use super::keys::since_1970;
use crate::proto::{
    AuthContext, AuthFault, AuthWant, ConMode, KeyStore, MSG_AUTH, MSG_AUTH_REPLY, MonAuth,
    Progress,
};
use crate::types::{EntityType, Message, Time, WallTime};

impl Connection {
    /// A message that asks the monitor at the other end for that, to be sent to
    /// it on this connection. Its reply goes to [`Connection::auth_reply`].
    ///
    /// # Errors
    /// `EACCES` without the key or the ticket that it takes.
    pub fn auth_request(&self, want: AuthWant) -> Result<Message> {
        let request = self.with_mon_auth(|mon_auth, context| mon_auth.request(want, context));
        Ok(message(MSG_AUTH, &request.map_err(denied)?))
    }

    /// Takes the monitor's reply to such a message. What it brings is kept for
    /// all connections of the messenger. Some: a message to be sent in turn.
    ///
    /// # Errors
    /// `EINVAL` for another message; `EACCES` if the monitor has declined, or has
    /// not proved that it knows our key.
    pub fn auth_reply(&self, reply: &Message) -> Result<Option<Message>> {
        let front = front(reply, MSG_AUTH_REPLY)?;
        let progress = self.with_mon_auth(|mon_auth, context| mon_auth.reply(&front, context));
        match progress.map_err(denied)? {
            Progress::More(next) => Ok(Some(message(MSG_AUTH, &next))),
            Progress::LoggedIn(agreed) => {
                self.note_identity(agreed.identity(self.mode()));
                Ok(None)
            }
            Progress::Got => Ok(None),
        }
    }

    /// For a messenger that is a monitor: the reply to a message of a client that
    /// authenticates, or asks for tickets. Who the client has proved to be is
    /// what [`Connection::identity`] says from then on.
    ///
    /// # Errors
    /// `EINVAL` for another message. A client that is denied gets a reply, too.
    pub fn auth_serve(&self, request: &Message) -> Result<Message> {
        let front = front(request, MSG_AUTH)?;
        let served = self.with_mon_auth(|mon_auth, context| mon_auth.serve(&front, context));
        let (reply, verdict) = served.map_err(|why| Error::invalid(why.to_string()))?;
        match verdict {
            Ok(Some(agreed)) => self.note_identity(agreed.identity(self.mode())),
            Ok(None) => {}
            Err(why) => log::warn!("{self} is denied: {why}"),
        }
        Ok(message(MSG_AUTH_REPLY, &reply))
    }

    fn mode(&self) -> ConMode {
        self.identity().map_or(ConMode::Crc, |peer| peer.mode)
    }

    fn with_mon_auth<R>(&self, act: impl FnOnce(&mut MonAuth, AuthContext<'_>) -> R) -> R {
        let messenger = self.messenger();
        let config = messenger.config();
        let context = AuthContext {
            auth: &config.auth,
            name: &config.name,
            peer_type: self.peer_type(),
            modes: &[],
            now: messenger.wall(),
        };
        self.mon_auth(|mon_auth| act(mon_auth, context))
    }
}

impl AsyncMessenger {
    /// How long until a ticket for such a service should be renewed; none if there
    /// is no ticket that is good.
    pub(crate) fn ticket_left(&self, service: EntityType) -> Option<Duration> {
        let now = self.wall();
        let ticket = self.keys().ticket(service)?;
        ticket
            .is_good(now)
            .then(|| since_1970(ticket.renew_after).saturating_sub(since_1970(now)))
    }

    /// The same of the keys that open tickets for our own service.
    pub(crate) fn rotating_keys_left(&self) -> Option<Duration> {
        self.keys().rotating_left(self.wall())
    }

    /// The monotonic clock.
    pub(crate) fn now(&self) -> Time {
        self.stack().least_loaded().now()
    }

    /// The calendar time.
    pub(crate) fn wall(&self) -> WallTime {
        self.stack().least_loaded().wall()
    }
}

fn message(kind: u16, front: &[u8]) -> Message {
    let mut message = Message::new(kind);
    message.front.append_copy(front);
    message
}

fn front(message: &Message, kind: u16) -> Result<Vec<u8>> {
    if message.kind != kind {
        let why = format!(
            "a message of type {} is none of authentication",
            message.kind
        );
        return Err(Error::invalid(why));
    }
    Ok(message.front.pieces().collect::<Vec<_>>().concat())
}

fn denied(why: AuthFault) -> Error {
    Error::new(libc::EACCES, why.to_string())
}
