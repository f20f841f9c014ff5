//! A cluster of msgr's own: a monitor that gives tickets, a daemon that opens
//! them, a client that shows them.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use msgr::{AuthWant, ConMode, ConnectionRef, Context, EntityType, Messenger, Policy};

use super::support::{Reporter, Told, message, next_message, next_reset};

const KEYRING: &str = "
[osd.0]
\tkey = AQAMZ2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==
\tcaps mon = \"allow profile osd\"
\tcaps osd = \"allow *\"
[client.alice]
\tkey = AQBBt2tpAAAAABAAn8BfnfGkLkKWlJzTBqGKCg==
\tcaps mon = \"allow r\"
\tcaps osd = \"allow rw\"
";

/// The same with keys of the second type.
const KEYRING_256: &str = "
[osd.0]
\tkey = AgDAY2trAAAAACAAJTA7RlFcZ3J9iJOeqbS/ytXg6/YBDBciLThDTllkb3o=
\tcaps mon = \"allow profile osd\"
\tcaps osd = \"allow *\"
[client.alice]
\tkey = AgDAY2trAAAAACAASlVga3aBjJeirbjDztnk7/oFEBsmMTxHUl1oc36JlJ8=
\tcaps mon = \"allow r\"
\tcaps osd = \"allow rw\"
";

/// The lines of one entity.
fn section(keyring: &str, name: &str) -> String {
    let mut sections = keyring.split('[');
    let found = sections.find(|section| section.starts_with(name));
    format!("[{}", found.unwrap())
}

fn keyring_of(name: &str) -> String {
    section(KEYRING, name)
}

struct Member {
    messenger: Arc<Messenger>,
    told: Receiver<Told>,
}

fn member(name: &str, keyring: &str, policy: Policy, options: &[(&str, &str)]) -> Member {
    let context = Context::new();
    for (key, value) in options {
        context.conf_set(key, value).unwrap();
    }
    let messenger = Messenger::create(&context, name, "test", 0).unwrap();
    messenger.add_keyring(keyring).unwrap();
    messenger.set_default_policy(policy).unwrap();
    if name != "client.alice" {
        messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
    }
    let (reporter, told) = Reporter::new(false);
    messenger.add_dispatcher_head(reporter).unwrap();
    messenger.start().unwrap();
    messenger
        .set_policy(EntityType::MON, Policy::lossy_client())
        .unwrap_err();
    Member { messenger, told }
}

/// One question to the monitor, and what it answers.
fn ask(member: &Member, monitor: &Member, con: &ConnectionRef, want: AuthWant) {
    let mut next = Some(con.auth_request(want).unwrap());
    while let Some(request) = next {
        con.send(request).unwrap();
        let (client, request) = next_message(&monitor.told);
        client.send(client.auth_serve(&request).unwrap()).unwrap();
        let (_, reply) = next_message(&member.told);
        next = con.auth_reply(&reply).unwrap();
    }
}

/// Logs a member in.
fn log_in(member: &Member, monitor: &Member) -> ConnectionRef {
    let addrs = monitor.messenger.myaddrs();
    let con = member.messenger.connect(EntityType::MON, &addrs).unwrap();
    con.send(message(100, b"here I am")).unwrap();
    let (client, _) = next_message(&monitor.told);
    let peer = client.identity().unwrap();
    assert!(peer.is_proved);
    assert_eq!(con.identity().unwrap().global_id, peer.global_id);
    con
}

fn play(keyring: &str, modes: &[(&str, &str)], mode: ConMode) {
    let server = Policy::stateless_server();
    let monitor = member("mon.a", keyring, server, modes);
    let osd = member("osd.0", &section(keyring, "osd.0"), server, modes);
    let client = member(
        "client.alice",
        &section(keyring, "client.alice"),
        Policy::lossy_client(),
        modes,
    );

    let to_monitor = log_in(&osd, &monitor);
    assert_eq!(to_monitor.identity().unwrap().mode, mode);
    assert_eq!(osd.messenger.rotating_keys_left(), None);
    ask(&osd, &monitor, &to_monitor, AuthWant::RotatingKeys);
    // They change once in the life of a ticket, which is an hour.
    let left = osd.messenger.rotating_keys_left().unwrap();
    let hours = [Duration::from_secs(3500), Duration::from_secs(2 * 3600)];
    assert!((hours[0]..=hours[1]).contains(&left), "{left:?}");

    let to_monitor = log_in(&client, &monitor);
    assert!(client.messenger.ticket_left(EntityType::OSD).is_some());
    let to_osd = client
        .messenger
        .connect(EntityType::OSD, &osd.messenger.myaddrs())
        .unwrap();
    to_osd.send(message(100, b"by ticket")).unwrap();
    let (from_client, _) = next_message(&osd.told);
    let peer = from_client.identity().unwrap();
    assert_eq!(peer.name.unwrap().to_string(), "client.alice");
    assert_eq!(peer.caps, b"allow rw");
    assert_eq!(peer.mode, mode);
    assert_eq!(peer.global_id, to_monitor.identity().unwrap().global_id);
    assert_eq!(
        from_client.peer_name().num,
        i64::try_from(peer.global_id).unwrap()
    );

    // The same again, later and by messages.
    ask(&client, &monitor, &to_monitor, AuthWant::Tickets);
    ask(&client, &monitor, &to_monitor, AuthWant::Login);
    to_osd.mark_down();
    let to_osd = client
        .messenger
        .connect(EntityType::OSD, &osd.messenger.myaddrs())
        .unwrap();
    to_osd.send(message(100, b"by another ticket")).unwrap();
    next_message(&osd.told);
}

