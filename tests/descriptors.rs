//! Out of file descriptors. A test program of its own: the limit is the
//! process's.

mod support;

use std::fs::File;
use std::net::TcpStream;
use std::sync::Arc;

use msgr::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{client, connect, message, next_message, next_reset, server};

#[test]
fn without_descriptors_accepting_pauses_and_goes_on_when_there_are_some_again() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let (client_one, _told) = client(&context);
    let old = connect(&client_one, &server.myaddrs());
    old.send(message(2, b"before")).unwrap();
    let (back, _) = next_message(&at_server);

    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(256),
            maximum: hard,
        },
    )
    .unwrap();
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One descriptor for a newcomer that connects, none to accept it with.
    hoard.pop();
    let newcomer = TcpStream::connect(server.myaddrs().0[0].socket.unwrap()).unwrap();

    // Who is in is served all the same.
    for _ in 0..100 {
        old.send(message(2, b"meanwhile")).unwrap();
        next_message(&at_server);
    }
    assert!(back.is_connected());

    drop(hoard);
    drop(newcomer);
    let (client_two, at_client) = client(&context);
    let con = connect(&client_two, &server.myaddrs());
    con.send(message(2, b"after")).unwrap();
    let (back, _) = next_message(&at_server);
    assert!(!Arc::ptr_eq(&back, &con));
    back.mark_down();
    assert!(Arc::ptr_eq(&next_reset(&at_client), &con));
}
