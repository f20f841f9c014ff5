//! What a messenger and its connections are doing, told as JSON in the shape of
//! Ceph's `messenger dump`.
//!
//! Workers give plain data of a few connections at a time; the text is made on the
//! thread that asks.

use std::sync::Arc;
use std::time::Duration;

use super::async_messenger::AsyncMessenger;
use super::connection::{Connection, ConnectionRef};
use super::error::{Error, Result};
use super::json::Json;
use super::link::LinkStatus;
use super::messenger::Messenger;
use super::shard::Shard;
use crate::event::{TcpInfo, Worker};
use crate::proto::{Algorithm, ConMode, Status};
use crate::types::{AddrType, EntityAddr, EntityAddrVec, Policy};

/// Connections that a worker tells of in one turn.
const AT_ONCE: usize = 64;

/// What is told of connections, in the lists that Ceph has.
#[derive(Default)]
struct Lists {
    /// By their peers' addresses.
    registered: Vec<Json>,
    /// Those that no other call gets.
    anonymous: Vec<Json>,
    /// Without a session yet.
    accepting: Vec<Json>,
}

impl Messenger {
    /// What it and its connections are doing, as JSON with the names of Ceph's
    /// `messenger dump`: addresses, policies, states, modes, queues, numbers of
    /// messages, sessions, and on Linux what the kernel knows of each TCP connection.
    /// Workers are asked in turns of a few connections each.
    ///
    /// # Errors
    /// `EDEADLK` on a worker, in a fast callback.
    pub fn dump(&self) -> Result<String> {
        Ok(self.inner().report(true)?.to_string())
    }
}

impl AsyncMessenger {
    /// What [`Messenger::dump`] tells, without `tcp_info` if that is not wanted.
    pub(crate) fn report(self: &Arc<Self>, tcp_info: bool) -> Result<Json> {
        if Worker::<Shard>::on_any_worker() {
            let why = "a dump would wait for the worker it is called on";
            return Err(Error::new(libc::EDEADLK, why));
        }
        let mut lists = Lists::default();
        let mut listening = Vec::new();
        for worker in self.stack().workers() {
            let me = Arc::clone(self);
            let told = worker.submit_to(move |shard, _| (shard.ids_of(&me), shard.listening(&me)));
            // A worker that has stopped has nothing.
            let Ok((ids, sockets)) = told else { continue };
            let socket = |fd: i32| {
                let id = worker.id();
                Json::object([("socket_fd", fd.into()), ("worker_id", id.into())])
            };
            listening.extend(sockets.into_iter().map(socket));
            for some in ids.chunks(AT_ONCE) {
                let some = some.to_vec();
                let told = worker.submit_to(move |shard, center| shard.statuses(&some, center));
                for status in told.unwrap_or_default() {
                    lists.add(self, &status, tcp_info);
                }
            }
        }
        Ok(self.tell(lists, Json::List(listening)))
    }

    fn tell(self: &Arc<Self>, lists: Lists, listening: Json) -> Json {
        let queue = self.dispatch_queue();
        let age = queue.oldest().map(|came| self.now().since(came));
        let messenger = Json::object([
            ("nonce", self.nonce().into()),
            ("my_name", {
                let name = self.myname();
                let kind = name.kind.to_string();
                Json::object([("type", kind.into()), ("num", name.num.into())])
            }),
            ("my_addrs", addrs(&self.myaddrs())),
            ("listen_sockets", listening),
            ("dispatch_queue", {
                let age = ago(age.unwrap_or_default());
                Json::object([("length", queue.len().into()), ("max_age_ago", age.into())])
            }),
            ("connections_count", lists.registered.len().into()),
            ("connections", Json::List(lists.registered)),
            ("anon_conns", Json::List(lists.anonymous)),
            ("accepting_conns", Json::List(lists.accepting)),
            ("deleted_conns", Json::List(Vec::new())),
            ("local_connection", Json::List(vec![self.tell_loopback()])),
        ]);
        Json::object([("name", self.lname().into()), ("messenger", messenger)])
    }

