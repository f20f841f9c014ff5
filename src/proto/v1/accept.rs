//! The acceptor's handshake, up to the dialler's request for a session, and behind
//! the answer that grants one.

use std::net::SocketAddr;

use super::records::{Connect, ConnectReply, Expected, Opening, Record, Tag};
use super::{Step, anonymous, dialled_address, is_allowed, version_with};
use crate::proto::auth::{Agreed, Answer, AuthFault, ConMode, Examination, Verdict, is_login};
use crate::proto::codec::DecodeError;
use crate::proto::config::ProtocolConfig;
use crate::proto::fault::Fault;
use crate::proto::frame::LegacyForm;
use crate::proto::handshake::Context;
use crate::proto::output::Event;
use crate::types::{AddrType, EntityAddr, EntityAddrVec, EntityType, Policy};

/// The states of an acceptor.
pub enum Accepting {
    /// Our banner and addresses are out.
    Banner(SocketAddr),
    /// The dialler speaks v1.
    Address(SocketAddr),
    /// The dialler may ask for a session.
    Connect(Dialler),
    /// The host is asked what to answer to that.
    AskingHost(Dialler, Examination, Connect),
    /// It has a session, and was told what we have received of it.
    Seq(LegacyForm),
}

/// Who the dialler is.
#[derive(Debug)]
pub struct Dialler {
    /// The address by which it is known.
    addr: EntityAddr,
    /// Times that it was not believed.
    denied: u32,
    /// What it has shown, unless that was for nothing.
    shown: Option<Shown>,
}

/// How far a dialler has come with one method.
#[derive(Debug)]
struct Shown {
    /// What it called itself: what is good enough of one type need not be of another.
    host_type: EntityType,
    examination: Examination,
    /// None while it is challenged.
    proof: Option<Box<Proof>>,
}

/// An authorizer that was good enough. It comes again with each request, and is
/// as good as it was.
#[derive(Debug)]
struct Proof {
    authorizer: Vec<u8>,
    agreed: Agreed,
    reply: Vec<u8>,
}

/// What a dialler asks for, checked as far as this end alone can.
#[derive(Debug)]
pub struct Request {
    /// In its words.
    pub connect: Connect,
    /// Its only address.
    pub addrs: EntityAddrVec,
    /// Who it is.
    pub agreed: Agreed,
    dialler: Dialler,
}

impl Accepting {
    /// Says who we are, to a dialler that has come from there.
    pub fn start(at: SocketAddr, from: SocketAddr, context: &mut Context<'_>) -> Self {
        let opening = Opening {
            acceptor: dialled_address(context.local, at),
            dialler: legacy(from, 0),
        };
        context.out.raw(&opening.encode());
        Self::Banner(from)
    }

    /// What comes next.
    pub const fn expects(&self) -> Expected {
        match self {
            Self::Banner(_) => Expected::Banner,
            Self::Address(_) => Expected::Address,
            Self::Connect(_) | Self::AskingHost(..) => Expected::Connect,
            Self::Seq(_) => Expected::Seq,
        }
    }

    /// It has come.
    pub fn handle(self, record: Record, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        match (self, record) {
            (Self::Banner(from), Record::Banner) => Ok(Step::Next(Self::Address(from))),
            (Self::Address(from), Record::Address(addr)) => {
                Ok(Step::Next(Self::Connect(Dialler {
                    addr: located(addr, from),
                    denied: 0,
                    shown: None,
                })))
            }
            (Self::Connect(dialler), Record::Connect(connect)) => {
                on_connect(dialler, connect, context)
            }
            (Self::Seq(form), Record::Seq(seq)) => {
                context.session.agree(seq, context.policy.resetcheck)?;
                Ok(Step::Open(form))
            }
            _ => Err(Fault::V1Record(DecodeError("it is out of turn"))),
        }
    }

    /// What the host says to the question that it was asked.
    pub fn handle_auth(self, said: Answer, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        let Self::AskingHost(dialler, mut examination, connect) = self else {
            return Ok(Step::Next(self));
        };
        let verdict = examination.answer(said)?;
        examined(dialler, examination, verdict, connect, context)
    }

    /// Ceph's name for the state.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Banner(_) | Self::Address(_) => "ACCEPTING",
            Self::Connect(_) | Self::AskingHost(..) => "ACCEPTING_WAIT_CONNECT_MSG_AUTH",
            Self::Seq(_) => "ACCEPTING_HANDLED_CONNECT_MSG",
        }
    }
}

impl Request {
    /// An answer to it. Whoever grants or declines it fills in the counts.
    pub fn reply(&self, tag: Tag, config: &ProtocolConfig, policy: &Policy) -> ConnectReply {
        let shown = self.dialler.shown.as_ref();
        let proof = shown.and_then(|shown| shown.proof.as_ref());
        ConnectReply {
            authorizer: proof.map(|proof| proof.reply.clone()).unwrap_or_default(),
            ..reply(tag, &self.connect, config, policy)
        }
    }

    /// The dialler may ask for something else.
    pub fn decline(self) -> Accepting {
        Accepting::Connect(self.dialler)
    }
}

