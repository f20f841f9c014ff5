//! What several messengers of one process share: options and workers.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::admin_command;
use super::async_messenger::AsyncMessenger;
use super::conf::Conf;
use super::conf_observer::Observers;
use super::dump::{Dump, DumpFormat};
use super::error::{Error, Result};
use super::injection::FaultInjection;
use super::seeds::{self, Seeds};
use super::shard::Shard;
#[cfg(test)]
use crate::event::sim;
use crate::event::{AdminSocket, NetworkStack, Origin};
use crate::types::{Entropy, Message};

/// More threads than this only get in each other's way (Ceph's limit too).
const MAX_WORKERS: u64 = 24;

/// Waits that are longer cost so much less than they take that sleeping is right.
const LONGEST_SPIN: Duration = Duration::from_millis(1);

/// Options and the workers that serve all its messengers (what a
/// `CephContext` is to Ceph's messengers).
pub struct Context {
    origin: Origin,
    conf: Conf,
    observers: Observers,
    messengers: Mutex<Vec<Weak<AsyncMessenger>>>,
    injection: Arc<FaultInjection>,
    admin_socket: Mutex<Option<AdminSocket>>,
    stack: OnceLock<Arc<NetworkStack<Shard>>>,
    /// Held while the stack starts, so that it starts once.
    starting: Mutex<()>,
    seeds: Arc<Seeds>,
    entropy: Entropy,
    /// The simulated process whose context it is.
    #[cfg(test)]
    process: Option<sim::Process>,
}

impl Context {
    /// A context with Ceph's defaults. Its workers start with its first
    /// messenger.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::with(Arc::default(), seeds::system()))
    }

    fn with(seeds: Arc<Seeds>, entropy: Entropy) -> Self {
        Self {
            origin: Origin::here(),
            seeds,
            entropy,
            conf: Conf::default(),
            observers: Observers::default(),
            messengers: Mutex::default(),
            injection: Arc::default(),
            admin_socket: Mutex::default(),
            stack: OnceLock::new(),
            starting: Mutex::default(),
            #[cfg(test)]
            process: None,
        }
    }

    /// The context of a simulated process, in which that seed decides everything
    /// that is otherwise left to chance.
    #[cfg(test)]
    pub(crate) fn simulated(process: &sim::Process, seed: u64) -> Arc<Self> {
        let mut context = Self::with(Arc::new(Seeds::given(seed)), seeds::repeatable(seed));
        context.process = Some(process.clone());
        Arc::new(context)
    }

    /// Sets an option, e.g. `ms_dispatch_throttle_bytes` to `100M`. Messengers
    /// that exist already keep what they were created with, but for
    /// `ms_inject_*` and `ms_blackhole_*`, which all obey from now on.
    ///
    /// # Errors
    /// `ENOENT` unknown option, `EINVAL` not a value of it, `EBUSY` no longer
    /// changeable.
    pub fn conf_set(&self, key: &str, value: &str) -> Result<()> {
        self.conf.set(key, value, self.stack.get().is_some())?;
        self.injection.read(&self.conf);
        // What nobody may read, and what is ignored, has no observers.
        if let Ok(now) = self.conf.get(key) {
            self.observers.tell(key, &now);
        }
        Ok(())
    }

    /// An option's value, as set or its default.
    ///
    /// # Errors
    /// `ENOENT` unknown option.
    pub fn conf_get(&self, key: &str) -> Result<String> {
        self.conf.get(key)
    }

    /// All options by name, with what was set or their default; no keys.
    pub fn conf_all(&self) -> Vec<(&'static str, String)> {
        self.conf.all()
    }

    /// The counters of all its messengers, those of one worker added up.
    pub fn perf_dump(&self, format: DumpFormat) -> String {
        self.perf().told(format)
    }

    pub(crate) fn perf(&self) -> Dump {
        let mut dump = Dump::default();
        for messenger in self.known_messengers() {
            dump.add(&messenger.perf());
        }
        dump
    }

    /// Opens a socket at that path at which tools ask this process, in the manner of
    /// Ceph's admin socket: `ceph --admin-daemon PATH help` tells the commands there
    /// are. Only this user and root can connect. It goes with the context, or with
    /// [`Context::close_admin_socket`].
    ///
    /// # Errors
    /// `EALREADY` if there is one; `EADDRINUSE` if somebody listens there, `EEXIST` if
    /// something else is there; `EINVAL` for a path that is too long; or what the
    /// system says.
    pub fn open_admin_socket(self: &Arc<Self>, path: &Path) -> Result<()> {
        let mut slot = self.admin_socket();
        if slot.is_some() {
            return Err(Error::new(
                libc::EALREADY,
                "there is an admin socket already",
            ));
        }
        let me = Arc::downgrade(self);
        let answer = move |request: &[u8]| match me.upgrade() {
            Some(context) => admin_command::answer(&context, request),
            None => Vec::new(),
        };
        let opened = AdminSocket::open(path, answer)
            .map_err(|why| Error::io(format_args!("admin socket {}", path.display()), &why))?;
        *slot = Some(opened);
        Ok(())
    }

    /// Closes it, and removes it. When this returns no command of it is under way,
    /// unless it is called in one.
    pub fn close_admin_socket(&self) {
        let open = self.admin_socket().take();
        // Unlocked, since it waits for commands, which may come here too.
        drop(open);
    }

    fn admin_socket(&self) -> MutexGuard<'_, Option<AdminSocket>> {
        self.admin_socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are still there. Not under the lock: the last hold of one may go
    /// with that of the caller.
    pub(crate) fn known_messengers(&self) -> Vec<Arc<AsyncMessenger>> {
        let known = self.messengers().clone();
        known.iter().filter_map(Weak::upgrade).collect()
    }

    /// Remembers a messenger for as long as it is there.
    pub(crate) fn note_messenger(&self, messenger: &Arc<AsyncMessenger>) {
        let mut known = self.messengers();
        known.retain(|messenger| messenger.strong_count() > 0);
        known.push(Arc::downgrade(messenger));
    }

    fn messengers(&self) -> MutexGuard<'_, Vec<Weak<AsyncMessenger>>> {
        self.messengers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The process it was made in.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.observers
    }

    pub(crate) fn conf(&self) -> &Conf {
        &self.conf
    }

    /// Where its connections get their seeds.
    pub(crate) fn seeds(&self) -> &Arc<Seeds> {
        &self.seeds
    }

    /// Where its connections get challenges and session keys.
    pub(crate) fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    /// The faults that its messengers inject.
    pub(crate) fn injection(&self) -> &Arc<FaultInjection> {
        &self.injection
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
        let stack = self.start(threads)?;
        Ok(Arc::clone(self.stack.get_or_init(|| Arc::new(stack))))
    }

    fn start(&self, threads: usize) -> Result<NetworkStack<Shard>> {
        #[cfg(test)]
        if let Some(process) = &self.process {
            return Ok(NetworkStack::simulated(process, threads, Shard::new));
        }
        let spin = self.conf.seconds("ms_async_spin").min(LONGEST_SPIN);
        NetworkStack::start(threads, spin, Shard::new)
            .map_err(|why| Error::io("starting the workers", &why))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.get() {
            stack.stop();
            // What its threads have used. Another context gets its own again.
            Message::release_spares();
        }
    }
}
