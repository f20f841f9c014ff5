//! Ceph's `ms_*` options: names, defaults, and what may be set when.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::{Error, Result};
use crate::proto::{CryptoKey, METHOD_CEPHX, METHOD_NONE};
use crate::types::EntityType;

/// How an option's text is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Bool,
    /// A whole number.
    Count,
    /// Bytes, with an optional suffix K, M, G or T (powers of 1024).
    Size,
    /// Seconds, with decimals.
    Seconds,
    /// A number that is not negative, with decimals.
    Decimal,
    Text,
    /// Connection modes, e.g. `crc secure`.
    Modes,
    /// Whether to compress: `none` or `force`.
    CompressMode,
    /// Compression algorithms, e.g. `snappy zstd`.
    Algorithms,
    /// Authentication methods, e.g. `cephx, none`; empty: as keys are at hand.
    Methods,
    /// Entity types, e.g. `osd mds`, or none.
    EntityTypes,
    /// A secret key in base64, which is never shown again.
    Key,
}

/// What setting an option means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Applies {
    /// Read when a messenger is created.
    Messenger,
    /// Read once, when the context starts its workers.
    Startup,
    /// Obeyed from now on, by what exists already as well.
    Live,
    /// Known to Ceph, without meaning here: accepted so that configuration
    /// written for Ceph can be used as it is.
    Ignored,
}

/// One row of the table below.
struct OptionRow(&'static str, Kind, Applies, &'static str);

use Applies::{Ignored, Live, Messenger, Startup};
use Kind::{
    Algorithms, Bool, CompressMode, Count, Decimal, EntityTypes, Key, Methods, Modes, Seconds,
    Size, Text,
};

