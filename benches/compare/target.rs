//! What msgr is to reach, and whether it did.

use crate::results::Results;
use Bound::{AtLeast, AtMost};
use Figure::{Growth, Ratio, Value};

/// One of the aims.
pub(crate) struct Target {
    workload: &'static str,
    key: &'static str,
    figure: Figure,
    bound: Bound,
}

/// What is judged; peers are named as in the table.
enum Figure {
    /// One peer's figure over the other's.
    Ratio(&'static str, &'static str),
    /// A peer's figure as it is.
    Value(&'static str),
    /// msgr's figure over its own of that smaller workload.
    Growth(&'static str),
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

const fn target(workload: &'static str, key: &'static str, figure: Figure, bound: Bound) -> Target {
    Target {
        workload,
        key,
        figure,
        bound,
    }
}

const fn time_of_ceph(workload: &'static str, part: f64) -> Target {
    target(workload, "us_per_op", Ratio("msgr", "ceph"), AtMost(part))
}

const fn cpu_of_ceph(workload: &'static str, part: f64) -> Target {
    target(workload, "cpu_us", Ratio("msgr", "ceph"), AtMost(part))
}

const fn secure_of_ceph(workload: &'static str, part: f64) -> Target {
    let figure = Ratio("secure", "ceph-sec");
    target(workload, "us_per_op", figure, AtMost(part))
}

const fn no_fewer_than_one(workload: &'static str) -> Target {
    target(workload, "mmsgs", Growth("s1"), AtLeast(1.0))
}

const fn as_cheap_as_alone(workload: &'static str) -> Target {
    target(workload, "cpu_us", Growth("n1"), AtMost(1.1))
}

pub(crate) const TARGETS: [Target; 46] = [
    target("a1", "p50_us", Ratio("loop", "raw"), AtMost(1.1)),
    target("a1", "p50_us", Ratio("msgr", "raw"), AtMost(1.25)),
    target("a1", "p50_us", Ratio("msgr", "zmq"), AtMost(0.45)),
    target("a3", "p50_us", Ratio("loop", "raw"), AtMost(1.3)),
    target("b", "kops", Ratio("loop", "raw"), AtLeast(0.8)),
    target("b", "kops", Ratio("msgr", "raw"), AtLeast(0.6)),
    target("b", "kops", Ratio("msgr", "zmq"), AtLeast(1.3)),
    target("c", "mmsgs", Ratio("msgr", "zmq"), AtLeast(1.2)),
    target("d8", "kops", Ratio("loop", "raw+"), AtLeast(0.9)),
    target("d8", "kops", Ratio("msgr", "zmq"), AtLeast(4.0)),
    target("e64k", "gbytes", Ratio("msgr", "zmq"), AtLeast(1.8)),
    target("e64k", "gbytes", Value("secure"), AtLeast(2.0)),
    target("e1m", "gbytes", Ratio("msgr", "raw+"), AtLeast(0.85)),
    target("e1m", "gbytes", Ratio("msgr", "zmq"), AtLeast(1.0)),
    target("e1m", "gbytes", Value("secure"), AtLeast(2.0)),
    target("f", "kops", Ratio("loop", "raw"), AtLeast(0.9)),
    target("f", "kops", Ratio("msgr", "zmq"), AtLeast(1.6)),
    target("g", "batch_ns", Value("msgr"), AtMost(120.0)),
    no_fewer_than_one("s2"),
    no_fewer_than_one("s4"),
    no_fewer_than_one("s8"),
    no_fewer_than_one("s16"),
    no_fewer_than_one("s32"),
    as_cheap_as_alone("n100"),
    as_cheap_as_alone("n1000"),
    as_cheap_as_alone("n10000"),
    time_of_ceph("p1x0-0", 0.5),
    time_of_ceph("p1x0-4k", 0.5),
    time_of_ceph("p1x0-64k", 0.5),
    time_of_ceph("p1x0-1m", 0.5),
    time_of_ceph("p1x32-0", 0.2),
    time_of_ceph("p1x32-4k", 0.25),
    time_of_ceph("p1x32-64k", 0.5),
    time_of_ceph("p1x32-1m", 0.667),
    time_of_ceph("p4x32-0", 0.2),
    time_of_ceph("p4x32-4k", 0.25),
    time_of_ceph("p4x32-64k", 0.5),
    time_of_ceph("p4x32-1m", 0.667),
    cpu_of_ceph("p1x32-0", 0.25),
    cpu_of_ceph("p1x32-4k", 0.25),
    cpu_of_ceph("p1x32-1m", 0.667),
    cpu_of_ceph("p4x32-0", 0.25),
    cpu_of_ceph("p4x32-4k", 0.25),
    cpu_of_ceph("p4x32-1m", 0.667),
    secure_of_ceph("p1x32-4k", 0.25),
    secure_of_ceph("p1x32-1m", 0.5),
];

/// A target beside what was measured.
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) got: f64,
    pub(crate) passed: bool,
}

/// Of each target for which all that it takes was measured.
pub(crate) fn judge(results: &Results) -> Vec<Verdict> {
    TARGETS
        .iter()
        .filter_map(|target| target.judge(results))
        .collect()
}

impl Target {
    fn judge(&self, results: &Results) -> Option<Verdict> {
        let row = results.row(self.workload, self.key)?;
        let (who, got) = match self.figure {
            Ratio(over, under) => {
                let (top, bottom) = (results.place(over)?, results.place(under)?);
                (format!("{over}/{under}"), row.ratio(top, bottom)?)
            }
            Value(peer) => {
                let value = row.median(results.place(peer)?)?;
                (format!("{peer}, {}", row.metric.unit), value)
            }
            Growth(from) => {
                let (msgr, smaller) = (results.place("msgr")?, results.row(from, self.key)?);
                let growth = row.growth(msgr, smaller)?;
                (format!("msgr {}/{from}", self.workload), growth)
            }
        };
        let (wanted, passed) = match self.bound {
            AtMost(most) => (format!("<= {most}"), got <= most),
            AtLeast(least) => (format!(">= {least}"), got >= least),
        };
        Some(Verdict {
            what: format!("{:<10}{:<37}{who}", self.workload, row.metric.label),
            wanted,
            got,
            passed,
        })
    }
}
