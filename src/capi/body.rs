//! The program's own object behind a `msgr_msg`.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

use libc::iovec;

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, Extensible, msgr_conn, msgr_msg};
use super::memory::Owner;
use super::message::MessageCell;
use super::segment;
use crate::{Body, Message};

type Encode = unsafe extern "C" fn(*mut c_void, *mut msgr_msg, u64) -> c_int;

/// A pointer of the program's, with what it can do.
struct ForeignBody {
    user: *mut c_void,
    encode: Option<Encode>,
    destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: by the contract of `msgr_msg_set_user` the callbacks take `user` on any
// thread.
unsafe impl Send for ForeignBody {}
// SAFETY: as above, and from several threads at once.
unsafe impl Sync for ForeignBody {}

impl Body for ForeignBody {
    fn encodes(&self) -> bool {
        self.encode.is_some()
    }

    fn encode(&self, message: &mut Message, features: u64) -> Result<(), i32> {
        let Some(encode) = self.encode else {
            return Ok(());
        };
        let answer = MessageCell::lend(message, None, |msg| {
            // SAFETY: the callback is called as its type says, with a message that
            // outlives the call.
            unsafe { encode(self.user, msg, features) }
        });
        if answer < 0 {
            Err(answer.saturating_neg())
        } else {
            Ok(())
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for ForeignBody {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the program gave both together; a value drops once.
            unsafe { destroy(self.user) };
        }
    }
}

/// Hangs an object of the program's on a message, in the place of the one before.
///
/// `encode(user, msg, features)` writes the message when it is about to go out, on
/// a worker, where it must not block. MSGR_FRONT and MSGR_MIDDLE are empty then,
/// and MSGR_DATA is as it was left; the callee appends to them and may call
/// msgr_msg_set_version. `features` are those that both ends have. It is called
/// again if the message goes out once more after a reconnect on which they have
/// changed. Below 0: the message is dropped, and the log says so; so it is if it
/// has become too large. The message is lent to it and has no object meanwhile.
/// NULL: the message goes out with the bytes it has. Messages to the own messenger
/// are not encoded: whoever gets them asks for the object.
///
/// `destroy(user)`, if not NULL, is called once: when another object takes its
/// place, or when no copy of the message is left, because it was sent (on a
/// lossless connection: acknowledged) or dropped. Any thread, and with no lock
/// held.
///
/// A message that is sent while it has other references shares its object with the
/// copy that is sent. Copies that are sent on several connections are encoded one
/// by one, perhaps at the same time.
///
/// With NULL for all three the object goes, and none takes its place. Returns 0 or
/// -EINVAL, and then `destroy` is not called. Any thread, also in callbacks.
/// Ceph: what derives from `Message`: `encode_payload`, `set_completion_hook`.
///
/// # Safety
/// By the conventions, and the callbacks take `user` until `destroy` is called.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_set_user(
    msg: *mut msgr_msg,
    user: *mut c_void,
    encode: Option<
        unsafe extern "C" fn(user: *mut c_void, msg: *mut msgr_msg, features: u64) -> c_int,
    >,
    destroy: Option<unsafe extern "C" fn(user: *mut c_void)>,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let cell = unsafe { handle::borrow(msg)? };
        let is_none = user.is_null() && encode.is_none() && destroy.is_none();
        let body = (!is_none).then(|| {
            Arc::new(ForeignBody {
                user,
                encode,
                destroy,
            }) as Arc<dyn Body>
        });
        let former = std::mem::replace(&mut cell.lock().body, body);
        // Not under the lock.
        drop(former);
        Ok(0)
    })
}

/// The object that msgr_msg_set_user has hung on the message; NULL if there is
/// none. It is good as long as a reference to the message is held and no other
/// object takes its place. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_user(msg: *const msgr_msg) -> *mut c_void {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise is the callee's.
        Ok(user(&unsafe { handle::borrow(msg)? }.lock()))
    })
}

/// The program's object behind a message, or NULL.
pub(super) fn user(message: &Message) -> *mut c_void {
    let foreign =
        (message.body.as_ref()).and_then(|body| body.as_any().downcast_ref::<ForeignBody>());
    foreign.map_or(std::ptr::null_mut(), |body| body.user)
}

