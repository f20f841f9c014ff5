//! The bar chart: one block for each line of the table, bars scaled to the
//! longest of their block.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::machine::Machine;
use crate::peer::Peer;
use crate::results::{Results, Row, figure};

const WIDTH: usize = 820;
const LEFT: usize = 110;
const LONGEST: usize = 600;
const BAR: usize = 15;
const TITLE: usize = 34;
const TOP: usize = 66;

/// Writes the chart as SVG.
pub(crate) fn write(
    path: &Path,
    results: &Results,
    peers: &[Peer],
    machine: &Machine,
) -> Result<(), String> {
    let mut body = String::new();
    let mut y = TOP;
    for row in results.rows() {
        y = block(&mut body, row, peers, y);
    }
    let facts: Vec<String> = machine
        .facts
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let head = format!(
        concat!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" "##,
            r##"font-family="sans-serif" font-size="12" fill="#222">"##,
            "\n<rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n",
            "<text x=\"16\" y=\"26\" font-size=\"18\" font-weight=\"bold\">msgr beside its peers</text>\n",
            "<text x=\"16\" y=\"44\" fill=\"#666\" font-size=\"11\">{facts}</text>\n",
            "<text x=\"16\" y=\"59\" fill=\"#666\" font-size=\"11\">{placement}</text>\n",
        ),
        w = WIDTH,
        h = y + 20,
        facts = escape(&facts.join(", ")),
        placement = escape(&machine.placement()),
    );
    fs::write(path, head + &body + "</svg>\n")
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// One metric's bars from `y` down; where the next block begins.
fn block(body: &mut String, row: &Row, peers: &[Peer], mut y: usize) -> usize {
    let values: Vec<(&str, f64)> = peers
        .iter()
        .enumerate()
        .filter_map(|(index, peer)| Some((peer.name, row.median(index)?)))
        .collect();
    let longest = values
        .iter()
        .map(|(_, value)| *value)
        .fold(f64::MIN_POSITIVE, f64::max);
    let better = if row.metric.less_is_better {
        "less"
    } else {
        "more"
    };
    y += TITLE;
    let _ = writeln!(
        body,
        r#"<text x="16" y="{}"><tspan font-weight="bold">{}  {}</tspan>, {} ({better} is better)</text>"#,
        y - 8,
        row.workload,
        escape(row.metric.label),
        row.metric.unit,
    );
    for (name, value) in values {
        let width = (value.max(0.0) / longest * LONGEST as f64).round().max(1.0);
        let _ = writeln!(
            body,
            concat!(
                r#"<text x="{label}" y="{text}" text-anchor="end">{name}</text>"#,
                r#"<rect x="{left}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>"#,
                r#"<text x="{end}" y="{text}">{value}</text>"#,
            ),
            label = LEFT - 8,
            text = y + BAR - 4,
            name = name,
            left = LEFT,
            y = y,
            width = width,
            height = BAR - 2,
            colour = colour(name),
            end = LEFT as f64 + width + 6.0,
            value = figure(value),
        );
        y += BAR;
    }
    y
}

fn colour(name: &str) -> &'static str {
    match name {
        "msgr" => "#c0392b",
        "loop" => "#e08a7f",
        "base" => "#8e5ea2",
        "base-loop" => "#c3a6cf",
        "zmq" => "#3b78b5",
        "nng" => "#4c9f70",
        "raw+" => "#777",
        _ => "#aaa",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
