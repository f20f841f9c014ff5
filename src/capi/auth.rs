//! `msgr_auth`: authentication by a method of the program's.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, Extensible, Handle, msgr_conn, msgr_messenger, msgr_msg};
use super::message::MessageCell;
use crate::{
    Agreed, AuthAnswer, AuthHandler, AuthName, AuthQuestion, AuthReply, AuthWant, ConnectionRef,
    EntityType, Origin, Secret, SessionKey,
};

/// Connection mode: frames are readable, and guarded against accidents.
pub const MSGR_CON_MODE_CRC: u32 = 1;
/// Connection mode: frames are encrypted.
pub const MSGR_CON_MODE_SECURE: u32 = 2;

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

/// What an authentication has brought. Begin with `struct_size`; what is zero was
/// not brought. Nothing in it is kept: keys are copied, and wiped when they go.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_auth_result {
    /// Bytes of this structure that are set.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// The dialler's number in the cluster.
    pub global_id: u64,
    /// Who the peer has proved to be, "client.admin"; NULL for nobody.
    pub entity: *const c_char,
    /// What it may do, as text; NULL for nothing.
    pub caps: *const c_char,
    /// A key that both ends know: it signs the handshake. 0 bytes: unsigned.
    pub session_key: *const c_void,
    /// Its length.
    pub session_key_len: usize,
    /// Where mode secure takes its keys from: at least 40 bytes, usually 64, and
    /// never the same for two connections.
    pub connection_secret: *const c_void,
    /// Its length.
    pub connection_secret_len: usize,
    /// An acceptor's last word to the dialler.
    pub payload: *const c_void,
    /// Its length.
    pub payload_len: usize,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_auth_result>() == 16 + 8 * size_of::<*const c_void>());

// SAFETY: it begins with a u32 and holds only integers and pointers, which are
// NULL when zero.
unsafe impl Extensible for msgr_auth_result {
    const MIN_SIZE: usize = 16;
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

/// Begins with that method, or tries that one next. `modes` are MSGR_CON_MODE_*,
/// the preferred one first; none stands for those that the options allow.
///
/// Takes `reply`, whatever it returns: 0, or -EINVAL, and then the answer is no.
/// Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_request(
    reply: *mut msgr_auth_reply,
    method: u32,
    modes: *const u32,
    mode_count: usize,
    payload: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        answer(reply, || {
            Ok(AuthAnswer::Request {
                method,
                modes: handle::items(modes, mode_count)?.to_vec(),
                payload: bytes(payload, len)?,
            })
        })
    })
}

/// Says that and listens on.
///
/// Takes `reply`, whatever it returns: 0, or -EINVAL, and then the answer is no.
/// Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_more(
    reply: *mut msgr_auth_reply,
    payload: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe { answer(reply, || Ok(AuthAnswer::More(bytes(payload, len)?))) })
}

/// The peer is known, and that is what both ends have agreed on.
///
/// Takes `reply`, whatever it returns: 0; -EINVAL or -E2BIG, and then the answer
/// is no. Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_done(
    reply: *mut msgr_auth_reply,
    result: *const msgr_auth_result,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe { answer(reply, || agreed(&handle::read_struct(result)?)) })
}

/// No, with a negative errno: a dialler gives up, an acceptor declines.
///
/// Takes `reply`, whatever it returns: 0, or -EINVAL. Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_fail(reply: *mut msgr_auth_reply, error: c_int) -> c_int {
    // SAFETY: the caller's promises are the callee's.
    guard(|| unsafe { answer(reply, || Ok(AuthAnswer::No(error.saturating_abs().max(1)))) })
}

/// Adds the text of a keyring file to the keys of a messenger, in place of what it
/// has of the same entities. Keys may also come from the options `keyring`,
/// `keyfile` and `key`. The key of "osd." is that of all OSDs together: who has it
/// needs no monitor to get to one.
///
/// Returns 0; -EINVAL for a text that is none of a keyring; -EBUSY after bind or
/// start. Nothing of the text is kept but the keys. Any thread. Ceph: `KeyRing`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_add_keyring(
    messenger: *mut msgr_messenger,
    text: *const c_char,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::borrow(messenger)?.add_keyring(handle::text(text)?)?;
        Ok(0)
    })
}

