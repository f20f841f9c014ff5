//! Out of file descriptors. A test program of its own: the limit is the
//! process's.

#![expect(
    clippy::disallowed_methods,
    reason = "the newcomer is not one of msgr's sockets"
)]

use std::fs::File;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgr::{ConnectionRef, Context, Dispatcher, EntityType, Message, Messenger, Policy};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Passes on who has sent something.
struct Doorbell(Mutex<SyncSender<ConnectionRef>>);

impl Dispatcher for Doorbell {
    fn dispatch(&self, con: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        self.0.lock().unwrap().send(Arc::clone(con)).unwrap();
        Ok(())
    }
}

fn server(context: &Arc<Context>) -> (Arc<Messenger>, Receiver<ConnectionRef>) {
    let (sender, rings) = sync_channel(1000);
    let server = Messenger::create(context, "osd.0", "server", 0).unwrap();
    server
        .set_default_policy(Policy::stateless_server())
        .unwrap();
    server.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    server
        .add_dispatcher_head(Arc::new(Doorbell(sender.into())))
        .unwrap();
    server.start().unwrap();
    (server, rings)
}

fn client(context: &Arc<Context>, to: &Messenger) -> (Arc<Messenger>, ConnectionRef) {
    let client = Messenger::create(context, "client.0", "client", 0).unwrap();
    client.start().unwrap();
    let con = client.connect(EntityType::OSD, &to.myaddrs()).unwrap();
    (client, con)
}

fn ring(con: &ConnectionRef, rings: &Receiver<ConnectionRef>) -> ConnectionRef {
    con.send(Message::new(1)).unwrap();
    rings.recv_timeout(Duration::from_secs(30)).unwrap()
}

#[test]
fn without_descriptors_accepting_pauses_and_goes_on_when_there_are_some_again() {
    let context = Context::new();
    let (server, rings) = server(&context);
    let (_old_client, old) = client(&context, &server);
    ring(&old, &rings);

    let hard = getrlimit(Resource::Nofile).maximum;
    let low = Rlimit {
        current: Some(256),
        maximum: hard,
    };
    setrlimit(Resource::Nofile, low).unwrap();
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One descriptor for a newcomer to connect with, none to accept it with.
    hoard.pop();
    let newcomer = TcpStream::connect(server.myaddrs().0[0].socket.unwrap()).unwrap();

    // Who is in is served all the same.
    for _ in 0..100 {
        ring(&old, &rings);
    }

    drop((hoard, newcomer));
    let (_new_client, new) = client(&context, &server);
    let back = ring(&new, &rings);
    assert!(back.is_connected() && new.is_connected());
}
