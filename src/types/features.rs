//! Ceph's 64-bit feature space, as far as a messenger needs it.

/// Modern address encoding; every msgr2 peer must have it.
pub const MSG_ADDR2: u64 = 1 << 59;

/// What a Ceph 16.2 daemon advertises, and msgr too unless told otherwise: the
/// set that daemons from Pacific on accept from a peer.
pub const SUPPORTED_DEFAULT: u64 = 0x3f01_cfbd_fffd_ffff;
