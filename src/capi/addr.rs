//! `msgr_addr`: the address of one process, as numbers.

use std::ffi::{c_char, c_int};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle;
use crate::{AddrType, EntityAddr, EntityAddrVec};

/// Address type: no address at all.
pub const MSGR_ADDR_NONE: u32 = 0;
/// Address type: msgr v1 is spoken there.
pub const MSGR_ADDR_LEGACY: u32 = 1;
/// Address type: msgr2 is spoken there.
pub const MSGR_ADDR_MSGR2: u32 = 2;
/// Address type: of a process that does not listen.
pub const MSGR_ADDR_ANY: u32 = 3;

/// The address of one process. All zero is "-", none. Ceph's `entity_addr_t`.
///
/// Its size never changes, so that it needs no `struct_size` and an array is an
/// `entity_addrvec_t`. Wherever one is an argument, -EINVAL is the answer to an
/// unknown type, another family of `sa` than AF_INET, AF_INET6 and 0, and
/// `reserved` that is not 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_addr {
    /// `MSGR_ADDR_...`, the number that the wire has.
    pub r#type: u32,
    /// Makes the address that of one incarnation of the process.
    pub nonce: u32,
    /// The host's `struct sockaddr_in` or `struct sockaddr_in6`; all zero while
    /// the place is unknown.
    pub sa: [u8; 28],
    /// Must be 0.
    pub reserved: u32,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_addr>() == 40 && align_of::<msgr_addr>() == 4);

impl From<EntityAddr> for msgr_addr {
    fn from(addr: EntityAddr) -> Self {
        Self {
            r#type: addr.kind.code(),
            nonce: addr.nonce,
            sa: addr.socket.map_or([0; 28], sockaddr),
            reserved: 0,
        }
    }
}

impl msgr_addr {
    /// The address that it is, if it is one.
    fn checked(&self) -> Result<EntityAddr, Refusal> {
        let kind = AddrType::from_code(self.r#type);
        if self.reserved != 0 {
            return Err(Refusal::of(
                libc::EINVAL,
                "reserved bytes of an address are not 0",
            ));
        }
        Ok(EntityAddr {
            kind: kind.ok_or(NO_TYPE)?,
            nonce: self.nonce,
            socket: socket(&self.sa)?,
        })
    }
}

const AF_NONE: u16 = 0;
const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;

/// BSDs have a byte of length in front of a family of one byte.
const HAS_LENGTH: bool = size_of::<libc::sa_family_t>() == 1;

/// How long the structures are.
const LEN_INET: usize = size_of::<libc::sockaddr_in>();
const LEN_INET6: usize = size_of::<libc::sockaddr_in6>();

fn family(sa: &[u8; 28]) -> u16 {
    match HAS_LENGTH {
        true => sa[1].into(),
        false => u16::from_ne_bytes([sa[0], sa[1]]),
    }
}

fn len(sa: &[u8; 28]) -> usize {
    match family(sa) {
        AF_INET => LEN_INET,
        AF_INET6 => LEN_INET6,
        _ => 0,
    }
}

fn socket(sa: &[u8; 28]) -> Result<Option<SocketAddr>, Refusal> {
    let port = u16::from_be_bytes([sa[2], sa[3]]);
    let word = |at: usize| u32::from_ne_bytes([sa[at], sa[at + 1], sa[at + 2], sa[at + 3]]);
    match family(sa) {
        AF_NONE => Ok(None),
        AF_INET => {
            let ip = Ipv4Addr::new(sa[4], sa[5], sa[6], sa[7]);
            Ok(Some(SocketAddrV4::new(ip, port).into()))
        }
        AF_INET6 => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&sa[8..24]);
            let ip = Ipv6Addr::from(ip);
            Ok(Some(SocketAddrV6::new(ip, port, word(4), word(24)).into()))
        }
        _ => Err(Refusal::of(
            libc::EINVAL,
            "the address is neither of AF_INET nor of AF_INET6",
        )),
    }
}

