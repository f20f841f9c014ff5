//! Process addresses as Ceph writes them: `v2:10.0.0.1:6800/4711`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Which protocol an address speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum AddrType {
    /// No address at all.
    #[default]
    None,
    /// msgr v1.
    Legacy,
    /// msgr v2.
    Msgr2,
    /// A process that does not listen.
    Any,
}

impl AddrType {
    const PREFIXES: [(Self, &'static str); 3] = [
        (Self::Msgr2, "v2:"),
        (Self::Legacy, "v1:"),
        (Self::Any, "any:"),
    ];

    /// Its number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Legacy => 1,
            Self::Msgr2 => 2,
            Self::Any => 3,
        }
    }

    /// The type with that number.
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Legacy),
            2 => Some(Self::Msgr2),
            3 => Some(Self::Any),
            _ => None,
        }
    }
}

/// The address of one process incarnation (Ceph's `entity_addr_t`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct EntityAddr {
    /// The protocol spoken there.
    pub kind: AddrType,
    /// Makes the address unique to one incarnation of the process.
    pub nonce: u32,
    /// Where; `None` if unknown.
    pub socket: Option<SocketAddr>,
}

impl EntityAddr {
    /// A msgr2 address.
    pub const fn msgr2(socket: SocketAddr, nonce: u32) -> Self {
        Self {
            kind: AddrType::Msgr2,
            nonce,
            socket: Some(socket),
        }
    }

    /// The port, 0 if none is known.
    pub fn port(&self) -> u16 {
        self.socket.map_or(0, |socket| socket.port())
    }

    /// Puts another port in the place of the one it has.
    ///
    /// # Errors
    /// While no IP is known there is nothing that could have a port.
    pub fn set_port(&mut self, port: u16) -> Result<(), ParseAddrError> {
        let socket = self.socket.as_mut();
        let socket = socket.ok_or(ParseAddrError("without an IP there is no port"))?;
        socket.set_port(port);
        Ok(())
    }

    /// True if both are at one IP, whatever their ports, nonces and protocols.
    pub fn is_same_host(&self, other: &Self) -> bool {
        match (self.socket, other.socket) {
            (Some(one), Some(other)) => one.ip() == other.ip(),
            (None, None) => true,
            _ => false,
        }
    }

    /// The address that a text begins with, and what follows it. One that says no
    /// protocol is of type `default`.
    ///
    /// # Errors
    /// The text does not begin with an address.
    pub fn parse_front(text: &str, default: AddrType) -> Result<(Self, &str), ParseAddrError> {
        let prefixed = AddrType::PREFIXES.iter().find_map(|(kind, prefix)| {
            let rest = text.strip_prefix(prefix)?;
            Some((*kind, rest))
        });
        let (kind, rest) = match (prefixed, text.strip_prefix('-')) {
            (Some(prefixed), _) => prefixed,
            (None, Some(rest)) => return Ok((Self::default(), rest)),
            (None, None) => (default, text),
        };
        let (ip, rest) = match rest.starts_with('[') {
            true => rest.split_at(rest.find(']').map_or(rest.len(), |end| end + 1)),
            false => rest.split_at(leading(rest, |byte| byte.is_ascii_digit() || byte == b'.')),
        };
        let is_unknown = kind == AddrType::Any && ip.is_empty();
        let (port, rest) = match is_unknown {
            // Printed, an unknown place is a colon.
            true => (None, rest.strip_prefix(':').unwrap_or(rest)),
            false => numbered(rest, ':')?,
        };
        let (nonce, rest) = numbered(rest, '/')?;
        let socket = match is_unknown {
            true => None,
            false => Some(SocketAddr::new(ip_addr(ip)?, port.unwrap_or(0))),
        };
        let addr = Self {
            kind,
            nonce: nonce.unwrap_or(0),
            socket,
        };
        Ok((addr, rest))
    }

    /// The bytes by which two processes that dial each other are told apart:
    /// type, nonce, then the socket address as a little-endian host keeps it.
    /// The nonce stands before port and IP.
    pub fn memory_image(&self) -> [u8; 36] {
        let mut image = [0; 36];
        image[..4].copy_from_slice(&self.kind.code().to_le_bytes());
        image[4..8].copy_from_slice(&self.nonce.to_le_bytes());
        match self.socket {
            None => {}
            Some(SocketAddr::V4(v4)) => {
                image[8] = 2;
                image[10..12].copy_from_slice(&v4.port().to_be_bytes());
                image[12..16].copy_from_slice(&v4.ip().octets());
            }
            Some(SocketAddr::V6(v6)) => {
                image[8] = 10;
                image[10..12].copy_from_slice(&v6.port().to_be_bytes());
                image[12..16].copy_from_slice(&v6.flowinfo().to_le_bytes());
                image[16..32].copy_from_slice(&v6.ip().octets());
                image[32..].copy_from_slice(&v6.scope_id().to_le_bytes());
            }
        }
        image
    }

