//! v1: which links sign their messages, and who is turned away for that.

use crate::proto::{ConMode, ProtocolConfig, Signatures};
use crate::types::{Message, Policy, features};

use super::keys::prove;
use super::pair::{Pair, SMOOTH, config};

/// The last byte of a signed message, and of one that is not.
const COMPLETE_SIGNED: u8 = 5;
const COMPLETE: u8 = 1;
/// A footer of the newer kind ends with signature and flags.
const SIGNATURE: usize = 9;

/// Two OSDs that know each other by a key.
fn osds(of_dialler: Signatures, of_acceptor: Signatures) -> [ProtocolConfig; 2] {
    let ends = [("osd.5", 1, of_dialler), ("osd.3", 2, of_acceptor)];
    ends.map(|(name, seed, signatures)| {
        let mut osd = config(name, Policy::lossless_peer());
        prove(&mut osd, seed, ConMode::Crc);
        osd.signatures = signatures;
        osd
    })
}

fn joined([dialler, acceptor]: [ProtocolConfig; 2]) -> Pair {
    let mut pair = Pair::legacy(dialler, acceptor);
    pair.start();
    // One attempt: who is turned away would try for ever.
    while pair.step() {}
    pair
}

fn without_msg_auth(config: &mut ProtocolConfig) {
    let mut policy = Policy::lossless_peer();
    policy.features_supported &= !features::MSG_AUTH;
    config.policies.set_default(policy);
}

/// What the dialler writes for one message.
fn written(pair: &mut Pair) -> Vec<u8> {
    let mut message = Message::new(1);
    message.front.append_copy(b"front");
    pair.send(message);
    pair.dialler.transmit(&SMOOTH, pair.now)
}

#[test]
fn messages_are_signed_where_cephx_gives_a_key_for_it() {
    let signatures = Signatures::default();
    let mut pair = joined(osds(signatures, signatures));
    let record = written(&mut pair);
    assert_eq!(record.last(), Some(&COMPLETE_SIGNED));
    let now = pair.now;
    pair.acceptor().receive(&record, now);
    assert_eq!(pair.acceptor().messages().count(), 1);
}

#[test]
fn a_wrong_signature_ends_the_link_before_the_message_is_seen() {
    let signatures = Signatures::default();
    let mut pair = joined(osds(signatures, signatures));
    let mut record = written(&mut pair);
    let at = record.len() - SIGNATURE;
    record[at] ^= 1;
    let now = pair.now;
    pair.acceptor().receive(&record, now);
    assert_eq!(pair.acceptor().messages().count(), 0);
    let story = pair.acceptor().story();
    assert!(story.contains("signature"), "{story}");
}

#[test]
fn nothing_is_signed_where_nobody_wants_it() {
    let unwanted = Signatures {
        wanted: false,
        ..Signatures::default()
    };
    let mut pair = joined(osds(unwanted, unwanted));
    let record = written(&mut pair);
    assert_eq!(record.last(), Some(&COMPLETE));
    let now = pair.now;
    pair.acceptor().receive(&record, now);
    assert_eq!(pair.acceptor().messages().count(), 1);
}

#[test]
fn whoever_insists_on_signatures_gets_them_checked() {
    let required = Signatures {
        wanted: false,
        cluster: true,
        service: false,
    };
    let mut pair = joined(osds(required, required));
    assert_eq!(written(&mut pair).last(), Some(&COMPLETE_SIGNED));
}

#[test]
fn a_peer_that_cannot_sign_is_turned_away_where_it_must() {
    let required = Signatures {
        cluster: true,
        ..Signatures::default()
    };
    for (dialler_insists, why) in [
        (false, "peer requires features 0x800000"),
        (true, "peer lacks features 0x800000"),
    ] {
        let [mut dialler, mut acceptor] = osds(Signatures::default(), Signatures::default());
        if dialler_insists {
            dialler.signatures = required;
            without_msg_auth(&mut acceptor);
        } else {
            acceptor.signatures = required;
            without_msg_auth(&mut dialler);
        }
        let pair = joined([dialler, acceptor]);
        let story = pair.dialler.story();
        assert!(story.contains(why), "{story}");
        assert_eq!(pair.dialler.opened(), 0, "{story}");
    }
}

#[test]
fn a_peer_that_cannot_sign_is_welcome_where_it_need_not() {
    let [mut dialler, acceptor] = osds(Signatures::default(), Signatures::default());
    without_msg_auth(&mut dialler);
    let pair = joined([dialler, acceptor]);
    assert_eq!(pair.dialler.opened(), 1, "{}", pair.dialler.story());
}

#[test]
fn a_dialler_whose_authorizer_could_be_sent_again_by_anybody_is_turned_away() {
    let [mut dialler, acceptor] = osds(Signatures::default(), Signatures::default());
    let mut policy = Policy::lossless_peer();
    policy.features_supported &= !features::CEPHX_V2;
    dialler.policies.set_default(policy);
    let pair = joined([dialler, acceptor]);
    let story = pair.dialler.story();
    assert!(
        story.contains("peer requires features 0x2000000000000000"),
        "{story}"
    );
}
