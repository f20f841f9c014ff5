//! The dialler's handshake.

use crate::proto::auth::{self, ConMode};
use crate::proto::fault::Fault;
use crate::proto::frame::control::{
    AuthBadMethod, AuthDone, AuthRequest, AuthSignature, ClientIdent, FLAG_LOSSY, Hello,
    IdentMissingFeatures, ServerIdent, SessionReconnect, SessionReconnectOk, SessionReset,
    SessionRetry, SessionRetryGlobal, Wait,
};
use crate::proto::frame::{Frame, Tag};
use crate::proto::mutation::{self, Mutation};
use crate::proto::output::{Event, Peer};
use crate::types::{EntityAddr, EntityName, EntityType, features};

use super::{Context, Step, payload};

/// Times that an acceptor may decline to resume a session on one socket.
const MAX_RETRIES: u32 = 3;

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
    /// Our SESSION_RECONNECT is out, after so many were declined.
    Reconnect(Dialled, u64, u32),
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
            (Self::Reconnect(..), Tag::SessionReconnectOk) => {
                on_reconnect_ok(&payload(frame)?, context)
            }
            (Self::Reconnect(dialled, global_id, _), Tag::SessionReset) => {
                on_reset(dialled, global_id, &payload(frame)?, context)
            }
            (Self::Reconnect(_, _, MAX_RETRIES), Tag::SessionRetry | Tag::SessionRetryGlobal) => {
                Err(Fault::TooManyRetries)
            }
            (Self::Reconnect(dialled, global_id, declined), Tag::SessionRetry) => {
                let newest = payload::<SessionRetry>(frame)?.connect_seq;
                context.session.connect_seq = newest.saturating_add(1);
                Ok(reconnect(dialled, global_id, declined + 1, context))
            }
            (Self::Reconnect(mut dialled, global_id, declined), Tag::SessionRetryGlobal) => {
                let newest = payload::<SessionRetryGlobal>(frame)?.global_seq;
                dialled.global_seq = context.config.global_seq.next(newest);
                Ok(reconnect(dialled, global_id, declined + 1, context))
            }
            (Self::Ident(..), Tag::IdentMissingFeatures) => Err(Fault::MissingFeatures(
                payload::<IdentMissingFeatures>(frame)?.features,
            )),
            (Self::Ident(..) | Self::Reconnect(..), Tag::Wait) => {
                payload::<Wait>(frame)?;
                Err(Fault::Wait)
            }
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
            Self::Reconnect(..) => "SESSION_RECONNECTING",
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
    Ok(match context.session.server_cookie {
        0 => ident(dialled, global_id, context),
        _ => reconnect(dialled, global_id, 0, context),
    })
}

/// Asks for a session. Its cookie stays the same over failed attempts, so that
/// the acceptor knows one that it has granted already.
fn ident(dialled: Dialled, global_id: u64, context: &mut Context<'_>) -> Step<Connecting> {
    let session = &mut *context.session;
    if !context.policy.lossy && session.client_cookie == 0 {
        session.client_cookie = context.random.next_non_zero();
    }
    context.out.control(&ClientIdent {
        addrs: context.local.clone(),
        target: dialled.target,
        gid: context.config.name.entity_name().num,
        global_seq: dialled.global_seq,
        supported_features: context.policy.features_supported,
        required_features: context.policy.features_required | features::MSG_ADDR2,
        flags: if context.policy.lossy { FLAG_LOSSY } else { 0 },
        cookie: session.client_cookie,
    });
    Step::Next(Connecting::Ident(dialled, global_id))
}

/// Asks to go on with the session.
fn reconnect(
    dialled: Dialled,
    global_id: u64,
    declined: u32,
    context: &mut Context<'_>,
) -> Step<Connecting> {
    let session = &*context.session;
    context.out.control(&SessionReconnect {
        addrs: context.local.clone(),
        client_cookie: session.client_cookie,
        server_cookie: session.server_cookie,
        global_seq: dialled.global_seq,
        connect_seq: session.connect_seq,
        msg_seq: session.in_seq(),
    });
    Step::Next(Connecting::Reconnect(dialled, global_id, declined))
}

fn on_reconnect_ok(
    granted: &SessionReconnectOk,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if !context.session.could_have(granted.msg_seq) {
        return Err(Fault::ImpossibleSeq(granted.msg_seq));
    }
    context.session.resume(granted.msg_seq);
    Ok(Step::Resumed)
}

/// The acceptor does not have the session, or, unless `full`, its part of it.
fn on_reset(
    dialled: Dialled,
    global_id: u64,
    reset: &SessionReset,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if reset.full {
        context.session.reset();
        if !mutation::is(Mutation::ForgetResetCallback) {
            context.events.push(Event::RemoteReset);
        }
    } else {
        context.session.restart();
    }
    Ok(ident(dialled, global_id, context))
}

/// The acceptor decides whether there is a session to be kept. Its required
/// features it checks itself.
fn on_server_ident(
    dialled: &Dialled,
    global_id: u64,
    ident: ServerIdent,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if !ident.addrs.0.contains(&dialled.target) {
        return Err(Fault::WrongAcceptor(dialled.target));
    }
    context.policy.lossy = ident.flags & FLAG_LOSSY != 0;
    context.session.server_cookie = ident.cookie;
    context.session.peer_global_seq = ident.global_seq;
    Ok(Step::Open(Peer {
        name: EntityName::new(dialled.peer_type, ident.gid),
        addrs: ident.addrs,
        features: context.policy.features_supported & ident.supported_features,
        global_id,
        mode: ConMode::Crc,
        lossy: context.policy.lossy,
    }))
}
