//! The dialler's handshake.

use super::records::{
    BANNER, Connect, ConnectReply, Expected, FLAG_LOSSY, Opening, Record, Tag, put_address,
};
use super::{
    MAX_FIRST_SEQ, Step, anonymous, is_allowed, narrow, own_address, own_name, version_with,
};
use crate::proto::auth::{Agreed, Answer, AuthFault, ConMode, Dialogue, Said, is_login};
use crate::proto::codec::{DecodeError, Field};
use crate::proto::fault::Fault;
use crate::proto::frame::LegacyForm;
use crate::proto::handshake::Context;
use crate::proto::mutation::{self, Mutation};
use crate::proto::output::{Event, Initiator, Peer};
use crate::types::{EntityAddr, EntityAddrVec, EntityName, EntityType, features};

/// Times that an acceptor may send a dialler back on one socket.
const MAX_RETRIES: u32 = 3;
/// An acceptor that sends it back may begin with the authentication anew.
const MAX_CHALLENGES: u32 = MAX_RETRIES + 1;

const EACCES: i32 = 13;

/// Whom this attempt is for.
#[derive(Debug)]
pub struct Dialled {
    /// What the peer should be.
    pub peer_type: EntityType,
    /// The address dialled.
    pub target: EntityAddr,
    /// All addresses by which we know it.
    pub addrs: EntityAddrVec,
    /// The number of the attempt.
    pub global_seq: u32,
}

/// The states of a dialler.
pub enum Connecting {
    /// Our banner is out.
    Opening(Dialled),
    /// Our CONNECT is out.
    Reply(Attempt),
    /// The host is asked, in the last case what it makes of that reply.
    AskingHost(Attempt, Option<ConnectReply>),
    /// The acceptor will tell what it has received.
    Seq(Attempt, Agreed, ConnectReply),
}

/// A request for a session.
pub struct Attempt {
    dialled: Dialled,
    /// None where authentication is not part of the handshake.
    dialogue: Option<Dialogue>,
    /// The method of the authorizer, and that.
    authorizer: (u32, Vec<u8>),
    /// Nothing is known here of a session to go on with.
    begins: bool,
    /// The session's count of attempts, as it is told. What the acceptor says of it
    /// is news of a session only once that is granted.
    connect_seq: u32,
    /// Times that it was declined.
    declined: u32,
    /// Times that it was challenged.
    challenged: u32,
}

impl Connecting {
    /// Says what we speak.
    pub fn start(dialled: Dialled, context: &mut Context<'_>) -> Self {
        context.out.raw(BANNER);
        Self::Opening(dialled)
    }

    /// What comes next.
    pub const fn expects(&self) -> Expected {
        match self {
            Self::Opening(_) => Expected::Opening,
            Self::Reply(_) | Self::AskingHost(..) => Expected::Reply,
            Self::Seq(..) => Expected::Seq,
        }
    }

    /// It has come.
    pub fn handle(self, record: Record, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        match (self, record) {
            (Self::Opening(dialled), Record::Opening(opening)) => {
                on_opening(dialled, &opening, context)
            }
            (Self::Reply(attempt), Record::Reply(reply)) => on_reply(attempt, reply, context),
            (Self::Seq(attempt, agreed, reply), Record::Seq(seq)) => {
                context.session.agree(seq, context.policy.resetcheck)?;
                let mut ours = Vec::new();
                context.session.in_seq().encode(&mut ours);
                context.out.raw(&ours);
                Ok(open(&attempt, agreed, &reply, context))
            }
            _ => Err(Fault::V1Record(DecodeError("it is out of turn"))),
        }
    }

    /// What the host says to the question that it was asked.
    pub fn handle_auth(self, said: Answer, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        match self {
            Self::AskingHost(mut attempt, reply) => {
                let auth = context.auth(attempt.dialled.peer_type);
                let Some(dialogue) = &mut attempt.dialogue else {
                    return Err(AuthFault::Answer.into());
                };
                let said = dialogue.answer(said, auth)?;
                go_on(attempt, said, reply, context)
            }
            other => Ok(Step::Next(other)),
        }
    }

    /// The count that it tells of a session which is known here. Two ends that dial
    /// each other go by what they have said last.
    pub const fn connect_seq(&self) -> Option<u32> {
        match self {
            Self::Reply(attempt) | Self::AskingHost(attempt, _) | Self::Seq(attempt, ..)
                if !attempt.begins =>
            {
                Some(attempt.connect_seq)
            }
            _ => None,
        }
    }

    /// Ceph's name for the state.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Opening(_) => "CONNECTING_WAIT_BANNER_AND_IDENTIFY",
            Self::Reply(_) | Self::AskingHost(..) | Self::Seq(..) => "CONNECTING_SEND_CONNECT_MSG",
        }
    }
}

