//! Order of dispatch: strict above [`PRIO_LOW`], weighted by cost below it.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use crate::types::PRIO_LOW;

/// A queue of items, each with a priority, a class and a cost (Ceph's
/// `PrioritizedQueue`).
///
/// From [`PRIO_LOW`] on, the highest priority goes first. Below it every
/// priority gets its share: tokens flow in proportion to the priority, and an
/// item leaves when its priority has tokens for its cost. Within one priority
/// the classes take turns, and within one class items keep their order.
#[derive(Debug)]
pub(crate) struct PrioritizedQueue<T> {
    strict: BTreeMap<u16, Lane<T>>,
    weighted: BTreeMap<u16, Lane<T>>,
    /// Sum of the priorities in `weighted`: what a share is a share of.
    total_priority: u64,
    max_tokens: u64,
    min_cost: u64,
    len: usize,
}

/// All items of one priority.
#[derive(Debug)]
struct Lane<T> {
    /// One FIFO of (cost, item) per class. Never an empty one.
    fifos: FxHashMap<u64, VecDeque<(u64, T)>>,
    /// The classes in `fifos`, in the order of their turns.
    turns: VecDeque<u64>,
    tokens: u64,
}

impl<T> PrioritizedQueue<T> {
    /// `max_tokens`: most tokens one priority may save up; `min_cost`: what an
    /// item costs at least.
    pub(crate) fn new(max_tokens: u64, min_cost: u64) -> Self {
        Self {
            strict: BTreeMap::new(),
            weighted: BTreeMap::new(),
            total_priority: 0,
            max_tokens: max_tokens.max(1),
            min_cost,
            len: 0,
        }
    }

    /// Adds an item behind those of its class and priority.
    pub(crate) fn push(&mut self, priority: u16, class: u64, cost: u64, item: T) {
        self.len += 1;
        if priority >= PRIO_LOW {
            return self
                .strict
                .entry(priority)
                .or_default()
                .push(class, 0, item);
        }
        if !self.weighted.contains_key(&priority) {
            self.total_priority += u64::from(priority);
        }
        let cost = cost.clamp(self.min_cost.min(self.max_tokens), self.max_tokens);
        self.weighted
            .entry(priority)
            .or_default()
            .push(class, cost, item);
    }

    /// The first item of each class of each priority.
    pub(crate) fn fronts(&self) -> impl Iterator<Item = &T> {
        let lanes = self.strict.values().chain(self.weighted.values());
        let fifos = lanes.flat_map(|lane| lane.fifos.values());
        fifos.filter_map(|fifo| fifo.front().map(|(_, item)| item))
    }

    /// Takes the next item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if let Some(mut lane) = self.strict.last_entry() {
            let item = lane.get_mut().pop().map(|(_, item)| item);
            if lane.get().is_empty() {
                lane.remove();
            }
            self.len -= usize::from(item.is_some());
            return item;
        }
        let affordable = self
            .weighted
            .iter()
            .rev()
            .find(|(_, lane)| lane.next_cost() <= lane.tokens);
        // If no priority has saved enough, the highest goes on credit: the
        // queue must never stand still while it holds something.
        let (&priority, _) = affordable.or_else(|| self.weighted.iter().next_back())?;
        let lane = self.weighted.get_mut(&priority)?;
        let (cost, item) = lane.pop()?;
        lane.tokens = lane.tokens.saturating_sub(cost);
        if lane.is_empty() {
            self.weighted.remove(&priority);
            self.total_priority -= u64::from(priority);
        }
        self.distribute(cost);
        self.len -= 1;
        Some(item)
    }

    /// Takes out every item of a class.
    pub(crate) fn remove_class(&mut self, class: u64) -> Vec<T> {
        let mut removed = Vec::new();
        for lanes in [&mut self.strict, &mut self.weighted] {
            for lane in lanes.values_mut() {
                lane.remove_class(class, &mut removed);
            }
        }
        self.strict.retain(|_, lane| !lane.is_empty());
        self.weighted.retain(|_, lane| !lane.is_empty());
        self.total_priority = self
            .weighted
            .keys()
            .map(|priority| u64::from(*priority))
            .sum();
        self.len -= removed.len();
        removed
    }

    /// How many items wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Gives every weighted priority its share of what was just spent.
    fn distribute(&mut self, spent: u64) {
        if self.total_priority == 0 {
            return;
        }
        for (priority, lane) in &mut self.weighted {
            let share = u64::from(*priority) * spent / self.total_priority + 1;
            lane.tokens = (lane.tokens + share).min(self.max_tokens);
        }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            fifos: FxHashMap::default(),
            turns: VecDeque::new(),
            tokens: 0,
        }
    }
}

