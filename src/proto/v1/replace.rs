//! What becomes of a CONNECT while there is a session, or an attempt at one, with
//! the same peer: the rules of v1, which has no names for sessions and goes by
//! counts alone.

use crate::proto::replace::{Phase, Verdict};

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
    /// The peer is known to have been told of the session.
    pub shared: bool,
    /// See [`Session`](crate::proto::session::Session).
    pub peer_global_seq: u64,
    /// As above; 0 if there is no session.
    pub connect_seq: u64,
}

/// What the dialler says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Its count of attempts.
    pub global_seq: u64,
    /// Its count of attempts in the session; 0 if it knows of none.
    pub connect_seq: u64,
}

/// Decides. `dialler_first` says whether the dialler's address sorts before
/// ours: of two ends that dial each other, the connection dialled by the first
/// survives.
pub fn decide(existing: Option<&Existing>, asked: Asked, dialler_first: bool) -> Verdict {
    let Some(existing) = existing else {
        return match asked.connect_seq {
            0 => Verdict::New,
            _ => Verdict::Reset { full: true },
        };
    };
    if asked.global_seq < existing.peer_global_seq {
        return Verdict::RetryGlobal(existing.peer_global_seq);
    }
    if existing.lossy {
        return Verdict::Displace;
    }
    if asked.connect_seq == 0 && existing.connect_seq > 0 {
        // The peer was restarted, or our answer never reached it. Nothing that it
        // could have lost was ever sent to one that has not seen an answer.
        let reset = existing.resetcheck && existing.shared;
        return Verdict::Replace { reset };
    }
    if asked.connect_seq < existing.connect_seq {
        return Verdict::Retry(existing.connect_seq + 1);
    }
    if asked.connect_seq == existing.connect_seq {
        return meet_equal(existing, dialler_first);
    }
    if existing.resetcheck && existing.connect_seq == 0 {
        // It goes on with a session of which nothing is known here.
        return Verdict::Reset { full: true };
    }
    Verdict::Resume
}

fn meet_equal(existing: &Existing, dialler_first: bool) -> Verdict {
    match existing.phase {
        Phase::Dialling if !dialler_first && !existing.server => Verdict::Wait,
        Phase::Dialling if existing.connect_seq > 0 => Verdict::Resume,
        // Neither knows of a session.
        _ if existing.connect_seq == 0 => Verdict::Replace { reset: false },
        Phase::Dialling | Phase::Open | Phase::Standby => Verdict::Retry(existing.connect_seq + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::Phase::{Dialling, Open, Standby};
    use super::Verdict::{Displace, New, Replace, Reset, Resume, Retry, RetryGlobal, Wait};
    use super::*;

    const PEER: Existing = Existing {
        lossy: false,
        server: false,
        resetcheck: false,
        phase: Open,
        shared: true,
        peer_global_seq: 20,
        connect_seq: 5,
    };

    /// Knows no session yet.
    const FRESH: Existing = Existing {
        phase: Dialling,
        shared: false,
        peer_global_seq: 0,
        connect_seq: 0,
        ..PEER
    };

    const KEEP: Verdict = Replace { reset: false };
    const LOSE: Verdict = Replace { reset: true };

    const fn asked(global_seq: u64, connect_seq: u64) -> Asked {
        Asked {
            global_seq,
            connect_seq,
        }
    }

    const fn reuse(existing: Existing) -> Existing {
        Existing {
            resetcheck: true,
            ..existing
        }
    }

    const fn server(existing: Existing) -> Existing {
        Existing {
            server: true,
            ..existing
        }
    }

    const fn at(phase: Phase, existing: Existing) -> Existing {
        Existing { phase, ..existing }
    }

    /// Each row with the verdicts for a dialler that sorts behind and before us.
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
        assert_eq!(decide(None, asked(1, 0), false), New);
        assert_eq!(decide(None, asked(1, 1), true), Reset { full: true });
    }

    #[test]
    fn an_attempt_that_was_overtaken_has_to_count_on() {
        let lossy = Existing {
            lossy: true,
            ..PEER
        };
        check(&[
            (PEER, asked(19, 6), [RetryGlobal(20); 2]),
            (PEER, asked(19, 0), [RetryGlobal(20); 2]),
            (lossy, asked(19, 0), [RetryGlobal(20); 2]),
            (at(Dialling, PEER), asked(0, 5), [RetryGlobal(20); 2]),
            (PEER, asked(20, 6), [Resume; 2]),
        ]);
    }

    #[test]
    fn a_lossy_connection_has_nothing_to_hand_on() {
        let lossy = Existing {
            lossy: true,
            connect_seq: 1,
            ..PEER
        };
        check(&[
            (lossy, asked(21, 0), [Displace; 2]),
            (lossy, asked(21, 3), [Displace; 2]),
        ]);
    }

    #[test]
    fn a_peer_that_knows_no_session_was_restarted_or_never_told() {
        let untold = Existing {
            shared: false,
            ..PEER
        };
        check(&[
            (PEER, asked(21, 0), [KEEP; 2]),
            (reuse(PEER), asked(21, 0), [LOSE; 2]),
            (reuse(at(Standby, PEER)), asked(21, 0), [LOSE; 2]),
            (reuse(at(Dialling, PEER)), asked(21, 0), [LOSE; 2]),
            (server(reuse(PEER)), asked(21, 0), [LOSE; 2]),
            (server(reuse(untold)), asked(21, 0), [KEEP; 2]),
            (untold, asked(21, 0), [KEEP; 2]),
        ]);
    }

    #[test]
    fn a_session_goes_on_for_whoever_counts_on() {
        check(&[
            (PEER, asked(21, 4), [Retry(6); 2]),
            (reuse(PEER), asked(21, 1), [Retry(6); 2]),
            (at(Dialling, PEER), asked(21, 4), [Retry(6); 2]),
            (PEER, asked(21, 5), [Retry(6); 2]),
            (reuse(PEER), asked(21, 5), [Retry(6); 2]),
            (server(at(Standby, PEER)), asked(21, 5), [Retry(6); 2]),
            (PEER, asked(21, 6), [Resume; 2]),
            (reuse(PEER), asked(21, 9), [Resume; 2]),
            (at(Standby, PEER), asked(21, 6), [Resume; 2]),
            (at(Dialling, PEER), asked(21, 6), [Resume; 2]),
        ]);
    }

    #[test]
    fn of_two_that_dial_each_other_the_attempt_of_the_first_survives() {
        check(&[
            (FRESH, asked(1, 0), [Wait, KEEP]),
            (reuse(FRESH), asked(1, 0), [Wait, KEEP]),
            (server(FRESH), asked(1, 0), [KEEP; 2]),
            (at(Dialling, PEER), asked(21, 5), [Wait, Resume]),
            (at(Dialling, server(PEER)), asked(21, 5), [Resume; 2]),
            // It rests: there is nothing to race with, and no session either.
            (at(Standby, FRESH), asked(1, 0), [KEEP; 2]),
            (reuse(at(Standby, FRESH)), asked(1, 0), [KEEP; 2]),
        ]);
    }

    #[test]
    fn a_session_that_only_the_dialler_knows_is_reset_where_that_is_checked() {
        check(&[
            (FRESH, asked(1, 1), [Resume; 2]),
            (reuse(FRESH), asked(1, 1), [Reset { full: true }; 2]),
            (
                at(Standby, reuse(FRESH)),
                asked(1, 4),
                [Reset { full: true }; 2],
            ),
        ]);
    }
}
