//! Groups of numbers, and the forms in which they are told.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::json::{Json, Quoted};

/// What a dump is written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DumpFormat {
    /// JSON, in the shape of Ceph's `perf dump`.
    Json,
    /// What a Prometheus server reads.
    Prometheus,
}

/// Numbers in groups, both in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Dump(Vec<Group>);

#[derive(Clone)]
struct Group {
    name: String,
    numbers: Vec<(String, u64)>,
}

/// The numbers that may fall: levels, and limits. All others only rise.
const LEVELS: [&str; 5] = [
    "msgr_half_open",
    "msgr_dispatch_queue_len",
    "msgr_active_connections",
    "val",
    "max",
];

impl Dump {
    /// Begins with a group of that name.
    pub(crate) fn new(group: &str) -> Self {
        let mut dump = Self::default();
        dump.group(group);
        dump
    }

    /// From here on numbers belong to another group.
    pub(crate) fn group(&mut self, name: &str) {
        self.0.push(Group {
            name: name.to_owned(),
            numbers: Vec::new(),
        });
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        if let Some(group) = self.0.last_mut() {
            group.numbers.push((name.to_owned(), value));
        }
    }

    /// The number of that name in that group.
    pub(crate) fn get(&self, group: &str, name: &str) -> Option<u64> {
        let group = self.0.iter().find(|known| known.name == group)?;
        let found = group.numbers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    /// Adds the numbers of another, those of equal names to each other.
    pub(crate) fn add(&mut self, other: &Self) {
        for theirs in &other.0 {
            let Some(ours) = self.0.iter_mut().find(|ours| ours.name == theirs.name) else {
                self.0.push(theirs.clone());
                continue;
            };
            for (name, value) in &theirs.numbers {
                match ours.numbers.iter_mut().find(|(known, _)| known == name) {
                    Some((_, sum)) => *sum = sum.wrapping_add(*value),
                    None => ours.numbers.push((name.clone(), *value)),
                }
            }
        }
    }

    /// Counts from an earlier dump on; levels stay what they are.
    pub(crate) fn count_from(&mut self, former: &Self) {
        for group in &mut self.0 {
            let rising = |(name, _): &&mut (String, u64)| !LEVELS.contains(&name.as_str());
            for (name, value) in group.numbers.iter_mut().filter(rising) {
                let before = former.get(&group.name, name).unwrap_or(0);
                *value = value.saturating_sub(before);
            }
        }
    }

    pub(crate) fn told(&self, format: DumpFormat) -> String {
        match format {
            DumpFormat::Json => self.json().to_string(),
            DumpFormat::Prometheus => self.prometheus(),
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Json {
        let groups = self.0.iter().map(|group| {
            let numbers = group.numbers.iter();
            let numbers = numbers.map(|(name, value)| (name.as_str(), (*value).into()));
            (group.name.as_str(), numbers.collect())
        });
        groups.collect()
    }

    /// What its numbers are, in the shape of Ceph's `perf schema`.
    pub(crate) fn schema(&self) -> Json {
        let groups = self.0.iter().map(|group| {
            let numbers = group.numbers.iter();
            let numbers = numbers.map(|(name, _)| (name.as_str(), describe(name)));
            (group.name.as_str(), numbers.collect())
        });
        groups.collect()
    }

    /// That group alone, and in it that number alone, if they are named.
    pub(crate) fn only(mut self, group: Option<&str>, number: Option<&str>) -> Self {
        self.0
            .retain(|known| group.is_none_or(|it| it == known.name));
        for group in &mut self.0 {
            let numbers = &mut group.numbers;
            numbers.retain(|(name, _)| number.is_none_or(|it| it == name));
        }
        self
    }

    /// As Prometheus has them: all numbers of one name together, each with a label that
    /// says of which group it is.
    pub(crate) fn prometheus(&self) -> String {
        let mut metrics: BTreeMap<String, (bool, String)> = BTreeMap::new();
        for group in &self.0 {
            let (family, label) = labelled(&group.name);
            for (name, value) in &group.numbers {
                let metric = format!("ceph_{family}_{name}");
                let is_level = LEVELS.contains(&name.as_str());
                let (_, lines) = metrics
                    .entry(metric.clone())
                    .or_insert_with(|| (is_level, String::new()));
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "{metric}{{{label}}} {value}");
            }
        }
        let mut text = String::new();
        for (metric, (is_level, lines)) in metrics {
            let kind = if is_level { "gauge" } else { "counter" };
            let _ = write!(text, "# TYPE {metric} {kind}\n{lines}");
        }
        text
    }
}

/// Short names of the numbers that `ceph daemonperf` shows by itself.
const NICKS: [(&str, &str); 5] = [
    ("msgr_recv_messages", "rcvm"),
    ("msgr_send_messages", "sndm"),
    ("msgr_recv_bytes", "rcvb"),
    ("msgr_send_bytes", "sndb"),
    ("msgr_active_connections", "conn"),
];

/// What Ceph's `perf schema` says of a number. Its types are bits: 2 for a whole
/// number, 8 for one that only rises. Above a priority of 5 it is shown.
fn describe(name: &str) -> Json {
    let is_level = LEVELS.contains(&name);
    let nick = NICKS.iter().find(|(known, _)| *known == name);
    let is_bytes = name.ends_with("_bytes") || ["val", "max"].contains(&name);
    Json::object([
        ("type", if is_level { 2 } else { 10 }.into()),
        (
            "metric_type",
            if is_level { "gauge" } else { "counter" }.into(),
        ),
        ("value_type", "integer".into()),
        ("description", name.replace('_', " ").into()),
        ("nick", nick.map_or("", |(_, nick)| nick).into()),
        ("priority", if nick.is_some() { 8 } else { 0 }.into()),
        ("units", if is_bytes { "bytes" } else { "none" }.into()),
    ])
}

/// What a group's numbers are called by, and the label that tells them apart.
fn labelled(group: &str) -> (&'static str, String) {
    // JSON's escapes are more than labels have.
    let group = group.replace(|c: char| c.is_control() || !c.is_ascii(), "_");
    if let Some(worker) = group.strip_prefix("AsyncMessenger::Worker-") {
        return ("AsyncMessenger_Worker", format!("id={}", Quoted(worker)));
    }
    if let Some(messenger) = group.strip_prefix("AsyncMessenger::") {
        return ("AsyncMessenger", format!("name={}", Quoted(messenger)));
    }
    let throttle = group.strip_prefix("throttle-").unwrap_or(&group);
    ("throttle", format!("name={}", Quoted(throttle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_json_whatever_names_hold() {
        let mut dump = Dump::new("a");
        dump.number("x", 1);
        dump.number("y\"\\\n\u{1f4a9}", u64::MAX);
        dump.group("empty");
        dump.group("b");
        dump.number("z", 0);
        let expected = r#"{"a":{"x":1,"y\"\\\u000a\ud83d\udca9":18446744073709551615},"empty":{},"b":{"z":0}}"#;
        assert_eq!(dump.told(DumpFormat::Json), expected);
        assert_eq!(Dump::default().told(DumpFormat::Json), "{}");
    }

    fn worker(sent: u64, active: u64) -> Dump {
        let mut dump = Dump::new("AsyncMessenger::Worker-0");
        dump.number("msgr_send_messages", sent);
        dump.number("msgr_active_connections", active);
        dump
    }

    #[test]
    fn dumps_are_added_group_by_group_and_counted_from_an_earlier_one() {
        let mut both = worker(3, 1);
        both.add(&worker(4, 2));
        both.add(&Dump::new("throttle-x"));
        let group = "AsyncMessenger::Worker-0";
        assert_eq!(both.get(group, "msgr_send_messages"), Some(7));
        both.count_from(&worker(5, 2));
        assert_eq!(both.get(group, "msgr_send_messages"), Some(2));
        assert_eq!(both.get(group, "msgr_active_connections"), Some(3));
        assert_eq!(both.get(group, "msgr_else"), None);
        assert_eq!(both.get("throttle-x", "val"), None);
    }

    #[test]
    fn prometheus_gets_the_numbers_of_one_name_together() {
        let mut dump = worker(3, 1);
        dump.group("AsyncMessenger::Worker-1");
        dump.number("msgr_send_messages", 4);
        dump.group("throttle-x");
        dump.number("val", 5);
        let expected = "# TYPE ceph_AsyncMessenger_Worker_msgr_active_connections gauge\n\
            ceph_AsyncMessenger_Worker_msgr_active_connections{id=\"0\"} 1\n\
            # TYPE ceph_AsyncMessenger_Worker_msgr_send_messages counter\n\
            ceph_AsyncMessenger_Worker_msgr_send_messages{id=\"0\"} 3\n\
            ceph_AsyncMessenger_Worker_msgr_send_messages{id=\"1\"} 4\n\
            # TYPE ceph_throttle_val gauge\n\
            ceph_throttle_val{name=\"x\"} 5\n";
        assert_eq!(dump.prometheus(), expected);
    }
}
