//! Calls of the C interface in any order a C program could make them, read from
//! a fuzzer's bytes. Handles may be NULL, their objects in any state; what the
//! conventions promise (a handle is alive, a text ends) holds, as it must.

use std::ffi::{CString, c_char, c_int};
use std::ptr::null_mut;

use super::connection::{
    msgr_conn_features, msgr_conn_is_connected, msgr_conn_keepalive, msgr_conn_last_fault,
    msgr_conn_mark_disposable, msgr_conn_mark_down, msgr_conn_peer_addrs, msgr_conn_peer_name,
    msgr_conn_queued_bytes, msgr_conn_ref, msgr_conn_unref, msgr_send,
};
use super::context::{msgr_conf_get, msgr_conf_set, msgr_ctx_create, msgr_ctx_ref, msgr_ctx_unref};
use super::error::{msgr_last_error, msgr_strerror};
use super::handle::{msgr_conn, msgr_ctx, msgr_messenger, msgr_msg};
use super::message::{
    msgr_msg_create, msgr_msg_priority, msgr_msg_ref, msgr_msg_set_priority, msgr_msg_set_tid,
    msgr_msg_set_version, msgr_msg_tid, msgr_msg_unref, msgr_msg_version,
};
use super::messenger::{
    msgr_bind, msgr_client_reset, msgr_connect_with, msgr_create, msgr_dispatch_queue_len,
    msgr_get_loopback_connection, msgr_get_myaddrs, msgr_mark_down_addrs, msgr_mark_down_all,
    msgr_ref, msgr_set_addrs, msgr_shutdown, msgr_start, msgr_unref, msgr_wait,
};
use super::perf::msgr_perf_dump;
use super::policy::{msgr_policy, msgr_policy_init, msgr_set_policy, msgr_set_policy_throttlers};
use super::segment::{msgr_msg_append_copy, msgr_msg_data, msgr_msg_len};

/// Places for handles of each kind; an empty one is NULL.
const SLOTS: usize = 3;
/// Each costs sockets and events: more of them find nothing more.
const MAX_CALLS: usize = 64;
const MAX_MESSENGERS: usize = 4;

/// Everything a C program of this kind has.
struct Caller<'a> {
    rest: &'a [u8],
    contexts: [*mut msgr_ctx; SLOTS],
    messengers: [*mut msgr_messenger; SLOTS],
    connections: [*mut msgr_conn; SLOTS],
    messages: [*mut msgr_msg; SLOTS],
    made: usize,
}