/// Name, kind, effect, default. The defaults are Ceph's.
const OPTIONS: &[OptionRow] = &[
    OptionRow("ms_type", Text, Messenger, "async+posix"),
    OptionRow("ms_public_type", Text, Ignored, ""),
    OptionRow("ms_cluster_type", Text, Ignored, ""),
    OptionRow("ms_cluster_mode", Modes, Messenger, "crc secure"),
    OptionRow("ms_service_mode", Modes, Messenger, "crc secure"),
    OptionRow("ms_client_mode", Modes, Messenger, "crc secure"),
    OptionRow("ms_mon_cluster_mode", Modes, Messenger, "secure crc"),
    OptionRow("ms_mon_service_mode", Modes, Messenger, "secure crc"),
    OptionRow("ms_mon_client_mode", Modes, Messenger, "secure crc"),
    // Not in Ceph: one switch for "encrypted or not at all", in every role.
    OptionRow("ms_secure_only", Bool, Messenger, "false"),
    // authentication. Ceph's defaults name cephx; here a messenger without a key
    // is of use, too, so that an empty list means cephx if there is one.
    OptionRow("auth_cluster_required", Methods, Messenger, ""),
    OptionRow("auth_service_required", Methods, Messenger, ""),
    OptionRow("auth_client_required", Methods, Messenger, ""),
    // v1 only. The version is always the second: the first has no challenge.
    OptionRow("cephx_sign_messages", Bool, Messenger, "true"),
    OptionRow("cephx_require_signatures", Bool, Messenger, "false"),
    OptionRow("cephx_cluster_require_signatures", Bool, Messenger, "false"),
    OptionRow("cephx_service_require_signatures", Bool, Messenger, "false"),
    OptionRow("cephx_require_version", Count, Ignored, "2"),
    OptionRow("cephx_cluster_require_version", Count, Ignored, "2"),
    OptionRow("cephx_service_require_version", Count, Ignored, "2"),
    OptionRow("auth_mon_ticket_ttl", Seconds, Messenger, "259200"),
    OptionRow("auth_service_ticket_ttl", Seconds, Messenger, "3600"),
    OptionRow("keyring", Text, Messenger, ""),
    OptionRow("keyfile", Text, Messenger, ""),
    OptionRow("key", Key, Messenger, ""),
    // sockets
    OptionRow("ms_tcp_nodelay", Bool, Messenger, "true"),
    OptionRow("ms_tcp_rcvbuf", Size, Messenger, "0"),
    // Not in Ceph.
    OptionRow("ms_tcp_congestion", Text, Messenger, ""),
    OptionRow("ms_tcp_prefetch_max_size", Size, Ignored, "4K"),
    OptionRow("ms_tcp_listen_backlog", Count, Messenger, "512"),
    // Not in Ceph: a folder in which processes of one host meet; none by default.
    OptionRow("ms_local_socket_dir", Text, Messenger, ""),
    OptionRow("ms_bind_before_connect", Bool, Messenger, "false"),
    // A failing accept pauses and tries again; it never ends the process.
    OptionRow("ms_max_accept_failures", Count, Ignored, "4"),
    // binding
    OptionRow("ms_bind_ipv4", Bool, Ignored, "true"),
    OptionRow("ms_bind_ipv6", Bool, Ignored, "false"),
    OptionRow("ms_bind_prefer_ipv4", Bool, Ignored, "false"),
    OptionRow("ms_bind_msgr1", Bool, Ignored, "true"),
    OptionRow("ms_bind_msgr2", Bool, Ignored, "true"),
    OptionRow("ms_bind_port_min", Count, Messenger, "6800"),
    OptionRow("ms_bind_port_max", Count, Messenger, "7300"),
    OptionRow("ms_bind_retry_count", Count, Messenger, "3"),
    OptionRow("ms_bind_retry_delay", Seconds, Messenger, "5"),
    // sessions
    OptionRow("ms_initial_backoff", Seconds, Messenger, "0.2"),
    OptionRow("ms_max_backoff", Seconds, Messenger, "15"),
    OptionRow("ms_connection_ready_timeout", Seconds, Messenger, "10"),
    OptionRow("ms_connection_idle_timeout", Seconds, Messenger, "900"),
    OptionRow("ms_learn_addr_from_peer", Bool, Messenger, "true"),
    // Not in Ceph: it leaves a peer that is there and takes nothing to the idle
    // timeout, and a silent one to the application.
    OptionRow("ms_connection_progress_timeout", Seconds, Messenger, "120"),
    OptionRow("ms_connection_keepalive_interval", Seconds, Messenger, "0"),
    OptionRow("ms_connection_keepalive_timeout", Seconds, Messenger, "10"),
    // What peers may make this end spend before they have a session, and with one
    // message; not in Ceph.
    OptionRow("ms_max_half_open", Count, Messenger, "4096"),
    OptionRow("ms_max_half_open_per_source", Count, Messenger, "256"),
    OptionRow("ms_max_handshake_bytes", Size, Messenger, "64K"),
    OptionRow("ms_max_handshake_frame_bytes", Size, Messenger, "16K"),
    OptionRow("ms_max_auth_attempts", Count, Messenger, "8"),
    OptionRow("ms_max_message_bytes", Size, Messenger, "1G"),
    // integrity and debugging
    OptionRow("ms_crc_data", Bool, Messenger, "true"),
    OptionRow("ms_crc_header", Bool, Ignored, "true"),
    OptionRow("ms_die_on_bad_msg", Bool, Ignored, "false"),
    OptionRow("ms_die_on_unhandled_msg", Bool, Ignored, "false"),
    OptionRow("ms_die_on_old_message", Bool, Ignored, "false"),
    OptionRow("ms_die_on_skipped_message", Bool, Ignored, "false"),
    OptionRow("ms_die_on_bug", Bool, Ignored, "false"),
    OptionRow("ms_dump_on_send", Bool, Ignored, "false"),
    OptionRow("ms_dump_corrupt_message_level", Count, Ignored, "1"),
    OptionRow("debug_ms", Text, Ignored, "0/0"),
    // compression: with OSDs, as in Ceph
    OptionRow("ms_osd_compress_mode", CompressMode, Messenger, "none"),
    OptionRow("ms_osd_compress_min_size", Size, Messenger, "1K"),
    OptionRow(
        "ms_osd_compression_algorithm",
        Algorithms,
        Messenger,
        "snappy",
    ),
    OptionRow("ms_compress_secure", Bool, Messenger, "false"),
    // Not in Ceph: with anybody.
    OptionRow("ms_compress_mode", CompressMode, Messenger, "none"),
    OptionRow("ms_compress_min_size", Size, Messenger, "1K"),
    OptionRow("ms_compression_algorithm", Algorithms, Messenger, "snappy"),
    // queues
    OptionRow("ms_dispatch_throttle_bytes", Size, Messenger, "100M"),
    OptionRow(
        "ms_pq_max_tokens_per_priority",
        Count,
        Messenger,
        "16777216",
    ),
    OptionRow("ms_pq_min_cost", Count, Messenger, "65536"),
    // workers
    OptionRow("ms_async_op_threads", Count, Startup, "3"),
    OptionRow("ms_async_reap_threshold", Count, Ignored, "5"),
    OptionRow("ms_async_max_op_threads", Count, Ignored, "5"),
    // Not in Ceph: how long a worker that is likely to be needed again at once goes
    // on looking before it sleeps.
    OptionRow("ms_async_spin", Seconds, Startup, "0"),
    // Not in Ceph, where the network stack decides it: one listening socket per
    // worker (SO_REUSEPORT) in place of one that hands out.
    OptionRow("ms_async_local_listen_table", Bool, Messenger, "false"),
    // fault injection
    OptionRow("ms_inject_socket_failures", Count, Live, "0"),
    OptionRow("ms_inject_delay_type", EntityTypes, Live, ""),
    OptionRow("ms_inject_delay_max", Seconds, Live, "1"),
    OptionRow("ms_inject_delay_probability", Decimal, Live, "0"),
    OptionRow("ms_inject_internal_delays", Seconds, Live, "0"),
    OptionRow("ms_blackhole_osd", Bool, Live, "false"),
    OptionRow("ms_blackhole_mon", Bool, Live, "false"),
    OptionRow("ms_blackhole_mds", Bool, Live, "false"),
    OptionRow("ms_blackhole_client", Bool, Live, "false"),
    OptionRow("ms_blackhole_mgr", Bool, Ignored, "false"),
    // gone from Ceph, still found in configuration files
    OptionRow("ms_nocrc", Bool, Ignored, "false"),
    OptionRow("ms_rwthread_stack_bytes", Size, Ignored, "1M"),
    OptionRow("ms_tcp_read_timeout", Seconds, Ignored, "900"),
    OptionRow("ms_async_transport_type", Text, Ignored, "posix"),
    OptionRow("ms_async_send_inline", Bool, Ignored, "false"),
];

