//! Cephx against constructed values and captured exchanges.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::SegQueue;

use crate::proto::captured::{hex, records};
use crate::proto::codec::{Field, Reader};
use crate::types::{EntityType, Entropy, NoEntropy, Secret, WallTime};

use super::authenticate::proof;
use super::authorizer::Authorizer;
use super::error::CephxError;
use super::key::{CryptoKey, KeyType};
use super::login::Login;
use super::seal::Usage;
use super::ticket::{ServiceTicketInfo, Ticket, TicketBlob};
use super::verifier::{Verdict, Verifier};
use super::{aes128, krb5};

type Record = HashMap<String, String>;

/// Records whose kind begins so.
fn of_kind(file: &str, kind: &str) -> Vec<Record> {
    let mut found = records(file);
    found.retain(|record| record.get("kind").is_some_and(|is| is.starts_with(kind)));
    assert!(!found.is_empty(), "{kind}");
    found
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

/// Gives these bytes, one draw after another, and no more.
pub fn script(draws: &[&[u8]]) -> Entropy {
    let rest = SegQueue::new();
    draws.concat().into_iter().for_each(|byte| rest.push(byte));
    Entropy::new(move |wanted| {
        for byte in wanted {
            *byte = rest.pop().ok_or(NoEntropy)?;
        }
        Ok(())
    })
}

/// None at all: for what must not draw.
pub fn dry() -> Entropy {
    script(&[])
}

/// Bytes that never come again, without being random.
pub fn counting() -> Entropy {
    let count = AtomicU64::new(1);
    Entropy::new(move |wanted| {
        for chunk in wanted.chunks_mut(8) {
            let count = count.fetch_add(1, Ordering::Relaxed);
            chunk.copy_from_slice(&count.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    })
}

/// A key of that secret; its length tells the type.
pub fn key(secret: &str) -> CryptoKey {
    let kind = if secret.len() == 32 {
        KeyType::Aes
    } else {
        KeyType::Aes256Krb5
    };
    CryptoKey::new(kind, Secret::new(hex(secret))).unwrap()
}

/// What the value is written as.
pub fn bytes(value: &impl Field) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// A time.
pub const fn sec(sec: u32) -> WallTime {
    WallTime { sec, nsec: 0 }
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

#[test]
fn keys_of_the_vectors_have_the_same_bytes_and_text() {
    for file in ["cephx", "cephx-aes256krb5"] {
        for record in of_kind(file, "CryptoKey") {
            let encoded = hex(&record["encoded"]);
            let created = WallTime {
                sec: record["created_sec"].parse().unwrap(),
                nsec: record["created_nsec"].parse().unwrap(),
            };
            let made = key(&record["secret"]).created_at(created);
            assert_eq!(made.kind().code().to_string(), record["type"]);
            assert_eq!(bytes(&made), encoded);
            assert_eq!(*made.to_base64(), record["base64"]);
            let parsed = CryptoKey::parse(&record["base64"]).unwrap();
            assert_eq!((&parsed, bytes(&parsed)), (&made, encoded.clone()));
            for end in 0..encoded.len() {
                assert!(Reader::new(&encoded[..end]).field::<CryptoKey>().is_err());
            }
        }
    }
}

#[test]
fn every_aes_ciphertext_of_the_vectors_is_reproduced_and_decrypted() {
    for record in of_kind("cephx", "aes-128-cbc") {
        let secret = array(&record["key"]);
        let (plain, cipher) = (hex(&record["plaintext"]), hex(&record["ciphertext"]));
        assert_eq!(aes128::encrypt(&secret, &[&plain]), cipher);
        assert_eq!(*aes128::decrypt(&secret, &cipher).unwrap(), plain);
        for end in 0..cipher.len() {
            let cut = aes128::decrypt(&secret, &cipher[..end]);
            assert!(end % 16 == 0 && end > 0 || cut.is_none(), "cut at {end}");
        }
    }
}

#[test]
fn every_kerberos_ciphertext_of_the_vectors_is_reproduced_and_decrypted() {
    let file = "cephx-aes256krb5";
    let sealed = of_kind(file, "sealed struct");
    for record in of_kind(file, "encrypt").iter().chain(&sealed) {
        let secret = array(&record["secret"]);
        let usage = record["usage"].parse().unwrap();
        let (plain, cipher) = (hex(&record["plaintext"]), hex(&record["ciphertext"]));
        let confounder = array(&record["confounder"]);
        assert_eq!(
            krb5::encrypt(&secret, usage, &confounder, &[&plain]),
            cipher
        );
        assert_eq!(*krb5::decrypt(&secret, usage, &cipher).unwrap(), plain);
        assert!(krb5::decrypt(&secret, usage ^ 1, &cipher).is_none());
        for bit in 0..cipher.len() * 8 {
            let mut altered = cipher.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(
                krb5::decrypt(&secret, usage, &altered).is_none(),
                "bit {bit}"
            );
        }
        for end in 0..cipher.len() {
            assert!(krb5::decrypt(&secret, usage, &cipher[..end]).is_none());
        }
    }
}

#[test]
fn plaintexts_of_every_length_come_back_from_both_ciphers() {
    let plain: Vec<u8> = (0..=99).collect();
    for len in 0..plain.len() {
        let plain = &plain[..len];
        let cipher = aes128::encrypt(&[7; 16], &[plain]);
        assert_eq!(cipher.len(), len / 16 * 16 + 16);
        assert_eq!(*aes128::decrypt(&[7; 16], &cipher).unwrap(), plain);
        let cipher = krb5::encrypt(&[7; 32], 3, &[9; 16], &[plain]);
        assert_eq!(cipher.len(), len + 40);
        assert_eq!(*krb5::decrypt(&[7; 32], 3, &cipher).unwrap(), plain);
    }
}

#[test]
fn sealed_structs_of_the_vectors_are_reproduced_and_opened() {
    for record in of_kind("cephx", "sealed struct") {
        let (key, plain) = (key(&record["key"]), hex(&record["struct"]));
        let sealed = hex(&record["sealed"]);
        assert_eq!(key.seal(Usage::Challenge, &plain, &dry()).unwrap(), sealed);
        let opened = key.open(Usage::Challenge, &sealed).unwrap();
        assert_eq!(opened.expose(), plain);
    }
    for record in of_kind("cephx-aes256krb5", "sealed struct") {
        let usage = match record["usage"].as_str() {
            "3" => Usage::ConnectionSecret,
            "4" => Usage::TicketSessionKey,
            "16" => Usage::Authorize,
            "17" => Usage::Challenge,
            "18" => Usage::AuthorizeReply,
            other => panic!("{other}"),
        };
        let (key, plain) = (key(&record["secret"]), hex(&record["plaintext"]));
        let sealed = hex(&record["ciphertext"]);
        let confounder = script(&[&hex(&record["confounder"])]);
        assert_eq!(key.seal(usage, &plain[9..], &confounder).unwrap(), sealed);
        assert_eq!(key.open(usage, &sealed).unwrap().expose(), &plain[9..]);
        assert!(key.open(Usage::TicketInfo, &sealed).is_err());
    }
}

#[test]
fn signatures_of_the_vectors_are_reproduced() {
    for record in of_kind("cephx", "msgr1 message signature") {
        let block = array(&record["sigblock"]);
        let signature = key(&record["key"]).sign_v1(&block);
        assert_eq!(signature, number(&record["sig"]));
    }
    for record in of_kind("cephx", "AUTH_SIGNATURE") {
        let (key, seen) = (key(&record["session_key"]), hex(&record["received_bytes"]));
        let stated = array(&record["hmac_sha256"]);
        let (head, tail) = seen.split_at(5);
        assert_eq!(key.hmac(&[&seen]), stated);
        assert!(key.verify_hmac(&[head, tail], &stated));
        assert!(!key.verify_hmac(&[tail, head], &stated));
    }
}

#[test]
fn a_key_of_the_second_type_signs_messages_by_hmac() {
    let key = key(&"5a".repeat(32));
    let digest = key.hmac(&[&[3; 32]]);
    let word = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().unwrap());
    assert_eq!(
        key.sign_v1(&[3; 32]),
        word(0) ^ word(8) ^ word(16) ^ word(24)
    );
}

#[test]
fn what_is_no_key_is_refused() {
    for (text, why) in [
        ("", "empty"),
        ("AQAA8VNlFc1bBxAAAAECAwQFBgcICQoLDA0ODw=", "cut"),
        ("AQAA8VNlFc1bBxAAAAECAwQFBgcICQoLDA0ODxA=", "a byte more"),
        ("AwAA8VNlFc1bBxAAAAECAwQFBgcICQoLDA0ODw==", "type 3"),
        (
            "AgAA8VNlFc1bBxAAAAECAwQFBgcICQoLDA0ODw==",
            "too short for type 2",
        ),
        ("not base64", "text"),
    ] {
        assert!(CryptoKey::parse(text).is_err(), "{why}");
    }
    assert!(CryptoKey::new(KeyType::Aes, Secret::new(vec![0; 15])).is_err());
    assert!(CryptoKey::generate(KeyType::Aes256Krb5, &dry()).is_err());
}

#[test]
fn a_key_does_not_show_its_secret() {
    let key = key("000102030405060708090a0b0c0d0e0f");
    assert_eq!(format!("{key:?}"), "CryptoKey(Aes)");
}

#[test]
fn the_ticket_of_the_vectors_is_reproduced_and_opened() {
    for record in of_kind("cephx", "service ticket") {
        let encoded = hex(&record["CephXServiceTicketInfo"]);
        let info: ServiceTicketInfo = Reader::new(&encoded).field().unwrap();
        assert_eq!(bytes(&info), encoded);
        assert_eq!(info.session_key, key(&record["session_key"]));
        assert_eq!(info.ticket.name.to_string(), "client.admin");
        assert_eq!(info.ticket.global_id, 4107);
        assert_eq!(info.ticket.caps.caps, b"\x07\0\0\0allow *");
        let service_key = key(&record["service_secret (rotating key id 2)"]);
        let sealed = hex(&record["CephXTicketBlob"]);
        let blob: TicketBlob = Reader::new(&sealed).field().unwrap();
        assert_eq!(blob.open(&service_key), Ok(info.clone()));
        let again = TicketBlob::seal(&info, &service_key, 2, &dry()).unwrap();
        assert_eq!((bytes(&again), again), (sealed, blob.clone()));
        let other = key(&record["session_key"]);
        assert_eq!(blob.open(&other), Err(CephxError::DoesNotOpen));
        for end in 0..encoded.len() {
            let cut = Reader::new(&encoded[..end]).field::<ServiceTicketInfo>();
            assert!(cut.is_err(), "cut at {end}");
        }
    }
}

#[test]
fn a_ticket_of_the_second_key_type_opens_only_as_it_was_sealed() {
    let record = &of_kind("cephx", "service ticket")[0];
    let encoded = hex(&record["CephXServiceTicketInfo"]);
    let info: ServiceTicketInfo = Reader::new(&encoded).field().unwrap();
    let service_key = key(&"11".repeat(32));
    let entropy = script(&[&[5; 16]]);
    let blob = TicketBlob::seal(&info, &service_key, 7, &entropy).unwrap();
    assert_eq!(blob.open(&service_key), Ok(info));
    for bit in 0..blob.blob.len() * 8 {
        let mut altered = blob.clone();
        altered.blob[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            altered.open(&service_key),
            Err(CephxError::DoesNotOpen),
            "bit {bit}"
        );
    }
}

#[test]
fn proofs_of_the_vectors_are_reproduced() {
    for file in ["cephx", "cephx-aes256krb5"] {
        for record in of_kind(file, "client/server challenge") {
            let key = key(record.get("key").unwrap_or_else(|| &record["secret"]));
            let client_challenge = number(&record["client_challenge"]);
            let server_challenge = number(&record["server_challenge"]);
            let result = proof(&key, server_challenge, client_challenge, &dry());
            assert_eq!(result, Ok(number(&record["result"])));
            let Some(request) = record.get("CephXAuthenticate_request") else {
                continue;
            };
            let name = "client.admin".parse().unwrap();
            let mut login = Login::new(name, key, None, 0x35);
            let challenge = [vec![1], server_challenge.to_le_bytes().to_vec()].concat();
            let draws = script(&[&client_challenge.to_le_bytes()]);
            assert_eq!(login.respond(&challenge, &draws), Ok(hex(request)));
        }
    }
}

#[test]
fn the_authorizer_of_the_vectors_is_reproduced_in_both_roles() {
    let service = &of_kind("cephx", "service ticket")[0];
    let service_key = key(&service["service_secret (rotating key id 2)"]);
    let ticket = Ticket {
        session_key: key(&service["session_key"]),
        blob: Reader::new(&hex(&service["CephXTicketBlob"]))
            .field()
            .unwrap(),
        expires: WallTime::default(),
        renew_after: WallTime::default(),
    };
    let record = &of_kind("cephx", "authorizer")[0];
    let challenge = number(&record["server_challenge"]).to_le_bytes();
    let secret = hex(&record["connection_secret"]);
    for (secret, reply) in [(&[][..], "reply_crc"), (&secret, "reply_secure")] {
        let draws = script(&[&number(&record["nonce"]).to_le_bytes()]);
        let mut authorizer = Authorizer::new(&ticket, EntityType::OSD, 4107, &draws).unwrap();
        let mut verifier = Verifier::new(EntityType::OSD);
        let draws = script(&[&challenge, secret]);
        let keys =
            |service, id| (service == EntityType::OSD && id == 2).then(|| service_key.clone());
        let mut say = |payload: &[u8]| {
            verifier.request(payload, secret.len(), &keys, sec(1_700_000_000), &draws)
        };

        let request = authorizer.request();
        assert_eq!(request, hex(&record["authorizer_without_challenge"]));
        let Ok(Verdict::More(challenge)) = say(&request) else {
            panic!("no challenge");
        };
        assert_eq!(challenge, hex(&record["AUTH_REPLY_MORE_payload"]));
        let answer = authorizer.respond(&challenge, &dry()).unwrap();
        assert_eq!(answer, hex(&record["authorizer_with_challenge"]));
        let Ok(Verdict::Done(verified)) = say(&answer) else {
            panic!("not believed");
        };
        assert_eq!(verified.payload, hex(&record[reply]));
        let (session_key, agreed) = authorizer.finish(&verified.payload).unwrap();
        assert_eq!(
            (&session_key, verified.global_id),
            (&ticket.session_key, 4107)
        );
        let agreed = agreed
            .map(|secret| secret.expose().to_vec())
            .unwrap_or_default();
        assert_eq!(agreed, secret);
    }
}
