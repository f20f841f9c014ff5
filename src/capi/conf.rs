//! Where options come from, and who hears of them.

use std::ffi::{CString, c_char, c_int, c_void};

use super::error::Refusal;
use super::guard::guard;
use super::handle::{self, msgr_ctx};
use crate::AuthName;

/// Sets the options found among a program's arguments: "--ms-foo=bar",
/// "--ms_foo bar", and for a switch "--ms_foo" and "--no-ms_foo".
///
/// `argv[0]`, the program's name, is not looked at. All other arguments, `argv[0]`
/// first and everything from "--" on, are written to `rest`, in their order; it has
/// room for `argc` pointers and may be the same as `argv`, or NULL.
///
/// Returns how many those are; -EINVAL, also for a value that does not fit its option
/// or is missing; -EBUSY for an option that was read when the first messenger was
/// made. Options before the one at fault are set. Any thread, also in callbacks.
/// Ceph: `rados_conf_parse_argv_remainder`.
///
/// # Safety
/// By the conventions; `argv` is NULL or holds `argc` texts.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_parse_argv(
    ctx: *mut msgr_ctx,
    argc: c_int,
    argv: *const *const c_char,
    rest: *mut *const c_char,
) -> c_int {
    guard(|| {
        let count = usize::try_from(argc);
        let count = count.map_err(|_| Refusal::of(libc::EINVAL, "argc is negative"))?;
        // SAFETY: the caller's promises are the callees'.
        let (ctx, argv) = unsafe { (handle::borrow(ctx)?, handle::items(argv, count)?) };
        // A copy, since `rest` may be the same memory.
        let argv = argv.to_vec();
        let mut args = Vec::new();
        for arg in argv.iter().skip(1) {
            // SAFETY: as above.
            args.push(unsafe { handle::text(*arg)? });
        }
        let others = ctx.conf_parse_argv(&args)?;
        let kept = argv
            .iter()
            .take(1)
            .chain(others.iter().filter_map(|at| argv.get(at + 1)));
        let mut left = 0;
        for arg in kept {
            if !rest.is_null() {
                // SAFETY: there is room for as many pointers as there are arguments.
                unsafe { rest.add(left).write(*arg) };
            }
            left += 1;
        }
        Ok(c_int::try_from(left).unwrap_or(c_int::MAX))
    })
}

/// The same for the words of an environment variable, `CEPH_ARGS` if `name` is NULL.
/// What is no option in it is passed over, and told the log as information.
///
/// Returns 0, also if there is no such variable; -EINVAL; -EBUSY. No other thread may
/// change the environment meanwhile. Ceph: `md_config_t::parse_env`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_parse_env(ctx: *mut msgr_ctx, name: *const c_char) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (ctx, name) = unsafe { (handle::borrow(ctx)?, optional(name)?) };
        ctx.conf_parse_env(name)?;
        Ok(0)
    })
}

/// Sets what a configuration file of Ceph's says to an entity ("osd.0"): what stands
/// in [global], then in [osd], then in [osd.0]. If `entity` is NULL it is [global]
/// alone.
///
/// Of `paths`, with commas between, the first that exists is read. If it is NULL that
/// is the file which the environment variable CEPH_CONF names, else
/// /etc/ceph/ceph.conf, ~/.ceph/ceph.conf or ceph.conf. Spaces, dashes and underscores
/// in names are equal; `$cluster`, `$name`, `$type` and `$id` in values stand for
/// "ceph" and the entity. Options that this library does not know are passed over, and
/// told the log as information.
///
/// Returns 0; -ENOENT if there is no such file, or the errno of reading it; -EINVAL
/// for a malformed file, of which nothing is set, and for a value that does not fit
/// its option: then the others are set. -EBUSY likewise. Any thread. Ceph:
/// `rados_conf_read_file`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_read_file(
    ctx: *mut msgr_ctx,
    paths: *const c_char,
    entity: *const c_char,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (ctx, paths, text) =
            unsafe { (handle::borrow(ctx)?, optional(paths)?, optional(entity)?) };
        let entity: Option<AuthName> = text
            .map(str::parse)
            .transpose()
            .map_err(|why| Refusal::new(libc::EINVAL, format!("entity: {why}")))?;
        ctx.conf_read_file(paths, entity.as_ref())?;
        Ok(0)
    })
}

