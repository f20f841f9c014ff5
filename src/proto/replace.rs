//! What becomes of a dialler that asks for a session while there is one, or
//! another attempt at one, with the same peer.

/// What is known here of a connection to the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Existing {
    /// A fault would end it, so it has nothing to hand on.
    pub lossy: bool,
    /// This end never dials that peer.
    pub server: bool,
    /// Signs that the peer lost its session count.
    pub resetcheck: bool,
    /// How far it is.
    pub phase: Phase,
    /// See [`Session`](super::session::Session).
    pub client_cookie: u64,
    /// As above.
    pub server_cookie: u64,
    /// As above.
    pub peer_global_seq: u64,
    /// As above.
    pub connect_seq: u64,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// This end is dialling, or about to.
    Dialling,
    /// It is open, as far as this end knows.
    Open,
    /// It rests without a link.
    Standby,
}

/// What the dialler asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// A new session, by CLIENT_IDENT.
    Ident {
        /// Its name; 0 if lossy.
        client_cookie: u64,
        /// The dialler's count of attempts.
        global_seq: u64,
    },
    /// To go on with a session, by SESSION_RECONNECT.
    Reconnect(Reconnect),
}

/// What a dialler says of the session that it wants to go on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reconnect {
    /// Its name.
    pub client_cookie: u64,
    /// The dialler's count of attempts.
    pub global_seq: u64,
    /// Its count of attempts in this session.
    pub connect_seq: u64,
    /// Whether the last message it says it has can be: see
    /// [`Session::could_have`](super::session::Session::could_have).
    pub plausible: bool,
}

/// The answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A session of its own.
    New,
    /// The same, and the existing connection ends with a reset.
    Displace,
    /// The existing connection takes over the socket for a new session.
    /// `reset`: the peer has lost the old one, and so its messages are lost.
    Replace {
        /// Tell the application, drop what was queued.
        reset: bool,
    },
    /// The existing connection takes over the socket and goes on.
    Resume,
    /// WAIT: the existing connection's own attempt is the one to survive.
    Wait,
    /// SESSION_RETRY with that count.
    Retry(u64),
    /// SESSION_RETRY_GLOBAL with that count.
    RetryGlobal(u64),
    /// SESSION_RESET.
    Reset {
        /// Everything is lost.
        full: bool,
    },
    /// No answer: the attempt has been overtaken by a later one.
    Stale,
}

/// Decides. `dialler_first` says whether the dialler's address sorts before
/// ours: of two ends that dial each other, the connection dialled by the first
/// survives.
pub fn decide(existing: Option<&Existing>, asked: Asked, dialler_first: bool) -> Verdict {
    match (existing, asked) {
        (None, Asked::Ident { .. }) => Verdict::New,
        (None, Asked::Reconnect(_)) => Verdict::Reset { full: true },
        (
            Some(existing),
            Asked::Ident {
                client_cookie,
                global_seq,
            },
        ) => meet_ident(existing, client_cookie, global_seq, dialler_first),
        (Some(existing), Asked::Reconnect(asked)) => meet_reconnect(existing, asked, dialler_first),
    }
}

fn meet_ident(
    existing: &Existing,
    client_cookie: u64,
    global_seq: u64,
    dialler_first: bool,
) -> Verdict {
    let stale = existing.peer_global_seq > global_seq;
    let has_session = existing.client_cookie != 0 && existing.server_cookie != 0;
    let other_session = has_session && existing.client_cookie != client_cookie;
    // A client that was restarted under its old address may count its attempts from
    // the start. Its old link ended with it, though: beside one that is open, an old
    // attempt is a leftover of the process that is still there, which has given it
    // up. Towards a peer that dials us while we dial it, it is just the one that
    // lost the race.
    let link_is_gone = existing.phase != Phase::Open;
    let restarted = other_session && link_is_gone && existing.server && !existing.lossy;
    if stale && !restarted {
        return Verdict::Stale;
    }
    if existing.lossy {
        return Verdict::Displace;
    }
    if other_session {
        let reset = existing.resetcheck;
        return Verdict::Replace { reset };
    }
    let interrupted = existing.client_cookie == client_cookie;
    let racing = existing.phase == Phase::Dialling && !existing.server;
    if racing && !interrupted && !dialler_first {
        return Verdict::Wait;
    }
    Verdict::Replace { reset: false }
}

fn meet_reconnect(existing: &Existing, asked: Reconnect, dialler_first: bool) -> Verdict {
    if existing.client_cookie != asked.client_cookie {
        let full = existing.resetcheck;
        return Verdict::Reset { full };
    }
    if existing.server_cookie == 0 {
        // We dialled and never saw that the peer had accepted.
        return Verdict::Reset { full: false };
    }
    if existing.peer_global_seq > asked.global_seq {
        return Verdict::RetryGlobal(existing.peer_global_seq);
    }
    if existing.connect_seq > asked.connect_seq {
        return Verdict::Retry(existing.connect_seq);
    }
    let racing = existing.connect_seq == asked.connect_seq && existing.phase != Phase::Standby;
    if racing && !existing.server && !dialler_first {
        return Verdict::Wait;
    }
    if !asked.plausible {
        return Verdict::Reset { full: true };
    }
    Verdict::Resume
}

