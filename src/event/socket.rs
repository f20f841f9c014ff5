//! `ServerSocket`, `ConnectedSocket`: TCP without blocking.
//!
//! Every descriptor is close-on-exec, and no write raises SIGPIPE.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::local::{self, SocketFile};
use super::origin::Origin;
use super::os;
use super::registered::{Source, Watched};
#[cfg(test)]
use super::sim;
use super::tcp_info::TcpInfo;

/// How to set sockets up.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Send at once instead of waiting to fill a segment (TCP_NODELAY).
    pub nodelay: bool,
    /// The receive buffer in bytes; 0 leaves it to the kernel, which tunes it.
    pub rcvbuf: usize,
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// Whether a listener shares its port.
    pub sharing: PortSharing,
    /// Class and priority of what is sent; none leaves them to the kernel.
    pub priority: Option<i32>,
    /// The congestion control of what is sent, by the system's name; none leaves it
    /// to the kernel.
    pub congestion: Option<Arc<str>>,
    /// Connect from that address of this host; without it the kernel chooses.
    pub source: Option<IpAddr>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            rcvbuf: 0,
            backlog: 512,
            sharing: PortSharing::Alone,
            priority: None,
            congestion: None,
            source: None,
        }
    }
}

impl SocketOptions {
    /// An error if this system does not have, or does not let this process have, what a
    /// new socket shall be like.
    pub fn check(&self) -> io::Result<()> {
        new_socket((Ipv4Addr::LOCALHOST, 0).into(), self).map(drop)
    }

    /// What a socket with a peer gets.
    fn apply(&self, socket: &Socket, peer: SocketAddr) -> io::Result<()> {
        // Not by `socket2`, which has changed the name of that call.
        rustix::net::sockopt::set_tcp_nodelay(socket, self.nodelay)?;
        if let Some(priority) = self.priority {
            // A wish: where the kernel refuses it, or a sandbox, bytes flow as well.
            if let Err(error) = os::set_priority(socket.as_fd(), peer.is_ipv6(), priority) {
                log::debug!("priority {priority} for {peer}: {error}");
            }
        }
        Ok(())
    }
}

/// Whether several listeners share one port, among which the kernel spreads
/// what comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortSharing {
    /// The port has one listener.
    Alone,
    /// The first of several: it takes no port that somebody else's listeners
    /// have, not even one that they share among themselves.
    First,
    /// Joins the first.
    Further,
}

/// A listening socket.
#[derive(Debug)]
pub enum ServerSocket {
    /// The kernel's.
    Kernel(Socket),
    /// The kernel's, in a folder, on behalf of an address.
    Local {
        /// Where it is found, until its end.
        file: Option<SocketFile>,
        /// Of the Unix domain.
        socket: Socket,
        /// The address.
        at: SocketAddr,
    },
    /// A simulation's.
    #[cfg(test)]
    Simulated(sim::Endpoint),
}

impl ServerSocket {
    /// Binds to `addr`, port 0 for any, and listens. A listener on an IPv6 address
    /// takes no IPv4 connections, so that both families can have the same port.
    pub fn listen(addr: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let socket = new_socket(addr, options)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A restarted daemon gets its port back despite connections in TIME_WAIT.
        socket.set_reuse_address(true)?;
        if options.sharing == PortSharing::Further {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&addr.into())?;
        if options.sharing == PortSharing::First {
            // The port is ours; from here on it lets others in.
            socket.set_reuse_port(true)?;
        }
        socket.listen(options.backlog)?;
        Ok(Self::Kernel(socket))
    }

    /// The next connection and where it comes from; `WouldBlock` if there is none.
    /// The receive buffer's size it has from the listener.
    pub fn accept(&self, options: &SocketOptions) -> io::Result<(ConnectedSocket, SocketAddr)> {
        match self {
            Self::Kernel(listener) => {
                let (socket, from) = accept(listener)?;
                let from = inet(&from)?;
                options.apply(&socket, from)?;
                Ok((ConnectedSocket::Kernel(socket), from))
            }
            Self::Local { socket, at, .. } => {
                let (socket, _) = accept(socket)?;
                Ok((ConnectedSocket::Kernel(socket), local::source(*at)))
            }
            #[cfg(test)]
            Self::Simulated(listener) => {
                let (socket, from) = listener.accept()?;
                Ok((ConnectedSocket::Simulated(socket), from))
            }
        }
    }

    /// Where it listens, with the port the kernel chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Kernel(socket) => inet(&socket.local_addr()?),
            Self::Local { at, .. } => Ok(*at),
            #[cfg(test)]
            Self::Simulated(socket) => socket.local_addr(),
        }
    }

    /// Do only processes of this host come to it?
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }
}

impl Drop for ServerSocket {
    fn drop(&mut self) {
        match self {
            Self::Kernel(socket) => end(socket),
            Self::Local { file, socket, .. } => {
                drop(file.take());
                end(socket);
            }
            #[cfg(test)]
            Self::Simulated(_) => {}
        }
    }
}

impl Watched for ServerSocket {
    fn source(&self) -> Source<'_> {
        match self {
            Self::Kernel(socket) | Self::Local { socket, .. } => Source::Kernel(socket.as_fd()),
            #[cfg(test)]
            Self::Simulated(socket) => Source::Simulated(socket),
        }
    }
}

