//! `msgr_ctx`: options and workers.

use std::ffi::{c_char, c_int};

use super::fork;
use super::guard::{guard, guard_or};
use super::handle::{self, msgr_ctx};
use super::log;
use crate::Context;

/// Makes a context with the default options.
///
/// A process usually has one. Its worker threads start with its first
/// messenger, serve all of them, and end with the last reference.
///
/// `*out` gets a reference that belongs to the caller, NULL on failure.
/// Returns 0 or -EINVAL. Any thread. Ceph: `new CephContext`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_ctx_create(out: *mut *mut msgr_ctx) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        handle::give(out, || {
            fork::watch();
            log::install();
            Ok(Context::new())
        })
    })
}

/// Adds a reference. Returns `ctx`, NULL for NULL. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_ctx_ref(ctx: *mut msgr_ctx) -> *mut msgr_ctx {
    // SAFETY: the caller's promise is the callee's.
    guard_or(std::ptr::null_mut(), || unsafe { handle::add_ref(ctx) })
}

/// Drops a reference; NULL is ignored. A messenger holds one of its own, so
/// a program may drop its reference once its messengers are made. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_ctx_unref(ctx: *mut msgr_ctx) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        drop(unsafe { handle::take(ctx) }?);
        Ok(())
    });
}

/// Sets an option by Ceph's name for it, as in "ms_async_op_threads", "2".
///
/// Sizes may be written 4K or 100M, durations in seconds, switches as true or
/// false. Some options are read only when the first messenger is made.
///
/// A messenger keeps what it was made with. Options of Ceph that mean nothing
/// here are taken and ignored.
///
/// Who may talk to whom, and how. Ceph's names; read when a messenger is made:
///
/// * `auth_cluster_required`, `auth_service_required`, `auth_client_required`:
///   methods between daemons, of a daemon for its clients, and of a client, in
///   the order of preference: "cephx", "none" or both. Unlike in Ceph the default
///   is empty: cephx if the messenger has any key, none otherwise.
/// * `keyring` (files, of which the first that exists is read), `keyfile`, `key`:
///   the messenger's keys. A key is never given back, logged or shown.
/// * `auth_mon_ticket_ttl` (259200 seconds), `auth_service_ticket_ttl` (3600): how
///   long the tickets are good that a messenger gives which is a monitor.
/// * `ms_cluster_mode`, `ms_service_mode`, `ms_client_mode` ("crc secure"), and
///   `ms_mon_cluster_mode`, `ms_mon_service_mode`, `ms_mon_client_mode` ("secure
///   crc"), which hold wherever a monitor or manager is one of the ends: whether
///   frames are encrypted, the preferred mode first. Encryption takes cephx.
/// * `cephx_sign_messages` (true), and `cephx_require_signatures`,
///   `cephx_cluster_require_signatures`, `cephx_service_require_signatures` (false):
///   whether messages of the first protocol are signed where cephx gives a key for
///   that, and whether a peer that cannot is turned away. `cephx_require_version` is
///   always 2.
/// * `ms_secure_only` (false; not in Ceph): encrypted and proved, or not at all,
///   in every role.
///
/// `ms_bind_before_connect` lets a messenger dial from its own address, as it is
/// told to peers, of the family that it dials. It must be one of this host's.
///
/// Faults on purpose may be asked for at any time, also of messengers that are
/// at work, and cost nothing while they are not:
///
/// * `ms_inject_socket_failures`: one read or write of a socket in so many
///   breaks its link; 0 for none.
/// * `ms_inject_internal_delays`: with the former, a worker stands still for so
///   many seconds at one in as many changes of a connection's state.
/// * `ms_inject_delay_type` ("osd client"), `ms_inject_delay_probability` (from
///   0 to 1), `ms_inject_delay_max`: what such peers send is held back with that
///   probability and for up to so many seconds; the order stays.
/// * `ms_blackhole_osd`, `_mon`, `_mds`, `_client`: messages to and from such
///   peers vanish. Sends succeed, and what comes is acknowledged.
///
/// Not in Ceph, and read when a messenger is made:
///
/// * `ms_connection_progress_timeout` (120 seconds, 0 for none): an open link on
///   which the peer takes or acknowledges nothing of what is sent, or stops
///   within a message, for so long counts as lost.
/// * `ms_connection_keepalive_interval` (0, none): a keepalive goes out when
///   nothing has come for so long.
/// * `ms_connection_keepalive_timeout` (10 seconds): the link counts as lost if
///   nothing comes for so long after such a keepalive.
/// * `ms_local_socket_dir` (none): a folder in which processes of one host meet
///   without its network. Who listens at 10.0.0.1:6800 listens also at the socket
///   10.0.0.1-6800.sock there, of mode 0600, and a peer on the same host that has
///   the same folder set dials that first. Addresses and all else stay as they
///   are. The folder must belong to the process's user or to root, nobody else
///   may write to it, and it must not be a symbolic link.
/// * `ms_tcp_congestion` (none: the system's): by what TCP controls how much is under
///   way, such as "reno", "cubic" or "bbr". A messenger is not made if the system does
///   not have that, or does not let this process use it.
/// * `ms_max_half_open` (4096, 0 for no limit): so many accepted connections may
///   be without a session at a time. For one more the oldest is closed.
/// * `ms_max_half_open_per_source` (256): so many of them from one IPv4 address
///   or one IPv6 network of 64 bits. As long as its oldest is younger than 5
///   seconds a source may have more, up to what `ms_max_half_open` leaves.
/// * `ms_max_handshake_bytes` (64K), `ms_max_handshake_frame_bytes` (16K, no
///   more), `ms_max_auth_attempts` (8): what a peer may send before it has a
///   session, in all and in one frame (in v1, one authorizer), and how often it may
///   ask to be authenticated. Beyond it the link ends.
/// * `ms_compress_mode` (none, or force), `ms_compress_min_size` (1K),
///   `ms_compression_algorithm` ("snappy", or a list with the preferred one
///   first, of snappy, zlib, zstd and lz4): messages of at least that size are
///   compressed on every link whose peer agrees. Ceph has the same for links
///   with OSDs alone, as `ms_osd_compress_mode` and so on; where that says
///   force it holds. With encryption only if `ms_compress_secure` is true.
/// * `ms_max_message_bytes` (1G): what a message may carry, sent or received.
///
/// Not in Ceph, and read when the first messenger is made:
///
/// * `ms_async_spin` (0 seconds, at most 0.001; 0.00005 is a good one): for so long
///   a worker goes on looking for events before it sleeps. A round trip between two
///   processors takes a fraction of the time then. It does so only while its
///   waits are about as short as that, and lets others have its processor.
///
/// Returns 0; -ENOENT for an unknown option; -EINVAL for a value that does not
/// fit it; -EBUSY for one that was read when the first messenger was made. Any
/// thread, also in callbacks. Ceph: `md_config_t::set_val`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_set(
    ctx: *mut msgr_ctx,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::borrow(ctx)?.conf_set(handle::text(key)?, handle::text(value)?)?;
        Ok(0)
    })
}

/// Reads an option as text into `buf`, with a NUL.
///
/// Returns the text's length without the NUL; -ENOENT for an unknown option;
/// -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing is
/// written. Any thread, also in callbacks. Ceph: `md_config_t::get_val`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_get(
    ctx: *mut msgr_ctx,
    key: *const c_char,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let value = handle::borrow(ctx)?.conf_get(handle::text(key)?)?;
        handle::fill(buf, len, &value)
    })
}
