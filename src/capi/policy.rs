//! `msgr_policy`: what a messenger promises about connections.

use std::ffi::c_int;

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, Extensible, msgr_messenger};
use crate::{EntityType, Policy};

/// A monitor.
pub const MSGR_ENTITY_MON: c_int = 0x01;
/// A metadata server.
pub const MSGR_ENTITY_MDS: c_int = 0x02;
/// An object storage daemon.
pub const MSGR_ENTITY_OSD: c_int = 0x04;
/// A client.
pub const MSGR_ENTITY_CLIENT: c_int = 0x08;
/// A manager.
pub const MSGR_ENTITY_MGR: c_int = 0x10;

/// Dials. The first loss of an open link ends the connection: what was under
/// way in either direction is lost, the rest arrived once and in order, and
/// handle_reset is called. Before the link has been open, attempts go on.
pub const MSGR_POLICY_LOSSY_CLIENT: c_int = 1;
/// Dials, and at once again when the link is lost. Every message of a priority
/// arrives once and in the order it was sent, whatever happens to links, until
/// the peer says that it has lost the session: then handle_remote_reset is
/// called, what was queued and not acknowledged is gone, and the connection
/// goes on with a new session.
pub const MSGR_POLICY_LOSSLESS_CLIENT: c_int = 2;
/// Is dialled, and keeps what there is to send until the peer dials again, for
/// as long as that takes: end a connection that nobody will come back for with
/// `msgr_conn_mark_down`. The promise is that of the lossless client.
pub const MSGR_POLICY_STATEFUL_SERVER: c_int = 3;
/// Is dialled, and forgets a peer with its link. The promise is that of the
/// lossy client.
pub const MSGR_POLICY_STATELESS_SERVER: c_int = 4;
/// The same, with one connection per peer at a time: a newer one ends the older
/// with handle_reset.
pub const MSGR_POLICY_STATELESS_REGISTERED_SERVER: c_int = 5;
/// Either end dials, whoever has something to send; one session between the
/// two, also when both dial at once. The promise is that of the lossless
/// client, but when a peer that has restarted is the first to dial, what was
/// queued for it goes to its new incarnation, and nobody is told.
pub const MSGR_POLICY_LOSSLESS_PEER: c_int = 6;
/// The same, but a restart of the peer loses what was queued, and
/// handle_remote_reset tells of it.
pub const MSGR_POLICY_LOSSLESS_PEER_REUSE: c_int = 7;

/// The rules for connections with one kind of peer. Fill it with
/// `msgr_policy_init` and change what differs. Ceph's `Messenger::Policy`.
///
/// The switches are 0 or 1.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_policy {
    /// Bytes of this structure that are set.
    pub struct_size: u32,
    /// A fault ends the connection; nothing is sent twice.
    pub lossy: u32,
    /// This end never dials: it waits for the peer to come back.
    pub server: u32,
    /// With nothing to send after a fault, rest instead of dialling.
    pub standby: u32,
    /// Act on signs that the peer has lost its session.
    pub resetcheck: u32,
    /// A new lossy connection from a peer displaces its old one.
    pub register_lossy_clients: u32,
    /// Feature bits offered to the peer; 0 stands for all this library has.
    pub features_supported: u64,
    /// Feature bits without which a peer is turned away.
    pub features_required: u64,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_policy>() == 40);

// SAFETY: it begins with a u32 and holds only integers.
unsafe impl Extensible for msgr_policy {
    /// Up to and without `features_supported`: zero is a value of both masks.
    const MIN_SIZE: usize = 24;
}

impl From<Policy> for msgr_policy {
    fn from(policy: Policy) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is 40 bytes long")]
        Self {
            struct_size: size_of::<Self>() as u32,
            lossy: policy.lossy.into(),
            server: policy.server.into(),
            standby: policy.standby.into(),
            resetcheck: policy.resetcheck.into(),
            register_lossy_clients: policy.register.into(),
            features_supported: policy.features_supported,
            features_required: policy.features_required,
        }
    }
}

impl msgr_policy {
    /// The policy it describes, if it describes one.
    fn checked(self) -> Result<Policy, Refusal> {
        let switch = |value: u32| match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Refusal::of(
                libc::EINVAL,
                "a switch of the policy is neither 0 nor 1",
            )),
        };
        let features_supported = match self.features_supported {
            0 => Policy::lossy_client().features_supported,
            features => features,
        };
        Ok(Policy {
            lossy: switch(self.lossy)?,
            server: switch(self.server)?,
            standby: switch(self.standby)?,
            resetcheck: switch(self.resetcheck)?,
            register: switch(self.register_lossy_clients)?,
            features_supported,
            features_required: self.features_required,
        })
    }
}

/// The entity type with that number.
pub(super) fn entity_type(number: c_int) -> Result<EntityType, Refusal> {
    let kind = u8::try_from(number)
        .ok()
        .map(EntityType)
        .filter(|kind| kind.is_known());
    kind.ok_or_else(|| {
        Refusal::new(
            libc::EINVAL,
            format!("{number} is not one of the MSGR_ENTITY_ numbers"),
        )
    })
}

