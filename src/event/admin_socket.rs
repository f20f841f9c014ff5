//! `AdminSocket`: where an operator's tool asks a running process.
//!
//! A socket of the Unix domain and a thread of its own, which sleeps until somebody
//! connects. What is spoken there is Ceph's: a request ends with a NUL or a newline,
//! the answer begins with its length, and with it the connection ends. There is one
//! connection at a time, and little time for it: who asks is an operator, or waits.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;

use super::local::{self, SocketFile};
use super::origin::Origin;
use super::{clock, os};
use crate::types::Time;

/// A request may be so long.
const REQUEST_MAX: usize = 64 << 10;

/// Whoever asks has so long to do so, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to leave those who come to the kernel when there is no descriptor for
/// them.
const PAUSE: Duration = Duration::from_millis(100);

/// How many may wait for those before them.
const BACKLOG: i32 = 16;

/// Dropping it removes the socket and waits for the thread, unless that is the one
/// that drops it.
pub struct AdminSocket {
    /// None once it is removed.
    file: Option<SocketFile>,
    /// Its other end is the thread's, which ends when this one does.
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
    origin: Origin,
}

impl AdminSocket {
    /// Listens at that path, where this user alone can connect, and lets `answer`
    /// say what is to be said to each request. A socket that a process has left
    /// behind there is replaced; one at which somebody listens is not, nor is
    /// anything else.
    pub fn open(
        path: &Path,
        answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let (listener, file) = local::listen_alone(path, BACKLOG)?;
        let (bell, end) = UnixStream::pair()?;
        let serving = Serving { listener, end };
        let thread = thread::Builder::new()
            .name("admin_socket".to_owned())
            .spawn(move || serving.run(answer))?;
        Ok(Self {
            file: Some(file),
            bell,
            thread: Some(thread),
            origin: Origin::here(),
        })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // First, so that nobody comes any more.
        self.file = None;
        if !self.origin.is_here() {
            // A forked child has no such thread.
            std::mem::forget(self.thread.take());
            return;
        }
        // A child may have a copy of it, so that closing it would not do.
        let _ = self.bell.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            if thread.thread().id() != thread::current().id() {
                // If it has panicked it has ended as well.
                let _ = thread.join();
            }
        }
    }
}

/// What the thread has.
struct Serving {
    listener: Socket,
    /// Readable when the end has come.
    end: UnixStream,
}

/// What a wait ended with.
#[derive(PartialEq)]
enum Woken {
    Ready,
    /// It took too long.
    Late,
    /// The socket is to be closed.
    Over,
}

