//! The options of one messenger, read when it is created.

use std::sync::Arc;
use std::time::Duration;

use super::conf::Conf;
use super::error::{Error, Result};
use super::half_open::HalfOpenLimits;
use crate::event::{LocalSockets, PortSharing, SocketOptions};
use crate::proto::{
    Algorithm, CompressionSettings, ConMode, ConnectionModes, HandshakeLimits, LinkCompression,
    Signatures,
};

/// What a messenger took from its context's configuration.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) socket: SocketOptions,
    /// Dial from one's own address.
    pub(crate) bind_before_connect: bool,
    /// Where processes of this host meet, if they do.
    pub(crate) local_sockets: Option<LocalSockets>,
    pub(crate) ports: PortRange,
    /// Every worker listens, in place of one that hands out.
    pub(crate) local_listen_table: bool,
    pub(crate) modes: ConnectionModes,
    /// Nothing goes out readable, and nobody is taken at his word.
    pub(crate) secure_only: bool,
    pub(crate) auth: AuthMethods,
    pub(crate) signatures: Signatures,
    pub(crate) compression: CompressionSettings,
    pub(crate) ready_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) progress_timeout: Duration,
    pub(crate) keepalive_interval: Duration,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) half_open: HalfOpenLimits,
    pub(crate) max_message: u64,
    pub(crate) handshake: HandshakeLimits,
    pub(crate) crc_data: bool,
    pub(crate) learn_addr: bool,
    pub(crate) dispatch_throttle_bytes: u64,
    pub(crate) pq_max_tokens: u64,
    pub(crate) pq_min_cost: u64,
}

/// Authentication methods by their numbers; empty for those that go with the keys
/// at hand.
#[derive(Debug)]
pub(crate) struct AuthMethods {
    pub(crate) cluster: Vec<u32>,
    pub(crate) service: Vec<u32>,
    pub(crate) client: Vec<u32>,
}

/// Where `bind` looks for a port when none is given.
#[derive(Clone, Debug)]
pub(crate) struct PortRange {
    pub(crate) min: u16,
    pub(crate) max: u16,
    /// Times to go through the range.
    pub(crate) attempts: u64,
    pub(crate) delay: Duration,
}

impl Options {
    pub(crate) fn read(conf: &Conf) -> Result<Self> {
        Ok(Self {
            socket: SocketOptions {
                nodelay: conf.switch("ms_tcp_nodelay"),
                rcvbuf: usize::try_from(conf.number("ms_tcp_rcvbuf")).unwrap_or(0),
                backlog: i32::try_from(conf.number("ms_tcp_listen_backlog")).unwrap_or(i32::MAX),
                sharing: PortSharing::Alone,
                priority: None,
                congestion: congestion(conf)?,
                source: None,
            },
            bind_before_connect: conf.switch("ms_bind_before_connect"),
            local_sockets: local_sockets(conf)?,
            ports: PortRange {
                min: port(conf, "ms_bind_port_min")?,
                max: port(conf, "ms_bind_port_max")?,
                attempts: conf.number("ms_bind_retry_count").max(1),
                delay: conf.seconds("ms_bind_retry_delay"),
            },
            local_listen_table: conf.switch("ms_async_local_listen_table"),
            modes: modes(conf)?,
            secure_only: conf.switch("ms_secure_only"),
            auth: AuthMethods {
                cluster: conf.methods("auth_cluster_required"),
                service: conf.methods("auth_service_required"),
                client: conf.methods("auth_client_required"),
            },
            signatures: Signatures {
                wanted: conf.switch("cephx_sign_messages"),
                cluster: conf.switch("cephx_require_signatures")
                    || conf.switch("cephx_cluster_require_signatures"),
                service: conf.switch("cephx_require_signatures")
                    || conf.switch("cephx_service_require_signatures"),
            },
            compression: compression(conf)?,
            ready_timeout: conf.seconds("ms_connection_ready_timeout"),
            idle_timeout: conf.seconds("ms_connection_idle_timeout"),
            progress_timeout: conf.seconds("ms_connection_progress_timeout"),
            keepalive_interval: conf.seconds("ms_connection_keepalive_interval"),
            keepalive_timeout: conf.seconds("ms_connection_keepalive_timeout"),
            // Without any pause a refused dialler would keep its worker busy.
            initial_backoff: conf
                .seconds("ms_initial_backoff")
                .max(Duration::from_millis(1)),
            max_backoff: conf.seconds("ms_max_backoff"),
            half_open: HalfOpenLimits {
                total: count(conf, "ms_max_half_open"),
                per_source: count(conf, "ms_max_half_open_per_source"),
            },
            max_message: conf.number("ms_max_message_bytes"),
            handshake: handshake(conf)?,
            crc_data: conf.switch("ms_crc_data"),
            learn_addr: conf.switch("ms_learn_addr_from_peer"),
            dispatch_throttle_bytes: conf.number("ms_dispatch_throttle_bytes"),
            pq_max_tokens: conf.number("ms_pq_max_tokens_per_priority"),
            pq_min_cost: conf.number("ms_pq_min_cost"),
        })
    }
}

