//! What a call can answer besides success.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// Why a call was refused: an errno for programs, one sentence for people.
///
/// These are answers to the caller only. What a peer or the network does wrong
/// is never an `Error`; it reaches the application through its dispatchers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    errno: i32,
    text: Cow<'static, str>,
}

/// The answer of a call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(errno: i32, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errno,
            text: text.into(),
        }
    }

    pub(crate) fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(libc::EINVAL, text)
    }

    /// An operating system error met while doing `what`.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or_else(|| match error.kind() {
            // Those that are made in this library.
            io::ErrorKind::PermissionDenied => libc::EACCES,
            io::ErrorKind::AddrInUse => libc::EADDRINUSE,
            io::ErrorKind::AlreadyExists => libc::EEXIST,
            io::ErrorKind::InvalidInput => libc::EINVAL,
            _ => libc::EIO,
        });
        Self::new(errno, format!("{what}: {error}"))
    }

    pub(crate) const fn shut_down() -> Self {
        Self {
            errno: libc::ESHUTDOWN,
            text: Cow::Borrowed("the messenger is shut down"),
        }
    }

    /// The errno, positive, as `<errno.h>` numbers it.
    pub fn errno(&self) -> i32 {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
