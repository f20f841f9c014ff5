//! The handles, and the only casts between C's pointers and Rust's references.
//!
//! The handle types have no layout that C sees (no `repr(C)`, so that the
//! header only names them): C holds pointers to them and nothing else.

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::error::Refusal;
use super::message::MessageCell;
use crate::{Connection, Context, Messenger, Origin, SharedThrottle};

/// What messengers share: options and worker threads. Ceph's `CephContext`, as
/// far as a messenger needs one.
#[expect(non_camel_case_types, reason = "the name C knows")]
pub struct msgr_ctx {
    _private: [u8; 0],
}

/// An endpoint with a name, addresses and connections. Ceph's `Messenger`.
#[expect(non_camel_case_types, reason = "the name C knows")]
pub struct msgr_messenger {
    _private: [u8; 0],
}

/// A connection to one peer. Equal pointers are the same connection, and as
/// long as a reference is held no other connection gets that pointer. Ceph's
/// `Connection`.
#[expect(non_camel_case_types, reason = "the name C knows")]
pub struct msgr_conn {
    _private: [u8; 0],
}

/// A message: a few numbers and three segments of bytes. Ceph's `Message`.
#[expect(non_camel_case_types, reason = "the name C knows")]
pub struct msgr_msg {
    _private: [u8; 0],
}

/// Bytes with a count of those who refer to them, which may be parts of several
/// messages.
#[expect(non_camel_case_types, reason = "the name C knows")]
pub struct msgr_buf {
    _private: [u8; 0],
}

/// A budget, shared by whoever holds it. Ceph's `Throttle`.
#[expect(non_camel_case_types, reason = "the name C knows")]
pub struct msgr_throttle {
    _private: [u8; 0],
}

/// A type that C sees only as a pointer, and what the pointer really is: one
/// count of an `Arc` of `Target`.
pub(super) trait Handle {
    type Target;

    /// The process that made it.
    fn origin(target: &Self::Target) -> Origin;

    /// What the last reference leaves behind in a child that inherited it. The
    /// end of most things is to stop threads and to tell event loops, which are
    /// the parent's: here they are just forgotten.
    fn abandon(target: Self::Target) {
        std::mem::forget(target);
    }
}

impl Handle for msgr_ctx {
    type Target = Context;

    fn origin(target: &Context) -> Origin {
        target.origin()
    }
}

impl Handle for msgr_messenger {
    type Target = Messenger;

    fn origin(target: &Messenger) -> Origin {
        target.origin()
    }
}

impl Handle for msgr_conn {
    type Target = Connection;

    fn origin(target: &Connection) -> Origin {
        target.origin()
    }
}

impl Handle for msgr_msg {
    type Target = MessageCell;

    fn origin(target: &MessageCell) -> Origin {
        target.origin()
    }

    fn abandon(target: MessageCell) {
        target.abandon();
    }
}

impl Handle for msgr_throttle {
    type Target = SharedThrottle;

    fn origin(target: &SharedThrottle) -> Origin {
        target.origin()
    }
}

pub(super) const NULL_HANDLE: Refusal = Refusal::of(libc::EINVAL, "a handle is NULL");

/// After a fork only the parent can use what it has made.
const INHERITED: Refusal = Refusal::of(
    libc::ECHILD,
    "the handle belongs to the process this one was forked from",
);

/// Gives C a reference of its own.
pub(super) fn into_raw<H: Handle>(owned: Arc<H::Target>) -> *mut H {
    Arc::into_raw(owned).cast_mut().cast()
}

/// The handle of something that C does not get a reference of.
pub(super) fn lend<H: Handle>(target: &Arc<H::Target>) -> *mut H {
    Arc::as_ptr(target).cast_mut().cast()
}

