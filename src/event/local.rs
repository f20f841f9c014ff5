//! `LocalSockets`: the way between processes of one host that passes by its
//! network.
//!
//! Whoever listens at an address listens also at a socket in an agreed folder,
//! whose name says the address. What else is said of addresses stays as it is.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};

use super::origin::Origin;
use super::socket::{ConnectedSocket, ServerSocket};

/// A folder of sockets. It must belong to this user, or to root, and nobody else
/// may write to it: who can put a socket there is taken for the process that has
/// the address. Nor may it be a symbolic link, which others may be able to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalSockets {
    dir: PathBuf,
}

/// The file of a listening socket. It goes before the socket: as long as that is
/// there, nobody takes the file for one that was left behind, and its number cannot
/// be that of another one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and number: another process may have replaced it.
    file: (u64, u64),
    /// A forked child leaves it to its parent.
    origin: Origin,
}

impl LocalSockets {
    /// Those in that folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Listens for those that look for `at`, which this process has bound. The
    /// socket that a process has left behind there is replaced.
    pub(super) fn listen(&self, at: SocketAddr, backlog: i32) -> io::Result<ServerSocket> {
        self.check()?;
        let (socket, file) = listen_alone(&self.path(at), backlog)?;
        let file = Some(file);
        Ok(ServerSocket::Local { file, socket, at })
    }

    /// Connects to the process of this host that has the address `to`.
    /// `NotFound` if there is none, or none that listens here.
    pub(super) fn connect(&self, to: SocketAddr) -> io::Result<ConnectedSocket> {
        let path = self.find(to).ok_or(io::ErrorKind::NotFound)?;
        self.check()?;
        let socket = new_socket()?;
        socket.connect(&SockAddr::unix(path)?)?;
        Ok(ConnectedSocket::Kernel(socket))
    }

    /// The socket of the process that has this address. On the wildcard the same
    /// process has the others too; but it could not tell a peer from which address
    /// it comes, and so only the loopback, where that does not matter, leads there.
    fn find(&self, to: SocketAddr) -> Option<PathBuf> {
        let mut wildcard = to;
        wildcard.set_ip(unspecified(to));
        let exact = self.path(to);
        let path = match exact.exists() {
            true => exact,
            false if to.ip().is_loopback() => self.path(wildcard),
            false => return None,
        };
        (path.exists() && is_of_this_host(to.ip())).then_some(path)
    }

    fn path(&self, at: SocketAddr) -> PathBuf {
        self.dir.join(format!("{}-{}.sock", at.ip(), at.port()))
    }

    fn check(&self) -> io::Result<()> {
        // Without a slash at its end, which would lead through a link.
        let dir: PathBuf = self.dir.components().collect();
        let dir = fs::symlink_metadata(dir)?;
        let is_trusted = dir.uid() == geteuid().as_raw() || dir.uid() == 0;
        if !dir.is_dir() || !is_trusted || dir.mode() & 0o022 != 0 {
            let why = format!(
                "{} must be a folder of this user's to which nobody else may write",
                self.dir.display()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(())
    }
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let data = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            file: (data.dev(), data.ino()),
            origin: Origin::here(),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_still_ours = |data: fs::Metadata| (data.dev(), data.ino()) == self.file;
        if self.origin.is_here() && fs::symlink_metadata(&self.path).is_ok_and(is_still_ours) {
            // What is left of it can be replaced by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A listening socket at that path, to which only this user can connect. The socket
/// that a process has left behind there is replaced.
pub(super) fn listen_alone(path: &Path, backlog: i32) -> io::Result<(Socket, SocketFile)> {
    let addr = SockAddr::unix(path)?;
    remove_stale(path, &addr)?;
    let socket = new_socket()?;
    socket.bind(&addr)?;
    let file = SocketFile::of(path)?;
    // Nobody can have connected before: it does not listen yet.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(backlog)?;
    Ok((socket, file))
}

/// Where those who come to a local socket come from: they are on the host that has
/// the address, and have no port of it.
pub(super) fn source(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, 0)
}

fn unspecified(like: SocketAddr) -> IpAddr {
    match like {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn new_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes a socket that nobody listens at any more; an error if somebody does, or
/// if it is no socket.
fn remove_stale(path: &Path, addr: &SockAddr) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
    }
    match new_socket()?.connect(addr) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Somebody is there, if perhaps busy, or not for us to know.
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Only a host's own addresses can be bound.
fn is_of_this_host(ip: IpAddr) -> bool {
    let at = SocketAddr::new(ip, 0);
    ip.is_loopback()
        || Socket::new(Domain::for_address(at), Type::DGRAM, None)
            .and_then(|socket| socket.bind(&at.into()))
            .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_comes_by_a_socket_comes_from_its_address_without_a_port() {
        for (at, from) in [
            ("10.0.0.1:6800", "10.0.0.1:0"),
            ("0.0.0.0:6800", "127.0.0.1:0"),
            ("[::]:6800", "[::1]:0"),
        ] {
            assert_eq!(source(addr(at)), addr(from));
        }
    }

    /// A folder of the test's own.
    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("msgr-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        dir
    }

    #[test]
    fn a_folder_behind_a_symbolic_link_is_not_used() {
        let dir = folder("link");
        let (real, link) = (dir.join("real"), dir.join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let listen = |dir: &Path| LocalSockets::new(dir).listen(addr("127.0.0.1:1"), 1);
        assert!(listen(&real).is_ok());
        for link in [link.clone(), link.join("")] {
            let refused = listen(&link).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{link:?}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_file_of_a_socket_goes_before_the_socket() {
        let dir = folder("order");
        let (sockets, at) = (LocalSockets::new(&dir), addr("127.0.0.1:1"));
        let path = sockets.path(at);
        let there = SockAddr::unix(&path).unwrap();
        for _ in 0..1000 {
            let socket = sockets.listen(at, 1).unwrap();
            std::thread::scope(|scope| {
                let (found, wait) = std::sync::mpsc::channel();
                let (there, path) = (&there, &path);
                scope.spawn(move || {
                    loop {
                        match new_socket().unwrap().connect(there) {
                            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                            // It ended while we were on the way to it.
                            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                                return assert!(!path.exists(), "nobody listens at what is there");
                            }
                            _ => drop(found.send(())),
                        }
                    }
                });
                wait.recv().unwrap();
                drop(socket);
            });
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn only_the_loopback_leads_to_a_wildcard_and_nothing_to_another_host() {
        let dir = folder("find");
        let sockets = LocalSockets::new(&dir);
        let touch = |at: &str| fs::write(sockets.path(addr(at)), "").unwrap();
        let finds = |to: &str| {
            let path = sockets.find(addr(to))?;
            Some(path.file_name()?.to_str()?.to_owned())
        };
        touch("0.0.0.0:1");
        touch("127.0.0.2:2");
        // An address for documentation, which no host has.
        touch("192.0.2.1:3");
        assert_eq!(finds("127.0.0.1:1").as_deref(), Some("0.0.0.0-1.sock"));
        assert_eq!(finds("127.0.0.2:2").as_deref(), Some("127.0.0.2-2.sock"));
        for nobody in ["192.0.2.1:1", "192.0.2.1:3", "127.0.0.1:2", "[::1]:1"] {
            assert_eq!(finds(nobody), None, "{nobody}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
