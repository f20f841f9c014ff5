//! Messages that say what they are, and a dispatcher that keeps account of
//! them: each exactly once, in order, with the bytes it was sent with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use msgr::{Connection, ConnectionRef, Dispatcher, Message};

use super::DEADLINE;

/// Ordinary letters; those of odd streams are fast.
const LETTER: u16 = 100;
/// In the number of a stream of answers.
const ANSWER: u64 = 1 << 63;

/// Numbers from a seed (splitmix64): the same on every machine.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// The largest payload of a letter.
pub const LARGEST: usize = 512 << 10;

/// Bytes that payloads are cut from: a slice tells by its content where it was
/// cut, so that a misplaced byte shows.
fn pool() -> &'static Bytes {
    static POOL: OnceLock<Bytes> = OnceLock::new();
    POOL.get_or_init(|| {
        let mut random = Random(4711);
        (0..2 * LARGEST / 8)
            .flat_map(|_| random.next().to_le_bytes())
            .collect()
    })
}

/// Where a letter's payload lies in the pool.
fn cut(stream: u64, number: u64, len: usize) -> Bytes {
    let mut random = Random(stream ^ number.rotate_left(32));
    let at = usize::try_from(random.below((pool().len() - len + 1) as u64)).unwrap();
    pool().slice(at..at + len)
}

/// The letter with that number of a stream. Numbers count from 0.
pub fn letter(stream: u64, number: u64, len: usize) -> Message {
    let mut letter = Message::new(LETTER + u16::from(stream % 2 == 1));
    letter.tid = number;
    for field in [stream, number, len as u64] {
        letter.front.append_copy(&field.to_le_bytes());
    }
    // All three segments, each of them empty now and then.
    let payload = cut(stream, number, len);
    letter.middle.append(payload.slice(..len / 8));
    letter.data.append(payload.slice(len / 8..));
    letter
}

