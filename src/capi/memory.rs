//! Memory of the program's that the library borrows.

use std::ffi::c_void;
use std::sync::Arc;

use bytes::Bytes;

/// What gives memory back to the program, once.
pub(super) struct Owner {
    pub(super) free_fn: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(super) arg: *mut c_void,
}

// SAFETY: by the contract of the functions that take it, `free_fn` may be called on
// any thread.
unsafe impl Send for Owner {}
// SAFETY: nothing can be done with a shared one.
unsafe impl Sync for Owner {}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(free_fn) = self.free_fn {
            // SAFETY: the program gave both together; a value drops once.
            unsafe { free_fn(self.arg) };
        }
    }
}

/// Memory that belongs to the program until its owner is dropped.
struct Foreign<O> {
    pointer: *const u8,
    len: usize,
    _owner: O,
}

// SAFETY: by contract the bytes may be read on any thread.
unsafe impl<O: Send> Send for Foreign<O> {}

impl<O> AsRef<[u8]> for Foreign<O> {
    fn as_ref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: checked by `handle::items` when it was handed over, and by
        // contract neither changed nor freed before the owner is dropped.
        unsafe { std::slice::from_raw_parts(self.pointer, self.len) }
    }
}

/// Bytes that `owner` gives back when nobody refers to them any more.
///
/// # Safety
/// They are readable and stay as they are until then.
pub(super) unsafe fn adopt(bytes: &[u8], owner: Owner) -> Bytes {
    Bytes::from_owner(Foreign {
        pointer: bytes.as_ptr(),
        len: bytes.len(),
        _owner: owner,
    })
}

/// The same for one of several pieces of one owner's.
///
/// # Safety
/// As for [`adopt`].
pub(super) unsafe fn adopt_part(bytes: &[u8], owner: &Arc<Owner>) -> Bytes {
    Bytes::from_owner(Foreign {
        pointer: bytes.as_ptr(),
        len: bytes.len(),
        _owner: Arc::clone(owner),
    })
}
