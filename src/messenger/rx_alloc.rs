//! Memory of the program's for the data of messages that come.

use std::sync::Arc;

use super::async_messenger::AsyncMessenger;
use super::connection::ConnectionRef;
use super::dispatcher::guarded;
use super::error::{Error, Result};
use crate::types::{RxBuffer, RxRequest};

/// Lends memory for the data of received messages (Ceph's `rx_buffers`).
pub trait RxAllocator: Send + Sync {
    /// Memory for the data of one message that is coming on `con`, of just
    /// `request.len` bytes. Nothing, or memory of another length: the library takes
    /// its own.
    ///
    /// It is asked once for each message with data, on the worker that reads the
    /// connection, where it must not block, and after the throttles have granted the
    /// message. Large data of an unencrypted link are read into it straight from the
    /// socket, all others are copied. If the link ends before the message has come
    /// whole, or the message is one that came before, the memory is dropped unused.
    fn alloc(&self, con: &ConnectionRef, request: RxRequest) -> Option<Box<dyn RxBuffer>>;
}

impl AsyncMessenger {
    /// Lets the program lend memory, as long as nothing can have come by a connection
    /// of its own.
    pub(crate) fn set_rx_allocator(&self, allocator: Arc<dyn RxAllocator>) -> Result<()> {
        self.lifecycle().check_not_started("an allocator is")?;
        let set = self.rx_allocator_slot().set(allocator);
        set.map_err(|_| Error::new(libc::EALREADY, "there is an allocator already"))
    }
}

pub(crate) fn alloc(
    allocator: &Arc<dyn RxAllocator>,
    con: &ConnectionRef,
    request: RxRequest,
) -> Option<Box<dyn RxBuffer>> {
    guarded("alloc", || allocator.alloc(con, request)).flatten()
}
