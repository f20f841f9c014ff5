//! `msgr_messenger`: an endpoint's life.

use std::ffi::{c_char, c_int};

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, msgr_conn, msgr_ctx, msgr_messenger};
use super::policy::entity_type;
use crate::{ConnectOptions, EntityAddrVec, Messenger};

/// Makes a messenger.
///
/// `entity` is who it speaks for, "osd.0" or "client.admin"; `lname` is a name
/// for the log, "client"; `nonce` makes its addresses differ from those of an
/// earlier process on the same port: the process id will do, or a random
/// number. Only its low 32 bits travel.
///
/// `*out` gets a reference that belongs to the caller, NULL on failure.
/// Returns 0; -EINVAL for an entity that is none; an errno if the context's
/// workers could not be started. Any thread. Ceph: `Messenger::create`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_create(
    ctx: *mut msgr_ctx,
    entity: *const c_char,
    lname: *const c_char,
    nonce: u64,
    out: *mut *mut msgr_messenger,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(out, || {
            let ctx = handle::share(ctx)?;
            Ok(Messenger::create(
                &ctx,
                handle::text(entity)?,
                handle::text(lname)?,
                nonce,
            )?)
        })
    })
}

/// Adds a reference. Returns `messenger`, NULL for NULL. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_ref(messenger: *mut msgr_messenger) -> *mut msgr_messenger {
    // SAFETY: the caller's promise is the callee's.
    guard_or(std::ptr::null_mut(), || unsafe {
        handle::add_ref(messenger)
    })
}

/// Drops a reference; NULL is ignored. The last one shuts the messenger down
/// and waits for it; in a callback it does not wait. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_unref(messenger: *mut msgr_messenger) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        drop(unsafe { handle::take(messenger) }?);
        Ok(())
    });
}

/// Listens on the given addresses.
///
/// `addrs` is "v2:127.0.0.1:6800", "v2:[::1]:0", or several in brackets with
/// commas between: "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]". IPs are numeric.
/// Port 0 takes a free one of the range ms_bind_port_min to ms_bind_port_max;
/// `msgr_get_myaddrs` tells which. Accepting begins with the first dispatcher.
///
/// A v1 address is listened at for peers that speak the first protocol.
///
/// Returns 0; -EINVAL for a malformed address, or a kind of address that cannot be
/// listened on; -EADDRINUSE; -EALREADY if it is bound or started already;
/// -ESHUTDOWN. Any thread. Ceph: `Messenger::bindv`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_bind(messenger: *mut msgr_messenger, addrs: *const c_char) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::borrow(messenger)?.bind(&addresses(handle::text(addrs)?)?)?;
        Ok(0)
    })
}

/// As `msgr_bind`, passing over `count` ports where it looks for a free one,
/// so that a daemon comes back under another than it had.
///
/// `avoid_ports` is read during the call only; NULL is legal if `count` is 0.
/// Returns as `msgr_bind`. Any thread. Ceph: the `avoid_ports` of
/// `AsyncMessenger::bind`.
///
/// # Safety
/// By the conventions; `avoid_ports` is NULL or readable for `count` numbers.
#[no_mangle]
pub unsafe extern "C" fn msgr_bind_avoiding(
    messenger: *mut msgr_messenger,
    addrs: *const c_char,
    avoid_ports: *const u16,
    count: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let avoid: Vec<u16> = handle::items(avoid_ports, count)?.to_vec();
        let addrs = addresses(handle::text(addrs)?)?;
        handle::borrow(messenger)?.bind_avoiding(&addrs, &avoid)?;
        Ok(0)
    })
}

/// Sets what the messenger calls itself, where that is not what it is bound to:
/// behind address translation or a forwarder. Peers dial and compare these.
///
/// `addrs` is written as for `msgr_bind`; a port of 0 stands for the bound port
/// at the same place, and nonces become the messenger's own. After `msgr_bind`
/// and before `msgr_start`.
///
/// Returns 0; -EINVAL for addresses that nobody could dial; -EOPNOTSUPP for a
/// protocol that is not listened for; -EBUSY once started; -ESHUTDOWN.
/// Any thread. Ceph: `Messenger::set_addrs`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_addrs(
    messenger: *mut msgr_messenger,
    addrs: *const c_char,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::borrow(messenger)?.set_addrs(&addresses(handle::text(addrs)?)?)?;
        Ok(0)
    })
}

