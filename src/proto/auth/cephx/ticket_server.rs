//! The monitor's part: proofs in, tickets out.

use std::time::Duration;

use bytes::BufMut;
use subtle::ConstantTimeEq;

use crate::proto::codec::{Field, Reader, count};
use crate::types::{AuthName, EntityType, Entropy, Secret, WallTime};

use super::authenticate::{Authenticate, MODE_MONITOR, proof};
use super::error::CephxError;
use super::key::{CryptoKey, KeyType};
use super::keyring::Entry;
use super::op::Op;
use super::rotating::RotatingSecrets;
use super::seal::{Usage, plain};
use super::service_tickets::Wanted;
use super::ticket::{
    AUTH_SERVICE, AuthCaps, AuthTicket, PERMANENT, ServiceTicket, ServiceTicketInfo, TicketBlob,
    wall_time,
};
use super::ticket_reply::{Issued, TicketReply};
use super::verifier::{Verdict, Verified, open_authorizer};

/// What the monitors of a cluster know and decide.
#[derive(Clone, Copy)]
pub struct Realm<'a> {
    /// The entity of a name, with its key and caps.
    pub entities: &'a dyn Fn(&AuthName) -> Option<Entry>,
    /// The keys of a service, [`AUTH_SERVICE`] among them.
    pub secrets: &'a dyn Fn(EntityType) -> Option<RotatingSecrets>,
    /// How long an auth ticket is good; in Ceph three days.
    pub auth_validity: Duration,
    /// How long other tickets are good; in Ceph an hour.
    pub service_validity: Duration,
}

/// A monitor's part on one connection: a challenge, a proof, and what the entity
/// asks for later.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TicketServer {
    client: Option<Client>,
}

/// Who is there.
#[derive(Debug, PartialEq, Eq)]
struct Client {
    name: AuthName,
    global_id: u64,
    /// The global id is one that it brought.
    claimed: bool,
    server_challenge: u64,
    /// It has proved to be who it says.
    proved: bool,
}

/// The services that tickets are given for.
const SERVICES: [EntityType; 4] = [
    EntityType::MON,
    EntityType::MDS,
    EntityType::OSD,
    EntityType::MGR,
];

impl TicketServer {
    /// Nobody has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a payload of msgr2's authentication. `fresh_id` is the global id
    /// for somebody who has none; `secret_len` as in
    /// [`Verifier::request`](super::verifier::Verifier::request).
    pub fn request(
        &mut self,
        payload: &[u8],
        fresh_id: u64,
        secret_len: usize,
        realm: Realm<'_>,
        now: WallTime,
        entropy: &Entropy,
    ) -> Result<Verdict, CephxError> {
        if self.client.is_some() {
            let granted = self.authenticate(payload, Some(secret_len), realm, now, entropy)?;
            return Ok(Verdict::Done(Box::new(granted)));
        }
        let mut from = Reader::new(payload);
        let mode: u8 = from.field()?;
        if mode != MODE_MONITOR {
            return Err(CephxError::WrongMode(mode));
        }
        let (name, global_id) = (from.field()?, from.field()?);
        let challenge = self.challenge(name, global_id, fresh_id, entropy)?;
        Ok(Verdict::More(challenge))
    }

    /// Challenges somebody. Who is not known is told so later, as is who has
    /// the wrong key. msgr1 gets here by way of a
    /// [`Hello`](super::messages::Hello).
    pub fn challenge(
        &mut self,
        name: AuthName,
        claimed_id: u64,
        fresh_id: u64,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        // Zero would stand for no challenge.
        let server_challenge = entropy.number()?.max(1);
        let claimed = claimed_id != 0;
        self.client = Some(Client {
            name,
            global_id: if claimed { claimed_id } else { fresh_id },
            claimed,
            server_challenge,
            proved: false,
        });
        let mut out = vec![1];
        server_challenge.encode(&mut out);
        Ok(out)
    }

    /// True once somebody has proved to be who it says.
    pub fn is_proved(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.proved)
    }

    /// The number of whoever is there.
    pub fn global_id(&self) -> Option<u64> {
        self.client.as_ref().map(|client| client.global_id)
    }

    /// Judges a proof. There is no connection secret, not even an empty one, if
    /// `secret_len` is none: on msgr1, and when a ticket is renewed.
    pub fn authenticate(
        &mut self,
        payload: &[u8],
        secret_len: Option<usize>,
        realm: Realm<'_>,
        now: WallTime,
        entropy: &Entropy,
    ) -> Result<Verified, CephxError> {
        let client = self.client.as_mut().ok_or(CephxError::OutOfTurn)?;
        let granted = client.grant(payload, secret_len, realm, now, entropy);
        match &granted {
            Ok(_) => client.proved = true,
            // One try per challenge: it is a number of 64 bits that is guessed.
            Err(_) if !client.proved => self.client = None,
            Err(_) => {}
        }
        granted
    }

    /// Serves what an entity asks for later, in an
    /// [`MAuth`](super::messages::MAuth) message.
    pub fn serve(
        &mut self,
        payload: &[u8],
        realm: Realm<'_>,
        now: WallTime,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        let client = self.client.as_ref().filter(|client| client.proved);
        let client = client.ok_or(CephxError::OutOfTurn)?;
        let mut from = Reader::new(payload);
        match from.field()? {
            Op::AuthTicket => {
                let granted = self.authenticate(payload, None, realm, now, entropy)?;
                Ok(granted.payload)
            }
            Op::ServiceTickets => client.more_tickets(&mut from, realm, now, entropy),
            Op::RotatingSecrets => {
                let entity = client.entity(realm)?;
                let secrets = client.own_secrets(realm)?;
                secrets.answer(&entity.key, entropy)
            }
        }
    }
}

