//! One run: a server and a client process of one peer, from start to result.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::machine::Machine;
use crate::peer::Peer;
use crate::workload::Workload;

/// How long and how often.
pub(crate) struct Pace {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) milliseconds: u64,
    /// The peers' nice value, so that a busy machine need not spoil the figures.
    pub(crate) nice: Option<String>,
}

impl Pace {
    /// Five rounds of 0.6 s for each run unless the environment says otherwise.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let quick = std::env::var("MSGR_BENCH_QUICK").is_ok_and(|value| value != "0");
        let (rounds, milliseconds) = if quick { (1, 100) } else { (5, 600) };
        Ok(Self {
            quick,
            rounds: number("MSGR_BENCH_ROUNDS", rounds)?.clamp(1, 100) as usize,
            milliseconds: number("MSGR_BENCH_MS", milliseconds)?.clamp(10, 60_000),
            nice: std::env::var("MSGR_BENCH_NICE").ok(),
        })
    }

    /// Seconds after which the kernel ends a client, whatever it does.
    fn deadline(&self) -> u64 {
        10 + self.milliseconds * 3 / 1000
    }
}

fn number(name: &str, default: u64) -> Result<u64, String> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name} is not a number: '{text}'")),
        Err(_) => Ok(default),
    }
}

/// A child that is gone when this is dropped, on every way out.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(
        peer: &Peer,
        arguments: &[&str],
        cpu: Option<&str>,
        deadline: u64,
        options: &[&str],
    ) -> Result<Self, String> {
        let mut command = Command::new(&peer.program);
        command.args(arguments).args(options);
        command.args(["--deadline", &deadline.to_string()]);
        command.args(cpu.iter().flat_map(|cpu| ["--cpu", cpu]));
        command.envs(
            peer.library
                .iter()
                .map(|folder| ("LD_LIBRARY_PATH", folder)),
        );
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
            .spawn()
            .map(Self)
            .map_err(|error| format!("{}: {error}", peer.program.display()))
    }
}

/// The figures of one run by their keys.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Starts the server on a port the kernel chooses, runs the client against it
/// and ends both. The server ends a little later by itself if we cannot.
pub(crate) fn run(
    peer: &Peer,
    options: &[&str],
    workload: &Workload,
    machine: &Machine,
    pace: &Pace,
) -> Result<Figures, String> {
    let deadline = pace.deadline();
    let mut options = options.to_vec();
    if let Some(nice) = &pace.nice {
        options.extend(["--nice", nice]);
    }
    let (client_cpu, server_cpu) = machine.cpus(workload.placement);
    let listen = ["server", "127.0.0.1:0", workload.name];
    let mut server = Process::start(peer, &listen, server_cpu, deadline + 5, &options)?;
    let stdout = server.0.stdout.take().ok_or("no output")?;
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    let address = line
        .trim()
        .strip_prefix("ready ")
        .ok_or("the server did not get ready")?;

    let pid = server.0.id().to_string();
    let milliseconds = pace.milliseconds.to_string();
    options.extend([
        "--ms",
        &milliseconds,
        "--server-pid",
        &pid,
        "--count",
        "1000000000",
    ]);
    let dial = ["client", address, workload.name];
    let mut client = Process::start(peer, &dial, client_cpu, deadline, &options)?;
    let mut text = String::new();
    let mut stdout = client.0.stdout.take().ok_or("no output")?;
    stdout
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    let status = client.0.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("the client ended with {status}"));
    }
    let figures = text
        .trim()
        .strip_prefix("result ")
        .ok_or("the client told no result")?;
    figures.split_whitespace().map(figure).collect()
}

fn figure(pair: &str) -> Result<(String, f64), String> {
    let (key, value) = pair.split_once('=').ok_or("a figure without a value")?;
    let value = value.parse().map_err(|_| format!("not a figure: {pair}"))?;
    Ok((key.to_owned(), value))
}
