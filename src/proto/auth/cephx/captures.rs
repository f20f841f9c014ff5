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
use super::login::{LoggedIn, Login};
use super::messages::{Hello, MAuth, MAuthReply, MSG_AUTH, MSG_AUTH_REPLY};
use super::op::Op;
use super::rotating::RotatingSecrets;
use super::seal::Usage;
use super::service_tickets;
use super::ticket::{AUTH_SERVICE, ServiceTicketInfo, Ticket, secret};
use super::ticket_reply::TicketReply;
use super::ticket_server::Grant;
use super::vectors::{bytes, dry, key, script};
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
        assert_eq!(from.field(), Ok(Op::AuthTicket));
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

/// What a monitor granted, read and written again.
fn granted_again(done: &[u8], owner: &CryptoKey, old: Option<&CryptoKey>) -> Vec<u8> {
    let mut from = Op::AuthTicket.answered(done).unwrap();
    let auth = TicketReply::open(&mut from, owner, old).unwrap();
    let session_key = auth.0[0].ticket.session_key.clone();
    let wrapped = from.blob().unwrap();
    let secret = (!wrapped.is_empty()).then(|| {
        let sealed = Reader::new(wrapped).blob().unwrap();
        let opened = session_key.open(Usage::ConnectionSecret, sealed).unwrap();
        secret(&mut Reader::new(opened.expose())).unwrap()
    });
    let extra = match from.blob().unwrap() {
        [] => TicketReply::default(),
        extra => TicketReply::open(&mut Reader::new(extra), &session_key, None).unwrap(),
    };
    let grant = Grant {
        auth,
        session_key,
        secret,
        extra: Some(extra),
    };
    grant.seal(owner, old, &dry()).unwrap()
}

#[test]
fn a_monitor_writes_the_tickets_of_the_captures_to_the_same_bytes() {
    for name in TO_MONITOR {
        let exchange = exchange(name);
        let Some((_, done)) = &exchange.done else {
            continue;
        };
        let owner = exchange.key("principal").unwrap();
        let old = exchange.key("old_auth_session_key");
        assert_eq!(granted_again(done, &owner, old.as_ref()), *done, "{name}");
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

/// The fronts of authentication messages of a msgr1 conversation, in order.
fn fronts(name: &str) -> Vec<(u16, Vec<u8>)> {
    const TAG_MSG: u8 = 7;
    const HEADER: usize = 54;
    let messages = conversation(name).into_iter().map(|(_, unit)| unit);
    messages
        .filter(|unit| unit[0] == TAG_MSG && unit.len() > HEADER)
        .map(|unit| {
            let kind = u16::from_le_bytes(unit[17..19].try_into().unwrap());
            let len = u32::from_le_bytes(unit[23..27].try_into().unwrap()) as usize;
            (kind, unit[HEADER..HEADER + len].to_vec())
        })
        .filter(|(kind, _)| [MSG_AUTH, MSG_AUTH_REPLY].contains(kind))
        .collect()
}

/// What was asked and what was answered, with what else the messages carry
/// checked.
fn rounds(name: &str) -> Vec<(MAuth, MAuthReply)> {
    let fronts = fronts(name);
    let rounds = fronts.chunks_exact(2).map(|round| {
        let [(MSG_AUTH, asked), (MSG_AUTH_REPLY, answered)] = round else {
            panic!("{name}: {round:?}");
        };
        let (ask, answer): (MAuth, MAuthReply) = (same(asked), same(answered));
        assert_eq!((answer.result, answer.protocol), (0, 2));
        (ask, answer)
    });
    rounds.collect()
}

/// A field that fills the bytes and is written to the same.
fn same<F: Field>(encoded: &[u8]) -> F {
    let mut from = Reader::new(encoded);
    let field: F = from.field().unwrap();
    assert!(from.rest().is_empty());
    assert_eq!(bytes(&field), encoded);
    field
}

#[test]
fn all_that_is_asked_of_a_monitor_by_messages_is_reproduced_in_both_roles() {
    for (name, count) in [("10e-v1-cephx-mon-dump", 3), ("12a-v1-osd-to-mon-cephx", 4)] {
        let rounds = rounds(name);
        assert_eq!(rounds.len(), count, "{name}");
        let principal = headers(name, "principal").pop().unwrap();
        let own = key(&principal[1]);

        let hello: Hello = same(&rounds[0].0.payload);
        assert_eq!((hello.methods, hello.global_id), (vec![2], 0));
        assert_eq!(hello.name.to_string(), principal[0]);

        let (ask, answer) = &rounds[1];
        let shown: Authenticate = Reader::new(&ask.payload[2..]).field().unwrap();
        let mut login = Login::new(hello.name, own.clone(), None, shown.other_keys);
        let draws = script(&[&shown.client_challenge.to_le_bytes()]);
        let said = login.respond(&rounds[0].1.payload, &draws).unwrap();
        assert_eq!(said, ask.payload, "{name}");
        let logged_in = login
            .finish(answer.global_id, &answer.payload, NOW)
            .unwrap();
        assert!(logged_in.connection_secret.is_none());
        assert_eq!(granted_again(&answer.payload, &own, None), answer.payload);

        more_tickets(&rounds[2], &logged_in);
        if let Some((ask, answer)) = rounds.get(3) {
            assert_eq!(RotatingSecrets::request(), ask.payload);
            let secrets = RotatingSecrets::answered(&answer.payload, &own).unwrap();
            let ids: Vec<u64> = secrets.secrets.keys().copied().collect();
            assert_eq!((ids, secrets.highest), (vec![1, 2, 3], 3));
            assert_eq!(secrets.current().unwrap().0, 2);
            assert_eq!(secrets.answer(&own, &dry()).unwrap(), answer.payload);
        }
    }
}

fn more_tickets((ask, answer): &(MAuth, MAuthReply), logged_in: &LoggedIn) {
    let auth = &logged_in.tickets.by_service[&AUTH_SERVICE];
    let mut from = Reader::new(&ask.payload);
    assert_eq!(from.field(), Ok(Op::ServiceTickets));
    let _: Shown = from.field().unwrap();
    let opened = auth
        .session_key
        .open(Usage::Authorize, from.blob().unwrap());
    let Authorize { nonce, .. } = Reader::new(opened.unwrap().expose()).field().unwrap();
    let draws = script(&[&nonce.to_le_bytes()]);
    let global_id = logged_in.tickets.global_id;
    let said = service_tickets::request(auth, global_id, 21, &draws).unwrap();
    assert_eq!(said, ask.payload);
    let got = service_tickets::answered(&answer.payload, &auth.session_key, NOW).unwrap();
    let services: Vec<u8> = got.keys().map(|service| service.0).collect();
    assert_eq!(services, [1, 4, 16]);
    let mut again = Op::ServiceTickets.answer();
    let mut from = Op::ServiceTickets.answered(&answer.payload).unwrap();
    let reply = TicketReply::open(&mut from, &auth.session_key, None).unwrap();
    again.extend(reply.seal(&auth.session_key, None, &dry()).unwrap());
    assert_eq!(again, answer.payload);
}