fn sockaddr(socket: SocketAddr) -> [u8; 28] {
    let mut sa = [0; 28];
    let (family, len) = match socket {
        SocketAddr::V4(_) => (AF_INET, LEN_INET),
        SocketAddr::V6(_) => (AF_INET6, LEN_INET6),
    };
    match (HAS_LENGTH, u8::try_from(len), u8::try_from(family)) {
        (true, Ok(len), Ok(family)) => sa[..2].copy_from_slice(&[len, family]),
        _ => sa[..2].copy_from_slice(&family.to_ne_bytes()),
    }
    sa[2..4].copy_from_slice(&socket.port().to_be_bytes());
    match socket {
        SocketAddr::V4(v4) => sa[4..8].copy_from_slice(&v4.ip().octets()),
        SocketAddr::V6(v6) => {
            sa[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
            sa[8..24].copy_from_slice(&v6.ip().octets());
            sa[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
        }
    }
    sa
}

const NO_TYPE: Refusal = Refusal::of(libc::EINVAL, "no address type has that number");
const NULL_ADDR: Refusal = Refusal::of(libc::EINVAL, "an address is NULL");

/// Reads an address argument.
///
/// # Safety
/// `raw` is NULL or readable.
unsafe fn read(raw: *const msgr_addr) -> Result<EntityAddr, Refusal> {
    // SAFETY: the caller's promise; any bits are legal in it.
    unsafe { raw.as_ref() }.ok_or(NULL_ADDR)?.checked()
}

/// Writes an address to an out-parameter.
///
/// # Safety
/// `out` is an out-parameter by the conventions.
unsafe fn write(out: *mut msgr_addr, addr: EntityAddr) -> Result<c_int, Refusal> {
    if out.is_null() {
        return Err(NULL_ADDR);
    }
    // SAFETY: not NULL, so writable by the conventions.
    unsafe { out.write(addr.into()) };
    Ok(0)
}

fn malformed(text: &str, why: impl std::fmt::Display) -> Refusal {
    Refusal::new(libc::EINVAL, format!("'{text}': {why}"))
}

/// Reads one address: "v2:127.0.0.1:6800/7", "[::1]:6800", "any:", "-".
///
/// An address without "v1:", "v2:" or "any:" in front is of `default_type`
/// (`MSGR_ADDR_...`; 0 stands for `MSGR_ADDR_MSGR2`). A port and a nonce that are
/// left out are 0. If `end` is not NULL, `*end` gets where the address ends within
/// `text`, and is `text` after a failure; if it is NULL the address must be all of
/// the text.
///
/// Returns 0; -EINVAL, and then nothing is written to `*out`. Any thread, also in
/// callbacks. Ceph: `entity_addr_t::parse`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_parse(
    text: *const c_char,
    end: *mut *const c_char,
    default_type: u32,
    out: *mut msgr_addr,
) -> c_int {
    guard(|| {
        if !end.is_null() {
            // SAFETY: an out-parameter by the conventions.
            unsafe { end.write(text) };
        }
        let default = match default_type {
            0 => Some(AddrType::Msgr2),
            code => AddrType::from_code(code),
        };
        let default = default.ok_or(NO_TYPE)?;
        // SAFETY: a text by the conventions.
        let whole = unsafe { handle::leading_text(text)? };
        let parsed = EntityAddr::parse_front(whole, default);
        let (addr, rest) = parsed.map_err(|why| malformed(whole, why))?;
        if end.is_null() && !rest.is_empty() {
            return Err(malformed(whole, "more than an address"));
        }
        // SAFETY: as above; the rest is part of the text.
        unsafe {
            write(out, addr)?;
            if !end.is_null() {
                end.write(text.add(whole.len() - rest.len()));
            }
        }
        Ok(0)
    })
}

/// Writes an address into `buf` as Ceph does: "v2:127.0.0.1:6800/7".
///
/// Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does
/// not fit into `len` bytes, and then nothing is written. Any thread, also in
/// callbacks. Ceph: `operator<<(ostream&, entity_addr_t)`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_format(
    addr: *const msgr_addr,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe { handle::fill(buf, len, &read(addr)?.to_string()) })
}

/// Reads all addresses of a process, in brackets or bare, with commas between:
/// "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]".
///
/// Returns how many there are, which may be more than the `count` that `out` has
/// room for: those are not written. `out` may be NULL if `count` is 0. -EINVAL for
/// anything else than addresses, and then nothing is written. Any thread, also in
/// callbacks. Ceph: `entity_addrvec_t::parse`.
///
/// # Safety
/// By the conventions; `out` is NULL or writable for `count` addresses.
#[no_mangle]
pub unsafe extern "C" fn msgr_addrvec_parse(
    text: *const c_char,
    out: *mut msgr_addr,
    count: usize,
) -> c_int {
    guard(|| {
        // SAFETY: a text by the conventions.
        let text = unsafe { handle::text(text)? };
        let parsed: Result<EntityAddrVec, _> = text.parse();
        let addrs = parsed.map_err(|why| malformed(text, why))?.0;
        for (index, addr) in addrs.iter().take(count).enumerate() {
            if out.is_null() {
                return Err(NULL_ADDR);
            }
            // SAFETY: writable for `count` addresses.
            unsafe { out.add(index).write((*addr).into()) };
        }
        Ok(c_int::try_from(addrs.len()).unwrap_or(c_int::MAX))
    })
}

