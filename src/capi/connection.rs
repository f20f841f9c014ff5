//! `msgr_conn`: one connection.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use super::guard::{guard, guard_or};
use super::handle::{self, msgr_conn, msgr_msg};
use super::message::MessageCell;

/// What a C program attached to a connection.
pub(super) struct Priv {
    pointer: *mut c_void,
    destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: by the contract of `msgr_conn_set_priv` the pointer may be handed
// out and destroyed on any thread.
unsafe impl Send for Priv {}
// SAFETY: as above; nothing here looks behind the pointer.
unsafe impl Sync for Priv {}

impl Priv {
    pub(super) fn new(
        pointer: *mut c_void,
        destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> Self {
        Self { pointer, destroy }
    }

    pub(super) fn pointer(&self) -> *mut c_void {
        self.pointer
    }

    /// Leaves the pointer to the program, which nobody took it from.
    pub(super) fn give_back(mut self) {
        self.destroy = None;
    }
}

impl Drop for Priv {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the program gave both together, and this is the only
            // call: a `Priv` is dropped once.
            unsafe { destroy(self.pointer) };
        }
    }
}

/// Adds a reference. Returns `conn`, NULL for NULL. Any thread.
///
/// A callback's connection is only lent to it: keep it with this.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_ref(conn: *mut msgr_conn) -> *mut msgr_conn {
    // SAFETY: the caller's promise is the callee's.
    guard_or(std::ptr::null_mut(), || unsafe { handle::add_ref(conn) })
}

/// Drops a reference; NULL is ignored. It does not close the connection:
/// `msgr_conn_mark_down` does. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_unref(conn: *mut msgr_conn) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        drop(unsafe { handle::take(conn) }?);
        Ok(())
    });
}

/// Queues a message to the peer.
///
/// Takes the caller's reference to the message, whatever it returns. If there
/// are other references a copy is sent that shares the bytes, and the message
/// can be sent again. Higher priorities go first; within one priority messages
/// arrive in the order of the calls. Never blocks.
///
/// Returns 0 once it is queued, which does not mean that it will arrive;
/// -EINVAL; -ENOTCONN on a closed connection; -ESHUTDOWN; -EMSGSIZE. Any
/// thread, also in callbacks. Ceph: `Connection::send_message`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_send(conn: *mut msgr_conn, msg: *mut msgr_msg) -> c_int {
    guard(|| {
        // First of all, so that no way out keeps the caller's reference.
        // SAFETY: the caller's promise is the callee's.
        let cell = unsafe { handle::take(msg) };
        let cell = cell?.ok_or(handle::NULL_HANDLE)?;
        // SAFETY: as above. A message may be the last that holds the connection it goes
        // to: what is left of it is dropped behind the last use of that.
        let conn = unsafe { handle::borrow(conn)? };
        let (message, _keeps) = MessageCell::part(cell);
        conn.send(message)?;
        Ok(0)
    })
}

/// Closes the connection at once. Queued messages are dropped, no
/// `handle_reset` follows, later sends get -ENOTCONN. The loopback connection
/// stays: it lives as long as its messenger.
///
/// Returns 0, also if it is closed already, or -EINVAL. Any thread, also in
/// callbacks. Ceph: `Connection::mark_down`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_mark_down(conn: *mut msgr_conn) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(conn)? }.mark_down();
        Ok(0)
    })
}

/// Lets the next fault end the connection with `handle_reset`, as that of a lossy
/// one, whatever its policy was: it is not dialled again.
///
/// Returns 0, also if it is closed already, or -EINVAL. Any thread, also in
/// callbacks. Ceph: `Connection::mark_disposable`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_mark_disposable(conn: *mut msgr_conn) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(conn)? }.mark_disposable();
        Ok(0)
    })
}

/// Payload bytes of sent messages that the library still keeps: not written yet
/// or, on a lossless connection, not acknowledged by the peer. 0 for NULL.
///
/// `msgr_send` has no limit; a program that wants one looks here before it
/// sends. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_queued_bytes(conn: *const msgr_conn) -> u64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(conn)? }.queued_bytes()))
}

/// Sends the peer a keepalive, ahead of queued messages; the peer's library
/// answers it. See `msgr_conn_last_keepalive_ack`.
///
/// Returns 0; -EINVAL; -ENOTCONN. Any thread, also in callbacks. Ceph:
/// `Connection::send_keepalive`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_keepalive(conn: *mut msgr_conn) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        handle::borrow(conn)?
            .keepalive()
            .map(|()| 0)
            .map_err(Into::into)
    })
}

/// When the peer's newest keepalive has come: nanoseconds since 1970; 0 before the
/// first and for NULL. Any thread, also in callbacks. Ceph:
/// `Connection::get_last_keepalive`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_last_keepalive(conn: *const msgr_conn) -> u64 {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        let stamp = unsafe { handle::borrow(conn)? }.last_keepalive();
        Ok(u64::from(stamp.sec) * 1_000_000_000 + u64::from(stamp.nsec))
    })
}

