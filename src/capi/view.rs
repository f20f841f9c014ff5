//! What there is to know of a `msgr_msg`, in one call.

use std::ffi::{c_int, c_void};

use super::body;
use super::guard::guard;
use super::handle::{self, Extensible, msgr_conn, msgr_msg};
use crate::{Message, Payload};

/// What there is to know of a message at once. Begin with `struct_size`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_view {
    /// Bytes of this structure that are to be filled in.
    pub struct_size: u32,
    /// As msgr_msg_type.
    pub r#type: u16,
    /// As msgr_msg_priority.
    pub priority: u16,
    /// The version of the body's encoding.
    pub version: u16,
    /// The oldest version that can decode the body.
    pub compat: u16,
    /// As msgr_msg_data_off.
    pub data_off: u16,
    /// 0.
    pub reserved: u16,
    /// As msgr_msg_seq.
    pub seq: u64,
    /// As msgr_msg_tid.
    pub tid: u64,
    /// As msgr_msg_conn: lent.
    pub conn: *mut msgr_conn,
    /// As msgr_msg_user.
    pub user: *mut c_void,
    /// As msgr_msg_len, of MSGR_FRONT, MSGR_MIDDLE and MSGR_DATA.
    pub len: [usize; 3],
    /// Where the bytes of each are, as msgr_msg_data; NULL if there are none, or if they
    /// are in several pieces, which this does not join.
    pub data: [*const c_void; 3],
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_view>() == 32 + size_of::<[usize; 8]>());

// SAFETY: it begins with a u32 and holds only integers and pointers, which may be zero.
unsafe impl Extensible for msgr_view {
    /// All there has been so far.
    const MIN_SIZE: usize = size_of::<Self>();
}

/// Where its bytes are if they are in one piece.
fn whole(payload: &Payload) -> *const c_void {
    let mut pieces = payload.pieces();
    match (pieces.next(), pieces.next()) {
        (Some(only), None) => only.as_ptr().cast(),
        _ => std::ptr::null(),
    }
}

fn view(message: &Message, conn: *mut msgr_conn, struct_size: u32) -> msgr_view {
    let segments = [&message.front, &message.middle, &message.data];
    msgr_view {
        struct_size,
        r#type: message.kind,
        priority: message.priority,
        version: message.version,
        compat: message.compat_version,
        data_off: message.data_off,
        reserved: 0,
        seq: message.seq,
        tid: message.tid,
        conn,
        user: body::user(message),
        len: segments.map(Payload::len),
        data: segments.map(whole),
    }
}

/// Fills in `out`, up to the size that it says it has: what a callback would ask for by
/// several calls, of which each takes a lock.
///
/// What it points to is lent, as by the function that answers the same alone. Returns 0;
/// -EINVAL; -E2BIG for a structure with fields that this library does not know and that
/// are not 0. Any thread, also in callbacks. Ceph: `Message::get_header` and what else a
/// message is asked for.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_view(msg: *const msgr_msg, out: *mut msgr_view) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (cell, asked) = unsafe { (handle::borrow(msg)?, handle::read_struct(out)?) };
        let view = view(&cell.lock(), cell.connection(), asked.struct_size);
        // SAFETY: the structure is writable for as many bytes as it says, which are at
        // least these.
        unsafe { out.write_unaligned(view) };
        Ok(0)
    })
}
