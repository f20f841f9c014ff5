//! Cephx: what is decoded of it, and its four machines against a peer that has
//! keys, or has not.

use std::time::Duration;

use crate::proto::auth::cephx::authenticate::{Authenticate, MODE_MONITOR, proof};
use crate::proto::auth::cephx::authorizer::Authorizer;
use crate::proto::auth::cephx::login::Login;
use crate::proto::auth::cephx::messages::{self, MAuth, MAuthReply};
use crate::proto::auth::cephx::op::Op;
use crate::proto::auth::cephx::rotating::RotatingSecrets;
use crate::proto::auth::cephx::seal::Usage;
use crate::proto::auth::cephx::ticket::{
    AuthCaps, AuthTicket, ServiceTicket, ServiceTicketInfo, TicketBlob,
};
use crate::proto::auth::cephx::ticket_reply::TicketReply;
use crate::proto::auth::cephx::ticket_server::{Realm, TicketServer};
use crate::proto::auth::cephx::verifier::{Verdict, Verifier};
use crate::proto::auth::cephx::{CephxError, CryptoKey, KeyType, Keyring, Ticket};
use crate::proto::auth::{KeyStore, PERMANENT};
use crate::proto::codec::{Field, Reader};
use crate::types::{AuthName, EntityType, WallTime};

use super::fields::settles;
use super::keys::{NOW, OneKey, entropy, key};
use super::meter::Watch;
use super::program::Program;

/// Where an authorizer says which version of a ticket's container it has, which
/// nothing depends on.
const BLOB_VERSION: usize = 13;

const USAGES: [Usage; 8] = [
    Usage::ConnectionSecret,
    Usage::TicketSessionKey,
    Usage::TicketBlob,
    Usage::Authorize,
    Usage::Challenge,
    Usage::AuthorizeReply,
    Usage::RotatingSecrets,
    Usage::TicketInfo,
];

/// Memory that handling a payload of so many bytes may take. Every machine draws
/// numbers and seals a few small things.
const fn limit(len: usize) -> usize {
    (16 << 10) + 16 * len
}

fn kind(flags: u8) -> KeyType {
    match flags & 1 {
        0 => KeyType::Aes,
        _ => KeyType::Aes256Krb5,
    }
}

fn alice() -> AuthName {
    "client.alice".parse().expect("a name")
}

/// Everything of cephx that has a form on the wire, and sealed bytes.
pub fn cephx_fields(input: &[u8]) {
    let mut program = Program::new(input);
    let what = program.byte();
    let bytes = program.rest();
    let exact = |encoded: Option<Vec<u8>>| {
        if let Some(encoded) = encoded {
            assert!(bytes.starts_with(&encoded));
        }
    };
    match what % 14 {
        0 => drop(settles::<CryptoKey>(bytes)),
        1 => drop(settles::<TicketBlob>(bytes)),
        2 => drop(settles::<AuthCaps>(bytes)),
        3 => drop(settles::<AuthTicket>(bytes)),
        4 => drop(settles::<ServiceTicketInfo>(bytes)),
        5 => drop(settles::<ServiceTicket>(bytes)),
        6 => drop(settles::<Authenticate>(bytes)),
        7 => drop(settles::<RotatingSecrets>(bytes)),
        8 => drop(settles::<MAuth>(bytes)),
        9 => exact(settles::<MAuthReply>(bytes)),
        10 => drop(settles::<messages::Hello>(bytes)),
        11 => exact(settles::<Op>(bytes)),
        12 => opens(&key(KeyType::Aes), bytes),
        _ => opens(&key(KeyType::Aes256Krb5), bytes),
    }
}

/// Sealed bytes come back, under the usage they were sealed for.
fn opens(key: &CryptoKey, bytes: &[u8]) {
    let watch = Watch::begin();
    let entropy = entropy(1);
    for usage in USAGES {
        // Whoever has no key does not even come near: what opens is our own.
        let opened = key.open(usage, bytes);
        assert!(key.kind() == KeyType::Aes || opened.is_err());
        let sealed = key.seal(usage, bytes, &entropy).expect("sealed");
        let opened = key.open(usage, &sealed).expect("opened");
        assert_eq!(opened.expose(), bytes);
    }
    watch.expect_at_most(limit(bytes.len()));
}