/// When the newest keepalive that the peer has answered was sent: nanoseconds
/// since 1970; 0 before the first answer and for NULL. Any thread, also in
/// callbacks. Ceph: `Connection::get_last_keepalive_ack`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_last_keepalive_ack(conn: *const msgr_conn) -> u64 {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        let stamp = unsafe { handle::borrow(conn)? }.last_keepalive_ack();
        Ok(u64::from(stamp.sec) * 1_000_000_000 + u64::from(stamp.nsec))
    })
}

/// 1 while the handshake is done and the link is up, else 0; -EINVAL for NULL.
/// Any thread, also in callbacks. Ceph: `Connection::is_connected`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_is_connected(conn: *const msgr_conn) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(conn)? }.is_connected().into()))
}

/// 1 for the connection of a messenger to itself, else 0; -EINVAL for NULL.
/// Any thread, also in callbacks. Ceph: `Connection::is_loopback`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_is_loopback(conn: *const msgr_conn) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(conn)? }.is_loopback().into()))
}

/// 1 for a connection made with `MSGR_CONNECT_ANONYMOUS`, else 0; -EINVAL for
/// NULL. Any thread, also in callbacks. Ceph: `Connection::is_anon`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_is_anon(conn: *const msgr_conn) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(conn)? }.is_anonymous().into()))
}

/// What the peer is (`MSGR_ENTITY_...`), 0 while that is not known; -EINVAL
/// for NULL. Any thread, also in callbacks. Ceph: `Connection::get_peer_type`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_peer_type(conn: *const msgr_conn) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(conn)? }.peer_type().0.into()))
}

/// Writes the peer's name into `buf`: "osd.3", or "client.?" while it has no
/// number.
///
/// Returns the text's length without its NUL; -ENAMETOOLONG if it does not fit
/// into `len` bytes, and then nothing is written. Any thread, also in
/// callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_peer_name(
    conn: *const msgr_conn,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let name = handle::borrow(conn)?.peer_name();
        handle::fill(buf, len, &name.to_string())
    })
}

/// The number in the peer's name, 3 of "osd.3"; -1 while it has none and for
/// NULL. Any thread, also in callbacks. Ceph: `Connection::get_peer_id`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_peer_id(conn: *const msgr_conn) -> i64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(-1, || Ok(unsafe { handle::borrow(conn)? }.peer_name().num))
}

/// The number that the authentication gave to the end that dialled; 0 before the
/// handshake, if it gave none, and for NULL. Any thread, also in callbacks. Ceph:
/// `Connection::get_peer_global_id`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_peer_global_id(conn: *const msgr_conn) -> u64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(conn)? }.peer_global_id()))
}

/// Writes the peer's addresses into `buf`, in the form `msgr_connect` takes.
///
/// Returns the text's length without its NUL; -ENAMETOOLONG if it does not fit
/// into `len` bytes, and then nothing is written. Any thread, also in
/// callbacks. Ceph: `Connection::get_peer_addrs`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_peer_addrs(
    conn: *const msgr_conn,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let addrs = handle::borrow(conn)?.peer_addrs();
        handle::fill(buf, len, &addrs.to_string())
    })
}

/// Writes why the connection's last link, or last attempt at one, came to its end:
/// "peer denied auth cephx: wrong key, or unknown to it (error -13)". A good thing
/// to ask in `handle_reset`.
///
/// Returns the text's length without its NUL, 0 if no link has ended yet;
/// -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing is
/// written. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_last_fault(
    conn: *const msgr_conn,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let fault = handle::borrow(conn)?.last_fault();
        let text = fault.map_or_else(String::new, |fault| fault.to_string());
        handle::fill(buf, len, &text)
    })
}

/// The feature bits both ends have; 0 before the handshake and for NULL. Any
/// thread, also in callbacks. Ceph: `Connection::get_features`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_features(conn: *const msgr_conn) -> u64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(conn)? }.features()))
}

/// Attaches a pointer of the program's to the connection, in the place of the
/// one before.
///
/// `destroy(priv)`, if not NULL, is called once: when another pointer takes
/// its place, or with the connection; on any thread. `priv` NULL only takes the
/// old one away, and `destroy` is not called for it. For a NULL connection
/// nothing happens, and `priv` stays the caller's. Any thread, also in
/// callbacks. Ceph: `Connection::set_priv`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_set_priv(
    conn: *mut msgr_conn,
    r#priv: *mut c_void,
    destroy: Option<unsafe extern "C" fn(r#priv: *mut c_void)>,
) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        let conn = unsafe { handle::borrow(conn)? };
        if r#priv.is_null() {
            conn.set_priv(None);
        } else {
            conn.set_priv(Some(Arc::new(Priv::new(r#priv, destroy))));
        }
        Ok(())
    });
}

/// The pointer attached by `msgr_conn_set_priv`, or NULL. It is the program's
/// to know that no other thread replaces it while it is used. Any thread, also
/// in callbacks. Ceph: `Connection::get_priv`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_get_priv(conn: *const msgr_conn) -> *mut c_void {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise is the callee's.
        let attached = unsafe { handle::borrow(conn)? }.priv_data();
        let attached = attached
            .as_deref()
            .and_then(|any| any.downcast_ref::<Priv>());
        Ok(attached.map_or(std::ptr::null_mut(), Priv::pointer))
    })
}