impl Client {
    fn grant(
        &self,
        payload: &[u8],
        secret_len: Option<usize>,
        realm: Realm<'_>,
        now: WallTime,
        entropy: &Entropy,
    ) -> Result<Verified, CephxError> {
        let mut from = Reader::new(payload);
        let op: Op = from.field()?;
        if op != Op::AuthTicket {
            return Err(CephxError::WrongOp(op as u16));
        }
        let shown: Authenticate = from.field()?;
        let entity = self.entity(realm)?;
        self.check_proof(&shown, &entity.key, entropy)?;
        let mon_caps = entity.caps.get("mon").ok_or(CephxError::NoMonCaps)?;
        let old_key = self.old_key(&shown.old_ticket, realm)?;

        let issue = Issue {
            client: self,
            entity: &entity,
            realm,
            now,
            entropy,
        };
        let auth = issue.ticket(AUTH_SERVICE)?;
        let mut grant = Grant {
            session_key: auth.ticket.session_key.clone(),
            auth: TicketReply(vec![auth]),
            secret: None,
            extra: None,
        };
        // Who asks for nothing more does not expect a secret either.
        if shown.other_keys != 0 {
            grant.secret = match secret_len {
                None => None,
                Some(0) => Some(None),
                Some(len) => Some(Some(entropy.secret(len)?)),
            };
            grant.extra = Some(issue.tickets(shown.other_keys)?);
        }
        Ok(Verified {
            name: self.name.clone(),
            global_id: self.global_id,
            caps: caps(mon_caps),
            payload: grant.seal(&entity.key, old_key.as_ref(), entropy)?,
            session_key: grant.session_key,
            connection_secret: grant.secret.flatten(),
        })
    }

    fn entity(&self, realm: Realm<'_>) -> Result<Entry, CephxError> {
        (realm.entities)(&self.name).ok_or(CephxError::UnknownEntity)
    }

    fn check_proof(
        &self,
        shown: &Authenticate,
        key: &CryptoKey,
        entropy: &Entropy,
    ) -> Result<(), CephxError> {
        let expected = proof(key, self.server_challenge, shown.client_challenge, entropy)?;
        match bool::from(shown.key.ct_eq(&expected)) {
            true => Ok(()),
            false => Err(CephxError::WrongKey),
        }
    }

    /// The session key of the ticket by which a global id is kept. Who brings
    /// an id has to show that it was given to nobody else; so has who has been
    /// here before.
    fn old_key(&self, old: &TicketBlob, realm: Realm<'_>) -> Result<Option<CryptoKey>, CephxError> {
        let has_id = self.claimed || self.proved;
        if old.blob.is_empty() {
            return match has_id {
                false => Ok(None),
                true => Err(CephxError::IdWithoutTicket),
            };
        }
        if !has_id {
            return Err(CephxError::TicketWithoutId);
        }
        let secrets = (realm.secrets)(AUTH_SERVICE);
        let key = secrets
            .as_ref()
            .and_then(|secrets| secrets.get(old.secret_id));
        let key = key.ok_or(CephxError::UnknownSecretId(AUTH_SERVICE, old.secret_id))?;
        // How old it is does not matter: the entity has proved who it is, and
        // after a long sleep it still is.
        let info = old.open(key)?;
        if info.ticket.global_id != self.global_id || info.ticket.name != self.name {
            return Err(CephxError::ForeignTicket);
        }
        Ok(Some(info.session_key))
    }

    fn more_tickets(
        &self,
        from: &mut Reader<'_>,
        realm: Realm<'_>,
        now: WallTime,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        let secrets = (realm.secrets)(AUTH_SERVICE).unwrap_or_default();
        let keys = |_, id| secrets.get(id).filter(|_| id != PERMANENT).cloned();
        let (info, _) = open_authorizer(from, AUTH_SERVICE, &keys, now)?;
        if info.ticket.global_id != self.global_id || info.ticket.name != self.name {
            return Err(CephxError::ForeignTicket);
        }
        let Wanted(services) = from.field()?;
        let issue = Issue {
            client: self,
            entity: &self.entity(realm)?,
            realm,
            now,
            entropy,
        };
        let mut out = Op::ServiceTickets.answer();
        let tickets = issue.tickets(services)?;
        out.put_slice(&tickets.seal(&info.session_key, None, entropy)?);
        Ok(out)
    }

