//! `msgr_dispatcher`: a program's callbacks.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, Extensible, msgr_conn, msgr_messenger, msgr_msg};
use super::message::MessageCell;
use crate::{ConnectionRef, Dispatcher, Message, Messenger};

/// In `flags`: ask this dispatcher for fast dispatch.
pub const MSGR_DISPATCH_FAST: u32 = 1;
/// In `flags`: read the clock for MSGR_STAMP_DISPATCH whenever a message is given to
/// dispatch.
pub const MSGR_DISPATCH_STAMPS: u32 = 2;

/// Callbacks of a program. Slots that are NULL mean what Ceph's `Dispatcher`
/// does by default. Begin with `MSGR_DISPATCHER_INIT`.
///
/// Messages and connections are lent to a callback for its time, unless it
/// says that it took the message. No lock is held in a callback: it may call
/// everything but `msgr_wait`. A callback must return; it must not throw.
///
/// "On a worker" is a network thread: callbacks of one connection run one
/// after the other there, those of different connections may run at once.
/// "On the dispatch thread" is one thread per messenger.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_dispatcher {
    /// Bytes of this structure that are set.
    pub struct_size: u32,
    /// 0, or MSGR_DISPATCH_FAST and MSGR_DISPATCH_STAMPS together or alone.
    pub flags: u32,
    /// On a worker, with MSGR_DISPATCH_FAST: may this message be dispatched
    /// there? Above 0 for yes. NULL: yes, all. A connection's messages keep their
    /// order only among the fast ones and among the others.
    pub can_fast_dispatch:
        Option<unsafe extern "C" fn(user: *mut c_void, msg: *const msgr_msg) -> c_int>,
    /// On a worker, with MSGR_DISPATCH_FAST: a message. It must not block.
    /// Above 0: the callee took it, and its reference. Else it is freed after
    /// the call. Either way no other dispatcher gets it.
    pub fast_dispatch: Option<unsafe extern "C" fn(user: *mut c_void, msg: *mut msgr_msg) -> c_int>,
    /// On the dispatch thread: a message. Above 0: the callee took it, and
    /// its reference. 0: not mine, ask the next dispatcher.
    pub dispatch: Option<unsafe extern "C" fn(user: *mut c_void, msg: *mut msgr_msg) -> c_int>,
    /// On the dispatch thread: a link this end dialled is up. On a lossless
    /// connection again after each reconnect.
    pub handle_connect: Option<unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn)>,
    /// On the dispatch thread: a link the peer dialled is up, on a new
    /// connection or, after a reconnect, on one known already.
    pub handle_accept: Option<unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn)>,
    /// On a worker, ahead of the connection's first message: as handle_connect.
    pub handle_fast_connect: Option<unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn)>,
    /// On a worker, ahead of the connection's first message: as handle_accept.
    pub handle_fast_accept: Option<unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn)>,
    /// On the dispatch thread: the connection is over, not by mark_down.
    /// Above 0: handled, do not tell the next dispatcher.
    pub handle_reset:
        Option<unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn) -> c_int>,
    /// On the dispatch thread: the peer has lost its session; messages in
    /// either direction may be missing. The connection goes on.
    pub handle_remote_reset: Option<unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn)>,
    /// On the dispatch thread: the peer's host refused a connection; dialling
    /// goes on until msgr_conn_mark_down. Above 0: handled, do not tell the next.
    pub handle_refused:
        Option<unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn) -> c_int>,
    /// The last call of all, once: the messenger has let go of the dispatcher.
    /// On any thread.
    pub release: Option<unsafe extern "C" fn(user: *mut c_void)>,
    /// On a worker: any message, before it is dispatched.
    pub fast_preprocess: Option<unsafe extern "C" fn(user: *mut c_void, msg: *mut msgr_msg)>,
    /// With MSGR_DISPATCH_FAST: the types that are dispatched on the worker, and no
    /// others; can_fast_dispatch is not asked then. NULL: it is. The array is copied.
    pub fast_types: *const u16,
    /// How many there are.
    pub fast_type_count: usize,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_dispatcher>() == 8 + 14 * size_of::<usize>());

// SAFETY: it begins with a u32 and holds only integers, a raw pointer and optional
// function pointers, which are NULL when zero.
unsafe impl Extensible for msgr_dispatcher {
    /// Up to the flags: a program may leave out every slot.
    const MIN_SIZE: usize = 8;
}

type OnConn = Option<unsafe extern "C" fn(*mut c_void, *mut msgr_conn)>;
type AskConn = Option<unsafe extern "C" fn(*mut c_void, *mut msgr_conn) -> c_int>;

