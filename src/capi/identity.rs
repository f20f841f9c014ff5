//! Whose a connection is, who its peer is, and how its frames travel.

use std::ffi::{c_char, c_int};

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, msgr_conn, msgr_messenger};

/// Connection mode: frames are readable, and guarded against accidents.
pub const MSGR_CON_MODE_CRC: u32 = 1;
/// Connection mode: frames are encrypted.
pub const MSGR_CON_MODE_SECURE: u32 = 2;

const NOT_YET: Refusal = Refusal::of(libc::ENOTCONN, "the connection has not been open yet");

/// The messenger that the connection belongs to, lent for as long as somebody holds
/// it: keep it with `msgr_ref`. NULL once its last reference was given up, and for
/// NULL. Any thread, also in callbacks. Ceph: `Connection::get_messenger`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_messenger(conn: *const msgr_conn) -> *mut msgr_messenger {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise is the callee's.
        let owner = unsafe { handle::borrow(conn)? }.owner();
        Ok(owner.map_or(std::ptr::null_mut(), |owner| handle::lend(&owner)))
    })
}

/// Writes where the connection's link leads, or came from: of all addresses of the
/// peer the one that was dialled, or that of the peer's own socket.
///
/// Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does not
/// fit into `len` bytes, and then nothing is written. Any thread, also in
/// callbacks. Ceph: `Connection::get_peer_socket_addr`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_peer_socket_addr(
    conn: *const msgr_conn,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let addr = handle::borrow(conn)?.peer_socket_addr();
        handle::fill(buf, len, &addr.to_string())
    })
}

/// 1 if the connection speaks msgr2, or is about to, 0 for the first protocol;
/// -EINVAL. Any thread, also in callbacks. Ceph: `Connection::is_msgr2`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_is_msgr2(conn: *const msgr_conn) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(conn)? }.is_msgr2().into()))
}

/// 1 while `ms_blackhole_...` lets messages to such a peer vanish, else 0; -EINVAL.
/// Any thread, also in callbacks. Ceph: `Connection::is_blackhole`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_is_blackhole(conn: *const msgr_conn) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(conn)? }.is_blackhole().into()))
}

/// Takes other feature bits for those both ends have, which `msgr_conn_features`
/// tells from now on until the next handshake: a program that speaks for somebody
/// behind the peer. The library itself goes by what was negotiated.
///
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
/// `Connection::set_features`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_set_features(conn: *mut msgr_conn, features: u64) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(conn)? }.set_features(features);
        Ok(0)
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
