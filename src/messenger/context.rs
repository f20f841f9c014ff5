//! What several messengers of one process share: options and workers.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::conf::Conf;
use super::error::{Error, Result};
use super::shard::Shard;
use crate::event::NetworkStack;

/// More threads than this only get in each other's way (Ceph's limit too).
const MAX_WORKERS: u64 = 24;

/// Options and the workers that serve all its messengers (what a
/// `CephContext` is to Ceph's messengers).
#[derive(Default)]
pub struct Context {
    conf: Conf,
    stack: OnceLock<Arc<NetworkStack<Shard>>>,
    /// Held while the stack starts, so that it starts once.
    starting: Mutex<()>,
}

impl Context {
    /// A context with Ceph's defaults. Its workers start with its first
    /// messenger.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets an option, e.g. `ms_dispatch_throttle_bytes` to `100M`. Messengers
    /// that exist already keep what they were created with.
    ///
    /// # Errors
    /// `ENOENT` unknown option, `EINVAL` not a value of it, `EBUSY` no longer
    /// changeable, `EOPNOTSUPP` not served by this version.
    pub fn conf_set(&self, key: &str, value: &str) -> Result<()> {
        self.conf.set(key, value, self.stack.get().is_some())
    }

    /// An option's value, as set or its default.
    ///
    /// # Errors
    /// `ENOENT` unknown option.
    pub fn conf_get(&self, key: &str) -> Result<String> {
        self.conf.get(key)
    }

    pub(crate) fn conf(&self) -> &Conf {
        &self.conf
    }

    /// The workers; starts them the first time.
    pub(crate) fn stack(&self) -> Result<Arc<NetworkStack<Shard>>> {
        if let Some(stack) = self.stack.get() {
            return Ok(Arc::clone(stack));
        }
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stack) = self.stack.get() {
            return Ok(Arc::clone(stack));
        }
        let threads = self
            .conf
            .number("ms_async_op_threads")
            .clamp(1, MAX_WORKERS);
        let threads = usize::try_from(threads).unwrap_or(1);
        let stack = NetworkStack::start(threads, Shard::new)
            .map_err(|why| Error::io("starting the workers", &why))?;
        Ok(Arc::clone(self.stack.get_or_init(|| Arc::new(stack))))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.get() {
            stack.stop();
        }
    }
}
