//! msgr: Ceph's asynchronous messenger as a library.
#![doc = ""]

mod event;
mod proto;
mod types;

#[cfg(test)]
mod tests;
