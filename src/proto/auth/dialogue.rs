//! The dialler's part of one authentication.

use std::collections::VecDeque;

use super::cephx::CephxError;
use super::cephx::Tickets;
use super::cephx::authorizer::Authorizer;
use super::cephx::login::Login;
use super::cephx::ticket::{AuthCaps, AuthTicket};
use super::host::{Answer, Question};
use super::key_store::PERMANENT;
use super::mon_auth::MonAuth;
use super::{Agreed, AuthContext, AuthFault, ConMode, METHOD_CEPHX, METHOD_NONE, SessionKey, none};
use crate::types::{AuthName, EntityType, WallTime};

/// What the dialler says next.
#[derive(Debug)]
pub enum Said {
    /// It begins, or begins again.
    Request {
        /// The method.
        method: u32,
        /// Connection modes, the preferred one first.
        modes: Vec<u32>,
        /// What the method says first.
        payload: Vec<u8>,
    },
    /// It goes on.
    More(Vec<u8>),
    /// It is satisfied.
    Agreed(Box<Agreed>),
    /// The host is asked; [`Dialogue::answer`] goes on.
    Ask(Question),
}

/// The dialler's part. It tries its methods one after another.
pub struct Dialogue {
    /// Methods not tried yet.
    left: VecDeque<u32>,
    /// The method being tried.
    method: u32,
    /// Modes offered with it.
    modes: Vec<u32>,
    part: Part,
    /// The acceptor has begun with the method: it will not begin with another.
    deep: bool,
    /// Not kept yet: who says so has still to prove that he has said all of it.
    gained: Option<Box<Tickets>>,
}

enum Part {
    None,
    /// Cephx, towards a monitor.
    Login(Box<Login>),
    /// Cephx, towards everybody else.
    Authorizer(Box<Authorizer>),
    Host,
}

/// How long a ticket is good that we make ourselves: for one handshake.
const SELF_MADE_VALIDITY: u32 = 3600;

impl Dialogue {
    /// Begins.
    pub fn begin(context: AuthContext<'_>) -> Result<(Self, Said), AuthFault> {
        let mut dialogue = Self {
            left: context.methods().iter().copied().collect(),
            method: 0,
            modes: Vec::new(),
            part: Part::None,
            deep: false,
            gained: None,
        };
        let said = if context.auth.by_host {
            dialogue.part = Part::Host;
            let peer_type = context.peer_type;
            Said::Ask(Question::Begin { peer_type })
        } else {
            dialogue.try_next(context, AuthFault::NoMethod)?
        };
        Ok((dialogue, said))
    }

    /// The acceptor wants to hear more.
    pub fn reply_more(
        &mut self,
        payload: &[u8],
        context: AuthContext<'_>,
    ) -> Result<Said, AuthFault> {
        self.deep = true;
        let entropy = &context.auth.entropy;
        match &mut self.part {
            Part::None => Err(AuthFault::Answer),
            Part::Login(login) => Ok(Said::More(login.respond(payload, entropy)?)),
            Part::Authorizer(authorizer) => Ok(Said::More(authorizer.respond(payload, entropy)?)),
            Part::Host => Ok(Said::Ask(Question::ReplyMore {
                payload: payload.to_vec(),
            })),
        }
    }

