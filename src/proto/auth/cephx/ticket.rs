//! Tickets: a session key twice, once for its owner and once for the service.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::{AuthName, EntityType, Entropy, Secret, WallTime};

use super::error::CephxError;
use super::key::CryptoKey;
use super::seal::Usage;

/// The service that every monitor is, which gives the other tickets.
pub const AUTH_SERVICE: EntityType = EntityType(0x20);
/// The secret id of what is sealed with a permanent key.
pub const PERMANENT: u64 = u64::MAX;

/// Ceph's `CephXTicketBlob`: what a service opens. To its owner it is opaque.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TicketBlob {
    /// Which of the service's keys opens it.
    pub secret_id: u64,
    /// A sealed [`ServiceTicketInfo`].
    pub blob: Vec<u8>,
}

/// What the entity may do at the service, in words of the service.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuthCaps {
    /// Everything.
    pub allow_all: bool,
    /// One encoded string, or nothing.
    pub caps: Vec<u8>,
}

/// Ceph's `AuthTicket`: who the owner is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthTicket {
    /// Its name.
    pub name: AuthName,
    /// The number that the monitors gave it.
    pub global_id: u64,
    /// When the ticket was made.
    pub created: WallTime,
    /// Until when it is good.
    pub expires: WallTime,
    /// What it may do.
    pub caps: AuthCaps,
    /// None is defined.
    pub flags: u32,
}

/// Ceph's `CephXServiceTicketInfo`: what a service learns from a ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceTicketInfo {
    /// Who comes.
    pub ticket: AuthTicket,
    /// The key that whoever comes must have.
    pub session_key: CryptoKey,
}

/// Ceph's `CephXServiceTicket`: what the owner learns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceTicket {
    /// The key to prove with.
    pub session_key: CryptoKey,
    /// How long the ticket is good, as a duration.
    pub validity: WallTime,
}

/// A ticket in its owner's hands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The key to prove with.
    pub session_key: CryptoKey,
    /// What to show.
    pub blob: TicketBlob,
    /// Not to be used any more from then on.
    pub expires: WallTime,
    /// Another one should be asked for from then on.
    pub renew_after: WallTime,
}

/// What an entity was given by the monitors.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tickets {
    /// Its number.
    pub global_id: u64,
    /// Its tickets, [`AUTH_SERVICE`]'s among them.
    pub by_service: BTreeMap<EntityType, Ticket>,
}

impl TicketBlob {
    /// A ticket for the service that has this key.
    pub fn seal(
        info: &ServiceTicketInfo,
        key: &CryptoKey,
        secret_id: u64,
        entropy: &Entropy,
    ) -> Result<Self, CephxError> {
        let blob = key.seal_field(Usage::TicketInfo, info, entropy)?;
        Ok(Self { secret_id, blob })
    }

    /// What is in it. The service's key shows that a monitor, or whoever else
    /// has that key, made it.
    pub fn open(&self, key: &CryptoKey) -> Result<ServiceTicketInfo, CephxError> {
        let opened = key.open(Usage::TicketInfo, &self.blob)?;
        Ok(Reader::new(opened.expose()).field()?)
    }
}

impl AuthTicket {
    /// For an entity, good from now on for that long.
    pub fn new(
        name: AuthName,
        global_id: u64,
        caps: AuthCaps,
        now: WallTime,
        validity: Duration,
    ) -> Self {
        Self {
            name,
            global_id,
            created: now,
            expires: wall_time(since_1970(now).saturating_add(validity)),
            caps,
            flags: 0,
        }
    }
}

impl Ticket {
    /// A ticket that was received now. The last quarter of its life is for
    /// getting another one.
    pub fn new(ticket: ServiceTicket, blob: TicketBlob, now: WallTime) -> Self {
        let received = since_1970(now);
        let validity = since_1970(ticket.validity);
        Self {
            session_key: ticket.session_key,
            blob,
            expires: wall_time(received + validity),
            renew_after: wall_time(received + validity - validity / 4),
        }
    }

    /// False once it has expired.
    pub fn is_good(&self, now: WallTime) -> bool {
        since_1970(now) < since_1970(self.expires)
    }
}

/// As a span of time, in which any count of nanoseconds has a meaning.
pub(super) fn since_1970(time: WallTime) -> Duration {
    Duration::new(u64::from(time.sec), time.nsec)
}

/// The reverse; what the wire cannot say is as late as it can say.
pub(super) fn wall_time(since_1970: Duration) -> WallTime {
    const LAST: Duration = Duration::new(u32::MAX as u64, 999_999_999);
    since_1970.min(LAST).into()
}

/// The version in front of a struct. Newer ones only add to the end of what
/// the sealing delimits, so they read like the one known here.
pub(super) fn version(from: &mut Reader<'_>, least: u8) -> Result<u8, DecodeError> {
    let version = from.field()?;
    if version < least {
        return Err(DecodeError("a cephx struct is of a version long gone"));
    }
    Ok(version)
}

/// A service, for which messages have 32 bits.
pub(super) fn service(from: &mut Reader<'_>) -> Result<EntityType, DecodeError> {
    let service = u8::try_from(from.field::<u32>()?);
    service
        .map(EntityType)
        .map_err(|_| DecodeError("a service is out of range"))
}

/// A string of key material.
pub(super) fn secret(from: &mut Reader<'_>) -> Result<Option<Secret>, DecodeError> {
    let bytes = from.blob()?;
    Ok((!bytes.is_empty()).then(|| Secret::new(bytes.to_vec())))
}

impl Field for TicketBlob {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.secret_id.encode(out);
        self.blob.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        Ok(Self {
            secret_id: from.field()?,
            blob: from.field()?,
        })
    }
}

impl Field for AuthCaps {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.allow_all.encode(out);
        self.caps.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        Ok(Self {
            allow_all: from.field()?,
            caps: from.field()?,
        })
    }
}

/// Stands where an account number was once.
const NO_AUID: u64 = u64::MAX;

impl Field for AuthTicket {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(2);
        self.name.encode(out);
        self.global_id.encode(out);
        NO_AUID.encode(out);
        self.created.encode(out);
        self.expires.encode(out);
        self.caps.encode(out);
        self.flags.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 2)?;
        let name = from.field()?;
        let global_id = from.field()?;
        let _auid: u64 = from.field()?;
        Ok(Self {
            name,
            global_id,
            created: from.field()?,
            expires: from.field()?,
            caps: from.field()?,
            flags: from.field()?,
        })
    }
}

impl Field for ServiceTicketInfo {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.ticket.encode(out);
        self.session_key.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        Ok(Self {
            ticket: from.field()?,
            session_key: from.field()?,
        })
    }
}

impl Field for ServiceTicket {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.session_key.encode(out);
        self.validity.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        Ok(Self {
            session_key: from.field()?,
            validity: from.field()?,
        })
    }
}
