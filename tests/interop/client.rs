//! A client of real daemons.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use msgr::{AuthWant, ConMode, ConnectionRef, Context, EntityType, Identity, Message, Messenger};

use super::monitor::Monitor;
use super::support::{DEADLINE, Reporter, Told};
use super::wire::{self, Outcome};

/// What a step of a test comes to: something, or why not.
pub(crate) type Got<T> = Result<T, String>;

/// A messenger with what it is told, and one connection to a monitor.
pub(crate) struct Client {
    pub(crate) messenger: Arc<Messenger>,
    told: Receiver<Told>,
}

/// How often something was renewed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Renewed {
    pub(crate) logins: u32,
    pub(crate) tickets: u32,
}

/// The options of a client with the keys of that file.
pub(crate) fn with_keyring(keyring: &Path, modes: &str) -> Vec<(&'static str, String)> {
    vec![
        ("auth_client_required", "cephx".to_owned()),
        ("keyring", keyring.display().to_string()),
        ("ms_mon_client_mode", modes.to_owned()),
        ("ms_client_mode", modes.to_owned()),
    ]
}

impl Client {
    /// A started client of that name.
    pub(crate) fn new(name: &str, conf: &[(&'static str, String)]) -> Self {
        let context = Context::new();
        context.conf_set("ms_async_op_threads", "1").unwrap();
        context.conf_set("ms_initial_backoff", "0.05").unwrap();
        context.conf_set("ms_max_backoff", "0.2").unwrap();
        for (key, value) in conf {
            context.conf_set(key, value).unwrap();
        }
        let messenger = Messenger::create(&context, name, "client", 7).unwrap();
        let (reporter, told) = Reporter::new(false);
        messenger.add_dispatcher_head(reporter).unwrap();
        messenger.start().unwrap();
        Self { messenger, told }
    }

    /// Begins to connect.
    pub(crate) fn dial(&self, kind: EntityType, addrs: &str) -> Got<ConnectionRef> {
        let addrs = addrs.parse().map_err(|why| format!("{addrs}: {why}"))?;
        self.messenger
            .connect(kind, &addrs)
            .map_err(|why| format!("connect: {why}"))
    }

    /// Connects, and waits until that is done. A monitor without a quorum closes
    /// connections, and is dialled again.
    pub(crate) fn open(&self, kind: EntityType, addrs: &str) -> Got<ConnectionRef> {
        let con = self.dial(kind, addrs)?;
        self.hear("a connection", |told| {
            matches!(told, Told::Connect).then_some(())
        })?;
        Ok(con)
    }

    /// The next thing told that `pick` takes. The end of a connection is an error,
    /// unless `pick` takes it.
    pub(crate) fn hear<T>(&self, what: &str, pick: impl Fn(Told) -> Option<T>) -> Got<T> {
        let until = Instant::now() + DEADLINE;
        self.hear_until(until, pick)?
            .ok_or_else(|| format!("{what} has not come in time"))
    }

    /// The same; nothing if it has not come by then.
    pub(crate) fn hear_until<T>(
        &self,
        until: Instant,
        pick: impl Fn(Told) -> Option<T>,
    ) -> Got<Option<T>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let told = match self.told.recv_timeout(left) {
                Ok(told) => told,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err("nothing is told".to_owned()),
            };
            let ended = match &told {
                Told::Reset(con) => Some(why_ended(con)),
                _ => None,
            };
            if let Some(picked) = pick(told) {
                return Ok(Some(picked));
            }
            if let Some(why) = ended {
                return Err(format!("reset: {why}"));
            }
        }
    }

    pub(crate) fn message(&self, kind: u16) -> Got<Message> {
        self.hear(&format!("a message of type {kind}"), |told| match told {
            Told::Message(_, message) if message.kind == kind => Some(*message),
            _ => None,
        })
    }

    /// Waits for the end of a connection; why it came.
    pub(crate) fn reset(&self) -> Got<String> {
        self.hear("a reset", |told| match told {
            Told::Reset(con) => Some(why_ended(&con)),
            _ => None,
        })
    }

