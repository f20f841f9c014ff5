//! What a simulation does in place of threads, and what it looks at.

use super::dispatch_queue::DispatchQueue;
use super::messenger::Messenger;
use super::shard::Shard;
use crate::event::Worker;
use crate::types::EntityType;

impl Messenger {
    /// Does anything wait for the dispatch thread?
    pub(crate) fn is_pumpable(&self) -> bool {
        self.inner().dispatch_queue().is_pumpable()
    }

    /// Delivers one item as the dispatch thread would.
    pub(crate) fn pump(&self) {
        DispatchQueue::pump(self.inner());
    }

    /// Has these features in its banners and no others. Policies and keys are fixed by
    /// this.
    pub(crate) fn offer(&self, features: u64) {
        self.inner().offer(features);
    }

    /// Connections that stand in the registry though they have ended.
    pub(crate) fn closed_but_registered(&self) -> usize {
        self.inner().registry().closed()
    }

    /// What its connection with that id is doing; nothing if it has ended.
    pub(crate) fn state_of(&self, id: u64) -> Option<&'static str> {
        let workers = self.inner().stack().workers().iter();
        let of_shard =
            |worker: &Worker<Shard>| worker.submit_to(move |shard, _| shard.state_of(id));
        workers.filter_map(|worker| of_shard(worker).ok()?).next()
    }

    /// What it still holds of connections and messages, each thing by its name.
    /// Nothing once it has come to rest.
    pub(crate) fn leftovers(&self) -> Vec<(&'static str, u64)> {
        let messenger = self.inner();
        let mut left = vec![
            ("half-open connections", messenger.half_open().len() as u64),
            ("registered connections", messenger.registry().len() as u64),
            (
                "queued for dispatch",
                messenger.dispatch_queue().len() as u64,
            ),
            ("bytes taken from the throttle", messenger.throttled()),
        ];
        for kind in [EntityType::OSD, EntityType::CLIENT] {
            let (messages, bytes) = messenger.policy_throttles().current(kind);
            left.push(("messages taken from a policy's throttle", messages));
            left.push(("bytes taken from a policy's throttle", bytes));
        }
        for worker in messenger.stack().workers() {
            left.push(("connections counted", worker.load() as u64));
            let of_shard = worker.submit_to(|shard, center| shard.leftovers(center));
            left.extend(of_shard.into_iter().flatten());
        }
        left.retain(|(_, count)| *count > 0);
        left
    }
}
