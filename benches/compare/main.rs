//! The side-by-side benchmark: msgr, a bare epoll loop, libzmq and nng do the
//! same work in the same rounds. `benches/README.md` tells how to read it.

mod build;
mod ceph;
mod chart;
mod machine;
mod peer;
mod report;
mod results;
mod run;
mod target;
mod workload;

use std::process::ExitCode;

use machine::Machine;
use peer::Peer;
use results::Results;
use run::Pace;
use workload::Workload;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benchmarks too, without this flag.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("compare: nothing measured; run it with `cargo bench --bench compare`");
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<String> = arguments
        .into_iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    match compare(&chosen) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("compare: {failures} of the runs failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the peers, runs the rounds and writes the report; the number of
/// runs that failed.
fn compare(chosen: &[String]) -> Result<usize, String> {
    let (peer_names, workload_names): (Vec<&String>, Vec<&String>) = chosen
        .iter()
        .partition(|name| peer::PROGRAMS.contains(&name.as_str()));
    let workloads = workload::select(&workload_names)?;
    let machine = Machine::look()?;
    let pace = Pace::from_environment()?;
    let built = build::build(&peer_names, pace.quick)?;
    let peers = peer::line_up(&built);
    let mut results = Results::new(&peers, &workloads);
    for round in 0..pace.rounds {
        for workload in &workloads {
            measure(workload, &peers, round, &machine, &pace, &mut results);
        }
        eprintln!("round {} of {} done", round + 1, pace.rounds);
    }
    report::print(&results, &peers, &machine, &pace, &built.versions);
    let directory = built.directory;
    report::write_json(
        &directory.join("compare.json"),
        &results,
        &peers,
        &machine,
        &pace,
        &built.versions,
    )?;
    chart::write(&directory.join("compare.svg"), &results, &peers, &machine)?;
    println!(
        "\nwritten: {0}/compare.json, {0}/compare.svg",
        directory.display()
    );
    Ok(results.failures())
}

/// One workload of one round: each peer that takes part, one after the other,
/// starting with another one in each round.
fn measure(
    workload: &Workload,
    peers: &[Peer],
    round: usize,
    machine: &Machine,
    pace: &Pace,
    results: &mut Results,
) {
    for turn in 0..peers.len() {
        let index = (turn + round) % peers.len();
        let peer = &peers[index];
        if let Some(figures) = peer.known(workload) {
            results.add(index, workload, round, &figures);
            continue;
        }
        let Some(options) = peer.options(workload) else {
            continue;
        };
        if results.has_failed(index, workload) {
            continue;
        }
        match run::run(peer, &options, workload, machine, pace) {
            Ok(figures) => results.add(index, workload, round, &figures),
            Err(error) => {
                eprintln!("compare: {} {}: {error}", peer.name, workload.name);
                results.fail(index, workload);
            }
        }
    }
}