    /// The connection to itself has no link: what others tell of theirs is blank.
    fn tell_loopback(self: &Arc<Self>) -> Json {
        let con = self.loopback_connection();
        let mut told = self.common(&con, "STATE_NONE");
        let mine = addr(&self.myaddrs().front());
        let never = ago(Duration::ZERO);
        for (name, value) in [
            ("socket_fd", Json::Null),
            ("tcp_info", Json::Null),
            ("last_connect_started_ago", never.clone().into()),
            ("last_active_ago", never.clone().into()),
            ("recv_start_time_ago", never.into()),
            ("last_tick_id", 0.into()),
            ("socket_addr", mine.clone()),
            ("target_addr", mine),
            ("port", (-1).into()),
            ("protocol", Json::object([])),
        ] {
            told.push(name, value);
        }
        told
    }

    /// What is told of every connection.
    fn common(&self, con: &Connection, state: &str) -> Json {
        let name = con.peer_name();
        let identity = con.identity();
        let proved = identity.as_ref().and_then(|peer| peer.name.as_ref());
        let entity = Json::object([
            ("type", i32::from(name.kind.0).into()),
            ("id", proved.map_or("", |name| name.id.as_str()).into()),
        ]);
        let status = Json::object([
            ("connected", con.is_connected().into()),
            ("loopback", con.is_loopback().into()),
        ]);
        let peer = Json::object([
            ("entity_name", entity),
            ("type", name.kind.to_string().into()),
            ("id", name.num.into()),
            ("global_id", con.peer_global_id().into()),
            ("addr", addrs(&con.peer_addrs())),
        ]);
        Json::object([
            ("state", state.into()),
            ("messenger_nonce", self.nonce().into()),
            ("status", status),
            ("conn_id", con.id().into()),
            ("peer", peer),
            ("worker_id", con.worker().id().into()),
            ("features", con.features().into()),
            ("queued_bytes", con.queued_bytes().into()),
            (
                "last_fault",
                con.last_fault().map(|fault| fault.to_string()).into(),
            ),
        ])
    }
}

impl Lists {
    fn add(&mut self, messenger: &AsyncMessenger, status: &LinkStatus, tcp_info: bool) {
        let con = &status.con;
        let mut told = messenger.common(con, state(status));
        tell_link(&mut told, messenger, status, tcp_info);
        match con.registered_as() {
            _ if !status.known => self.accepting.push(told),
            None => self.anonymous.push(told),
            Some(peer) => {
                let mut entry = addrs(peer);
                entry.push("async_connection", told);
                self.registered.push(entry);
            }
        }
    }
}

/// What is told of a connection that has a link.
fn tell_link(told: &mut Json, messenger: &AsyncMessenger, status: &LinkStatus, with_tcp: bool) {
    let con = &status.con;
    let protocol = &status.protocol;
    let since_begun = status
        .begun
        .map_or(Duration::ZERO, |begun| status.now.since(begun));
    let since = |at| status.now.since(at);
    let (active, received) = match protocol.active {
        Some((active, received)) => (since(active), since(received)),
        None => (since_begun, since_begun),
    };
    let (socket_addr, target) = ends(messenger, con);
    let tcp = status.tcp_info.as_ref().filter(|_| with_tcp);
    let port = match con.is_accepted() {
        true => i32::from(socket_addr.port()),
        false => -1,
    };
    for (name, value) in [
        ("socket_fd", status.fd.into()),
        ("tcp_info", tcp.map(tell_tcp).into()),
        ("last_connect_started_ago", ago(since_begun).into()),
        ("last_active_ago", ago(active).into()),
        ("recv_start_time_ago", ago(received).into()),
        // A number of Ceph's timers.
        ("last_tick_id", 0.into()),
        ("socket_addr", addr(&socket_addr)),
        ("target_addr", addr(&target)),
        ("port", port.into()),
        ("protocol", tell_protocol(con, protocol)),
        ("policy", tell_policy(&protocol.policy)),
        ("session", tell_session(protocol)),
        ("unsent_bytes", protocol.unsent.into()),
        ("held_bytes", status.held.into()),
        ("waits_for_throttle", protocol.waits.into()),
        ("local_socket", status.local.into()),
    ] {
        told.push(name, value);
    }
}

/// Ceph's name for how far the socket is.
fn state(status: &LinkStatus) -> &'static str {
    match status.fd {
        _ if status.protocol.state == "CLOSED" => "STATE_CLOSED",
        Some(_) if status.dialling => "STATE_CONNECTING_RE",
        Some(_) => "STATE_CONNECTION_ESTABLISHED",
        None if status.protocol.state == "BACKOFF" => "STATE_CONNECTING",
        None => "STATE_NONE",
    }
}