/// A socket with a peer, or on its way to one.
#[derive(Debug)]
pub enum ConnectedSocket {
    /// The kernel's.
    Kernel(Socket),
    /// A simulation's.
    #[cfg(test)]
    Simulated(sim::Endpoint),
}

impl ConnectedSocket {
    /// Begins to connect to `addr`. The socket becomes writable when that is done;
    /// [`take_error`](Self::take_error) then tells how it went.
    pub fn connect(addr: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let socket = new_socket(addr, options)?;
        options.apply(&socket, addr)?;
        if let Some(source) = options.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&addr.into()) {
            // An interrupted connect goes on in the background, too.
            Err(e) if !in_progress(&e) => Err(e),
            _ => Ok(Self::Kernel(socket)),
        }
    }

    /// The pending error, if there is one: a failed connect, for instance.
    pub fn take_error(&self) -> io::Result<()> {
        match self {
            Self::Kernel(socket) => socket.take_error()?.map_or(Ok(()), Err),
            #[cfg(test)]
            Self::Simulated(socket) => socket.take_error(),
        }
    }

    /// Reads once, to the end of `buffer`, at most what fits without growing it.
    /// 0 is the end of the stream; `WouldBlock` means that nothing is there yet.
    /// A buffer without room is an error of the caller's.
    pub fn read_to_spare(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        if buffer.len() == buffer.capacity() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match self {
            Self::Kernel(socket) => {
                let read = || recv(socket, spare_capacity(buffer), RecvFlags::empty());
                Ok(retry_on_intr(read)?.1)
            }
            #[cfg(test)]
            Self::Simulated(socket) => socket.read_to_spare(buffer),
        }
    }

    /// Reads once, into what there is of `room`, which is not empty.
    pub fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Kernel(socket) => {
                let read = || recv(socket, &mut *room, RecvFlags::empty());
                Ok(retry_on_intr(read)?.1)
            }
            #[cfg(test)]
            Self::Simulated(socket) => {
                let mut buffer = Vec::with_capacity(room.len());
                let read = socket.read_to_spare(&mut buffer)?;
                room[..read].copy_from_slice(&buffer);
                Ok(read)
            }
        }
    }

    /// Writes once, as much of `slices` as the socket takes. Slices beyond what the
    /// system takes at once are left for the next call.
    pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = slices.get(..MAX_SLICES).unwrap_or(slices);
        match self {
            Self::Kernel(socket) => Ok(retry_on_intr(|| match slices {
                // Mostly there is one, and for one the kernel has less to do.
                [only] => send(socket, only, SendFlags::NOSIGNAL),
                _ => {
                    let mut control = SendAncillaryBuffer::default();
                    sendmsg(socket, slices, &mut control, SendFlags::NOSIGNAL)
                }
            })?),
            #[cfg(test)]
            Self::Simulated(socket) => socket.write_vectored(slices),
        }
    }

    /// Our end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Kernel(socket) => inet(&socket.local_addr()?),
            #[cfg(test)]
            Self::Simulated(socket) => socket.local_addr(),
        }
    }

    /// What the kernel knows of the connection; nothing where it is not TCP, or
    /// the system is not Linux. Costs a system call.
    pub fn tcp_info(&self) -> Option<TcpInfo> {
        match self {
            Self::Kernel(socket) => TcpInfo::of(socket.as_fd()).ok(),
            #[cfg(test)]
            Self::Simulated(_) => None,
        }
    }
}

impl Drop for ConnectedSocket {
    fn drop(&mut self) {
        match self {
            Self::Kernel(socket) => end(socket),
            #[cfg(test)]
            Self::Simulated(_) => {}
        }
    }
}

impl Watched for ConnectedSocket {
    fn source(&self) -> Source<'_> {
        match self {
            Self::Kernel(socket) => Source::Kernel(socket.as_fd()),
            #[cfg(test)]
            Self::Simulated(socket) => Source::Simulated(socket),
        }
    }
}

/// Before the socket is closed: ends it also for a forked child, which would
/// keep connection or port to itself otherwise.
fn end(socket: &Socket) {
    if Origin::shares_descriptors() {
        // A socket that is not connected, or no longer, has nothing to end.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// IOV_MAX, which Linux and the BSDs have at this value.
const MAX_SLICES: usize = 1024;

fn new_socket(addr: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
    // `Socket::new` sets close-on-exec in the same call.
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if options.rcvbuf > 0 {
        // Before connect or listen, since the window's scale is settled there.
        socket.set_recv_buffer_size(options.rcvbuf)?;
    }
    if let Some(congestion) = &options.congestion {
        // Accepted sockets have the listener's.
        set_congestion(&socket, congestion)?;
    }
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn set_congestion(socket: &Socket, name: &str) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_congestion(socket, name)?)
}

/// Other systems have none to choose from, or choose otherwise.
#[cfg(not(target_os = "linux"))]
fn set_congestion(_: &Socket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The next connection of the kernel's.
fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    loop {
        match listener.accept() {
            Ok((socket, from)) => {
                socket.set_nonblocking(true)?;
                return Ok((socket, from));
            }
            // A connection that was gone before it was accepted is no error
            // of the listener's, and there may be others behind it.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn in_progress(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::INPROGRESS | Errno::INTR))
}

fn inet(addr: &SockAddr) -> io::Result<SocketAddr> {
    addr.as_socket()
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
}
