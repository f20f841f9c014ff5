//! The acceptor's handshake, up to the dialler's request for a session.

use std::net::SocketAddr;

use crate::proto::auth::{Agreed, Answer, AuthFault, ConMode, Examination, Identity, Verdict};
use crate::proto::fault::Fault;
use crate::proto::frame::control::{
    AuthBadMethod, AuthDone, AuthReplyMore, AuthRequest, AuthRequestMore, ClientIdent,
    CompressionRequest, Hello, IdentMissingFeatures, SessionReconnect,
};
use crate::proto::frame::{Frame, Side, Tag};
use crate::proto::output::Event;
use crate::types::{EntityAddr, EntityAddrVec, EntityType, features};

use super::safety::{Expected, secure};
use super::{Context, Step, payload};

/// The states of an acceptor.
pub enum Accepting {
    /// Our banner is out.
    Banner(SocketAddr),
    /// Our HELLO is out.
    Hello,
    /// A first request is awaited, or the next one after so many.
    Auth(EntityType, u32),
    /// Our AUTH_REPLY_MORE is out.
    AuthMore(EntityType, u32, Examination),
    /// The host is asked what to answer.
    AskingHost(EntityType, u32, Examination),
    /// Authenticated; the peer's proof is missing.
    Sign(Authenticated, Expected),
    /// The peer is to propose a compression.
    Compression(Authenticated),
    /// The peer may ask for a session.
    Session(Authenticated),
}

/// Who the peer is.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Its kind.
    pub peer_type: EntityType,
    /// What it has proved.
    pub identity: Identity,
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
            (Self::Auth(peer_type, asked), Tag::AuthRequest) => {
                on_auth_request(peer_type, asked, &payload(frame)?, context)
            }
            (Self::AuthMore(peer_type, asked, mut examination), Tag::AuthRequestMore) => {
                let more: AuthRequestMore = payload(frame)?;
                let verdict = examination.more(&more.payload, context.auth(peer_type))?;
                answer(peer_type, asked, examination, verdict, context)
            }
            (Self::Sign(peer, expected), Tag::AuthSignature) => {
                expected.check(&payload(frame)?)?;
                Ok(Step::Next(match context.may_compress() {
                    true => Self::Compression(peer),
                    false => Self::Session(peer),
                }))
            }
            (Self::Compression(peer), Tag::CompressionRequest) => {
                on_compression_request(peer, &payload(frame)?, context)
            }
            (Self::Session(peer), Tag::ClientIdent) => {
                on_client_ident(peer, payload(frame)?, context)
            }
            (Self::Session(peer), Tag::SessionReconnect) => {
                Ok(Step::Ask(peer, Request::Reconnect(payload(frame)?)))
            }
            (_, tag) => Err(Fault::Unexpected(tag)),
        }
    }

    /// What the host says to the question that it was asked.
    pub fn handle_auth(self, said: Answer, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        let Self::AskingHost(peer_type, asked, mut examination) = self else {
            return Ok(Step::Next(self));
        };
        let verdict = examination.answer(said)?;
        answer(peer_type, asked, examination, verdict, context)
    }

    /// True while the host is asked.
    pub const fn awaits_host(&self) -> bool {
        matches!(self, Self::AskingHost(..))
    }

    /// True while what the peer sends is to be signed.
    pub const fn is_recorded(&self) -> bool {
        !matches!(
            self,
            Self::Sign(..) | Self::Compression(_) | Self::Session(_)
        )
    }

    /// Ceph's name for the state.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Banner(_) => "BANNER_ACCEPTING",
            Self::Hello => "HELLO_ACCEPTING",
            Self::Auth(..) => "AUTH_ACCEPTING",
            Self::AuthMore(..) | Self::AskingHost(..) => "AUTH_ACCEPTING_MORE",
            Self::Sign(..) => "AUTH_ACCEPTING_SIGN",
            Self::Compression(_) => "COMPRESSION_ACCEPTING",
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
    asked: u32,
    request: &AuthRequest,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    let mut examination = Examination::default();
    let verdict = examination.request(
        request.method,
        &request.preferred_modes,
        &request.payload,
        context.auth(peer_type),
    )?;
    answer(peer_type, asked + 1, examination, verdict, context)
}

/// Answers the dialler's last word.
fn answer(
    peer_type: EntityType,
    asked: u32,
    examination: Examination,
    verdict: Verdict,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    Ok(Step::Next(match verdict {
        Verdict::Agreed(agreed, payload) => {
            let mode = examination.con_mode();
            if let Some(so_far) = examination.into_mon_auth() {
                context.events.push(Event::MonAuth(so_far));
            }
            return authenticated(peer_type, mode, *agreed, payload, context);
        }
        Verdict::More(payload) => {
            context.out.control(&AuthReplyMore { payload });
            Accepting::AuthMore(peer_type, asked, examination)
        }
        Verdict::Ask(question) => {
            context.events.push(Event::Auth(question));
            Accepting::AskingHost(peer_type, asked, examination)
        }
        Verdict::No(..) if asked >= context.config.handshake.auth_requests => {
            return Err(Fault::TooManyAuthRequests);
        }
        Verdict::No(errno, why) => {
            context.events.push(Event::Denied(why));
            let auth = context.auth(peer_type);
            context.out.control(&AuthBadMethod {
                method: examination.method(),
                result: errno.saturating_neg(),
                allowed_methods: auth.methods().to_vec(),
                allowed_modes: auth.allowed_modes(),
            });
            Accepting::Auth(peer_type, asked)
        }
    }))
}

/// What a peer has proved to be must be what it said it is: on that its policy
/// and the modes allowed were chosen.
fn authenticated(
    peer_type: EntityType,
    mode: ConMode,
    agreed: Agreed,
    payload: Vec<u8>,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    if let Some(name) = agreed.name.as_ref().filter(|_| agreed.is_proved) {
        if name.kind != peer_type {
            return Err(AuthFault::OtherType(peer_type, name.kind).into());
        }
    }
    context.out.control(&AuthDone {
        global_id: agreed.global_id,
        con_mode: mode.code(),
        payload,
    });
    let expected = secure(&agreed, mode, Side::Acceptor, context)?;
    let identity = agreed.identity(mode);
    Ok(Step::Next(Accepting::Sign(
        Authenticated {
            peer_type,
            identity,
        },
        expected,
    )))
}

/// Our answer is the last frame that is surely not compressed.
fn on_compression_request(
    peer: Authenticated,
    request: &CompressionRequest,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    let settings = &context.config.compression;
    let is_secure = peer.identity.mode == ConMode::Secure;
    let answer = settings.answer(peer.peer_type, is_secure, request);
    let agreed = settings.agreed(peer.peer_type, is_secure, &answer)?;
    context.out.control(&answer);
    context.compress(agreed);
    Ok(Step::Next(Accepting::Session(peer)))
}

fn on_client_ident(
    peer: Authenticated,
    mut ident: ClientIdent,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    ident.gid = peer.identity.number(peer.peer_type, ident.gid)?;
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