/// For msgr_auth_request: a number, and with cephx the first tickets. Needed on
/// connections of the first protocol; on the others it renews the ticket that the
/// others hang on.
pub const MSGR_AUTH_LOGIN: c_int = 1;
/// For msgr_auth_request: tickets for all kinds of services.
pub const MSGR_AUTH_TICKETS: c_int = 2;
/// For msgr_auth_request, by a daemon: the keys that open its clients' tickets.
pub const MSGR_AUTH_ROTATING_KEYS: c_int = 3;

/// Makes a message that asks the monitor at the other end for MSGR_AUTH_*: send it
/// there, on this connection. The reply, a message of type 18, goes to
/// `msgr_auth_handle_reply`.
///
/// `*out` gets a reference that belongs to the caller, NULL on failure. Returns 0;
/// -EINVAL; -EACCES without the key or the ticket that it takes. Any thread, also
/// in callbacks. Ceph: `MonClient`, `MAuth`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_request(
    monitor: *mut msgr_conn,
    want: c_int,
    out: *mut *mut msgr_msg,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(out, || {
            let want = match want {
                MSGR_AUTH_LOGIN => AuthWant::Login,
                MSGR_AUTH_TICKETS => AuthWant::Tickets,
                MSGR_AUTH_ROTATING_KEYS => AuthWant::RotatingKeys,
                _ => {
                    return Err(Refusal::of(
                        libc::EINVAL,
                        "nothing to ask for has that number",
                    ));
                }
            };
            let request = handle::borrow(monitor)?.auth_request(want)?;
            Ok(MessageCell::new(Box::new(request), None))
        })
    })
}

/// Takes a monitor's reply to such a message. What it brings is kept for all
/// connections of the messenger.
///
/// `*next` gets a message to be sent to the monitor in turn, whose reference
/// belongs to the caller, or NULL. Returns 1 with a next message, 0 without: it is
/// done; -EINVAL for another message; -EACCES if the monitor has declined, or has
/// not proved that it knows our key. Any thread, also in callbacks. Ceph:
/// `MAuthReply`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_handle_reply(
    monitor: *mut msgr_conn,
    reply: *const msgr_msg,
    next: *mut *mut msgr_msg,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give_any(next, || {
            let reply = handle::borrow(reply)?.lock();
            let next = handle::borrow(monitor)?.auth_reply(&reply)?;
            Ok(next.map(|next| MessageCell::new(Box::new(next), None)))
        })
    })
}

/// For a messenger that is a monitor: makes the reply to a client's message of
/// type 17, which authenticates it or gives it tickets. Whom it has proved to be
/// is what `msgr_conn_auth_name` says from then on.
///
/// `*reply` gets a message to be sent to the client, whose reference belongs to
/// the caller, NULL on failure. A client that is denied gets a reply, too. Returns
/// 0 or -EINVAL. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_serve(
    client: *mut msgr_conn,
    request: *const msgr_msg,
    reply: *mut *mut msgr_msg,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(reply, || {
            let request = handle::borrow(request)?.lock();
            let reply = handle::borrow(client)?.auth_serve(&request)?;
            Ok(MessageCell::new(Box::new(reply), None))
        })
    })
}

/// Seconds until the ticket for services of that type (MSGR_ENTITY_*; 32 for the
/// ticket that the others hang on) should be renewed by `msgr_auth_request`: 0 for
/// now.
///
/// Returns -ENOENT if there is no ticket that is good; -EINVAL. Any thread, also
/// in callbacks. Ceph: `CephXTicketHandler::need_key`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_ticket_left(
    messenger: *mut msgr_messenger,
    service: c_int,
) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        let service = u8::try_from(service).map(EntityType);
        let service = service.map_err(|_| Refusal::of(libc::EINVAL, "no service has that type"))?;
        let left = handle::borrow(messenger)?.ticket_left(service);
        let left = left.ok_or(Refusal::of(libc::ENOENT, "there is no good ticket for it"))?;
        Ok(c_int::try_from(left.as_secs()).unwrap_or(c_int::MAX))
    })
}

/// Writes whom the peer has proved, or by method none claimed, to be: the name of
/// its key, "client.admin".
///
/// Returns the text's length without its NUL, 0 for nobody; -ENOTCONN before the
/// connection was open; -ENAMETOOLONG if it does not fit into `len` bytes, and
/// then nothing is written. Any thread, also in callbacks. Ceph:
/// `AuthConnectionMeta`, `Connection::peer_caps_info`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_auth_name(
    conn: *const msgr_conn,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let identity = handle::borrow(conn)?.identity().ok_or(NOT_YET)?;
        let name = identity
            .name
            .map_or_else(String::new, |name| name.to_string());
        handle::fill(buf, len, &name)
    })
}

