//! Simulated sockets, as those see them who use them.

use std::io::{ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::poller::{Endpoint, Poller};
use super::{Death, Passage, Process, Silence, Simulation, StreamId, Tap, Weather};
use crate::event::{Interest, PortSharing, SocketOptions};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// Two hosts with a process each.
struct World {
    simulation: Arc<Simulation>,
    server: (Process, Poller),
    client: (Process, Poller),
}

fn world(weather: Weather) -> World {
    let simulation = Simulation::new(1, weather);
    let process = |ip| {
        let process = simulation.spawn(ip);
        let poller = process.seat();
        (process, poller)
    };
    World {
        server: process(SERVER),
        client: process(CLIENT),
        simulation,
    }
}

impl World {
    fn listen(&self) -> Endpoint {
        self.server
            .1
            .listen(at(6800), &SocketOptions::default())
            .unwrap()
    }

    /// A connection, the client's end first.
    fn pair(&self) -> (Endpoint, Endpoint) {
        let listener = self.listen();
        let client = self.client.1.connect(at(6800)).unwrap();
        self.settle();
        client.take_error().unwrap();
        let (server, from) = listener.accept().unwrap();
        assert_eq!(from, client.local_addr().unwrap());
        (client, server)
    }

    /// Lets everything happen that is under way.
    fn settle(&self) {
        for _ in 0..1000 {
            match self.simulation.next_event() {
                Some(at) => self.simulation.advance(at),
                None => return,
            }
        }
    }

    /// Lets so much time go by.
    fn pass(&self, time: Duration) {
        self.simulation.advance(self.simulation.now() + time);
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(SERVER, port)
}

fn write(socket: &Endpoint, bytes: &[u8]) -> Result<usize, ErrorKind> {
    let written = socket.write_vectored(&[IoSlice::new(bytes)]);
    written.map_err(|error| error.kind())
}

fn read(socket: &Endpoint) -> Result<Vec<u8>, ErrorKind> {
    let mut buffer = Vec::with_capacity(1 << 20);
    let read = socket.read_to_spare(&mut buffer);
    read.map(|_| buffer).map_err(|error| error.kind())
}

#[test]
fn bytes_come_in_order_and_in_time_and_the_end_comes_last() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    assert_eq!(write(&client, b"first "), Ok(6));
    assert_eq!(write(&client, b"second"), Ok(6));
    drop(client);
    assert_eq!(read(&server), Err(ErrorKind::WouldBlock));
    world.pass(Weather::FAIR.latency.1 * 2);
    assert_eq!(read(&server), Ok(b"first second".to_vec()));
    assert_eq!(read(&server), Ok(vec![]));
}

#[test]
fn reads_and_writes_may_be_short_and_nothing_is_lost_by_it() {
    let weather = Weather {
        short_reads: 900,
        short_writes: 900,
        sndbuf: 1000,
        rcvbuf: 700,
        ..Weather::FAIR
    };
    let world = world(weather);
    let (client, server) = world.pair();
    let sent: Vec<u8> = (0..50_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut written, mut received) = (0, Vec::new());
    while received.len() < sent.len() {
        if let Ok(more) = write(&client, &sent[written..]) {
            written += more;
        }
        world.pass(Weather::FAIR.latency.0);
        received.extend(read(&server).unwrap_or_default());
    }
    assert!(received == sent);
}

#[test]
fn where_nobody_listens_connecting_is_refused() {
    let world = world(Weather::FAIR);
    let client = world.client.1.connect(at(1)).unwrap();
    world.settle();
    let refused = client.take_error().map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
}

#[test]
fn a_port_is_taken_once_and_only_on_its_own_host() {
    let world = world(Weather::FAIR);
    let listener = world.listen();
    let again = world
        .server
        .1
        .listen(at(6800), &SocketOptions::default())
        .map(|_| ());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    let elsewhere = world
        .client
        .1
        .listen(at(6801), &SocketOptions::default())
        .map(|_| ());
    assert_eq!(elsewhere.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    drop(listener);
    assert!(
        world
            .server
            .1
            .listen(at(6800), &SocketOptions::default())
            .is_ok()
    );
}

#[test]
fn a_shared_port_spreads_connections_over_its_listeners() {
    let world = world(Weather::FAIR);
    let listen = |sharing| {
        let options = SocketOptions {
            sharing,
            ..SocketOptions::default()
        };
        world.server.1.listen(at(6800), &options)
    };
    let listeners = [PortSharing::First, PortSharing::Further].map(|how| listen(how).unwrap());
    assert!(listen(PortSharing::First).is_err());
    let clients: Vec<_> = (0..40)
        .map(|_| world.client.1.connect(at(6800)).unwrap())
        .collect();
    world.settle();
    let accepted = listeners.map(|listener| std::iter::from_fn(|| listener.accept().ok()).count());
    assert_eq!(accepted[0] + accepted[1], clients.len());
    assert!(accepted.iter().all(|some| *some > 0), "{accepted:?}");
}

#[test]
fn a_process_without_descriptors_gets_its_newcomers_later() {
    let world = world(Weather::FAIR);
    let listener = world.listen();
    let client = world.client.1.connect(at(6800)).unwrap();
    world.settle();
    let until = world.simulation.now() + Duration::from_secs(1);
    let mut network = world.simulation.network();
    network.starve(&world.server.0, until);
    network.starve(&world.client.0, until);
    drop(network);
    let errno = |error: std::io::Error| error.raw_os_error();
    assert_eq!(errno(listener.accept().unwrap_err()), Some(libc::EMFILE));
    let second = world.client.1.connect(at(6800));
    assert_eq!(errno(second.unwrap_err()), Some(libc::EMFILE));
    world.pass(Duration::from_secs(1));
    assert!(listener.accept().is_ok());
    drop(client);
}

#[test]
fn a_half_closed_connection_tells_one_end_of_an_end_and_loses_what_comes_after() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    let end = world.simulation.network().connected()[0];
    write(&client, b"before").unwrap();
    world.simulation.network().half_close(end);
    write(&client, b"after").unwrap();
    write(&server, b"still").unwrap();
    world.settle();
    assert_eq!(read(&server), Ok(b"before".to_vec()));
    assert_eq!(read(&server), Ok(vec![]));
    assert_eq!(read(&client), Ok(b"still".to_vec()));
}

#[test]
fn a_flipped_bit_is_one_bit() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    write(&client, &[0; 1000]).unwrap();
    let end = world.simulation.network().connected()[0];
    assert!(world.simulation.network().flip(end, 100));
    world.settle();
    let received = read(&server).unwrap();
    assert!(received[..100].iter().all(|byte| *byte == 0));
    assert_eq!(
        received.iter().map(|byte| byte.count_ones()).sum::<u32>(),
        1
    );
}

