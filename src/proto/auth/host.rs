//! A method of the host's: what it is asked, and what it may answer.

use super::Agreed;
use crate::types::EntityType;

/// What the host is asked in the course of one authentication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// We dial: what method, and what to say first (Ceph's `get_auth_request`)?
    Begin {
        /// Whom we dial.
        peer_type: EntityType,
    },
    /// The acceptor wants to hear more (`handle_auth_reply_more`).
    ReplyMore {
        /// What it said.
        payload: Vec<u8>,
    },
    /// The acceptor is satisfied: are we (`handle_auth_done`)?
    Done {
        /// Our number in the cluster.
        global_id: u64,
        /// The connection mode it chose, as the wire numbers it.
        con_mode: u32,
        /// Its last word.
        payload: Vec<u8>,
    },
    /// The acceptor declined (`handle_auth_bad_method`): is there another?
    BadMethod {
        /// What we offered.
        method: u32,
        /// A negative errno.
        result: i32,
        /// Methods that would do.
        allowed_methods: Vec<u32>,
        /// Modes that would do.
        allowed_modes: Vec<u32>,
    },
    /// We accept: what of a dialler that says this (`handle_auth_request`)?
    Request {
        /// What it says it is.
        peer_type: EntityType,
        /// It goes on; otherwise it begins.
        more: bool,
        /// Its method.
        method: u32,
        /// The connection mode that will be, as the wire numbers it.
        con_mode: u32,
        /// What it says.
        payload: Vec<u8>,
    },
}

/// What the host may answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To `Begin` and `BadMethod`: try this.
    Request {
        /// The method.
        method: u32,
        /// Connection modes, the preferred one first; none of them, those that
        /// are allowed.
        modes: Vec<u32>,
        /// What to say first.
        payload: Vec<u8>,
    },
    /// To `ReplyMore`, and to `Request`: say this and listen on.
    More(Vec<u8>),
    /// To `Done`, and with a last word to `Request`: that is who it is.
    Done(Box<Agreed>, Vec<u8>),
    /// No, with a positive errno.
    No(i32),
}
