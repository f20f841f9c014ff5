//! Every frame in every state of msgr2's handshakes, and in an open connection.

use std::sync::Arc;

use msgr::{AuthAnswer, AuthHandler, AuthQuestion, AuthReply, ConnectionRef, Policy};

use super::arena::{Arena, Dialler, End};
use super::support::counted;
use super::wire::{
    ACK, AUTH_BAD_METHOD, AUTH_DONE, AUTH_REPLY_MORE, AUTH_REQUEST, AUTH_REQUEST_MORE,
    AUTH_SIGNATURE, CLIENT_IDENT, COMPRESSION_DONE, COMPRESSION_REQUEST, HELLO,
    IDENT_MISSING_FEATURES, KEEPALIVE2, KEEPALIVE2_ACK, MESSAGE, REVISIONS, SERVER_IDENT,
    SESSION_RECONNECT, SESSION_RECONNECT_OK, SESSION_RESET, SESSION_RETRY, SESSION_RETRY_GLOBAL,
    TAGS, WAIT, acceptor, control, dialler, sample,
};

const OPEN: &[u8] = &[MESSAGE, KEEPALIVE2, KEEPALIVE2_ACK, ACK];

/// The frames that an acceptor takes after the banner and so many frames.
const ACCEPTOR: [&[u8]; 6] = [
    &[HELLO],
    &[AUTH_REQUEST],
    &[AUTH_SIGNATURE],
    &[COMPRESSION_REQUEST],
    &[CLIENT_IDENT, SESSION_RECONNECT],
    OPEN,
];

/// The same of a dialler. Of those that it takes some end the attempt.
const DIALLER: [&[u8]; 6] = [
    &[HELLO],
    &[AUTH_BAD_METHOD, AUTH_REPLY_MORE, AUTH_DONE],
    &[AUTH_SIGNATURE],
    &[COMPRESSION_DONE],
    &[SERVER_IDENT, IDENT_MISSING_FEATURES, WAIT],
    OPEN,
];

/// What a frame may have in it besides what is right.
fn payloads(right: Vec<u8>) -> [Vec<u8>; 3] {
    [right, Vec::new(), vec![0xff; 64]]
}

/// The words of one script: all that leads to a state, and the frame that has no
/// place there.
fn words(so_far: &[Vec<u8>], last: Vec<u8>) -> Vec<u8> {
    [so_far.concat(), last].concat()
}

pub fn at_an_acceptor() -> usize {
    let arena = Arena::new(&[]);
    let at = arena.server.at();
    let mut played = 0;
    for revision in REVISIONS {
        let way = dialler(revision, at);
        for (state, legal) in ACCEPTOR.iter().enumerate() {
            for tag in TAGS {
                for (kind, payload) in payloads(sample(tag, at)).into_iter().enumerate() {
                    // An empty answer to a keepalive is none, an empty WAIT is one.
                    if legal.contains(&tag) && (kind == 0 || payload == sample(tag, at)) {
                        continue;
                    }
                    let last = control(revision, tag, &payload);
                    let mut peer = arena.server.dial();
                    peer.say(&words(&way[..=state], last));
                    peer.expect_closed();
                    played += 1;
                }
            }
            arena.survives();
        }
    }
    let server = &arena.server.messenger;
    assert!(counted(server, "msgr_faults_protocol") as usize >= played * 9 / 10);
    played
}

/// A host that always wants to hear more.
struct Curious;

impl AuthHandler for Curious {
    fn handle_auth(&self, _: &ConnectionRef, _: AuthQuestion, reply: AuthReply) {
        reply.answer(AuthAnswer::More(b"go on".to_vec()));
    }
}

pub fn while_more_is_asked() -> usize {
    let curious = End::with(
        &[],
        "v2:127.0.0.1:0",
        Policy::stateless_server(),
        |server| {
            server.set_auth_handler(Arc::new(Curious)).unwrap();
        },
    );
    let at = curious.at();
    let mut played = 0;
    for revision in REVISIONS {
        let way = dialler(revision, at);
        for tag in TAGS {
            for payload in payloads(sample(tag, at)) {
                if tag == AUTH_REQUEST_MORE && payload.len() < 64 && !payload.is_empty() {
                    continue;
                }
                let mut peer = curious.dial();
                peer.say(&words(&way[..=2], control(revision, tag, &payload)));
                peer.expect_closed();
                played += 1;
            }
        }
        // On and on: so many frames are no handshake.
        let more = control(revision, AUTH_REQUEST_MORE, &sample(AUTH_REQUEST_MORE, at));
        let before = counted(&curious.messenger, "msgr_faults_handshake_too_long");
        let mut peer = curious.dial();
        peer.say(&words(&way[..=2], more.repeat(200)));
        peer.expect_closed();
        curious.expect_counted("msgr_faults_handshake_too_long", before);
        played += 1;
    }
    curious.expect_silence();
    played
}

pub fn at_a_dialler() -> usize {
    let arena = Dialler::new(&[], Policy::lossy_client());
    let at = arena.at();
    let mut played = 0;
    for revision in REVISIONS {
        let way = acceptor(revision, at, 0);
        for (state, legal) in DIALLER.iter().enumerate() {
            for tag in TAGS {
                if legal.contains(&tag) {
                    continue;
                }
                let last = control(revision, tag, &sample(tag, at));
                let words = words(&way[..=state], last);
                arena.leaves("v2", &words, "msgr_faults_protocol");
                played += 1;
            }
            for tag in *legal {
                let broken = control(revision, *tag, &[0xff; 3]);
                let (con, mut peer) = arena.lure("v2");
                peer.say(&words(&way[..=state], broken));
                peer.expect_closed();
                con.mark_down();
                played += 1;
            }
            arena.survives();
        }
    }
    played
}

pub fn at_one_that_reconnects() -> usize {
    const LEGAL: [u8; 5] = [
        SESSION_RESET,
        SESSION_RETRY,
        SESSION_RETRY_GLOBAL,
        SESSION_RECONNECT_OK,
        WAIT,
    ];
    let arena = Dialler::new(&[], Policy::lossless_client());
    let at = arena.at();
    let mut played = 0;
    for revision in REVISIONS {
        let way = acceptor(revision, at, 7);
        let again = &way[..way.len() - 1];
        for tag in TAGS {
            let impossible = tag == SESSION_RECONNECT_OK;
            if LEGAL.contains(&tag) && !impossible {
                continue;
            }
            let payload = match impossible {
                // As if more had come than was ever sent.
                true => u64::MAX.to_le_bytes().to_vec(),
                false => sample(tag, at),
            };
            let (con, mut peer) = arena.lure("v2");
            peer.say(&way.concat());
            // It has a session once it has read all that.
            super::support::pair::eventually(|| con.is_connected(), "open");
            drop(peer);
            let mut peer = arena.accept();
            peer.say(&words(again, control(revision, tag, &payload)));
            peer.expect_closed();
            con.mark_down();
            played += 1;
        }
        // Declined again and again: three times are enough.
        let (con, mut peer) = arena.lure("v2");
        peer.say(&way.concat());
        super::support::pair::eventually(|| con.is_connected(), "open");
        drop(peer);
        let before = counted(&arena.client.messenger, "msgr_faults_declined");
        let mut peer = arena.accept();
        let retry = control(revision, SESSION_RETRY, &sample(SESSION_RETRY, at));
        peer.say(&words(again, retry.repeat(9)));
        peer.expect_closed();
        arena.client.expect_counted("msgr_faults_declined", before);
        con.mark_down();
        played += 1;
        arena.survives();
    }
    played
}