/// Stream, number and length of payload, as a letter says.
pub fn read(letter: &mut Message) -> Option<(u64, u64, usize)> {
    let front = letter.front.contiguous();
    let field = |at: usize| {
        let bytes = front.get(at * 8..at * 8 + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    Some((field(0)?, field(1)?, usize::try_from(field(2)?).ok()?))
}

/// One end's letters on one connection, of an ordinary stream and a fast one.
pub struct Writer {
    pub con: ConnectionRef,
    /// The ordinary one; the fast one is the next.
    pub stream: u64,
    /// Letters sent on each.
    pub sent: [u64; 2],
}

impl Writer {
    /// Streams with numbers that no other writer of this process has.
    pub fn new(con: ConnectionRef) -> Self {
        static STREAMS: AtomicU64 = AtomicU64::new(0);
        Self {
            con,
            stream: STREAMS.fetch_add(2, Ordering::Relaxed),
            sent: [0; 2],
        }
    }

    /// Sends a letter of up to that many bytes, on either stream.
    pub fn send(&mut self, largest: u64, random: &mut Random) -> msgr::Result<()> {
        let fast = random.below(3) == 0;
        // Small ones as often as large ones.
        let len = match random.below(4) {
            0 => 0,
            1 => random.below(largest.min(100) + 1),
            _ => random.below(largest + 1),
        };
        let number = &mut self.sent[usize::from(fast)];
        let len = usize::try_from(len).unwrap();
        self.con
            .send(letter(self.stream + u64::from(fast), *number, len))?;
        *number += 1;
        Ok(())
    }

    /// Whether `facts` hold all that was sent.
    pub fn all_in(&self, facts: &Facts) -> bool {
        (0..2).all(|fast| facts.of(self.stream + fast as u64) == self.sent[fast])
    }
}

/// What a witness has seen.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    pub letters: u64,
    pub bytes: u64,
    pub connects: u64,
    pub accepts: u64,
    pub resets: u64,
    pub remote_resets: u64,
    pub refused: u64,
    /// Streams that went on with a later letter, on another connection object:
    /// one end had given its connection up.
    pub gaps: u64,
    /// Streams that began anew with an earlier letter, on another connection
    /// object: this end had given its connection up, and what it had not
    /// acknowledged came again.
    pub repeats: u64,
    /// Where the last letter came from. Weakly: connections hold their
    /// messenger, and that holds its witness.
    pub last: Weak<Connection>,
    /// Everything that must not happen.
    pub wrong: Vec<String>,
    /// Of each stream, the letter that comes next and the connection of the
    /// last one.
    next: HashMap<u64, (u64, u64)>,
}

/// What a witness hangs on connections.
struct Mark {
    id: u64,
    /// Answers sent to ordinary and fast letters.
    answers: [AtomicU64; 2],
    reset: AtomicBool,
}

/// The mark of a connection. Called under a lock, or two threads would each
/// hang theirs there.
fn mark(con: &ConnectionRef) -> Arc<Mark> {
    static IDS: AtomicU64 = AtomicU64::new(1);
    if let Some(mark) = con.priv_data() {
        return mark.downcast().unwrap();
    }
    let mark = Arc::new(Mark {
        id: IDS.fetch_add(1, Ordering::Relaxed),
        answers: Default::default(),
        reset: AtomicBool::new(false),
    });
    let hung = Arc::clone(&mark);
    con.set_priv(Some(hung));
    mark
}

impl Facts {
    /// Letters of that stream so far, those of gaps included.
    pub fn of(&self, stream: u64) -> u64 {
        self.next.get(&stream).map_or(0, |(next, _)| *next)
    }

    fn check(&mut self, mark: &Mark, letter: &mut Message) -> Option<usize> {
        let Some((stream, number, len)) = read(letter) else {
            self.wrong.push(format!("no letter: {letter:?}"));
            return None;
        };
        // A session may be given up before its first letter, too.
        let (next, con) = self.next.entry(stream).or_default();
        if number > *next && *con != mark.id {
            self.gaps += 1;
        } else if number < *next && *con != mark.id {
            self.repeats += 1;
        } else if number != *next || letter.tid != number {
            let told = format!("stream {stream}: letter {number} in place of {next}");
            self.wrong.push(told);
        }
        (*next, *con) = (number + 1, mark.id);
        let payload = cut(stream, number, len.min(LARGEST));
        if *letter.middle.contiguous() != payload[..len / 8]
            || *letter.data.contiguous() != payload[len / 8..]
        {
            self.wrong
                .push(format!("stream {stream}: letter {number} is damaged"));
        }
        self.letters += 1;
        self.bytes += letter.payload_len() as u64;
        Some(len)
    }
}

/// A dispatcher that checks letters, counts callbacks, and answers if it shall.
#[derive(Default)]
pub struct Witness {
    facts: Mutex<Facts>,
    changed: Condvar,
    answers: bool,
    /// Weakly, as [`Facts::last`] says.
    accepted: Mutex<Vec<Weak<Connection>>>,
}

impl Witness {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One that answers each letter with one of a quarter of the length.
    pub fn answering() -> Arc<Self> {
        Arc::new(Self {
            answers: true,
            ..Self::default()
        })
    }

    pub fn facts(&self) -> Facts {
        self.facts.lock().unwrap().clone()
    }

    /// Waits until `enough` holds; what must not happen ends the test at once.
    #[track_caller]
    pub fn wait_until(&self, enough: impl Fn(&Facts) -> bool) -> Facts {
        let (facts, held) = self.wait_for(DEADLINE, enough);
        assert!(held, "only {facts:?}");
        facts
    }

    /// The same, but for so long only; tells whether it holds.
    #[track_caller]
    pub fn wait_for(&self, at_most: Duration, enough: impl Fn(&Facts) -> bool) -> (Facts, bool) {
        let waiting = |facts: &mut Facts| facts.wrong.is_empty() && !enough(facts);
        let locked = self.facts.lock().unwrap();
        let (locked, waited) = self
            .changed
            .wait_timeout_while(locked, at_most, waiting)
            .unwrap();
        // Callbacks go on while this test fails.
        let facts = locked.clone();
        drop(locked);
        assert_eq!(facts.wrong, [""; 0]);
        (facts, !waited.timed_out())
    }

    /// Some connection that the other side dialled, if there is one.
    pub fn some_accepted(&self, random: &mut Random) -> Option<ConnectionRef> {
        let mut accepted = self.accepted.lock().unwrap();
        accepted.retain(|con| con.strong_count() > 0);
        let at = random.below(accepted.len().max(1) as u64);
        accepted.get(usize::try_from(at).unwrap())?.upgrade()
    }

    fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().unwrap());
        self.changed.notify_all();
    }

    fn take(&self, con: &ConnectionRef, mut message: Box<Message>) {
        let fast = message.kind == LETTER + 1;
        let mut read = None;
        self.note(|facts| {
            let mark = mark(con);
            if mark.reset.load(Ordering::Relaxed) && !fast {
                facts
                    .wrong
                    .push(format!("a letter after the reset of {con}"));
            }
            facts.last = Arc::downgrade(con);
            read = facts.check(&mark, &mut message).map(|len| (mark, len));
        });
        let Some((mark, len)) = read.filter(|_| self.answers) else {
            return;
        };
        // Fast letters of a connection come on one thread, the others on one.
        let number = mark.answers[usize::from(fast)].fetch_add(1, Ordering::Relaxed);
        let stream = ANSWER | (mark.id << 1) | u64::from(fast);
        // A connection that is gone needs no answer.
        let _ = con.send(letter(stream, number, len / 4));
    }
}

impl Dispatcher for Witness {
    fn can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        if message.kind != LETTER + 1 {
            return Err(message);
        }
        self.take(con, message);
        Ok(())
    }

    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.take(con, message);
        Ok(())
    }

    fn handle_connect(&self, _: &ConnectionRef) {
        self.note(|facts| facts.connects += 1);
    }

    fn handle_accept(&self, con: &ConnectionRef) {
        self.accepted.lock().unwrap().push(Arc::downgrade(con));
        self.note(|facts| facts.accepts += 1);
    }

    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        self.note(|facts| {
            facts.resets += 1;
            if mark(con).reset.swap(true, Ordering::Relaxed) {
                facts.wrong.push(format!("a second reset of {con}"));
            }
        });
        true
    }

    fn handle_remote_reset(&self, _: &ConnectionRef) {
        self.note(|facts| facts.remote_resets += 1);
    }

    fn handle_refused(&self, _: &ConnectionRef) -> bool {
        self.note(|facts| facts.refused += 1);
        true
    }
}