#[test]
fn a_full_socket_takes_nothing_until_the_other_end_reads() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    let chunk = vec![1; 64 << 10];
    while write(&client, &chunk).is_ok() {
        world.settle();
    }
    world
        .client
        .1
        .watch(&client, 1, Interest::READ_WRITE)
        .unwrap();
    let is_writable = || {
        let mut ready = Vec::new();
        world.client.1.poll(&mut ready);
        ready.iter().any(|(_, ready)| ready.writable)
    };
    assert!(!is_writable());
    assert!(!read(&server).unwrap().is_empty());
    world.settle();
    assert!(is_writable());
}

#[test]
fn a_cut_path_holds_everything_until_it_is_mended() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    world.simulation.network().cut(CLIENT, SERVER);
    write(&client, b"late").unwrap();
    write(&server, b"soon").unwrap();
    let other = world.client.1.connect(at(6800)).unwrap();
    world.settle();
    assert_eq!(read(&client), Ok(b"soon".to_vec()));
    assert_eq!(read(&server), Err(ErrorKind::WouldBlock));
    assert!(other.take_error().is_ok());
    assert_eq!(write(&other, b"x"), Err(ErrorKind::BrokenPipe));
    world.simulation.network().mend(CLIENT, SERVER);
    world.settle();
    assert_eq!(read(&server), Ok(b"late".to_vec()));
    // Nobody listens any more, and now that is heard.
    let refused = other.take_error().map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
}

#[test]
fn healing_mends_every_path() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    world.simulation.network().cut(CLIENT, SERVER);
    world.simulation.network().cut(SERVER, CLIENT);
    write(&client, b"late").unwrap();
    write(&server, b"late").unwrap();
    world.settle();
    world.simulation.network().heal();
    world.settle();
    for socket in [&client, &server] {
        assert_eq!(read(socket), Ok(b"late".to_vec()));
    }
}

#[test]
fn a_stall_delays_what_is_and_what_comes_under_way() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    let ends = world.simulation.network().connected();
    write(&client, b"a").unwrap();
    for end in ends {
        let mut network = world.simulation.network();
        network.stall(end, Duration::from_secs(1));
    }
    write(&client, b"b").unwrap();
    world.pass(Duration::from_millis(900));
    assert_eq!(read(&server), Err(ErrorKind::WouldBlock));
    world.pass(Duration::from_millis(200));
    assert_eq!(read(&server), Ok(b"ab".to_vec()));
}

#[test]
fn a_reset_is_told_once_at_both_ends_and_loses_what_is_under_way() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    write(&client, b"lost").unwrap();
    let end = world.simulation.network().connected()[0];
    world.simulation.network().reset(end);
    world.settle();
    for socket in [&client, &server] {
        assert!(read(socket).is_err());
        assert_eq!(read(socket), Ok(vec![]));
        assert_eq!(write(socket, b"x"), Err(ErrorKind::BrokenPipe));
    }
}

#[test]
fn bytes_left_unread_at_a_close_are_told_by_a_reset() {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    write(&client, b"unread").unwrap();
    world.settle();
    drop(server);
    world.settle();
    assert_eq!(read(&client), Err(ErrorKind::ConnectionReset));
}

