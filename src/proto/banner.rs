//! The first bytes of either end.

use bytes::BufMut;

use super::codec::{Field, Reader};
use super::config::ProtocolConfig;
use super::fault::Fault;
use super::frame::Revision;

/// Banner feature: frames of msgr2.1.
pub const REVISION_1: u64 = 1;
/// Banner feature: compression is spoken of once both ends have authenticated.
pub const COMPRESSION: u64 = 2;

const PREFIX: [u8; 8] = *b"ceph v2\n";
/// How a peer of the first protocol begins.
const V1_PREFIX: &[u8] = b"ceph v0";
/// Payload bytes that are understood.
const PAYLOAD_LEN: u16 = 16;
/// Payload bytes that a later release may reasonably need.
const MAX_PAYLOAD_LEN: u16 = 4096;

/// What a peer's banner says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Banner {
    supported: u64,
    required: u64,
}

impl Banner {
    /// Our own.
    pub const fn of(config: &ProtocolConfig) -> Self {
        Self {
            supported: config.msgr2_supported,
            required: config.msgr2_required,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = PREFIX.to_vec();
        out.put_u16_le(PAYLOAD_LEN);
        self.supported.encode(&mut out);
        self.required.encode(&mut out);
        out
    }

    /// Takes a banner off the front of `input` once it is whole. A peer that
    /// speaks something else is found out at its first wrong byte.
    pub fn decode(input: &mut &[u8]) -> Result<Option<Self>, Fault> {
        let seen = input.get(..PREFIX.len()).unwrap_or(input);
        if !PREFIX.starts_with(seen) {
            return Err(stranger(seen));
        }
        let mut from = Reader::new(input);
        let head = from.take(PREFIX.len()).and_then(|_| from.field());
        let Ok(len) = head else {
            return Ok(None);
        };
        if !(PAYLOAD_LEN..=MAX_PAYLOAD_LEN).contains(&len) {
            return Err(Fault::BannerLength(len));
        }
        let Ok(payload) = from.take(usize::from(len)) else {
            return Ok(None);
        };
        let mut fields = Reader::new(payload);
        let supported = fields.field().map_err(Fault::Frame)?;
        let required = fields.field().map_err(Fault::Frame)?;
        *input = from.rest();
        Ok(Some(Self {
            supported,
            required,
        }))
    }

    /// What both of two banners that get along support.
    pub const fn agree(&self, theirs: &Self) -> Result<u64, Fault> {
        let they_lack = self.required & !theirs.supported;
        let we_lack = theirs.required & !self.supported;
        if they_lack != 0 {
            return Err(Fault::PeerLacksBannerFeatures(they_lack));
        }
        if we_lack != 0 {
            return Err(Fault::WeLackBannerFeatures(we_lack));
        }
        Ok(self.supported & theirs.supported)
    }
}

/// The frame format of two ends that both support those features.
pub const fn revision(features: u64) -> Revision {
    if features & REVISION_1 != 0 {
        Revision::Rev1
    } else {
        Revision::Rev0
    }
}

fn stranger(seen: &[u8]) -> Fault {
    if seen.starts_with(V1_PREFIX) {
        return Fault::SpeaksV1;
    }
    Fault::not_msgr(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(mut bytes: &[u8]) -> (Result<Option<Banner>, Fault>, usize) {
        let len = bytes.len();
        let banner = Banner::decode(&mut bytes);
        (banner, len - bytes.len())
    }

    #[test]
    fn a_banner_is_taken_whole_and_what_a_later_release_adds_is_skipped() {
        let mut bytes = Banner {
            supported: 3,
            required: 1,
        }
        .encode();
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), (Ok(None), 0), "{end}");
        }
        bytes[8] = 20;
        bytes.extend(b"moreHELLO");
        assert_eq!(
            decode(&bytes),
            (
                Ok(Some(Banner {
                    supported: 3,
                    required: 1
                })),
                30
            )
        );
    }

    #[test]
    fn strangers_are_found_out_at_their_first_wrong_byte() {
        for (bytes, clause) in [
            (
                &b"GET / HTTP/1.1\r\n"[..],
                "not a msgr peer: banner 'GET / HT'",
            ),
            (b"\0\x01\xff", "not a msgr peer: banner '\\x00\\x01\\xff'"),
            (b"ceph v3\n", "not a msgr peer: banner 'ceph v3\\n'"),
            (b"ceph v027", "peer speaks msgr v1"),
        ] {
            assert_eq!(decode(bytes).0.unwrap_err().to_string(), clause);
        }
    }

    #[test]
    fn a_banner_of_impossible_length_is_refused() {
        for len in [0, 15, 4097, u16::MAX] {
            let mut bytes = b"ceph v2\n".to_vec();
            bytes.put_u16_le(len);
            assert_eq!(decode(&bytes).0, Err(Fault::BannerLength(len)));
        }
    }

    #[test]
    fn msgr2_1_needs_both_and_required_features_need_the_other() {
        let banner = |supported, required| Banner {
            supported,
            required,
        };
        let revision_of = |ours: Banner, theirs| ours.agree(&theirs).map(revision);
        assert_eq!(revision_of(banner(1, 0), banner(3, 0)), Ok(Revision::Rev1));
        assert_eq!(revision_of(banner(1, 0), banner(2, 0)), Ok(Revision::Rev0));
        assert_eq!(
            banner(1, 1).agree(&banner(2, 0)),
            Err(Fault::PeerLacksBannerFeatures(1))
        );
        assert_eq!(
            banner(1, 0).agree(&banner(3, 2)),
            Err(Fault::WeLackBannerFeatures(2))
        );
    }
}