#[cfg(test)]
mod tests {
    use super::Phase::{Dialling, Open, Standby};
    use super::Verdict::{Displace, New, Replace, Reset, Resume, Retry, RetryGlobal, Stale, Wait};
    use super::*;

    const PEER: Existing = Existing {
        lossy: false,
        server: false,
        resetcheck: false,
        phase: Open,
        client_cookie: 7,
        server_cookie: 8,
        peer_global_seq: 20,
        connect_seq: 5,
    };

    /// Knows no session yet.
    const FRESH: Existing = Existing {
        phase: Dialling,
        client_cookie: 3,
        server_cookie: 0,
        peer_global_seq: 0,
        connect_seq: 0,
        ..PEER
    };

    fn ident(client_cookie: u64, global_seq: u64) -> Asked {
        Asked::Ident {
            client_cookie,
            global_seq,
        }
    }

    fn reconnect(client_cookie: u64, global_seq: u64, connect_seq: u64) -> Asked {
        Asked::Reconnect(Reconnect {
            client_cookie,
            global_seq,
            connect_seq,
            plausible: true,
        })
    }

    fn check(table: &[(Existing, Asked, [Verdict; 2])]) {
        for (row, (existing, asked, expected)) in table.iter().enumerate() {
            let verdicts = [false, true].map(|first| decide(Some(existing), *asked, first));
            assert_eq!(
                verdicts, *expected,
                "row {row}: {existing:?} meets {asked:?}"
            );
        }
    }

    #[test]
    fn a_stranger_gets_a_session_and_a_session_nobody_knows_is_reset() {
        assert_eq!(decide(None, ident(7, 1), false), New);
        assert_eq!(
            decide(None, reconnect(7, 1, 1), false),
            Reset { full: true }
        );
    }

    #[test]
    fn every_meeting_with_a_client_ident() {
        let keep = Replace { reset: false };
        let lose = Replace { reset: true };
        let with = |phase| Existing { phase, ..PEER };
        let server = Existing {
            server: true,
            resetcheck: true,
            ..PEER
        };
        let server_at = |phase| Existing { phase, ..server };
        let reuse = Existing {
            resetcheck: true,
            ..PEER
        };
        let lossy = Existing {
            lossy: true,
            client_cookie: 0,
            server_cookie: 0,
            ..PEER
        };
        check(&[
            // An attempt that a later one has overtaken.
            (PEER, ident(7, 19), [Stale; 2]),
            (reuse, ident(9, 19), [Stale; 2]),
            (lossy, ident(0, 19), [Stale; 2]),
            // A lossy connection has nothing to hand on.
            (lossy, ident(0, 20), [Displace; 2]),
            // Another cookie: the peer was restarted.
            (PEER, ident(9, 21), [keep; 2]),
            (reuse, ident(9, 21), [lose; 2]),
            (server, ident(9, 21), [lose; 2]),
            // A client under its old address and nonce counts from 1 again.
            (server_at(Standby), ident(9, 1), [lose; 2]),
            (server_at(Standby), ident(7, 1), [Stale; 2]),
            // One that has given up an attempt, which comes after its next one.
            (server_at(Open), ident(9, 1), [Stale; 2]),
            // Our answer got lost.
            (PEER, ident(7, 21), [keep; 2]),
            (with(Dialling), ident(7, 21), [keep; 2]),
            (with(Standby), ident(7, 21), [keep; 2]),
            // Both ends dial each other for the first time.
            (FRESH, ident(4, 1), [Wait, keep]),
            (FRESH, ident(3, 1), [keep; 2]),
            (
                Existing {
                    server: true,
                    ..FRESH
                },
                ident(4, 1),
                [keep; 2],
            ),
        ]);
    }

    #[test]
    fn every_meeting_with_a_session_reconnect() {
        let with = |phase| Existing { phase, ..PEER };
        let server = Existing {
            server: true,
            resetcheck: true,
            ..PEER
        };
        let implausible = Asked::Reconnect(Reconnect {
            client_cookie: 7,
            global_seq: 21,
            connect_seq: 6,
            plausible: false,
        });
        check(&[
            // Another session than ours.
            (PEER, reconnect(9, 21, 6), [Reset { full: false }; 2]),
            (server, reconnect(9, 21, 6), [Reset { full: true }; 2]),
            // Ours, of which we have seen nothing yet.
            (FRESH, reconnect(3, 21, 1), [Reset { full: false }; 2]),
            // Overtaken attempts.
            (PEER, reconnect(7, 19, 6), [RetryGlobal(20); 2]),
            (PEER, reconnect(7, 20, 4), [Retry(5); 2]),
            // Both ends try to resume.
            (with(Dialling), reconnect(7, 21, 5), [Wait, Resume]),
            (with(Open), reconnect(7, 21, 5), [Wait, Resume]),
            (server, reconnect(7, 21, 5), [Resume; 2]),
            // Nobody here dials, so there is no race.
            (with(Standby), reconnect(7, 21, 5), [Resume; 2]),
            (PEER, reconnect(7, 21, 6), [Resume; 2]),
            // It has what was never sent: these are not two ends of one session.
            (PEER, implausible, [Reset { full: true }; 2]),
        ]);
    }
}
