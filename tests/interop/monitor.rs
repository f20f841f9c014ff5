//! A throw-away monitor: a scratch directory, two free ports, one process.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) const FSID: &str = "6d736772-0000-4000-8000-000000000001";

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
    /// Which protocol they speak, as addresses have it.
    pub(crate) scheme: &'static str,
    /// Where monitor "a", the real one, is known to be, which need not be where
    /// it listens.
    pub(crate) a: SocketAddr,
    /// Where it looks for monitor "b".
    pub(crate) b: SocketAddr,
}

/// What a monitor listens for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaks {
    V2,
    V1,
    Both,
}

/// What a monitor is to be like.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) family: Family,
    /// With neighbours it is one of two that have never met, and probes for the
    /// other without end.
    pub(crate) neighbours: Option<Neighbours>,
    /// Authentication methods, in every role.
    pub(crate) auth: &'static str,
    /// Connection modes, in every role.
    pub(crate) modes: &'static str,
    pub(crate) speaks: Speaks,
    /// More lines of its configuration.
    pub(crate) conf: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            family: Family::V4,
            neighbours: None,
            auth: "none",
            modes: "crc",
            speaks: Speaks::Both,
            conf: "",
        }
    }
}

/// A running monitor called "a". Ended, and its files removed, when dropped.
pub(crate) struct Monitor {
    dir: PathBuf,
    process: Child,
    v2: SocketAddr,
    v1: SocketAddr,
    speaks: Speaks,
    addrs: String,
}

impl Monitor {
    /// Starts one with auth none and waits until it knows its rank, which is before
    /// it has a quorum. `None`, and a line that says why, if this machine cannot run
    /// one.
    pub(crate) fn start(family: Family) -> Option<Self> {
        Self::start_as(&Setup {
            family,
            ..Setup::default()
        })
    }

    /// The same with choices.
    pub(crate) fn start_as(setup: &Setup) -> Option<Self> {
        if !can_run_on(setup.family) {
            return None;
        }
        // Between looking for a port and using it somebody else may take it.
        let started = (0..3).find_map(|_| Self::try_start(setup));
        assert!(started.is_some(), "ceph-mon does not come up");
        started
    }

