//! An allocator that counts, for each thread, what is held and what was held at
//! most. Tests run side by side, and what one holds is none of the other's.

#![allow(unsafe_code, reason = "this is what an allocator is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, and an account for each thread. What one thread frees
/// of another's makes its account too low, which no target does.
pub struct Counting;

/// Bytes held by this thread, and the most since this was last asked.
pub fn held_and_peak() -> (usize, usize) {
    let held = HELD.get();
    let peak = PEAK.replace(held);
    let bytes = |count: isize| usize::try_from(count).unwrap_or(0);
    (bytes(held), bytes(peak))
}

fn count(more: usize, less: usize) {
    // A thread that is ending has no account any more.
    let _ = HELD.try_with(|held| {
        let now = held
            .get()
            .wrapping_add_unsigned(more)
            .wrapping_sub_unsigned(less);
        held.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
    });
}

// SAFETY: every call goes to the system's allocator as it is; counting allocates
// nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is the callee's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is the callee's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // For a moment there may be both.
        count(size, 0);
        count(0, layout.size());
        // SAFETY: the caller's promise is the callee's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
