//! The table for people and the JSON for programs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::machine::Machine;
use crate::peer::Peer;
use crate::results::{Results, Row, figure};
use crate::run::Pace;
use crate::target::{self, Verdict};

/// Prints the medians of all peers and, below them, the ratios.
pub(crate) fn print(
    results: &Results,
    peers: &[Peer],
    machine: &Machine,
    pace: &Pace,
    versions: &[String],
) {
    println!();
    for (name, value) in &machine.facts {
        println!("{name}: {value}");
    }
    println!("placement: {}", machine.placement());
    println!("peers: {}", versions.join("; "));
    println!(
        "medians of {} rounds of {} ms; ratios: medians of the rounds' own",
        pace.rounds, pace.milliseconds
    );
    println!(
        "raw+: raw with CRC32C (d), raw on blocking sockets (e); loop: msgr's client answers in its callback"
    );
    println!("lines marked <: less is better, also in their ratios\n");

    let medians: Vec<&str> = peers.iter().map(|peer| peer.name).collect();
    block("median", &medians, results, |row, peer| {
        row.median(peer).map(figure)
    });
    print_ratios(results, peers);
    print_targets(&target::judge(results));
}

fn print_ratios(results: &Results, peers: &[Peer]) {
    let ratios = results.ratio_columns();
    if ratios.is_empty() {
        return;
    }
    let names: Vec<String> = ratios
        .iter()
        .map(|&(over, under)| format!("{}/{}", peers[over].name, peers[under].name))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    println!();
    block("ratio", &names, results, |row, column| {
        let (over, under) = ratios[column];
        row.ratio(over, under).map(|ratio| format!("{ratio:.2}"))
    });
}

/// What was to be reached, line by line.
fn print_targets(verdicts: &[Verdict]) {
    if verdicts.is_empty() {
        return;
    }
    let passed = verdicts.iter().filter(|verdict| verdict.passed).count();
    println!("\n{:<70}{:>10}{:>9}", "target", "wanted", "got");
    for verdict in verdicts {
        let (what, wanted) = (&verdict.what, &verdict.wanted);
        let mark = if verdict.passed { "pass" } else { "MISS" };
        let got = figure(verdict.got);
        println!("{what:<70}{wanted:>10}{got:>9}  {mark}");
    }
    println!("{passed} of {} targets reached", verdicts.len());
}

/// One line for each row, with a cell for each column that has any.
fn block(
    title: &str,
    columns: &[&str],
    results: &Results,
    cell: impl Fn(&Row, usize) -> Option<String>,
) {
    let width = |name: &str| name.len().max(7) + 2;
    let mut line = format!("{title:<52}");
    let filled = |column: &usize| {
        results
            .rows()
            .iter()
            .any(|row| cell(row, *column).is_some())
    };
    let filled: Vec<usize> = (0..columns.len()).filter(filled).collect();
    for name in filled.iter().map(|column| columns[*column]) {
        let _ = write!(line, "{name:>width$}", width = width(name));
    }
    println!("{line}");
    for row in results.rows() {
        let mark = if row.metric.less_is_better { '<' } else { ' ' };
        let metric = row.metric;
        let mut line = format!(
            "{:<10}{:<35}{:>5} {mark}",
            row.workload, metric.label, metric.unit
        );
        for column in &filled {
            let name = columns[*column];
            let text = cell(row, *column).unwrap_or_else(|| "-".to_owned());
            let _ = write!(line, "{text:>width$}", width = width(name));
        }
        println!("{line}");
    }
}

/// Writes everything measured, each round of it.
pub(crate) fn write_json(
    path: &Path,
    results: &Results,
    peers: &[Peer],
    machine: &Machine,
    pace: &Pace,
    versions: &[String],
) -> Result<(), String> {
    let mut facts: Vec<String> = machine
        .facts
        .iter()
        .map(|(name, value)| format!("    {}: {}", quote(name), quote(value)))
        .collect();
    facts.push(format!(
        "    \"placement\": {}",
        quote(&machine.placement())
    ));
    let versions: Vec<String> = versions.iter().map(|version| quote(version)).collect();
    facts.push(format!("    \"peers\": [{}]", versions.join(", ")));
    let mut rows = Vec::new();
    for row in results.rows() {
        let mut values = Vec::new();
        for (index, peer) in peers.iter().enumerate() {
            if let Some(median) = row.median(index) {
                let rounds: Vec<String> = row.rounds[index]
                    .iter()
                    .map(|value| value.map_or("null".to_owned(), |value| value.to_string()))
                    .collect();
                let name = quote(peer.name);
                values.push(format!(
                    "{name}: {{\"median\": {median}, \"rounds\": [{}]}}",
                    rounds.join(", ")
                ));
            }
        }
        let ratios: Vec<String> = results
            .ratios(row)
            .iter()
            .map(|(name, ratio)| format!("{}: {ratio}", quote(name)))
            .collect();
        rows.push(format!(
            "    {{\"workload\": {}, \"metric\": {}, \"label\": {}, \"unit\": {}, \"less_is_better\": {},\n     \"peers\": {{{}}},\n     \"ratios\": {{{}}}}}",
            quote(row.workload),
            quote(row.metric.key),
            quote(row.metric.label),
            quote(row.metric.unit),
            row.metric.less_is_better,
            values.join(", "),
            ratios.join(", "),
        ));
    }
    let verdicts: Vec<String> = target::judge(results)
        .iter()
        .map(|verdict| {
            format!(
                "    {{\"target\": {}, \"wanted\": {}, \"got\": {}, \"passed\": {}}}",
                quote(&verdict.what),
                quote(&verdict.wanted),
                verdict.got,
                verdict.passed,
            )
        })
        .collect();
    let text = format!(
        "{{\n  \"rounds\": {},\n  \"milliseconds\": {},\n  \"machine\": {{\n{}\n  }},\n  \"rows\": [\n{}\n  ],\n  \"targets\": [\n{}\n  ]\n}}\n",
        pace.rounds,
        pace.milliseconds,
        facts.join(",\n"),
        rows.join(",\n"),
        verdicts.join(",\n"),
    );
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
