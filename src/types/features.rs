//! Ceph's 64-bit feature space, as far as a messenger needs it.

/// Modern address encoding; every msgr2 peer must have it.
pub const MSG_ADDR2: u64 = 1 << 59;

/// v1: both ends tell what they have before a session goes on.
pub const RECONNECT_SEQ: u64 = 1 << 6;
/// v1: messages end with room for a signature.
pub const MSG_AUTH: u64 = 1 << 23;
/// v1: keepalives carry a time and are answered.
pub const MSGR_KEEPALIVE2: u64 = 1 << 42;

/// v1: authorizers are challenged, and signatures cover whole messages.
pub const CEPHX_V2: u64 = 1 << 61;

/// What a Ceph 16.2 daemon advertises, and msgr too unless told otherwise: the
/// set that daemons from Pacific on accept from a peer.
pub const SUPPORTED_DEFAULT: u64 = 0x3f01_cfbd_fffd_ffff;
