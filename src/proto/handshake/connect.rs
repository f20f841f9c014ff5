//! The dialler's handshake.

use crate::proto::auth::cephx::Tickets;
use crate::proto::auth::{Agreed, Answer, AuthFault, ConMode, Dialogue, Identity, Said};
use crate::proto::fault::Fault;
use crate::proto::frame::control::{
    AuthBadMethod, AuthDone, AuthReplyMore, AuthRequest, AuthRequestMore, ClientIdent,
    CompressionDone, FLAG_LOSSY, Hello, IdentMissingFeatures, ServerIdent, SessionReconnect,
    SessionReconnectOk, SessionReset, SessionRetry, SessionRetryGlobal, Wait,
};
use crate::proto::frame::{Frame, Side, Tag};
use crate::proto::mutation::{self, Mutation};
use crate::proto::output::{Event, Peer};
use crate::types::{EntityAddr, EntityName, EntityType, features};

use super::safety::{Expected, secure};
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
    /// What a monitor has given us, to be kept when it has let us in: by that it
    /// shows that nobody has changed it on the way.
    pub gained: Option<Box<Tickets>>,
}

impl Dialled {
    /// The handshake is done.
    fn keep_gained(&mut self, context: &Context<'_>) {
        if let Some(gained) = self.gained.take() {
            context.config.auth.keys.keep(*gained);
        }
    }
}