/// Starts the messenger: from here on it may dial and deliver.
///
/// It may come before or after the first dispatcher, and after
/// `msgr_bind` only. Returns 0; -EALREADY if started; -ESHUTDOWN. Any thread.
/// Ceph: `Messenger::start`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_start(messenger: *mut msgr_messenger) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        handle::borrow(messenger)?
            .start()
            .map(|()| 0)
            .map_err(Into::into)
    })
}

/// Closes all connections and stops listening; delivers no more. It does not
/// wait for callbacks that run at this moment: `msgr_wait` does.
///
/// Returns 0, also when it is shut down already. Any thread, also in
/// callbacks. Ceph: `Messenger::shutdown`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_shutdown(messenger: *mut msgr_messenger) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        handle::borrow(messenger)?
            .shutdown()
            .map(|()| 0)
            .map_err(Into::into)
    })
}

/// Waits until the messenger is shut down, by whichever thread. After it no
/// callback of this messenger runs or will run, but for `release`.
///
/// Returns 0, at once if it was never started; -EDEADLK in a callback. Several
/// threads may wait. Ceph: `Messenger::wait`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_wait(messenger: *mut msgr_messenger) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        handle::borrow(messenger)?
            .wait()
            .map(|()| 0)
            .map_err(Into::into)
    })
}

/// Writes the messenger's own addresses into `buf`, in the form that
/// `msgr_connect` takes: what `msgr_set_addrs` said, or what it is bound to,
/// ports filled in.
///
/// Returns the text's length without its NUL; -ENAMETOOLONG if it does not fit
/// into `len` bytes, and then nothing is written. Any thread, also in
/// callbacks. Ceph: `Messenger::get_myaddrs`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_get_myaddrs(
    messenger: *mut msgr_messenger,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let addrs = handle::borrow(messenger)?.myaddrs();
        handle::fill(buf, len, &addrs.to_string())
    })
}

/// The connection to a peer: the one there is, or a new one, which begins to
/// dial. It does not wait; messages may be sent at once.
///
/// `peer_type` (`MSGR_ENTITY_...`) is what the peer must be and chooses the
/// policy; `addrs` is written as for `msgr_bind`: all that the peer has. They
/// are tried in order, those of v2 first, while nobody is there, or nobody who
/// speaks the protocol; those of v1 by a lossless policy only if nobody listens at
/// those of v2, or somebody who speaks v1. The messenger's own address gives its
/// loopback connection.
///
/// `*out` gets a reference that belongs to the caller, NULL on failure.
/// Returns 0; -EINVAL, also for addresses without one to dial;
/// -ENOTCONN if the messenger is not started; -ESHUTDOWN. That the peer
/// cannot be reached is no error here: see `handle_refused` and
/// `handle_reset`. Any thread, also in callbacks. Ceph:
/// `Messenger::connect_to`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_connect(
    messenger: *mut msgr_messenger,
    peer_type: c_int,
    addrs: *const c_char,
    out: *mut *mut msgr_conn,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(out, || {
            let addrs = addresses(handle::text(addrs)?)?;
            Ok(handle::borrow(messenger)?.connect(entity_type(peer_type)?, &addrs)?)
        })
    })
}

/// For `msgr_connect_with`: a new connection for this caller alone, whatever
/// others there are to that peer.
pub const MSGR_CONNECT_ANONYMOUS: u32 = 1;
/// For `msgr_connect_with`: dial also if the addresses are the messenger's own.
pub const MSGR_CONNECT_NOT_LOCAL: u32 = 2;

/// As `msgr_connect`, with `flags`: 0, or several of `MSGR_CONNECT_...` joined by
/// `|`.
///
/// Returns as `msgr_connect`; -EINVAL also for an unknown flag. Any thread, also
/// in callbacks. Ceph: `Messenger::connect_to` with `anon` and
/// `not_local_dest`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_connect_with(
    messenger: *mut msgr_messenger,
    peer_type: c_int,
    addrs: *const c_char,
    flags: u32,
    out: *mut *mut msgr_conn,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(out, || {
            if flags & !(MSGR_CONNECT_ANONYMOUS | MSGR_CONNECT_NOT_LOCAL) != 0 {
                return Err(Refusal::of(libc::EINVAL, "a flag is unknown"));
            }
            let options = ConnectOptions {
                anonymous: flags & MSGR_CONNECT_ANONYMOUS != 0,
                not_local: flags & MSGR_CONNECT_NOT_LOCAL != 0,
            };
            let (kind, addrs) = (entity_type(peer_type)?, addresses(handle::text(addrs)?)?);
            Ok(handle::borrow(messenger)?.connect_with(kind, &addrs, options)?)
        })
    })
}