/// Options of transports that do not exist here.
const IGNORED_PREFIXES: [&str; 2] = ["ms_async_rdma_", "ms_dpdk_"];

/// The options of one context.
#[derive(Default)]
pub(crate) struct Conf {
    /// Only what was set; everything else has its default.
    set: Mutex<BTreeMap<&'static str, Zeroizing<String>>>,
}

impl Conf {
    /// Sets an option. `started` says whether the workers are running.
    pub(crate) fn set(&self, key: &str, value: &str, started: bool) -> Result<()> {
        if is_ignored(key) {
            return Ok(());
        }
        let OptionRow(name, kind, applies, _) = row(key)?;
        kind.check(name, value)?;
        match applies {
            Startup if started => Err(Error::new(
                libc::EBUSY,
                format!(
                    "{name} takes effect when the first messenger is created, which has happened"
                ),
            )),
            _ => {
                self.values().insert(name, value.trim().to_owned().into());
                Ok(())
            }
        }
    }

    /// An option's value as it was set, or its default.
    pub(crate) fn get(&self, key: &str) -> Result<String> {
        let OptionRow(name, kind, _, default) = row(key)?;
        if *kind == Key {
            return Err(Error::new(libc::EACCES, "a key is not given back"));
        }
        let values = self.values();
        let set = values.get(name).map(|value| (**value).clone());
        Ok(set.unwrap_or_else(|| (*default).to_owned()))
    }

    /// Is there such an option?
    pub(crate) fn is_known(&self, key: &str) -> bool {
        is_ignored(key) || row(key).is_ok()
    }

    /// Is it one of true and false?
    pub(crate) fn is_switch(&self, key: &str) -> bool {
        row(key).is_ok_and(|OptionRow(_, kind, ..)| *kind == Bool)
    }

    /// All options by name, with what was set or their default. Keys are not shown.
    pub(crate) fn all(&self) -> Vec<(&'static str, String)> {
        let shown = OPTIONS.iter().filter(|OptionRow(_, kind, ..)| *kind != Key);
        let mut all: Vec<_> = shown
            .filter_map(|OptionRow(name, ..)| Some((*name, self.get(name).ok()?)))
            .collect();
        all.sort_unstable();
        all
    }

