//! A throw-away monitor: a scratch directory, two free ports, one process.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const FSID: &str = "6d736772-0000-4000-8000-000000000001";

/// Which loopback address the monitor listens on.
#[derive(Clone, Copy)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    const fn ip(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.1",
            Self::V6 => "[::1]",
        }
    }

    /// A socket address with a port that was free a moment ago.
    fn free_addr(self) -> Option<SocketAddr> {
        TcpListener::bind(format!("{}:0", self.ip()))
            .ok()?
            .local_addr()
            .ok()
    }
}

/// How a monitor that is not alone is found.
#[derive(Clone, Copy)]
pub(crate) struct Neighbours {
    /// Where monitor "a", the real one, is known to be, which need not be where
    /// it listens.
    pub(crate) a: SocketAddr,
    /// Where it looks for monitor "b".
    pub(crate) b: SocketAddr,
}

/// A running monitor called "a". Ended, and its files removed, when dropped.
pub(crate) struct Monitor {
    dir: PathBuf,
    process: Child,
    v2: SocketAddr,
    addrs: String,
}

impl Monitor {
    /// Starts one and waits until it listens, which is before it has a quorum.
    /// `None`, and a line that says why, if this machine cannot run one.
    pub(crate) fn start(family: Family) -> Option<Self> {
        Self::start_among(family, None)
    }

    /// As [`Monitor::start`]; with neighbours it is one of two that have never
    /// met, and probes for the other without end.
    pub(crate) fn start_among(family: Family, neighbours: Option<Neighbours>) -> Option<Self> {
        if let Some(reason) = cannot_run(family) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
            eprintln!("skipped: {reason}");
            return None;
        }
        // Between looking for a port and using it somebody else may take it.
        let started = (0..3).find_map(|_| Self::try_start(family, neighbours));
        assert!(started.is_some(), "ceph-mon does not come up");
        started
    }

    fn try_start(family: Family, neighbours: Option<Neighbours>) -> Option<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        // Short, because the path of a socket in it may have 107 bytes only.
        let dir = std::env::temp_dir().join(format!("msgr-mon-{}-{number}", std::process::id()));
        let (v2, v1) = (family.free_addr()?, family.free_addr()?);
        let addrs = format!("[v2:{v2}/0,v1:{v1}/0]");
        fs::create_dir_all(dir.join("mon.a")).unwrap();
        let mut conf = configuration(&dir, family);
        let monmap = match neighbours {
            None => vec![("a", format!("[v2:{v2},v1:{v1}]"))],
            Some(known_as) => {
                conf.push_str(&among_neighbours(v2));
                vec![
                    ("a", format!("[v2:{}]", known_as.a)),
                    ("b", format!("[v2:{}]", known_as.b)),
                ]
            }
        };
        prepare(&dir, &conf, &monmap);
        let log = File::create(dir.join("mon.out")).unwrap();
        let process = in_dir("ceph-mon", &dir)
            .args(["-i", "a", "-f"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut monitor = Self {
            dir,
            process,
            v2,
            addrs,
        };
        monitor.wait_until_listening().then_some(monitor)
    }

    fn wait_until_listening(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if TcpStream::connect(self.v2).is_ok() {
                return true;
            }
            if self.process.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!(
            "{}",
            fs::read_to_string(self.dir.join("mon.out")).unwrap_or_default()
        );
        false
    }

    /// Where it listens.
    pub(crate) fn listens_at(&self) -> SocketAddr {
        self.v2
    }

    /// Its msgr2 address as one gives it to a program.
    pub(crate) fn v2_addr(&self) -> String {
        format!("v2:{}", self.v2)
    }

    /// Its address vector as `ceph mon dump` prints it.
    pub(crate) fn addrs(&self) -> &str {
        &self.addrs
    }

    pub(crate) const fn fsid(&self) -> &'static str {
        FSID
    }

    /// Asks it something with Ceph's own tool.
    pub(crate) fn ceph(&self, args: &[&str]) -> Output {
        let mut ceph = in_dir("ceph", &self.dir);
        ceph.args(["-n", "client.admin", "--connect-timeout", "20"])
            .args(args)
            .output()
            .unwrap()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Its store goes with it, so there is nothing it could want to save.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Why no monitor can be started here, if so.
fn cannot_run(family: Family) -> Option<String> {
    for program in ["ceph-mon", "ceph", "monmaptool", "ceph-authtool"] {
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if found.is_err() {
            return Some(format!(
                "{program} is not installed (packages ceph-mon and ceph-common)"
            ));
        }
    }
    family
        .free_addr()
        .is_none()
        .then(|| format!("this machine has no loopback address {}", family.ip()))
}

/// A command of Ceph's that reads the configuration in `dir`.
fn in_dir(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("-c").arg(dir.join("ceph.conf"));
    command
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&said)
    );
}