fn reply(tag: Tag, connect: &Connect, config: &ProtocolConfig, policy: &Policy) -> ConnectReply {
    let supported = policy.features_supported;
    ConnectReply {
        tag,
        features: match tag {
            Tag::Ready | Tag::Seq => supported,
            _ => (connect.features & supported) | policy.features_required,
        },
        global_seq: 0,
        connect_seq: 0,
        protocol_version: version_with(config, connect.host_type, config.name.kind),
        flags: 0,
        authorizer: Vec::new(),
    }
}

fn on_connect(
    mut dialler: Dialler,
    connect: Connect,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    let (local, peer) = (context.config.name.kind, connect.host_type);
    *context.policy = *context.config.policies.get(peer);
    let protocol = connect.authorizer_protocol;
    let signatures = context.config.signatures;
    context.policy.features_required |= signatures.required_features(protocol, local, peer);
    if connect.protocol_version != version_with(context.config, peer, local) {
        return Ok(decline(Tag::BadProtocolVersion, dialler, &connect, context));
    }
    if context.policy.features_required & !connect.features != 0 {
        return Ok(decline(Tag::Features, dialler, &connect, context));
    }
    let authorizer = &connect.authorizer;
    if protocol == 0 && is_login(peer, local) && is_allowed(context.auth(peer)) {
        // It will authenticate by messages, later.
        return ask(dialler, anonymous(), connect, context.config);
    }
    let auth = context.auth(peer);
    let fits = |shown: &Shown| shown.host_type == peer && shown.examination.method() == protocol;
    let (examination, verdict) = match dialler.shown.take().filter(fits) {
        Some(Shown {
            mut examination,
            proof: None,
            ..
        }) => {
            let verdict = examination.more(authorizer, auth)?;
            (examination, verdict)
        }
        Some(Shown {
            examination,
            proof: Some(proof),
            ..
        }) if proof.authorizer == *authorizer => {
            let Proof { agreed, reply, .. } = *proof;
            (examination, Verdict::Agreed(Box::new(agreed), reply))
        }
        _ => {
            let mut fresh = Examination::default();
            let verdict = fresh.request(protocol, &[ConMode::Crc.code()], authorizer, auth)?;
            (fresh, verdict)
        }
    };
    examined(dialler, examination, verdict, connect, context)
}

/// Answers a dialler whose authorizer was looked at.
fn examined(
    mut dialler: Dialler,
    examination: Examination,
    verdict: Verdict,
    connect: Connect,
    context: &mut Context<'_>,
) -> Result<Step<Accepting>, Fault> {
    Ok(match verdict {
        Verdict::Agreed(agreed, reply) => {
            let proof = Proof {
                authorizer: connect.authorizer.clone(),
                agreed: (*agreed).clone(),
                reply,
            };
            dialler.shown = Some(Shown {
                host_type: connect.host_type,
                examination,
                proof: Some(Box::new(proof)),
            });
            ask(dialler, *agreed, connect, context.config)?
        }
        Verdict::More(challenge) => {
            dialler.shown = Some(Shown {
                host_type: connect.host_type,
                examination,
                proof: None,
            });
            let asked = Tag::ChallengeAuthorizer;
            let reply = ConnectReply {
                authorizer: challenge,
                ..reply(asked, &connect, context.config, context.policy)
            };
            context.out.raw(&reply.encode());
            Step::Next(Accepting::Connect(dialler))
        }
        Verdict::Ask(question) => {
            context.events.push(Event::Auth(question));
            Step::Next(Accepting::AskingHost(dialler, examination, connect))
        }
        Verdict::No(_, why) => {
            context.events.push(Event::Denied(why));
            dialler.denied += 1;
            if dialler.denied >= context.config.handshake.auth_requests {
                return Err(Fault::TooManyAuthRequests);
            }
            decline(Tag::BadAuthorizer, dialler, &connect, context)
        }
    })
}

/// What a peer has proved to be must be what it says it is: on that its policy
/// was chosen.
fn ask(
    dialler: Dialler,
    agreed: Agreed,
    connect: Connect,
    config: &ProtocolConfig,
) -> Result<Step<Accepting>, Fault> {
    let said = connect.host_type;
    let ends = (config.name.kind, said);
    if config
        .signatures
        .lacks_key(connect.authorizer_protocol, ends, &agreed)
    {
        return Err(AuthFault::NoKey.into());
    }
    let proved = agreed.name.as_ref().filter(|_| agreed.is_proved);
    if let Some(name) = proved.filter(|name| name.kind != said) {
        return Err(AuthFault::OtherType(said, name.kind).into());
    }
    Ok(Step::Ask(Box::new(Request {
        connect,
        addrs: dialler.addr.into(),
        agreed,
        dialler,
    })))
}

fn decline(
    tag: Tag,
    dialler: Dialler,
    connect: &Connect,
    context: &mut Context<'_>,
) -> Step<Accepting> {
    let reply = reply(tag, connect, context.config, context.policy);
    context.out.raw(&reply.encode());
    Step::Next(Accepting::Connect(dialler))
}

/// Fills in where a dialler is that does not know it itself.
fn located(addr: EntityAddr, from: SocketAddr) -> EntityAddr {
    match addr.is_blank_ip() {
        true => legacy(SocketAddr::new(from.ip(), addr.port()), addr.nonce),
        false => addr,
    }
}

const fn legacy(socket: SocketAddr, nonce: u32) -> EntityAddr {
    EntityAddr {
        kind: AddrType::Legacy,
        nonce,
        socket: Some(socket),
    }
}
