//! What a simulated worker and its sockets hold of the simulation.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

use super::simulation::Simulation;
use super::stream::StreamId;
use crate::event::SocketOptions;
use crate::event::registered::{Interest, Key, Readiness};
use crate::types::{Time, WallTime};

/// The poller, the clock and the network card of one simulated worker.
pub struct Poller {
    simulation: Arc<Simulation>,
    process: usize,
    seat: usize,
}

impl Poller {
    pub(super) fn new(simulation: &Arc<Simulation>, process: usize, seat: usize) -> Self {
        Self {
            simulation: Arc::clone(simulation),
            process,
            seat,
        }
    }

    /// The place of its worker.
    pub(in crate::event) fn seat(&self) -> usize {
        self.seat
    }

    pub(in crate::event) fn now(&self) -> Time {
        self.simulation.now()
    }

    pub(in crate::event) fn wall(&self) -> WallTime {
        self.simulation.wall()
    }

    pub(in crate::event) fn connect(&self, addr: SocketAddr) -> io::Result<Endpoint> {
        let id = self.simulation.network().connect(self.process, addr)?;
        Ok(self.endpoint(id))
    }

    pub(in crate::event) fn listen(
        &self,
        addr: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<Endpoint> {
        let backlog = usize::try_from(options.backlog).unwrap_or(0);
        let mut network = self.simulation.network();
        let id = network.listen(self.process, addr, backlog, options.sharing)?;
        Ok(self.endpoint(id))
    }

    /// Everything that is ready now: a simulated worker never sleeps in a wait.
    pub(in crate::event) fn poll(&self, ready: &mut Vec<(Key, Readiness)>) {
        self.simulation.network().poll(self.seat, ready);
    }

    /// Watches `socket`, or changes what it is watched for.
    pub(in crate::event) fn watch(
        &self,
        socket: &Endpoint,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        let mut network = self.simulation.network();
        network.watch(self.seat, socket.id, key, interest)
    }

    pub(in crate::event) fn forget(&self, socket: &Endpoint) {
        self.simulation.network().forget(self.seat, socket.id);
    }

    /// Lets this worker take a turn; false once it has ended.
    pub(in crate::event) fn take_turn(&self) -> bool {
        self.simulation.turn(self.seat)
    }

    fn endpoint(&self, id: StreamId) -> Endpoint {
        Endpoint {
            simulation: Arc::clone(&self.simulation),
            id,
        }
    }
}

/// A process's handle on a simulated socket. Dropping it closes the socket.
pub struct Endpoint {
    simulation: Arc<Simulation>,
    id: StreamId,
}

impl Endpoint {
    pub(in crate::event) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (id, from) = self.simulation.network().accept(self.id)?;
        let simulation = Arc::clone(&self.simulation);
        Ok((Self { simulation, id }, from))
    }

    pub(in crate::event) fn take_error(&self) -> io::Result<()> {
        self.simulation.network().take_error(self.id)
    }

    pub(in crate::event) fn read_to_spare(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        self.simulation.network().read(self.id, buffer)
    }

    pub(in crate::event) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.simulation.network().write(self.id, slices)
    }

    pub(in crate::event) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.simulation.network().local_addr(self.id)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.simulation.network().close(self.id);
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.id)
    }
}