/// Everything a monitor wants before its first start.
fn prepare(dir: &Path, conf: &str, monitors: &[(&str, String)]) {
    let names: Vec<_> = monitors.iter().map(|(name, _)| *name).collect();
    let addrs: Vec<_> = monitors.iter().map(|(_, addrs)| addrs.as_str()).collect();
    let conf = format!(
        "{conf}mon_initial_members = {}\nmon_host = {}\n",
        names.join(","),
        addrs.join(",")
    );
    fs::write(dir.join("ceph.conf"), conf).unwrap();
    let keyring = dir.join("keyring");
    run(Command::new("ceph-authtool")
        .arg("--create-keyring")
        .arg(&keyring)
        .args(["--gen-key", "-n", "mon.", "--cap", "mon", "allow *"]));
    run(Command::new("ceph-authtool").arg(&keyring).args([
        "--gen-key",
        "-n",
        "client.admin",
        "--cap",
        "mon",
        "allow *",
    ]));
    let monmap = dir.join("monmap");
    let mut monmaptool = Command::new("monmaptool");
    monmaptool.args(["--create", "--fsid", FSID]);
    for (name, addrs) in monitors {
        monmaptool.args(["--addv", name, addrs]);
    }
    run(monmaptool.arg(&monmap));
    run(in_dir("ceph-mon", dir)
        .args(["--mkfs", "-i", "a", "--monmap"])
        .arg(&monmap)
        .arg("--keyring")
        .arg(&keyring));
}

fn configuration(dir: &Path, family: Family) -> String {
    let mut conf = String::from("[global]\n");
    let mut set = |key: &str, value: &str| writeln!(conf, "{key} = {value}").unwrap();
    let dir = dir.display();
    set("fsid", FSID);
    for who in ["cluster", "service", "client"] {
        set(&format!("auth_{who}_required"), "none");
        set(&format!("ms_mon_{who}_mode"), "crc");
    }
    let (ipv4, ipv6) = match family {
        Family::V4 => ("true", "false"),
        Family::V6 => ("false", "true"),
    };
    set("ms_bind_ipv4", ipv4);
    set("ms_bind_ipv6", ipv6);
    set("run_dir", &format!("{dir}"));
    set("admin_socket", &format!("{dir}/$name.asok"));
    set("pid_file", "");
    set("log_file", &format!("{dir}/$name.log"));
    set("mon_cluster_log_file", &format!("{dir}/cluster.log"));
    set("keyring", &format!("{dir}/keyring"));
    set("mon_data", &format!("{dir}/mon.a"));
    conf
}

/// What a monitor wants that listens elsewhere than the map says, and whose
/// other half is never there: it speaks often and is never patient.
fn among_neighbours(listens_at: SocketAddr) -> String {
    format!(
        "public_bind_addr = v2:{listens_at}\n\
         mon_probe_timeout = 0.02\n\
         ms_initial_backoff = 0.005\n\
         ms_max_backoff = 0.05\n"
    )
}
