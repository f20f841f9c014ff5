//! Nonces of sealed records, of which none may come twice under a key.

use crate::proto::fault::Fault;

use super::preamble::Revision;

/// Length of a nonce.
pub const NONCE_LEN: usize = 12;

/// The nonces of one direction. They cannot be copied and run out before the
/// first would come again.
pub struct Nonces {
    next: [u8; NONCE_LEN],
    left: u64,
    revision: Revision,
}

impl Nonces {
    /// From the first on.
    pub const fn new(first: [u8; NONCE_LEN], revision: Revision) -> Self {
        let left = match revision {
            Revision::Rev0 => 1 << 32,
            // There is one more, which nobody lives to use.
            Revision::Rev1 => u64::MAX,
        };
        Self {
            next: first,
            left,
            revision,
        }
    }

    /// The next nonce, used up by this.
    #[inline]
    pub fn take(&mut self) -> Result<[u8; NONCE_LEN], Fault> {
        self.left = self.left.checked_sub(1).ok_or(Fault::NoncesUsedUp)?;
        let nonce = self.next;
        match self.revision {
            Revision::Rev0 => {
                if let Some(counter) = self.next.first_chunk_mut() {
                    *counter = u32::from_le_bytes(*counter).wrapping_add(1).to_le_bytes();
                }
            }
            Revision::Rev1 => {
                if let Some(counter) = self.next.last_chunk_mut() {
                    *counter = u64::from_le_bytes(*counter).wrapping_add(1).to_le_bytes();
                }
            }
        }
        Ok(nonce)
    }

    /// The next nonce, which stays the next.
    pub const fn next(&self) -> &[u8; NONCE_LEN] {
        &self.next
    }

    /// How many are left.
    #[inline]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Skips all but so many.
    #[cfg(test)]
    pub fn skip_to_last(&mut self, left: u64) {
        let skipped = self.left - left;
        let add = |counter: u64| counter.wrapping_add(skipped);
        match self.revision {
            Revision::Rev0 => {
                let counter = self.next.first_chunk_mut().unwrap();
                let skipped = add(u32::from_le_bytes(*counter).into());
                *counter = u32::try_from(skipped & 0xffff_ffff).unwrap().to_le_bytes();
            }
            Revision::Rev1 => {
                let counter = self.next.last_chunk_mut().unwrap();
                *counter = add(u64::from_le_bytes(*counter)).to_le_bytes();
            }
        }
        self.left = left;
    }
}

/// What was sealed under which nonce, for the tests that must not find any of
/// them twice, and the secrets, for those that look on.
#[cfg(test)]
pub mod record {
    use std::cell::RefCell;

    use super::NONCE_LEN;

    /// A key and a nonce.
    pub type Used = ([u8; 16], [u8; NONCE_LEN]);

    thread_local! {
        static USED: RefCell<Vec<Used>> = const { RefCell::new(Vec::new()) };
        static SECRETS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }

    /// All that this thread has sealed under since the last call.
    pub fn nonces_used() -> Vec<Used> {
        USED.with_borrow_mut(std::mem::take)
    }

    /// The same, those that came more than once, in words.
    pub fn twice_used() -> Vec<String> {
        let mut used = nonces_used();
        used.sort_unstable();
        let twice = used.windows(2).filter(|pair| pair[0] == pair[1]);
        twice
            .map(|pair| format!("nonce {:x?} twice under one key", pair[0].1))
            .collect()
    }

    /// The connection secrets that this thread has made keys of.
    pub fn secrets_used() -> Vec<Vec<u8>> {
        SECRETS.with_borrow(Vec::clone)
    }

    pub fn note_secret(secret: &[u8]) {
        SECRETS.with_borrow_mut(|secrets| secrets.push(secret.to_vec()));
    }

    pub fn note(key: [u8; 16], nonce: [u8; NONCE_LEN]) {
        USED.with_borrow_mut(|used| used.push((key, nonce)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::captured::{hex, records};

    #[test]
    fn nonces_of_the_vectors_follow_each_other() {
        let mut checked = 0;
        for record in records("gcm-nonces") {
            let revision = match record["name"].starts_with("msgr2.1") {
                true => Revision::Rev1,
                false => Revision::Rev0,
            };
            let wanted = |index: usize| hex(&record[&format!("nonce_{index}")]);
            let mut nonces = Nonces::new(wanted(0).try_into().unwrap(), revision);
            for index in 0..4 {
                assert_eq!(nonces.take().unwrap()[..], wanted(index));
                checked += 1;
            }
        }
        assert_eq!(checked, 12);
    }

    #[test]
    fn the_first_nonce_never_comes_again() {
        for (revision, first) in [(Revision::Rev0, [7; 12]), (Revision::Rev1, [0xff; 12])] {
            let mut nonces = Nonces::new(first, revision);
            assert_eq!(nonces.take(), Ok(first));
            nonces.skip_to_last(2);
            let last_but_one = nonces.take().unwrap();
            let last = nonces.take().unwrap();
            assert!(last_but_one != last && last != first);
            assert_eq!(nonces.take(), Err(Fault::NoncesUsedUp));
            assert_eq!(nonces.take(), Err(Fault::NoncesUsedUp));
            if revision == Revision::Rev0 {
                assert_eq!(*nonces.next(), first, "every one of them was given out");
            }
        }
    }
}
