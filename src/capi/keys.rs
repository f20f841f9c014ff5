//! Keyrings, and tickets by messages to and from monitors.

use std::ffi::{c_char, c_int};

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, msgr_conn, msgr_messenger, msgr_msg};
use super::message::MessageCell;
use crate::{AuthWant, EntityType};

/// Adds the text of a keyring file to the keys of a messenger, in place of what it
/// has of the same entities. Keys may also come from the options `keyring`,
/// `keyfile` and `key`. The key of "osd." is that of all OSDs together: who has it
/// needs no monitor to get to one.
///
/// Returns 0; -EINVAL for a text that is none of a keyring; -EBUSY after bind or
/// start. Nothing of the text is kept but the keys. Any thread. Ceph: `KeyRing`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_add_keyring(
    messenger: *mut msgr_messenger,
    text: *const c_char,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::borrow(messenger)?.add_keyring(handle::text(text)?)?;
        Ok(0)
    })
}

/// For msgr_auth_request: a number, and with cephx the first tickets. Needed on
/// connections of the first protocol; on the others it renews the ticket that the
/// others hang on.
pub const MSGR_AUTH_LOGIN: c_int = 1;
/// For msgr_auth_request: tickets for all kinds of services.
pub const MSGR_AUTH_TICKETS: c_int = 2;
/// For msgr_auth_request, by a daemon: the keys that open its clients' tickets.
pub const MSGR_AUTH_ROTATING_KEYS: c_int = 3;

/// Makes a message that asks the monitor at the other end for MSGR_AUTH_*: send it
/// there, on this connection. The reply, a message of type 18, goes to
/// `msgr_auth_handle_reply`.
///
/// `*out` gets a reference that belongs to the caller, NULL on failure. Returns 0;
/// -EINVAL; -EACCES without the key or the ticket that it takes. Any thread, also
/// in callbacks. Ceph: `MonClient`, `MAuth`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_request(
    monitor: *mut msgr_conn,
    want: c_int,
    out: *mut *mut msgr_msg,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(out, || {
            let want = match want {
                MSGR_AUTH_LOGIN => AuthWant::Login,
                MSGR_AUTH_TICKETS => AuthWant::Tickets,
                MSGR_AUTH_ROTATING_KEYS => AuthWant::RotatingKeys,
                _ => {
                    return Err(Refusal::of(
                        libc::EINVAL,
                        "nothing to ask for has that number",
                    ));
                }
            };
            let request = handle::borrow(monitor)?.auth_request(want)?;
            Ok(MessageCell::new(Box::new(request), None))
        })
    })
}

/// Takes a monitor's reply to such a message. What it brings is kept for all
/// connections of the messenger.
///
/// `*next` gets a message to be sent to the monitor in turn, whose reference
/// belongs to the caller, or NULL. Returns 1 with a next message, 0 without: it is
/// done; -EINVAL for another message; -EACCES if the monitor has declined, or has
/// not proved that it knows our key. Any thread, also in callbacks. Ceph:
/// `MAuthReply`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_handle_reply(
    monitor: *mut msgr_conn,
    reply: *const msgr_msg,
    next: *mut *mut msgr_msg,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give_any(next, || {
            let reply = handle::borrow(reply)?.lock();
            let next = handle::borrow(monitor)?.auth_reply(&reply)?;
            Ok(next.map(|next| MessageCell::new(Box::new(next), None)))
        })
    })
}

/// For a messenger that is a monitor: makes the reply to a client's message of
/// type 17, which authenticates it or gives it tickets. Whom it has proved to be
/// is what `msgr_conn_auth_name` says from then on.
///
/// `*reply` gets a message to be sent to the client, whose reference belongs to
/// the caller, NULL on failure. A client that is denied gets a reply, too. Returns
/// 0 or -EINVAL. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_serve(
    client: *mut msgr_conn,
    request: *const msgr_msg,
    reply: *mut *mut msgr_msg,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(reply, || {
            let request = handle::borrow(request)?.lock();
            let reply = handle::borrow(client)?.auth_serve(&request)?;
            Ok(MessageCell::new(Box::new(reply), None))
        })
    })
}

/// For a daemon: seconds until the keys that open its clients' tickets should be asked
/// for anew, by `msgr_auth_request` with MSGR_AUTH_ROTATING_KEYS: 0 for now, since the
/// key in use has expired. Clients are denied once their tickets are made by keys that
/// have not come, which is logged.
///
/// Returns -ENOENT if there are none yet; -EINVAL. Any thread, also in callbacks. Ceph:
/// `RotatingKeyRing::need_new_secrets`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_keys_left(messenger: *mut msgr_messenger) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        let left = handle::borrow(messenger)?.rotating_keys_left();
        let left = left.ok_or(Refusal::of(
            libc::ENOENT,
            "no keys have come from a monitor",
        ))?;
        Ok(c_int::try_from(left.as_secs()).unwrap_or(c_int::MAX))
    })
}

/// Seconds until the ticket for services of that type (MSGR_ENTITY_*; 32 for the
/// ticket that the others hang on) should be renewed by `msgr_auth_request`: 0 for
/// now.
///
/// Returns -ENOENT if there is no ticket that is good; -EINVAL. Any thread, also
/// in callbacks. Ceph: `CephXTicketHandler::need_key`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_ticket_left(
    messenger: *mut msgr_messenger,
    service: c_int,
) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe {
        let service = u8::try_from(service).map(EntityType);
        let service = service.map_err(|_| Refusal::of(libc::EINVAL, "no service has that type"))?;
        let left = handle::borrow(messenger)?.ticket_left(service);
        let left = left.ok_or(Refusal::of(libc::ENOENT, "there is no good ticket for it"))?;
        Ok(c_int::try_from(left.as_secs()).unwrap_or(c_int::MAX))
    })
}
