//! Both ends of captured exchanges, played again byte for byte.

use crate::proto::captured::{conversation, headers, hex};
use crate::proto::codec::{Field, Reader};
use crate::proto::frame::control::{
    AuthDone, AuthReplyMore, AuthRequest, AuthRequestMore, Control,
};
use crate::types::{EntityType, WallTime};

use super::authenticate::Authenticate;
use super::authorizer::{Authorize, Authorizer, Challenge, Shown};
use super::error::CephxError;
use super::key::CryptoKey;
use super::login::Login;
use super::op::Op;
use super::seal::Usage;
use super::ticket::{AUTH_SERVICE, ServiceTicketInfo, Ticket};
use super::ticket_reply::TicketReply;
use super::vectors::{dry, key, script};
use super::verifier::{Verdict, Verifier};

/// When the captures were made.
const NOW: WallTime = WallTime {
    sec: 1_795_390_600,
    nsec: 0,
};

const TO_MONITOR: [&str; 9] = [
    "02a-cephx-crc-bootstrap",
    "02b-cephx-crc-mon-dump",
    "02c-cephx-crc-rev0",
    "03a-cephx-secure-bootstrap",
    "03b-cephx-secure-mon-dump",
    "03c-cephx-secure-rev0",
    "03d-cephx-secure-reclaim-global-id",
    "04a-osd-to-mon-rotating-keys",
    "02d-cephx-wrong-key",
];

const TO_SERVICE: [&str; 7] = [
    "04b-client-to-osd-authorizer-crc",
    "05-client-to-osd-authorizer-secure",
    "07a-service-side-mon-authorizer-crc",
    "07b-service-side-mon-authorizer-secure",
    "07c-service-side-mon-authorizer-secure-rev0",
    "07d-self-built-authorizer-secure",
    "07e-self-built-authorizer-secure-reconnect",
];

/// The payloads of an authentication by msgr2.
struct Exchange {
    name: &'static str,
    request: Vec<u8>,
    challenge: Vec<u8>,
    answer: Vec<u8>,
    /// With the global id, unless it was declined.
    done: Option<(u64, Vec<u8>)>,
}

/// The only segment of a control frame.
fn payload<C: Control>(name: &str) -> Option<C> {
    let units = conversation(name);
    let frame = units.iter().find(|(_, unit)| unit[0] == C::TAG.code())?;
    let len = u32::from_le_bytes(frame.1[2..6].try_into().unwrap()) as usize;
    Some(C::decode(&frame.1[32..32 + len]).unwrap())
}

fn exchange(name: &'static str) -> Exchange {
    Exchange {
        name,
        request: payload::<AuthRequest>(name).unwrap().payload,
        challenge: payload::<AuthReplyMore>(name).unwrap().payload,
        answer: payload::<AuthRequestMore>(name).unwrap().payload,
        done: payload::<AuthDone>(name).map(|done| (done.global_id, done.payload)),
    }
}

impl Exchange {
    /// The last words of a header.
    fn header(&self, key: &str) -> Option<Vec<String>> {
        headers(self.name, key).pop()
    }

    fn key(&self, header: &str) -> Option<CryptoKey> {
        self.header(header).map(|words| key(words.last().unwrap()))
    }

    fn secret(&self) -> Option<Vec<u8>> {
        self.header("connection_secret").map(|words| hex(&words[0]))
    }

    /// What the dialler said in answer to the challenge.
    fn authenticate(&self) -> Authenticate {
        let mut from = Reader::new(&self.answer);
        assert_eq!(from.field(), Ok(Op::AuthSessionKey));
        let authenticate = from.field().unwrap();
        assert!(from.rest().is_empty());
        authenticate
    }

    /// The dialler, knowing what it knew.
    fn login(&self) -> Login {
        let said = self.authenticate();
        let old = self.key("old_auth_session_key").map(|session_key| Ticket {
            session_key,
            blob: said.old_ticket.clone(),
            expires: NOW,
            renew_after: NOW,
        });
        let global_id = self.done.as_ref().map(|(global_id, _)| *global_id);
        let known = old.map(|ticket| (global_id.unwrap(), Some(ticket)));
        let principal = self.header("principal").unwrap();
        let name = principal[0].parse().unwrap();
        Login::new(name, key(&principal[1]), known, said.other_keys)
    }