impl<T> Lane<T> {
    fn push(&mut self, class: u64, cost: u64, item: T) {
        let fifo = self.fifos.entry(class).or_default();
        if fifo.is_empty() {
            self.turns.push_back(class);
        }
        fifo.push_back((cost, item));
    }

    /// Takes the first item of the class whose turn it is; the class goes to
    /// the back.
    fn pop(&mut self) -> Option<(u64, T)> {
        let class = self.turns.pop_front()?;
        let fifo = self.fifos.get_mut(&class)?;
        let item = fifo.pop_front();
        if fifo.is_empty() {
            self.fifos.remove(&class);
        } else {
            self.turns.push_back(class);
        }
        item
    }

    fn remove_class(&mut self, class: u64, removed: &mut Vec<T>) {
        if let Some(fifo) = self.fifos.remove(&class) {
            self.turns.retain(|other| *other != class);
            removed.extend(fifo.into_iter().map(|(_, item)| item));
        }
    }

    fn next_cost(&self) -> u64 {
        let fifo = self.turns.front().and_then(|class| self.fifos.get(class));
        fifo.and_then(VecDeque::front).map_or(0, |(cost, _)| *cost)
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> PrioritizedQueue<(u16, u32)> {
        PrioritizedQueue::new(16 << 20, 1 << 16)
    }

    fn drain(queue: &mut PrioritizedQueue<(u16, u32)>) -> Vec<(u16, u32)> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn from_low_on_the_highest_priority_goes_first() {
        let mut queue = queue();
        for (at, priority) in [64, 255, 127, 196, 127].into_iter().enumerate() {
            queue.push(priority, 1, 0, (priority, at as u32));
        }
        assert_eq!(
            drain(&mut queue),
            [(255, 1), (196, 3), (127, 2), (127, 4), (64, 0)]
        );
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn classes_of_one_priority_take_turns_and_keep_their_order() {
        let mut queue = queue();
        for at in 0..3 {
            queue.push(127, 1, 0, (1, at));
        }
        for at in 0..2 {
            queue.push(127, 2, 0, (2, at));
        }
        assert_eq!(drain(&mut queue), [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2)]);
    }

    #[test]
    fn below_low_shares_follow_the_priorities_and_nobody_starves() {
        let mut queue = queue();
        for at in 0..1000 {
            queue.push(60, 1, 1 << 20, (60, at));
            queue.push(20, 1, 1 << 20, (20, at));
        }
        let first: Vec<_> = (0..800).filter_map(|_| queue.pop()).collect();
        let high = first.iter().filter(|(priority, _)| *priority == 60).count();
        assert!(
            (520..=680).contains(&high),
            "60 : 20 should share 3 : 1, got {high} of 800"
        );
        assert_eq!(queue.len(), 1200);
    }

    #[test]
    fn a_priority_of_zero_leaves_too() {
        let mut queue = queue();
        queue.push(0, 1, 5, (0, 0));
        queue.push(0, 1, 5, (0, 1));
        assert_eq!(drain(&mut queue), [(0, 0), (0, 1)]);
    }

    #[test]
    fn a_class_can_be_taken_out_whole() {
        let mut queue = queue();
        for at in 0..4 {
            queue.push(127, u64::from(at % 2), 0, (127, at));
            queue.push(10, u64::from(at % 2), 0, (10, at));
        }
        assert_eq!(queue.remove_class(1).len(), 4);
        assert!(drain(&mut queue).iter().all(|(_, at)| at % 2 == 0));
        assert_eq!(queue.len(), 0);
        assert!(queue.weighted.is_empty() && queue.total_priority == 0);
    }
}