/// A program's callbacks as a dispatcher of the messenger.
struct ForeignDispatcher {
    slots: msgr_dispatcher,
    /// A bit for each type that is dispatched on the worker, if the program said.
    fast_types: Option<Box<[u64]>>,
    user: *mut c_void,
    /// A dispatcher that was refused still belongs to the program, and gets
    /// no `release`.
    added: AtomicBool,
}

// SAFETY: by the contract of `msgr_add_dispatcher_head` the callbacks take
// `user` on any thread.
unsafe impl Send for ForeignDispatcher {}
// SAFETY: as above, and from several threads at once.
unsafe impl Sync for ForeignDispatcher {}

impl ForeignDispatcher {
    /// Is that type one for the worker? Nothing: can_fast_dispatch knows.
    fn is_fast(&self, kind: u16) -> Option<bool> {
        let bits = self.fast_types.as_ref()?;
        let word = bits.get(usize::from(kind / 64)).copied();
        Some(word.unwrap_or(0) >> (kind % 64) & 1 != 0)
    }

    fn tell(&self, slot: OnConn, con: &ConnectionRef) {
        if let Some(callback) = slot {
            // SAFETY: the callback is called as its type says, with a
            // connection that outlives the call.
            unsafe { callback(self.user, handle::lend(con)) };
        }
    }

    fn ask(&self, slot: AskConn, con: &ConnectionRef) -> bool {
        // SAFETY: as in `tell`.
        slot.is_some_and(|callback| unsafe { callback(self.user, handle::lend(con)) } > 0)
    }

    /// Lends a message to a callback; gives it back if that did not take it.
    fn offer(
        &self,
        callback: unsafe extern "C" fn(*mut c_void, *mut msgr_msg) -> c_int,
        cell: Arc<MessageCell>,
    ) -> (c_int, Option<Arc<MessageCell>>) {
        let raw: *mut msgr_msg = handle::into_raw(cell);
        // SAFETY: the callback is called as its type says, with a message that
        // has one reference for it.
        let answer = unsafe { callback(self.user, raw) };
        if answer > 0 {
            return (answer, None);
        }
        // SAFETY: the reference made above was not taken, so it is ours.
        (answer, unsafe { handle::take(raw) }.unwrap_or_default())
    }
}

impl Dispatcher for ForeignDispatcher {
    fn can_fast_dispatch_any(&self) -> bool {
        self.slots.flags & MSGR_DISPATCH_FAST != 0 && self.slots.fast_dispatch.is_some()
    }

    fn wants_preprocess(&self) -> bool {
        self.slots.fast_preprocess.is_some()
    }

    fn fast_preprocess(&self, con: &ConnectionRef, message: &mut Message) {
        if let Some(callback) = self.slots.fast_preprocess {
            MessageCell::lend(message, Some(con), |msg| {
                // SAFETY: the callback is called as its type says, with a message
                // that outlives the call.
                unsafe { callback(self.user, msg) };
            });
        }
    }

