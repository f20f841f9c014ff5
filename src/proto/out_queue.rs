//! Messages that wait to be written, by priority.

use std::collections::VecDeque;

use crate::types::{Message, PRIO_DEFAULT, PRIO_HIGHEST};

use super::frame::FrameBatch;

/// A message on its way out.
#[derive(Debug)]
pub struct Outgoing {
    /// The message.
    pub message: Box<Message>,
    /// The crcs of its segments, if the sender's thread has computed them.
    pub crcs: Option<[u32; 3]>,
}

impl Outgoing {
    /// Its order class.
    #[inline]
    pub fn priority(&self) -> u8 {
        Self::class(self.message.priority)
    }

    /// The order class of a priority: 0 stands for the default, and there is
    /// nothing above the highest.
    #[inline]
    pub fn class(priority: u16) -> u8 {
        let asked = match priority {
            0 => PRIO_DEFAULT,
            asked => asked.min(PRIO_HIGHEST),
        };
        u8::try_from(asked).unwrap_or(u8::MAX)
    }
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Box::new(message).into()
    }
}

impl From<Box<Message>> for Outgoing {
    fn from(message: Box<Message>) -> Self {
        Self {
            message,
            crcs: None,
        }
    }
}

/// What waits: a message, or many that are frames already.
#[derive(Debug)]
pub enum Queued {
    /// A message.
    One(Outgoing),
    /// Messages of one priority.
    Batch(Box<FrameBatch>),
}

impl Queued {
    /// Its order class.
    #[inline]
    pub fn priority(&self) -> u8 {
        match self {
            Self::One(outgoing) => outgoing.priority(),
            Self::Batch(batch) => batch.priority(),
        }
    }

    /// How many messages it is.
    pub fn messages(&self) -> u64 {
        match self {
            Self::One(_) => 1,
            Self::Batch(batch) => batch.messages(),
        }
    }
}

#[cfg(test)]
impl Queued {
    /// The message that it is.
    pub fn one(self) -> Outgoing {
        match self {
            Self::One(outgoing) => outgoing,
            Self::Batch(_) => panic!("many, not one"),
        }
    }
}

impl<T: Into<Outgoing>> From<T> for Queued {
    fn from(message: T) -> Self {
        Self::One(message.into())
    }
}

/// One FIFO per priority. Mostly there is only one, which is found without a
/// search.
#[derive(Debug, Default)]
pub struct OutQueue {
    /// The highest priority with messages, or the last one that had any.
    top: Lane,
    /// The others that have messages, the highest last.
    lower: Vec<Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    priority: u8,
    fifo: Fifo,
}

impl OutQueue {
    /// Adds a message behind those of its priority.
    #[inline]
    pub fn push(&mut self, queued: Queued) {
        let priority = queued.priority();
        if self.top.priority != priority {
            if !self.top.fifo.is_empty() {
                return self.push_aside(priority, queued);
            }
            self.top.priority = priority;
        }
        self.top.fifo.push(queued);
    }

    /// Puts messages of the highest priority in front again, as they were before.
    pub fn put_back(&mut self, messages: Vec<Outgoing>) {
        let Some(first) = messages.first() else {
            return;
        };
        let mut lane = Lane {
            priority: first.priority(),
            fifo: Fifo::default(),
        };
        messages
            .into_iter()
            .for_each(|it| lane.fifo.push(it.into()));
        let behind = std::mem::replace(&mut self.top, lane);
        if behind.priority != self.top.priority {
            return self.lower.push(behind);
        }
        let mut fifo = behind.fifo;
        while let Some(next) = fifo.pop() {
            self.top.fifo.push(next);
        }
    }

    /// Takes the first message of the highest priority.
    #[inline]
    pub fn pop(&mut self) -> Option<Queued> {
        let queued = self.top.fifo.pop();
        if self.top.fifo.is_empty() {
            if let Some(next) = self.lower.pop() {
                self.top = next;
            }
        }
        queued
    }

    /// True without a message.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.top.fifo.is_empty()
    }

    /// How many messages there are. It is counted.
    pub fn messages(&self) -> u64 {
        let lower = self.lower.iter().map(|lane| lane.fifo.messages());
        self.top.fifo.messages() + lower.sum::<u64>()
    }

    fn push_aside(&mut self, priority: u8, queued: Queued) {
        let at = self.lower.partition_point(|lane| lane.priority < priority);
        let mut lane = Lane {
            priority,
            fifo: Fifo::default(),
        };
        if priority > self.top.priority {
            lane.fifo.push(queued);
            self.lower.push(std::mem::replace(&mut self.top, lane));
            return;
        }
        match self.lower.get_mut(at) {
            Some(known) if known.priority == priority => known.fifo.push(queued),
            _ => {
                lane.fifo.push(queued);
                self.lower.insert(at, lane);
            }
        }
    }
}

