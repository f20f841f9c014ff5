//! Messengers of one host that meet in a folder.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use msgr::{ConnectionRef, Context, Messenger, Payload};

use crate::support::{client, connect, counted, message, next_message, server};

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("msgr-local-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }

    fn context(&self) -> Arc<Context> {
        let context = Context::new();
        let dir = self.0.to_str().unwrap();
        context.conf_set("ms_local_socket_dir", dir).unwrap();
        context
    }

    /// The names of the sockets in it.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn socket(&self, ip: &str, port: u16) -> PathBuf {
        self.0.join(format!("{ip}-{port}.sock"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A port that nobody has.
fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

fn bind(context: &Arc<Context>, addr: &str) -> Result<Arc<Messenger>, msgr::Error> {
    let messenger = Messenger::create(context, "osd.1", "", 0).unwrap();
    messenger.bind(&addr.parse().unwrap())?;
    Ok(messenger)
}

fn is_local(con: &ConnectionRef) -> bool {
    let addr = con.peer_addrs().front();
    addr.port() == 0 && addr.socket.is_some_and(|at| at.ip().is_loopback())
}

#[test]
fn messengers_of_one_host_meet_in_a_folder() {
    for (bound, dialled) in [
        ("v2:127.0.0.1:0", "127.0.0.1"),
        ("v2:[::1]:0", "[::1]"),
        ("v2:0.0.0.0:0", "127.0.0.1"),
    ] {
        for shared in ["false", "true"] {
            let folder = Folder::new();
            let context = folder.context();
            context
                .conf_set("ms_async_local_listen_table", shared)
                .unwrap();
            let (server, at_server) = server(&context, bound);
            let (client, at_client) = client(&context);
            let port = server.myaddrs().front().port();
            let there = format!("v2:{dialled}:{port}/0").parse().unwrap();
            let con = connect(&client, &there);
            let mut request = message(2, b"round the network");
            request.data = Payload::from(bytes::Bytes::from(vec![7; 3_000_000]));
            con.send(request.clone()).unwrap();
            let (back, got) = next_message(&at_server);
            assert_eq!((&got.front, &got.data), (&request.front, &request.data));
            back.send(*got).unwrap();
            let (_, got) = next_message(&at_client);
            assert_eq!(got.data, request.data);
            assert_eq!(counted(&server, "msgr_accepted_locally"), 1);
            assert_eq!(counted(&client, "msgr_connected_locally"), 1);
            // The addresses are what they always are.
            assert_eq!(con.peer_addrs(), there);
            assert!(is_local(&back), "{}", back.peer_addrs());
        }
    }
}

#[test]
fn who_does_not_know_the_folder_comes_by_the_network() {
    let folder = Folder::new();
    let (server, at_server) = server(&folder.context(), "v2:127.0.0.1:0");
    let (client, _told) = client(&Context::new());
    let con = connect(&client, &server.myaddrs());
    con.send(message(2, b"by the network")).unwrap();
    next_message(&at_server);
    assert_eq!(counted(&server, "msgr_accepted"), 1);
    assert_eq!(counted(&server, "msgr_accepted_locally"), 0);
}

#[test]
fn where_nobody_listens_in_the_folder_the_network_is_taken_at_once() {
    let folder = Folder::new();
    let (server, at_server) = server(&Context::new(), "v2:127.0.0.1:0");
    let context = folder.context();
    context.conf_set("ms_initial_backoff", "3600").unwrap();
    let port = server.myaddrs().front().port();
    for left_behind in [false, true] {
        if left_behind {
            drop(UnixListener::bind(folder.socket("127.0.0.1", port)).unwrap());
        }
        let (client, _told) = client(&context);
        let con = connect(&client, &server.myaddrs());
        con.send(message(2, b"by the network")).unwrap();
        next_message(&at_server);
        assert_eq!(counted(&client, "msgr_connected_locally"), 0);
    }
}

#[test]
fn a_socket_that_leads_to_somebody_else_is_passed_by_the_next_time() {
    let folder = Folder::new();
    let (server, at_server) = server(&Context::new(), "v2:127.0.0.1:0");
    let port = server.myaddrs().front().port();
    let other = UnixListener::bind(folder.socket("127.0.0.1", port)).unwrap();
    let (client, _told) = client(&folder.context());
    let con = connect(&client, &server.myaddrs());
    con.send(message(2, b"to the right one")).unwrap();
    drop(other.accept().unwrap());
    next_message(&at_server);
    assert_eq!(counted(&client, "msgr_connected_locally"), 1);
}

#[test]
fn a_socket_is_its_owners_and_goes_with_it() {
    let folder = Folder::new();
    let context = folder.context();
    let messenger = bind(&context, "[v2:127.0.0.1:0,v2:[::1]:0]").unwrap();
    let expected = |messenger: &Messenger| {
        let addrs = messenger.myaddrs();
        let socket = |ip: &str, index: usize| format!("{ip}-{}.sock", addrs.0[index].port());
        [socket("127.0.0.1", 0), socket("::1", 1)]
    };
    assert_eq!(folder.names(), expected(&messenger));
    for name in folder.names() {
        let mode = fs::metadata(folder.0.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let former = expected(&messenger);
    messenger.rebind(&[]).unwrap();
    assert_eq!(folder.names(), expected(&messenger));
    assert_ne!(folder.names(), former);
    messenger.start().unwrap();
    messenger.shutdown().unwrap();
    messenger.wait().unwrap();
    assert!(folder.names().is_empty());
}

#[test]
fn what_a_dead_process_left_is_replaced_and_a_living_ones_socket_never() {
    let folder = Folder::new();
    let context = folder.context();
    let port = free_port();
    let socket = folder.socket("127.0.0.1", port);
    let addr = format!("v2:127.0.0.1:{port}");
    let living = UnixListener::bind(&socket).unwrap();
    let refused = bind(&context, &addr).map(drop).unwrap_err();
    assert_eq!(refused.errno(), libc::EADDRINUSE);
    drop(UnixStream::connect(&socket).unwrap());
    // It dies, and its socket stays.
    drop(living);
    let messenger = bind(&context, &addr).unwrap();
    // Nor does the end of a messenger take the socket of its successor along.
    fs::remove_file(&socket).unwrap();
    let _successor = UnixListener::bind(&socket).unwrap();
    drop(messenger);
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn something_else_in_the_place_of_a_socket_is_left_alone() {
    let folder = Folder::new();
    let port = free_port();
    let file = folder.socket("127.0.0.1", port);
    fs::write(&file, "precious").unwrap();
    let addr = format!("v2:127.0.0.1:{port}");
    let refused = bind(&folder.context(), &addr).map(drop).unwrap_err();
    assert_eq!(refused.errno(), libc::EEXIST);
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_folder_to_which_others_may_write_is_not_used() {
    let folder = Folder::new();
    let (server, at_server) = server(&folder.context(), "v2:127.0.0.1:0");
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = bind(&folder.context(), "v2:127.0.0.1:0").map(drop);
    assert_eq!(refused.unwrap_err().errno(), libc::EACCES);
    let (client, _told) = client(&folder.context());
    let con = connect(&client, &server.myaddrs());
    con.send(message(2, b"by the network")).unwrap();
    next_message(&at_server);
    assert_eq!(counted(&client, "msgr_connected_locally"), 0);
}
