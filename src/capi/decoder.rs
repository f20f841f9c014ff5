//! The program's decoding of the messages that come.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, msgr_conn, msgr_messenger, msgr_msg};
use super::message::MessageCell;
use crate::{ConnectionRef, Decoder, Message};

type Decode = unsafe extern "C" fn(*mut c_void, *mut msgr_conn, *mut msgr_msg) -> c_int;

/// A program's callback as the messenger's decoder.
struct ForeignDecoder {
    decode: Decode,
    user: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    /// One that was refused still belongs to the program, and gets no `release`.
    set: AtomicBool,
}

// SAFETY: by the contract of `msgr_set_decoder` the callbacks take `user` on any
// thread.
unsafe impl Send for ForeignDecoder {}
// SAFETY: as above, and from several threads at once.
unsafe impl Sync for ForeignDecoder {}

impl Decoder for ForeignDecoder {
    fn decode(&self, con: &ConnectionRef, message: &mut Message) -> Result<(), i32> {
        let answer = MessageCell::lend(message, Some(con), |msg| {
            // SAFETY: the callback is called as its type says, with a connection
            // and a message that outlive the call.
            unsafe { (self.decode)(self.user, handle::lend(con), msg) }
        });
        if answer < 0 {
            Err(answer.saturating_neg())
        } else {
            Ok(())
        }
    }
}

impl Drop for ForeignDecoder {
    fn drop(&mut self) {
        if let (true, Some(release)) = (*self.set.get_mut(), self.release) {
            // SAFETY: the callback is called as its type says; a value drops once,
            // and nobody else can reach it now.
            unsafe { release(self.user) };
        }
    }
}

/// Lets the program make objects of its own of the messages that come.
///
/// `decode(user, conn, msg)` is called for every message, on the worker that has
/// read it, before any dispatcher is asked whether it wants it. It must not block.
/// It may read the bytes and call msgr_msg_set_user; connection and message are
/// lent to it, and the message need not have the same pointer later. Below 0: the
/// message is bad, and the link ends with a fault that names it, as it does with a
/// broken frame; a lossless connection is dialled again, and the message comes
/// again. A message that the messenger sent to itself comes here only if it has no
/// object; if it is bad it is dropped.
///
/// `release(user)`, if not NULL, is called once the messenger and all its
/// connections are gone, on any thread. On failure nothing is kept and `release` is
/// not called.
///
/// Returns 0; -EINVAL; -EBUSY after msgr_start; -EALREADY the second time;
/// -ESHUTDOWN. Any thread. Ceph: `decode_message`.
///
/// # Safety
/// By the conventions, and the callbacks take `user` until `release` is called.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_decoder(
    messenger: *mut msgr_messenger,
    decode: Option<
        unsafe extern "C" fn(user: *mut c_void, conn: *mut msgr_conn, msg: *mut msgr_msg) -> c_int,
    >,
    user: *mut c_void,
    release: Option<unsafe extern "C" fn(user: *mut c_void)>,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        let decode = decode.ok_or(Refusal::of(libc::EINVAL, "the decoder is NULL"))?;
        let foreign = Arc::new(ForeignDecoder {
            decode,
            user,
            release,
            set: AtomicBool::new(false),
        });
        messenger.set_decoder(Arc::clone(&foreign) as Arc<dyn Decoder>)?;
        // Our own reference still keeps it, so it cannot have been dropped.
        foreign.set.store(true, Ordering::Release);
        Ok(0)
    })
}
