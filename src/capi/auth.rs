//! `msgr_auth`: authentication by a method of the program's.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, Extensible, Handle, msgr_conn, msgr_messenger};
use crate::{AuthAnswer, AuthHandler, AuthQuestion, AuthReply, ConnectionRef, Origin};

/// Where the answer to one question of an authentication goes: to be given by
/// exactly one of the msgr_auth_reply_* functions, at once or later, by any
/// thread. The connection waits for it, for as long as it may take to be open.
#[expect(non_camel_case_types, reason = "the name C knows")]
pub struct msgr_auth_reply {
    _private: [u8; 0],
}

/// The one question that a reply answers.
pub struct Pending {
    reply: Mutex<Option<AuthReply>>,
    origin: Origin,
}

impl Pending {
    /// The way for the answer, once.
    pub fn take(&self) -> Option<AuthReply> {
        let mut reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner);
        reply.take()
    }
}

impl Handle for msgr_auth_reply {
    type Target = Pending;

    fn origin(target: &Pending) -> Origin {
        target.origin
    }
}

/// A program's own authentication: what Ceph splits into `AuthClient` and
/// `AuthServer`. Begin with `struct_size`; the rest may be zero.
///
/// The callbacks run on a worker and must not block. What they are given is lent
/// to them for their time, but for `reply`, which belongs to them until it is
/// answered. A slot that is NULL answers -EOPNOTSUPP. The connection of a peer
/// that dialled may never become known to the dispatchers; it can be told from
/// others by its pointer, kept by msgr_conn_ref.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_auth_handler {
    /// Bytes of this structure that are set.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// This end dials a peer of that type: with which method, and what is said
    /// first? Answer by msgr_auth_reply_request. Ceph: `get_auth_request`.
    pub get_auth_request: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            conn: *mut msgr_conn,
            peer_type: c_int,
            reply: *mut msgr_auth_reply,
        ),
    >,
    /// The acceptor said that and wants to hear more. Answer by
    /// msgr_auth_reply_more. Ceph: `handle_auth_reply_more`.
    pub handle_auth_reply_more: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            conn: *mut msgr_conn,
            payload: *const c_void,
            len: usize,
            reply: *mut msgr_auth_reply,
        ),
    >,
    /// The acceptor is satisfied and has chosen a mode. Answer by
    /// msgr_auth_reply_done, with the keys. Ceph: `handle_auth_done`.
    pub handle_auth_done: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            conn: *mut msgr_conn,
            global_id: u64,
            con_mode: u32,
            payload: *const c_void,
            len: usize,
            reply: *mut msgr_auth_reply,
        ),
    >,
    /// The acceptor declined the method with that negative errno. Answer by
    /// msgr_auth_reply_request with another. Ceph: `handle_auth_bad_method`.
    pub handle_auth_bad_method: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            conn: *mut msgr_conn,
            method: u32,
            result: c_int,
            allowed_methods: *const u32,
            method_count: usize,
            allowed_modes: *const u32,
            mode_count: usize,
            reply: *mut msgr_auth_reply,
        ),
    >,
    /// A dialler that calls itself of that type begins (`more` 0) with a method,
    /// or goes on (`more` 1). Answer by msgr_auth_reply_more or
    /// msgr_auth_reply_done. Ceph: `handle_auth_request`.
    pub handle_auth_request: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            conn: *mut msgr_conn,
            peer_type: c_int,
            more: c_int,
            method: u32,
            con_mode: u32,
            payload: *const c_void,
            len: usize,
            reply: *mut msgr_auth_reply,
        ),
    >,
    /// The last call of all, once: the messenger has let go of the handler. On
    /// any thread.
    pub release: Option<unsafe extern "C" fn(user: *mut c_void)>,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_auth_handler>() == 8 + 6 * size_of::<usize>());

// SAFETY: it begins with a u32 and holds only integers and optional function
// pointers, which are NULL when zero.
unsafe impl Extensible for msgr_auth_handler {
    const MIN_SIZE: usize = 8;
}

/// A program's callbacks as the messenger's authentication.
struct ForeignHandler {
    slots: msgr_auth_handler,
    user: *mut c_void,
    /// A handler that was refused still belongs to the program, and gets no
    /// `release`.
    set: AtomicBool,
}

// SAFETY: by the contract of `msgr_set_auth_handler` the callbacks take `user` on
// any thread.
unsafe impl Send for ForeignHandler {}
// SAFETY: as above, and from several threads at once.
unsafe impl Sync for ForeignHandler {}

