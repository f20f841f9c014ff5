//! From an address to listening sockets inside the workers' loops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::async_messenger::AsyncMessenger;
use super::error::{Error, Result};
use super::processor::Processor;
use super::shard::Shard;
use crate::event::{EventCenter, PortSharing, ServerSocket, SocketOptions, SubmitError, Worker};
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
        let mut binding = Binding {
            messenger,
            kind: addr.kind,
            avoid,
            processors: Vec::new(),
        };
        let listening = check_safe(messenger, addr)
            .and_then(|()| check(addr))
            .and_then(|wanted| binding.bind(wanted));
        bound.processors.append(&mut binding.processors);
        match listening {
            Ok(got) => bound.addrs.0.push(EntityAddr {
                kind: addr.kind,
                nonce: messenger.nonce(),
                socket: Some(got),
            }),
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
        let listens = |kind| bound.0.iter().any(|addr| addr.kind == kind);
        let (v1, v2) = (listens(AddrType::Legacy), listens(AddrType::Msgr2));
        if (v1 || v2) && !listens(addr.kind) {
            return Err(Error::new(
                libc::EOPNOTSUPP,
                format!("{addr}: nobody listens here for that protocol"),
            ));
        }
        if socket.port() == 0 {
            socket.set_port(bound.0.get(index).map_or(0, EntityAddr::port));
        }
        let addr = EntityAddr {
            kind: addr.kind,
            nonce,
            socket: Some(socket),
        };
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

/// Where an address is, if its protocol is one that is spoken here.
fn check(addr: &EntityAddr) -> Result<SocketAddr> {
    match (addr.kind, addr.socket) {
        (AddrType::Msgr2 | AddrType::Legacy, Some(socket)) => Ok(socket),
        _ => Err(Error::invalid(format!(
            "{addr} is not an address to listen at"
        ))),
    }
}

/// Whoever speaks the first protocol is overheard.
fn check_safe(messenger: &AsyncMessenger, addr: &EntityAddr) -> Result<()> {
    if addr.kind == AddrType::Legacy && messenger.options().secure_only {
        let why = format!("{addr}: msgr v1 has no encryption, and ms_secure_only insists on it");
        return Err(Error::new(libc::EOPNOTSUPP, why));
    }
    Ok(())
}

/// Binds one address.
struct Binding<'a> {
    messenger: &'a Arc<AsyncMessenger>,
    /// Which protocol is spoken there.
    kind: AddrType,
    /// Ports that are passed over where one is looked for.
    avoid: &'a [u16],
    processors: Vec<(Worker<Shard>, u64)>,
}

impl Binding<'_> {
    fn bind(&mut self, wanted: SocketAddr) -> Result<SocketAddr> {
        let ports = &self.messenger.options().ports;
        if wanted.port() != 0 || ports.min == 0 {
            return self
                .listen_elsewhere(wanted)
                .map_err(|why| Error::io(format_args!("binding {wanted}"), &why));
        }
        for attempt in 0..ports.attempts {
            if attempt > 0 && self.messenger.lifecycle().pause(ports.delay) {
                return Err(Error::shut_down());
            }
            if let Some(got) = self.search(wanted)? {
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
    fn search(&mut self, wanted: SocketAddr) -> Result<Option<SocketAddr>> {
        let ports = &self.messenger.options().ports;
        for port in (ports.min..=ports.max).filter(|port| !self.avoid.contains(port)) {
            let mut at = wanted;
            at.set_port(port);
            match self.listen(at) {
                Ok(got) => return Ok(Some(got)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(Error::io(format_args!("binding {at}"), &error)),
            }
        }
        Ok(None)
    }

    /// Listens where it was told to, or, for port 0, where the kernel says, though
    /// not at a port that is to be avoided.
    fn listen_elsewhere(&mut self, wanted: SocketAddr) -> io::Result<SocketAddr> {
        let mut rejected = Vec::new();
        let got = loop {
            match self.listen(wanted) {
                // Kept until the end, or the kernel might offer it again.
                Ok(got) if wanted.port() == 0 && self.avoid.contains(&got.port()) => {
                    rejected.append(&mut self.processors);
                }
                other => break other,
            }
        };
        release(&rejected);
        got
    }

    /// Listens at one address: on the first worker, or on each where every worker
    /// has its own listen table. Who has the port has the local socket as well.
    fn listen(&mut self, at: SocketAddr) -> io::Result<SocketAddr> {
        let messenger = self.messenger;
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
                ..messenger.socket_options()
            };
            got = self.listen_in(worker, move |center| center.listen(got, &options))?;
        }
        if let Some(sockets) = messenger.options().local_sockets.clone() {
            let options = messenger.socket_options();
            self.listen_in(&workers[0], move |center| {
                center.listen_local(got, &sockets, &options)
            })?;
        }
        Ok(got)
    }

    /// Creates a socket inside the worker's loop and waits for it. If that fails those
    /// created before it for the same address go as well.
    fn listen_in(
        &mut self,
        worker: &Worker<Shard>,
        listen: impl FnOnce(&mut EventCenter) -> io::Result<ServerSocket> + Send + 'static,
    ) -> io::Result<SocketAddr> {
        let (messenger, kind) = (Arc::clone(self.messenger), self.kind);
        let key = messenger.stack().next_id();
        let listening = worker.submit_to(move |shard, center| {
            if messenger.is_shut_down() {
                // The event that closes its sockets may have been here already.
                return Err(io::Error::from_raw_os_error(libc::ESHUTDOWN));
            }
            let socket = listen(center)?;
            let local = socket.local_addr()?;
            let processor = Processor::new(key, messenger, socket, kind, center)?;
            shard.add_processor(key, processor);
            Ok(local)
        });
        let listening = listening.unwrap_or_else(|why| match why {
            SubmitError::OwnThread => Err(io::Error::from_raw_os_error(libc::EDEADLK)),
            SubmitError::Stopped => Err(io::Error::from_raw_os_error(libc::ESHUTDOWN)),
        });
        match &listening {
            Ok(_) => self.processors.push((worker.clone(), key)),
            Err(_) => release(&std::mem::take(&mut self.processors)),
        }
        listening
    }
}
