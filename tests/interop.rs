//! Against Ceph's own programs, started here on loopback: the C examples, lossless
//! sessions that are cut, and a matrix of cells, one for each way in which msgr and
//! a daemon, or the `ceph` tool, may meet or have to refuse each other.
//!
//! Needs Debian's ceph-mon, ceph-osd and ceph-common. Without them every test says
//! in one line that it has not run; with `CI=true` in the environment that is a
//! failure.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives other programs: it looks for free ports and waits for them to come up"
)]

#[path = "interop/admin.rs"]
mod admin;
#[path = "interop/cli.rs"]
mod cli;
#[path = "interop/client.rs"]
mod client;
#[path = "interop/clock.rs"]
mod clock;
#[path = "interop/lasting.rs"]
mod lasting;
#[path = "interop/matrix.rs"]
mod matrix;
#[path = "interop/monitor.rs"]
mod monitor;
#[path = "interop/object.rs"]
mod object;
#[path = "interop/osd.rs"]
mod osd;
#[path = "interop/refusals.rs"]
mod refusals;
#[path = "interop/safety.rs"]
mod safety;
#[path = "interop/session.rs"]
mod session;
mod support;
#[path = "interop/wire.rs"]
mod wire;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use monitor::{Family, Monitor};

/// A C example, built on first use, ready to run.
fn example(name: &str) -> Command {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut make = Command::new("make");
        make.args(["-s", "interop-programs"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // A make around this test has job slots that are not ours to use.
        make.env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .env_remove("MAKELEVEL");
        // What the cargo around says of itself would have it build everything anew.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                make.env_remove(&name);
            }
        }
        monitor::run(&mut make);
    });
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Command::new(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(target)
            .join("examples-c")
            .join(name),
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn stdout_of_success(program: &str, output: &Output) -> String {
    assert!(
        output.status.success(),
        "{program}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// What `ceph mon dump` and mon_map both print: fsid, epoch and one line per monitor.
fn monitor_lines(dump: &str) -> Vec<String> {
    let is_rank = |line: &str| {
        line.split_once(": ")
            .is_some_and(|(rank, _)| rank.parse::<u32>().is_ok())
    };
    let mut lines: Vec<_> = dump
        .lines()
        .filter(|line| line.starts_with("fsid ") || line.starts_with("epoch ") || is_rank(line))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// A young monitor still changes its map, so the two are asked until they speak of the same epoch.
fn expect_same_map(monitor: &Monitor) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let map = stdout_of_success(
            "mon_map",
            &example("mon_map").arg(monitor.v2_addr()).output().unwrap(),
        );
        let dump = stdout_of_success("ceph mon dump", &monitor.ceph(&["mon", "dump"]));
        let (ours, theirs) = (monitor_lines(&map), monitor_lines(&dump));
        if ours == theirs || Instant::now() > deadline {
            assert_eq!(ours, theirs);
            assert!(
                ours.iter().any(|line| line.contains(monitor.addrs())),
                "{map}"
            );
            assert!(map.contains(monitor.fsid()), "{map}");
            println!("mon_map and ceph mon dump agree: {}", ours.join(", "));
            for workers in ["1", "2", "8"] {
                let mut again = example("mon_map");
                again.env("MSGR_WORKERS", workers).arg(monitor.v2_addr());
                let map = stdout_of_success("mon_map", &again.output().unwrap());
                assert_eq!(monitor_lines(&map), ours, "{workers} workers");
            }
            return;
        }
    }
}

#[test]
fn a_real_monitor_and_mon_map_agree_on_the_map_over_ipv4() {
    // Asked at once, so the first connections are closed for want of a quorum.
    if let Some(monitor) = Monitor::start(Family::V4) {
        expect_same_map(&monitor);
    }
}

#[test]
fn a_real_monitor_and_mon_map_agree_on_the_map_over_ipv6() {
    if let Some(monitor) = Monitor::start(Family::V6) {
        expect_same_map(&monitor);
    }
}

#[test]
fn a_real_monitor_answers_a_ping() {
    if let Some(monitor) = Monitor::start(Family::V4) {
        let pong = stdout_of_success(
            "mon_ping",
            &example("mon_ping").arg(monitor.v2_addr()).output().unwrap(),
        );
        assert!(pong.contains("\"mon_status\""), "{pong}");
        assert!(pong.contains(monitor.fsid()), "{pong}");
    }
}

#[test]
fn a_real_monitor_answers_a_ping_in_v1() {
    for family in [Family::V4, Family::V6] {
        if let Some(monitor) = Monitor::start(family) {
            let ping = example("mon_ping").arg(monitor.v1_addr()).output();
            let pong = stdout_of_success("mon_ping", &ping.unwrap());
            assert!(pong.contains("\"mon_status\""), "{pong}");
            assert!(pong.contains(monitor.fsid()), "{pong}");
        }
    }
}

#[test]
fn a_real_monitor_answers_a_keepalive_in_both_protocols() {
    if let Some(monitor) = Monitor::start(Family::V4) {
        for addr in [monitor.v2_addr(), monitor.v1_addr()] {
            let output = example("keepalive").arg(addr).output().unwrap();
            assert_eq!(stdout_of_success("keepalive", &output), "answered\n");
        }
    }
}

#[test]
fn mon_map_says_that_nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = example("mon_map")
        .arg(format!("v2:{closed}"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("connection refused"),
        "{}",
        text(&output.stderr)
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn mon_map_refuses_an_address_it_cannot_read() {
    let output = example("mon_map").arg("nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).starts_with("nonsense: "),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_ceph_tool_asks_by_the_admin_socket() {
    if !monitor::can_run() {
        return;
    }
    let process = admin::Process::start();
    assert!(process.ceph(&["help"]).contains("messenger dump"));
    assert_eq!(
        process.find(&["version"], "told['version']"),
        env!("CARGO_PKG_VERSION")
    );

    let received = "told['AsyncMessenger::Worker-0']['msgr_recv_messages']";
    let messages = admin::MESSAGES.to_string();
    assert_eq!(process.find(&["perf", "dump"], received), messages);
    let kind = "told['AsyncMessenger::Worker-0']['msgr_recv_messages']['metric_type']";
    assert_eq!(process.find(&["perf", "schema"], kind), "counter");
    process.ceph(&["perf", "reset", "all"]);
    assert_eq!(process.find(&["perf", "dump"], received), "0");

    process.ceph(&["config", "set", "ms_inject_delay_type", "osd", "client"]);
    let value = process.context().conf_get("ms_inject_delay_type").unwrap();
    assert_eq!(value, "osd client");
    let shown = process.find(&["config", "show"], "told['ms_inject_delay_type']");
    assert_eq!(shown, value);
    let got = process.ceph(&["config", "get", "ms_speed"]);
    assert!(got.starts_with("ERROR: (2) No such file"), "{got}");

    let names = process.find(&["messenger", "dump"], "sorted(told['messengers'])");
    assert_eq!(names, "['client', 'cluster']");
    let dump = ["messenger", "dump", "client", "--tcp-info"];
    let con = "told['messenger']['connections'][0]['async_connection']";
    for (what, expected) in [
        ("['protocol']['v2']['state']", "READY"),
        ("['protocol']['v2']['con_mode']", "crc"),
        ("['peer']['type']", "osd"),
        ("['tcp_info']['tcpi_state']", "established"),
        ("['session']['out_seq']", &messages),
    ] {
        assert_eq!(process.find(&dump, &format!("{con}{what}")), expected);
    }
    let accepted = "len(told['messenger']['anon_conns'])";
    assert_eq!(
        process.find(&["messenger", "dump", "cluster"], accepted),
        "1"
    );

    process.context().close_admin_socket();
    assert!(!process.path().exists());
}

#[test]
#[ignore = "takes two minutes, most of them waiting"]
fn every_cell_of_the_interop_matrix_is_right() {
    if !monitor::can_run() {
        return;
    }
    let mut cells = lasting::cells();
    cells.extend(osd::cells());
    cells.extend(cli::cells());
    cells.extend(refusals::cells());
    cells.extend(clock::cells());
    // For work on one of them.
    if let Ok(only) = std::env::var("MSGR_INTEROP") {
        cells.retain(|cell| cell.name.contains(&only));
    }
    let wrong = matrix::run(cells);
    // The line alone is what a short report of a failure has room for.
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
