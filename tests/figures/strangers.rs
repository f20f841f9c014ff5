//! What peers that go no further than a connection cost: others their time, and
//! this end its memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use msgr::{ConnectOptions, Context, EntityType, Messenger, Policy};
use socket2::{Domain, Socket, Type};

use super::idle::raise_limit;
use super::support::pair::eventually;
use super::support::{Told, client, counted, next, server};
use super::{Times, expect_times, heap_bytes};

/// So many stay; and so many are more than may be half open.
const STRANGERS: [u32; 2] = [4000, 10_000];
/// Ours by default.
const LIMIT: u32 = 4096;
/// Connections made besides them, at least.
const MEANT: usize = 1000;

/// The most that one of them may hold of this end's memory.
const MOST: i64 = 64 << 10;
/// How many are measured.
const MEASURED: i64 = 100;

/// A connection from the stranger of that number, each of which is a source of
/// its own.
fn stranger(number: u32, to: &Messenger) -> TcpStream {
    let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + number);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    let at = to.myaddrs().front().socket.unwrap();
    socket.connect(&at.into()).unwrap();
    socket.into()
}

/// Connects anew, and again, until told to stop: how long each one took.
fn connect_repeatedly(to: &Messenger, enough: &AtomicBool) -> Times {
    let context = Context::new();
    let (client, told) = client(&context);
    let anonymous = ConnectOptions {
        anonymous: true,
        ..ConnectOptions::default()
    };
    let mut times = Times::default();
    while !enough.load(Ordering::Relaxed) || times.0.len() < MEANT {
        let begin = Instant::now();
        let addrs = to.myaddrs();
        let con = client
            .connect_with(EntityType::OSD, &addrs, anonymous)
            .unwrap();
        next(&told, |told| matches!(told, Told::Connect).then_some(()));
        times.since(begin);
        con.mark_down();
    }
    times
}

/// Times to connect while so many others connect and say nothing.
fn beside(strangers: u32) -> Times {
    let context = Context::new();
    context
        .conf_set("ms_connection_ready_timeout", "600")
        .unwrap();
    let (server, _told) = server(&context, "v2:127.0.0.1:0");
    let all_there = AtomicBool::new(false);
    let (times, silent) = std::thread::scope(|scope| {
        let times = scope.spawn(|| connect_repeatedly(&server, &all_there));
        let silent: Vec<_> = (0..strangers).map(|n| stranger(n, &server)).collect();
        let stay = u64::from(strangers.min(LIMIT));
        eventually(|| counted(&server, "msgr_half_open") >= stay, "full");
        all_there.store(true, Ordering::Relaxed);
        (times.join().unwrap(), silent)
    });
    let evicted = || counted(&server, "msgr_half_open_evicted");
    // The last of them may wait to be accepted still.
    let too_many = u64::from(strangers.saturating_sub(LIMIT));
    eventually(|| evicted() >= too_many, "rid of those that are too many");
    println!("{strangers} strangers: {} had to go", evicted());
    assert!(strangers > LIMIT || evicted() == 0);
    drop(silent);
    times
}

#[test]
#[ignore = "wants the machine for itself"]
fn silent_strangers_keep_nobody_waiting() {
    raise_limit();
    for strangers in STRANGERS {
        let (half, most) = (Duration::from_millis(10), Duration::from_millis(100));
        let what = format!("connecting beside {strangers} silent strangers");
        expect_times(&what, half, most, || beside(strangers));
    }
}

/// A control frame of msgr2.1.
fn frame(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, 1];
    bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    bytes.extend([8, 0]);
    bytes.resize(28, 0);
    bytes.extend((!crc32c::crc32c_append(u32::MAX, &bytes)).to_le_bytes());
    bytes.extend(payload);
    bytes.extend((!crc32c::crc32c(payload)).to_le_bytes());
    bytes
}

/// An AUTH_REQUEST of a method that nobody has, with a payload of that length.
fn auth_request(len: u32) -> Vec<u8> {
    let mut request = vec![0x77, 0, 0, 0, 0, 0, 0, 0];
    request.extend(len.to_le_bytes());
    request.resize(request.len() + len as usize, 7);
    frame(2, &request)
}

/// Banner and HELLO of a client.
fn greeting() -> Vec<u8> {
    let mut bytes = b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let mut hello = vec![8, 1, 1, 1, 28, 0, 0, 0];
    hello.resize(hello.len() + 28, 0);
    bytes.extend(frame(1, &hello));
    bytes
}

/// Comes back when each worker has done what it was doing: one that listens
/// everywhere has all of them make its sockets.
fn pass_through_workers(context: &Arc<Context>) {
    context
        .conf_set("ms_async_local_listen_table", "true")
        .unwrap();
    let messenger = Messenger::create(context, "osd.1", "", 0).unwrap();
    messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
}

/// What one stranger that sends `input` and no more costs, on average.
fn memory_of(input: &[u8]) -> i64 {
    let context = Context::new();
    let messenger = Messenger::create(&context, "osd.0", "", 0).unwrap();
    messenger
        .set_default_policy(Policy::stateless_server())
        .unwrap();
    messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
    messenger.start().unwrap();
    let (reporter, _told) = super::support::Reporter::new(false);
    messenger.add_dispatcher_head(reporter).unwrap();
    let send = |count: i64| -> Vec<TcpStream> {
        let before = counted(&messenger, "msgr_recv_bytes");
        let strangers: Vec<_> = (0..count)
            .map(|_| {
                let mut stranger = stranger(1, &messenger);
                // Not all at once: what comes together is parsed together.
                for part in input.chunks(1000) {
                    stranger.write_all(part).unwrap();
                }
                let mut banner = [0; 26];
                stranger.read_exact(&mut banner).unwrap();
                stranger
            })
            .collect();
        let sent = u64::try_from(count).unwrap() * input.len() as u64;
        eventually(
            || counted(&messenger, "msgr_recv_bytes") == before + sent,
            "all is read",
        );
        pass_through_workers(&context);
        strangers
    };
    // The workers' own buffers grow with the first ones.
    let first = send(5);
    let before = heap_bytes();
    let measured = send(MEASURED);
    let grown = heap_bytes() - before;
    assert_eq!(counted(&messenger, "msgr_half_open"), 5 + MEASURED as u64);
    drop((first, measured));
    grown / MEASURED
}

#[test]
#[ignore = "wants the machine for itself"]
fn a_stranger_holds_little_memory_whatever_it_sends() {
    raise_limit();
    let half_frame = |len: u32| {
        let mut bytes = auth_request(len);
        bytes.truncate(bytes.len() - 5);
        bytes
    };
    let mut declined = greeting();
    (0..4).for_each(|_| declined.extend(auth_request(11_000)));
    declined.extend(half_frame(15_000));
    let mut small = greeting();
    (0..7).for_each(|_| small.extend(auth_request(8_000)));
    let mut announced = greeting();
    announced.extend(&auth_request(16_000)[..32]);
    for (what, input) in [
        ("nothing", Vec::new()),
        ("half a banner", b"ceph v2\n\x10".to_vec()),
        ("a preamble and nothing behind it", announced),
        (
            "half a frame of 16 KiB",
            [greeting(), half_frame(16_000)].concat(),
        ),
        ("seven requests of 8 KiB", small),
        ("four requests of 11 KiB and half a frame of 15", declined),
    ] {
        assert!(input.len() <= 60 << 10, "{}", input.len());
        let each = memory_of(&input);
        println!(
            "a stranger that sends {what} ({} bytes): {each} bytes of heap",
            input.len()
        );
        assert!(each <= MOST, "{what}");
    }
}