/// A service, shown authorizers.
pub fn cephx_service(input: &[u8]) {
    let mut program = Program::new(input);
    let flags = program.byte();
    let service_key = key(kind(flags));
    let secret_len = if flags & 2 == 0 { 0 } else { 64 };
    let entropy = entropy(2);
    let ticket = AuthTicket::new(
        alice(),
        7,
        AuthCaps::default(),
        NOW,
        Duration::from_secs(60),
    );
    let mut authorizer =
        Authorizer::self_made(&service_key, EntityType::OSD, ticket, &entropy).expect("made");
    let keys = |_, id| (id == PERMANENT).then(|| service_key.clone());
    let mut verifier = Verifier::new(EntityType::OSD);
    let mut challenge: Option<Vec<u8>> = None;
    let mut last = authorizer.request();
    for _ in 0..64 {
        let Some(step) = program.step() else {
            return;
        };
        let mut answers = false;
        let mut forged = false;
        let payload = match (step % 6, challenge.take()) {
            (0, _) => program.piece().to_vec(),
            (1, _) => forged_authorizer(&mut program, &service_key),
            (2 | 3, Some(challenge)) => {
                answers = true;
                let answer = authorizer.respond(&challenge, &entropy);
                answer.expect("the challenge was for us")
            }
            (4, _) => last.clone(),
            (5, Some(challenge)) => {
                forged = true;
                let mut answer = authorizer.respond(&challenge, &entropy).expect("for us");
                let at = usize::from(program.short()) % answer.len();
                // A later version of what holds the ticket is as good.
                let at = if at == BLOB_VERSION { 0 } else { at };
                answer[at] ^= program.byte().max(1);
                answer
            }
            _ => authorizer.request(),
        };
        let watch = Watch::begin();
        let verdict = verifier.request(&payload, secret_len, &keys, NOW, &entropy);
        watch.expect_at_most(limit(payload.len()));
        match verdict {
            Ok(Verdict::More(sealed)) => {
                assert!(!answers, "the answer was right");
                // Only our own session key opens it; a forger has another.
                challenge = Some(sealed).filter(|_| step % 6 != 1 && step % 6 != 0 && !forged);
            }
            Ok(Verdict::Done(verified)) => {
                // A ticket of the first type can be bent; the proof is of the one
                // who has been challenged nevertheless.
                assert!(
                    answers || (forged && kind(flags) == KeyType::Aes) || step % 6 == 1,
                    "without an answer to the challenge"
                );
                assert_eq!(
                    verified.connection_secret.is_some(),
                    secret_len > 0,
                    "the secret"
                );
                if answers {
                    authorizer.finish(&verified.payload).expect("our nonce");
                }
            }
            Err(_) => assert!(!answers, "the answer was right"),
        }
        last = payload;
        if last.is_empty() {
            last = authorizer.request();
        }
    }
}

/// An authorizer by somebody who has the service's key and puts anything into it.
fn forged_authorizer(program: &mut Program<'_>, service_key: &CryptoKey) -> Vec<u8> {
    let entropy = entropy(3);
    let seal = |key: &CryptoKey, usage, bytes: &[u8]| {
        let sealed = key.seal(usage, bytes, &entropy);
        sealed.expect("sealed")
    };
    let mut out = vec![1];
    program.number().encode(&mut out);
    u32::from(EntityType::OSD.0).encode(&mut out);
    TicketBlob {
        secret_id: PERMANENT,
        blob: seal(service_key, Usage::TicketInfo, program.piece()),
    }
    .encode(&mut out);
    seal(service_key, Usage::Authorize, program.piece()).encode(&mut out);
    out
}

/// A client at a service and at a monitor, which answer anything.
pub fn cephx_client(input: &[u8]) {
    let mut program = Program::new(input);
    let flags = program.byte();
    let own = key(kind(flags));
    let entropy = entropy(4);
    let ticket = Ticket::new(
        ServiceTicket {
            session_key: own.clone(),
            validity: WallTime { sec: 60, nsec: 0 },
        },
        TicketBlob::default(),
        NOW,
    );
    let mut authorizer =
        Authorizer::new(&ticket, EntityType::OSD, 7, &entropy).expect("an authorizer");
    let known = (flags & 2 != 0).then(|| (7, Some(ticket.clone())));
    let mut login = Login::new(alice(), own.clone(), known, 0x35);
    for _ in 0..64 {
        let Some(step) = program.step() else {
            return;
        };
        let bytes = program.piece();
        let sealed = |usage| own.seal(usage, bytes, &entropy).expect("sealed");
        let framed = |sealed: Vec<u8>| {
            let mut out = Vec::new();
            sealed.encode(&mut out);
            out
        };
        let watch = Watch::begin();
        match step % 7 {
            0 => drop(authorizer.respond(bytes, &entropy)),
            1 => drop(authorizer.respond(&sealed(Usage::Challenge), &entropy)),
            2 => {
                let finished = authorizer.finish(bytes);
                assert!(kind(flags) == KeyType::Aes || finished.is_err());
            }
            3 => drop(authorizer.finish(&framed(sealed(Usage::AuthorizeReply)))),
            4 => drop(login.respond(bytes, &entropy)),
            5 => drop(login.finish(7, bytes, NOW)),
            _ => drop(login.finish(7, &granted(bytes, &own), NOW)),
        }
        watch.expect_at_most(limit(bytes.len()));
    }
}