    /// True if somebody can be dialled there.
    pub fn is_dialable(&self) -> bool {
        matches!(self.kind, AddrType::Msgr2 | AddrType::Legacy)
            && !self.is_blank_ip()
            && self.port() != 0
    }

    /// True while the IP is unknown: no socket address, or the wildcard.
    pub fn is_blank_ip(&self) -> bool {
        self.socket
            .is_none_or(|socket| socket.ip().is_unspecified())
    }
}

impl fmt::Display for EntityAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = AddrType::PREFIXES
            .iter()
            .find(|(kind, _)| *kind == self.kind);
        let Some((_, prefix)) = prefix else {
            return f.write_str("-");
        };
        match self.socket {
            // The scope id is left out: Ceph's text form has none.
            Some(SocketAddr::V6(socket)) => {
                write!(
                    f,
                    "{prefix}[{}]:{}/{}",
                    socket.ip(),
                    socket.port(),
                    self.nonce
                )
            }
            Some(socket) => write!(f, "{prefix}{socket}/{}", self.nonce),
            None => write!(f, "{prefix}:/{}", self.nonce),
        }
    }
}

impl FromStr for EntityAddr {
    type Err = ParseAddrError;

    /// `[v2:|v1:|any:]IP[:PORT][/NONCE]`; without a prefix it is msgr2, without
    /// a port or nonce they are 0. `any:` alone and `-` are legal.
    fn from_str(text: &str) -> Result<Self, ParseAddrError> {
        match Self::parse_front(text, AddrType::Msgr2)? {
            (addr, "") => Ok(addr),
            _ => Err(NO_ADDRESS),
        }
    }
}

/// All addresses of one process (Ceph's `entity_addrvec_t`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct EntityAddrVec(pub Vec<EntityAddr>);

impl EntityAddrVec {
    /// The first msgr2 address: the one to dial and to compare in races.
    pub fn msgr2(&self) -> Option<&EntityAddr> {
        self.0.iter().find(|addr| addr.kind == AddrType::Msgr2)
    }

    /// Fills in `ip` where an address of that family has none; true if the first
    /// address was such a one.
    pub fn fill_blank_ips(&mut self, ip: IpAddr) -> bool {
        let was_blank = self.front().is_blank_ip();
        for addr in self.0.iter_mut().filter(|addr| addr.is_blank_ip()) {
            if addr
                .socket
                .is_none_or(|socket| socket.is_ipv4() == ip.is_ipv4())
            {
                addr.socket = Some(SocketAddr::new(ip, addr.port()));
            }
        }
        was_blank && !self.front().is_blank_ip()
    }

    /// The first address; a blank one if there is none.
    pub fn front(&self) -> EntityAddr {
        self.0.first().copied().unwrap_or_default()
    }
}

impl From<EntityAddr> for EntityAddrVec {
    fn from(only: EntityAddr) -> Self {
        Self(vec![only])
    }
}

impl fmt::Display for EntityAddrVec {
    /// One address stands bare, several in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "{only}");
        }
        f.write_str("[")?;
        for (index, addr) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{addr}")?;
        }
        f.write_str("]")
    }
}

impl FromStr for EntityAddrVec {
    type Err = ParseAddrError;

    /// Addresses with commas between, in brackets or bare.
    fn from_str(text: &str) -> Result<Self, ParseAddrError> {
        // `[::1]:6800` begins with a bracket too, but a vector ends with one.
        let vector = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let inner = match vector {
            Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_err() => inner,
            _ => text,
        };
        let addrs: Result<Vec<_>, _> = inner.split(',').map(EntityAddr::from_str).collect();
        let addrs = addrs?;
        if addrs.len() > Self::MAX {
            return Err(ParseAddrError("more addresses than a process can have"));
        }
        Ok(Self(addrs))
    }
}

impl EntityAddrVec {
    /// More addresses than this no process has; longer vectors are refused.
    pub const MAX: usize = 64;
}

/// Why a text is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseAddrError(&'static str);

impl fmt::Display for ParseAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ParseAddrError {}

const NO_ADDRESS: ParseAddrError =
    ParseAddrError("an address is [v2:|v1:]IP:PORT[/NONCE] with a numeric IP");

/// How many bytes at the beginning are such ones.
fn leading(text: &str, is_one: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| is_one(*byte)).count()
}