/// The states of a dialler.
pub enum Connecting {
    /// Our banner is out.
    Banner(Dialled),
    /// Our HELLO is out.
    Hello(Dialled),
    /// Our AUTH_REQUEST or AUTH_REQUEST_MORE is out.
    Auth(Dialled, Dialogue),
    /// The host is asked what to say next.
    AskingHost(Dialled, Dialogue, Option<ConMode>),
    /// Authenticated; the peer's proof is missing.
    Sign(Dialled, Identity, Expected),
    /// Our COMPRESSION_REQUEST is out.
    Compression(Dialled, Identity),
    /// Our CLIENT_IDENT is out.
    Ident(Dialled, Identity),
    /// Our SESSION_RECONNECT is out, after so many were declined.
    Reconnect(Dialled, Identity, u32),
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
            (Self::Auth(dialled, dialogue), Tag::AuthReplyMore) => {
                on_reply_more(dialled, dialogue, &payload(frame)?, context)
            }
            (Self::Auth(dialled, dialogue), Tag::AuthBadMethod) => {
                on_bad_method(dialled, dialogue, &payload(frame)?, context)
            }
            (Self::Auth(dialled, dialogue), Tag::AuthDone) => {
                on_auth_done(dialled, dialogue, &payload(frame)?, context)
            }
            (Self::Sign(dialled, identity, expected), Tag::AuthSignature) => {
                expected.check(&payload(frame)?)?;
                Ok(propose_compression(dialled, identity, context))
            }
            (Self::Compression(dialled, identity), Tag::CompressionDone) => {
                on_compression_done(dialled, identity, &payload(frame)?, context)
            }
            (Self::Ident(dialled, identity), Tag::ServerIdent) => {
                on_server_ident(dialled, identity, payload(frame)?, context)
            }
            (Self::Reconnect(dialled, identity, _), Tag::SessionReconnectOk) => {
                on_reconnect_ok(dialled, identity, &payload(frame)?, context)
            }
            (Self::Reconnect(dialled, identity, _), Tag::SessionReset) => {
                on_reset(dialled, identity, &payload(frame)?, context)
            }
            (Self::Reconnect(_, _, MAX_RETRIES), Tag::SessionRetry | Tag::SessionRetryGlobal) => {
                Err(Fault::TooManyRetries)
            }
            (Self::Reconnect(dialled, identity, declined), Tag::SessionRetry) => {
                let newest = payload::<SessionRetry>(frame)?.connect_seq;
                context.session.connect_seq = newest.saturating_add(1);
                Ok(reconnect(dialled, identity, declined + 1, context))
            }
            (Self::Reconnect(mut dialled, identity, declined), Tag::SessionRetryGlobal) => {
                let newest = payload::<SessionRetryGlobal>(frame)?.global_seq;
                let next = context.config.global_seq.next();
                dialled.global_seq = next.max(newest.saturating_add(1));
                context.session.own_global_seq = dialled.global_seq;
                Ok(reconnect(dialled, identity, declined + 1, context))
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

    /// What the host says to the question that it was asked.
    pub fn handle_auth(
        self,
        answer: Answer,
        context: &mut Context<'_>,
    ) -> Result<Step<Self>, Fault> {
        let Self::AskingHost(dialled, mut dialogue, mode) = self else {
            return Ok(Step::Next(self));
        };
        let said = dialogue.answer(answer, context.auth(dialled.peer_type))?;
        say(dialled, dialogue, said, mode, context)
    }

    /// True while the host is asked.
    pub const fn awaits_host(&self) -> bool {
        matches!(self, Self::AskingHost(..))
    }

    /// True while what the peer sends is to be signed.
    pub const fn is_recorded(&self) -> bool {
        matches!(
            self,
            Self::Banner(_) | Self::Hello(_) | Self::Auth(..) | Self::AskingHost(..)
        )
    }

    /// Ceph's name for the state.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Banner(_) => "BANNER_CONNECTING",
            Self::Hello(_) => "HELLO_CONNECTING",
            Self::Auth(..) | Self::AskingHost(..) => "AUTH_CONNECTING",
            Self::Sign(..) => "AUTH_CONNECTING_SIGN",
            Self::Compression(..) => "COMPRESSION_CONNECTING",
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
    let (dialogue, said) = Dialogue::begin(context.auth(dialled.peer_type))?;
    say(dialled, dialogue, said, None, context)
}

fn on_reply_more(
    dialled: Dialled,
    mut dialogue: Dialogue,
    reply: &AuthReplyMore,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let said = dialogue.reply_more(&reply.payload, context.auth(dialled.peer_type))?;
    say(dialled, dialogue, said, None, context)
}

fn on_bad_method(
    dialled: Dialled,
    mut dialogue: Dialogue,
    bad: &AuthBadMethod,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let said = dialogue.bad_method(
        bad.result,
        &bad.allowed_methods,
        &bad.allowed_modes,
        context.auth(dialled.peer_type),
    )?;
    say(dialled, dialogue, said, None, context)
}

fn on_auth_done(
    dialled: Dialled,
    mut dialogue: Dialogue,
    done: &AuthDone,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let mode =
        ConMode::from_code(done.con_mode).filter(|_| dialogue.modes().contains(&done.con_mode));
    let mode = mode.ok_or(Fault::WrongMode(done.con_mode))?;
    let said = dialogue.done(
        done.global_id,
        mode,
        &done.payload,
        context.auth(dialled.peer_type),
    )?;
    say(dialled, dialogue, said, Some(mode), context)
}

/// Says what authentication has to say. `mode` is known once the acceptor has
/// chosen it.
fn say(
    mut dialled: Dialled,
    mut dialogue: Dialogue,
    said: Said,
    mode: Option<ConMode>,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    match (said, mode) {
        (
            Said::Request {
                method,
                modes: preferred_modes,
                payload,
            },
            None,
        ) => context.out.control(&AuthRequest {
            method,
            preferred_modes,
            payload,
        }),
        (Said::More(payload), None) => context.out.control(&AuthRequestMore { payload }),
        (Said::Agreed(agreed), Some(mode)) => {
            dialled.gained = dialogue.take_gained();
            if let Some(so_far) = dialogue.into_mon_auth() {
                context.events.push(Event::MonAuth(so_far));
            }
            return authenticated(dialled, *agreed, mode, context);
        }
        (Said::Ask(question), mode) => {
            context.events.push(Event::Auth(question));
            return Ok(Step::Next(Connecting::AskingHost(dialled, dialogue, mode)));
        }
        _ => return Err(Fault::Auth(AuthFault::Answer)),
    }
    Ok(Step::Next(Connecting::Auth(dialled, dialogue)))
}

fn authenticated(
    dialled: Dialled,
    agreed: Agreed,
    mode: ConMode,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let expected = secure(&agreed, mode, Side::Dialler, context)?;
    Ok(Step::Next(Connecting::Sign(
        dialled,
        agreed.identity(mode),
        expected,
    )))
}

/// An acceptor that speaks of compression waits for a proposal, though it be of
/// none.
fn propose_compression(
    dialled: Dialled,
    identity: Identity,
    context: &mut Context<'_>,
) -> Step<Connecting> {
    if !context.may_compress() {
        return ask_for_session(dialled, identity, context);
    }
    let settings = &context.config.compression;
    let is_secure = identity.mode == ConMode::Secure;
    context
        .out
        .control(&settings.request(dialled.peer_type, is_secure));
    Step::Next(Connecting::Compression(dialled, identity))
}

fn on_compression_done(
    dialled: Dialled,
    identity: Identity,
    answer: &CompressionDone,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let settings = &context.config.compression;
    let is_secure = identity.mode == ConMode::Secure;
    let agreed = settings.agreed(dialled.peer_type, is_secure, answer)?;
    context.compress(agreed);
    Ok(ask_for_session(dialled, identity, context))
}

fn ask_for_session(
    dialled: Dialled,
    identity: Identity,
    context: &mut Context<'_>,
) -> Step<Connecting> {
    match context.session.server_cookie {
        0 => ident(dialled, identity, context),
        _ => reconnect(dialled, identity, 0, context),
    }
}

/// Asks for a session. Its cookie stays the same over failed attempts, so that
/// the acceptor knows one that it has granted already.
fn ident(dialled: Dialled, identity: Identity, context: &mut Context<'_>) -> Step<Connecting> {
    let session = &mut *context.session;
    if !context.policy.lossy && session.client_cookie == 0 {
        session.client_cookie = context.random.next_non_zero();
    }
    context.out.control(&ClientIdent {
        addrs: context.local.clone(),
        target: dialled.target,
        gid: context.config.own_number(),
        global_seq: dialled.global_seq,
        supported_features: context.policy.features_supported,
        required_features: context.policy.features_required | features::MSG_ADDR2,
        flags: if context.policy.lossy { FLAG_LOSSY } else { 0 },
        cookie: session.client_cookie,
    });
    Step::Next(Connecting::Ident(dialled, identity))
}

/// Asks to go on with the session.
fn reconnect(
    dialled: Dialled,
    identity: Identity,
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
    Step::Next(Connecting::Reconnect(dialled, identity, declined))
}

fn on_reconnect_ok(
    mut dialled: Dialled,
    identity: Identity,
    granted: &SessionReconnectOk,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if !context.session.could_have(granted.msg_seq) {
        return Err(Fault::ImpossibleSeq(granted.msg_seq));
    }
    dialled.keep_gained(context);
    context.session.resume(granted.msg_seq);
    Ok(Step::Resumed(identity))
}

/// The acceptor does not have the session, or, unless `full`, its part of it.
fn on_reset(
    dialled: Dialled,
    identity: Identity,
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
    Ok(ident(dialled, identity, context))
}

/// The acceptor decides whether there is a session to be kept. Its required
/// features it checks itself.
fn on_server_ident(
    mut dialled: Dialled,
    identity: Identity,
    ident: ServerIdent,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    if !ident.addrs.0.contains(&dialled.target) {
        return Err(Fault::WrongAcceptor(dialled.target));
    }
    dialled.keep_gained(context);
    context.policy.lossy = ident.flags & FLAG_LOSSY != 0;
    context.session.server_cookie = ident.cookie;
    context.session.peer_global_seq = ident.global_seq;
    Ok(Step::Open(Peer {
        name: EntityName::new(dialled.peer_type, ident.gid),
        addrs: ident.addrs,
        features: context.policy.features_supported & ident.supported_features,
        identity,
        lossy: context.policy.lossy,
    }))
}
