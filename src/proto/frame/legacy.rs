//! The records of an open v1 link: a tag, and for a message its header, payload
//! and footer.
//!
//! ```text
//! MSG  tag 1 | header 49, crc 4 | front | middle | data | crcs 3 x 4, signature 8, flags 1
//!                                                                     `- if MSG_AUTH -´
//! ACK  tag 1 | seq 8           KEEPALIVE2, KEEPALIVE2_ACK  tag 1 | time 8
//! ```
//!
//! To the reader a message is a frame of four segments whose first is the header,
//! everything else a frame of one.

use bytes::BufMut;
use subtle::ConstantTimeEq;

use crate::proto::auth::cephx::CryptoKey;
use crate::proto::codec::{DecodeError, Reader, count};
use crate::proto::fault::Fault;
use crate::proto::out_queue::Outgoing;
use crate::types::{EntityName, EntityType, features};

use super::body::Layout;
use super::crc;
use super::header::MessageHeader;
use super::preamble::{MAX_SEGMENTS, Preamble, Tag};

/// Length of a message's header, its crc included.
pub const HEADER_LEN: usize = 53;
/// The part of it that the crc covers.
const COVERED_LEN: usize = 49;
const FOOTER_LEN: usize = 21;
/// What a message is longer than its payload.
pub const MAX_OVERHEAD: usize = 1 + HEADER_LEN + FOOTER_LEN;
/// Without the feature MSG_AUTH there is no room for a signature.
const OLD_FOOTER_LEN: usize = 13;

const CLOSE: u8 = 6;
const MSG: u8 = 7;
const ACK: u8 = 8;
const KEEPALIVE: u8 = 9;
const KEEPALIVE2: u8 = 14;
const KEEPALIVE2_ACK: u8 = 15;

const FLAG_COMPLETE: u8 = 1;
const FLAG_NO_CRC: u8 = 2;
const FLAG_SIGNED: u8 = 4;

/// How records look on one link.
#[derive(Clone, Debug)]
pub struct LegacyForm {
    /// Whom messages are said to come from.
    source: EntityName,
    /// Of both ends.
    features: u64,
    /// Signs messages, and checks what the peer has signed.
    key: Option<CryptoKey>,
}

/// What the next record begins with.
pub enum Head {
    /// Nothing that could be told already.
    Short,
    /// A record that says nothing, and is over.
    Void,
    /// What it is and how long. The tag is not part of its body.
    Begins(Preamble),
}

/// The footer of a message.
#[derive(Clone, Copy)]
pub struct Footer {
    crcs: [u32; 3],
    signature: u64,
    flags: u8,
}

impl LegacyForm {
    /// Between two ends that have these features, and that key if what they say is
    /// to be signed.
    pub const fn new(source: EntityName, features: u64, key: Option<CryptoKey>) -> Self {
        Self {
            source,
            features,
            key,
        }
    }

    /// What both ends can do.
    pub const fn features(&self) -> u64 {
        self.features
    }

    /// Does the peer answer keepalives?
    pub const fn has_keepalive2(&self) -> bool {
        self.features & features::MSGR_KEEPALIVE2 != 0
    }

    /// Bytes that follow the tag.
    #[inline]
    pub fn body_len(&self, preamble: &Preamble) -> u64 {
        let segments = u64::from(preamble.lens[0]) + preamble.payload_len();
        match preamble.tag {
            Tag::Message => segments + self.footer_len() as u64,
            _ => segments,
        }
    }

    /// Checks a body. Without `crcs` that of the data is ignored.
    pub fn check(&self, crcs: bool, preamble: &Preamble, body: &[u8]) -> Result<Layout, Fault> {
        let [header, front, middle, data] = preamble.lens.map(|len| len as usize);
        if preamble.tag == Tag::Message {
            let mut from = Reader::new(body);
            let head = from.take(header).map_err(Fault::Frame)?;
            let segments = [front, middle, data].map(|len| from.take(len));
            let footer = self.footer(&mut from).map_err(Fault::Frame)?;
            for (index, segment) in segments.into_iter().enumerate() {
                let segment = segment.map_err(Fault::Frame)?;
                let unchecked = index == 2 && (!crcs || footer.has_no_data_crc());
                if !unchecked && crc::update(0, segment) != footer.crcs[index] {
                    return Err(Fault::SegmentCrc);
                }
            }
            if footer.flags & FLAG_COMPLETE == 0 {
                return Err(Fault::Incomplete);
            }
            self.check_signature(head, preamble, &footer)?;
        }
        Ok(Layout::plain(header))
    }