    /// The service's keys as the header has them.
    fn service_keys(&self, service: EntityType, id: u64) -> Option<CryptoKey> {
        let found = match service {
            EntityType::MON if id == u64::MAX => self.header("principal"),
            EntityType::OSD => headers(self.name, "rotating")
                .into_iter()
                .find(|words| words[1] == id.to_string()),
            _ => None,
        };
        found.map(|words| key(words.last().unwrap()))
    }

    /// An authorizer's parts: what was shown, the ticket within, and the proof.
    fn parts(&self, payload: &[u8]) -> (Shown, ServiceTicketInfo, Authorize) {
        let mut from = Reader::new(payload);
        let shown: Shown = from.field().unwrap();
        let sealed = from.blob().unwrap();
        let service_key = self.service_keys(shown.service, shown.blob.secret_id);
        let info = shown.blob.open(&service_key.unwrap()).unwrap();
        let opened = info.session_key.open(Usage::Authorize, sealed).unwrap();
        let authorize = Reader::new(opened.expose()).field().unwrap();
        (shown, info, authorize)
    }
}

#[test]
fn a_login_says_what_was_captured_and_finds_the_same_keys() {
    for name in TO_MONITOR {
        let exchange = exchange(name);
        let client_challenge = exchange.authenticate().client_challenge;
        let Some((global_id, done)) = &exchange.done else {
            continue;
        };
        let mut login = exchange.login();
        assert_eq!(login.request(), exchange.request, "{name}");
        let entropy = script(&[&client_challenge.to_le_bytes()]);
        let answer = login.respond(&exchange.challenge, &entropy).unwrap();
        assert_eq!(answer, exchange.answer, "{name}");
        let logged_in = login.finish(*global_id, done, NOW).unwrap();
        assert_eq!(Some(logged_in.session_key), exchange.key("session_key"));
        let secret = logged_in.connection_secret;
        let secret = secret.map(|secret| secret.expose().to_vec());
        assert_eq!(secret, exchange.secret(), "{name}");
        let tickets = logged_in.tickets;
        assert_eq!(tickets.global_id, *global_id);
        let wanted = exchange.authenticate().other_keys;
        let got = tickets
            .by_service
            .keys()
            .fold(0, |got, service| got | u32::from(service.0));
        assert_eq!(got, wanted, "{name}");
        let auth = &tickets.by_service[&AUTH_SERVICE];
        assert_eq!(auth.expires.sec, NOW.sec + 259_200);
        assert_eq!(auth.renew_after.sec, NOW.sec + 259_200 * 3 / 4);
        let whole = (0..done.len()).filter(|end| {
            exchange
                .login()
                .finish(*global_id, &done[..*end], NOW)
                .is_ok()
        });
        assert!(whole.count() <= 1, "only secret and other tickets may lack");
    }
}

#[test]
fn the_tickets_of_the_captures_are_written_to_the_same_bytes() {
    for name in TO_MONITOR {
        let exchange = exchange(name);
        let Some((_, done)) = &exchange.done else {
            continue;
        };
        let owner = exchange.key("principal").unwrap();
        let old = exchange.key("old_auth_session_key");
        let mut from = Op::AuthSessionKey.answered(done).unwrap();
        let before = from.rest();
        let reply = TicketReply::open(&mut from, &owner, old.as_ref()).unwrap();
        let sealed = reply.seal(&owner, old.as_ref(), &dry()).unwrap();
        assert_eq!(sealed, before[..before.len() - from.rest().len()], "{name}");
        assert!(from.blob().is_ok());
        let extra = from.blob().unwrap();
        if !extra.is_empty() {
            let owner = exchange.key("session_key").unwrap();
            let reply = TicketReply::open(&mut Reader::new(extra), &owner, None).unwrap();
            assert_eq!(reply.seal(&owner, None, &dry()).unwrap(), extra, "{name}");
        }
    }
}

