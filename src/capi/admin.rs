//! What an operator sees.

use std::ffi::{c_char, c_int};
use std::path::Path;

use super::guard::guard;
use super::handle::{self, msgr_ctx, msgr_messenger};

/// Writes what the messenger and its connections are doing into `buf`, as JSON with
/// the names of Ceph's `messenger dump`:
///
/// {"name": its `lname`, "messenger": {"nonce", "my_name", "my_addrs",
/// "listen_sockets", "dispatch_queue", "connections_count", "connections",
/// "anon_conns", "accepting_conns", "deleted_conns", "local_connection"}}
///
/// A member of "connections" has the addresses under which others find it, as
/// "addrvec", and itself as "async_connection"; the other lists hold connections as
/// they are. "accepting_conns" are those of which the program has not heard yet. Of
/// each is told: "state", "status", "conn_id", "worker_id", "peer", "socket_fd",
/// "socket_addr", "target_addr", "port", "protocol" (how far the handshake is, the
/// mode, crypto and compression), the "..._ago" since it last began and was active,
/// and on Linux "tcp_info", what the kernel knows; and, not in Ceph, "policy",
/// "session" (its cookies, the numbers of messages that came, went and are
/// acknowledged, and how many wait), "queued_bytes" as `msgr_conn_queued_bytes`,
/// "unsent_bytes", "held_bytes", "waits_for_throttle", "local_socket", "features" and
/// "last_fault". Later versions may add names. A session's cookies are its secret
/// where nothing else proves who a peer is: the text is for operators.
///
/// Workers tell of their connections a few at a time, so that the rest of the program
/// goes on; a connection that ends meanwhile is left out.
///
/// As `snprintf`: returns the text's whole length without its NUL and writes as
/// much of it as fits, always with a NUL unless `len` is 0, when `buf` may be
/// NULL. It is made anew by each call, and may have another length then. Or returns
/// -EINVAL, or -EDEADLK on a worker, in a fast callback. Any thread, also in other
/// callbacks. Ceph: `messenger dump`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_dump(
    messenger: *mut msgr_messenger,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let dump = handle::borrow(messenger)?.dump()?;
        handle::fill_part(buf, len, &dump)
    })
}

/// Opens a socket of the Unix domain at `path`, at which tools ask this process as
/// they ask a daemon of Ceph's: `ceph --admin-daemon PATH help`. With `path` NULL it is
/// closed again, and its file removed; it is also with the context's last reference,
/// but not if the process ends without that: the next one replaces what is left.
///
/// Commands, all under Ceph's names: `help`, `get_command_descriptions`, `version`,
/// `perf dump [logger] [counter]`, `perf schema`, `perf reset <all|logger>`, `config
/// show`, `config get <option>`, `config set <option> <value>`, and `messenger dump
/// [name] [tcp_info]`, which without a name lists the `lname`s that there are. `config
/// set debug_ms` sets how much the whole process logs, as `msgr_set_log_level`.
/// Observers of options are called on the thread that serves the socket, which is the
/// socket's own and sleeps when nobody asks. Requests come one at a time, with 64 KiB
/// and 5 seconds for each.
///
/// Only the process's user and root can connect: the file gets mode 0600. The folder
/// should be one to which nobody else may write. Keys are not shown.
///
/// When a call with NULL returns, no command is under way, unless it was made in an
/// observer that such a command has called.
///
/// Returns 0, also for closing what is not open; -EINVAL, also for a path longer than
/// the system's sockets take; -EALREADY if there is one; -EADDRINUSE if somebody
/// listens there, -EEXIST if something else is there; or another errno of making it.
/// Any thread, also in callbacks. Ceph: `AdminSocket::init`, the option `admin_socket`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_admin_socket(ctx: *mut msgr_ctx, path: *const c_char) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let ctx = unsafe { handle::share(ctx)? };
        if path.is_null() {
            ctx.close_admin_socket();
            return Ok(0);
        }
        // SAFETY: as above.
        let path = unsafe { handle::text(path)? };
        ctx.open_admin_socket(Path::new(path))?;
        Ok(0)
    })
}