impl Caller<'_> {
    fn byte(&mut self) -> u8 {
        let (byte, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *byte
    }

    fn slot(&mut self) -> usize {
        usize::from(self.byte()) % SLOTS
    }

    fn bytes(&mut self) -> &[u8] {
        let len = usize::from(self.byte()).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest;
        bytes
    }

    /// A text, from a list of those that lead further, or from the program.
    fn text(&mut self, of: &[&str]) -> CString {
        let chosen = usize::from(self.byte());
        match of.get(chosen % (of.len() + 1)) {
            Some(text) => CString::new(*text),
            None => CString::new(self.bytes().split(|byte| *byte == 0).next().unwrap_or(&[])),
        }
        .unwrap_or_default()
    }

    fn addrs(&mut self) -> CString {
        self.text(&[
            "v2:127.0.0.1:0",
            "v2:[::1]:0/7",
            "[v2:127.0.0.1:1/1,v1:127.0.0.1:2/1]",
            "-",
        ])
    }

    /// Keeps a handle in the place of another, which goes.
    fn keep_message(&mut self, at: usize, new: *mut msgr_msg) {
        let old = std::mem::replace(&mut self.messages[at], new);
        // SAFETY: the slot's reference is ours, and was just given up.
        unsafe { msgr_msg_unref(old) };
    }

    fn keep_connection(&mut self, at: usize, new: *mut msgr_conn) {
        let old = std::mem::replace(&mut self.connections[at], new);
        // SAFETY: the slot's reference is ours, and was just given up.
        unsafe { msgr_conn_unref(old) };
    }

    fn call(&mut self) {
        match self.byte() % 8 {
            0 => self.context(),
            1 | 2 => self.messenger(),
            3 => self.make_connection(),
            4 => self.connection(),
            5 | 6 => self.message(),
            _ => self.policy(),
        }
    }

    fn context(&mut self) {
        let (what, at) = (self.byte(), self.slot());
        let context = self.contexts[at];
        let key = self.text(&[
            "ms_async_op_threads",
            "ms_crc_data",
            "ms_initial_backoff",
            "key",
        ]);
        // Threads are what a machine has few of.
        let value = self.text(&["1", "true", "0.5"]);
        let mut buffer = [0_u8; 40];
        // SAFETY: the handle is NULL or ours, texts end, the buffer is as long
        // as is said.
        unsafe {
            match what % 4 {
                0 if context.is_null() => {
                    let mut out = null_mut();
                    succeeds(msgr_ctx_create(&raw mut out));
                    msgr_conf_set(out, c"ms_async_op_threads".as_ptr(), c"1".as_ptr());
                    self.contexts[at] = out;
                }
                1 if key.as_bytes() != b"ms_async_op_threads" => {
                    is_errno(msgr_conf_set(context, key.as_ptr(), value.as_ptr()));
                }
                2 => {
                    let text = buffer.as_mut_ptr().cast();
                    told(msgr_conf_get(context, key.as_ptr(), text, buffer.len()));
                }
                3 => {
                    let same = msgr_ctx_ref(context);
                    assert_eq!(same, context);
                    msgr_ctx_unref(same);
                }
                _ => {
                    self.contexts[at] = null_mut();
                    msgr_ctx_unref(context);
                }
            }
        }
    }

    fn messenger(&mut self) {
        let (what, at) = (self.byte(), self.slot());
        if what % 16 < 4 {
            return self.make_messenger(at);
        }
        let messenger = self.messengers[at];
        let addrs = self.addrs();
        let mut buffer = [0_u8; 100];
        let (text, len) = (buffer.as_mut_ptr().cast::<c_char>(), buffer.len());
        // SAFETY: the handle is NULL or ours, texts end, the buffer is as long
        // as is said.
        unsafe {
            match what % 16 {
                4 | 5 => is_errno(msgr_bind(messenger, addrs.as_ptr())),
                6 | 7 => is_errno(msgr_start(messenger)),
                8 => told(msgr_get_myaddrs(messenger, text, len)),
                9 => told(msgr_perf_dump(messenger, text, len)),
                10 => is_errno(msgr_mark_down_all(messenger)),
                11 => is_errno(msgr_mark_down_addrs(messenger, addrs.as_ptr())),
                12 => is_errno(msgr_client_reset(messenger)),
                13 => is_errno(msgr_set_addrs(messenger, addrs.as_ptr())),
                14 => {
                    msgr_dispatch_queue_len(messenger);
                    let same = msgr_ref(messenger);
                    assert_eq!(same, messenger);
                    msgr_unref(same);
                }
                _ => {
                    is_errno(msgr_shutdown(messenger));
                    is_errno(msgr_wait(messenger));
                }
            }
        }
    }

    fn make_messenger(&mut self, at: usize) {
        let context = self.slot();
        let name = self.text(&["osd.0", "client.admin", "mon."]);
        if !self.messengers[at].is_null() || self.made == MAX_MESSENGERS {
            return;
        }
        self.made += 1;
        // SAFETY: the handle is NULL or ours, the name ends, the place is ours.
        unsafe {
            let mut out = null_mut();
            let made = msgr_create(
                self.contexts[context],
                name.as_ptr(),
                c"fuzzed".as_ptr(),
                1,
                &raw mut out,
            );
            is_errno(made);
            assert_eq!(made == 0, !out.is_null());
            self.messengers[at] = out;
        }
    }

    fn make_connection(&mut self) {
        let (what, from, at) = (self.byte(), self.slot(), self.slot());
        let (kind, flags) = (c_int::from(self.byte()), u32::from(self.byte()));
        let addrs = self.addrs();
        let messenger = self.messengers[from];
        let mut out = null_mut();
        // SAFETY: the handle is NULL or ours, the text ends, the place is ours.
        let made = unsafe {
            match what % 2 {
                0 => msgr_connect_with(messenger, kind, addrs.as_ptr(), flags, &raw mut out),
                _ => msgr_get_loopback_connection(messenger, &raw mut out),
            }
        };
        is_errno(made);
        assert_eq!(made == 0, !out.is_null());
        if made == 0 {
            self.keep_connection(at, out);
        }
    }

    fn connection(&mut self) {
        let (what, at, message) = (self.byte(), self.slot(), self.slot());
        let connection = self.connections[at];
        let mut buffer = [0_u8; 64];
        let (text, len) = (buffer.as_mut_ptr().cast::<c_char>(), buffer.len());
        // SAFETY: the handles are NULL or ours, the buffer is as long as is said.
        unsafe {
            match what % 10 {
                0 | 1 => {
                    // The message is the library's, whatever comes of it.
                    let message = std::mem::replace(&mut self.messages[message], null_mut());
                    let keep = msgr_msg_ref(message);
                    is_errno(msgr_send(connection, keep));
                    msgr_msg_unref(message);
                }
                2 => is_errno(msgr_conn_mark_down(connection)),
                3 => is_errno(msgr_conn_mark_disposable(connection)),
                4 => is_errno(msgr_conn_keepalive(connection)),
                5 => told(msgr_conn_peer_name(connection, text, len)),
                6 => told(msgr_conn_peer_addrs(connection, text, len)),
                7 => told(msgr_conn_last_fault(connection, text, len)),
                8 => {
                    msgr_conn_queued_bytes(connection);
                    msgr_conn_features(connection);
                    assert!(msgr_conn_is_connected(connection) <= 1);
                    let same = msgr_conn_ref(connection);
                    assert_eq!(same, connection);
                    msgr_conn_unref(same);
                }
                _ => self.keep_connection(at, null_mut()),
            }
        }
    }

    fn message(&mut self) {
        let (what, at) = (self.byte(), self.slot());
        let message = self.messages[at];
        let number = c_int::from(self.byte()) - 2;
        let bytes = self.bytes().to_vec();
        // SAFETY: the handle is NULL or ours, the bytes are as many as is said.
        unsafe {
            match what % 7 {
                0 => {
                    let mut out = null_mut();
                    succeeds(msgr_msg_create(7, &raw mut out));
                    self.keep_message(at, out);
                }
                1 | 2 => {
                    let before = msgr_msg_len(message, number);
                    let data = bytes.as_ptr().cast();
                    let done = msgr_msg_append_copy(message, number, data, bytes.len());
                    is_errno(done);
                    let grown = if done == 0 { bytes.len() } else { 0 };
                    assert_eq!(msgr_msg_len(message, number), before + grown);
                }
                3 => {
                    let data = msgr_msg_data(message, number);
                    let len = msgr_msg_len(message, number);
                    assert!(len == 0 || !data.is_null());
                }
                4 => {
                    msgr_msg_set_priority(message, number);
                    msgr_msg_set_version(message, 1, 2);
                    msgr_msg_set_tid(message, 3);
                    let mut compat = 0;
                    msgr_msg_version(message, &raw mut compat);
                    assert!(message.is_null() || msgr_msg_priority(message) >= 0);
                    assert!(message.is_null() || msgr_msg_tid(message) <= 3);
                }
                5 => {
                    let mut text = [1_u8; 80];
                    told(msgr_last_error(text.as_mut_ptr().cast(), text.len()));
                    assert!(!msgr_strerror(number).is_null());
                }
                _ => self.keep_message(at, null_mut()),
            }
        }
    }

    fn policy(&mut self) {
        let at = self.slot();
        let (preset, kind) = (c_int::from(self.byte()), c_int::from(self.byte()));
        let bytes = u64::from(self.byte());
        // SAFETY: a structure of numbers may be all zero; its size is set.
        let mut policy: msgr_policy = unsafe { std::mem::zeroed() };
        policy.struct_size = u32::try_from(size_of::<msgr_policy>()).unwrap_or(0);
        // SAFETY: the handle is NULL or ours, the structure is ours.
        unsafe {
            is_errno(msgr_policy_init(&raw mut policy, preset % 9));
            let messenger = self.messengers[at];
            is_errno(msgr_set_policy(messenger, kind, &raw const policy));
            is_errno(msgr_set_policy_throttlers(messenger, kind, bytes, bytes));
        }
    }
}

fn succeeds(result: c_int) {
    assert_eq!(result, 0);
}

fn is_errno(result: c_int) {
    assert!((-4096..=0).contains(&result), "{result} is no errno");
}

/// How long a text is, or an errno.
fn told(result: c_int) {
    assert!(result >= -4096, "{result} is no errno");
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        // SAFETY: every slot is NULL or has a reference that is ours.
        unsafe {
            for message in self.messages {
                msgr_msg_unref(message);
            }
            for connection in self.connections {
                msgr_conn_unref(connection);
            }
            for messenger in self.messengers {
                msgr_shutdown(messenger);
                msgr_wait(messenger);
                msgr_unref(messenger);
            }
            for context in self.contexts {
                msgr_ctx_unref(context);
            }
        }
    }
}

/// A C program of at most so many calls.
pub fn c_calls(input: &[u8]) {
    let mut caller = Caller {
        rest: input,
        contexts: [null_mut(); SLOTS],
        messengers: [null_mut(); SLOTS],
        connections: [null_mut(); SLOTS],
        messages: [null_mut(); SLOTS],
        made: 0,
    };
    for _ in 0..MAX_CALLS {
        if caller.rest.is_empty() {
            break;
        }
        caller.call();
    }
}