    /// The keys of the kind of service that the entity is. Monitors do without,
    /// and clients get none.
    fn own_secrets(&self, realm: Realm<'_>) -> Result<RotatingSecrets, CephxError> {
        let kind = self.name.kind;
        let is_service = SERVICES.contains(&kind) && kind != EntityType::MON;
        let secrets = is_service.then(|| (realm.secrets)(kind)).flatten();
        secrets.ok_or(CephxError::NoTicket(kind))
    }
}

/// The making of tickets for one entity.
struct Issue<'a> {
    client: &'a Client,
    entity: &'a Entry,
    realm: Realm<'a>,
    now: WallTime,
    entropy: &'a Entropy,
}

impl Issue<'_> {
    /// For those services of a mask that have keys.
    fn tickets(&self, services: u32) -> Result<TicketReply, CephxError> {
        let wanted = |service: &EntityType| services & u32::from(service.0) != 0;
        let has_keys = |service: &EntityType| (self.realm.secrets)(*service).is_some();
        let services = SERVICES.into_iter().filter(wanted).filter(has_keys);
        let tickets: Result<_, _> = services.map(|service| self.ticket(service)).collect();
        tickets.map(TicketReply)
    }

    fn ticket(&self, service: EntityType) -> Result<Issued, CephxError> {
        let secrets = (self.realm.secrets)(service).unwrap_or_default();
        let (secret_id, secret) = secrets.current().ok_or(CephxError::NoTicket(service))?;
        let validity = match service {
            AUTH_SERVICE => self.realm.auth_validity,
            _ => self.realm.service_validity,
        };
        // An entity whose own key is of the first type may know no other.
        let kind = match self.entity.key.kind() {
            KeyType::Aes => KeyType::Aes,
            KeyType::Aes256Krb5 => secret.key.kind(),
        };
        let session_key = CryptoKey::generate(kind, self.entropy)?.created_at(self.now);
        let client = self.client;
        let info = ServiceTicketInfo {
            ticket: AuthTicket::new(
                client.name.clone(),
                client.global_id,
                self.caps(service),
                self.now,
                validity,
            ),
            session_key,
        };
        Ok(Issued {
            service,
            blob: TicketBlob::seal(&info, &secret.key, secret_id, self.entropy)?,
            ticket: ServiceTicket {
                session_key: info.session_key,
                validity: wall_time(validity),
            },
        })
    }

    /// Monitors look caps up themselves.
    fn caps(&self, service: EntityType) -> AuthCaps {
        let of_service = match service {
            AUTH_SERVICE | EntityType::MON => None,
            _ => self.entity.caps.get(&service.to_string()),
        };
        of_service.map(|text| caps(text)).unwrap_or_default()
    }
}

/// Caps as tickets carry them.
fn caps(text: &str) -> AuthCaps {
    let mut encoded = Vec::with_capacity(text.len() + 4);
    text.as_bytes().to_vec().encode(&mut encoded);
    AuthCaps {
        allow_all: false,
        caps: encoded,
    }
}

/// What a proof earns.
pub(super) struct Grant {
    pub auth: TicketReply,
    /// The auth ticket's.
    pub session_key: CryptoKey,
    /// A connection secret, an empty one, or no word of one.
    pub secret: Option<Option<Secret>>,
    /// Other tickets, if others were asked for.
    pub extra: Option<TicketReply>,
}

impl Grant {
    /// As [`Login::finish`](super::login::Login::finish) reads it.
    pub fn seal(
        &self,
        owner: &CryptoKey,
        old: Option<&CryptoKey>,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        let mut out = Op::AuthTicket.answer();
        out.put_slice(&self.auth.seal(owner, old, entropy)?);
        let Some(extra) = &self.extra else {
            return Ok(out);
        };
        let mut wrapped = Vec::new();
        if let Some(secret) = &self.secret {
            let secret = secret.as_ref().map_or(&[][..], Secret::expose);
            self.session_key
                .seal(Usage::ConnectionSecret, &string(secret), entropy)?
                .encode(&mut wrapped);
        }
        wrapped.encode(&mut out);
        let sealed = match extra.0.is_empty() {
            true => Vec::new(),
            false => extra.seal(&self.session_key, None, entropy)?,
        };
        sealed.encode(&mut out);
        Ok(out)
    }
}

/// Key material behind its length, wiped when it goes.
fn string(secret: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut bytes = plain(&count(secret.len()));
    bytes.put_slice(secret);
    bytes
}
