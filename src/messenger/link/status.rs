//! What a link is doing, for those who look at it from outside.

use std::os::fd::RawFd;

use super::Link;
use crate::event::TcpInfo;
use crate::messenger::connection::ConnectionRef;
use crate::proto::Status;
use crate::types::Time;

/// A link at one moment: plain data, that other threads make a text of.
pub(crate) struct LinkStatus {
    pub(crate) con: ConnectionRef,
    pub(crate) protocol: Status,
    /// When this was.
    pub(crate) now: Time,
    /// When its socket was made; none if it never had one.
    pub(crate) begun: Option<Time>,
    /// The application knows of it.
    pub(crate) known: bool,
    pub(crate) dialling: bool,
    /// It passes by the network.
    pub(crate) local: bool,
    pub(crate) fd: Option<RawFd>,
    pub(crate) tcp_info: Option<TcpInfo>,
    /// Bytes that were read and wait for the rest of their frame.
    pub(crate) held: usize,
}

impl Link {
    /// What it is doing. Costs a system call, and walks what is queued.
    pub(crate) fn status(&self, now: Time) -> LinkStatus {
        let socket = self.socket.as_ref();
        LinkStatus {
            con: ConnectionRef::clone(&self.con),
            protocol: self.protocol.status(),
            now,
            begun: self.begun,
            known: self.is_known(),
            dialling: self.dialling,
            local: self.local.is_some(),
            fd: socket.and_then(|socket| socket.fd()),
            tcp_info: socket.and_then(|socket| socket.tcp_info()),
            held: self.held.len(),
        }
    }
}
