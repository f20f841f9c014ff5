//! Peers that connect and go no further.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use msgr::{Context, Messenger};

use crate::support::{DEADLINE, client, connect, counted, message, next_message, server};

fn dial(to: &Messenger) -> TcpStream {
    let at: SocketAddr = to.myaddrs().front().socket.unwrap();
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Waits for the banner: the socket is accepted and served.
fn read_banner(stranger: &mut TcpStream) {
    let mut banner = [0; 26];
    stranger.read_exact(&mut banner).unwrap();
    assert!(banner.starts_with(b"ceph v2\n"));
}

fn is_closed(stranger: &mut TcpStream) -> bool {
    match stranger.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => is_closed(stranger),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
        Err(error) => panic!("{error}"),
    }
}

fn context(options: &[(&str, &str)]) -> Arc<Context> {
    let context = Context::new();
    for (key, value) in options {
        context.conf_set(key, value).unwrap();
    }
    context
}

#[test]
fn the_oldest_stranger_goes_when_too_many_are_half_open() {
    for (per_source, evicted) in [
        ("256", "msgr_half_open_evicted"),
        // All the room is taken by one source, which has got more than its due.
        ("3", "msgr_half_open_evicted_per_source"),
    ] {
        for workers in ["1", "3"] {
            let context = context(&[
                ("ms_max_half_open", "4"),
                ("ms_max_half_open_per_source", per_source),
                ("ms_async_op_threads", workers),
            ]);
            let (server, at_server) = server(&context, "v2:127.0.0.1:0");
            let mut strangers: Vec<_> = (0..8)
                .map(|_| {
                    let mut stranger = dial(&server);
                    read_banner(&mut stranger);
                    stranger
                })
                .collect();
            let mut stayed = strangers.split_off(4);
            for stranger in &mut strangers {
                assert!(is_closed(stranger));
            }
            // They keep nobody out; for the client the next one goes.
            let (client, _told) = client(&context);
            let con = connect(&client, &server.myaddrs());
            con.send(message(2, b"I mean it")).unwrap();
            next_message(&at_server);
            assert!(is_closed(&mut stayed[0]));
            assert!(stayed[1..].iter().all(is_open));
            assert_eq!(counted(&server, evicted), 5);
            assert_eq!(counted(&server, "msgr_accepted"), 9);
            assert_eq!(counted(&server, "msgr_half_open"), 3);
        }
    }
}

/// A socket that was closed tells so at once.
fn is_open(stranger: &TcpStream) -> bool {
    stranger.set_nonblocking(true).unwrap();
    let got = stranger.peek(&mut [0; 1]);
    matches!(got, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn those_with_a_session_are_not_counted() {
    let context = context(&[("ms_max_half_open", "2")]);
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (client, told) = client(&context);
            let con = connect(&client, &server.myaddrs());
            con.send(message(2, b"first")).unwrap();
            next_message(&at_server);
            (client, told, con)
        })
        .collect();
    for (_, _, con) in &clients {
        con.send(message(2, b"again")).unwrap();
        next_message(&at_server);
    }
}
