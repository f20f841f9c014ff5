//! The acceptor's part of one authentication.

use super::cephx::CephxError;
use super::cephx::ticket::AuthCaps;
use super::cephx::ticket_server::{Realm, TicketServer};
use super::cephx::verifier::{self, Verifier};
use super::host::{Answer, Question};
use super::mon_auth::MonAuth;
use crate::proto::codec::Reader;

use super::{Agreed, AuthContext, AuthFault, ConMode, METHOD_CEPHX, METHOD_NONE, SessionKey, none};

// Linux errnos, as the wire has them wherever we run.
const EACCES: i32 = 13;
const EOPNOTSUPP: i32 = 95;

/// What the acceptor makes of what it heard.
#[derive(Debug)]
pub enum Verdict {
    /// It is satisfied; its last word.
    Agreed(Box<Agreed>, Vec<u8>),
    /// It wants to hear more, and says this.
    More(Vec<u8>),
    /// No, with a positive errno. The dialler is told no more than that.
    No(i32, AuthFault),
    /// The host is asked; [`Examination::answer`] goes on.
    Ask(Question),
}

/// The acceptor's part.
#[derive(Debug, Default)]
pub struct Examination {
    part: Part,
    /// The method that has begun.
    method: u32,
    /// The mode that will be.
    con_mode: Option<ConMode>,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Nothing,
    /// Cephx, of whoever shows a ticket.
    Verifier(Verifier),
    /// Cephx, of whoever comes to a monitor to get tickets.
    TicketServer(Box<TicketServer>),
    Host,
}

impl Examination {
    /// The dialler begins, with modes in its order of preference.
    pub fn request(
        &mut self,
        method: u32,
        preferred: &[u32],
        payload: &[u8],
        context: AuthContext<'_>,
    ) -> Result<Verdict, AuthFault> {
        self.method = method;
        if payload.is_empty() && context.auth.takes_anonymous {
            return Ok(self.by_nothing(context));
        }
        if !context.auth.by_host && !context.methods().contains(&method) {
            return Ok(Verdict::No(EOPNOTSUPP, AuthFault::NoMethod));
        }
        let modes = context.modes_of(method);
        let common = preferred.iter().find(|mode| modes.contains(mode));
        let Some(mode) = common.and_then(|mode| ConMode::from_code(*mode)) else {
            return Ok(Verdict::No(EOPNOTSUPP, AuthFault::NoMode(method)));
        };
        self.con_mode = Some(mode);
        if context.auth.by_host {
            self.part = Part::Host;
            return Ok(self.ask(false, payload, context));
        }
        match method {
            METHOD_NONE => Ok(by_none(payload, context)),
            METHOD_CEPHX => {
                self.part = match none::is_login(context.peer_type, context.name.kind) {
                    true => Part::TicketServer(Box::default()),
                    false => Part::Verifier(Verifier::new(context.name.kind)),
                };
                Ok(self.by_cephx(payload, context))
            }
            _ => Ok(Verdict::No(EOPNOTSUPP, AuthFault::NoMethod)),
        }
    }

    /// The dialler goes on.
    pub fn more(&mut self, payload: &[u8], context: AuthContext<'_>) -> Result<Verdict, AuthFault> {
        match &mut self.part {
            Part::Nothing => Err(AuthFault::Answer),
            Part::Verifier(_) | Part::TicketServer(_) => Ok(self.by_cephx(payload, context)),
            Part::Host => Ok(self.ask(true, payload, context)),
        }
    }

    /// What the host says to the last question.
    pub fn answer(&mut self, answer: Answer) -> Result<Verdict, AuthFault> {
        match answer {
            Answer::Done(agreed, payload) => Ok(Verdict::Agreed(agreed, payload)),
            Answer::More(payload) => Ok(Verdict::More(payload)),
            Answer::No(errno) => Ok(Verdict::No(errno, AuthFault::Host(errno))),
            Answer::Request { .. } => Err(AuthFault::Answer),
        }
    }

    /// What may go on by messages, if we are a monitor.
    pub fn into_mon_auth(self) -> Option<MonAuth> {
        match self.part {
            Part::TicketServer(server) => Some(MonAuth::Server(server)),
            _ => None,
        }
    }

    /// The method that has begun.
    pub const fn method(&self) -> u32 {
        self.method
    }

    /// The mode that was chosen.
    pub fn con_mode(&self) -> ConMode {
        self.con_mode.unwrap_or(ConMode::Crc)
    }

    fn by_cephx(&mut self, payload: &[u8], context: AuthContext<'_>) -> Verdict {
        let secret_len = self.con_mode().secret_len();
        let judged = match &mut self.part {
            Part::Verifier(verifier) => verify(verifier, payload, secret_len, context),
            Part::TicketServer(server) => serve(server, payload, secret_len, context),
            Part::Nothing | Part::Host => Err(CephxError::OutOfTurn),
        };
        judged.unwrap_or_else(|why| Verdict::No(why.errno(), why.into()))
    }

