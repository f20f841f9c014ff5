//! Authentication by messages, on a connection that is open: all of it with a
//! monitor on the first protocol, and on both what is asked for later, more
//! tickets and the keys of a daemon's service.

use super::cephx::login::Login;
use super::cephx::messages::{Hello, MAuth, MAuthReply};
use super::cephx::op::Op;
use super::cephx::rotating::RotatingSecrets;
use super::cephx::service_tickets;
use super::cephx::ticket_server::{Realm, TicketServer};
use super::cephx::{CephxError, Tickets};
use super::dialogue::login;
use super::examination::{caps_text, with_realm};
use super::{Agreed, AuthContext, AuthFault, METHOD_CEPHX, METHOD_NONE, SessionKey};
use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::EntityType;

/// What a monitor is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthWant {
    /// A number, and with cephx tickets: how a connection of the first protocol
    /// begins. On the second one it renews the ticket that the others hang on.
    Login,
    /// Tickets for all services, for the ticket that the login brought.
    Tickets,
    /// The keys that open tickets for our own service.
    RotatingKeys,
}

/// What either end remembers of it, from one message to the next.
#[derive(PartialEq, Eq, Debug, Default)]
pub enum MonAuth {
    /// Nothing yet.
    #[default]
    Nothing,
    /// A client that waits to be told its number, or to be challenged.
    Greeted,
    /// A client, from the challenge on.
    Client(Box<Login>),
    /// A monitor.
    Server(Box<TicketServer>),
}

/// What follows from a monitor's reply.
#[derive(Debug)]
pub enum Progress {
    /// There is more to say: the front of the next message.
    More(Vec<u8>),
    /// That was the login.
    LoggedIn(Box<Agreed>),
    /// What was asked for is there.
    Got,
}

/// The client's part.
impl MonAuth {
    /// The next link leads to a monitor that has challenged nobody yet. What a program
    /// may have queued for it still begins there.
    pub fn begin_anew(&mut self) {
        if *self != Self::Greeted {
            *self = Self::Nothing;
        }
    }

    /// Asks: the front of a message to the monitor.
    pub fn request(
        &mut self,
        want: AuthWant,
        context: AuthContext<'_>,
    ) -> Result<Vec<u8>, AuthFault> {
        let keys = &context.auth.keys;
        let entropy = &context.auth.entropy;
        match (want, &mut *self) {
            (AuthWant::Login, Self::Client(login)) => {
                let auth = keys.ticket(EntityType::AUTH);
                let auth = auth.ok_or(CephxError::NoTicket(EntityType::AUTH))?;
                Ok(by_cephx(login.renew(auth, entropy)?))
            }
            (AuthWant::Login, _) => {
                *self = Self::Greeted;
                let mut payload = Vec::new();
                Hello {
                    methods: context.methods().to_vec(),
                    name: context.name.clone(),
                    global_id: keys.global_id(),
                }
                .encode(&mut payload);
                Ok(mauth(0, payload))
            }
            (AuthWant::Tickets, _) => {
                let auth = keys.ticket(EntityType::AUTH);
                let good = auth.filter(|ticket| ticket.is_good(context.now));
                let auth = good.ok_or(CephxError::NoTicket(EntityType::AUTH))?;
                let services = context.auth.services & !u32::from(EntityType::AUTH.0);
                let id = keys.global_id();
                Ok(by_cephx(service_tickets::request(
                    &auth, id, services, entropy,
                )?))
            }
            (AuthWant::RotatingKeys, _) => Ok(by_cephx(RotatingSecrets::request())),
        }
    }

    /// Takes the front of the monitor's reply. Tickets and keys in it are kept.
    pub fn reply(&mut self, front: &[u8], context: AuthContext<'_>) -> Result<Progress, AuthFault> {
        let reply: MAuthReply = Reader::new(front).field().map_err(AuthFault::Malformed)?;
        let keys = &context.auth.keys;
        if reply.result < 0 {
            return Err(AuthFault::Denied(reply.protocol, reply.result));
        }
        if !context.methods().contains(&reply.protocol) {
            return Err(AuthFault::NoMethod);
        }
        if reply.protocol == METHOD_NONE && *self == Self::Greeted {
            *self = Self::Nothing;
            keys.keep(Tickets {
                global_id: reply.global_id,
                ..Tickets::default()
            });
            let agreed = Agreed::unproved(reply.global_id, None);
            return Ok(Progress::LoggedIn(Box::new(agreed)));
        }
        if reply.protocol != METHOD_CEPHX {
            return Err(AuthFault::NoMethod);
        }
        if *self == Self::Greeted {
            let mut login = login(context)?;
            let proof = login.respond(&reply.payload, &context.auth.entropy)?;
            *self = Self::Client(Box::new(login));
            return Ok(Progress::More(by_cephx(proof)));
        }
        let op = Reader::new(&reply.payload).field::<Op>();
        match op.map_err(CephxError::from)? {
            Op::AuthTicket => self.logged_in(&reply, context),
            Op::ServiceTickets => {
                let auth = keys.ticket(EntityType::AUTH);
                let auth = auth.ok_or(CephxError::NoTicket(EntityType::AUTH))?;
                let got = service_tickets::answered(&reply.payload, &auth.session_key, context.now);
                keys.keep(Tickets {
                    global_id: keys.global_id(),
                    by_service: got?,
                });
                Ok(Progress::Got)
            }
            Op::RotatingSecrets => {
                let own = keys.secret(context.name).ok_or(AuthFault::NoKey)?;
                keys.set_rotating(RotatingSecrets::answered(&reply.payload, &own)?);
                Ok(Progress::Got)
            }
        }
    }

