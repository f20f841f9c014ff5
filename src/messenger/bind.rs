//! From an address to listening sockets inside the workers' loops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::async_messenger::AsyncMessenger;
use super::error::{Error, Result};
use super::processor::Processor;
use super::shard::Shard;
use crate::event::{PortSharing, SocketOptions, SubmitError, Worker};
use crate::types::{AddrType, EntityAddr, EntityAddrVec};

/// Listening sockets of one messenger, not accepting yet, and their addresses.
pub(crate) struct Bound {
    pub(crate) addrs: EntityAddrVec,
    pub(crate) processors: Vec<(Worker<Shard>, u64)>,
}

/// Binds all of `addrs`, or none. Where a port is looked for, those in `avoid`
/// are passed over.
pub(crate) fn bind(
    messenger: &Arc<AsyncMessenger>,
    addrs: &EntityAddrVec,
    avoid: &[u16],
) -> Result<Bound> {
    let mut bound = Bound {
        addrs: EntityAddrVec::default(),
        processors: Vec::new(),
    };
    for addr in &addrs.0 {
        let wanted = check(addr).and_then(|wanted| bind_one(messenger, wanted, avoid, &mut bound));
        match wanted {
            Ok(got) => bound
                .addrs
                .0
                .push(EntityAddr::msgr2(got, messenger.nonce())),
            Err(error) => {
                release(&bound.processors);
                return Err(error);
            }
        }
    }
    if bound.addrs.0.is_empty() {
        return Err(Error::invalid("there is no address to bind"));
    }
    Ok(bound)
}

/// What a messenger bound to `bound` tells its peers instead: `addrs` with its
/// nonce, and with the ports it has where they name none.
pub(crate) fn advertised(
    addrs: &EntityAddrVec,
    bound: &EntityAddrVec,
    nonce: u32,
) -> Result<EntityAddrVec> {
    let mut told = EntityAddrVec::default();
    for (index, addr) in addrs.0.iter().enumerate() {
        let mut socket = check(addr)?;
        if socket.port() == 0 {
            socket.set_port(bound.0.get(index).map_or(0, EntityAddr::port));
        }
        let addr = EntityAddr::msgr2(socket, nonce);
        if addr.is_blank_ip() || addr.port() == 0 {
            return Err(Error::invalid(format!("{addr} could not be dialled")));
        }
        told.0.push(addr);
    }
    if told.0.is_empty() {
        return Err(Error::invalid("there is no address to be known by"));
    }
    Ok(told)
}

/// Closes sockets again.
pub(crate) fn release(processors: &[(Worker<Shard>, u64)]) {
    for (worker, key) in processors {
        let key = *key;
        // Stopped workers have closed them.
        let _ = worker.submit_to(move |shard, _| shard.remove_processor(key));
    }
}

fn check(addr: &EntityAddr) -> Result<SocketAddr> {
    match (addr.kind, addr.socket) {
        (AddrType::Msgr2, Some(socket)) => Ok(socket),
        (AddrType::Legacy, _) => Err(Error::new(
            libc::EOPNOTSUPP,
            format!("{addr}: this version does not speak msgr v1"),
        )),
        _ => Err(Error::invalid(format!(
            "{addr} is not an address to listen at"
        ))),
    }
}

fn bind_one(
    messenger: &Arc<AsyncMessenger>,
    wanted: SocketAddr,
    avoid: &[u16],
    bound: &mut Bound,
) -> Result<SocketAddr> {
    let ports = &messenger.options().ports;
    if wanted.port() != 0 || ports.min == 0 {
        return listen_elsewhere(messenger, wanted, avoid, bound)
            .map_err(|why| Error::io(format_args!("binding {wanted}"), &why));
    }
    for attempt in 0..ports.attempts {
        if attempt > 0 && messenger.lifecycle().pause(ports.delay) {
            return Err(Error::shut_down());
        }
        if let Some(got) = search(messenger, wanted, avoid, bound)? {
            return Ok(got);
        }
    }
    let range = format!(
        "{}: no port from {} to {} is free",
        wanted.ip(),
        ports.min,
        ports.max
    );
    Err(Error::new(libc::EADDRINUSE, range))
}

/// Goes through the port range once.
fn search(
    messenger: &Arc<AsyncMessenger>,
    wanted: SocketAddr,
    avoid: &[u16],
    bound: &mut Bound,
) -> Result<Option<SocketAddr>> {
    let ports = &messenger.options().ports;
    for port in (ports.min..=ports.max).filter(|port| !avoid.contains(port)) {
        let at = SocketAddr::new(wanted.ip(), port);
        match listen(messenger, at, bound) {
            Ok(got) => return Ok(Some(got)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(Error::io(format_args!("binding {at}"), &error)),
        }
    }
    Ok(None)
}

/// Listens where it was told to, or, for port 0, where the kernel says, though not
/// at a port in `avoid`.
fn listen_elsewhere(
    messenger: &Arc<AsyncMessenger>,
    wanted: SocketAddr,
    avoid: &[u16],
    bound: &mut Bound,
) -> io::Result<SocketAddr> {
    let mut rejected = Vec::new();
    let got = loop {
        let before = bound.processors.len();
        match listen(messenger, wanted, bound) {
            // Kept until the end, or the kernel might offer it again.
            Ok(got) if wanted.port() == 0 && avoid.contains(&got.port()) => {
                rejected.extend(bound.processors.split_off(before));
            }
            other => break other,
        }
    };
    release(&rejected);
    got
}

/// Listens at one address: on the first worker, or on each where every worker
/// has its own listen table.
fn listen(
    messenger: &Arc<AsyncMessenger>,
    at: SocketAddr,
    bound: &mut Bound,
) -> io::Result<SocketAddr> {
    let workers = messenger.stack().workers();
    let shared = messenger.has_local_listen_tables() && workers.len() > 1;
    let listening = if shared { workers } else { &workers[..1] };
    let mut got = at;
    for (index, worker) in listening.iter().enumerate() {
        let sharing = match (shared, index) {
            (false, _) => PortSharing::Alone,
            (true, 0) => PortSharing::First,
            (true, _) => PortSharing::Further,
        };
        let options = SocketOptions {
            sharing,
            ..messenger.socket_options().clone()
        };
        match listen_in(worker, messenger, got, &options) {
            Ok((local, key)) => {
                bound.processors.push((worker.clone(), key));
                got = local;
            }
            Err(error) => {
                let failed = bound.processors.split_off(bound.processors.len() - index);
                release(&failed);
                return Err(error);
            }
        }
    }
    Ok(got)
}

/// Creates the socket inside the worker's loop and waits for it.
fn listen_in(
    worker: &Worker<Shard>,
    messenger: &Arc<AsyncMessenger>,
    at: SocketAddr,
    options: &SocketOptions,
) -> io::Result<(SocketAddr, u64)> {
    let key = messenger.stack().next_id();
    let (messenger, options) = (Arc::clone(messenger), options.clone());
    let listening = worker.submit_to(move |shard, center| {
        if messenger.is_shut_down() {
            // The event that closes its sockets may have been here already.
            return Err(io::Error::from_raw_os_error(libc::ESHUTDOWN));
        }
        let socket = center.listen(at, &options)?;
        let local = socket.local_addr()?;
        shard.add_processor(key, Processor::new(key, messenger, socket, center)?);
        Ok((local, key))
    });
    listening.unwrap_or_else(|why| match why {
        SubmitError::OwnThread => Err(io::Error::from_raw_os_error(libc::EDEADLK)),
        SubmitError::Stopped => Err(io::Error::from_raw_os_error(libc::ESHUTDOWN)),
    })
}