impl AuthHandler for ForeignHandler {
    fn handle_auth(&self, con: &ConnectionRef, question: AuthQuestion, reply: AuthReply) {
        let slots = &self.slots;
        let has_slot = match &question {
            AuthQuestion::Begin { .. } => slots.get_auth_request.is_some(),
            AuthQuestion::ReplyMore { .. } => slots.handle_auth_reply_more.is_some(),
            AuthQuestion::Done { .. } => slots.handle_auth_done.is_some(),
            AuthQuestion::BadMethod { .. } => slots.handle_auth_bad_method.is_some(),
            AuthQuestion::Request { .. } => slots.handle_auth_request.is_some(),
        };
        if !has_slot {
            return reply.answer(AuthAnswer::No(libc::EOPNOTSUPP));
        }
        let pending = Arc::new(Pending {
            reply: Mutex::new(Some(reply)),
            origin: Origin::here(),
        });
        self.ask(handle::lend(con), &question, handle::into_raw(pending));
    }
}

impl ForeignHandler {
    /// Puts the question, with a reply that belongs to the callback.
    fn ask(&self, conn: *mut msgr_conn, question: &AuthQuestion, reply: *mut msgr_auth_reply) {
        let (slots, user) = (&self.slots, self.user);
        match question {
            AuthQuestion::Begin { peer_type } => {
                let Some(call) = slots.get_auth_request else {
                    return;
                };
                // SAFETY: the callback is called as its type says, with a
                // connection that outlives the call.
                unsafe { call(user, conn, peer_type.0.into(), reply) };
            }
            AuthQuestion::ReplyMore { payload } => {
                let Some(call) = slots.handle_auth_reply_more else {
                    return;
                };
                let (bytes, len) = (payload.as_ptr().cast(), payload.len());
                // SAFETY: as above; so do the bytes.
                unsafe { call(user, conn, bytes, len, reply) };
            }
            AuthQuestion::Done {
                global_id,
                con_mode,
                payload,
            } => {
                let Some(call) = slots.handle_auth_done else {
                    return;
                };
                let (bytes, len) = (payload.as_ptr().cast(), payload.len());
                // SAFETY: as above.
                unsafe { call(user, conn, *global_id, *con_mode, bytes, len, reply) };
            }
            AuthQuestion::BadMethod {
                method,
                result,
                allowed_methods: methods,
                allowed_modes: modes,
            } => {
                let Some(call) = slots.handle_auth_bad_method else {
                    return;
                };
                let (methods, method_count) = (methods.as_ptr(), methods.len());
                let (modes, mode_count) = (modes.as_ptr(), modes.len());
                // SAFETY: as above; so do the lists.
                unsafe {
                    call(
                        user,
                        conn,
                        *method,
                        *result,
                        methods,
                        method_count,
                        modes,
                        mode_count,
                        reply,
                    );
                }
            }
            AuthQuestion::Request {
                peer_type,
                more,
                method,
                con_mode,
                payload,
            } => {
                let Some(call) = slots.handle_auth_request else {
                    return;
                };
                let (kind, more) = (peer_type.0.into(), (*more).into());
                let (bytes, len) = (payload.as_ptr().cast(), payload.len());
                // SAFETY: as above.
                unsafe {
                    call(
                        user, conn, kind, more, *method, *con_mode, bytes, len, reply,
                    )
                };
            }
        }
    }
}

impl Drop for ForeignHandler {
    fn drop(&mut self) {
        if let (true, Some(release)) = (*self.set.get_mut(), self.slots.release) {
            // SAFETY: the callback is called as its type says; a value drops once,
            // and nobody else can reach it now.
            unsafe { release(self.user) };
        }
    }
}

/// Lets the program authenticate this messenger's connections, in place of the
/// methods that the library has: both those it dials and those it accepts. The
/// options auth_*_required mean nothing then; the ms_*_mode still say which
/// modes are allowed.
///
/// The structure is copied. `user` is passed to every callback and must be good
/// until `release`. On failure nothing is kept and `release` is not called.
///
/// Returns 0; -EINVAL; -E2BIG; -EBUSY after bind or start; -EALREADY the second
/// time. Any thread. Ceph: `Messenger::set_auth_client`, `set_auth_server`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_auth_handler(
    messenger: *mut msgr_messenger,
    handler: *const msgr_auth_handler,
    user: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (messenger, slots) =
            unsafe { (handle::borrow(messenger)?, handle::read_struct(handler)?) };
        if slots.flags != 0 {
            return Err(Refusal::of(
                libc::EINVAL,
                "a flag of the handler is unknown",
            ));
        }
        let foreign = Arc::new(ForeignHandler {
            slots,
            user,
            set: AtomicBool::new(false),
        });
        messenger.set_auth_handler(Arc::clone(&foreign) as Arc<dyn AuthHandler>)?;
        // Our own reference still keeps it, so it cannot have been dropped.
        foreign.set.store(true, Ordering::Release);
        Ok(0)
    })
}
