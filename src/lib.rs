//! Ceph's asynchronous messenger as a small, memory-safe library.
//!
//! A [`Messenger`] is one endpoint. It binds addresses, connects to peers and
//! hands what they send to [`Dispatcher`]s. Messages keep their order within a
//! priority; large payloads are never copied. On the wire it is Ceph's msgr2, so
//! the peer may be a real Ceph daemon. The C front (`include/msgr.h`) offers what
//! this crate offers, call by call.
//!
//! ```
//! use std::sync::{Arc, mpsc};
//! use msgr::{ConnectionRef, Context, Dispatcher, EntityType, Message, Messenger};
//!
//! /// Passes on what arrives.
//! struct Inbox(mpsc::SyncSender<Box<Message>>);
//!
//! impl Dispatcher for Inbox {
//!     fn dispatch(&self, _con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
//!         self.0.send(message).map_err(|unsent| unsent.0)
//!     }
//! }
//!
//! # fn main() -> msgr::Result<()> {
//! let context = Context::new();
//! let (sender, receiver) = mpsc::sync_channel(1);
//! let server = Messenger::create(&context, "osd.0", "server", 0)?;
//! server.bind(&"v2:127.0.0.1:0".parse().expect("an address"))?;
//! server.add_dispatcher_head(Arc::new(Inbox(sender)))?;
//! server.start()?;
//!
//! let client = Messenger::create(&context, "client.admin", "client", 1)?;
//! client.start()?;
//! let con = client.connect(EntityType::OSD, &server.myaddrs())?;
//! let mut hello = Message::new(1);
//! hello.front.append_copy(b"hello");
//! con.send(hello)?;
//!
//! assert_eq!(receiver.recv().expect("a message").front.contiguous(), b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! Names are Ceph's in Rust's case: `entity_addr_t` is [`EntityAddr`],
//! `entity_addrvec_t` [`EntityAddrVec`], `entity_name_t` [`EntityName`],
//! `ms_dispatch` [`Dispatcher::dispatch`], `connect_to` [`Messenger::connect`].
//! `ARCHITECTURE.md` has the map of the code.

#[cfg(feature = "capi")]
pub mod capi;
mod event;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod messenger;
mod proto;
#[cfg(test)]
mod tests;
mod types;

pub use event::Origin;
pub use messenger::{
    AuthHandler, AuthReply, ConnectOptions, Connection, ConnectionRef, Context, Decoder,
    Dispatcher, DumpFormat, Error, Messenger, Result, RxAllocator, SharedThrottle,
};
pub use proto::{
    Agreed, Answer as AuthAnswer, AuthFault, AuthWant, ConMode, Fault, Identity, LinkDown,
    METHOD_CEPHX, METHOD_NONE, Question as AuthQuestion, SessionKey,
};
pub use types::{
    AddrType, AuthName, Body, EntityAddr, EntityAddrVec, EntityName, EntityType, Hold, Message,
    PRIO_DEFAULT, PRIO_HIGH, PRIO_HIGHEST, PRIO_LOW, ParseAddrError, ParseNameError, Payload,
    Policy, RxBuffer, RxRequest, Secret, Stamps, WallTime, features,
};
