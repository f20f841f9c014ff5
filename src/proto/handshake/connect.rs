//! The dialler's handshake.

use crate::proto::auth::{self, ConMode};
use crate::proto::fault::Fault;
use crate::proto::frame::control::{
    AuthBadMethod, AuthDone, AuthRequest, AuthSignature, ClientIdent, FLAG_LOSSY, Hello,
    IdentMissingFeatures, ServerIdent,
};
use crate::proto::frame::{Frame, Tag};
use crate::proto::output::{Event, Peer};
use crate::types::{EntityAddr, EntityName, EntityType, features};

use super::{Context, Step, payload};

/// Whom this attempt is for.
#[derive(Debug)]
pub struct Dialled {
    /// What the peer should be.
    pub peer_type: EntityType,
    /// The address dialled.
    pub target: EntityAddr,
    /// The number of the attempt.
    pub global_seq: u64,
}

/// The states of a dialler.
pub enum Connecting {
    /// Our banner is out.
    Banner(Dialled),
    /// Our HELLO is out.
    Hello(Dialled),
    /// Our AUTH_REQUEST is out.
    Auth(Dialled),
    /// Authenticated under that global id; the peer's proof is missing.
    Sign(Dialled, u64),
    /// Our CLIENT_IDENT is out.
    Ident(Dialled, u64),
}

impl Connecting {
    /// Says who we are.
    pub fn handle_banner(self, context: &mut Context<'_>) -> Self {
        match self {
            Self::Banner(dialled) => {
                let entity_type = context.config.name.kind;
                context.out.control(&Hello {
                    entity_type,
                    peer_addr: dialled.target,
                });
                Self::Hello(dialled)
            }
            later => later,
        }
    }

    /// Takes the peer's next frame.
    pub fn handle(self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        match (self, frame.tag) {
            (Self::Hello(dialled), Tag::Hello) => on_hello(dialled, &payload(frame)?, context),
            (Self::Auth(dialled), Tag::AuthDone) => {
                on_auth_done(dialled, &payload(frame)?, context)
            }
            // Method none in mode crc is all there is to offer, so there is
            // nothing left to try.
            (Self::Auth(_), Tag::AuthBadMethod) => {
                Err(Fault::AuthRefused(payload::<AuthBadMethod>(frame)?.result))
            }
            (Self::Sign(dialled, global_id), Tag::AuthSignature) => {
                on_signature(dialled, global_id, &payload(frame)?, context)
            }
            (Self::Ident(dialled, global_id), Tag::ServerIdent) => {
                on_server_ident(&dialled, global_id, payload(frame)?, context)
            }
            (Self::Ident(..), Tag::IdentMissingFeatures) => Err(Fault::MissingFeatures(
                payload::<IdentMissingFeatures>(frame)?.features,
            )),
            (Self::Ident(..), Tag::Wait) => Err(Fault::Wait),
            (_, tag) => Err(Fault::Unexpected(tag)),
        }
    }

    /// Ceph's name for the state.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Banner(_) => "BANNER_CONNECTING",
            Self::Hello(_) => "HELLO_CONNECTING",
            Self::Auth(_) => "AUTH_CONNECTING",
            Self::Sign(..) => "AUTH_CONNECTING_SIGN",
            Self::Ident(..) => "SESSION_CONNECTING",
        }
    }
}

fn on_hello(
    dialled: Dialled,
    hello: &Hello,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let config = context.config;
    if hello.entity_type != dialled.peer_type {
        return Err(Fault::WrongPeerType(dialled.peer_type, hello.entity_type));
    }
    let seen_as = hello.peer_addr.socket.filter(|_| config.learn_addr);
    if seen_as.is_some_and(|seen| context.local.fill_blank_ips(seen.ip())) {
        context.events.push(Event::Learned(context.local.front()));
    }
    let allowed = config.modes.allowed(config.name.kind, dialled.peer_type);
    let preferred_modes = auth::modes_for_none(allowed);
    if preferred_modes.is_empty() {
        return Err(Fault::NoMode);
    }
    let payload = auth::none_request(&config.name, dialled.peer_type);
    context.out.control(&AuthRequest {
        method: auth::METHOD_NONE,
        preferred_modes,
        payload,
    });
    Ok(Step::Next(Connecting::Auth(dialled)))
}

fn on_auth_done(
    dialled: Dialled,
    done: &AuthDone,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if done.con_mode != ConMode::Crc.code() {
        return Err(Fault::WrongMode(done.con_mode));
    }
    context.out.control(&AuthSignature {
        signature: auth::NO_SIGNATURE,
    });
    Ok(Step::Next(Connecting::Sign(dialled, done.global_id)))
}

fn on_signature(
    dialled: Dialled,
    global_id: u64,
    proof: &AuthSignature,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if proof.signature != auth::NO_SIGNATURE {
        return Err(Fault::Signature);
    }
    let policy = context.config.policies.get(dialled.peer_type);
    context.out.control(&ClientIdent {
        addrs: context.local.clone(),
        target: dialled.target,
        gid: context.config.name.entity_name().num,
        global_seq: dialled.global_seq,
        supported_features: policy.features_supported,
        required_features: policy.features_required | features::MSG_ADDR2,
        flags: FLAG_LOSSY,
        cookie: 0,
    });
    Ok(Step::Next(Connecting::Ident(dialled, global_id)))
}

/// The acceptor's flags and cookie are ignored: a lossy dialler stays lossy
/// whatever the acceptor would have kept. Nor are its required features
/// checked, which it does itself.
fn on_server_ident(
    dialled: &Dialled,
    global_id: u64,
    ident: ServerIdent,
    context: &Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if !ident.addrs.0.contains(&dialled.target) {
        return Err(Fault::WrongAcceptor(dialled.target));
    }
    let policy = context.config.policies.get(dialled.peer_type);
    Ok(Step::Open(Peer {
        name: EntityName::new(dialled.peer_type, ident.gid),
        addrs: ident.addrs,
        features: policy.features_supported & ident.supported_features,
        global_id,
        mode: ConMode::Crc,
        lossy: true,
    }))
}