fn local_sockets(conf: &Conf) -> Result<Option<LocalSockets>> {
    let dir = conf.get("ms_local_socket_dir")?;
    Ok((!dir.is_empty()).then(|| LocalSockets::new(dir)))
}

/// By name, if the system has it for this process.
fn congestion(conf: &Conf) -> Result<Option<Arc<str>>> {
    let name = conf.get("ms_tcp_congestion")?;
    if name.is_empty() {
        return Ok(None);
    }
    let congestion = Some(Arc::from(name.as_str()));
    let wish = SocketOptions {
        congestion: congestion.clone(),
        ..SocketOptions::default()
    };
    match wish.check() {
        Ok(()) => Ok(congestion),
        Err(error) => {
            let why = format!("ms_tcp_congestion: the system does not offer \"{name}\": {error}");
            Err(Error::invalid(why))
        }
    }
}

fn port(conf: &Conf, key: &str) -> Result<u16> {
    u16::try_from(conf.number(key)).map_err(|_| Error::invalid(format!("{key} is not a port")))
}

fn count(conf: &Conf, key: &str) -> usize {
    usize::try_from(conf.number(key)).unwrap_or(usize::MAX)
}

fn handshake(conf: &Conf) -> Result<HandshakeLimits> {
    let limits = HandshakeLimits {
        bytes: count(conf, "ms_max_handshake_bytes"),
        frame: count(conf, "ms_max_handshake_frame_bytes"),
        auth_requests: u32::try_from(conf.number("ms_max_auth_attempts")).unwrap_or(u32::MAX),
    };
    if limits.frame > HandshakeLimits::MAX_FRAME {
        let why = format!(
            "ms_max_handshake_frame_bytes is {} at most",
            HandshakeLimits::MAX_FRAME
        );
        return Err(Error::invalid(why));
    }
    Ok(limits)
}

fn modes(conf: &Conf) -> Result<ConnectionModes> {
    if conf.switch("ms_secure_only") {
        return Ok(ConnectionModes::all(&[ConMode::Secure]));
    }
    Ok(ConnectionModes {
        cluster: mode_list(conf, "ms_cluster_mode")?,
        service: mode_list(conf, "ms_service_mode")?,
        client: mode_list(conf, "ms_client_mode")?,
        mon_cluster: mode_list(conf, "ms_mon_cluster_mode")?,
        mon_service: mode_list(conf, "ms_mon_service_mode")?,
        mon_client: mode_list(conf, "ms_mon_client_mode")?,
    })
}

/// A list of modes. An unknown word is passed over with a warning and the
/// others still count: reading the whole list as empty would turn every peer
/// away once a newer release adds a mode.
fn mode_list(conf: &Conf, key: &str) -> Result<Vec<ConMode>> {
    let text = conf.get(key)?;
    let mut modes = Vec::new();
    for word in text
        .split([' ', ',', ';', '\t'])
        .filter(|word| !word.is_empty())
    {
        match word {
            "crc" => modes.push(ConMode::Crc),
            "secure" => modes.push(ConMode::Secure),
            unknown => log::warn!("{key}: there is no connection mode \"{unknown}\""),
        }
    }
    if modes.is_empty() {
        return Err(Error::invalid(format!(
            "{key} names no connection mode: \"{text}\""
        )));
    }
    Ok(modes)
}

