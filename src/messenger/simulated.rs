//! What a simulation does in place of threads, and what it looks at.

use super::dispatch_queue::DispatchQueue;
use super::messenger::Messenger;

impl Messenger {
    /// Does anything wait for the dispatch thread?
    pub(crate) fn is_pumpable(&self) -> bool {
        self.inner().dispatch_queue().is_pumpable()
    }

    /// Delivers one item as the dispatch thread would.
    pub(crate) fn pump(&self) {
        DispatchQueue::pump(self.inner());
    }
}
