//! What a messenger is called, and how it goes about its work.

use std::ffi::{c_char, c_int};

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, msgr_ctx, msgr_messenger, msgr_msg};
use super::message::MessageCell;
use super::messenger::addresses;
use super::policy::entity_type;
use crate::EntityName;

/// The context that the messenger was made in, lent for as long as the messenger
/// is there: keep it with `msgr_ctx_ref`. NULL for NULL. Any thread, also in
/// callbacks. Ceph: `Messenger::cct`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_get_ctx(messenger: *const msgr_messenger) -> *mut msgr_ctx {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        Ok(handle::lend(messenger.context()))
    })
}

/// Writes what the messenger calls itself in sessions: "osd.0", or "client.?" while
/// it has no number. A client's number is what `msgr_set_myname` said, or else what
/// a monitor has given it.
///
/// Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does not
/// fit into `len` bytes, and then nothing is written. Any thread, also in
/// callbacks. Ceph: `Messenger::get_myname`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_myname(
    messenger: *const msgr_messenger,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let name = handle::borrow(messenger)?.myname();
        handle::fill(buf, len, &name.to_string())
    })
}

/// The type in that name (`MSGR_ENTITY_...`), or -EINVAL. Any thread, also in
/// callbacks. Ceph: `Messenger::get_mytype`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_mytype(messenger: *const msgr_messenger) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(messenger)? }.myname().kind.0.into()))
}

/// The number in that name; -1 while it has none and for NULL. Any thread, also in
/// callbacks. Ceph: `Messenger::get_myname().num()`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_mynum(messenger: *const msgr_messenger) -> i64 {
    guard_or(-1, || {
        // SAFETY: the caller's promise is the callee's.
        Ok(unsafe { handle::borrow(messenger)? }.myname().num)
    })
}

/// Changes the number in that name; "mds.?" takes it back. Peers hear of it with
/// the next handshake. What the messenger authenticates as stays.
///
/// Returns 0; -EINVAL, also for another type than the messenger was made with. Any
/// thread, also in callbacks, at any time. Ceph: `Messenger::set_myname`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_myname(
    messenger: *mut msgr_messenger,
    name: *const c_char,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (messenger, text) = unsafe { (handle::borrow(messenger)?, handle::text(name)?) };
        let name: EntityName = text
            .parse()
            .map_err(|why| Refusal::new(libc::EINVAL, format!("'{text}': {why}")))?;
        messenger.set_myname(name)?;
        Ok(0)
    })
}

/// The priority, 0 to 255, that messages are sent with whose own is 0, as
/// `msgr_msg_set_priority` may leave it; a new message has `MSGR_PRIO_DEFAULT`, and
/// that is also what this is if nothing is said.
///
/// Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::set_default_send_priority`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_default_send_priority(
    messenger: *mut msgr_messenger,
    priority: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        let given = u8::try_from(priority);
        let given = given.map_err(|_| Refusal::of(libc::EINVAL, "priorities end at 255"))?;
        messenger.set_default_send_priority(given.into());
        Ok(0)
    })
}

/// The priority that packets have in the queues of this host (SO_PRIORITY), and
/// with it the mark of network control (class CS6); negative for neither. It holds
/// for sockets that are made from now on. A kernel that refuses it (above 6 it wants
/// CAP_NET_ADMIN) is not insisted with.
///
/// Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::set_socket_priority`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_socket_priority(
    messenger: *mut msgr_messenger,
    priority: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(messenger)? }.set_socket_priority(priority);
        Ok(0)
    })
}

/// The version of the first protocol that a peer of the messenger's own type must
/// speak, too. If nothing is said it is that of Ceph's monitors, OSDs and metadata
/// servers.
///
/// Returns 0; -EINVAL; -EBUSY once bound or started. Any thread. Ceph:
/// `Messenger::set_cluster_protocol`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_cluster_protocol(
    messenger: *mut msgr_messenger,
    version: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        let version = u32::try_from(version);
        let version = version.map_err(|_| Refusal::of(libc::EINVAL, "no version is negative"))?;
        messenger.set_cluster_protocol(version)?;
        Ok(0)
    })
}

/// 0: a peer that dials and shows nothing at all is let in, as nobody, whatever
/// methods are required; only where readable links are allowed
/// (`msgr_conn_is_authenticated` says 0 of it). A peer that shows something is
/// examined as ever. 1 is the default: nobody is.
///
/// Returns 0; -EINVAL; -EBUSY once bound or started. Any thread. Ceph:
/// `Messenger::set_require_authorizer`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_require_authorizer(
    messenger: *mut msgr_messenger,
    required: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        let required = match required {
            0 => false,
            1 => true,
            _ => return Err(Refusal::of(libc::EINVAL, "the switch is neither 0 nor 1")),
        };
        messenger.set_require_authorizer(required)?;
        Ok(0)
    })
}

/// Lets a messenger that does not listen dial from an address of this host, if
/// `ms_bind_before_connect` is on; else it does nothing, and nothing for a messenger
/// that is bound. Of `addrs` the first is taken, and of that the IP: every connection
/// gets a port of its own.
///
/// Returns 0; -EINVAL for an address without an IP; -EALREADY once started;
/// -ESHUTDOWN. Any thread. Ceph: `Messenger::client_bind`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_client_bind(
    messenger: *mut msgr_messenger,
    addrs: *const c_char,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (messenger, text) = unsafe { (handle::borrow(messenger)?, handle::text(addrs)?) };
        messenger.client_bind(&addresses(text)?.front())?;
        Ok(0)
    })
}

/// Fills in the messenger's IPs where they are unknown, as after a bind to
/// 0.0.0.0: each with the first of `addrs` that is of the same family.
///
/// Returns 1 if it did, 0 if there was nothing to fill in, or nothing to fill it in
/// with; -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::set_addr_unknowns`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_addr_unknowns(
    messenger: *mut msgr_messenger,
    addrs: *const c_char,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (messenger, text) = unsafe { (handle::borrow(messenger)?, handle::text(addrs)?) };
        Ok(messenger.set_addr_unknowns(&addresses(text)?).into())
    })
}

/// 1 if peers should be dialled by their msgr2 addresses; 0 for a messenger that
/// listens in v1 alone, since they could not dial back; -EINVAL. `msgr_connect`
/// does so by itself. Any thread, also in callbacks. Ceph:
/// `Messenger::should_use_msgr2`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_should_use_msgr2(messenger: *const msgr_messenger) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        Ok(unsafe { handle::borrow(messenger)? }
            .should_use_msgr2()
            .into())
    })
}

/// Sends a message on the connection that `msgr_connect` would give.
///
/// Takes the caller's reference to the message, whatever it returns. Returns as
/// `msgr_connect` and `msgr_send`. Any thread, also in callbacks. Ceph:
/// `Messenger::send_to`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_send_to(
    messenger: *mut msgr_messenger,
    msg: *mut msgr_msg,
    peer_type: c_int,
    addrs: *const c_char,
) -> c_int {
    guard(|| {
        // First of all, so that no way out keeps the caller's reference.
        // SAFETY: the caller's promise is the callee's.
        let cell = unsafe { handle::take(msg) };
        // SAFETY: as above.
        let (messenger, text) = unsafe { (handle::borrow(messenger)?, handle::text(addrs)?) };
        let (kind, addrs) = (entity_type(peer_type)?, addresses(text)?);
        let cell = cell?.ok_or(handle::NULL_HANDLE)?;
        messenger.send_to(MessageCell::into_message(cell), kind, &addrs)?;
        Ok(0)
    })
}
