//! The bytes of a link as an onlooker cuts them: banner, banner payload, frames; and
//! what stands for these in v1.
//! Written from the wire format alone, without the code that is tested.

use super::breakpoint::Role;

/// The wire forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    /// The first protocol. A CONNECT goes by the name of what it asks for, and an
    /// answer by that of what it says.
    Msgr1,
    Msgr20,
    Msgr21,
    /// The same between ends that speak of compression.
    Msgr21Compressing,
    /// In mode secure, by a key that both ends have.
    Secure20,
    Secure21,
}

impl Wire {
    /// As addresses have it.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Msgr1 => "v1",
            _ => "v2",
        }
    }

    /// Does encryption begin behind AUTH_DONE?
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Secure20 | Self::Secure21)
    }

    /// What banners offer.
    pub fn features(self) -> u64 {
        match self {
            Self::Msgr1 | Self::Msgr20 | Self::Secure20 => 0,
            Self::Msgr21 | Self::Secure21 => 1,
            Self::Msgr21Compressing => 3,
        }
    }

    fn is_first_revision(self) -> bool {
        self.features() == 0
    }
}

/// What an attempt to connect consists of, in the words of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "as on the wire"
)]
pub enum Point {
    SOCKET_CONNECTING,
    SOCKET_ACCEPTED,
    BANNER,
    BANNER_PAYLOAD,
    /// In v1: where the dialler is.
    ADDRESS,
    /// In v1: what an end has received.
    IN_SEQ,
    HELLO,
    AUTH_REQUEST,
    AUTH_REPLY_MORE,
    AUTH_REQUEST_MORE,
    AUTH_DONE,
    AUTH_SIGNATURE,
    COMPRESSION_REQUEST,
    COMPRESSION_DONE,
    CLIENT_IDENT,
    SERVER_IDENT,
    IDENT_MISSING_FEATURES,
    SESSION_RECONNECT,
    SESSION_RESET,
    SESSION_RETRY,
    SESSION_RETRY_GLOBAL,
    SESSION_RECONNECT_OK,
    WAIT,
    MESSAGE,
    KEEPALIVE2,
    KEEPALIVE2_ACK,
    ACK,
}

/// A bit to be flipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bit {
    /// In the preamble of a frame, or in what every banner begins with.
    Head,
    /// In the last segment of a frame, or in the length of a banner's payload.
    Body,
    /// Of a banner's payload: does its sender speak msgr2.1?
    Revision,
    /// Of a banner's payload: has its sender something that nobody knows?
    Unknown,
    /// Of a banner's payload: does its sender insist on that?
    Insists,
}

/// A number in a control frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Number {
    Features,
    ClientCookie,
    GlobalSeq,
    ConnectSeq,
    /// The only one of an answer.
    Answer,
}

/// What becomes of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forgery {
    Becomes(u64),
    FallsBy(u64),
}

const BANNER_LEN: usize = 10;
pub const PREAMBLE_LEN: usize = 32;

/// Where in its bytes one end of a link is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Stage {
    #[default]
    Banner,
    Payload(usize),
    Frames,
    /// The dialler's, in v1.
    Address,
    Request,
    /// The acceptor's.
    Answer,
    /// Of both.
    Told,
    Records,
}

/// What stands at the front of `bytes`, how long it is, and the stage behind it.
/// A messenger writes nothing in pieces as long as it has little to write.
pub fn cut(bytes: &[u8], stage: Stage, wire: Wire, writer: Role) -> (Point, usize, Stage) {
    let (point, len, next) = match stage {
        _ if wire == Wire::Msgr1 => cut_v1(bytes, stage, writer),
        Stage::Address | Stage::Request | Stage::Answer | Stage::Told | Stage::Records => {
            panic!("{stage:?} is of v1")
        }
        Stage::Banner => {
            let payload = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            (Point::BANNER, BANNER_LEN, Stage::Payload(payload))
        }
        Stage::Payload(len) => (Point::BANNER_PAYLOAD, len, Stage::Frames),
        Stage::Frames => (tag(bytes[0]), frame_len(bytes, wire), Stage::Frames),
    };
    assert!(bytes.len() >= len, "{point:?} is written in pieces");
    (point, len, next)
}

fn cut_v1(bytes: &[u8], stage: Stage, writer: Role) -> (Point, usize, Stage) {
    let word = |at: usize| {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        u32::from_le_bytes(word) as usize
    };
    match (stage, writer) {
        (Stage::Banner, Role::Dialler) => (Point::BANNER, 9, Stage::Address),
        (Stage::Banner, Role::Acceptor) => (Point::BANNER, 9 + 2 * 136, Stage::Answer),
        (Stage::Address, _) => (Point::ADDRESS, 136, Stage::Request),
        (Stage::Request, _) => {
            let point = match word(16) {
                0 => Point::CLIENT_IDENT,
                _ => Point::SESSION_RECONNECT,
            };
            (point, 33 + word(28), Stage::Request)
        }
        (Stage::Answer, _) => {
            let (point, next) = match bytes[0] {
                1 => (Point::SERVER_IDENT, Stage::Records),
                2 => (Point::SESSION_RESET, Stage::Answer),
                3 => (Point::WAIT, Stage::Answer),
                4 => (Point::SESSION_RETRY, Stage::Answer),
                5 => (Point::SESSION_RETRY_GLOBAL, Stage::Answer),
                13 => (Point::SERVER_IDENT, Stage::Told),
                other => panic!("nobody should answer {other}"),
            };
            (point, 26 + word(21), next)
        }
        (Stage::Told, _) => (Point::IN_SEQ, 8, Stage::Records),
        _ => match bytes[0] {
            7 => {
                let payload = word(23) + word(27) + word(31);
                (Point::MESSAGE, 1 + 53 + payload + 21, Stage::Records)
            }
            8 => (Point::ACK, 9, Stage::Records),
            14 => (Point::KEEPALIVE2, 9, Stage::Records),
            15 => (Point::KEEPALIVE2_ACK, 9, Stage::Records),
            other => panic!("nobody should send a record with tag {other}"),
        },
    }
}