/// Calls `cb` for each option there is, in the order of their names, with the value
/// that was set or the default. Keys are left out. The texts are lent for the call;
/// a `cb` that returns anything but 0 ends it.
///
/// Returns 0, or what `cb` returned last; -EINVAL. Any thread, also in callbacks.
/// Ceph: `config show`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_foreach(
    ctx: *mut msgr_ctx,
    cb: Option<
        unsafe extern "C" fn(arg: *mut c_void, key: *const c_char, value: *const c_char) -> c_int,
    >,
    arg: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let ctx = unsafe { handle::borrow(ctx)? };
        let cb = cb.ok_or(NULL_CALLBACK)?;
        for (key, value) in ctx.conf_all() {
            let (key, value) = (c_text(key), c_text(&value));
            // SAFETY: the program gave both together.
            let said = unsafe { cb(arg, key.as_ptr(), value.as_ptr()) };
            if said != 0 {
                return Ok(said);
            }
        }
        Ok(0)
    })
}

/// What a program wants to hear of an option.
struct Observer {
    cb: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char),
    arg: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: by the contract of `msgr_conf_observe` the callback takes its argument on
// any thread.
unsafe impl Send for Observer {}
// SAFETY: as above, also on several at once.
unsafe impl Sync for Observer {}

impl Observer {
    fn tell(&self, key: &str, value: &str) {
        let (key, value) = (c_text(key), c_text(value));
        // SAFETY: the program gave both together.
        unsafe { (self.cb)(self.arg, key.as_ptr(), value.as_ptr()) };
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: as above; a value is dropped once.
            unsafe { release(self.arg) };
        }
    }
}

/// Calls `cb` whenever that option is set, with its name and new value, which are lent
/// for the call, on the thread that sets it. It may call everything.
///
/// `release(arg)`, if not NULL, is called once no call of `cb` runs or will run: after
/// `msgr_conf_unobserve`, or with the context; on any thread. On failure nothing is
/// kept and it is not called.
///
/// Returns a number above 0, for `msgr_conf_unobserve`; -EINVAL; -ENOENT for an unknown
/// option; -EACCES for a key. Any thread, also in callbacks. Ceph:
/// `md_config_obs_t`.
///
/// # Safety
/// By the conventions, and the callbacks take `arg` until `release` is called.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_observe(
    ctx: *mut msgr_ctx,
    key: *const c_char,
    cb: Option<unsafe extern "C" fn(arg: *mut c_void, key: *const c_char, value: *const c_char)>,
    arg: *mut c_void,
    release: Option<unsafe extern "C" fn(arg: *mut c_void)>,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (ctx, key) = unsafe { (handle::borrow(ctx)?, handle::text(key)?) };
        let cb = cb.ok_or(NULL_CALLBACK)?;
        // Whatever could be refused is, before there is anything to release.
        ctx.conf_get(key)?;
        let observer = Observer { cb, arg, release };
        let id = ctx.conf_observe(key, move |key, value| observer.tell(key, value))?;
        Ok(c_int::try_from(id).unwrap_or(c_int::MAX))
    })
}

/// Ends what `msgr_conf_observe` returned that number for. A call that runs at this
/// moment goes on; `release` comes after it.
///
/// Returns 0; -EINVAL; -ENOENT if there is none. Any thread, also in callbacks. Ceph:
/// `md_config_t::remove_observer`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_conf_unobserve(ctx: *mut msgr_ctx, observer: c_int) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let ctx = unsafe { handle::borrow(ctx)? };
        ctx.conf_unobserve(u64::try_from(observer).unwrap_or(0))?;
        Ok(0)
    })
}

const NULL_CALLBACK: Refusal = Refusal::of(libc::EINVAL, "the callback is NULL");

/// A text argument that may be left out.
///
/// # Safety
/// `raw` is a text by the conventions, for as long as `'a`.
unsafe fn optional<'a>(raw: *const c_char) -> Result<Option<&'a str>, Refusal> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { handle::text(raw) }.map(Some)
}

/// A text for C. What is set by C has no NUL within; a Rust program's ends there.
fn c_text(text: &str) -> CString {
    let until_nul = text.split('\0').next().unwrap_or_default();
    CString::new(until_nul).unwrap_or_default()
}