#[test]
fn tickets_of_a_monitor_open_the_way_to_a_daemon_in_both_modes() {
    let crc = [
        ("ms_mon_client_mode", "crc"),
        ("ms_mon_cluster_mode", "crc"),
    ];
    for keyring in [KEYRING, KEYRING_256] {
        play(keyring, &crc, ConMode::Crc);
        play(keyring, &[("ms_secure_only", "true")], ConMode::Secure);
    }
}

#[test]
fn a_client_keeps_its_number_when_it_comes_back_to_the_monitor() {
    let monitor = member("mon.a", KEYRING, Policy::stateless_server(), &[]);
    let client = member(
        "client.alice",
        &keyring_of("client.alice"),
        Policy::lossy_client(),
        &[],
    );
    let first = log_in(&client, &monitor);
    let id = first.identity().unwrap().global_id;
    first.mark_down();
    let second = log_in(&client, &monitor);
    assert_eq!(second.identity().unwrap().global_id, id);
}

/// What the monitor has asked of it on the new link is what it answers to later.
#[test]
fn a_login_goes_on_by_messages_where_its_link_has_replaced_another() {
    // With more than one worker the link changes to that of the session.
    for workers in ["1", "3"] {
        let options = [("ms_async_op_threads", workers)];
        let monitor = member("mon.a", KEYRING, Policy::stateful_server(), &options);
        let client = member(
            "client.alice",
            &keyring_of("client.alice"),
            Policy::lossless_client(),
            &options,
        );
        let addrs = monitor.messenger.myaddrs();
        let mut sessions = Vec::new();
        for _ in 0..4 {
            let con = client.messenger.connect(EntityType::MON, &addrs).unwrap();
            con.send(message(100, b"here I am")).unwrap();
            let (session, _) = next_message(&monitor.told);
            ask(&client, &monitor, &con, AuthWant::Tickets);
            ask(&client, &monitor, &con, AuthWant::Login);
            con.mark_down();
            sessions.push(session);
        }
        let is_first = |session| Arc::ptr_eq(session, &sessions[0]);
        assert!(sessions.iter().all(is_first), "{sessions:?}");
    }
}

#[test]
fn a_client_without_keys_keeps_its_number_everywhere_as_well() {
    let server = Policy::stateless_server();
    let monitor = member("mon.a", "", server, &[]);
    let osd = member("osd.0", "", server, &[]);
    let client = member("client.alice", "", Policy::lossy_client(), &[]);
    let log_in = || {
        let addrs = monitor.messenger.myaddrs();
        let con = client.messenger.connect(EntityType::MON, &addrs).unwrap();
        con.send(message(100, b"here I am")).unwrap();
        next_message(&monitor.told);
        con
    };
    let first = log_in();
    let id = first.identity().unwrap().global_id;
    assert_ne!(id, 0);
    first.mark_down();
    assert_eq!(log_in().identity().unwrap().global_id, id);
    let addrs = osd.messenger.myaddrs();
    let con = client.messenger.connect(EntityType::OSD, &addrs).unwrap();
    con.send(message(100, b"here I am")).unwrap();
    let (from_client, _) = next_message(&osd.told);
    assert_eq!(from_client.identity().unwrap().global_id, id);
}

#[test]
fn a_client_with_another_key_or_unknown_is_denied_by_the_monitor() {
    let monitor = member("mon.a", KEYRING, Policy::stateless_server(), &[]);
    let wrong = keyring_of("client.alice")
        .replace("AQBB", "AQCC")
        .replace("n8Bf", "nnBf");
    let client = member("client.alice", &wrong, Policy::lossy_client(), &[]);
    let addrs = monitor.messenger.myaddrs();
    let con = client.messenger.connect(EntityType::MON, &addrs).unwrap();
    next_reset(&client.told);
    let fault = con.last_fault().unwrap().to_string();
    assert_eq!(
        fault,
        "peer denied auth cephx: wrong key, or unknown to it (error -13)"
    );
}