/// Writes what the peer may do, in the words of its key for this kind of service:
/// "allow *".
///
/// Returns the text's length without its NUL, 0 for nothing; -ENOTCONN before the
/// connection was open; -ENAMETOOLONG if it does not fit into `len` bytes, and
/// then nothing is written. Any thread, also in callbacks. Ceph: `AuthCapsInfo`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_auth_caps(
    conn: *const msgr_conn,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let identity = handle::borrow(conn)?.identity().ok_or(NOT_YET)?;
        handle::fill(buf, len, &String::from_utf8_lossy(&identity.caps))
    })
}

/// 1 if the peer has proved its name by a key, 0 if it only claims one (method
/// none), if it is not known yet, and for NULL. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_is_authenticated(conn: *const msgr_conn) -> c_int {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        let identity = unsafe { handle::borrow(conn)? }.identity();
        Ok(identity.is_some_and(|peer| peer.is_proved).into())
    })
}

/// How frames travel: MSGR_CON_MODE_*; 0 before the connection was open and for
/// NULL. Any thread, also in callbacks. Ceph: `Connection::get_con_mode`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_mode(conn: *const msgr_conn) -> c_int {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        let identity = unsafe { handle::borrow(conn)? }.identity();
        let mode = identity.map_or(0, |peer| peer.mode.code());
        Ok(c_int::try_from(mode).unwrap_or(0))
    })
}

const NOT_YET: Refusal = Refusal::of(libc::ENOTCONN, "the connection has not been open yet");

/// Answers by what `make` makes of the caller's arguments; by no, if they are
/// refused.
///
/// # Safety
/// `reply` is a handle by the conventions, with a reference that belongs to the
/// caller, who must not use it again.
unsafe fn answer(
    reply: *mut msgr_auth_reply,
    make: impl FnOnce() -> Result<AuthAnswer, Refusal>,
) -> Result<c_int, Refusal> {
    // SAFETY: the caller's promise is the callee's.
    let pending = unsafe { handle::take(reply) }?.ok_or(handle::NULL_HANDLE)?;
    let mut slot = pending.reply.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(reply) = slot.take() else {
        return Err(Refusal::of(
            libc::EINVAL,
            "the question is answered already",
        ));
    };
    drop(slot);
    // A reply that is dropped says no.
    reply.answer(make()?);
    Ok(0)
}

/// # Safety
/// `raw` is NULL or readable for `len` bytes.
unsafe fn bytes(raw: *const c_void, len: usize) -> Result<Vec<u8>, Refusal> {
    // SAFETY: the caller's promise is the callee's; any bits are a byte.
    Ok(unsafe { handle::items(raw.cast::<u8>(), len)? }.to_vec())
}

/// # Safety
/// The pointers of `result` are by the conventions.
unsafe fn agreed(result: &msgr_auth_result) -> Result<AuthAnswer, Refusal> {
    if result.flags != 0 {
        return Err(Refusal::of(libc::EINVAL, "a flag of the result is unknown"));
    }
    // SAFETY: the caller's promises are the callees'.
    let (name, caps, key, secret, payload) = unsafe {
        let text = |raw: *const c_char| match raw.is_null() {
            true => Ok(None),
            false => handle::text(raw).map(Some),
        };
        (
            text(result.entity)?,
            text(result.caps)?.unwrap_or_default(),
            Secret::new(bytes(result.session_key, result.session_key_len)?),
            Secret::new(bytes(
                result.connection_secret,
                result.connection_secret_len,
            )?),
            bytes(result.payload, result.payload_len)?,
        )
    };
    let name: Option<AuthName> = match name.map(str::parse) {
        Some(Ok(name)) => Some(name),
        Some(Err(_)) => return Err(Refusal::of(libc::EINVAL, "the entity is no name")),
        None => None,
    };
    let given = |secret: Secret| Some(secret).filter(|secret| !secret.expose().is_empty());
    let agreed = Agreed {
        global_id: result.global_id,
        is_proved: name.is_some(),
        name,
        caps: caps.as_bytes().to_vec(),
        session_key: given(key).map(SessionKey::Host),
        connection_secret: given(secret),
    };
    Ok(AuthAnswer::Done(Box::new(agreed), payload))
}
