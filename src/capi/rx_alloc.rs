//! Memory of the program's for the data of messages that come.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, msgr_conn, msgr_messenger};
use crate::{ConnectionRef, RxAllocator, RxBuffer, RxRequest};

/// What memory is wanted for: the data of a message that is coming. Without
/// encryption these are what the peer says, before a checksum has been looked at.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_rx_request {
    /// Bytes of this structure that are set.
    pub struct_size: u32,
    /// The message's type.
    pub r#type: u16,
    /// Low bits of the data's offset, as of msgr_msg_data_off: where in its page the
    /// sender would like it to begin.
    pub data_off: u16,
    /// The message's transaction number.
    pub tid: u64,
    /// Bytes, never 0.
    pub len: usize,
    /// The connection it comes on, lent for the call.
    pub conn: *mut msgr_conn,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_rx_request>() == 16 + 2 * size_of::<usize>());

type Alloc = unsafe extern "C" fn(*mut c_void, *const msgr_rx_request) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *mut c_void, usize);

/// A program's callbacks as the messenger's allocator.
struct ForeignAllocator {
    alloc: Alloc,
    free: Option<Free>,
    user: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    /// One that was refused still belongs to the program, and gets no `release`.
    set: AtomicBool,
}

// SAFETY: by the contract of `msgr_set_rx_alloc` the callbacks take `user` on any
// thread.
unsafe impl Send for ForeignAllocator {}
// SAFETY: as above, and from several threads at once.
unsafe impl Sync for ForeignAllocator {}

impl Drop for ForeignAllocator {
    fn drop(&mut self) {
        if let (true, Some(release)) = (*self.set.get_mut(), self.release) {
            // SAFETY: the callback is called as its type says; a value drops once,
            // and nobody else can reach it now.
            unsafe { release(self.user) };
        }
    }
}

/// Memory that the program has lent.
struct ForeignBuffer {
    memory: *mut u8,
    len: usize,
    of: Arc<ForeignAllocator>,
}

// SAFETY: by the contract of `msgr_set_rx_alloc` the memory is the library's, on
// whatever thread, until it is freed.
unsafe impl Send for ForeignBuffer {}
// SAFETY: as above; through a shared one it is only read.
unsafe impl Sync for ForeignBuffer {}

impl RxBuffer for ForeignBuffer {
    fn bytes(&self) -> &[u8] {
        // SAFETY: by contract so many bytes are there and nobody else's, and the
        // library reads none that it has not written.
        unsafe { std::slice::from_raw_parts(self.memory, self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.memory, self.len) }
    }
}

impl Drop for ForeignBuffer {
    fn drop(&mut self) {
        if let Some(free) = self.of.free {
            // SAFETY: the callback is called as its type says, with what the program
            // has lent; a value drops once.
            unsafe { free(self.of.user, self.memory.cast(), self.len) };
        }
    }
}

/// The allocator as connections ask it.
struct Lender(Arc<ForeignAllocator>);

impl RxAllocator for Lender {
    fn alloc(&self, con: &ConnectionRef, request: RxRequest) -> Option<Box<dyn RxBuffer>> {
        let asked = msgr_rx_request {
            struct_size: u32::try_from(size_of::<msgr_rx_request>()).unwrap_or(0),
            r#type: request.kind,
            data_off: request.data_off,
            tid: request.tid,
            len: request.len,
            conn: handle::lend(con),
        };
        // SAFETY: the callback is called as its type says, with a connection that
        // outlives the call.
        let memory = unsafe { (self.0.alloc)(self.0.user, &raw const asked) };
        if memory.is_null() || isize::try_from(request.len).is_err() {
            return None;
        }
        Some(Box::new(ForeignBuffer {
            memory: memory.cast(),
            len: request.len,
            of: Arc::clone(&self.0),
        }))
    }
}

/// Lets the program lend the memory that the data of received messages go to, in
/// place of the library's own: pages of a pool, aligned as it likes.
///
/// `alloc(user, request)` is called once for each message with data in MSGR_DATA, on
/// the worker that reads its connection, where it must not block, and after the
/// throttles have granted the message. It returns writable memory of `request->len`
/// bytes, or NULL: then the library takes its own. The length is what the peer says,
/// up to ms_max_message_bytes. Data of 64 KiB and more that come without encryption
/// and compression, by msgr2, are read from the socket straight into it; others are
/// copied there once they are there whole.
///
/// The memory is the library's until `free_fn(user, memory, len)`, if not NULL, is
/// called, once, on any thread and with no lock held: when the last reference to the
/// data has gone, which msgr_buf and messages that are sent on have too, or when the
/// message did not come to its end. Nobody may write to it until then. What a
/// messenger sends to itself is not copied there.
///
/// `release(user)`, if not NULL, is called once the messenger, all its connections and
/// all that memory are gone, on any thread. On failure nothing is kept and `release`
/// is not called.
///
/// Returns 0; -EINVAL; -EBUSY after msgr_start; -EALREADY the second time;
/// -ESHUTDOWN. Any thread. Ceph: `Connection::post_rx_buffer`, which only some
/// messengers ever had, and reading data with the alignment of their offset.
///
/// # Safety
/// By the conventions, and the callbacks take `user` until `release` is called.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_rx_alloc(
    messenger: *mut msgr_messenger,
    alloc: Option<
        unsafe extern "C" fn(user: *mut c_void, request: *const msgr_rx_request) -> *mut c_void,
    >,
    free_fn: Option<unsafe extern "C" fn(user: *mut c_void, memory: *mut c_void, len: usize)>,
    user: *mut c_void,
    release: Option<unsafe extern "C" fn(user: *mut c_void)>,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        let alloc = alloc.ok_or(Refusal::of(libc::EINVAL, "the allocator is NULL"))?;
        let foreign = Arc::new(ForeignAllocator {
            alloc,
            free: free_fn,
            user,
            release,
            set: AtomicBool::new(false),
        });
        messenger.set_rx_allocator(Arc::new(Lender(Arc::clone(&foreign))))?;
        // Our own reference still keeps it, so it cannot have been dropped.
        foreign.set.store(true, Ordering::Release);
        Ok(0)
    })
}
