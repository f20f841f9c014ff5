//! Gives the shared library its ABI name. Cargo alone would leave it without a
//! soname, and a program linked to it would then record the path it was built at.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let major = std::env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmsgr.so.{major}");
    // dlclose of a library with running threads crashes at thread exit, so the
    // loader must never unmap it.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
