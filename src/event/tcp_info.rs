//! `TcpInfo`: what the kernel knows of a connection.

use std::io;
use std::os::fd::BorrowedFd;

use super::os;

/// Part of Linux's `tcp_info`, under its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpInfo([u32; WORDS]);

/// As many words as there are up to `tcpi_total_retrans`: all that kernels of these
/// twenty years have.
const WORDS: usize = 26;

/// Fields of four bytes and their places, in the order in which they are told.
const FIELDS: [(&str, usize); 15] = [
    ("tcpi_rto_us", 2),
    ("tcpi_ato_us", 3),
    ("tcpi_snd_mss", 4),
    ("tcpi_rcv_mss", 5),
    ("tcpi_unacked", 6),
    ("tcpi_lost", 8),
    ("tcpi_retrans", 9),
    ("tcpi_pmtu", 15),
    ("tcpi_rtt_us", 17),
    ("tcpi_rttvar_us", 18),
    ("tcpi_total_retrans", 25),
    ("tcpi_last_data_sent_ms", 11),
    ("tcpi_last_ack_sent_ms", 12),
    ("tcpi_last_data_recv_ms", 13),
    ("tcpi_last_ack_recv_ms", 14),
];

const STATES: [&str; 12] = [
    "unknown",
    "established",
    "syn sent",
    "syn recv",
    "fin wait1",
    "fin wait2",
    "time wait",
    "close",
    "close wait",
    "last ack",
    "listen",
    "closing",
];

const OPTIONS: [&str; 6] = [
    "timestamps",
    "sack",
    "wscale",
    "ecn",
    "ecn seen",
    "syn data",
];

impl TcpInfo {
    pub(super) fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self(os::tcp_info(socket)?))
    }

    /// The connection's state, in Ceph's words.
    pub fn state(&self) -> &'static str {
        let [state, ..] = self.bytes();
        STATES.get(usize::from(state)).unwrap_or(&"unknown")
    }

    /// Its numbers by their names, which end with their unit.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let [_, _, retransmits, probes, backoff, ..] = self.bytes();
        let bytes = [
            ("tcpi_retransmits", retransmits.into()),
            ("tcpi_probes", probes.into()),
            ("tcpi_backoff", backoff.into()),
        ];
        let words = FIELDS.map(|(name, at)| (name, self.0.get(at).copied().unwrap_or(0)));
        bytes.into_iter().chain(words)
    }

    /// What both ends have agreed on.
    pub fn options(&self) -> impl Iterator<Item = &'static str> {
        let [_, _, _, _, _, options, ..] = self.bytes();
        let known = OPTIONS.into_iter().enumerate();
        known.filter_map(move |(bit, name)| (options >> bit & 1 == 1).then_some(name))
    }

    /// The fields of one byte.
    fn bytes(&self) -> [u8; 8] {
        let [first, second, ..] = self.0.map(u32::to_ne_bytes);
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&first);
        bytes[4..].copy_from_slice(&second);
        bytes
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the sockets are what is looked at"
    )]
    fn the_kernel_tells_of_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let info = TcpInfo::of(socket.as_fd()).unwrap();
        assert_eq!(info.state(), "established");
        let number = |name| info.numbers().find(|(known, _)| *known == name).unwrap().1;
        // A loopback device's packets hold 64 KiB; nothing is lost on it.
        assert!((1000..=65536).contains(&number("tcpi_pmtu")));
        assert!((500..=65536).contains(&number("tcpi_snd_mss")));
        assert_eq!(number("tcpi_unacked"), 0);
        assert_eq!(number("tcpi_total_retrans"), 0);
        assert!((1..10_000_000).contains(&number("tcpi_rto_us")));
        assert_eq!(TcpInfo::of(listener.as_fd()).unwrap().state(), "listen");
    }

    #[test]
    fn a_socket_of_the_unix_domain_has_none() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(TcpInfo::of(one.as_fd()).is_err());
    }
}