    fn logged_in(
        &mut self,
        reply: &MAuthReply,
        context: AuthContext<'_>,
    ) -> Result<Progress, AuthFault> {
        let Self::Client(login) = self else {
            return Err(CephxError::OutOfTurn.into());
        };
        let got = login.finish(reply.global_id, &reply.payload, context.now)?;
        context.auth.keys.keep(got.tickets);
        Ok(Progress::LoggedIn(Box::new(Agreed {
            is_proved: true,
            session_key: Some(SessionKey::Cephx(got.session_key)),
            ..Agreed::unproved(reply.global_id, None)
        })))
    }
}

/// The monitor's part.
impl MonAuth {
    /// Answers a client by the front of a reply, and says who it is once that is
    /// known, or why it is denied.
    pub fn serve(
        &mut self,
        front: &[u8],
        context: AuthContext<'_>,
    ) -> Result<(Vec<u8>, Judged), DecodeError> {
        let request: MAuth = Reader::new(front).field()?;
        let served = match request.protocol {
            0 => self.greet(&request.payload, context),
            METHOD_CEPHX => self.by_ticket_server(&request.payload, context),
            _ => Err(AuthFault::NoMethod),
        };
        let mut reply = MAuthReply {
            protocol: request.protocol,
            result: 0,
            global_id: 0,
            payload: Vec::new(),
            message: Vec::new(),
        };
        let verdict = served.map(|(protocol, payload, agreed)| {
            (reply.protocol, reply.payload) = (protocol, payload);
            reply.global_id = match (&agreed, &*self) {
                (Some(agreed), _) => agreed.global_id,
                (None, Self::Server(server)) => server.global_id().unwrap_or(0),
                (None, _) => 0,
            };
            agreed
        });
        if let Err(why) = verdict {
            // What is wrong is for our log, not for a stranger.
            reply.result = match why {
                AuthFault::Cephx(why) => -why.errno(),
                AuthFault::NoMethod => -EOPNOTSUPP,
                _ => -EACCES,
            };
        }
        let mut out = Vec::new();
        reply.encode(&mut out);
        Ok((out, verdict))
    }

    fn greet(&mut self, payload: &[u8], context: AuthContext<'_>) -> Result<Served, AuthFault> {
        let hello: Hello = Reader::new(payload).field().map_err(AuthFault::Malformed)?;
        // By its type its methods and its policy were chosen.
        if hello.name.kind != context.peer_type {
            return Err(AuthFault::OtherType(context.peer_type, hello.name.kind));
        }
        let common = context
            .methods()
            .iter()
            .find(|method| hello.methods.contains(method));
        let keys = &context.auth.keys;
        match common {
            Some(&METHOD_NONE) => {
                let global_id = match hello.global_id {
                    0 => keys.next_global_id(),
                    claimed => claimed,
                };
                let agreed = Agreed::unproved(global_id, Some(hello.name));
                Ok((METHOD_NONE, Vec::new(), Some(agreed)))
            }
            Some(&METHOD_CEPHX) => {
                let mut server = TicketServer::new();
                let fresh = keys.next_global_id();
                let entropy = &context.auth.entropy;
                let challenge = server.challenge(hello.name, hello.global_id, fresh, entropy)?;
                *self = Self::Server(Box::new(server));
                Ok((METHOD_CEPHX, challenge, None))
            }
            _ => Err(AuthFault::NoMethod),
        }
    }

    fn by_ticket_server(
        &mut self,
        payload: &[u8],
        context: AuthContext<'_>,
    ) -> Result<Served, AuthFault> {
        let Self::Server(server) = self else {
            return Err(CephxError::OutOfTurn.into());
        };
        let (now, entropy) = (context.now, &context.auth.entropy);
        with_realm(context, |realm: Realm<'_>| {
            if server.is_proved() {
                let answer = server.serve(payload, realm, now, entropy)?;
                return Ok((METHOD_CEPHX, answer, None));
            }
            let peer = server.authenticate(payload, None, realm, now, entropy)?;
            let agreed = Agreed {
                is_proved: true,
                caps: caps_text(&peer.caps),
                session_key: Some(SessionKey::Cephx(peer.session_key)),
                ..Agreed::unproved(peer.global_id, Some(peer.name))
            };
            Ok((METHOD_CEPHX, peer.payload, Some(agreed)))
        })
    }
}

/// Who a client is, once that is known; or why it is denied.
pub type Judged = Result<Option<Agreed>, AuthFault>;

/// Method, payload, and who it is.
type Served = (u32, Vec<u8>, Option<Agreed>);

// Linux errnos, as the wire has them wherever we run.
const EACCES: i32 = 13;
const EOPNOTSUPP: i32 = 95;

fn by_cephx(payload: Vec<u8>) -> Vec<u8> {
    mauth(METHOD_CEPHX, payload)
}

fn mauth(protocol: u32, payload: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    MAuth {
        protocol,
        payload,
        monmap_epoch: 0,
    }
    .encode(&mut out);
    out
}