/// Looks at what a handle stands for, for the time of one call.
///
/// # Safety
/// `raw` is a handle by the conventions, for as long as `'a`.
pub(super) unsafe fn borrow<'a, H: Handle>(raw: *const H) -> Result<&'a H::Target, Refusal> {
    // SAFETY: a handle that is not NULL came from `into_raw` or `lend`, and a
    // reference keeps its target alive for the call.
    let target = unsafe { raw.cast::<H::Target>().as_ref() }.ok_or(NULL_HANDLE)?;
    match H::origin(target).is_here() {
        true => Ok(target),
        false => Err(INHERITED),
    }
}

/// A reference of our own besides the caller's.
///
/// # Safety
/// `raw` is a handle by the conventions.
pub(super) unsafe fn share<H: Handle>(raw: *const H) -> Result<Arc<H::Target>, Refusal> {
    // SAFETY: the caller's promise is the callee's.
    unsafe { borrow(raw)? };
    let raw = raw.cast::<H::Target>();
    // SAFETY: as in `borrow`; the count added here is the one `from_raw` owns.
    unsafe {
        Arc::increment_strong_count(raw);
        Ok(Arc::from_raw(raw))
    }
}

/// Adds a reference for C and returns the same handle; NULL for NULL.
///
/// # Safety
/// `raw` is a handle by the conventions.
pub(super) unsafe fn add_ref<H: Handle>(raw: *mut H) -> Result<*mut H, Refusal> {
    if !raw.is_null() {
        // SAFETY: the caller's promise is the callee's.
        std::mem::forget(unsafe { share(raw)? });
    }
    Ok(raw)
}

/// Takes C's reference back; `None` for NULL. An inherited one is given up.
///
/// # Safety
/// `raw` is a handle by the conventions, with a reference that belongs to the
/// caller, who must not use it again.
pub(super) unsafe fn take<H: Handle>(raw: *mut H) -> Result<Option<Arc<H::Target>>, Refusal> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: the reference given up here was made by `into_raw` or `add_ref`.
    let target = unsafe { Arc::from_raw(raw.cast_const().cast::<H::Target>()) };
    if H::origin(&target).is_here() {
        return Ok(Some(target));
    }
    if let Some(last) = Arc::into_inner(target) {
        H::abandon(last);
    }
    Err(INHERITED)
}

/// Writes a handle that belongs to the caller, or NULL, to an out-parameter.
///
/// # Safety
/// `out` is an out-parameter by the conventions.
pub(super) unsafe fn give<H: Handle>(
    out: *mut *mut H,
    make: impl FnOnce() -> Result<Arc<H::Target>, Refusal>,
) -> Result<c_int, Refusal> {
    // SAFETY: the caller's promise is the callee's.
    unsafe { give_any(out, || make().map(Some)) }.map(|_| 0)
}

/// The same if there is something to give: 1 then, and 0 if there is not.
///
/// # Safety
/// `out` is an out-parameter by the conventions.
pub(super) unsafe fn give_any<H: Handle>(
    out: *mut *mut H,
    make: impl FnOnce() -> Result<Option<Arc<H::Target>>, Refusal>,
) -> Result<c_int, Refusal> {
    // SAFETY: an out-parameter is NULL or writable; it may be uninitialised
    // and is not read.
    let put = |handle: *mut H| unsafe { out.write(handle) };
    if out.is_null() {
        return Err(Refusal::of(
            libc::EINVAL,
            "the pointer to the result is NULL",
        ));
    }
    put(std::ptr::null_mut());
    let made = make()?;
    let given = c_int::from(made.is_some());
    made.map(into_raw::<H>).into_iter().for_each(put);
    Ok(given)
}

/// Reads a text argument.
///
/// # Safety
/// `raw` is a text by the conventions, for as long as `'a`.
pub(super) unsafe fn text<'a>(raw: *const c_char) -> Result<&'a str, Refusal> {
    if raw.is_null() {
        return Err(Refusal::of(libc::EINVAL, "a text is NULL"));
    }
    // SAFETY: a text that is not NULL ends with a NUL byte.
    let text = unsafe { CStr::from_ptr(raw) };
    text.to_str()
        .map_err(|_| Refusal::of(libc::EINVAL, "a text is not UTF-8"))
}

