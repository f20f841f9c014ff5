use std::io::{self, ErrorKind, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::event::PollFlags;
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use socket2::SockRef;

use super::{Probe, Rig, Seen, await_ready, rig};
use crate::event::{
    ConnectedSocket, EventCenter, Interest, PortSharing, ServerSocket, SocketOptions, os,
};

fn options() -> SocketOptions {
    SocketOptions::default()
}

fn v4() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn v6() -> SocketAddr {
    (Ipv6Addr::LOCALHOST, 0).into()
}

/// Both ends of a connection, dialler first.
fn pair() -> (ConnectedSocket, ConnectedSocket) {
    let listener = ServerSocket::listen(v4(), &options()).unwrap();
    let dialler = connect(listener.local_addr().unwrap());
    await_ready(&listener, PollFlags::IN);
    let (accepted, from) = listener.accept(&options()).unwrap();
    assert_eq!(from, dialler.local_addr().unwrap());
    (dialler, accepted)
}

fn connect(addr: SocketAddr) -> ConnectedSocket {
    let socket = ConnectedSocket::connect(addr, &options()).unwrap();
    await_ready(&socket, PollFlags::OUT);
    socket.take_error().unwrap();
    socket
}

fn write(socket: &ConnectedSocket, bytes: &[u8]) -> io::Result<usize> {
    socket.write_vectored(&[IoSlice::new(bytes)])
}

fn read_exact(socket: &ConnectedSocket, len: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(len);
    while buffer.len() < len {
        await_ready(socket, PollFlags::IN);
        assert!(socket.read_to_spare(&mut buffer).unwrap() > 0);
    }
    buffer
}

/// Lets a worker of `rig` listen on `addr`.
fn listen(rig: &Rig, worker: usize, addr: SocketAddr, options: SocketOptions) -> SocketAddr {
    let listen = move |probe: &mut Probe, center: &mut EventCenter| {
        let listener = ServerSocket::listen(addr, &options).unwrap();
        let bound = listener.local_addr().unwrap();
        let listener = center.register(1, listener, Interest::READ).unwrap();
        probe.listeners.insert(1, listener);
        probe.echo = true;
        bound
    };
    rig.stack.workers()[worker].submit_to(listen).unwrap()
}

#[test]
fn a_worker_listens_accepts_and_echoes_over_both_families() {
    for addr in [v4(), v6()] {
        let rig = rig(1);
        let bound = listen(&rig, 0, addr, options());
        let clients = [(); 5].map(|()| connect(bound));
        for client in &clients {
            write(client, b"there and back").unwrap();
        }
        for client in &clients {
            assert_eq!(read_exact(client, 14), b"there and back");
        }
        assert_eq!(rig.seen.iter().take(5).count(), 5);
    }
}

#[test]
fn a_listener_on_ipv6_leaves_the_port_to_ipv4() {
    let six = ServerSocket::listen((Ipv6Addr::UNSPECIFIED, 0).into(), &options()).unwrap();
    let port = six.local_addr().unwrap().port();
    assert!(SockRef::from(&six).only_v6().unwrap());
    // Taken by a stranger is possible; taken by `six` is not.
    match ServerSocket::listen((Ipv4Addr::LOCALHOST, port).into(), &options()) {
        Ok(four) => assert_eq!(four.local_addr().unwrap().port(), port),
        Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
    }
}

#[test]
fn a_port_in_use_is_refused() {
    let first = ServerSocket::listen(v4(), &options()).unwrap();
    let second = ServerSocket::listen(first.local_addr().unwrap(), &options());
    assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn listeners_of_two_workers_share_a_port() {
    const CLIENTS: usize = 64;
    let rig = rig(2);
    assert!(rig.stack.supports_local_listen_table());
    let sharing = |sharing| SocketOptions {
        sharing,
        ..options()
    };
    let bound = listen(&rig, 0, v4(), sharing(PortSharing::First));
    let further = listen(&rig, 1, bound, sharing(PortSharing::Further));
    assert_eq!(further, bound);
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(bound)).collect();
    let mut accepted = [0; 2];
    for seen in rig.seen.iter().take(CLIENTS) {
        let Seen::Accepted(worker) = seen else {
            panic!("not a connection")
        };
        accepted[worker] += 1;
    }
    assert_eq!(accepted[0] + accepted[1], clients.len());
    assert!(accepted[0] > 0 && accepted[1] > 0, "{accepted:?}");
}

#[test]
fn a_refused_connect_is_told_by_take_error_once() {
    let addr = ServerSocket::listen(v4(), &options())
        .unwrap()
        .local_addr()
        .unwrap();
    let socket = ConnectedSocket::connect(addr, &options()).unwrap();
    await_ready(&socket, PollFlags::OUT);
    assert_eq!(
        socket.take_error().unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert!(socket.take_error().is_ok());
}

#[test]
fn a_worker_learns_of_a_refused_connect() {
    let addr = ServerSocket::listen(v4(), &options())
        .unwrap()
        .local_addr()
        .unwrap();
    let rig = rig(1);
    let dial = move |probe: &mut Probe, center: &mut EventCenter| {
        let socket = ConnectedSocket::connect(addr, &options()).unwrap();
        let socket = center.register(4, socket, Interest::WRITE).unwrap();
        probe.sockets.insert(4, socket);
    };
    rig.worker().submit_to(dial).unwrap();
    let Ok(Seen::Ready(4, ready)) = rig.seen.recv() else {
        panic!("not the socket")
    };
    assert!(ready.writable);
}

#[test]
fn accept_read_and_write_do_not_block() {
    let listener = ServerSocket::listen(v4(), &options()).unwrap();
    assert_eq!(
        listener.accept(&options()).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let (dialler, accepted) = pair();
    for socket in [&dialler, &accepted] {
        let read = socket.read_to_spare(&mut Vec::with_capacity(10));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    let chunk = vec![0; 1 << 20];
    while write(&dialler, &chunk).is_ok() {}
    assert_eq!(
        write(&dialler, &chunk).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

#[test]
fn a_read_fills_the_room_in_a_buffer_and_no_more() {
    let (dialler, accepted) = pair();
    write(&dialler, b"abcdef").unwrap();
    await_ready(&accepted, PollFlags::IN);
    let mut buffer = Vec::with_capacity(4);
    buffer.push(b'_');
    let room = buffer.capacity() - 1;
    assert_eq!(accepted.read_to_spare(&mut buffer).unwrap(), room);
    assert_eq!(buffer, b"_abcdef"[..=room]);
    // No room must not look like the end of the stream.
    assert_eq!(
        accepted.read_to_spare(&mut buffer).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    drop(dialler);
    buffer.reserve(100);
    while accepted.read_to_spare(&mut buffer).unwrap() > 0 {}
    assert_eq!(buffer, b"_abcdef");
}

#[test]
fn more_slices_than_the_system_takes_are_written_in_part() {
    let (dialler, accepted) = pair();
    let slices = vec![IoSlice::new(b"x"); 3000];
    assert_eq!(dialler.write_vectored(&slices).unwrap(), 1024);
    assert_eq!(read_exact(&accepted, 1024), [b'x'; 1024]);
    assert_eq!(dialler.write_vectored(&[]).unwrap(), 0);
}

#[test]
fn a_dropped_socket_ends_the_stream_for_the_peer() {
    let (dialler, accepted) = pair();
    write(&dialler, b"bye").unwrap();
    drop(dialler);
    assert_eq!(read_exact(&accepted, 3), b"bye");
    await_ready(&accepted, PollFlags::IN);
    assert_eq!(
        accepted.read_to_spare(&mut Vec::with_capacity(1)).unwrap(),
        0
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_write_to_a_closed_peer_is_an_error_and_raises_no_signal() {
    // Test programs ignore SIGPIPE, but a blocked signal stays pending even so.
    let pending = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let pending = status
            .lines()
            .find_map(|line| line.strip_prefix("SigPnd:"))
            .unwrap();
        u64::from_str_radix(pending.trim(), 16).unwrap() & (1 << (libc::SIGPIPE - 1)) != 0
    };
    let test = || {
        os::block_signals();
        let (dialler, accepted) = pair();
        drop(accepted);
        // The first write is answered by a reset.
        let _ = write(&dialler, b"anyone there?");
        await_ready(&dialler, PollFlags::empty());
        assert_eq!(
            write(&dialler, b"hello?").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        assert!(!pending());
        // An ordinary write does raise it.
        assert_eq!(rustix::io::write(&dialler, b"!"), Err(Errno::PIPE));
        assert!(pending());
    };
    std::thread::scope(|scope| scope.spawn(test).join().unwrap());
}

#[test]
fn every_socket_is_closed_on_exec_and_set_up_as_asked() {
    let wish = SocketOptions {
        rcvbuf: 65536,
        congestion: Some("reno".into()),
        ..options()
    };
    let listener = ServerSocket::listen(v4(), &wish).unwrap();
    let dialler = ConnectedSocket::connect(listener.local_addr().unwrap(), &wish).unwrap();
    await_ready(&listener, PollFlags::IN);
    let (accepted, _) = listener.accept(&wish).unwrap();
    for socket in [
        SockRef::from(&listener),
        SockRef::from(&dialler),
        SockRef::from(&accepted),
    ] {
        assert!(fcntl_getfd(&*socket).unwrap().contains(FdFlags::CLOEXEC));
        assert!(socket.nonblocking().unwrap());
        assert!(socket.recv_buffer_size().unwrap() >= 65536);
    }
    for socket in [&dialler, &accepted] {
        assert!(SockRef::from(socket).tcp_nodelay().unwrap());
        let congestion = SockRef::from(socket).tcp_congestion().unwrap();
        assert!(congestion.starts_with(b"reno\0"), "{congestion:?}");
    }
}

#[test]
fn a_paused_socket_whose_peer_resets_does_not_keep_the_worker_busy() {
    let rig = rig(1);
    let (dialler, accepted) = pair();
    let pause = |probe: &mut Probe, center: &mut EventCenter| {
        let mut socket = center.register(7, accepted, Interest::READ).unwrap();
        socket.set_interest(Interest::NONE).unwrap();
        socket.set_interest(Interest::NONE).unwrap();
        assert_eq!(socket.interest(), Interest::NONE);
        probe.sockets.insert(7, socket);
    };
    rig.worker().submit_to(pause).unwrap();
    SockRef::from(&dialler)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(dialler);
    assert_eq!(rig.turns_while_idle(), 0);

    let resume = |probe: &mut Probe, _: &mut _| {
        let socket = probe.sockets.get_mut(&7).unwrap();
        socket.set_interest(Interest::READ).unwrap();
    };
    rig.worker().submit_to(resume).unwrap();
    let Ok(Seen::Ready(7, ready)) = rig.seen.recv() else {
        panic!("not the socket")
    };
    assert!(ready.readable);
}

#[test]
fn interest_can_be_changed_back_and_forth() {
    let rig = rig(1);
    let (dialler, accepted) = pair();
    let register = |probe: &mut Probe, center: &mut EventCenter| {
        let mut socket = center.register(7, accepted, Interest::NONE).unwrap();
        for interest in [
            Interest::WRITE,
            Interest::READ_WRITE,
            Interest::NONE,
            Interest::READ,
        ] {
            socket.set_interest(interest).unwrap();
            assert_eq!(socket.interest(), interest);
        }
        probe.sockets.insert(7, socket);
    };
    rig.worker().submit_to(register).unwrap();
    // Writable all the time, which nobody asked for.
    assert_eq!(rig.turns_while_idle(), 0);
    write(&dialler, b"x").unwrap();
    let Ok(Seen::Ready(7, ready)) = rig.seen.recv() else {
        panic!("not the socket")
    };
    assert!(ready.readable && !ready.writable);
}

#[test]
fn a_dropped_registration_leaves_the_poller_to_the_next() {
    let rig = rig(1);
    let (dialler, accepted) = pair();
    let register = |probe: &mut Probe, center: &mut EventCenter| {
        let (_, other) = pair();
        // A reset peer, hence ready; gone before the loop looks.
        drop(center.register(8, other, Interest::READ_WRITE).unwrap());
        probe
            .sockets
            .insert(9, center.register(9, accepted, Interest::READ).unwrap());
    };
    rig.worker().submit_to(register).unwrap();
    assert_eq!(rig.turns_while_idle(), 0);
    write(&dialler, b"x").unwrap();
    assert!(matches!(rig.seen.recv(), Ok(Seen::Ready(9, _))));
}

#[test]
fn keys_that_belong_to_the_poller_are_refused() {
    let rig = rig(1);
    let (_dialler, accepted) = pair();
    let register = |_: &mut Probe, center: &mut EventCenter| {
        let refused = center.register(u64::MAX - 1, accepted, Interest::READ);
        refused.err().map(|error| error.kind())
    };
    assert_eq!(
        rig.worker().submit_to(register).unwrap(),
        Some(ErrorKind::InvalidInput)
    );
}
