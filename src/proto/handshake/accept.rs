//! The acceptor's handshake, up to the dialler's request for a session.

use std::net::SocketAddr;

use crate::proto::auth::{self, ConMode};
use crate::proto::fault::Fault;
use crate::proto::frame::control::{
    AuthBadMethod, AuthDone, AuthRequest, AuthSignature, ClientIdent, Hello, IdentMissingFeatures,
    SessionReconnect,
};
use crate::proto::frame::{Frame, Tag};
use crate::types::{EntityAddr, EntityAddrVec, EntityType, features};

use super::{Context, Step, payload};

/// AUTH_REQUESTs that may be declined on one connection.
const MAX_AUTH_REQUESTS: u32 = 8;

// Linux errnos, as the wire has them wherever we run.
const EACCES: i32 = 13;
const EOPNOTSUPP: i32 = 95;

/// The states of an acceptor.
pub enum Accepting {
    /// Our banner is out.
    Banner(SocketAddr),
    /// Our HELLO is out.
    Hello,
    /// The peer is of that type and so many of its requests were declined.
    Auth(EntityType, u32),
    /// Authenticated; the peer's proof is missing.
    Sign(Authenticated),
    /// The peer may ask for a session.
    Session(Authenticated),
}

/// Who the peer claims to be.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated {
    /// Its kind.
    pub peer_type: EntityType,
    /// Its number in the cluster.
    pub global_id: u64,
}

/// What it asks for, checked as far as this end alone can.
#[derive(Debug)]
pub enum Request {
    /// A new session.
    Ident(ClientIdent),
    /// To go on with one.
    Reconnect(SessionReconnect),
}

impl Request {
    /// The dialler's addresses.
    pub const fn addrs(&self) -> &EntityAddrVec {
        match self {
            Self::Ident(ident) => &ident.addrs,
            Self::Reconnect(reconnect) => &reconnect.addrs,
        }
    }
}

impl Accepting {
    /// Says who we are.
    pub fn handle_banner(self, context: &mut Context<'_>) -> Self {
        match self {
            Self::Banner(from) => {
                let entity_type = context.config.name.kind;
                let peer_addr = EntityAddr::msgr2(from, 0);
                context.out.control(&Hello {
                    entity_type,
                    peer_addr,
                });
                Self::Hello
            }
            later => later,
        }
    }

    /// Takes the peer's next frame.
    pub fn handle(self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        match (self, frame.tag) {
            (Self::Hello, Tag::Hello) => Ok(on_hello(&payload(frame)?, context)),
            (Self::Auth(peer_type, declined), Tag::AuthRequest) => {
                on_auth_request(peer_type, declined, &payload(frame)?, context)
            }
            (Self::Sign(peer), Tag::AuthSignature) => on_signature(peer, &payload(frame)?),
            (Self::Session(peer), Tag::ClientIdent) => {
                on_client_ident(peer, payload(frame)?, context)
            }
            (Self::Session(peer), Tag::SessionReconnect) => {
                Ok(Step::Ask(peer, Request::Reconnect(payload(frame)?)))
            }
            (_, tag) => Err(Fault::Unexpected(tag)),
        }
    }

    /// Ceph's name for the state.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Banner(_) => "BANNER_ACCEPTING",
            Self::Hello => "HELLO_ACCEPTING",
            Self::Auth(..) => "AUTH_ACCEPTING",
            Self::Sign(_) => "AUTH_ACCEPTING_SIGN",
            Self::Session(_) => "SESSION_ACCEPTING",
        }
    }
}

fn on_hello(hello: &Hello, context: &mut Context<'_>) -> Step<Accepting> {
    // Bound to the wildcard, we are at whatever address was dialled. That only
    // holds for this connection: a dialler must not teach the messenger.
    if let Some(dialled) = hello.peer_addr.socket {
        context.local.fill_blank_ips(dialled.ip());
    }
    *context.policy = *context.config.policies.get(hello.entity_type);
    Step::Next(Accepting::Auth(hello.entity_type, 0))
}

fn on_auth_request(
    peer_type: EntityType,
    declined: u32,
    request: &AuthRequest,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    let config = context.config;
    let allowed_modes = auth::modes_for_none(config.modes.allowed(config.name.kind, peer_type));
    let common = request
        .preferred_modes
        .iter()
        .any(|mode| allowed_modes.contains(mode));
    let verdict = if request.method == auth::METHOD_NONE && common {
        auth::none_claim(&request.payload).map_err(|_| EACCES)
    } else {
        Err(EOPNOTSUPP)
    };
    match verdict {
        Ok(global_id) => {
            let con_mode = ConMode::Crc.code();
            context.out.control(&AuthDone {
                global_id,
                con_mode,
                payload: Vec::new(),
            });
            context.out.control(&AuthSignature {
                signature: auth::NO_SIGNATURE,
            });
            Ok(Step::Next(Accepting::Sign(Authenticated {
                peer_type,
                global_id,
            })))
        }
        Err(_) if declined + 1 >= MAX_AUTH_REQUESTS => Err(Fault::TooManyAuthRequests),
        Err(errno) => {
            context.out.control(&AuthBadMethod {
                method: request.method,
                result: -errno,
                allowed_methods: vec![auth::METHOD_NONE],
                allowed_modes,
            });
            Ok(Step::Next(Accepting::Auth(peer_type, declined + 1)))
        }
    }
}

fn on_signature(peer: Authenticated, proof: &AuthSignature) -> Result<Step<Accepting>, Fault> {
    if proof.signature != auth::NO_SIGNATURE {
        return Err(Fault::Signature);
    }
    Ok(Step::Next(Accepting::Session(peer)))
}

fn on_client_ident(
    peer: Authenticated,
    ident: ClientIdent,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    if ident.addrs.front() == EntityAddr::default() {
        return Err(Fault::NoAddress);
    }
    if !context.local.0.contains(&ident.target) {
        return Err(Fault::WrongTarget(ident.target));
    }
    let required = context.policy.features_required | features::MSG_ADDR2;
    let missing = required & !ident.supported_features;
    if missing != 0 {
        context
            .out
            .control(&IdentMissingFeatures { features: missing });
        return Ok(Step::Next(Accepting::Session(peer)));
    }
    Ok(Step::Ask(peer, Request::Ident(ident)))
}