    fn try_start(setup: &Setup) -> Option<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        // Short, because the path of a socket in it may have 107 bytes only.
        let dir = std::env::temp_dir().join(format!("msgr-mon-{}-{number}", std::process::id()));
        let family = setup.family;
        let (v2, v1) = (family.free_addr()?, family.free_addr()?);
        let addrs = match setup.speaks {
            Speaks::V2 => format!("v2:{v2}/0"),
            Speaks::V1 => format!("v1:{v1}/0"),
            Speaks::Both => format!("[v2:{v2}/0,v1:{v1}/0]"),
        };
        fs::create_dir_all(dir.join("mon.a")).unwrap();
        let mut conf = configuration(&dir, setup);
        let monmap = match setup.neighbours {
            None => {
                let bare = addrs.trim_matches(['[', ']']).replace("/0", "");
                vec![("a", format!("[{bare}]"))]
            }
            Some(known_as) => {
                conf.push_str(&among_neighbours(known_as.scheme, v2));
                vec![
                    ("a", format!("[{}:{}]", known_as.scheme, known_as.a)),
                    ("b", format!("[{}:{}]", known_as.scheme, known_as.b)),
                ]
            }
        };
        prepare(&dir, &conf, &monmap);
        let process = launch(&dir, "ceph-mon", "a", "mon.keyring");
        let mut monitor = Self {
            dir,
            process,
            v2,
            v1,
            speaks: setup.speaks,
            addrs,
        };
        if !monitor.wait_until_listening() {
            return None;
        }
        monitor.wait_for_rank();
        Some(monitor)
    }

    /// Lets it end in its own way; its store stays.
    pub(crate) fn stop(&mut self) {
        terminate(&mut self.process);
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.process = launch(&self.dir, "ceph-mon", "a", "mon.keyring");
        assert!(self.wait_until_listening(), "ceph-mon does not come back");
        self.wait_for_rank();
    }

    fn wait_until_listening(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if TcpStream::connect(self.listens_at()).is_ok() {
                return true;
            }
            if self.process.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!(
            "{}",
            fs::read_to_string(self.dir.join("ceph-mon.out")).unwrap_or_default()
        );
        false
    }

    /// Waits until it knows which one of the monitors it is. When it finds out, it
    /// drops every session that it has already, even one that it has just let in.
    fn wait_for_rank(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let status = self.ask_admin_socket("mon_status").unwrap_or_default();
            if status.contains("\"rank\": ") && !status.contains("\"rank\": -1") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("ceph-mon has no rank");
    }

    /// Ceph's own way to ask a daemon on the same host.
    fn ask_admin_socket(&self, prefix: &str) -> std::io::Result<String> {
        let mut socket = UnixStream::connect(self.dir.join("mon.a.asok"))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(socket, "{{\"prefix\":\"{prefix}\"}}\0")?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        // Behind its length.
        Ok(String::from_utf8_lossy(answer.get(4..).unwrap_or_default()).into_owned())
    }

    /// Where it listens.
    pub(crate) fn listens_at(&self) -> SocketAddr {
        match self.speaks {
            Speaks::V1 => self.v1,
            Speaks::V2 | Speaks::Both => self.v2,
        }
    }

    pub(crate) fn speaks_v2(&self) -> bool {
        self.speaks != Speaks::V1
    }

    /// Its files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its msgr1 address as one gives it to a program.
    pub(crate) fn v1_addr(&self) -> String {
        format!("v1:{}", self.v1)
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

/// Says so if there is no monitor to be had here.
pub(crate) fn can_run() -> bool {
    can_run_on(Family::V4)
}

fn can_run_on(family: Family) -> bool {
    let reason = cannot_run(family);
    if let Some(reason) = &reason {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
        eprintln!("skipped: {reason}");
    }
    reason.is_none()
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

/// Starts a daemon of Ceph's in the foreground.
pub(crate) fn launch(dir: &Path, program: &str, id: &str, keyring: &str) -> Child {
    let log = File::create(dir.join(format!("{program}.out"))).unwrap();
    in_dir(program, dir)
        .args(["-i", id, "-f", "--keyring"])
        .arg(dir.join(keyring))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Asks a process to end and waits until it has.
pub(crate) fn terminate(process: &mut Child) {
    let pid = rustix::process::Pid::from_child(process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while process.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = process.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command of Ceph's that reads the configuration in `dir`.
pub(crate) fn in_dir(program: &str, dir: &Path) -> Command {
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
    let keyring = dir.join("mon.keyring");
    make_key(&keyring, "mon.", &["mon", "allow *"]);
    let everything = ["mon", "allow *", "osd", "allow *", "mgr", "allow *"];
    let osd = ["mon", "allow profile osd", "osd", "allow *"];
    fs::create_dir_all(dir.join("osd.0")).unwrap();
    for (file, name, caps) in [
        ("keyring", "client.admin", &everything[..]),
        ("osd.0/keyring", "osd.0", &osd),
        ("nobody.keyring", "client.nobody", &[]),
    ] {
        let own = dir.join(file);
        make_key(&own, name, caps);
        let mut import = Command::new("ceph-authtool");
        run(import.arg(&keyring).arg("--import-keyring").arg(own));
    }
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

/// A keyring with one new key.
pub(crate) fn make_key(keyring: &Path, name: &str, caps: &[&str]) {
    let mut authtool = Command::new("ceph-authtool");
    authtool.arg("--create-keyring").arg(keyring);
    authtool.args(["--gen-key", "-n", name]);
    for cap in caps.chunks(2) {
        authtool.arg("--cap").args(cap);
    }
    run(&mut authtool);
}

fn configuration(dir: &Path, setup: &Setup) -> String {
    let mut conf = String::from("[global]\n");
    let mut set = |key: &str, value: &str| writeln!(conf, "{key} = {value}").unwrap();
    let dir = dir.display();
    set("fsid", FSID);
    for who in ["cluster", "service", "client"] {
        set(&format!("auth_{who}_required"), setup.auth);
        set(&format!("ms_mon_{who}_mode"), setup.modes);
        set(&format!("ms_{who}_mode"), setup.modes);
    }
    let speaks = |one| if setup.speaks == one { "false" } else { "true" };
    set("ms_bind_msgr2", speaks(Speaks::V1));
    set("ms_bind_msgr1", speaks(Speaks::V2));
    let (ipv4, ipv6) = match setup.family {
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
    set("osd_data", &format!("{dir}/osd.0"));
    set("osd_objectstore", "memstore");
    set("memstore_device_bytes", "67108864");
    set("auth_allow_insecure_global_id_reclaim", "false");
    conf + setup.conf
}

/// What a monitor wants that listens elsewhere than the map says, and whose
/// other half is never there: it speaks often and is never patient.
fn among_neighbours(scheme: &str, listens_at: SocketAddr) -> String {
    format!(
        "public_bind_addr = {scheme}:{listens_at}\n\
         mon_probe_timeout = 0.02\n\
         ms_initial_backoff = 0.005\n\
         ms_max_backoff = 0.05\n"
    )
}
