//! Cells: objects of a real OSD, written and read by a program of ours in C++, which
//! has nothing but Ceph's messages, and by Ceph's own `rados`.

use std::process::{Command, Output};

use super::client::Got;
use super::lasting::connect;
use super::matrix::Cell;
use super::monitor::{self, Monitor, Setup};
use super::osd::Osd;
use super::safety::{Over, Safety};
use super::{example, text};

const POOL: &str = "objects";

/// A single OSD is enough for a pool.
const LONELY: &str = "osd_pool_default_size = 1\n\
    osd_pool_default_min_size = 1\n\
    osd_crush_chooseleaf_type = 0\n\
    mon_allow_pool_size_one = true\n";

pub(crate) fn cells() -> Vec<Cell> {
    let one = |over: Over| {
        let name = format!("ceph-osd, objects over {}", over.name());
        Cell::new(name, move || written_and_read(over))
    };
    [Over::V2, Over::V1].map(one).into()
}

/// A cluster with a pool of one placement group.
struct Cluster {
    monitor: Monitor,
    osd: Osd,
    pool: String,
    epoch: String,
}

impl Cluster {
    fn start() -> Got<Self> {
        let setup = Setup {
            conf: LONELY,
            ..Setup::default()
        };
        let monitor = Monitor::start_as(&setup).ok_or("no monitor")?;
        let client = Safety::None.client(&monitor);
        let (con, _) = connect(&client, Safety::None, Over::V2, monitor.addrs())?;
        let osd = Osd::start(&monitor, &client, &con)?;
        let create = format!(r#"{{"prefix":"osd pool create","pool":"{POOL}","pg_num":1}}"#);
        let made = client.mon_command(&con, &create)?;
        if made.result != 0 {
            return Err(format!("osd pool create: {made}"));
        }
        let dump = client.mon_command(&con, r#"{"prefix":"osd dump"}"#)?.output;
        let second_word = |begin: &str, end: &str| {
            let wanted = |line: &&str| line.starts_with(begin) && line.contains(end);
            let word = dump.lines().find(wanted)?.split_whitespace().nth(1)?;
            Some(word.to_owned())
        };
        Ok(Self {
            pool: second_word("pool ", POOL).ok_or("the pool is not in the map")?,
            epoch: second_word("epoch ", "").ok_or("the map has no epoch")?,
            monitor,
            osd,
        })
    }

    fn ours(&self, over: Over, words: &[&str]) -> Got<Output> {
        let mut object = example("object");
        object.args([&self.osd.addr(over)?, &self.pool, &self.epoch]);
        run(object.args(words))
    }

    fn rados(&self, words: &[&str]) -> Got<Output> {
        let mut rados = monitor::in_dir("rados", self.monitor.dir());
        run(rados.args(["-n", "client.admin", "-p", POOL]).args(words))
    }
}

fn run(command: &mut Command) -> Got<Output> {
    let output = command.output();
    output.map_err(|why| format!("{command:?}: {why}"))
}

fn expect(what: &str, output: &Output, wanted: &str) -> Got<()> {
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    if output.status.success() && said == wanted {
        return Ok(());
    }
    Err(format!("{what}: {}, {said:?}, {errors}", output.status))
}

fn written_and_read(over: Over) -> Got<String> {
    let cluster = Cluster::start()?;
    expect("put", &cluster.ours(over, &["put", "ours", "by msgr"])?, "")?;
    expect("get", &cluster.ours(over, &["get", "ours"])?, "by msgr")?;
    expect(
        "rados get",
        &cluster.rados(&["get", "ours", "-"])?,
        "by msgr",
    )?;

    let file = cluster.monitor.dir().join("theirs");
    std::fs::write(&file, "by rados").map_err(|why| why.to_string())?;
    let file = file.display().to_string();
    expect("rados put", &cluster.rados(&["put", "theirs", &file])?, "")?;
    expect("get", &cluster.ours(over, &["get", "theirs"])?, "by rados")?;
    expect("remove", &cluster.ours(over, &["remove", "theirs"])?, "")?;
    expect("rados ls", &cluster.rados(&["ls"])?, "ours\n")?;

    let missing = cluster.ours(over, &["get", "theirs"])?;
    let why = text(&missing.stderr);
    if missing.status.success() || !why.contains("= -2 ") {
        return Err(format!("an object that is not there: {why}"));
    }
    Ok("each has read what the other wrote".to_owned())
}
