//! Cephx: proofs with shared keys, tickets, and what is sealed with them.
//!
//! An entity shares a key with the monitors. It proves so ([`Login`]) and is
//! given tickets, one per kind of service; each consists of a session key, and
//! of that same key sealed for the service. With a ticket it goes to a service
//! ([`Authorizer`]), which opens it ([`Verifier`]) and by answering shows that
//! it could. A monitor's side of the first is [`TicketServer`].
//!
//! Nothing here knows frames: payloads come in and go out. Time and randomness
//! are arguments.
//!
//! [`Login`]: login::Login
//! [`Authorizer`]: authorizer::Authorizer
//! [`Verifier`]: verifier::Verifier
//! [`TicketServer`]: ticket_server::TicketServer

mod aes128;
pub mod authenticate;
pub mod authorizer;
#[cfg(test)]
mod captures;
pub mod error;
pub mod key;
pub mod keyring;
mod krb5;
pub mod login;
pub mod messages;
pub mod op;
pub mod rotating;
pub mod seal;
pub mod service_tickets;
pub mod ticket;
pub mod ticket_reply;
pub mod ticket_server;
#[cfg(test)]
mod ticket_server_tests;
#[cfg(test)]
mod vectors;
pub mod verifier;
#[cfg(test)]
mod verifier_tests;

pub use error::CephxError;
pub use key::{CryptoKey, KeyType};
pub use keyring::{Entry, Keyring};
pub use ticket::{Ticket, Tickets};
