//! Where connections get what must be hard to guess.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::{SecureRandom, SystemRandom};

#[cfg(test)]
use crate::types::Random;
use crate::types::{Entropy, NoEntropy};

/// A source of seeds, one for each connection: of its cookies and of the spread
/// of its pauses.
#[derive(Debug, Default)]
pub(crate) struct Seeds {
    secret: Secret,
    given_out: AtomicU64,
}

/// What the numbers depend on besides their count.
#[derive(Debug)]
enum Secret {
    /// Keys of a keyed hash, drawn from the system's randomness once for each
    /// thread, and what makes them differ in a forked copy of the thread.
    Drawn(RandomState, u32),
    /// One number, so that a simulation repeats itself.
    #[cfg(test)]
    Given(u64),
}

impl Default for Secret {
    fn default() -> Self {
        Self::Drawn(RandomState::new(), std::process::id())
    }
}

impl Seeds {
    /// The seeds that follow from that one.
    #[cfg(test)]
    pub(crate) fn given(seed: u64) -> Self {
        Self {
            secret: Secret::Given(seed),
            given_out: AtomicU64::new(0),
        }
    }

    /// The next seed.
    pub(crate) fn next(&self) -> u64 {
        let count = self.given_out.fetch_add(1, Ordering::Relaxed);
        match &self.secret {
            Secret::Drawn(keys, process) => keys.hash_one((process, count)),
            #[cfg(test)]
            Secret::Given(seed) => Random::new(seed.wrapping_add(count)).next(),
        }
    }
}

/// The system's randomness, for what must be impossible to guess.
pub(crate) fn system() -> Entropy {
    let random = SystemRandom::new();
    Entropy::new(move |bytes| random.fill(bytes).map_err(|_| NoEntropy))
}

/// Bytes that follow from a seed, so that a simulation repeats itself.
#[cfg(test)]
pub(crate) fn repeatable(seed: u64) -> Entropy {
    let random = std::sync::Mutex::new(Random::new(seed));
    Entropy::new(move |bytes| {
        let mut random = random.lock().map_err(|_| NoEntropy)?;
        for chunk in bytes.chunks_mut(8) {
            let drawn = random.next().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(seeds: &Seeds) -> [u64; 3] {
        std::array::from_fn(|_| seeds.next())
    }

    #[test]
    fn two_sources_differ_and_none_repeats_itself() {
        let (one, other) = (three(&Seeds::default()), three(&Seeds::default()));
        assert_ne!(one, other);
        assert!(one[0] != one[1] && one[1] != one[2] && one[0] != one[2]);
    }

    #[test]
    fn a_given_seed_decides_all_that_follow() {
        assert_eq!(three(&Seeds::given(7)), three(&Seeds::given(7)));
        assert_ne!(three(&Seeds::given(7)), three(&Seeds::given(8)));
    }
}