/// In `flags` of a msgr_object: the data are copied by the call and stay the caller's.
pub const MSGR_OBJECT_COPY: u32 = 1;

/// A message of which there is nothing yet but an object of the program's that will
/// encode it. Begin with `MSGR_OBJECT_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_object {
    /// Bytes of this structure that are set.
    pub struct_size: u32,
    /// 0, or MSGR_OBJECT_COPY.
    pub flags: u32,
    /// As for msgr_msg_create.
    pub r#type: u16,
    /// As for msgr_msg_set_priority.
    pub priority: u16,
    /// As for msgr_msg_set_data_off.
    pub data_off: u16,
    /// 0.
    pub reserved: u16,
    /// As for msgr_msg_set_tid.
    pub tid: u64,
    /// As for msgr_msg_set_user.
    pub user: *mut c_void,
    /// As for msgr_msg_set_user.
    pub encode:
        Option<unsafe extern "C" fn(user: *mut c_void, msg: *mut msgr_msg, features: u64) -> c_int>,
    /// As for msgr_msg_set_user.
    pub destroy: Option<unsafe extern "C" fn(user: *mut c_void)>,
    /// What MSGR_DATA has, as for msgr_msg_append_iov.
    pub data: *const iovec,
    /// How many pieces that are.
    pub data_count: usize,
    /// As for msgr_msg_append_iov; not looked at with MSGR_OBJECT_COPY.
    pub free_fn: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    /// What it is called with.
    pub arg: *mut c_void,
}

// SAFETY: it begins with a u32, and all of it may be zero.
unsafe impl Extensible for msgr_object {
    /// All there has been so far.
    const MIN_SIZE: usize = size_of::<Self>();
}

/// The message that an object stands for.
///
/// # Safety
/// Its data are readable, and what is adopted of them may be until it is freed.
unsafe fn message_of(object: &msgr_object) -> Result<Box<Message>, Refusal> {
    if object.flags & !MSGR_OBJECT_COPY != 0 || object.reserved != 0 {
        return Err(Refusal::of(libc::EINVAL, "unknown flags of an object"));
    }
    let mut message = Message::spare(object.r#type);
    message.priority = object.priority.min(255);
    message.data_off = object.data_off;
    message.tid = object.tid;
    // SAFETY: the caller's promise is the callee's.
    let pieces = unsafe { segment::pieces(object.data, object.data_count)? };
    let total = pieces
        .clone()
        .map(<[u8]>::len)
        .fold(0, usize::saturating_add);
    if u32::try_from(total).is_err() {
        return Err(Refusal::of(libc::EINVAL, "a segment has less than 4 GiB"));
    }
    if object.flags & MSGR_OBJECT_COPY != 0 {
        pieces.for_each(|piece| message.data.append_copy(piece));
    } else {
        let owner = Owner {
            free_fn: object.free_fn,
            arg: object.arg,
        };
        // SAFETY: as above.
        unsafe { segment::adopt(&mut message.data, pieces, owner) };
    }
    message.body = Some(Arc::new(ForeignBody {
        user: object.user,
        encode: object.encode,
        destroy: object.destroy,
    }));
    Ok(message)
}

/// Sends a message of which there is only an object: msgr_msg_create, its setters,
/// msgr_msg_append_iov, msgr_msg_set_user and msgr_send in one, and cheaper than they
/// are.
///
/// The object and the data belong to the library once the call has looked at them, and
/// go as those functions say, whatever it returns then: 0, or -ENOTCONN, -ESHUTDOWN and
/// -EMSGSIZE as msgr_send. With -EINVAL, -E2BIG and -ECHILD nothing was taken. Any
/// thread, also in callbacks. Ceph: `Connection::send_message`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_send_object(
    conn: *mut msgr_conn,
    object: *const msgr_object,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let conn = handle::share(conn)?;
        let message = message_of(&handle::read_struct(object)?)?;
        conn.send(message)?;
        Ok(0)
    })
}
