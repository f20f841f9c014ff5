//! What stands on a message besides type, numbers and priority.

use std::ffi::{c_char, c_int};

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, Extensible, msgr_conn, msgr_msg};
use crate::{EntityName, Message, WallTime};

/// Its first bytes were read.
pub const MSGR_STAMP_RECV: c_int = 0;
/// It was granted what the throttles want for it.
pub const MSGR_STAMP_THROTTLE: c_int = 1;
/// All of it was there.
pub const MSGR_STAMP_RECV_COMPLETE: c_int = 2;
/// A dispatcher got it. Where no dispatcher has the flag MSGR_DISPATCH_STAMPS it is,
/// for ordinary dispatch, when the message was queued.
pub const MSGR_STAMP_DISPATCH: c_int = 3;

/// In `flags` of a msgr_header: the message is whole.
pub const MSGR_HEADER_COMPLETE: u32 = 1;

/// Header and footer of a message as numbers (Ceph's `ceph_msg_header`,
/// `ceph_msg_footer`). Begin with `struct_size`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_header {
    /// Bytes of this structure that are to be filled in.
    pub struct_size: u32,
    /// MSGR_HEADER_COMPLETE, always.
    pub flags: u32,
    /// As msgr_msg_seq.
    pub seq: u64,
    /// As msgr_msg_tid.
    pub tid: u64,
    /// As msgr_msg_source_num.
    pub source_num: i64,
    /// As msgr_msg_source_type.
    pub source_type: i32,
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
    /// Bytes of MSGR_FRONT.
    pub front_len: u32,
    /// Bytes of MSGR_MIDDLE.
    pub middle_len: u32,
    /// Bytes of MSGR_DATA.
    pub data_len: u32,
    /// The crc32c of MSGR_FRONT, from 0 on and not inverted, as in Ceph's footer.
    pub front_crc: u32,
    /// The crc32c of MSGR_MIDDLE.
    pub middle_crc: u32,
    /// The crc32c of MSGR_DATA.
    pub data_crc: u32,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_header>() == 72);

// SAFETY: it begins with a u32 and holds only integers.
unsafe impl Extensible for msgr_header {
    /// All there has been so far.
    const MIN_SIZE: usize = 72;
}

/// Whom a message came from: what the connection's peer is called.
///
/// # Safety
/// `msg` is a handle by the conventions.
unsafe fn source(msg: *const msgr_msg) -> Result<Option<EntityName>, Refusal> {
    // SAFETY: the caller's promise is the callee's.
    let conn = unsafe { handle::borrow(msg)? }.connection();
    if conn.is_null() {
        return Ok(None);
    }
    // SAFETY: the message keeps its connection.
    Ok(Some(unsafe { handle::borrow(conn)? }.peer_name()))
}

fn nanos(time: WallTime) -> u64 {
    u64::from(time.sec) * 1_000_000_000 + u64::from(time.nsec)
}

/// Writes whom a message came from into `buf`, as "osd.3": what its connection's
/// peer is called, whose number is "?" if it has none.
///
/// Returns the text's length without its NUL; -ENOENT for a message without a
/// connection; -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing
/// is written. Any thread, also in callbacks. Ceph: `Message::get_source`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_source(
    msg: *const msgr_msg,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let name =
            source(msg)?.ok_or(Refusal::of(libc::ENOENT, "the message came from nowhere"))?;
        handle::fill(buf, len, &name.to_string())
    })
}

/// The type of whom a message came from (`MSGR_ENTITY_...`); 0 without a connection
/// and for NULL. Any thread, also in callbacks. Ceph: `Message::get_source`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_source_type(msg: *const msgr_msg) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    let name = guard_or(None, || unsafe { source(msg) });
    name.map_or(0, |name| name.kind.0.into())
}

/// The number of whom a message came from, 3 of "osd.3"; -1 if there is none and for
/// NULL. Any thread, also in callbacks. Ceph: `Message::get_source`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_source_num(msg: *const msgr_msg) -> i64 {
    // SAFETY: the caller's promise is the callee's.
    let name = guard_or(None, || unsafe { source(msg) });
    name.map_or(-1, |name| name.num)
}

