//! Counters.

use std::ffi::{c_char, c_int};

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, msgr_ctx, msgr_messenger};
use crate::DumpFormat;

/// Format of a dump: JSON, in the shape of Ceph's `perf dump`.
pub const MSGR_FORMAT_JSON: c_int = 1;
/// Format of a dump: the text that a Prometheus server reads.
pub const MSGR_FORMAT_PROMETHEUS: c_int = 2;

/// Writes the messenger's counters into `buf`, as JSON in the shape of Ceph's
/// `perf dump`: an object of groups, each an object of numbers.
///
/// * "AsyncMessenger::osd.0", by the messenger's name: connections accepted
///   (`msgr_accepted`) and half open, those that limits have closed
///   (`msgr_half_open_evicted`, `msgr_half_open_evicted_per_source`,
///   `msgr_faults_auth_attempts`, `msgr_faults_handshake_too_long`,
///   `msgr_faults_frame_too_large`, `msgr_faults_message_too_large`), peers whose
///   authentication was turned down (`msgr_auth_denied`), lost links
///   by kind of reason (`msgr_faults_...`), and handshakes that took too long, by
///   how far they came (`msgr_ready_timeouts_...`).
/// * "AsyncMessenger::Worker-0" and so on: this messenger's messages, bytes and
///   connections on each worker. Messages count as sent when a worker gets them.
/// * "throttle-msgr_dispatch_throttler-..." by its `lname`: payload bytes that
///   wait for dispatch, and their limit.
///
/// Numbers only rise, but for `msgr_half_open`, `msgr_dispatch_queue_len`,
/// `msgr_active_connections` and `val`. They are read one after the other while
/// workers go on counting. Later versions may add groups and numbers.
///
/// As `snprintf`: returns the text's whole length without its NUL and writes as
/// much of it as fits, always with a NUL unless `len` is 0, when `buf` may be
/// NULL; or returns -EINVAL. Any thread, also in callbacks. Ceph: `perf dump`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_perf_dump(
    messenger: *mut msgr_messenger,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let dump = handle::borrow(messenger)?.perf_dump();
        handle::fill_part(buf, len, &dump)
    })
}

/// Reads one of those numbers: that of the name `name` in the group `group`.
///
/// Returns 0; -EINVAL; -ENOENT if there is none, and then nothing is written to
/// `*out`. Any thread, also in callbacks. Ceph: `PerfCounters::get`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_perf_get(
    messenger: *const msgr_messenger,
    group: *const c_char,
    name: *const c_char,
    out: *mut u64,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (messenger, group, name) = unsafe {
            (
                handle::borrow(messenger)?,
                handle::text(group)?,
                handle::text(name)?,
            )
        };
        if out.is_null() {
            return Err(Refusal::of(
                libc::EINVAL,
                "the pointer to the result is NULL",
            ));
        }
        let value = messenger.perf_get(group, name)?;
        // SAFETY: not NULL, so writable by the conventions.
        unsafe { out.write(value) };
        Ok(0)
    })
}

/// Lets those of the messenger's numbers that only rise begin at 0 again.
///
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph: `perf reset`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_perf_reset(messenger: *mut msgr_messenger) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(messenger)? }.perf_reset();
        Ok(0)
    })
}

/// Writes the counters of all messengers of the context, those of one worker added up,
/// in one of the forms `MSGR_FORMAT_...`.
///
/// In JSON the groups are those of `msgr_perf_dump`. For Prometheus a number's name is
/// made of its group's and its own, as in
/// ceph_AsyncMessenger_Worker_msgr_recv_messages{id="0"}.
///
/// As `snprintf`: returns the text's whole length without its NUL and writes as
/// much of it as fits, always with a NUL unless `len` is 0, when `buf` may be
/// NULL; or returns -EINVAL. Any thread, also in callbacks. Ceph: `perf dump`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_ctx_perf_dump(
    ctx: *mut msgr_ctx,
    format: c_int,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    guard(|| {
        let format = match format {
            MSGR_FORMAT_JSON => DumpFormat::Json,
            MSGR_FORMAT_PROMETHEUS => DumpFormat::Prometheus,
            _ => return Err(Refusal::of(libc::EINVAL, "no format has that number")),
        };
        // SAFETY: the caller's promises are the callees'.
        unsafe { handle::fill_part(buf, len, &handle::borrow(ctx)?.perf_dump(format)) }
    })
}