    /// How many connections end, if any, until then.
    pub(crate) fn resets_within(&self, time: Duration) -> Got<u32> {
        let until = Instant::now() + time;
        let mut resets = 0;
        let is_reset = |told| matches!(told, Told::Reset(_)).then_some(());
        while self.hear_until(until, is_reset)?.is_some() {
            resets += 1;
        }
        Ok(resets)
    }

    /// Asks a monitor for its map; its bytes.
    pub(crate) fn mon_map(&self, con: &ConnectionRef, monitor: &Monitor) -> Got<Vec<u8>> {
        send(con, Message::new(wire::MON_GET_MAP))?;
        let mut map = self.message(wire::MON_MAP)?;
        let front = map.front.contiguous();
        let blob = front.get(4..).unwrap_or_default();
        // Behind version, compatible version and length.
        if blob.get(6..22) != Some(&wire::fsid_bytes(monitor.fsid())[..]) {
            return Err(format!("a map of another cluster: {front:02x?}"));
        }
        Ok(blob.to_vec())
    }

    /// Asks a monitor for numbers, tickets or keys, by messages.
    pub(crate) fn ask(&self, con: &ConnectionRef, want: AuthWant) -> Got<()> {
        let failed = |why| format!("{want:?}: {why}");
        let mut next = Some(con.auth_request(want).map_err(failed)?);
        // The longest way is hello, challenge, proof, tickets.
        for _ in 0..3 {
            let Some(request) = next.take() else { break };
            send(con, request)?;
            let reply = self.message(wire::AUTH_REPLY)?;
            next = con.auth_reply(&reply).map_err(failed)?;
        }
        match next {
            Some(_) => Err(format!("{want:?} has no end")),
            None => Ok(()),
        }
    }

    /// Renews what should be; how many of the two it was.
    pub(crate) fn renew(&self, con: &ConnectionRef) -> Got<Renewed> {
        let is_due = |service| {
            self.messenger
                .ticket_left(service)
                .unwrap_or_default()
                .is_zero()
        };
        let mut renewed = Renewed::default();
        if is_due(EntityType::AUTH) {
            self.ask(con, AuthWant::Login)?;
            renewed.logins += 1;
        }
        if is_due(EntityType::OSD) {
            self.ask(con, AuthWant::Tickets)?;
            renewed.tickets += 1;
        }
        match is_due(EntityType::AUTH) || is_due(EntityType::OSD) {
            true => Err("renewed, and due again".to_owned()),
            false => Ok(renewed),
        }
    }

    /// Subscribes to maps and waits for the first ones.
    pub(crate) fn subscribe(&self, con: &ConnectionRef) -> Got<()> {
        send(con, wire::mon_subscribe(&["monmap", "config"]))?;
        let mut missing = vec![wire::MON_MAP, wire::CONFIG];
        while !missing.is_empty() {
            let kind = self.hear("what was subscribed to", |told| match told {
                Told::Message(_, message) => Some(message.kind),
                _ => None,
            })?;
            missing.retain(|wanted| *wanted != kind);
        }
        Ok(())
    }

    /// Has a monitor do something.
    pub(crate) fn mon_command(&self, con: &ConnectionRef, json: &str) -> Got<Outcome> {
        send(con, wire::mon_command(super::monitor::FSID, json))?;
        let ack = self.message(wire::MON_COMMAND_ACK)?;
        Outcome::read(ack).ok_or_else(|| format!("{json}: malformed answer"))
    }
}

pub(crate) fn send(con: &ConnectionRef, message: Message) -> Got<()> {
    con.send(message).map_err(|why| format!("send: {why}"))
}

/// Why a connection ended, in the library's words.
pub(crate) fn why_ended(con: &ConnectionRef) -> String {
    con.last_fault()
        .map_or_else(|| "without a fault".to_owned(), |fault| fault.to_string())
}

/// What authentication has brought, if it is what it must be.
pub(crate) fn expect(con: &ConnectionRef, is_proved: bool, mode: ConMode) -> Got<Identity> {
    let got = con.identity().ok_or("open, and without an identity")?;
    if got.global_id == 0 || got.is_proved != is_proved || got.mode != mode {
        return Err(format!("wanted proved {is_proved}, {mode:?}: {got:?}"));
    }
    Ok(got)
}