/// A text as far as it is ASCII, as addresses are: what
/// follows one may be anything.
///
/// # Safety
/// `raw` is a text by the conventions, for as long as `'a`.
pub(super) unsafe fn leading_text<'a>(raw: *const c_char) -> Result<&'a str, Refusal> {
    if raw.is_null() {
        return Err(Refusal::of(libc::EINVAL, "a text is NULL"));
    }
    // SAFETY: a text that is not NULL ends with a NUL byte.
    let bytes = unsafe { CStr::from_ptr(raw) }.to_bytes();
    let ascii = bytes.iter().take_while(|byte| byte.is_ascii()).count();
    let (text, _) = bytes.split_at(ascii);
    std::str::from_utf8(text).map_err(|_| Refusal::of(libc::EINVAL, "a text is not UTF-8"))
}

/// Writes a text and its NUL to a caller's buffer; the text's length.
///
/// # Safety
/// `buf` is a buffer of `len` bytes by the conventions.
pub(super) unsafe fn fill(buf: *mut c_char, len: usize, text: &str) -> Result<c_int, Refusal> {
    if buf.is_null() {
        return Err(Refusal::of(libc::EINVAL, "the buffer is NULL"));
    }
    let too_short = Refusal::of(libc::ENAMETOOLONG, "the buffer is too short");
    let count = c_int::try_from(text.len()).map_err(|_| too_short.clone())?;
    if text.len() >= len {
        return Err(too_short);
    }
    // SAFETY: the buffer has room for the text and one byte more, and cannot
    // overlap with a text that lives in this library.
    unsafe {
        buf.cast::<u8>()
            .copy_from_nonoverlapping(text.as_ptr(), text.len());
        buf.add(text.len()).write(0);
    }
    Ok(count)
}

/// Writes as much of a text as fits, and a NUL, to a caller's buffer; the whole
/// text's length. It is ASCII, so that it may be cut anywhere.
///
/// # Safety
/// `buf` is a buffer of `len` bytes by the conventions, or NULL if `len` is 0.
pub(super) unsafe fn fill_part(buf: *mut c_char, len: usize, text: &str) -> Result<c_int, Refusal> {
    let count = c_int::try_from(text.len())
        .map_err(|_| Refusal::of(libc::ENAMETOOLONG, "the text is too long"))?;
    if len == 0 {
        return Ok(count);
    }
    let part = text.get(..text.len().min(len - 1)).unwrap_or_default();
    // SAFETY: the caller's promise is the callee's.
    unsafe { fill(buf, len, part) }?;
    Ok(count)
}

/// The items of a `(pointer, length)` pair: bytes, or numbers.
///
/// # Safety
/// `raw` is NULL or readable for `len` items for as long as `'a`, and any bits
/// are a legal `T`.
pub(super) unsafe fn items<'a, T>(raw: *const T, len: usize) -> Result<&'a [T], Refusal> {
    if len == 0 {
        return Ok(&[]);
    }
    if raw.is_null() {
        return Err(Refusal::of(libc::EINVAL, "the bytes are NULL"));
    }
    let size = len.checked_mul(size_of::<T>()).map(isize::try_from);
    if !matches!(size, Some(Ok(_))) {
        return Err(Refusal::of(
            libc::EINVAL,
            "the length is larger than memory",
        ));
    }
    // SAFETY: not NULL, not longer than an object may be, readable by the
    // conventions.
    Ok(unsafe { std::slice::from_raw_parts(raw, len) })
}

/// A structure whose first field is its size in bytes, so that it can grow.
///
/// # Safety
/// It begins with a `u32`, and all bytes zero are a value of it.
pub(super) unsafe trait Extensible: Copy {
    /// What the first version of the structure had at least.
    const MIN_SIZE: usize;
}

/// No structure will ever be longer; more is garbage in `struct_size`.
const MAX_STRUCT: usize = 4096;

