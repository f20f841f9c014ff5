//! The messenger: what an application holds, and what joins protocol and event
//! loop behind it.
//!
//! A message to be sent goes `Connection::send` → external event → [`shard`] →
//! [`link`] → protocol → socket; one that comes goes socket → [`link`] →
//! protocol → [`dispatcher`], on the worker or through the [`dispatch_queue`].
//! Only [`link`] knows both a protocol and a socket, only [`shard`] a set of
//! links.

mod admin_command;
mod admission;
mod async_messenger;
mod auth;
mod bind;
mod conf;
mod conf_args;
mod conf_file;
mod conf_observer;
mod connection;
mod context;
mod counters;
mod decoder;
mod dispatch_queue;
mod dispatcher;
mod dump;
mod error;
mod external;
mod half_open;
mod incarnation;
mod injection;
mod json;
mod keys;
mod lifecycle;
mod link;
#[expect(
    clippy::module_inception,
    reason = "the layer and its central noun are both the messenger"
)]
mod messenger;
mod mon_auth;
mod options;
mod outbox;
mod prioritized_queue;
mod processor;
mod registry;
mod report;
mod rx_alloc;
mod seeds;
mod settings;
mod shard;
mod shared_throttle;
#[cfg(test)]
mod simulated;
mod throttle;

pub use auth::{AuthHandler, AuthReply};
pub use connection::{ConnectOptions, Connection, ConnectionRef};
pub use context::Context;
pub use decoder::Decoder;
pub use dispatcher::Dispatcher;
pub use dump::DumpFormat;
pub use error::{Error, Result};
#[cfg(test)]
pub(crate) use json::Json;
pub use messenger::Messenger;
pub use rx_alloc::RxAllocator;
pub use shared_throttle::SharedThrottle;