/// Writes `count` addresses into `buf`, in the form that `msgr_connect` takes.
///
/// Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does
/// not fit into `len` bytes, and then nothing is written. Any thread, also in
/// callbacks. Ceph: `operator<<(ostream&, entity_addrvec_t)`.
///
/// # Safety
/// By the conventions; `addrs` is NULL or readable for `count` addresses.
#[no_mangle]
pub unsafe extern "C" fn msgr_addrvec_format(
    addrs: *const msgr_addr,
    count: usize,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's; any bits are legal.
        let addrs = unsafe { handle::items(addrs, count)? };
        let addrs: Result<_, _> = addrs.iter().map(msgr_addr::checked).collect();
        let text = EntityAddrVec(addrs?).to_string();
        // SAFETY: as above.
        unsafe { handle::fill(buf, len, &text) }
    })
}

/// The port, 0 if none is known; -EINVAL. Any thread, also in callbacks. Ceph:
/// `entity_addr_t::get_port`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_port(addr: *const msgr_addr) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { read(addr)? }.port().into()))
}

/// Puts another port in the place of the one it has.
///
/// Returns 0; -EINVAL, also for an address without an IP. Any thread, also in
/// callbacks. Ceph: `entity_addr_t::set_port`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_set_port(addr: *mut msgr_addr, port: u16) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let mut moved = unsafe { read(addr)? };
        let set = moved.set_port(port);
        set.map_err(|why| Refusal::new(libc::EINVAL, why.to_string()))?;
        // SAFETY: as above.
        unsafe { write(addr, moved) }
    })
}

/// Puts another place in: the bytes of a `struct sockaddr_in` or `struct
/// sockaddr_in6`, `len` of them, longer than it if you like (a
/// `struct sockaddr_storage`). Type and nonce stay.
///
/// Returns 0; -EINVAL, also for another family or too few bytes. Any thread, also
/// in callbacks. Ceph: `entity_addr_t::set_sockaddr`.
///
/// # Safety
/// By the conventions; `sockaddr` is NULL or readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_set_sockaddr(
    addr: *mut msgr_addr,
    sockaddr: *const std::ffi::c_void,
    len: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (mut moved, given) =
            unsafe { (read(addr)?, handle::items(sockaddr.cast::<u8>(), len)?) };
        let mut sa = [0; 28];
        let known = given.len().min(sa.len());
        sa[..known].copy_from_slice(&given[..known]);
        moved.socket = socket(&sa)?;
        if moved.socket.is_none() || given.len() < self::len(&sa) {
            return Err(Refusal::of(
                libc::EINVAL,
                "these bytes are no socket address",
            ));
        }
        // SAFETY: as above.
        unsafe { write(addr, moved) }
    })
}

/// Writes the place as a `struct sockaddr_in` or `struct sockaddr_in6` to
/// `sockaddr`, which has room for `len` bytes.
///
/// Returns the structure's size, 0 for an address without an IP, when nothing is
/// written; -EINVAL; -ENAMETOOLONG if it does not fit, and then nothing is
/// written. Any thread, also in callbacks. Ceph: `entity_addr_t::get_sockaddr`.
///
/// # Safety
/// By the conventions; `sockaddr` is NULL or writable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_sockaddr(
    addr: *const msgr_addr,
    sockaddr: *mut std::ffi::c_void,
    len: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let sa = msgr_addr::from(unsafe { read(addr)? }).sa;
        let needed = self::len(&sa);
        if needed > 0 && sockaddr.is_null() {
            return Err(Refusal::of(libc::EINVAL, "the buffer is NULL"));
        }
        if needed > len {
            return Err(Refusal::of(libc::ENAMETOOLONG, "the buffer is too short"));
        }
        if needed > 0 {
            // SAFETY: there is room for as many bytes, in memory of the caller's.
            unsafe {
                sockaddr
                    .cast::<u8>()
                    .copy_from_nonoverlapping(sa.as_ptr(), needed)
            };
        }
        Ok(c_int::try_from(needed).unwrap_or(0))
    })
}

/// 1 if both are at one IP, whatever their ports, nonces and types, else 0, also
/// for NULL and what is no address. Any thread, also in callbacks. Ceph:
/// `entity_addr_t::is_same_host`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_same_host(
    one: *const msgr_addr,
    other: *const msgr_addr,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard_or(0, || unsafe {
        Ok(read(one)?.is_same_host(&read(other)?).into())
    })
}

/// 1 if both are the same in type, nonce, IP and port, else 0, also for NULL and
/// what is no address. Any thread, also in callbacks. Ceph: `operator==`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_addr_equal(one: *const msgr_addr, other: *const msgr_addr) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard_or(0, || unsafe { Ok((read(one)? == read(other)?).into()) })
}
