//! Cells: a real OSD, which wants a ticket of whoever comes.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use msgr::{AddrType, ConnectionRef, EntityAddrVec, EntityType};

use super::client::{self, Client, Got, send};
use super::lasting::connect;
use super::matrix::Cell;
use super::monitor::{self, FSID, Monitor, Speaks};
use super::object;
use super::safety::{Over, Safety};
use super::wire::{self, Outcome};

/// A running OSD, whose data are in its memory.
pub(crate) struct Osd {
    process: Child,
    pub(crate) addrs: EntityAddrVec,
}

impl Osd {
    /// Starts number 0 and waits until its monitor has seen it.
    pub(crate) fn start(monitor: &Monitor, client: &Client, con: &ConnectionRef) -> Got<Self> {
        let uuid = "6d736772-0000-4000-8000-0000000000ff";
        let new = format!(r#"{{"prefix":"osd new","uuid":"{uuid}","id":0}}"#);
        let made = client.mon_command(con, &new)?;
        if made.result != 0 {
            return Err(format!("osd new: {made}"));
        }
        let dir = monitor.dir();
        monitor::run(
            monitor::in_dir("ceph-osd", dir)
                .args(["-i", "0", "--mkfs", "--osd-uuid", uuid, "--keyring"])
                .arg(dir.join("osd.0/keyring")),
        );
        let mut osd = Self {
            process: monitor::launch(dir, "ceph-osd", "0", "osd.0/keyring"),
            addrs: EntityAddrVec::default(),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let dump = client.mon_command(con, r#"{"prefix":"osd dump"}"#)?;
            if let Some(addrs) = addrs_of_up(&dump.output) {
                osd.addrs = addrs;
                return Ok(osd);
            }
            if let Ok(Some(status)) = osd.process.try_wait() {
                return Err(format!("ceph-osd ended: {status}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("ceph-osd does not come up".to_owned())
    }

    /// Where it speaks that protocol.
    pub(crate) fn addr(&self, over: Over) -> Got<String> {
        let kind = match over {
            Over::V2 => AddrType::Msgr2,
            Over::V1 => AddrType::Legacy,
        };
        let addr = self.addrs.0.iter().find(|addr| addr.kind == kind);
        Ok(addr.ok_or("no such address")?.to_string())
    }
}

impl Drop for Osd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The public addresses of osd.0 in `osd dump`, once it is up.
fn addrs_of_up(dump: &str) -> Option<EntityAddrVec> {
    let line = dump.lines().find(|line| line.starts_with("osd.0 up "))?;
    let from = line.find("[v")?;
    let len = line[from..].find(']')? + 1;
    line[from..from + len].parse().ok()
}

/// Says so if there is no OSD to be had here.
pub(crate) fn can_run() -> bool {
    let found = Command::new("ceph-osd")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        let why = "ceph-osd is not installed";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
        eprintln!("skipped: {why}");
    }
    found.is_ok()
}

pub(crate) fn cells() -> Vec<Cell> {
    if !can_run() {
        return Vec::new();
    }
    let both = [
        (Safety::None, Over::V2),
        (Safety::Cephx, Over::V2),
        (Safety::Secure, Over::V2),
        (Safety::None, Over::V1),
        (Safety::Cephx, Over::V1),
    ];
    let one = |(safety, over): (Safety, Over)| {
        let name = format!(
            "ceph-osd, {} over {}, by ticket",
            safety.name(),
            over.name()
        );
        Cell::new(name, move || by_ticket(safety, over))
    };
    both.map(one).into_iter().chain(object::cells()).collect()
}

fn by_ticket(safety: Safety, over: Over) -> Got<String> {
    let monitor = safety.monitor(Speaks::Both)?;
    let client = safety.client(&monitor);
    let (con, _) = connect(&client, safety, Over::V2, monitor.addrs())?;
    let osd = Osd::start(&monitor, &client, &con)?;
    let addr = osd.addr(over)?;
    if safety == Safety::None {
        return version(&client, safety, &addr);
    }
    client.renew(&con)?;
    version(&client, safety, &addr)?;
    let left = client.messenger.ticket_left(EntityType::OSD);
    let due = Instant::now() + left.ok_or("no ticket")?;
    client.hear_until(due, |_| None::<()>)?;
    if client.renew(&con)?.tickets != 1 {
        return Err("the ticket was not due".to_owned());
    }
    Ok(version(&client, safety, &addr)? + ", again by a renewed ticket")
}

/// Asks an OSD what it is, over a new connection.
fn version(client: &Client, safety: Safety, addr: &str) -> Got<String> {
    let con = client.open(EntityType::OSD, addr)?;
    client::expect(&con, safety != Safety::None, safety.mode())?;
    let mut ask = wire::command(FSID, r#"{"prefix":"version"}"#);
    ask.tid = 42;
    send(&con, ask)?;
    let reply = client.message(wire::COMMAND_REPLY)?;
    if reply.tid != 42 {
        return Err(format!("an answer to {}, not 42", reply.tid));
    }
    let outcome = Outcome::read(reply).ok_or("malformed answer")?;
    if outcome.result != 0 || !outcome.output.contains("version") {
        return Err(format!("version: {outcome}"));
    }
    con.mark_down();
    let words: Vec<_> = outcome.output.split_whitespace().collect();
    Ok(words.join(" "))
}