#[test]
fn of_two_halves_one_hears_nothing_until_it_speaks_or_never() {
    for silence in [Silence::Answered, Silence::Void] {
        let world = world(Weather::FAIR);
        let (client, server) = world.pair();
        let end = world.simulation.network().connected()[0];
        world.simulation.network().half_open(end, silence);
        world.settle();
        assert_eq!(read(&client), Err(ErrorKind::ConnectionReset));
        assert_eq!(read(&server), Err(ErrorKind::WouldBlock));
        write(&server, b"hello?").unwrap();
        world.settle();
        let heard = match silence {
            Silence::Answered => ErrorKind::ConnectionReset,
            Silence::Void => ErrorKind::WouldBlock,
        };
        assert_eq!(read(&server), Err(heard));
    }
}

#[test]
fn a_dead_process_has_no_sockets_and_its_peers_hear_of_it_or_not() {
    for death in [Death::Killed, Death::Vanished] {
        let world = world(Weather::FAIR);
        let (client, server) = world.pair();
        let mut network = world.simulation.network();
        network.kill(&world.server.0, death);
        drop(network);
        world.settle();
        assert_eq!(read(&server), Err(ErrorKind::NotConnected));
        assert!(
            world
                .server
                .1
                .listen(at(6800), &SocketOptions::default())
                .is_err()
        );
        match death {
            Death::Killed => assert_eq!(read(&client), Ok(vec![])),
            Death::Vanished => assert_eq!(read(&client), Err(ErrorKind::WouldBlock)),
        }
        write(&client, b"anybody?").unwrap();
        world.settle();
        assert_eq!(read(&client), Err(ErrorKind::ConnectionReset));
        // A new process on the same host gets the port.
        let process = world.simulation.spawn(SERVER);
        assert!(
            process
                .seat()
                .listen(at(6800), &SocketOptions::default())
                .is_ok()
        );
    }
}

#[test]
fn nothing_is_left_of_connections_that_both_ends_have_closed() {
    let world = world(Weather::FAIR);
    for round in 0..30 {
        let (client, server) = world.pair();
        write(&client, &[0; 1000]).unwrap();
        if round % 3 == 0 {
            world.settle();
        }
        drop(client);
        if round % 2 == 0 {
            world.settle();
        }
        drop(server);
        world.settle();
    }
    let network = world.simulation.network();
    assert_eq!(network.open_sockets(), 0);
    assert!(network.streams.is_empty());
}

/// Does what it reads.
#[derive(Default)]
struct Obedient {
    has_held: bool,
}

impl Tap for Obedient {
    fn dial(&mut self, _: StreamId, _: usize) -> Passage {
        Passage::Pass(0)
    }

    fn accept(&mut self, _: StreamId, _: StreamId, _: usize) -> Passage {
        Passage::Pass(0)
    }

    fn watch(&mut self, _: StreamId, _: u64) {}

    fn write(&mut self, _: StreamId, bytes: &mut Vec<u8>) -> Passage {
        match &bytes[..] {
            b"hold" if !std::mem::replace(&mut self.has_held, true) => Passage::Hold,
            b"break" => Passage::Break,
            b"end" => Passage::End,
            b"half" => {
                bytes.truncate(2);
                Passage::Pass(2)
            }
            all => Passage::Pass(all.len()),
        }
    }

    fn read(&mut self, _: StreamId, there: usize) -> Passage {
        Passage::Pass(there)
    }
}

fn tapped_pair() -> (World, Endpoint, Endpoint) {
    let world = world(Weather::FAIR);
    let (client, server) = world.pair();
    world
        .simulation
        .network()
        .tap(Box::new(Obedient::default()));
    (world, client, server)
}

#[test]
fn what_a_tap_holds_passes_once_it_is_released() {
    let (world, client, server) = tapped_pair();
    assert_eq!(write(&client, b"half"), Ok(2));
    assert_eq!(write(&client, b"hold"), Err(ErrorKind::WouldBlock));
    assert_eq!(write(&client, b"more"), Err(ErrorKind::WouldBlock));
    world.settle();
    assert_eq!(read(&server), Ok(b"ha".to_vec()));
    let ends = world.simulation.network().connected();
    ends.iter()
        .for_each(|end| world.simulation.network().release(*end));
    assert_eq!(write(&client, b"hold"), Ok(4));
    world.settle();
    assert_eq!(read(&server), Ok(b"hold".to_vec()));
}

#[test]
fn a_tap_ends_a_stream_behind_what_is_under_way() {
    for (word, at_writer, at_reader) in [
        (
            "break",
            ErrorKind::ConnectionReset,
            Err(ErrorKind::ConnectionReset),
        ),
        ("end", ErrorKind::BrokenPipe, Ok(vec![])),
    ] {
        let (world, client, server) = tapped_pair();
        assert_eq!(write(&client, b"first"), Ok(5));
        assert_eq!(write(&client, word.as_bytes()), Err(at_writer));
        drop(client);
        let mut got = Err(ErrorKind::WouldBlock);
        while got == Err(ErrorKind::WouldBlock) {
            let next = world.simulation.next_event().unwrap();
            world.simulation.advance(next);
            got = read(&server);
        }
        assert_eq!(got, Ok(b"first".to_vec()));
        world.settle();
        assert_eq!(read(&server), at_reader);
    }
}