/// When that happened to a received message (`MSGR_STAMP_...`), in nanoseconds since
/// 1970; 0 for a message of one's own, NULL and an unknown number. A worker reads
/// the clock once for all that it finds to do, so that messages which come together
/// have the same times. Any thread, also in callbacks. Ceph:
/// `Message::get_recv_stamp`, `get_throttle_stamp`, `get_recv_complete_stamp`,
/// `get_dispatch_stamp`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_stamp(msg: *const msgr_msg, which: c_int) -> u64 {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        let stamps = unsafe { handle::borrow(msg)? }.lock().stamps;
        Ok(match which {
            MSGR_STAMP_RECV => nanos(stamps.received),
            MSGR_STAMP_THROTTLE => nanos(stamps.throttled),
            MSGR_STAMP_RECV_COMPLETE => nanos(stamps.completed),
            MSGR_STAMP_DISPATCH => nanos(stamps.dispatched),
            _ => 0,
        })
    })
}

/// What a message costs: the bytes of its MSGR_DATA; 0 for NULL. Any thread, also in
/// callbacks. Ceph: `Message::get_cost`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_cost(msg: *const msgr_msg) -> u64 {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        Ok(unsafe { handle::borrow(msg)? }.lock().data.len() as u64)
    })
}

/// The low 16 bits of where the data belongs in what it is a part of, a hint for its
/// alignment; -EINVAL for NULL. A new message has 0. Any thread, also in callbacks.
/// Ceph: `ceph_msg_header::data_off`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_data_off(msg: *const msgr_msg) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(msg)? }.lock().data_off.into()))
}

/// Sets the same. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_set_data_off(msg: *mut msgr_msg, data_off: u16) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(msg)? }.lock().data_off = data_off;
        Ok(())
    });
}

/// Says on which connection a message came, in place of what msgr_msg_conn answers;
/// NULL: on none. The message keeps the connection, and lets go of the one before: no
/// other thread may still use a pointer that was lent from it. Where the message is
/// sent to does not depend on it. Any thread, also in callbacks. Ceph:
/// `Message::set_connection`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_set_conn(msg: *mut msgr_msg, conn: *mut msgr_conn) {
    guard_or((), || {
        // SAFETY: the caller's promises are the callees'.
        let (cell, conn) = unsafe { (handle::borrow(msg)?, handle::add_ref(conn)?) };
        cell.set_connection(conn);
        Ok(())
    });
}

/// Fills in `out`, up to the size that it says it has. The crcs are computed by the
/// call, which takes some time for a large message.
///
/// Returns 0; -EINVAL; -E2BIG for a structure with fields that this library does not
/// know and that are not 0. Any thread, also in callbacks. Ceph:
/// `Message::get_header`, `get_footer`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_header(msg: *const msgr_msg, out: *mut msgr_header) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (cell, asked) = unsafe { (handle::borrow(msg)?, handle::read_struct(out)?) };
        // SAFETY: as above.
        let source = unsafe { source(msg)? };
        // A copy shares the bytes, so that the lock is not held for long.
        let message = cell.lock().clone();
        let header = msgr_header {
            struct_size: asked.struct_size,
            ..header(&message, source)
        };
        let known = size_of::<msgr_header>().min(asked.struct_size as usize);
        let from = (&raw const header).cast::<u8>();
        // SAFETY: the structure is writable for as many bytes as it says, and cannot
        // overlap with one of this function's own.
        unsafe { out.cast::<u8>().copy_from_nonoverlapping(from, known) };
        Ok(0)
    })
}

fn header(message: &Message, source: Option<EntityName>) -> msgr_header {
    let len = |payload: &crate::Payload| u32::try_from(payload.len()).unwrap_or(u32::MAX);
    msgr_header {
        struct_size: 0,
        flags: MSGR_HEADER_COMPLETE,
        seq: message.seq,
        tid: message.tid,
        source_num: source.as_ref().map_or(-1, |name| name.num),
        source_type: source.map_or(0, |name| name.kind.0.into()),
        r#type: message.kind,
        priority: message.priority,
        version: message.version,
        compat: message.compat_version,
        data_off: message.data_off,
        reserved: 0,
        front_len: len(&message.front),
        middle_len: len(&message.middle),
        data_len: len(&message.data),
        front_crc: message.front.crc32c(0),
        middle_crc: message.middle.crc32c(0),
        data_crc: message.data.crc32c(0),
    }
}