    /// Header and footer of a message; without `crcs` its data goes without.
    pub fn enclose(&self, outgoing: &Outgoing, seq: u64, crcs: bool) -> ([u8; HEADER_LEN], Footer) {
        let message = &outgoing.message;
        let payloads = [&message.front, &message.middle, &message.data];
        let lens = payloads.map(|payload| count(payload.len()));
        let header = MessageHeader::of(message, outgoing.priority(), seq, 0);
        let (header, header_crc) = encode_header(&header, lens, self.source);
        let mut footer = Footer {
            crcs: [0; 3],
            signature: 0,
            flags: FLAG_COMPLETE,
        };
        for (index, payload) in payloads.into_iter().enumerate() {
            if index < 2 || crcs {
                let known = outgoing.crcs.map(|known| known[index]);
                footer.crcs[index] = crc::payload_from_zero(payload, known);
            }
        }
        if !crcs {
            footer.flags |= FLAG_NO_CRC;
        }
        if let Some(signature) = self.sign(header_crc, footer.crcs, lens, seq) {
            footer.signature = signature;
            footer.flags |= FLAG_SIGNED;
        }
        (header, footer)
    }

    const fn footer_len(&self) -> usize {
        match self.features & features::MSG_AUTH {
            0 => OLD_FOOTER_LEN,
            _ => FOOTER_LEN,
        }
    }

    fn footer(&self, from: &mut Reader<'_>) -> Result<Footer, DecodeError> {
        Ok(Footer {
            crcs: [from.field()?, from.field()?, from.field()?],
            signature: match self.footer_len() {
                FOOTER_LEN => from.field()?,
                _ => 0,
            },
            flags: from.field()?,
        })
    }

    /// Appends a footer.
    pub fn put_footer(&self, footer: &Footer, out: &mut Vec<u8>) {
        footer.crcs.iter().for_each(|crc| out.put_u32_le(*crc));
        if self.footer_len() == FOOTER_LEN {
            out.put_u64_le(footer.signature);
        }
        out.put_u8(footer.flags);
    }

    /// Once there is a key, every message has to be signed with it.
    fn check_signature(
        &self,
        head: &[u8],
        preamble: &Preamble,
        footer: &Footer,
    ) -> Result<(), Fault> {
        if self.key.is_none() {
            return Ok(());
        }
        let mut from = Reader::new(head);
        let seq = from.field().map_err(Fault::Frame)?;
        from.take(COVERED_LEN - 8).map_err(Fault::Frame)?;
        let header_crc = from.field().map_err(Fault::Frame)?;
        let [_, front, middle, data] = preamble.lens;
        let expected = self.sign(header_crc, footer.crcs, [front, middle, data], seq);
        let is_right = expected.is_some_and(|expected| {
            bool::from(
                expected
                    .to_le_bytes()
                    .ct_eq(&footer.signature.to_le_bytes()),
            )
        });
        match is_right {
            true => Ok(()),
            false => Err(Fault::MessageSignature),
        }
    }

    fn sign(&self, header_crc: u32, crcs: [u32; 3], lens: [u32; 3], seq: u64) -> Option<u64> {
        let key = self.key.as_ref()?;
        let [front, middle, data] = crcs;
        let low = seq & u64::from(u32::MAX);
        let words = [
            header_crc, front, lens[0], middle, lens[1], data, lens[2], low as u32,
        ];
        let mut block = [0; 32];
        let places = block.chunks_exact_mut(4);
        for (place, word) in places.zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Some(key.sign_v1(&block))
    }
}

impl Footer {
    /// A sender that computes no crc sends none. One that was computed counts
    /// whatever the flags say: they are not signed, and it is.
    const fn has_no_data_crc(&self) -> bool {
        self.flags & FLAG_NO_CRC != 0 && self.crcs[2] == 0
    }
}

