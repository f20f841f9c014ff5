//! The loop: workers, their sockets, their timers and the clock.
//!
//! Nothing here knows a frame or a connection. A [`Worker`] is one thread that
//! owns one [`Handler`] and lends it, in each callback, its [`EventCenter`].
//! Everything else reaches the handler by an external event or by
//! [`Worker::submit_to`]; there is no lock around it and no way to re-enter it.
//!
//! One turn of a worker:
//!
//! 1. Drain external events, at most [`DRAIN_MAX`] of them, so that a flood of
//!    sends cannot starve the sockets.
//! 2. `before_sleep`: the handler writes what the events have queued.
//! 3. More work, or more events? Then look at the sockets without waiting: one
//!    system call on Linux, which is cheap beside the writes of a busy turn.
//!    Otherwise look on for a while, if that is wanted and promising (`Spin`),
//!    and then park: from here on who pushes an event rings the bell.
//! 4. Wait, for as long as the next timer allows, or without end if none is
//!    armed. Then read the clock: the only time in this turn.
//! 5. `handle_ready` for each ready key.
//! 6. `handle_timer` for each timer that has expired.
//! 7. `before_sleep`: replies made in 5 and 6 leave now.
//!
//! [`DRAIN_MAX`]: event_loop::DRAIN_MAX

mod admin_socket;
mod center;
mod clock;
mod driver;
#[cfg(target_os = "linux")]
mod epoll;
mod event_loop;
mod inbox;
mod local;
mod origin;
mod os;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;
mod registered;
#[cfg(test)]
pub mod sim;
mod socket;
mod spin;
mod stack;
mod tcp_info;
#[cfg(test)]
mod tests;
mod timers;
mod worker;

pub use admin_socket::AdminSocket;
pub use center::EventCenter;
pub use local::LocalSockets;
pub use origin::Origin;
pub use registered::{Interest, Readiness, Registered};
pub use socket::{ConnectedSocket, PortSharing, ServerSocket, SocketOptions};
pub use stack::NetworkStack;
pub use tcp_info::TcpInfo;
pub use worker::{Handler, SubmitError, Worker};
