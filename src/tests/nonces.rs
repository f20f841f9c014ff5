//! Nonces of sealed links: sessions go through very many of those, or wear them out,
//! and no nonce comes twice under a key.

use std::collections::BTreeSet;

use crate::proto::{Event, Fault, nonces_used};
use crate::types::{Message, Policy, Random};

use super::pair::{End, message};
use super::sessions::{Conversation, Wire};

/// How often sessions are resumed, half of them in each revision.
const RECONNECTS: usize = 100_000;

/// A cut at a byte from here on mostly finds the link idle.
const LONGEST_LINK: u64 = 2_000;

fn begin(wire: Wire) -> Conversation {
    let server = Policy::stateful_server();
    let mut conversation = Conversation::silent(wire, Policy::lossless_client(), server);
    conversation.start();
    conversation.rest();
    conversation
}

fn tids(messages: impl IntoIterator<Item = Message>) -> Vec<u64> {
    messages.into_iter().map(|message| message.tid).collect()
}

/// Checks that what came goes on from where it was, and where that is now.
fn go_on(end: &mut End, last: &mut u64) {
    for tid in tids(end.take_messages()) {
        *last += 1;
        assert_eq!(tid, *last, "something got lost, or came twice");
    }
}

/// A key and a nonce that one record was sealed with.
type Used = ([u8; 16], [u8; 12]);

/// Resumes a session so many times. Each link breaks somewhere: in the handshake, in a
/// message, or at rest. Returns what was sealed under which nonce, and on how many links.
fn resume(wire: Wire, times: usize) -> (Vec<Used>, usize) {
    let mut random = Random::new(times as u64);
    let mut conversation = begin(wire);
    let (mut asked, mut answered) = (0, 0);
    let (mut said, mut used) = (0, Vec::new());
    let mut resumed = 0;
    while resumed < times {
        let line = |tid| message(tid, random_len(tid), 0, 5);
        said += 1;
        conversation.dialler.protocol.send(line(said));
        let session = conversation.session.as_mut().expect("a session");
        session.protocol.send(line(said));
        conversation.cut();
        let direction = random.below(2) as usize;
        let at = random.below(LONGEST_LINK) as usize;
        conversation.cuts = [(direction, at)].into();
        conversation.rest();
        let dialler = &mut conversation.dialler;
        resumed += dialler.count(|event| matches!(event, Event::Resumed(..)));
        go_on(dialler, &mut answered);
        go_on(conversation.session.as_mut().unwrap(), &mut asked);
        assert_eq!((asked, answered), (said, said));
        used.append(&mut nonces_used());
    }
    (used, conversation.links)
}

fn random_len(tid: u64) -> usize {
    tid as usize % 150
}

/// How many different keys were used; all pairs of key and nonce differ.
fn keys_of(mut used: Vec<([u8; 16], [u8; 12])>) -> usize {
    used.sort_unstable();
    let twice = used.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "a nonce came twice under one key");
    used.dedup_by_key(|(key, _)| *key);
    used.len()
}

#[test]
fn however_often_a_sealed_session_is_resumed_no_nonce_comes_twice() {
    let (mut used, links) = resume(Wire::Sealed21, RECONNECTS / 2);
    let (others, others_links) = resume(Wire::Sealed20, RECONNECTS / 2);
    used.extend(others);
    let (pairs, links) = (used.len(), links + others_links);
    let keys = keys_of(used);
    println!(
        "nonces: {RECONNECTS} reconnects, {pairs} pairs of key and nonce, all distinct \
         ({links} links, {keys} keys)"
    );
    assert!(keys > RECONNECTS && pairs > 4 * keys && links >= keys);
}

/// The link on which one end has so many nonces left, and ten messages to send.
fn wear_out(wire: Wire, left: u64, by_dialler: bool) {
    let mut conversation = begin(wire);
    let session = conversation.session.as_mut().unwrap();
    let dialler = &mut conversation.dialler;
    let (worn, other) = match by_dialler {
        true => (&mut *dialler, &mut *session),
        false => (&mut *session, &mut *dialler),
    };
    const PLENTY: u64 = 1_000;
    worn.protocol.skip_to_last_nonces(left, PLENTY);
    other.protocol.skip_to_last_nonces(PLENTY, left);
    for tid in 1..=10 {
        worn.protocol.send(message(tid, 10, 0, 70));
    }
    conversation.rest();
    let what = format!("{wire:?}, {left} left, {by_dialler}");
    assert_eq!(conversation.links, 2, "{what}");
    let (dialler, session) = (&mut conversation.dialler, conversation.session.as_mut());
    let (worn, other) = match by_dialler {
        true => (dialler, session.unwrap()),
        false => (session.unwrap(), dialler),
    };
    let faults = |end: &End| {
        let faults = end.events.iter().filter_map(|event| match event {
            Event::Fault { fault, .. } => Some(*fault),
            _ => None,
        });
        faults.collect::<Vec<_>>()
    };
    assert!(faults(worn).contains(&Fault::NoncesUsedUp), "{what}");
    assert!(!faults(other).contains(&Fault::RecordTag), "{what}");
    for end in [&*worn, &*other] {
        let lost = end.count(|event| matches!(event, Event::RemoteReset | Event::Closed { .. }));
        assert_eq!(lost, 0, "{what}: {}", end.story());
    }
    let arrived = tids(other.take_messages());
    assert_eq!(arrived, (1..=10).collect::<Vec<_>>(), "{what}");
    let used = nonces_used();
    let sealed = used.iter().map(|(key, _)| key).collect::<BTreeSet<_>>();
    assert_eq!(sealed.len(), 2, "{what}: a key of each link");
    assert_eq!(keys_of(used.clone()), 2, "{what}");
}

#[test]
fn a_session_whose_link_runs_out_of_nonces_goes_on_with_other_keys() {
    // The last of ten messages leaves too few: each takes two nonces, or one.
    for (wire, most) in [(Wire::Sealed21, 22), (Wire::Sealed20, 12)] {
        for left in 0..=most {
            wear_out(wire, left, true);
            wear_out(wire, left, false);
        }
    }
}
