//! What a fork means for the handles.

use std::sync::Once;

use crate::Origin;

static WATCHING: Once = Once::new();

/// Lets forks be noticed from now on. Without this nothing is lost that was made
/// before the first context: it has no threads.
pub(super) fn watch() {
    WATCHING.call_once(|| {
        // SAFETY: the handlers touch one atomic number each, and stay where they
        // are: this library is never unmapped.
        let refused = unsafe { libc::pthread_atfork(None, Some(in_parent), Some(in_child)) };
        if refused != 0 {
            log::error!("out of memory: a forked child will not know that it is one");
        }
    });
}

extern "C" fn in_parent() {
    Origin::note_parent();
}

extern "C" fn in_child() {
    Origin::note_child();
}
