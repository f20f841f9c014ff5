//! What stands for a connection in a layer above this library.

use std::ffi::c_void;

use super::connection::Priv;
use super::guard::guard_or;
use super::handle::{self, msgr_conn};
use crate::Connection;

/// The pointer that the object of a connection is.
fn pointer(conn: &Connection) -> *mut c_void {
    let object = conn.object().and_then(|any| any.downcast_ref::<Priv>());
    object.map_or(std::ptr::null_mut(), Priv::pointer)
}

/// Makes `object` what stands for the connection in a layer that wraps this
/// library: a class of another language. The pointer of `msgr_conn_set_priv`
/// stays free for what is above that layer.
///
/// Whoever comes first is obeyed, and for good. Returns the object there is now:
/// if that is not `object`, the caller keeps `object` and `destroy` is not called
/// for it. Otherwise `destroy(object)`, if not NULL, is called once, on any thread,
/// when the connection goes; it must not use the connection. NULL for a NULL
/// connection or object. Any thread, also in callbacks. Ceph: there `Connection`
/// is the class.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_set_object(
    conn: *mut msgr_conn,
    object: *mut c_void,
    destroy: Option<unsafe extern "C" fn(object: *mut c_void)>,
) -> *mut c_void {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise is the callee's.
        let conn = unsafe { handle::borrow(conn)? };
        if object.is_null() {
            return Ok(object);
        }
        let refused = conn.set_object(Box::new(Priv::new(object, destroy))).err();
        if let Some(Ok(refused)) = refused.map(|any| any.downcast::<Priv>()) {
            refused.give_back();
        }
        Ok(pointer(conn))
    })
}

/// The object of `msgr_conn_set_object`, or NULL; it is as good as the connection.
/// Takes no lock. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conn_object(conn: *const msgr_conn) -> *mut c_void {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise is the callee's.
        Ok(pointer(unsafe { handle::borrow(conn)? }))
    })
}