impl Serving {
    fn run(&self, mut answer: impl FnMut(&[u8]) -> Vec<u8>) {
        os::block_signals();
        while self.wait(&self.listener, PollFlags::IN, None) == Woken::Ready {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    if let Err(error) = self.serve(&socket, &mut answer) {
                        log::debug!("admin socket: {error}");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    log::warn!("admin socket: {error}");
                    if self.wait_for(&[], Some(clock::monotonic() + PAUSE)) == Woken::Over {
                        return;
                    }
                }
            }
        }
    }

    fn serve(&self, socket: &Socket, answer: &mut impl FnMut(&[u8]) -> Vec<u8>) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let request = self.read(socket)?;
        let answer = answer(&request);
        let mut whole = Vec::with_capacity(answer.len() + 4);
        let len = u32::try_from(answer.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        whole.extend_from_slice(&len.to_be_bytes());
        whole.extend_from_slice(&answer);
        self.write(socket, &whole)?;
        // Also for a forked child that has a copy.
        socket.shutdown(Shutdown::Both)
    }

    /// Everything up to the end of the request.
    fn read(&self, mut socket: &Socket) -> io::Result<Vec<u8>> {
        let deadline = clock::monotonic() + PATIENCE;
        let mut request = Vec::new();
        let mut some = [0; 4096];
        loop {
            self.wait_until(socket, PollFlags::IN, deadline)?;
            let got = match socket.read(&mut some) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let some = some.get(..got).unwrap_or_default();
            let end = some.iter().position(|byte| matches!(byte, 0 | b'\n'));
            request.extend_from_slice(some.get(..end.unwrap_or(got)).unwrap_or_default());
            if end.is_some() {
                return Ok(request);
            }
            if request.len() > REQUEST_MAX {
                return Err(io::Error::other("a request without an end"));
            }
        }
    }

    fn write(&self, socket: &Socket, mut rest: &[u8]) -> io::Result<()> {
        let deadline = clock::monotonic() + PATIENCE;
        // Whoever has gone must not end this process by SIGPIPE.
        while !rest.is_empty() {
            // Not waited for first: what closes the socket may be answered, too.
            match socket.send_with_flags(rest, libc::MSG_NOSIGNAL) {
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_until(socket, PollFlags::OUT, deadline)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait_until(&self, socket: &Socket, what: PollFlags, deadline: Time) -> io::Result<()> {
        match self.wait(socket, what, Some(deadline)) {
            Woken::Ready => Ok(()),
            Woken::Late => Err(io::ErrorKind::TimedOut.into()),
            Woken::Over => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    fn wait(&self, socket: &Socket, what: PollFlags, deadline: Option<Time>) -> Woken {
        self.wait_for(&[PollFd::from_borrowed_fd(socket.as_fd(), what)], deadline)
    }

    /// Waits until one of them is ready.
    fn wait_for(&self, sockets: &[PollFd<'_>], deadline: Option<Time>) -> Woken {
        loop {
            let mut all = vec![PollFd::new(&self.end, PollFlags::IN)];
            all.extend_from_slice(sockets);
            let left = deadline.map(|deadline| deadline.since(clock::monotonic()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let polled = poll(&mut all, timeout.as_ref());
            let (end, sockets) = all.split_at(1);
            if end.iter().any(|end| !end.revents().is_empty()) {
                return Woken::Over;
            }
            match polled {
                Ok(0) => return Woken::Late,
                Ok(_) if sockets.iter().any(|it| !it.revents().is_empty()) => return Woken::Ready,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    log::error!("admin socket: cannot wait: {error}");
                    return Woken::Over;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::sync::mpsc;

    use super::*;

    /// A path in a folder that goes with it.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("msgr-asok-{}-{name}", std::process::id());
            let dir = std::env::temp_dir().join(name);
            std::fs::create_dir(&dir).unwrap();
            Self(dir)
        }

        fn path(&self) -> PathBuf {
            self.0.join("it.asok")
        }

        /// Sends it back in capitals.
        fn open(&self) -> io::Result<AdminSocket> {
            AdminSocket::open(&self.path(), |request| request.to_ascii_uppercase())
        }

        /// Everything that is said to that.
        fn ask(&self, request: &[u8]) -> Vec<u8> {
            let mut socket = UnixStream::connect(self.path()).unwrap();
            socket.write_all(request).unwrap();
            let mut answer = Vec::new();
            // One that is hung up on may be reset.
            let _ = socket.read_to_end(&mut answer);
            answer
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_request_gets_its_answer_behind_its_length() {
        let place = Place::new("answers");
        let socket = place.open().unwrap();
        for _ in 0..3 {
            assert_eq!(place.ask(b"hello\0"), b"\0\0\0\x05HELLO");
            assert_eq!(place.ask(b"\nnot this"), b"\0\0\0\0");
        }
        let mode = std::fs::metadata(place.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(socket);
        assert!(!place.path().exists());
    }

    #[test]
    fn a_long_answer_arrives_whole() {
        let place = Place::new("long");
        let long = vec![7; 3 << 20];
        let answer = long.clone();
        let _socket = AdminSocket::open(&place.path(), move |_| answer.clone()).unwrap();
        let got = place.ask(b"\0");
        assert_eq!(got[..4], (3_u32 << 20).to_be_bytes());
        assert!(got[4..] == long);
    }

    #[test]
    fn who_asks_without_an_end_or_goes_gets_none_and_others_do() {
        let place = Place::new("rude");
        let _socket = place.open().unwrap();
        assert_eq!(place.ask(&vec![b'x'; REQUEST_MAX + 8192]), b"");
        let mut gone = UnixStream::connect(place.path()).unwrap();
        gone.write_all(b"half a req").unwrap();
        drop(gone);
        assert_eq!(place.ask(b"me\0"), b"\0\0\0\x02ME");
    }

    #[test]
    fn its_end_does_not_wait_for_those_who_are_silent() {
        let place = Place::new("silent");
        let socket = place.open().unwrap();
        let mut silent = UnixStream::connect(place.path()).unwrap();
        silent.write_all(b"{").unwrap();
        let before = clock::monotonic();
        drop(socket);
        assert!(clock::monotonic().since(before) < PATIENCE / 2);
        let mut left = Vec::new();
        let _ = silent.read_to_end(&mut left);
        assert_eq!(left, b"");
    }

    #[test]
    fn a_socket_left_behind_is_replaced_and_one_in_use_or_a_file_is_not() {
        let place = Place::new("stale");
        drop(std::os::unix::net::UnixListener::bind(place.path()).unwrap());
        let socket = place.open().unwrap();
        let refused = place.open().map(drop).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(place.ask(b"a\0"), b"\0\0\0\x01A");
        drop(socket);
        std::fs::write(place.path(), "precious").unwrap();
        let refused = place.open().map(drop).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(place.path()).unwrap(), b"precious");
    }

    #[test]
    fn a_request_may_close_the_socket_that_it_came_by() {
        let place = Place::new("itself");
        let (sender, receiver) = mpsc::channel::<AdminSocket>();
        let (closed, told) = mpsc::channel();
        let socket = AdminSocket::open(&place.path(), move |_| {
            drop(receiver.recv().unwrap());
            closed.send(()).unwrap();
            b"closed".to_vec()
        });
        sender.send(socket.unwrap()).unwrap();
        assert_eq!(place.ask(b"close\0"), b"\0\0\0\x06closed");
        told.recv().unwrap();
        assert!(!place.path().exists());
    }
}
