//! What a service believes and what it does not.

use std::time::Duration;

use crate::proto::codec::Reader;
use crate::types::{EntityType, Entropy, WallTime};

use super::authorizer::Authorizer;
use super::error::CephxError;
use super::key::CryptoKey;
use super::ticket::{AuthCaps, AuthTicket, PERMANENT, Ticket, TicketBlob};
use super::vectors::{counting, key, sec};
use super::verifier::{CLOCK_SKEW, Verdict, Verified, Verifier};

const NOW: WallTime = sec(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// The permanent key of a service, of either type.
fn service_keys() -> [CryptoKey; 2] {
    [key(&"3c".repeat(16)), key(&"3c".repeat(32))]
}

fn ticket() -> AuthTicket {
    let caps = AuthCaps {
        allow_all: false,
        caps: b"\x07\0\0\0allow *".to_vec(),
    };
    AuthTicket::new("client.a".parse().unwrap(), 4107, caps, NOW, HOUR)
}

fn authorizer(service_key: &CryptoKey, entropy: &Entropy) -> Authorizer {
    Authorizer::self_made(service_key, EntityType::OSD, ticket(), entropy).unwrap()
}

/// An OSD that has that permanent key.
struct Osd<'a> {
    key: &'a CryptoKey,
    verifier: Verifier,
    entropy: &'a Entropy,
    now: WallTime,
}

impl<'a> Osd<'a> {
    fn new(key: &'a CryptoKey, entropy: &'a Entropy) -> Self {
        Self {
            key,
            verifier: Verifier::new(EntityType::OSD),
            entropy,
            now: NOW,
        }
    }

    fn hear(&mut self, payload: &[u8]) -> Result<Verdict, CephxError> {
        let keys =
            |service, id| (service == EntityType::OSD && id == PERMANENT).then(|| self.key.clone());
        self.verifier
            .request(payload, 64, &keys, self.now, self.entropy)
    }

    fn challenge(&mut self, payload: &[u8]) -> Vec<u8> {
        match self.hear(payload) {
            Ok(Verdict::More(challenge)) => challenge,
            other => panic!("{other:?}"),
        }
    }

    fn done(&mut self, payload: &[u8]) -> Box<Verified> {
        match self.hear(payload) {
            Ok(Verdict::Done(verified)) => verified,
            other => panic!("{other:?}"),
        }
    }

    fn error(&mut self, payload: &[u8]) -> CephxError {
        self.hear(payload).unwrap_err()
    }
}

#[test]
fn both_ends_with_a_services_key_come_to_agree_without_a_monitor() {
    for service_key in &service_keys() {
        let entropy = counting();
        let mut authorizer = authorizer(service_key, &entropy);
        let mut osd = Osd::new(service_key, &entropy);
        let challenge = osd.challenge(&authorizer.request());
        let answer = authorizer.respond(&challenge, &entropy).unwrap();
        let verified = osd.done(&answer);
        let (session_key, secret) = authorizer.finish(&verified.payload).unwrap();
        assert_eq!(session_key, verified.session_key);
        assert_eq!(session_key.kind(), service_key.kind());
        let secret = secret.unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(
            secret.expose(),
            verified.connection_secret.unwrap().expose()
        );
        assert_eq!(verified.name.to_string(), "client.a");
        assert_eq!((verified.global_id, verified.caps), (4107, ticket().caps));
    }
}

#[test]
fn an_authorizer_that_was_recorded_is_not_believed_again() {
    for service_key in &service_keys() {
        let entropy = counting();
        let mut authorizer = authorizer(service_key, &entropy);
        let mut osd = Osd::new(service_key, &entropy);
        let challenge = osd.challenge(&authorizer.request());
        let answer = authorizer.respond(&challenge, &entropy).unwrap();
        osd.done(&answer);
        // On the same connection there is another challenge first, and another
        // connection has one of its own.
        osd.challenge(&answer);
        assert_eq!(osd.error(&answer), CephxError::WrongChallenge);
        let mut other = Osd::new(service_key, &entropy);
        other.challenge(&authorizer.request());
        assert_eq!(other.error(&answer), CephxError::WrongChallenge);
        let late = authorizer.respond(&challenge, &entropy).unwrap();
        other.challenge(&late);
    }
}

#[test]
fn several_authorizers_on_one_connection_are_each_challenged() {
    let [service_key, _] = service_keys();
    let entropy = counting();
    let mut osd = Osd::new(&service_key, &entropy);
    let mut first = authorizer(&service_key, &entropy);
    let challenge = osd.challenge(&first.request());
    first.respond(&challenge, &entropy).unwrap();
    let mut second = authorizer(&service_key, &entropy);
    let challenge = osd.challenge(&second.request());
    let answer = second.respond(&challenge, &entropy).unwrap();
    let verified = osd.done(&answer);
    assert!(second.finish(&verified.payload).is_ok());
    assert!(first.finish(&verified.payload).is_err());
}

