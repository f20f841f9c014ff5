//! Authentication by cephx, where both ends share the service's key.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use msgr::{ConMode, ConnectionRef, Context, EntityType, Fault, Messenger, Policy};

use super::support::{DEADLINE, Reporter, Told, message, next_message, next_reset};

const ONE: &str = "AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==";
const OTHER: &str = "AQBBt2tpAAAAABAAn8BfnfGkLkKWlJzTBqGKCg==";

/// A keyring file of the test's own.
pub struct Keyring(PathBuf);

impl Keyring {
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("msgr-{}-{name}.keyring", std::process::id()));
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Self(path)
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn context(options: &[(&str, &str)]) -> Arc<Context> {
    let context = Context::new();
    for (key, value) in options {
        context.conf_set(key, value).unwrap();
    }
    context
}

struct Ends {
    _server: Arc<Messenger>,
    _client: Arc<Messenger>,
    con: ConnectionRef,
    at_server: std::sync::mpsc::Receiver<Told>,
    at_client: std::sync::mpsc::Receiver<Told>,
}

/// A server and a client of contexts with those options, the one dialled by the
/// other.
fn ends(server: &[(&str, &str)], client: &[(&str, &str)]) -> Ends {
    ends_over("v2", server, client)
}

fn ends_over(protocol: &str, server: &[(&str, &str)], client: &[(&str, &str)]) -> Ends {
    let (of_server, of_client) = (context(server), context(client));
    let server = Messenger::create(&of_server, "osd.0", "server", 0).unwrap();
    server
        .set_default_policy(Policy::stateless_server())
        .unwrap();
    let anywhere = format!("{protocol}:127.0.0.1:0");
    server.bind(&anywhere.parse().unwrap()).unwrap();
    let (reporter, at_server) = Reporter::new(true);
    server.add_dispatcher_head(reporter).unwrap();
    server.start().unwrap();
    let client = Messenger::create(&of_client, "client.alice", "client", 1).unwrap();
    client.set_default_policy(Policy::lossy_client()).unwrap();
    let (reporter, at_client) = Reporter::new(true);
    client.add_dispatcher_head(reporter).unwrap();
    client.start().unwrap();
    let con = client.connect(EntityType::OSD, &server.myaddrs()).unwrap();
    Ends {
        _server: server,
        _client: client,
        con,
        at_server,
        at_client,
    }
}

fn expect_open(ends: &Ends, mode: ConMode) {
    ends.con.send(message(2, b"under the seal")).unwrap();
    let (back, mut got) = next_message(&ends.at_server);
    assert_eq!(got.front.contiguous(), &b"under the seal"[..]);
    let peer = back.identity().unwrap();
    assert_eq!(peer.name.unwrap().to_string(), "client.alice");
    assert!(peer.is_proved);
    assert_eq!(peer.caps, b"allow *");
    assert_eq!(peer.mode, mode);
    assert_eq!(ends.con.identity().unwrap().mode, mode);
    back.send(message(4, b"and back")).unwrap();
    assert_eq!(
        next_message(&ends.at_client).1.front.contiguous(),
        &b"and back"[..]
    );
}

fn expect_refused(ends: &Ends, why: &str) {
    next_reset(&ends.at_client);
    let fault = ends.con.last_fault().unwrap();
    assert!(matches!(fault, Fault::Auth(_)), "{fault}");
    assert!(fault.to_string().contains(why), "{fault}");
    assert!(ends.con.send(message(2, b"late")).is_err());
    assert!(
        ends.at_server.recv_timeout(DEADLINE / 100).is_err(),
        "nobody was let in"
    );
}

#[test]
fn two_ends_with_the_services_key_know_each_other_in_every_mode() {
    let keyring = Keyring::new("shared", &format!("[osd.]\n\tkey = {ONE}\n"));
    let path = keyring.path();
    for (mode, expected) in [("crc", ConMode::Crc), ("secure", ConMode::Secure)] {
        let client = [("keyring", path), ("ms_client_mode", mode)];
        expect_open(&ends(&[("keyring", path)], &client), expected);
    }
    let strict = [("keyring", path), ("ms_secure_only", "true")];
    expect_open(&ends(&strict, &strict), ConMode::Secure);
}

#[test]
fn another_key_is_denied_once_and_for_all() {
    let one = Keyring::new("one", &format!("[osd.]\n\tkey = {ONE}\n"));
    let other = Keyring::new("other", &format!("[osd.]\n\tkey = {OTHER}\n"));
    let server = [("keyring", one.path())];
    let client = [("keyring", other.path())];
    expect_refused(
        &ends(&server, &client),
        "does not take auth cephx (error -13)",
    );
}

#[test]
fn nobody_without_a_key_gets_in_and_no_key_is_named_as_the_reason() {
    let keyring = Keyring::new("server", &format!("[osd.]\n\tkey = {ONE}\n"));
    let server = [("keyring", keyring.path())];
    expect_refused(&ends(&server, &[]), "does not take auth none (error -95)");
    let insists = [("auth_client_required", "cephx")];
    expect_refused(&ends(&server, &insists), "no ticket for osd");
}

#[test]
fn a_strict_end_talks_to_no_end_that_would_be_overheard() {
    let keyring = Keyring::new("strict", &format!("[osd.]\n\tkey = {ONE}\n"));
    let path = keyring.path();
    let strict = [("keyring", path), ("ms_secure_only", "true")];
    let readable = [("keyring", path), ("ms_client_mode", "crc")];
    expect_refused(&ends(&strict, &readable), "in no connection mode");
    let readable = [("keyring", path), ("ms_service_mode", "crc")];
    expect_refused(&ends(&readable, &strict), "in no connection mode");
    let readable = [("keyring", path)];
    let never = "msgr v1 has no connection mode that is allowed here";
    expect_refused(&ends_over("v1", &readable, &strict), never);
    let none = [("auth_client_required", "none"), ("ms_secure_only", "true")];
    expect_refused(&ends(&[], &none), "no connection mode is allowed");
}

#[test]
fn a_strict_end_does_not_listen_where_it_could_be_overheard() {
    let context = context(&[("ms_secure_only", "true")]);
    let server = Messenger::create(&context, "osd.0", "server", 0).unwrap();
    for addrs in ["v1:127.0.0.1:0", "[v2:127.0.0.1:0,v1:127.0.0.1:0]"] {
        let refused = server.bind(&addrs.parse().unwrap()).unwrap_err();
        assert_eq!(refused.errno(), libc::EOPNOTSUPP, "{refused}");
    }
    server.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
}
