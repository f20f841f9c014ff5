//! What is measured: the workloads and the figures each of them gives. How a
//! workload is done stands in `benches/peers/bench.h`, under the same names.

/// One figure of a workload, under the key the peers print it with.
pub(crate) struct Metric {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) unit: &'static str,
    /// Times and memory; for rates more is better.
    pub(crate) less_is_better: bool,
}

/// A workload by the name the peers know it under.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Client and server share one CPU.
    pub(crate) one_cpu: bool,
    /// Runs only if asked for by its full name.
    pub(crate) extra: bool,
    pub(crate) metrics: &'static [Metric],
}

const fn less(key: &'static str, label: &'static str, unit: &'static str) -> Metric {
    Metric {
        key,
        label,
        unit,
        less_is_better: true,
    }
}

const fn more(key: &'static str, label: &'static str, unit: &'static str) -> Metric {
    Metric {
        key,
        label,
        unit,
        less_is_better: false,
    }
}

const fn workload(name: &'static str, metrics: &'static [Metric]) -> Workload {
    Workload {
        name,
        one_cpu: false,
        extra: false,
        metrics,
    }
}

/// What both processes' CPUs spend on one message or one request with its reply.
const CPU: Metric = less("cpu_us", "CPU time of both, per message", "µs");

const WORKLOADS: [Workload; 10] = [
    Workload {
        one_cpu: true,
        ..workload(
            "a1",
            &[
                less("p50_us", "ping-pong 64 B, one CPU, p50", "µs"),
                less("p99_us", "ping-pong 64 B, one CPU, p99", "µs"),
            ],
        )
    },
    workload(
        "a2",
        &[
            less("p50_us", "ping-pong 64 B, two CPUs, p50", "µs"),
            less("p99_us", "ping-pong 64 B, two CPUs, p99", "µs"),
        ],
    ),
    workload("b", &[more("kops", "request/reply 64 B x 64", "k/s"), CPU]),
    workload("c", &[more("mmsgs", "one-way 64 B", "M/s"), CPU]),
    Workload {
        extra: true,
        ..workload(
            "d1",
            &[more("kops", "request/reply 4 KiB x 32", "k/s"), CPU],
        )
    },
    workload(
        "d8",
        &[
            more("kops", "request/reply 4 KiB x 32 x 8 conns", "k/s"),
            CPU,
        ],
    ),
    workload("e64k", &[more("gbytes", "one-way 64 KiB", "GB/s"), CPU]),
    workload("e1m", &[more("gbytes", "one-way 1 MiB", "GB/s"), CPU]),
    workload(
        "f",
        &[
            more("kops", "1000 conns x 1 request 64 B", "k/s"),
            CPU,
            less("kib_per_conn", "server memory per connection", "KiB"),
        ],
    ),
    workload(
        "g",
        &[
            less("batch_ns", "one send(), batches drained", "ns"),
            less("burst_ns", "one send(), in a burst", "ns"),
        ],
    ),
];

/// The workloads whose names begin with one of `names`; without names all but
/// the extra ones.
pub(crate) fn select(names: &[&String]) -> Result<Vec<Workload>, String> {
    for name in names {
        if !WORKLOADS
            .iter()
            .any(|workload| workload.name.starts_with(name.as_str()))
        {
            let known: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            return Err(format!(
                "no workload or peer '{name}'; workloads: {}",
                known.join(" ")
            ));
        }
    }
    let wanted = |workload: &Workload| {
        let exact = names.iter().any(|name| name.as_str() == workload.name);
        let prefix = names
            .iter()
            .any(|name| workload.name.starts_with(name.as_str()));
        exact || (!workload.extra && (prefix || names.is_empty()))
    };
    Ok(WORKLOADS.into_iter().filter(wanted).collect())
}