#[test]
fn a_ticket_is_good_for_its_time_and_a_little_more() {
    let [service_key, _] = service_keys();
    let entropy = counting();
    let authorizer = authorizer(&service_key, &entropy);
    let mut osd = Osd::new(&service_key, &entropy);
    let skew = u32::try_from(CLOCK_SKEW.as_secs()).unwrap();
    for (now, expected) in [
        (NOW.sec - skew - 1, Some(CephxError::TicketFromFuture)),
        (NOW.sec - skew, None),
        (NOW.sec + 3600 + skew, None),
        (NOW.sec + 3601 + skew, Some(CephxError::TicketExpired)),
        (u32::MAX, Some(CephxError::TicketExpired)),
        (0, Some(CephxError::TicketFromFuture)),
    ] {
        osd.now = sec(now);
        assert_eq!(osd.hear(&authorizer.request()).err(), expected, "{now}");
    }
}

#[test]
fn tickets_of_others_are_refused() {
    for service_key in &service_keys() {
        let entropy = counting();
        let mut osd = Osd::new(service_key, &entropy);
        let good = authorizer(service_key, &entropy).request();
        let with = |at: usize, byte: u8| {
            let mut altered = good.clone();
            altered[at] ^= byte;
            altered
        };
        assert_eq!(osd.error(&with(0, 10 ^ 1)), CephxError::WrongMode(10));
        assert_eq!(osd.error(&with(1, 1)), CephxError::ForeignTicket);
        assert_eq!(
            osd.error(&with(9, 4 ^ 1)),
            CephxError::WrongService(EntityType::MON)
        );
        assert_eq!(
            osd.error(&with(14, 1)),
            CephxError::UnknownSecretId(EntityType::OSD, PERMANENT - 1)
        );
        let stranger = CryptoKey::generate(service_key.kind(), &entropy).unwrap();
        let forged = authorizer(&stranger, &entropy).request();
        assert_eq!(osd.error(&forged), CephxError::DoesNotOpen);
        // Somebody with the ticket and without its session key.
        let blob = Ticket {
            session_key: stranger,
            blob: blob_of(&good),
            expires: NOW,
            renew_after: NOW,
        };
        let stolen = Authorizer::new(&blob, EntityType::OSD, 4107, &entropy).unwrap();
        assert_eq!(osd.error(&stolen.request()), CephxError::DoesNotOpen);
        assert_eq!(CephxError::DoesNotOpen.errno(), 13);
    }
}

/// Where the ticket begins within an authorizer.
const BLOB: usize = 13;

/// The ticket within an authorizer.
fn blob_of(authorizer: &[u8]) -> TicketBlob {
    Reader::new(&authorizer[BLOB..]).field().unwrap()
}

#[test]
fn no_bit_of_an_authorizer_of_the_second_key_type_can_be_changed() {
    let [_, service_key] = service_keys();
    let entropy = counting();
    let mut authorizer = authorizer(&service_key, &entropy);
    let mut osd = Osd::new(&service_key, &entropy);
    let request = authorizer.request();
    for bit in 0..request.len() * 8 {
        let mut altered = request.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let refused = osd.hear(&altered);
        // The version of the ticket's wrapping is nobody's proof of anything.
        let is_version = bit / 8 == BLOB;
        assert!(refused.is_err() || is_version, "bit {bit}");
    }
    let challenge = osd.challenge(&request);
    for bit in 0..challenge.len() * 8 {
        let mut altered = challenge.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(authorizer.respond(&altered, &entropy).is_err(), "bit {bit}");
    }
    let answer = authorizer.respond(&challenge, &entropy).unwrap();
    let verified = osd.done(&answer);
    for bit in 0..verified.payload.len() * 8 {
        let mut altered = verified.payload.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(authorizer.finish(&altered).is_err(), "bit {bit}");
    }
}

#[test]
fn altered_and_cut_authorizers_of_the_first_key_type_do_no_harm() {
    let [service_key, _] = service_keys();
    let entropy = counting();
    let request = authorizer(&service_key, &entropy).request();
    let mut osd = Osd::new(&service_key, &entropy);
    for end in 0..request.len() {
        assert!(osd.hear(&request[..end]).is_err(), "cut at {end}");
    }
    for at in 0..request.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut altered = request.clone();
            altered[at] = value;
            // Believed or not, nobody is let in without answering a challenge.
            assert!(!matches!(osd.hear(&altered), Ok(Verdict::Done(_))));
        }
    }
}