    fn wants_stamps(&self) -> bool {
        self.slots.flags & MSGR_DISPATCH_STAMPS != 0
    }

    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        let Some(fast_dispatch) = self.slots.fast_dispatch else {
            return Err(message);
        };
        let is_fast = self.is_fast(message.kind);
        if is_fast == Some(false) {
            return Err(message);
        }
        let cell = MessageCell::new(message, Some(Arc::clone(con)));
        let asked = self.slots.can_fast_dispatch.filter(|_| is_fast.is_none());
        if let Some(can_fast_dispatch) = asked {
            // SAFETY: the callback is called as its type says, with a message
            // that outlives the call.
            if unsafe { can_fast_dispatch(self.user, handle::lend(&cell)) } <= 0 {
                return Err(MessageCell::into_message(cell));
            }
        }
        // Taken or not, it was dispatched; what comes back is dropped here.
        let (_, left) = self.offer(fast_dispatch, cell);
        if let Some(cell) = left {
            MessageCell::release(cell);
        }
        Ok(())
    }

    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        let Some(dispatch) = self.slots.dispatch else {
            return Err(message);
        };
        let cell = MessageCell::new(message, Some(Arc::clone(con)));
        let (answer, left) = self.offer(dispatch, cell);
        if answer < 0 {
            log::warn!("a dispatcher returned {answer} for a message; asking the next one");
        }
        match left {
            Some(cell) => Err(MessageCell::into_message(cell)),
            None => Ok(()),
        }
    }

    fn handle_connect(&self, con: &ConnectionRef) {
        self.tell(self.slots.handle_connect, con);
    }

    fn handle_accept(&self, con: &ConnectionRef) {
        self.tell(self.slots.handle_accept, con);
    }

    fn handle_fast_connect(&self, con: &ConnectionRef) {
        self.tell(self.slots.handle_fast_connect, con);
    }

    fn handle_fast_accept(&self, con: &ConnectionRef) {
        self.tell(self.slots.handle_fast_accept, con);
    }

    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        self.ask(self.slots.handle_reset, con)
    }

    fn handle_remote_reset(&self, con: &ConnectionRef) {
        self.tell(self.slots.handle_remote_reset, con);
    }

    fn handle_refused(&self, con: &ConnectionRef) -> bool {
        self.ask(self.slots.handle_refused, con)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl Drop for ForeignDispatcher {
    fn drop(&mut self) {
        if let (true, Some(release)) = (*self.added.get_mut(), self.slots.release) {
            // SAFETY: the callback is called as its type says; a value drops
            // once, and nobody else can reach it now.
            unsafe { release(self.user) };
        }
    }
}

/// A bit for each of some types; nothing for NULL.
///
/// # Safety
/// `types` is NULL or readable for so many numbers.
unsafe fn bits(types: *const u16, count: usize) -> Result<Option<Box<[u64]>>, Refusal> {
    if types.is_null() && count == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise is the callee's.
    let types = unsafe { handle::items(types, count)? };
    let words = types
        .iter()
        .max()
        .map_or(0, |last| usize::from(last / 64) + 1);
    let mut bits = vec![0; words];
    for kind in types {
        if let Some(word) = bits.get_mut(usize::from(kind / 64)) {
            *word |= 1_u64 << (kind % 64);
        }
    }
    Ok(Some(bits.into_boxed_slice()))
}

/// Adds a copy of the callbacks to a messenger, by `add`.
///
/// # Safety
/// The pointers are by the conventions.
unsafe fn add_dispatcher(
    messenger: *mut msgr_messenger,
    dispatcher: *const msgr_dispatcher,
    user: *mut c_void,
    add: impl FnOnce(&Messenger, Arc<dyn Dispatcher>) -> crate::Result<()>,
) -> Result<c_int, Refusal> {
    // SAFETY: the caller's promises are the callees'.
    let (messenger, slots) =
        unsafe { (handle::borrow(messenger)?, handle::read_struct(dispatcher)?) };
    if slots.flags & !(MSGR_DISPATCH_FAST | MSGR_DISPATCH_STAMPS) != 0 {
        return Err(Refusal::of(
            libc::EINVAL,
            "a flag of the dispatcher is unknown",
        ));
    }
    // SAFETY: the caller's promise is the callee's.
    let fast_types = unsafe { bits(slots.fast_types, slots.fast_type_count)? };
    let foreign = Arc::new(ForeignDispatcher {
        slots,
        fast_types,
        user,
        added: AtomicBool::new(false),
    });
    add(messenger, Arc::clone(&foreign) as Arc<dyn Dispatcher>)?;
    // Our own reference still keeps it, so it cannot have been dropped.
    foreign.added.store(true, Ordering::Release);
    Ok(0)
}

/// Adds a dispatcher in front of the others. The first one lets the messenger
/// accept connections; it may come before or after `msgr_start`.
///
/// The structure is copied. `user` is passed to every callback and must be
/// good until `release`. On failure nothing is kept and `release` is not
/// called.
///
/// Returns 0; -EINVAL; -E2BIG for a structure with slots this library does not
/// know; -ESHUTDOWN. Any thread, also in callbacks. Ceph:
/// `Messenger::add_dispatcher_head`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_add_dispatcher_head(
    messenger: *mut msgr_messenger,
    dispatcher: *const msgr_dispatcher,
    user: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promises are the callee's.
    guard(|| unsafe {
        add_dispatcher(messenger, dispatcher, user, |messenger, foreign| {
            messenger.add_dispatcher_head(foreign)
        })
    })
}

/// The same, behind the others. Ceph: `Messenger::add_dispatcher_tail`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_add_dispatcher_tail(
    messenger: *mut msgr_messenger,
    dispatcher: *const msgr_dispatcher,
    user: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promises are the callee's.
    guard(|| unsafe {
        add_dispatcher(messenger, dispatcher, user, |messenger, foreign| {
            messenger.add_dispatcher_tail(foreign)
        })
    })
}

/// Takes the dispatchers that were added with that `user` out of a messenger, and
/// returns when no callback of theirs runs any more; the last one was `release`, on
/// this thread unless the messenger was ending at the same time. Messages that wait
/// go to the others.
///
/// Returns 0; -EINVAL; -ENOENT if there is none; -EDEADLK in a callback. Any other
/// thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_remove_dispatcher(
    messenger: *mut msgr_messenger,
    user: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        messenger.remove_dispatcher(|dispatcher| {
            let foreign = dispatcher.as_any();
            let foreign = foreign.and_then(|any| any.downcast_ref::<ForeignDispatcher>());
            foreign.is_some_and(|foreign| foreign.user == user)
        })?;
        Ok(0)
    })
}