fn on_opening(
    dialled: Dialled,
    opening: &Opening,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let config = context.config;
    if !is_allowed(context.auth(dialled.peer_type)) {
        return Err(AuthFault::Readable.into());
    }
    if !is_there(&opening.acceptor, &dialled.target) {
        return Err(Fault::WrongAcceptor(dialled.target));
    }
    let seen_as = opening.dialler.socket.filter(|_| config.learn_addr);
    if seen_as.is_some_and(|seen| context.local.fill_blank_ips(seen.ip())) {
        context.events.push(Event::Learned(context.local.front()));
    }
    let mut address = Vec::new();
    put_address(
        &own_address(context.local, dialled.target.socket),
        &mut address,
    );
    context.out.raw(&address);
    let auth = context.auth(dialled.peer_type);
    let mut attempt = Attempt {
        dialogue: None,
        authorizer: (0, Vec::new()),
        begins: context.session.connect_seq == 0,
        connect_seq: narrow(context.session.connect_seq),
        dialled,
        declined: 0,
        challenged: 0,
    };
    if is_login(auth.name.kind, auth.peer_type) {
        // A monitor is told who we are by messages, later.
        return Ok(ask(attempt, context));
    }
    let (dialogue, said) = Dialogue::begin(auth)?;
    attempt.dialogue = Some(dialogue);
    go_on(attempt, said, None, context)
}

/// Is an acceptor that calls itself so where we dialled? It may not know its IP.
fn is_there(acceptor: &EntityAddr, target: &EntityAddr) -> bool {
    let ip = |addr: &EntityAddr| addr.socket.map(|socket| socket.ip());
    acceptor.nonce == target.nonce
        && acceptor.port() == target.port()
        && (acceptor.is_blank_ip() || ip(acceptor) == ip(target))
}

/// Asks for a session, or to go on with one.
fn ask(attempt: Attempt, context: &mut Context<'_>) -> Step<Connecting> {
    let (config, policy) = (context.config, &*context.policy);
    let (local, peer) = (config.name.kind, attempt.dialled.peer_type);
    let connect = Connect {
        features: policy.features_supported,
        host_type: local,
        global_seq: attempt.dialled.global_seq,
        connect_seq: attempt.connect_seq,
        protocol_version: version_with(context.config, peer, peer),
        authorizer_protocol: attempt.authorizer.0,
        flags: if policy.lossy { FLAG_LOSSY } else { 0 },
        authorizer: attempt.authorizer.1.clone(),
    };
    context.out.raw(&connect.encode());
    Step::Next(Connecting::Reply(attempt))
}

/// Checks what the acceptor has to say for itself, if it has anything to say or
/// the link is about to open.
fn on_reply(
    mut attempt: Attempt,
    reply: ConnectReply,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let auth = context.auth(attempt.dialled.peer_type);
    let Some(dialogue) = &mut attempt.dialogue else {
        return on_answer(attempt, anonymous(), reply, context);
    };
    let shown = &reply.authorizer;
    match reply.tag {
        Tag::BadAuthorizer => {
            // It does not say what would do instead. Another ticket may.
            dialogue.discard_shown(true, auth);
            let said = dialogue.bad_method(-EACCES, &[], &[], auth)?;
            go_on(attempt, said, None, context)
        }
        Tag::ChallengeAuthorizer => {
            attempt.challenged += 1;
            if attempt.challenged > MAX_CHALLENGES {
                return Err(Fault::TooManyAuthRequests);
            }
            let said = dialogue.reply_more(shown, auth)?;
            go_on(attempt, said, None, context)
        }
        // Who proves nothing begins no session and ends none.
        tag if !shown.is_empty() || matches!(tag, Tag::Ready | Tag::Seq | Tag::ResetSession) => {
            let said = dialogue.done(auth.auth.keys.global_id(), ConMode::Crc, shown, auth)?;
            go_on(attempt, said, Some(reply), context)
        }
        _ => on_answer(attempt, anonymous(), reply, context),
    }
}

/// Goes on with the authentication, or behind it with the answer that came with
/// the acceptor's last word.
fn go_on(
    mut attempt: Attempt,
    said: Said,
    reply: Option<ConnectReply>,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    match (said, reply) {
        (
            Said::Request {
                method, payload, ..
            },
            None,
        ) => {
            attempt.authorizer = (method, payload);
            Ok(ask(attempt, context))
        }
        (Said::More(payload), None) => {
            attempt.authorizer.1 = payload;
            Ok(ask(attempt, context))
        }
        (Said::Agreed(agreed), Some(reply)) => on_answer(attempt, *agreed, reply, context),
        (Said::Ask(question), reply) => {
            context.events.push(Event::Auth(question));
            Ok(Step::Next(Connecting::AskingHost(attempt, reply)))
        }
        _ => Err(AuthFault::Answer.into()),
    }
}