#[test]
fn another_key_opens_no_ticket() {
    let exchange = exchange("03a-cephx-secure-bootstrap");
    let (global_id, done) = exchange.done.as_ref().unwrap();
    let name = "client.admin".parse().unwrap();
    let mut login = Login::new(name, key(&"00".repeat(16)), None, 0x20);
    let refused = login.finish(*global_id, done, NOW);
    assert_eq!(refused.unwrap_err(), CephxError::DoesNotOpen);
}

#[test]
fn an_authorizer_says_what_was_captured_and_finds_the_same_keys() {
    for name in TO_SERVICE {
        let exchange = exchange(name);
        let (shown, info, first) = exchange.parts(&exchange.request);
        let ticket = Ticket {
            session_key: info.session_key.clone(),
            blob: shown.blob.clone(),
            expires: NOW,
            renew_after: NOW,
        };
        let nonce = first.nonce.to_le_bytes();
        let mut authorizer =
            Authorizer::new(&ticket, shown.service, shown.global_id, &script(&[&nonce])).unwrap();
        assert_eq!(authorizer.request(), exchange.request, "{name}");
        let answer = authorizer.respond(&exchange.challenge, &dry()).unwrap();
        assert_eq!(answer, exchange.answer, "{name}");
        let (_, done) = exchange.done.as_ref().unwrap();
        let (session_key, secret) = authorizer.finish(done).unwrap();
        assert_eq!(Some(session_key), exchange.key("session_key"), "{name}");
        let secret = secret.map(|secret| secret.expose().to_vec());
        assert_eq!(secret, exchange.secret(), "{name}");
        for end in 0..done.len() {
            assert!(
                authorizer.finish(&done[..end]).is_err(),
                "{name} cut at {end}"
            );
        }
        let other = Authorizer::new(&ticket, shown.service, 0, &script(&[&[0; 8]])).unwrap();
        assert_eq!(other.finish(done).unwrap_err(), CephxError::WrongReply);
    }
}

#[test]
fn self_made_authorizers_of_the_captures_are_reproduced() {
    for name in [
        "07d-self-built-authorizer-secure",
        "07e-self-built-authorizer-secure-reconnect",
    ] {
        let exchange = exchange(name);
        let (shown, info, first) = exchange.parts(&exchange.request);
        let draws = script(&[info.session_key.secret(), &first.nonce.to_le_bytes()]);
        let service_key = exchange.key("principal").unwrap();
        let authorizer =
            Authorizer::self_made(&service_key, shown.service, info.ticket, &draws).unwrap();
        assert_eq!(authorizer.request(), exchange.request, "{name}");
    }
}

#[test]
fn a_service_says_what_was_captured_and_finds_the_same_dialler() {
    for name in TO_SERVICE {
        let exchange = exchange(name);
        let (shown, info, _) = exchange.parts(&exchange.request);
        let opened = info
            .session_key
            .open(Usage::Challenge, &exchange.challenge)
            .unwrap();
        let Challenge(challenge) = Reader::new(opened.expose()).field().unwrap();
        let secret = exchange.secret().unwrap_or_default();
        let draws = script(&[&challenge.to_le_bytes(), &secret]);
        let keys = |service, id| exchange.service_keys(service, id);
        let mut verifier = Verifier::new(shown.service);
        let now = info.ticket.created;
        let mut say = |payload| verifier.request(payload, secret.len(), &keys, now, &draws);

        let Ok(Verdict::More(challenge)) = say(&exchange.request) else {
            panic!("{name}: no challenge");
        };
        assert_eq!(challenge, exchange.challenge, "{name}");
        let Ok(Verdict::Done(verified)) = say(&exchange.answer) else {
            panic!("{name}: not believed");
        };
        let (global_id, done) = exchange.done.as_ref().unwrap();
        assert_eq!(
            (&verified.global_id, &verified.payload),
            (global_id, done),
            "{name}"
        );
        assert_eq!(verified.name, info.ticket.name);
        assert_eq!(verified.caps, info.ticket.caps);
    }
}