fn compression(conf: &Conf) -> Result<CompressionSettings> {
    let link = |mode, min_size, algorithm| {
        Ok(LinkCompression {
            force: conf.get(mode)? == "force",
            min_size: conf.number(min_size),
            algorithms: algorithms(conf, algorithm)?,
        })
    };
    Ok(CompressionSettings {
        osd: link(
            "ms_osd_compress_mode",
            "ms_osd_compress_min_size",
            "ms_osd_compression_algorithm",
        )?,
        any: link(
            "ms_compress_mode",
            "ms_compress_min_size",
            "ms_compression_algorithm",
        )?,
        secure: conf.switch("ms_compress_secure"),
    })
}

/// A list of algorithms. What is not known or not built in is passed over: then
/// the peer and we agree on another one or do without.
fn algorithms(conf: &Conf, key: &str) -> Result<Vec<Algorithm>> {
    let text = conf.get(key)?;
    let mut algorithms = Vec::new();
    for word in text
        .split([';', ',', '=', ' ', '\t'])
        .filter(|word| !word.is_empty())
    {
        match Algorithm::parse(word) {
            Some(known) if known.is_available() => algorithms.push(known),
            _ => log::warn!("{key}: there is no compression \"{word}\" here"),
        }
    }
    if algorithms.is_empty() {
        algorithms.push(Algorithm::None);
    }
    Ok(algorithms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "snappy", feature = "zstd"))]
    #[test]
    fn algorithms_are_listed_by_preference_and_unknown_ones_passed_over() {
        let conf = Conf::default();
        let settings = |conf: &Conf| Options::read(conf).unwrap().compression;
        assert_eq!(settings(&conf), CompressionSettings::default());
        for (key, value) in [
            ("ms_osd_compress_mode", "force"),
            ("ms_osd_compress_min_size", "4K"),
            ("ms_osd_compression_algorithm", "brotli;zstd, snappy"),
            ("ms_compress_secure", "true"),
        ] {
            conf.set(key, value, false).unwrap();
        }
        let read = settings(&conf);
        assert_eq!(
            (read.osd.force, read.osd.min_size, read.secure),
            (true, 4096, true)
        );
        assert_eq!(read.osd.algorithms, [Algorithm::Zstd, Algorithm::Snappy]);
        assert_eq!(read.any, LinkCompression::default());
        conf.set("ms_compression_algorithm", "brotli", false)
            .unwrap();
        assert_eq!(settings(&conf).any.algorithms, [Algorithm::None]);
    }

    #[test]
    fn a_congestion_control_that_the_system_does_not_have_is_refused() {
        let conf = Conf::default();
        let read = |conf: &Conf| Options::read(conf).map(|read| read.socket.congestion);
        assert_eq!(read(&conf).unwrap(), None);
        conf.set("ms_tcp_congestion", "reno", false).unwrap();
        assert_eq!(read(&conf).unwrap().as_deref(), Some("reno"));
        conf.set("ms_tcp_congestion", "hope", false).unwrap();
        let error = read(&conf).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL);
        let text = error.to_string();
        assert!(
            text.contains("ms_tcp_congestion") && text.contains("\"hope\""),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_mode_is_passed_over_and_a_list_of_nothing_else_is_refused() {
        let conf = Conf::default();
        conf.set("ms_client_mode", "quantum, crc", false).unwrap();
        assert_eq!(Options::read(&conf).unwrap().modes.client, [ConMode::Crc]);
        conf.set("ms_client_mode", "quantum", false).unwrap();
        assert_eq!(Options::read(&conf).unwrap_err().errno(), libc::EINVAL);
    }

    #[test]
    fn a_limit_of_handshake_frames_can_only_be_lowered() {
        let conf = Conf::default();
        let key = "ms_max_handshake_frame_bytes";
        conf.set(key, "4K", false).unwrap();
        assert_eq!(Options::read(&conf).unwrap().handshake.frame, 4096);
        conf.set(key, "17K", false).unwrap();
        assert_eq!(Options::read(&conf).unwrap_err().errno(), libc::EINVAL);
    }

    #[test]
    fn a_port_range_beyond_ports_is_refused() {
        let conf = Conf::default();
        conf.set("ms_bind_port_max", "70000", false).unwrap();
        assert_eq!(Options::read(&conf).unwrap_err().errno(), libc::EINVAL);
    }
}
