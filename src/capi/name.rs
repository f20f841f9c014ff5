//! Names that peers go by in sessions.

use std::ffi::{c_char, c_int};

use super::error::Refusal;
use super::guard::guard;
use super::handle;
use super::policy::entity_type;
use crate::EntityName;

/// Reads a name: "osd.3", or "client.?", whose number is not known and is -1.
///
/// `*type` gets the type (`MSGR_ENTITY_...`), `*num` the number. Returns 0;
/// -EINVAL, and then nothing is written. Any thread, also in callbacks. Ceph:
/// `entity_name_t::parse`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_name_parse(
    text: *const c_char,
    r#type: *mut c_int,
    num: *mut i64,
) -> c_int {
    guard(|| {
        // SAFETY: a text by the conventions.
        let text = unsafe { handle::text(text)? };
        let name: EntityName = text.parse().map_err(|_| {
            let why = "a name is TYPE.NUMBER or TYPE.? with TYPE one of mon, mds, osd, client, mgr";
            Refusal::new(libc::EINVAL, format!("'{text}': {why}"))
        })?;
        if r#type.is_null() || num.is_null() {
            return Err(Refusal::of(
                libc::EINVAL,
                "the pointer to the result is NULL",
            ));
        }
        // SAFETY: not NULL, so writable by the conventions.
        unsafe {
            r#type.write(name.kind.0.into());
            num.write(name.num);
        }
        Ok(0)
    })
}

/// Writes a name into `buf`: "osd.3", or "client.?" for a negative number.
///
/// Returns the text's length without its NUL; -EINVAL for no `MSGR_ENTITY_...`;
/// -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing is written.
/// Any thread, also in callbacks. Ceph: `operator<<(ostream&, entity_name_t)`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_name_format(
    r#type: c_int,
    num: i64,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    guard(|| {
        let name = EntityName::new(entity_type(r#type)?, num);
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::fill(buf, len, &name.to_string()) }
    })
}