    /// The acceptor is satisfied and has chosen a mode, one of [`Self::modes`].
    pub fn done(
        &mut self,
        global_id: u64,
        mode: ConMode,
        payload: &[u8],
        context: AuthContext<'_>,
    ) -> Result<Said, AuthFault> {
        let proved = |session_key, connection_secret| {
            Said::Agreed(Box::new(Agreed {
                is_proved: true,
                session_key: Some(SessionKey::Cephx(session_key)),
                connection_secret,
                ..Agreed::unproved(global_id, None)
            }))
        };
        match &mut self.part {
            Part::None => {
                // What a monitor gives is for all connections, as with cephx.
                if none::is_login(context.name.kind, context.peer_type) {
                    self.gained = Some(Box::new(Tickets {
                        global_id,
                        ..Tickets::default()
                    }));
                }
                Ok(Said::Agreed(Box::new(Agreed::unproved(global_id, None))))
            }
            Part::Login(login) => {
                let got = login.finish(global_id, payload, context.now)?;
                self.gained = Some(Box::new(got.tickets));
                Ok(proved(got.session_key, got.connection_secret))
            }
            Part::Authorizer(authorizer) => {
                let (session_key, secret) = authorizer.finish(payload)?;
                Ok(proved(session_key, secret))
            }
            Part::Host => Ok(Said::Ask(Question::Done {
                global_id,
                con_mode: mode.code(),
                payload: payload.to_vec(),
            })),
        }
    }

    /// The acceptor has declined. `allowed` are the methods that it would take.
    pub fn bad_method(
        &mut self,
        result: i32,
        allowed: &[u32],
        allowed_modes: &[u32],
        context: AuthContext<'_>,
    ) -> Result<Said, AuthFault> {
        if let Part::Host = self.part {
            return Ok(Said::Ask(Question::BadMethod {
                method: self.method,
                result,
                allowed_methods: allowed.to_vec(),
                allowed_modes: allowed_modes.to_vec(),
            }));
        }
        let is_taken = allowed.contains(&self.method);
        self.discard_shown(is_taken, context);
        if self.deep {
            return Err(AuthFault::Denied(self.method, result));
        }
        self.left.retain(|method| allowed.contains(method));
        let is_for_the_mode = allowed.contains(&self.method)
            && !self.modes.iter().any(|mode| allowed_modes.contains(mode));
        let fault = match is_for_the_mode {
            true => AuthFault::OtherModes(self.method),
            false => AuthFault::Refused(self.method, result),
        };
        self.try_next(context, fault)
    }

    /// The acceptor does not take what was shown, though it takes the method, perhaps:
    /// another ticket is to be had.
    pub fn discard_shown(&self, is_taken: bool, context: AuthContext<'_>) {
        let (service, shown) = match &self.part {
            Part::Authorizer(authorizer) if self.deep || is_taken => {
                (context.peer_type, Some(authorizer.shown()))
            }
            Part::Login(login) if self.deep => (EntityType::AUTH, login.shown()),
            _ => return,
        };
        if let Some(shown) = shown {
            context.auth.keys.discard(service, shown);
        }
    }

    /// What a monitor has given, to be kept once it has proved to be one.
    pub fn take_gained(&mut self) -> Option<Box<Tickets>> {
        self.gained.take()
    }

    /// What the host says to the last question.
    pub fn answer(&mut self, answer: Answer, context: AuthContext<'_>) -> Result<Said, AuthFault> {
        match answer {
            Answer::Request {
                method,
                modes,
                payload,
            } if !self.deep => {
                self.method = method;
                // The host may want less than is allowed, not more.
                let allowed = context.modes_of(method);
                let wanted = if modes.is_empty() {
                    allowed.clone()
                } else {
                    modes
                };
                self.modes = wanted
                    .into_iter()
                    .filter(|mode| allowed.contains(mode))
                    .collect();
                if self.modes.is_empty() {
                    return Err(AuthFault::NoMode(method));
                }
                Ok(Said::Request {
                    method,
                    modes: self.modes.clone(),
                    payload,
                })
            }
            Answer::More(payload) => Ok(Said::More(payload)),
            Answer::Done(agreed, _) => Ok(Said::Agreed(agreed)),
            Answer::No(errno) => Err(AuthFault::Host(errno)),
            Answer::Request { .. } => Err(AuthFault::Answer),
        }
    }

    /// What may go on by messages, with a monitor.
    pub fn into_mon_auth(self) -> Option<MonAuth> {
        match self.part {
            Part::Login(login) => Some(MonAuth::Client(login)),
            _ => None,
        }
    }

