//! `Trace`: everything that happened, as a number or as text.

use crate::types::Time;

/// What happened in a simulation, in order. Two runs that agree in it were the
/// same run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    text: Option<String>,
    prints: bool,
}

impl Trace {
    pub(super) const fn new() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            text: None,
            prints: false,
        }
    }

    /// Keeps the lines from now on, for people.
    pub fn keep_text(&mut self) {
        self.text = Some(String::new());
    }

    /// Prints the lines from now on, for people as well.
    pub fn print(&mut self) {
        self.prints = true;
    }

    /// What was kept.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// A number for all of it.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Adds a line.
    pub fn note(&mut self, at: Time, what: &str, numbers: &[u64]) {
        self.mix(at.since(Time::ZERO).as_nanos() as u64);
        what.bytes().for_each(|byte| self.mix(u64::from(byte)));
        numbers.iter().for_each(|number| self.mix(*number));
        if self.prints {
            println!("{at:?} {what} {numbers:?}");
        }
        if let Some(text) = &mut self.text {
            use std::fmt::Write;
            let _ = writeln!(text, "{at:?} {what} {numbers:?}");
        }
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }
}
