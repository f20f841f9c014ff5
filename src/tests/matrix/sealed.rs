//! Frames of mode secure as an onlooker sees them who has the secret of their link.
//! Written from the wire format alone, as `wire` is.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::breakpoint::Role;
use super::wire::{Bit, PREAMBLE_LEN, Wire, segments};

const TAG_LEN: usize = 16;
/// As much of the first segment as msgr2.1 has in one record with the preamble.
const INLINE_LEN: usize = 48;
const EPILOGUE_LEN: usize = 16;

/// Looks at what one end writes.
pub struct Onlooker {
    key: LessSafeKey,
    /// Of the next record.
    nonce: [u8; 12],
    wire: Wire,
}

/// A frame seen through.
pub struct Sight {
    /// The preamble and, with what fills it up, the first segment.
    pub frame: Vec<u8>,
    /// Length on the wire.
    pub len: usize,
    records: u32,
}

impl Onlooker {
    pub fn new(secret: &[u8], writer: Role, wire: Wire) -> Self {
        let nonce = match writer {
            Role::Acceptor => &secret[16..28],
            Role::Dialler => &secret[28..40],
        };
        let key = UnboundKey::new(&AES_128_GCM, &secret[..16]).expect("16 bytes");
        Self {
            key: LessSafeKey::new(key),
            nonce: nonce.try_into().expect("12 bytes"),
            wire,
        }
    }

    /// The frame that stands at the front of `bytes`; none if that was sealed with
    /// another secret.
    pub fn look(&self, bytes: &[u8]) -> Option<Sight> {
        match self.wire {
            Wire::Secure20 => self.look_at_20(bytes),
            _ => self.look_at_21(bytes),
        }
    }

    /// One record: preamble, segments, epilogue.
    fn look_at_20(&self, bytes: &[u8]) -> Option<Sight> {
        // The mask of a record is what zeros are sealed to.
        let mut preamble = [0; PREAMBLE_LEN];
        let sealed =
            self.key
                .seal_in_place_separate_tag(self.nonce(0), Aad::empty(), &mut preamble);
        let _tag = sealed.ok()?;
        let bytes_and_mask = bytes.iter().zip(&mut preamble);
        bytes_and_mask.for_each(|(byte, mask)| *mask ^= byte);
        let body: usize = segments(&preamble).into_iter().map(padded).sum();
        let len = PREAMBLE_LEN + body + EPILOGUE_LEN + TAG_LEN;
        Some(Sight {
            frame: self.open(0, bytes.get(..len)?)?,
            len,
            records: 1,
        })
    }

    /// The preamble and the front of the first segment, its rest, the others with the
    /// epilogue: one record each.
    fn look_at_21(&self, bytes: &[u8]) -> Option<Sight> {
        let mut len = PREAMBLE_LEN + INLINE_LEN + TAG_LEN;
        let mut frame = self.open(0, bytes.get(..len)?)?;
        let mut records = 1;
        let [first, others @ ..] = segments(&frame).map(padded);
        if first > INLINE_LEN {
            let start = len;
            len += first - INLINE_LEN + TAG_LEN;
            frame.extend(self.open(records, bytes.get(start..len)?)?);
            records += 1;
        }
        if frame[1] > 1 {
            len += others.iter().sum::<usize>() + EPILOGUE_LEN + TAG_LEN;
            records += 1;
        }
        Some(Sight {
            frame,
            len,
            records,
        })
    }

    /// Seals a control frame, which was looked at and has been changed.
    pub fn seal(&self, frame: &[u8]) -> Vec<u8> {
        let (head, rest) = match self.wire {
            Wire::Secure20 => (frame, &[][..]),
            _ => frame.split_at(PREAMBLE_LEN + INLINE_LEN),
        };
        let mut sealed = Vec::new();
        for (ahead, record) in (0..).zip([head, rest]) {
            if !record.is_empty() {
                let mut record = record.to_vec();
                let nonce = self.nonce(ahead);
                let done = self
                    .key
                    .seal_in_place_append_tag(nonce, Aad::empty(), &mut record);
                done.expect("it is small");
                sealed.extend(record);
            }
        }
        sealed
    }

    /// What comes next are the records behind that frame.
    pub fn go_on(&mut self, from: &Sight) {
        self.nonce = self.nonce_bytes(from.records);
    }

    fn open(&self, ahead: u32, record: &[u8]) -> Option<Vec<u8>> {
        let mut record = record.to_vec();
        let nonce = self.nonce(ahead);
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut record);
        opened.ok().map(|opened| opened.to_vec())
    }

    fn nonce(&self, ahead: u32) -> Nonce {
        Nonce::assume_unique_for_key(self.nonce_bytes(ahead))
    }

    /// The counter stands in front in msgr2.0, and behind in msgr2.1.
    fn nonce_bytes(&self, ahead: u32) -> [u8; 12] {
        let mut nonce = self.nonce;
        if self.wire == Wire::Secure20 {
            let counter = nonce.first_chunk_mut().expect("12 bytes");
            *counter = u32::from_le_bytes(*counter)
                .wrapping_add(ahead)
                .to_le_bytes();
        } else {
            let counter = nonce.last_chunk_mut().expect("12 bytes");
            let next = u64::from_le_bytes(*counter).wrapping_add(ahead.into());
            *counter = next.to_le_bytes();
        }
        nonce
    }
}

/// Flips one bit of a sealed frame.
pub fn flip(frame: &mut [u8], bit: Bit) {
    let at = match bit {
        Bit::Head => 4,
        _ => frame.len() - TAG_LEN - 1,
    };
    frame[at] ^= 1;
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(16)
}