/// Looks at the front of `input`, which begins with a tag.
#[inline]
pub fn head(input: &[u8]) -> Result<Head, Fault> {
    let Some((tag, rest)) = input.split_first() else {
        return Ok(Head::Short);
    };
    let control = |tag| Ok(Head::Begins(Preamble::control(tag, 8)));
    match *tag {
        MSG => match rest.first_chunk() {
            Some(header) => message_head(header).map(Head::Begins),
            None => Ok(Head::Short),
        },
        ACK => control(Tag::Ack),
        KEEPALIVE2 => control(Tag::Keepalive2),
        KEEPALIVE2_ACK => control(Tag::Keepalive2Ack),
        KEEPALIVE => Ok(Head::Void),
        CLOSE => Err(Fault::Closed),
        other => Err(Fault::UnknownTag(other)),
    }
}

/// The tag of what is no message.
pub const fn tag_of(tag: Tag) -> Option<u8> {
    match tag {
        Tag::Ack => Some(ACK),
        Tag::Keepalive2 => Some(KEEPALIVE2),
        Tag::Keepalive2Ack => Some(KEEPALIVE2_ACK),
        _ => None,
    }
}

/// The tag of a message.
pub const MESSAGE_TAG: u8 = MSG;

/// The lengths of a message, once it is known that they are what was sent.
fn message_head(header: &[u8; HEADER_LEN]) -> Result<Preamble, Fault> {
    let mut from = Reader::new(header);
    let covered = from.take(COVERED_LEN).map_err(Fault::Frame)?;
    let crc = from.field().map_err(Fault::Frame)?;
    if crc::update(0, covered) != crc {
        return Err(Fault::HeaderCrc);
    }
    let lens = lens(covered).map_err(Fault::Frame)?;
    Ok(Preamble {
        tag: Tag::Message,
        count: MAX_SEGMENTS as u8,
        is_compressed: false,
        lens: [count(HEADER_LEN), lens[0], lens[1], lens[2]],
    })
}

fn lens(header: &[u8]) -> Result<[u32; 3], DecodeError> {
    let mut from = Reader::new(header);
    from.take(22)?;
    Ok([from.field()?, from.field()?, from.field()?])
}

/// A header's bytes, and the crc among them.
fn encode_header(
    header: &MessageHeader,
    lens: [u32; 3],
    source: EntityName,
) -> ([u8; HEADER_LEN], u32) {
    let mut bytes = [0; HEADER_LEN];
    bytes[0..8].copy_from_slice(&header.seq.to_le_bytes());
    bytes[8..16].copy_from_slice(&header.tid.to_le_bytes());
    bytes[16..18].copy_from_slice(&header.kind.to_le_bytes());
    bytes[18..20].copy_from_slice(&header.priority.to_le_bytes());
    bytes[20..22].copy_from_slice(&header.version.to_le_bytes());
    bytes[22..26].copy_from_slice(&lens[0].to_le_bytes());
    bytes[26..30].copy_from_slice(&lens[1].to_le_bytes());
    bytes[30..34].copy_from_slice(&lens[2].to_le_bytes());
    bytes[34..36].copy_from_slice(&header.data_off.to_le_bytes());
    bytes[36] = source.kind.0;
    bytes[37..45].copy_from_slice(&source.num.to_le_bytes());
    bytes[45..47].copy_from_slice(&header.compat_version.to_le_bytes());
    bytes[47..49].copy_from_slice(&header.reserved.to_le_bytes());
    let crc = crc::update(0, &bytes[..COVERED_LEN]);
    bytes[COVERED_LEN..].copy_from_slice(&crc.to_le_bytes());
    (bytes, crc)
}

/// Reads a header, and whom it says its message comes from.
#[inline]
pub fn decode_header(bytes: &[u8]) -> Result<(MessageHeader, EntityName), DecodeError> {
    let mut from = Reader::new(bytes);
    let seq = from.field()?;
    let tid = from.field()?;
    let kind = from.field()?;
    let priority = from.field()?;
    let version = from.field()?;
    from.array::<12>()?;
    let data_off = from.field()?;
    let source = EntityName::new(from.field::<EntityType>()?, from.field()?);
    let header = MessageHeader {
        seq,
        ack_seq: 0,
        tid,
        kind,
        priority,
        version,
        compat_version: from.field()?,
        data_off,
        reserved: from.field()?,
    };
    Ok((header, source))
}