fn on_answer(
    mut attempt: Attempt,
    agreed: Agreed,
    reply: ConnectReply,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let policy = &*context.policy;
    match reply.tag {
        Tag::ChallengeAuthorizer | Tag::BadAuthorizer => Err(AuthFault::Answer.into()),
        Tag::Features => {
            let missing = reply.features & !policy.features_supported;
            Err(Fault::MissingFeatures(missing))
        }
        Tag::BadProtocolVersion => Err(Fault::ProtocolVersion(reply.protocol_version)),
        Tag::Wait => Err(Fault::Wait),
        Tag::ResetSession => {
            let features = reply.features & policy.features_supported;
            on_reset(features, context);
            (attempt.begins, attempt.connect_seq) = (true, 0);
            again(attempt, context)
        }
        Tag::RetrySession => {
            if reply.connect_seq <= attempt.connect_seq {
                return Err(Fault::ConnectSeq(reply.connect_seq));
            }
            attempt.connect_seq = reply.connect_seq;
            again(attempt, context)
        }
        Tag::RetryGlobal => {
            let next = context.config.global_seq.next_narrow();
            attempt.dialled.global_seq = next.max(reply.global_seq.saturating_add(1));
            again(attempt, context)
        }
        Tag::Ready | Tag::Seq => on_grant(attempt, agreed, reply, context),
    }
}

/// The acceptor does not have the session. If it was never told of it, nothing is
/// lost.
fn on_reset(features: u64, context: &mut Context<'_>) {
    if !context.session.shared {
        return context.session.restart();
    }
    context.session.reset();
    if features & features::MSG_AUTH != 0 {
        let first = context.random.below(MAX_FIRST_SEQ);
        context.session.count_from(first);
    }
    if !mutation::is(Mutation::ForgetResetCallback) {
        context.events.push(Event::RemoteReset);
    }
}

fn again(mut attempt: Attempt, context: &mut Context<'_>) -> Result<Step<Connecting>, Fault> {
    attempt.declined += 1;
    if attempt.declined > MAX_RETRIES {
        return Err(Fault::TooManyRetries);
    }
    Ok(ask(attempt, context))
}

/// The acceptor decides whether there is a session to be kept.
fn on_grant(
    attempt: Attempt,
    agreed: Agreed,
    reply: ConnectReply,
    context: &mut Context<'_>,
) -> Result<Step<Connecting>, Fault> {
    let (policy, session) = (&mut *context.policy, &mut *context.session);
    let (local, peer) = (context.config.name.kind, attempt.dialled.peer_type);
    let signatures = context.config.signatures;
    let proven = signatures.required_features(attempt.authorizer.0, local, peer);
    if signatures.lacks_key(attempt.authorizer.0, (local, peer), &agreed) {
        return Err(AuthFault::NoKey.into());
    }
    let lacking = (policy.features_required | proven) & !reply.features;
    if lacking != 0 {
        return Err(Fault::PeerLacksFeatures(lacking));
    }
    if attempt.connect_seq.checked_add(1) != Some(reply.connect_seq) {
        return Err(Fault::ConnectSeq(reply.connect_seq));
    }
    policy.lossy = reply.flags & FLAG_LOSSY != 0;
    if reply.tag == Tag::Seq {
        return Ok(Step::Next(Connecting::Seq(attempt, agreed, reply)));
    }
    if !attempt.begins {
        // Without a word on what has arrived, both number anew.
        session.begin();
    }
    Ok(open(&attempt, agreed, &reply, context))
}

fn open(
    attempt: &Attempt,
    agreed: Agreed,
    reply: &ConnectReply,
    context: &mut Context<'_>,
) -> Step<Connecting> {
    let Dialled {
        peer_type,
        addrs,
        global_seq,
        ..
    } = &attempt.dialled;
    context.session.own_global_seq = (*global_seq).into();
    context.session.connect_seq = reply.connect_seq.into();
    context.session.peer_global_seq = reply.global_seq.into();
    let features = context.policy.features_supported & reply.features;
    let ends = (context.config.name.kind, *peer_type);
    let signatures = context.config.signatures;
    let key = signatures.key(attempt.authorizer.0, features, ends, &agreed);
    let form = LegacyForm::new(own_name(context.config), features, key);
    context.events.push(if attempt.begins {
        let peer = Peer {
            name: EntityName::new(*peer_type, -1),
            addrs: addrs.clone(),
            features,
            identity: agreed.identity(ConMode::Crc),
            lossy: context.policy.lossy,
        };
        Event::Open(Box::new(peer), Initiator::Us)
    } else {
        Event::Resumed(agreed.identity(ConMode::Crc), Initiator::Us)
    });
    Step::Open(form)
}