    /// A key, if one is set.
    pub(crate) fn key(&self, name: &str) -> Option<CryptoKey> {
        let values = self.values();
        values
            .get(name)
            .and_then(|text| CryptoKey::parse(text).ok())
    }

    /// Authentication methods by their numbers; empty if none is named.
    pub(crate) fn methods(&self, key: &str) -> Vec<u32> {
        self.get(key)
            .ok()
            .and_then(|text| parse_methods(&text))
            .unwrap_or_default()
    }

    /// A whole number or a size in bytes.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.get(key)
            .ok()
            .and_then(|text| parse_size(&text))
            .unwrap_or(0)
    }

    /// A switch.
    pub(crate) fn switch(&self, key: &str) -> bool {
        self.get(key)
            .ok()
            .and_then(|text| parse_bool(&text))
            .unwrap_or(false)
    }

    /// A length of time.
    pub(crate) fn seconds(&self, key: &str) -> Duration {
        self.get(key)
            .ok()
            .and_then(|text| parse_seconds(&text))
            .unwrap_or_default()
    }

    /// A number with decimals.
    pub(crate) fn decimal(&self, key: &str) -> f64 {
        self.get(key)
            .ok()
            .and_then(|text| parse_decimal(&text))
            .unwrap_or(0.0)
    }

    /// A list of entity types.
    pub(crate) fn entity_types(&self, key: &str) -> Vec<EntityType> {
        self.get(key)
            .ok()
            .and_then(|text| parse_entity_types(&text))
            .unwrap_or_default()
    }

    fn values(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Zeroizing<String>>> {
        self.set
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Kind {
    fn check(self, name: &str, value: &str) -> Result<()> {
        let value = value.trim();
        let (good, wanted) = match self {
            Bool => (parse_bool(value).is_some(), "true or false"),
            Count => (value.parse::<u32>().is_ok(), "a whole number"),
            Size => (parse_size(value).is_some(), "bytes, e.g. 65536, 4K or 100M"),
            Seconds => (parse_seconds(value).is_some(), "seconds, e.g. 0.2"),
            Decimal => (parse_decimal(value).is_some(), "a number, e.g. 0.5"),
            EntityTypes => (
                parse_entity_types(value).is_some(),
                "a list of entity types, e.g. \"osd mds\"",
            ),
            Methods => (
                parse_methods(value).is_some(),
                "a list of authentication methods, e.g. \"cephx, none\"",
            ),
            Key => {
                let is_key = value.is_empty() || CryptoKey::parse(value).is_ok();
                let why = format!("{name} is not a key in base64");
                return if is_key {
                    Ok(())
                } else {
                    Err(Error::invalid(why))
                };
            }
            CompressMode => (matches!(value, "none" | "force"), "none or force"),
            Algorithms => (
                !value.is_empty(),
                "a list of algorithms, e.g. \"snappy zstd\"",
            ),
            Modes => (
                !value.is_empty(),
                "a list of connection modes, e.g. \"crc secure\"",
            ),
            Text => (
                name != "ms_type" || value == "async+posix" || value == "async",
                "async+posix",
            ),
        };
        if good {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "{name} must be {wanted}, not \"{value}\""
        )))
    }
}

fn is_ignored(key: &str) -> bool {
    IGNORED_PREFIXES
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

fn row(key: &str) -> Result<&'static OptionRow> {
    let found = OPTIONS.iter().find(|OptionRow(name, ..)| *name == key);
    found.ok_or_else(|| Error::new(libc::ENOENT, format!("there is no option \"{key}\"")))
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..]
        .to_ascii_uppercase()
        .trim_end_matches('B')
        .trim_end_matches('I')
    {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn parse_decimal(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

fn parse_methods(text: &str) -> Option<Vec<u32>> {
    text.split([' ', ',', ';', '\t'])
        .filter(|word| !word.is_empty())
        .map(|word| match word {
            "none" => Some(METHOD_NONE),
            "cephx" => Some(METHOD_CEPHX),
            _ => None,
        })
        .collect()
}

fn parse_entity_types(text: &str) -> Option<Vec<EntityType>> {
    text.split([' ', ',', ';', '\t'])
        .filter(|word| !word.is_empty())
        .map(EntityType::by_name)
        .collect()
}

#[cfg(test)]
mod tests;
