//! Bytes from a fuzzer, read as steps and their operands.

/// What is left of them. At the end every operand is zero or empty, so that each
/// input is a program.
pub struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next step, while there is one.
    pub fn step(&mut self) -> Option<u8> {
        let (step, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*step)
    }

    pub fn byte(&mut self) -> u8 {
        self.step().unwrap_or(0)
    }

    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let given = self.take(8);
        bytes
            .iter_mut()
            .zip(given)
            .for_each(|(byte, given)| *byte = *given);
        u64::from_le_bytes(bytes)
    }

    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Up to `len` bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length, of which there may be fewer.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = self.short();
        self.take(usize::from(len))
    }

    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }
}