/// A monitor's last word with anything sealed in the right places.
fn granted(bytes: &[u8], own: &CryptoKey) -> Vec<u8> {
    let entropy = entropy(6);
    let mut program = Program::new(bytes);
    let mut out = Op::AuthTicket.answer();
    let seal = |usage, bytes: &[u8]| own.seal(usage, bytes, &entropy).expect("sealed");
    out.push(1);
    u32::from(program.byte() % 3).encode(&mut out);
    u32::from(program.byte() % 64).encode(&mut out);
    out.push(1);
    seal(Usage::TicketSessionKey, program.piece()).encode(&mut out);
    let wrapped = program.byte() % 2;
    out.push(wrapped);
    match wrapped {
        0 => program.piece().to_vec().encode(&mut out),
        _ => seal(Usage::TicketBlob, program.piece()).encode(&mut out),
    }
    let mut wrapped = Vec::new();
    seal(Usage::ConnectionSecret, program.piece()).encode(&mut wrapped);
    wrapped.encode(&mut out);
    program.rest().to_vec().encode(&mut out);
    out
}

/// A monitor, asked for tickets.
pub fn cephx_monitor(input: &[u8]) {
    let mut program = Program::new(input);
    let kind = kind(program.byte());
    let own = key(kind);
    let keys = OneKey::new(kind);
    let entropy = entropy(7);
    let entities = |name: &AuthName| keys.entity(name);
    let secrets = |service| keys.issuing(service, NOW);
    let realm = Realm {
        entities: &entities,
        secrets: &secrets,
        auth_validity: Duration::from_secs(7200),
        service_validity: Duration::from_secs(3600),
    };
    let mut server = TicketServer::new();
    let mut challenge = None;
    let mut proved = false;
    for _ in 0..32 {
        let Some(step) = program.step() else {
            return;
        };
        let payload = match step % 5 {
            0 => program.piece().to_vec(),
            1 => {
                let mut hello = vec![MODE_MONITOR];
                alice().encode(&mut hello);
                (program.number() % 3).encode(&mut hello);
                hello
            }
            2 | 3 => {
                let right = proof(&own, challenge.unwrap_or(0), 9, &entropy).expect("a proof");
                let wrong = if step % 5 == 3 { program.number() } else { 0 };
                proved |= wrong == 0 && challenge.is_some();
                authenticate(&mut program, right ^ wrong)
            }
            _ => {
                let mut later = [Op::ServiceTickets, Op::RotatingSecrets]
                    [usize::from(program.byte() % 2)]
                .request();
                later.extend(program.piece());
                later
            }
        };
        let watch = Watch::begin();
        let served = match step % 10 {
            0..5 => match server.request(&payload, 4711, 64, realm, NOW, &entropy) {
                Ok(Verdict::More(more)) => {
                    challenge = Reader::new(&more[1..]).field().ok();
                    Ok(())
                }
                Ok(Verdict::Done(_)) => Ok(()),
                Err(why) => Err(why),
            },
            _ => server.serve(&payload, realm, NOW, &entropy).map(drop),
        };
        // Tickets for every service are a few hundred bytes each.
        watch.expect_at_most((64 << 10) + 16 * payload.len());
        assert!(proved || !server.is_proved(), "without a proof");
        if let Err(why) = served {
            assert!(why.errno() > 0 && !why.to_string().is_empty());
        }
        if server == TicketServer::new() {
            challenge = None;
        }
    }
}

fn authenticate(program: &mut Program<'_>, key: u64) -> Vec<u8> {
    let mut out = Op::AuthTicket.request();
    Authenticate {
        client_challenge: 9,
        key,
        old_ticket: TicketBlob {
            secret_id: program.number(),
            blob: program.piece().to_vec(),
        },
        other_keys: u32::from(program.byte()),
    }
    .encode(&mut out);
    out
}

/// Keyrings and keys in text form, and tickets of which only the count is there.
pub fn keyring(input: &[u8]) {
    let own = key(KeyType::Aes);
    let tickets = TicketReply::open(&mut Reader::new(input), &own, None);
    assert!(!matches!(tickets, Err(CephxError::OutOfTurn)));
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let watch = Watch::begin();
    if let Ok(key) = CryptoKey::parse(text) {
        let again = CryptoKey::parse(&key.to_base64()).expect("our own text");
        assert!(key == again);
    }
    if let Ok(keyring) = Keyring::parse(text) {
        let names: Vec<_> = keyring.iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| keyring.get(name).is_some()));
    }
    watch.expect_at_most(limit(4 * input.len()));
}