/// Says in a banner's payload that its sender speaks that and nothing else.
pub fn set_features(payload: &mut [u8], wire: Wire) {
    payload[..8].copy_from_slice(&wire.features().to_le_bytes());
}

/// Flips one bit of what was cut.
pub fn flip(bytes: &mut [u8], point: Point, bit: Bit, wire: Wire) {
    let at = match (point, bit) {
        // Before the footer stands the payload, and before that the header.
        (Point::MESSAGE, Bit::Body) if wire == Wire::Msgr1 => bytes.len() - 22,
        (Point::BANNER, Bit::Head) => 3,
        (Point::BANNER, _) => 8,
        (_, Bit::Revision) => 0,
        (_, Bit::Unknown) => 1,
        (_, Bit::Insists) => 9,
        (_, Bit::Head) => 4,
        (_, Bit::Body) => match segments(bytes) {
            [0, 0, 0, 0] => 4,
            lens => PREAMBLE_LEN + lens.iter().sum::<usize>() - 1,
        },
    };
    bytes[at] ^= 1;
}

/// A number of a request.
pub fn number(frame: &[u8], number: Number) -> u64 {
    let at = place(frame, number);
    frame[at..at + 8]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Replaces a number of a request.
pub fn set(frame: &mut [u8], what: Number, forgery: Forgery) {
    let place = place(frame, what);
    let value = match forgery {
        Forgery::Becomes(value) => value,
        Forgery::FallsBy(less) => number(frame, what) - less,
    };
    frame[place..place + 8].copy_from_slice(&value.to_le_bytes());
}

/// The same, and sees to it that nobody notices.
pub fn forge(bytes: &mut [u8], what: Number, forgery: Forgery, wire: Wire) {
    set(bytes, what, forgery);
    let end = PREAMBLE_LEN + segments(bytes)[0];
    let crc = crc32c(&bytes[PREAMBLE_LEN..end]);
    // Between the segment and its crc, msgr2.0 has a byte of flags.
    let at = end + usize::from(wire.is_first_revision());
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

fn place(frame: &[u8], number: Number) -> usize {
    let from_end = match number {
        Number::Features => 32,
        Number::ClientCookie => 40,
        Number::GlobalSeq => 24,
        Number::ConnectSeq => 16,
        Number::Answer => 8,
    };
    PREAMBLE_LEN + segments(frame)[0] - from_end
}

pub fn tag(code: u8) -> Point {
    use Point::*;
    match code {
        1 => HELLO,
        2 => AUTH_REQUEST,
        4 => AUTH_REPLY_MORE,
        5 => AUTH_REQUEST_MORE,
        6 => AUTH_DONE,
        7 => AUTH_SIGNATURE,
        8 => CLIENT_IDENT,
        9 => SERVER_IDENT,
        10 => IDENT_MISSING_FEATURES,
        11 => SESSION_RECONNECT,
        12 => SESSION_RESET,
        13 => SESSION_RETRY,
        14 => SESSION_RETRY_GLOBAL,
        15 => SESSION_RECONNECT_OK,
        16 => WAIT,
        17 => MESSAGE,
        18 => KEEPALIVE2,
        19 => KEEPALIVE2_ACK,
        20 => ACK,
        21 => COMPRESSION_REQUEST,
        22 => COMPRESSION_DONE,
        other => panic!("nobody should send a frame with tag {other}"),
    }
}

pub fn segments(frame: &[u8]) -> [usize; 4] {
    let len = |index: usize| {
        let at = 2 + 6 * index;
        let len = [frame[at], frame[at + 1], frame[at + 2], frame[at + 3]];
        u32::from_le_bytes(len) as usize
    };
    [len(0), len(1), len(2), len(3)]
}

fn frame_len(frame: &[u8], wire: Wire) -> usize {
    let lens = segments(frame);
    let crcs = match frame[1] {
        _ if wire.is_first_revision() => 17,
        1 if lens[0] == 0 => 0,
        1 => 4,
        _ => 4 + 13,
    };
    PREAMBLE_LEN + lens.iter().sum::<usize>() + crcs
}

/// CRC-32C as segments have it: the register begins with ones and is taken as it is.
fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |register, _| {
            (register >> 1) ^ (0x82f6_3b78 * (register & 1))
        })
    })
}
