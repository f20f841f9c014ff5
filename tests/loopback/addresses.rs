//! Messengers with several addresses.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use msgr::{Context, EntityAddr, EntityAddrVec, Messenger};

use crate::support::{DEADLINE, Told, client, connect, message, next_message, server};

fn only(addr: EntityAddr) -> EntityAddrVec {
    addr.into()
}

#[test]
fn a_messenger_is_reached_at_each_of_its_addresses() {
    for local_listen_table in ["false", "true"] {
        let context = Context::new();
        context
            .conf_set("ms_async_local_listen_table", local_listen_table)
            .unwrap();
        let v2 = "v2:127.0.0.1:0,v2:[::1]:0,v2:127.0.0.2:0";
        let v1 = "v1:127.0.0.1:0,v1:127.0.0.1:0,v1:[::1]:0,v1:127.0.0.2:0";
        let (server, at_server) = server(&context, &format!("[{v2},{v1}]"));
        let bound = server.myaddrs();
        assert_eq!(bound.0.len(), 7, "{bound}");
        for addr in &bound.0 {
            let (client, at_client) = client(&context);
            let con = connect(&client, &only(*addr));
            con.send(message(2, b"to one")).unwrap();
            let (back, _) = next_message(&at_server);
            back.send(message(2, b"back")).unwrap();
            let (answered, _) = next_message(&at_client);
            assert!(Arc::ptr_eq(&con, &answered));
        }
    }
}

#[test]
fn wildcards_of_both_families_share_a_port() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:0.0.0.0:0");
    let port = server.myaddrs().front().port();
    let other = Messenger::create(&context, "osd.1", "", 0).unwrap();
    other
        .bind(&format!("v2:[::]:{port}").parse().unwrap())
        .unwrap();
    let (client, _told) = client(&context);
    let con = connect(&client, &format!("v2:127.0.0.1:{port}").parse().unwrap());
    con.send(message(2, b"over IPv4")).unwrap();
    next_message(&at_server);
}

#[test]
fn a_rebind_moves_every_address() {
    let context = Context::new();
    let (server, at_server) = server(&context, "[v2:127.0.0.1:0,v2:[::1]:0]");
    let former = server.myaddrs();
    server.rebind(&[]).unwrap();
    let renewed = server.myaddrs();
    for (former, renewed) in former.0.iter().zip(&renewed.0) {
        assert_ne!(former.port(), renewed.port());
        let (client, _told) = client(&context);
        connect(&client, &only(*renewed))
            .send(message(2, b"again"))
            .unwrap();
        next_message(&at_server);
    }
}

/// A peer at `first` and, truly, where the server is.
fn also_at(first: SocketAddr, server: &Messenger) -> EntityAddrVec {
    let there = server.myaddrs().front();
    EntityAddrVec(vec![EntityAddr::msgr2(first, there.nonce), there])
}

#[test]
fn a_peer_is_found_at_its_second_address_if_nobody_is_at_the_first() {
    let context = Context::new();
    // So long a pause that no second round can be what helped.
    context.conf_set("ms_initial_backoff", "3600").unwrap();
    context.conf_set("ms_max_backoff", "3600").unwrap();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    let (client, at_client) = client(&context);
    let con = connect(&client, &also_at(closed, &server));
    con.send(message(2, b"found")).unwrap();
    let (back, _) = next_message(&at_server);
    back.send(message(2, b"yes")).unwrap();
    let told = at_client.recv_timeout(DEADLINE).unwrap();
    assert!(matches!(told, Told::Connect), "not refused: {told:?}");
}

#[test]
fn a_peer_is_found_at_its_second_address_if_the_first_speaks_another_protocol() {
    let context = Context::new();
    context.conf_set("ms_initial_backoff", "3600").unwrap();
    context.conf_set("ms_max_backoff", "3600").unwrap();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (client, _told) = client(&context);
    let con = connect(&client, &also_at(other.local_addr().unwrap(), &server));
    con.send(message(2, b"found")).unwrap();
    let (mut stream, _) = other.accept().unwrap();
    stream.write_all(b"ceph v027").unwrap();
    next_message(&at_server);
}

#[test]
fn a_messenger_dials_from_its_own_address_if_it_shall() {
    for (option, expected) in [("false", "127.0.0.1"), ("true", "127.0.0.5")] {
        let context = Context::new();
        context.conf_set("ms_bind_before_connect", option).unwrap();
        let messenger = Messenger::create(&context, "osd.7", "", 1).unwrap();
        let addrs = "[v2:[::1]:0,v2:127.0.0.5:0]".parse().unwrap();
        messenger.bind(&addrs).unwrap();
        messenger.start().unwrap();
        for (at, expected) in [("127.0.0.1:0", expected), ("[::1]:0", "::1")] {
            let peer = TcpListener::bind(at).unwrap();
            let addr = EntityAddr::msgr2(peer.local_addr().unwrap(), 0);
            let con = connect(&messenger, &only(addr));
            let (_stream, from) = peer.accept().unwrap();
            assert_eq!(from.ip().to_string(), expected);
            con.mark_down();
        }
    }
}

#[test]
fn a_peer_that_listens_in_v1_alone_is_found_behind_its_v2_address() {
    let context = Context::new();
    context.conf_set("ms_initial_backoff", "3600").unwrap();
    context.conf_set("ms_max_backoff", "3600").unwrap();
    let (server, at_server) = server(&context, "v1:127.0.0.1:0");
    let v1 = server.myaddrs().front();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    // Nobody is there, or the wrong protocol is.
    for first in [closed, v1.socket.unwrap()] {
        let (client, at_client) = client(&context);
        let there = EntityAddrVec(vec![EntityAddr::msgr2(first, v1.nonce), v1]);
        let con = connect(&client, &there);
        con.send(message(2, b"found")).unwrap();
        let (back, _) = next_message(&at_server);
        back.send(message(2, b"yes")).unwrap();
        let told = at_client.recv_timeout(DEADLINE).unwrap();
        assert!(matches!(told, Told::Connect), "not refused: {told:?}");
    }
}