/// A queue in blocks: a long one grows without moving what it holds, an empty
/// one keeps next to no memory.
#[derive(Debug, Default)]
struct Fifo {
    head: VecDeque<Queued>,
    rest: VecDeque<VecDeque<Queued>>,
}

/// Messages in a block.
const BLOCK: usize = 32;
/// Places that an empty queue keeps.
const KEPT: usize = 4;

impl Fifo {
    #[inline]
    fn push(&mut self, queued: Queued) {
        match queued {
            Queued::Batch(batch) => self.push_batch(batch),
            one @ Queued::One(_) => self.push_back(one),
        }
    }

    /// Batches that wait are few and full, not many and small.
    fn push_batch(&mut self, batch: Box<FrameBatch>) {
        let last = self.rest.back_mut().unwrap_or(&mut self.head).back_mut();
        let left = match last {
            Some(Queued::Batch(last)) => last.absorb(batch),
            _ => Err(batch),
        };
        if let Err(batch) = left {
            self.push_back(Queued::Batch(batch));
        }
    }

    #[inline]
    fn push_back(&mut self, queued: Queued) {
        if self.rest.is_empty() && self.head.len() < BLOCK {
            self.head.push_back(queued);
        } else {
            self.push_behind(queued);
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<Queued> {
        let queued = self.head.pop_front();
        if self.head.is_empty() {
            match self.rest.pop_front() {
                Some(next) => self.head = next,
                None if self.head.capacity() > KEPT => *self = Self::default(),
                None => {}
            }
        }
        queued
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    fn messages(&self) -> u64 {
        let all = self.head.iter().chain(self.rest.iter().flatten());
        all.map(Queued::messages).sum()
    }

    fn push_behind(&mut self, queued: Queued) {
        match self.rest.back_mut() {
            Some(last) if last.len() < BLOCK => last.push_back(queued),
            _ => {
                let mut block = VecDeque::with_capacity(BLOCK);
                block.push_back(queued);
                self.rest.push_back(block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(priorities: impl IntoIterator<Item = u16>) -> OutQueue {
        let mut queue = OutQueue::default();
        for (tid, priority) in (0..).zip(priorities) {
            queue.push(
                Message {
                    priority,
                    tid,
                    ..Message::default()
                }
                .into(),
            );
        }
        queue
    }

    fn drained(mut queue: OutQueue) -> Vec<(u8, u64)> {
        let next = || queue.pop().map(Queued::one);
        let all = std::iter::from_fn(next);
        all.map(|next| (next.priority(), next.message.tid))
            .collect()
    }

    #[test]
    fn the_highest_goes_first_and_each_priority_in_order() {
        let queue = queue([127, 64, 196, 127, 0, 1000, 64, 196, 100]);
        assert_eq!(queue.messages(), 9);
        let order = drained(queue);
        let expected = [
            (255, 5),
            (196, 2),
            (196, 7),
            (127, 0),
            (127, 3),
            (127, 4),
            (100, 8),
            (64, 1),
            (64, 6),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_long_queue_keeps_its_order_over_its_blocks() {
        let queue = queue(std::iter::repeat_n(127, 500));
        assert_eq!(queue.messages(), 500);
        let order = drained(queue);
        assert!(
            order
                .iter()
                .zip(0..)
                .all(|((_, tid), expected)| *tid == expected)
        );
        assert_eq!(order.len(), 500);
    }

    #[test]
    fn priorities_that_come_while_others_leave_find_their_place() {
        let mut queue = queue([127, 127]);
        let mut seen = vec![queue.pop().unwrap().one().message.tid];
        for (tid, priority) in [(10, 64), (11, 255), (12, 127), (13, 64)] {
            queue.push(
                Message {
                    priority,
                    tid,
                    ..Message::default()
                }
                .into(),
            );
        }
        seen.extend(drained(queue).into_iter().map(|(_, tid)| tid));
        assert_eq!(seen, [0, 11, 1, 12, 10, 13]);
    }
}
