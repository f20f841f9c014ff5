//! Bytes that nobody is to see, and where they come from.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Key material. It has no text form, and its memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Unpredictable bytes. Which source they come from is decided by whoever owns
/// the threads; a simulation gives a repeatable one.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) -> Result<(), NoEntropy> + Send + Sync;

/// The system has no unpredictable bytes to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoEntropy;

impl Entropy {
    /// From a function that fills a slice.
    pub fn new(fill: impl Fn(&mut [u8]) -> Result<(), NoEntropy> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// So many bytes.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        let mut bytes = [0; N];
        (self.0)(&mut bytes)?;
        Ok(bytes)
    }

    /// A number.
    pub fn number(&self) -> Result<u64, NoEntropy> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A secret of that length.
    pub fn secret(&self, len: usize) -> Result<Secret, NoEntropy> {
        let mut bytes = Zeroizing::new(vec![0; len]);
        (self.0)(&mut bytes)?;
        Ok(Secret(bytes))
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system has no randomness to give")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_its_length_and_nothing_else() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(7 bytes)");
        assert_eq!(secret.expose(), b"hunter2");
    }

    #[test]
    fn a_source_without_bytes_is_told_of() {
        let dry = Entropy::new(|_| Err(NoEntropy));
        assert_eq!(dry.number(), Err(NoEntropy));
        assert!(dry.secret(16).is_err());
    }
}