/// Reads a structure that an older or a newer program may have written: what
/// it lacks is zero, what we do not know must be zero.
///
/// # Safety
/// `raw` is a structure by the conventions.
pub(super) unsafe fn read_struct<T: Extensible>(raw: *const T) -> Result<T, Refusal> {
    if raw.is_null() {
        return Err(Refusal::of(libc::EINVAL, "the structure is NULL"));
    }
    // SAFETY: every extensible structure begins with its size.
    let size = unsafe { raw.cast::<u32>().read_unaligned() } as usize;
    if size < T::MIN_SIZE {
        return Err(Refusal::of(
            libc::EINVAL,
            "struct_size is not set or too small",
        ));
    }
    if size > MAX_STRUCT {
        return Err(Refusal::of(libc::E2BIG, "struct_size is too large"));
    }
    // SAFETY: the structure is readable for as many bytes as it says.
    let given = unsafe { std::slice::from_raw_parts(raw.cast::<u8>(), size) };
    let (known, beyond) = given.split_at(size.min(size_of::<T>()));
    if beyond.iter().any(|byte| *byte != 0) {
        return Err(Refusal::of(
            libc::E2BIG,
            "the structure uses fields this msgr does not know",
        ));
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` is no longer than the value, and zero bytes are legal
    // for what is not covered.
    unsafe {
        value
            .as_mut_ptr()
            .cast::<u8>()
            .copy_from_nonoverlapping(known.as_ptr(), known.len());
        Ok(value.assume_init())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Grown {
        struct_size: u32,
        old: u32,
        new: u64,
    }

    // SAFETY: two integers after a u32.
    unsafe impl Extensible for Grown {
        const MIN_SIZE: usize = 8;
    }

    /// Reads from a buffer of exactly `words`, so that a read past its end
    /// would be seen by the memory checkers.
    fn read(words: &[u32]) -> Result<Grown, c_int> {
        let exact = words.to_vec();
        // SAFETY: the tests never claim more bytes than there are, or claim a
        // size that is refused before the bytes are touched.
        unsafe { read_struct(exact.as_ptr().cast()) }.map_err(|refusal| refusal.errno)
    }

    #[test]
    fn an_older_shorter_structure_is_padded_with_zeros() {
        let grown = read(&[8, 7]).unwrap();
        assert_eq!((grown.struct_size, grown.old, grown.new), (8, 7, 0));
    }

    #[test]
    fn a_newer_longer_structure_is_taken_only_if_the_rest_is_zero() {
        assert_eq!(read(&[24, 7, 1, 0, 0, 0]).unwrap().new, 1);
        assert_eq!(read(&[24, 7, 1, 0, 0, 9]).err(), Some(libc::E2BIG));
    }

    #[test]
    fn a_structure_size_that_cannot_be_is_refused_without_reading_on() {
        for (size, errno) in [
            (0, libc::EINVAL),
            (7, libc::EINVAL),
            (u32::MAX, libc::E2BIG),
        ] {
            assert_eq!(read(&[size]).err(), Some(errno), "{size}");
        }
    }

    #[test]
    fn a_text_is_written_whole_or_not_at_all() {
        let mut buf: [c_char; 4] = [1; 4];
        // SAFETY: the lengths given are within the buffer.
        let mut put = |len, text| unsafe { fill(buf.as_mut_ptr(), len, text) };
        assert_eq!(
            put(3, "abc").map_err(|refusal| refusal.errno),
            Err(libc::ENAMETOOLONG)
        );
        assert_eq!(
            put(0, "").map_err(|refusal| refusal.errno),
            Err(libc::ENAMETOOLONG)
        );
        assert_eq!(put(1, "").map_err(|refusal| refusal.errno), Ok(0));
        assert_eq!(put(4, "abc").map_err(|refusal| refusal.errno), Ok(3));
        assert_eq!(buf.map(|c| c as u8), *b"abc\0");
    }
}