    /// Takes a dialler for nobody, where a link without any secret is allowed.
    fn by_nothing(&mut self, context: AuthContext<'_>) -> Verdict {
        if !context.modes.contains(&ConMode::Crc) {
            return Verdict::No(EOPNOTSUPP, AuthFault::NoMode(self.method));
        }
        self.con_mode = Some(ConMode::Crc);
        Verdict::Agreed(Box::new(Agreed::unproved(0, None)), Vec::new())
    }

    fn ask(&self, more: bool, payload: &[u8], context: AuthContext<'_>) -> Verdict {
        Verdict::Ask(Question::Request {
            peer_type: context.peer_type,
            more,
            method: self.method,
            con_mode: self.con_mode().code(),
            payload: payload.to_vec(),
        })
    }
}

fn verify(
    verifier: &mut Verifier,
    payload: &[u8],
    secret_len: usize,
    context: AuthContext<'_>,
) -> Result<Verdict, CephxError> {
    let keys = &context.auth.keys;
    let secret = |service, id| keys.service_secret(service, id);
    let entropy = &context.auth.entropy;
    let judged = verifier.request(payload, secret_len, &secret, context.now, entropy)?;
    Ok(agreed(judged))
}

fn agreed(judged: verifier::Verdict) -> Verdict {
    match judged {
        verifier::Verdict::More(challenge) => Verdict::More(challenge),
        verifier::Verdict::Done(peer) => {
            let agreed = Agreed {
                is_proved: true,
                caps: caps_text(&peer.caps),
                session_key: Some(SessionKey::Cephx(peer.session_key)),
                connection_secret: peer.connection_secret,
                ..Agreed::unproved(peer.global_id, Some(peer.name))
            };
            Verdict::Agreed(Box::new(agreed), peer.payload)
        }
    }
}

fn serve(
    server: &mut TicketServer,
    payload: &[u8],
    secret_len: usize,
    context: AuthContext<'_>,
) -> Result<Verdict, CephxError> {
    let fresh_id = context.auth.keys.next_global_id();
    let (now, entropy) = (context.now, &context.auth.entropy);
    let judged = with_realm(context, |realm| {
        server.request(payload, fresh_id, secret_len, realm, now, entropy)
    });
    Ok(agreed(judged?))
}

/// Lets a ticket server look at the keys we have.
pub(super) fn with_realm<R>(context: AuthContext<'_>, look: impl FnOnce(Realm<'_>) -> R) -> R {
    let keys = &context.auth.keys;
    let (auth_validity, service_validity) = keys.validity();
    look(Realm {
        entities: &|name| keys.entity(name),
        secrets: &|service| keys.issuing(service, context.now),
        auth_validity,
        service_validity,
    })
}

/// In words: a ticket has them as one encoded string.
pub(super) fn caps_text(caps: &AuthCaps) -> Vec<u8> {
    match caps.allow_all {
        true => b"allow *".to_vec(),
        false => Reader::new(&caps.caps).field().unwrap_or_default(),
    }
}

/// Takes a dialler for what it says it is. A monitor numbers those that have no
/// number yet.
fn by_none(payload: &[u8], context: AuthContext<'_>) -> Verdict {
    let (name, claimed) = match none::claim(payload) {
        Ok(claim) => claim,
        Err(why) => return Verdict::No(EACCES, AuthFault::Malformed(why)),
    };
    let is_login = none::is_login(context.peer_type, context.name.kind);
    let global_id = match claimed {
        0 if is_login => context.auth.keys.next_global_id(),
        claimed => claimed,
    };
    let agreed = Agreed::unproved(global_id, name);
    Verdict::Agreed(Box::new(agreed), Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::auth::AuthConfig;
    use crate::types::{AuthName, EntityType, WallTime};

    /// What an OSD that requires cephx makes of an OSD that begins like that.
    fn judged(takes_anonymous: bool, modes: &[ConMode], method: u32, payload: &[u8]) -> Verdict {
        let auth = AuthConfig {
            cluster: vec![METHOD_CEPHX],
            takes_anonymous,
            ..AuthConfig::default()
        };
        let name: AuthName = "osd.0".parse().unwrap();
        let context = AuthContext {
            auth: &auth,
            name: &name,
            peer_type: EntityType::OSD,
            modes,
            now: WallTime::default(),
        };
        let preferred = [ConMode::Crc.code()];
        let mut examination = Examination::default();
        examination
            .request(method, &preferred, payload, context)
            .unwrap()
    }

    #[test]
    fn who_shows_nothing_is_let_in_only_where_that_is_asked_for() {
        let crc = [ConMode::Crc];
        for method in [0, METHOD_NONE, METHOD_CEPHX] {
            let taken = judged(true, &crc, method, b"");
            let Verdict::Agreed(agreed, _) = taken else {
                panic!("{taken:?}");
            };
            assert!(agreed.name.is_none() && !agreed.is_proved);
            for refused in [
                judged(false, &crc, method, b""),
                judged(true, &[ConMode::Secure], method, b""),
                judged(true, &crc, method, b"\x01 something that proves nothing"),
            ] {
                assert!(matches!(refused, Verdict::No(..)), "{refused:?}");
            }
        }
    }
}