    /// The modes offered.
    pub fn modes(&self) -> &[u32] {
        &self.modes
    }

    /// Begins with the next method that can run; `else_fault` if there is none.
    fn try_next(
        &mut self,
        context: AuthContext<'_>,
        else_fault: AuthFault,
    ) -> Result<Said, AuthFault> {
        let mut fault = else_fault;
        while let Some(method) = self.left.pop_front() {
            let modes = context.modes_of(method);
            if modes.is_empty() {
                fault = AuthFault::NoMode(method);
                continue;
            }
            match Self::request(method, context) {
                Ok((part, payload)) => {
                    self.part = part;
                    self.method = method;
                    self.modes.clone_from(&modes);
                    return Ok(Said::Request {
                        method,
                        modes,
                        payload,
                    });
                }
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }

    /// What the method says first.
    fn request(method: u32, context: AuthContext<'_>) -> Result<(Part, Vec<u8>), AuthFault> {
        match method {
            METHOD_NONE => {
                let payload = none::request(
                    context.name,
                    context.peer_type,
                    context.auth.keys.global_id(),
                );
                Ok((Part::None, payload))
            }
            METHOD_CEPHX if none::is_login(context.name.kind, context.peer_type) => {
                let login = login(context)?;
                let payload = login.request();
                Ok((Part::Login(Box::new(login)), payload))
            }
            METHOD_CEPHX => {
                let authorizer = authorizer(context)?;
                let payload = authorizer.request();
                Ok((Part::Authorizer(Box::new(authorizer)), payload))
            }
            _ => Err(AuthFault::NoMethod),
        }
    }
}

/// A monitor gets our name, and, as long as our ticket of its kind is good, the
/// number that goes with it.
pub(super) fn login(context: AuthContext<'_>) -> Result<Login, AuthFault> {
    let keys = &context.auth.keys;
    let key = keys.secret(context.name).ok_or(AuthFault::NoKey)?;
    let ticket = keys.ticket(EntityType::AUTH);
    let known = ticket.filter(|ticket| ticket.is_good(context.now));
    let known = known.map(|ticket| (keys.global_id(), Some(ticket)));
    Ok(Login::new(
        context.name.clone(),
        key,
        known,
        context.auth.services,
    ))
}

/// A service gets our ticket for it; where both ends have the service's own key,
/// one that we make.
fn authorizer(context: AuthContext<'_>) -> Result<Authorizer, AuthFault> {
    let service = context.peer_type;
    let (keys, entropy) = (&context.auth.keys, &context.auth.entropy);
    let ticket = keys.ticket(service);
    if let Some(good) = ticket.as_ref().filter(|ticket| ticket.is_good(context.now)) {
        return Ok(Authorizer::new(good, service, keys.global_id(), entropy)?);
    }
    match (keys.service_secret(service, PERMANENT), ticket) {
        (Some(key), _) => {
            let ticket = self_made(context);
            Ok(Authorizer::self_made(&key, service, ticket, entropy)?)
        }
        (None, Some(_)) => Err(CephxError::TicketExpired.into()),
        (None, None) => Err(CephxError::NoTicket(service).into()),
    }
}

/// Monitors are all one entity among themselves; everybody else keeps his name.
fn self_made(context: AuthContext<'_>) -> AuthTicket {
    let (kind, now) = (context.name.kind, context.now);
    let id = match kind {
        EntityType::MON => String::new(),
        _ => context.name.id.clone(),
    };
    AuthTicket {
        name: AuthName { kind, id },
        global_id: context.auth.keys.global_id(),
        created: now,
        expires: WallTime {
            sec: now.sec.saturating_add(SELF_MADE_VALIDITY),
            ..now
        },
        caps: AuthCaps {
            allow_all: true,
            caps: Vec::new(),
        },
        flags: 0,
    }
}