/// Closes every connection but the one to itself, at once and as
/// `msgr_conn_mark_down` does, except that `handle_reset` tells of each.
///
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::mark_down_all`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_mark_down_all(messenger: *mut msgr_messenger) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(messenger)? }.mark_down_all();
        Ok(0)
    })
}

/// The same for the connection to the peer with just these addresses, which are
/// written as for `msgr_connect`; if there is none, nothing happens. Anonymous
/// connections stay.
///
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::mark_down_addrs`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_mark_down_addrs(
    messenger: *mut msgr_messenger,
    addrs: *const c_char,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let addrs = addresses(handle::text(addrs)?)?;
        handle::borrow(messenger)?.mark_down_addrs(&addrs);
        Ok(0)
    })
}

/// Goes on as another incarnation, as a daemon does that its cluster took for
/// dead: listens at other ports, adds 1000000 to the nonce, and closes every
/// connection as `msgr_mark_down_all` does.
///
/// The new ports are free ones of the range that `msgr_bind` searches, none of
/// the `count` in `avoid_ports` and none that it had; `msgr_get_myaddrs` tells
/// which. IPs that `msgr_set_addrs` said or that were learned stay. NULL is legal
/// if `count` is 0.
///
/// Returns 0; -EINVAL, also if it is not bound; -EADDRINUSE; -EDEADLK on a
/// worker, that is, in a fast callback; -ESHUTDOWN. After a failure all is as it
/// was. Any other thread. Ceph: `Messenger::rebind`.
///
/// # Safety
/// By the conventions; `avoid_ports` is NULL or readable for `count` numbers.
#[no_mangle]
pub unsafe extern "C" fn msgr_rebind(
    messenger: *mut msgr_messenger,
    avoid_ports: *const u16,
    count: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let avoid: Vec<u16> = handle::items(avoid_ports, count)?.to_vec();
        handle::borrow(messenger)?.rebind(&avoid)?;
        Ok(0)
    })
}

/// The same for a messenger that is not bound: another nonce, and the end of
/// every connection.
///
/// Returns 0; -EINVAL; -EALREADY if it is bound; -ESHUTDOWN. Any thread, also in
/// callbacks. Ceph: `Messenger::client_reset`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_client_reset(messenger: *mut msgr_messenger) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(messenger)? }.client_reset()?;
        Ok(0)
    })
}

/// The connection of a messenger to itself. What is sent on it is dispatched
/// like any other message, without a network.
///
/// `*out` gets a reference that belongs to the caller, NULL on failure.
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::get_loopback_connection`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_get_loopback_connection(
    messenger: *mut msgr_messenger,
    out: *mut *mut msgr_conn,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe { handle::give(out, || Ok(handle::borrow(messenger)?.loopback_connection())) })
}

/// How many messages wait for the dispatch thread, or -EINVAL. Any thread,
/// also in callbacks. Ceph: `Messenger::get_dispatch_queue_len`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_dispatch_queue_len(messenger: *mut msgr_messenger) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let waiting = unsafe { handle::borrow(messenger)? }.dispatch_queue_len();
        Ok(c_int::try_from(waiting).unwrap_or(c_int::MAX))
    })
}

/// How long the oldest of them has waited, in nanoseconds; 0 if none does, and for
/// NULL. Messages count, events do not. Any thread, also in callbacks. Ceph:
/// `Messenger::get_dispatch_queue_max_age`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_dispatch_queue_max_age(messenger: *const msgr_messenger) -> u64 {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        let age = unsafe { handle::borrow(messenger)? }.dispatch_queue_max_age();
        Ok(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
    })
}

/// Reads an argument with addresses.
pub(super) fn addresses(text: &str) -> Result<EntityAddrVec, Refusal> {
    text.parse()
        .map_err(|why| Refusal::new(libc::EINVAL, format!("'{text}': {why}")))
}
