//! Cells: the `ceph` tool as client of a monitor that msgr plays.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use msgr::{ConnectionRef, Context, Dispatcher, Message, Messenger, Policy};

use super::client::Got;
use super::matrix::Cell;
use super::monitor::{self, FSID};
use super::safety::{Over, Safety};
use super::wire;

/// What the tool is told to have printed.
const ANSWER: &str = "greetings from a monitor that is none";

/// The commands there are, in the way monitors tell: `greet` alone.
const COMMANDS: &str =
    r#"{"cmd000":{"sig":["greet"],"help":"","module":"mon","perm":"r","flags":0}}"#;

/// Longer than its `--connect-timeout` by all that Python wants for itself on a
/// slow machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A messenger that is monitor "a".
struct Played {
    dir: PathBuf,
    messenger: Arc<Messenger>,
}

/// Answers as little as the tool is content with.
struct Monitor {
    map: Vec<u8>,
}

impl Played {
    fn new(safety: Safety, over: Over) -> Got<Self> {
        static PLAYED: AtomicU32 = AtomicU32::new(0);
        let number = PLAYED.fetch_add(1, Ordering::Relaxed);
        let name = format!("msgr-cli-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).map_err(|why| why.to_string())?;
        let keyring = dir.join("keyring");
        monitor::make_key(&keyring, "client.admin", &["mon", "allow *"]);

        let context = Context::new();
        let mut options = vec![("ms_async_op_threads", "1".to_owned())];
        for role in ["cluster", "service", "client"] {
            let (auth, mode) = match role {
                "cluster" => ("auth_cluster_required", "ms_mon_cluster_mode"),
                "service" => ("auth_service_required", "ms_mon_service_mode"),
                _ => ("auth_client_required", "ms_mon_client_mode"),
            };
            options.push((auth, safety.auth().to_owned()));
            options.push((mode, safety.modes().to_owned()));
        }
        options.push(("keyring", keyring.display().to_string()));
        for (key, value) in options {
            context
                .conf_set(key, &value)
                .map_err(|why| format!("{key}: {why}"))?;
        }
        let failed = |why: msgr::Error| why.to_string();
        let messenger = Messenger::create(&context, "mon.a", "mon", 0).map_err(failed)?;
        messenger
            .set_default_policy(Policy::stateless_server())
            .map_err(failed)?;
        let anywhere = format!("{}:127.0.0.1:0", over.name());
        let anywhere = anywhere.parse().map_err(|_| "an address")?;
        messenger.bind(&anywhere).map_err(failed)?;
        let played = Self { dir, messenger };
        let map = played.mon_map();
        let dispatcher = Arc::new(Monitor { map });
        let messenger = &played.messenger;
        messenger.add_dispatcher_head(dispatcher).map_err(failed)?;
        messenger.start().map_err(failed)?;
        Ok(played)
    }

    /// The address as the tool is given it.
    fn addr(&self) -> String {
        let addr = self.messenger.myaddrs().front().to_string();
        addr.trim_end_matches("/0").to_owned()
    }

    /// A map with us in it, made by Ceph's tool.
    fn mon_map(&self) -> Vec<u8> {
        let file = self.dir.join("monmap");
        monitor::run(
            Command::new("monmaptool")
                .args(["--create", "--fsid", FSID, "--addv", "a"])
                .arg(format!("[{}]", self.addr()))
                .arg(&file),
        );
        let mut map = std::fs::read(file).unwrap();
        // Behind version, compatible version, length and fsid: its epoch. A map
        // of epoch 0 is for monitors only.
        map[22] = 1;
        map
    }

    /// Runs the tool; what it printed, with both outputs in one, and how it ended.
    fn greet(&self, auth: &str, modes: &str, keyring: &Path) -> Got<(ExitStatus, String)> {
        let output = self.dir.join(format!("{auth}-{modes}.out"));
        let file = std::fs::File::create(&output).map_err(|why| why.to_string())?;
        let mut ceph = Command::new("ceph");
        // No configuration but this.
        ceph.args(["-c", "/dev/null", "-n", "client.admin"])
            .args(["--connect-timeout", "5", "--mon-host", &self.addr()])
            .arg(format!("--auth-client-required={auth}"))
            .arg(format!("--ms-mon-client-mode={modes}"))
            .arg("--keyring")
            .arg(keyring)
            .arg("greet")
            .stdin(Stdio::null())
            .stderr(file.try_clone().map_err(|why| why.to_string())?)
            .stdout(file);
        let mut process = ceph.spawn().map_err(|why| format!("ceph: {why}"))?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match process.try_wait().map_err(|why| why.to_string())? {
                Some(status) => break Some(status),
                None if Instant::now() > deadline => break None,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        if status.is_none() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let mut said = String::new();
        let _ = std::fs::File::open(output).map(|mut file| file.read_to_string(&mut said));
        let said = said.trim().to_owned();
        let status = status.ok_or_else(|| format!("ceph hangs; it has said: {said}"))?;
        Ok((status, said))
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Monitor {
    fn answer(&self, con: &ConnectionRef, message: &Message) -> Vec<Message> {
        let text = String::from_utf8_lossy(message.front.clone().contiguous()).into_owned();
        match message.kind {
            wire::MON_GET_MAP => vec![self.map()],
            wire::MON_SUBSCRIBE => {
                let mut answers = Vec::new();
                if text.contains("monmap") {
                    answers.push(self.map());
                }
                if text.contains("config") {
                    answers.push(wire::message(wire::CONFIG, vec![0; 4]));
                }
                answers
            }
            wire::AUTH => con.auth_serve(message).into_iter().collect(),
            wire::MON_COMMAND if text.contains("get_command_descriptions") => {
                vec![wire::mon_command_ack(message.tid, COMMANDS)]
            }
            wire::MON_COMMAND if text.contains("\"greet\"") => {
                vec![wire::mon_command_ack(message.tid, ANSWER)]
            }
            _ => Vec::new(),
        }
    }

    fn map(&self) -> Message {
        let mut front = Vec::new();
        wire::put_text(&mut front, &self.map);
        wire::message(wire::MON_MAP, front)
    }
}

impl Dispatcher for Monitor {
    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        for answer in self.answer(con, &message) {
            // It may have gone meanwhile.
            let _ = con.send(answer);
        }
        Ok(())
    }
}

pub(crate) fn cells() -> Vec<Cell> {
    let ways = [
        (Safety::None, Over::V2),
        (Safety::Cephx, Over::V2),
        (Safety::Secure, Over::V2),
        (Safety::None, Over::V1),
        (Safety::Cephx, Over::V1),
    ];
    let cells = ways.map(|(safety, over)| {
        let (what, over_what) = (safety.name(), over.name());
        let name = format!("ceph CLI to a monitor of msgr's, {what} over {over_what}");
        Cell::new(name, move || {
            let played = Played::new(safety, over)?;
            let keyring = played.dir.join("keyring");
            let (status, said) = played.greet(safety.auth(), safety.modes(), &keyring)?;
            match status.success() && said == ANSWER {
                true => Ok(said),
                false => Err(format!("{status}: {said}")),
            }
        })
    });
    let mut cells: Vec<_> = cells.into();
    cells.push(Cell::new("ceph CLI refused: wrong key", || {
        let played = Played::new(Safety::Cephx, Over::V2)?;
        let keyring = played.dir.join("other.keyring");
        monitor::make_key(&keyring, "client.admin", &[]);
        refused(played.greet("cephx", "crc", &keyring)?, "permission denied")
    }));
    cells.push(Cell::new("ceph CLI refused: wrong key over v1", || {
        let played = Played::new(Safety::Cephx, Over::V1)?;
        let keyring = played.dir.join("other.keyring");
        monitor::make_key(&keyring, "client.admin", &[]);
        refused(played.greet("cephx", "crc", &keyring)?, "permission denied")
    }));
    cells.push(Cell::new(
        "ceph CLI refused: crc only, by secure only",
        || {
            let played = Played::new(Safety::Secure, Over::V2)?;
            let keyring = played.dir.join("keyring");
            refused(played.greet("cephx", "crc", &keyring)?, "error connecting")
        },
    ));
    cells.push(Cell::new("ceph CLI refused: auth none, by cephx", || {
        let played = Played::new(Safety::Cephx, Over::V2)?;
        let keyring = played.dir.join("keyring");
        refused(played.greet("none", "crc", &keyring)?, "error connecting")
    }));
    cells
}

fn refused((status, said): (ExitStatus, String), why: &str) -> Got<String> {
    // Its own words come last.
    let last = said.lines().last().unwrap_or_default();
    match !status.success() && last.contains(why) {
        true => Ok(last.to_owned()),
        false => Err(format!("{status}: {said}")),
    }
}