/// Fills a policy with one of Ceph's presets (`MSGR_POLICY_...`).
///
/// The structure need not be initialised. `struct_size` is set to the 40 bytes
/// that its first version has, whatever version the library is.
///
/// Returns 0; -EINVAL for NULL or an unknown preset, and then nothing is
/// written. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_policy_init(policy: *mut msgr_policy, preset: c_int) -> c_int {
    guard(|| {
        let chosen = match preset {
            MSGR_POLICY_LOSSY_CLIENT => Policy::lossy_client(),
            MSGR_POLICY_LOSSLESS_CLIENT => Policy::lossless_client(),
            MSGR_POLICY_STATEFUL_SERVER => Policy::stateful_server(),
            MSGR_POLICY_STATELESS_SERVER => Policy::stateless_server(),
            MSGR_POLICY_STATELESS_REGISTERED_SERVER => Policy::stateless_registered_server(),
            MSGR_POLICY_LOSSLESS_PEER => Policy::lossless_peer(),
            MSGR_POLICY_LOSSLESS_PEER_REUSE => Policy::lossless_peer_reuse(),
            _ => return Err(Refusal::of(libc::EINVAL, "no preset has that number")),
        };
        // SAFETY: the caller's promise is the callee's.
        unsafe { write(policy, chosen) }
    })
}

/// Writes the policy that holds for peers of one type (`MSGR_ENTITY_...`), of its
/// own or the default, to `*policy`, which need not be initialised: the 40 bytes
/// that its first version has.
///
/// Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::get_policy`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_get_policy(
    messenger: *const msgr_messenger,
    peer_type: c_int,
    policy: *mut msgr_policy,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let held = unsafe { handle::borrow(messenger)? }.policy(entity_type(peer_type)?);
        // SAFETY: as above.
        unsafe { write(policy, held) }
    })
}

/// The same for peers whose type has none of its own.
///
/// Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::get_default_policy`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_get_default_policy(
    messenger: *const msgr_messenger,
    policy: *mut msgr_policy,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let held = unsafe { handle::borrow(messenger)? }.default_policy();
        // SAFETY: as above.
        unsafe { write(policy, held) }
    })
}

/// Writes a policy to an out-parameter.
///
/// # Safety
/// `out` is an out-parameter by the conventions.
unsafe fn write(out: *mut msgr_policy, policy: Policy) -> Result<c_int, Refusal> {
    if out.is_null() {
        return Err(Refusal::of(libc::EINVAL, "the policy is NULL"));
    }
    // SAFETY: not NULL, so writable by the conventions.
    unsafe { out.write(policy.into()) };
    Ok(0)
}

/// Sets the policy for peers whose type has none of its own.
///
/// The structure is copied. Returns 0; -EINVAL; -E2BIG for a structure with
/// fields this library does not know; -EBUSY once the messenger is bound or
/// started. Any thread. Ceph: `Messenger::set_default_policy`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_default_policy(
    messenger: *mut msgr_messenger,
    policy: *const msgr_policy,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let policy = handle::read_struct(policy)?.checked()?;
        handle::borrow(messenger)?.set_default_policy(policy)?;
        Ok(0)
    })
}

/// Sets the policy for peers of one type (`MSGR_ENTITY_...`).
///
/// As `msgr_set_default_policy`, and -EINVAL for an unknown type. Ceph:
/// `Messenger::set_policy`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_policy(
    messenger: *mut msgr_messenger,
    peer_type: c_int,
    policy: *const msgr_policy,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let policy = handle::read_struct(policy)?.checked()?;
        handle::borrow(messenger)?.set_policy(entity_type(peer_type)?, policy)?;
        Ok(0)
    })
}

/// Limits what the peers of one type (`MSGR_ENTITY_...`) may have under way
/// together: `bytes` of payload, and `messages`; 0 is no limit.
///
/// What is beyond stays in the peers' sockets until there is room, each in its
/// turn. A received message counts until its last reference is given up or it
/// is sent on. One that is larger than the limit is read when no other counts,
/// so none is too large. A change holds from the next message on.
///
/// Returns 0; -EINVAL, also for an unknown type. Any thread, also in callbacks.
/// Ceph: `Messenger::set_policy_throttlers`, whose throttles are the caller's.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_policy_throttlers(
    messenger: *mut msgr_messenger,
    peer_type: c_int,
    bytes: u64,
    messages: u64,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let messenger = unsafe { handle::borrow(messenger)? };
        messenger.set_policy_throttlers(entity_type(peer_type)?, bytes, messages)?;
        Ok(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_survives_the_way_through_c() {
        for policy in [
            Policy::lossy_client(),
            Policy::stateful_server(),
            Policy::lossless_peer(),
        ] {
            assert_eq!(msgr_policy::from(policy).checked().unwrap(), policy);
        }
    }

    #[test]
    fn no_features_stand_for_all_and_a_switch_is_one_or_zero() {
        let mut policy = msgr_policy::from(Policy::lossy_client());
        policy.features_supported = 0;
        assert_eq!(policy.checked().unwrap(), Policy::lossy_client());
        policy.lossy = 2;
        assert_eq!(policy.checked().unwrap_err().errno, libc::EINVAL);
    }
}
