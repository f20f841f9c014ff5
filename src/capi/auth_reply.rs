//! `msgr_auth_reply`: the answers to what an authentication asks the program.

use std::ffi::{c_char, c_int, c_void};

use super::auth::msgr_auth_reply;
use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, Extensible};
use crate::{Agreed, AuthAnswer, AuthName, Secret, SessionKey};

/// What an authentication has brought. Begin with `struct_size`; what is zero was
/// not brought. Nothing in it is kept: keys are copied, and wiped when they go.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct msgr_auth_result {
    /// Bytes of this structure that are set.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// The dialler's number in the cluster.
    pub global_id: u64,
    /// Who the peer has proved to be, "client.admin"; NULL for nobody.
    pub entity: *const c_char,
    /// What it may do, as text; NULL for nothing.
    pub caps: *const c_char,
    /// A key that both ends know: it signs the handshake. 0 bytes: unsigned.
    pub session_key: *const c_void,
    /// Its length.
    pub session_key_len: usize,
    /// Where mode secure takes its keys from: at least 40 bytes, usually 64, and
    /// never the same for two connections.
    pub connection_secret: *const c_void,
    /// Its length.
    pub connection_secret_len: usize,
    /// An acceptor's last word to the dialler.
    pub payload: *const c_void,
    /// Its length.
    pub payload_len: usize,
}

// The layout is part of the ABI.
const _: () = assert!(size_of::<msgr_auth_result>() == 16 + 8 * size_of::<*const c_void>());

// SAFETY: it begins with a u32 and holds only integers and pointers, which are
// NULL when zero.
unsafe impl Extensible for msgr_auth_result {
    const MIN_SIZE: usize = 16;
}

/// Begins with that method, or tries that one next. `modes` are MSGR_CON_MODE_*,
/// the preferred one first; none stands for those that the options allow.
///
/// Takes `reply`, whatever it returns: 0, or -EINVAL, and then the answer is no.
/// Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_request(
    reply: *mut msgr_auth_reply,
    method: u32,
    modes: *const u32,
    mode_count: usize,
    payload: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        answer(reply, || {
            Ok(AuthAnswer::Request {
                method,
                modes: handle::items(modes, mode_count)?.to_vec(),
                payload: bytes(payload, len)?,
            })
        })
    })
}

/// Says that and listens on.
///
/// Takes `reply`, whatever it returns: 0, or -EINVAL, and then the answer is no.
/// Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_more(
    reply: *mut msgr_auth_reply,
    payload: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe { answer(reply, || Ok(AuthAnswer::More(bytes(payload, len)?))) })
}

/// The peer is known, and that is what both ends have agreed on.
///
/// Takes `reply`, whatever it returns: 0; -EINVAL or -E2BIG, and then the answer
/// is no. Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_done(
    reply: *mut msgr_auth_reply,
    result: *const msgr_auth_result,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe { answer(reply, || agreed(&handle::read_struct(result)?)) })
}

/// No, with a negative errno: a dialler gives up, an acceptor declines.
///
/// Takes `reply`, whatever it returns: 0, or -EINVAL. Any thread.
///
/// # Safety
/// By the conventions; `reply` is not used again.
#[no_mangle]
pub unsafe extern "C" fn msgr_auth_reply_fail(reply: *mut msgr_auth_reply, error: c_int) -> c_int {
    // SAFETY: the caller's promises are the callee's.
    guard(|| unsafe { answer(reply, || Ok(AuthAnswer::No(error.saturating_abs().max(1)))) })
}

/// Answers by what `make` makes of the caller's arguments; by no, if they are
/// refused.
///
/// # Safety
/// `reply` is a handle by the conventions, with a reference that belongs to the
/// caller, who must not use it again.
unsafe fn answer(
    reply: *mut msgr_auth_reply,
    make: impl FnOnce() -> Result<AuthAnswer, Refusal>,
) -> Result<c_int, Refusal> {
    // SAFETY: the caller's promise is the callee's.
    let pending = unsafe { handle::take(reply) }?.ok_or(handle::NULL_HANDLE)?;
    let answered = Refusal::of(libc::EINVAL, "the question is answered already");
    let reply = pending.take().ok_or(answered)?;
    // A reply that is dropped says no.
    reply.answer(make()?);
    Ok(0)
}

/// # Safety
/// `raw` is NULL or readable for `len` bytes.
unsafe fn bytes(raw: *const c_void, len: usize) -> Result<Vec<u8>, Refusal> {
    // SAFETY: the caller's promise is the callee's; any bits are a byte.
    Ok(unsafe { handle::items(raw.cast::<u8>(), len)? }.to_vec())
}

/// # Safety
/// The pointers of `result` are by the conventions.
unsafe fn agreed(result: &msgr_auth_result) -> Result<AuthAnswer, Refusal> {
    if result.flags != 0 {
        return Err(Refusal::of(libc::EINVAL, "a flag of the result is unknown"));
    }
    // SAFETY: the caller's promises are the callees'.
    let (name, caps, key, secret, payload) = unsafe {
        let text = |raw: *const c_char| match raw.is_null() {
            true => Ok(None),
            false => handle::text(raw).map(Some),
        };
        (
            text(result.entity)?,
            text(result.caps)?.unwrap_or_default(),
            Secret::new(bytes(result.session_key, result.session_key_len)?),
            Secret::new(bytes(
                result.connection_secret,
                result.connection_secret_len,
            )?),
            bytes(result.payload, result.payload_len)?,
        )
    };
    let name: Option<AuthName> = match name.map(str::parse) {
        Some(Ok(name)) => Some(name),
        Some(Err(_)) => return Err(Refusal::of(libc::EINVAL, "the entity is no name")),
        None => None,
    };
    let given = |secret: Secret| Some(secret).filter(|secret| !secret.expose().is_empty());
    let agreed = Agreed {
        global_id: result.global_id,
        is_proved: name.is_some(),
        name,
        caps: caps.as_bytes().to_vec(),
        session_key: given(key).map(SessionKey::Host),
        connection_secret: given(secret),
    };
    Ok(AuthAnswer::Done(Box::new(agreed), payload))
}