/// The number behind a mark, if the mark is there with one behind it.
fn numbered<N: FromStr>(text: &str, mark: char) -> Result<(Option<N>, &str), ParseAddrError> {
    let behind = text.strip_prefix(mark).unwrap_or_default();
    let (digits, rest) = behind.split_at(leading(behind, |byte| byte.is_ascii_digit()));
    if digits.is_empty() {
        return Ok((None, text));
    }
    let number = digits.parse();
    let number = number.map_err(|_| ParseAddrError("a port or nonce is out of range"))?;
    Ok((Some(number), rest))
}

fn ip_addr(text: &str) -> Result<IpAddr, ParseAddrError> {
    let bracketed = text.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
    let ip = match bracketed {
        Some(v6) => v6.parse().map(IpAddr::V6),
        None => text.parse().map(IpAddr::V4),
    };
    ip.map_err(|_| NO_ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match text.parse::<EntityAddrVec>() {
            Ok(addrs) => addrs.to_string(),
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn addresses_print_as_ceph_prints_them() {
        for (text, printed) in [
            ("v2:127.0.0.1:0", "v2:127.0.0.1:0/0"),
            ("v1:10.0.0.1:6789/7", "v1:10.0.0.1:6789/7"),
            ("v2:[::1]:6800/12", "v2:[::1]:6800/12"),
            ("10.1.2.3:6800", "v2:10.1.2.3:6800/0"),
            ("10.1.2.3", "v2:10.1.2.3:0/0"),
            ("[::1]:3300", "v2:[::1]:3300/0"),
            ("any:", "any::/0"),
            ("-", "-"),
            (
                "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]",
                "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]",
            ),
            (
                "v2:10.0.0.1:1,v1:10.0.0.1:2",
                "[v2:10.0.0.1:1/0,v1:10.0.0.1:2/0]",
            ),
            ("[v2:[::1]:1,v1:[::1]:2]", "[v2:[::1]:1/0,v1:[::1]:2/0]"),
            ("[v2:10.0.0.1:3300]", "v2:10.0.0.1:3300/0"),
        ] {
            assert_eq!(parsed(text), printed, "{text}");
            assert_eq!(parsed(printed), printed, "{printed} must parse to itself");
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "",
            "v2:",
            "v2:localhost:1",
            "v3:1.2.3.4:5",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "1.2.3.4:+5",
            "1.2.3.4:5/",
            "1.2.3.4:5/4294967296",
            "::1:6800",
            "[::1:6800",
            "[v2:1.2.3.4:5",
            "[]",
            "v2:1.2.3.4:5,",
            "1.2.3:5",
            "v2:[1.2.3.4]:5",
            "1.2.3.4:5/-1",
        ] {
            assert!(
                parsed(text).starts_with("error: "),
                "{text} -> {}",
                parsed(text)
            );
        }
    }

    #[test]
    fn an_address_ends_where_its_text_goes_on_otherwise() {
        for (text, printed, rest) in [
            ("v2:1.2.3.4:5/6,v1:", "v2:1.2.3.4:5/6", ",v1:"),
            ("1.2.3.4 x", "v1:1.2.3.4:0/0", " x"),
            ("[::1]:5]", "v1:[::1]:5/0", "]"),
            ("-/1", "-", "/1"),
            ("any:/7:", "any::/7", ":"),
            ("1.2.3.4:/", "v1:1.2.3.4:0/0", ":/"),
        ] {
            let (addr, left) = EntityAddr::parse_front(text, AddrType::Legacy).unwrap();
            assert_eq!((addr.to_string().as_str(), left), (printed, rest), "{text}");
        }
        for text in ["", "x", "v2:", "[::1", "1.2.3:4", "1.2.3.4:65536"] {
            assert!(
                EntityAddr::parse_front(text, AddrType::Msgr2).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn hosts_are_the_same_by_their_ips_alone() {
        let addr = |text: &str| text.parse::<EntityAddr>().unwrap();
        let one = addr("v2:10.0.0.1:1/2");
        assert!(one.is_same_host(&addr("v1:10.0.0.1:3/4")));
        assert!(!one.is_same_host(&addr("v2:10.0.0.2:1/2")));
        assert!(!one.is_same_host(&addr("any:")));
        let mut moved = one;
        moved.set_port(9).unwrap();
        assert_eq!(moved, addr("v2:10.0.0.1:9/2"));
        assert!(addr("any:").set_port(9).is_err());
    }

    #[test]
    fn an_unknown_ip_is_blank_and_a_loopback_is_not() {
        for (text, blank) in [
            ("any:", true),
            ("0.0.0.0:5", true),
            ("[::]:5", true),
            ("127.0.0.1:5", false),
        ] {
            assert_eq!(
                text.parse::<EntityAddr>().unwrap().is_blank_ip(),
                blank,
                "{text}"
            );
        }
    }
}