/// The address that was dialled, which tells an accepted connection by being our
/// own, and that of the peer.
fn ends(messenger: &AsyncMessenger, con: &ConnectionRef) -> (EntityAddr, EntityAddr) {
    let theirs = con.peer_socket_addr();
    if !con.is_accepted() {
        return (theirs, theirs);
    }
    let mine = messenger.myaddrs();
    let dialled = mine.0.iter().find(|addr| addr.kind == theirs.kind);
    (dialled.copied().unwrap_or_else(|| mine.front()), theirs)
}

fn tell_protocol(con: &Connection, protocol: &Status) -> Json {
    let mode = con
        .identity()
        .filter(|_| con.is_connected())
        .map(|it| it.mode);
    let mut told = Json::object([
        ("state", protocol.state.into()),
        ("connect_seq", protocol.session.connect_seq.into()),
        ("peer_global_seq", protocol.session.peer_global_seq.into()),
        ("con_mode", mode.map(mode_name).into()),
    ]);
    if protocol.speaks == AddrType::Legacy {
        return Json::object([("v1", told)]);
    }
    let both = |name: &str| Json::object([("rx", name.into()), ("tx", name.into())]);
    told.push("rev1", protocol.rev1);
    told.push(
        "crypto",
        both(match mode {
            Some(ConMode::Secure) => "AES-128-GCM",
            _ => "PLAIN",
        }),
    );
    let algorithm = protocol.compression.filter(|it| *it != Algorithm::None);
    told.push(
        "compression",
        both(algorithm.map_or("UNCOMPRESSED", Algorithm::name)),
    );
    Json::object([("v2", told)])
}

const fn mode_name(mode: ConMode) -> &'static str {
    match mode {
        ConMode::Crc => "crc",
        ConMode::Secure => "secure",
    }
}

fn tell_policy(policy: &Policy) -> Json {
    Json::object([
        ("lossy", policy.lossy.into()),
        ("server", policy.server.into()),
        ("standby", policy.standby.into()),
        ("resetcheck", policy.resetcheck.into()),
        ("register_lossy_clients", policy.register.into()),
        ("features_supported", policy.features_supported.into()),
        ("features_required", policy.features_required.into()),
    ])
}

fn tell_session(protocol: &Status) -> Json {
    let session = &protocol.session;
    Json::object([
        ("client_cookie", session.client_cookie.into()),
        ("server_cookie", session.server_cookie.into()),
        ("in_seq", session.in_seq.into()),
        ("out_seq", session.out_seq.into()),
        ("acked_seq", session.acked.into()),
        ("queued_messages", session.queued.into()),
        ("unacked_messages", session.unacked.into()),
    ])
}

fn tell_tcp(info: &TcpInfo) -> Json {
    let mut told = Json::object([("tcpi_state", info.state().into())]);
    for (name, number) in info.numbers() {
        told.push(name, number);
    }
    told.push("tcpi_options", info.options().collect::<Json>());
    told
}

fn addrs(addrs: &EntityAddrVec) -> Json {
    let list = addrs.0.iter().map(addr).collect();
    Json::object([("addrvec", list)])
}

fn addr(addr: &EntityAddr) -> Json {
    let kind = match addr.kind {
        AddrType::Msgr2 => "v2",
        AddrType::Legacy => "v1",
        AddrType::Any => "any",
        AddrType::None => "none",
    };
    let socket = addr
        .socket
        .map_or_else(|| ":0".to_owned(), |at| at.to_string());
    Json::object([
        ("type", kind.into()),
        ("addr", socket.into()),
        ("nonce", addr.nonce.into()),
    ])
}

/// A length of time in few letters, as Ceph writes it: rounded down, in the largest
/// unit of which there are at least two.
fn ago(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let unit = UNITS.iter().find(|(unit, _)| time.as_secs() >= 2 * unit);
    match unit {
        Some((unit, name)) => format!("{}{name}", time.as_secs() / unit),
        None => format!("{}s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit_that_says_enough() {
        for (secs, expected) in [
            (2, "2s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(ago(Duration::from_secs(secs)), expected);
        }
        assert_eq!(ago(Duration::from_millis(1500)), "1.5s");
        assert_eq!(ago(Duration::ZERO), "0s");
    }
}
