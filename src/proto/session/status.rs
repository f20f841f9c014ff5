//! How far a session is, for those who look at it from outside.

use super::Session;

/// Numbers of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionStatus {
    /// The names that the two ends have given it; 0 for none.
    pub client_cookie: u64,
    /// As above.
    pub server_cookie: u64,
    /// Attempts to resume it.
    pub connect_seq: u64,
    /// The peer's highest count of attempts.
    pub peer_global_seq: u64,
    /// The last message received.
    pub in_seq: u64,
    /// The last number given to a message.
    pub out_seq: u64,
    /// The last message that the peer said it has.
    pub acked: u64,
    /// Messages that wait to be written, for the first time or again.
    pub queued: u64,
    /// Messages that were written and are not acknowledged.
    pub unacked: usize,
}

impl Session {
    /// How far it is. What waits is counted, so it is not for every message.
    pub fn status(&self) -> SessionStatus {
        SessionStatus {
            client_cookie: self.client_cookie,
            server_cookie: self.server_cookie,
            connect_seq: self.connect_seq,
            peer_global_seq: self.peer_global_seq,
            in_seq: self.in_seq,
            out_seq: self.out_seq,
            acked: self.acked,
            queued: self.queue.messages() + self.replay.len() as u64,
            unacked: self.sent.len(),
        }
    }
}
