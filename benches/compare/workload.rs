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

/// Where the two processes run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Both on one CPU.
    Shared,
    /// On a CPU each.
    Apart,
    /// Wherever the kernel puts their threads.
    Anywhere,
}

/// Who does a workload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Everybody,
    /// raw, and msgr answering either way: it is about their spinning.
    Spinners,
    /// msgr alone: its figures are held against each other.
    Msgr,
    /// msgr, plain and encrypted, beside what is known of Ceph.
    Ceph,
}

/// A workload by the name the peers know it under.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) placement: Placement,
    pub(crate) who: Who,
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
        placement: Placement::Apart,
        who: Who::Everybody,
        extra: false,
        metrics,
    }
}

const fn spinning(name: &'static str, metrics: &'static [Metric]) -> Workload {
    Workload {
        who: Who::Spinners,
        ..workload(name, metrics)
    }
}

/// So many threads send on one connection.
const fn senders(name: &'static str) -> Workload {
    const METRICS: &[Metric] = &[more("mmsgs", "threads send 64 B on one conn", "M/s")];
    Workload {
        who: Who::Msgr,
        ..workload(name, METRICS)
    }
}

/// Workload b beside so many connections on which nothing happens.
const fn beside_idle(name: &'static str) -> Workload {
    Workload {
        who: Who::Msgr,
        ..workload(name, &[CPU])
    }
}

/// A cell of Ceph's own benchmark.
const fn operations(name: &'static str) -> Workload {
    const METRICS: &[Metric] = &[
        less("us_per_op", "perf_msgr, time of an operation", "µs"),
        less("cpu_us", "perf_msgr, CPU time of an operation", "µs"),
        less("client_us", "of that the client's", "µs"),
        less("server_us", "of that the server's", "µs"),
    ];
    Workload {
        placement: Placement::Anywhere,
        who: Who::Ceph,
        ..workload(name, METRICS)
    }
}

/// What both processes' CPUs spend on one message or one request with its reply.
const CPU: Metric = less("cpu_us", "CPU time of both, per message", "µs");

const WORKLOADS: [Workload; 37] = [
    Workload {
        placement: Placement::Shared,
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
    spinning(
        "a3",
        &[
            less("p50_us", "ping-pong 64 B, spinning, p50", "µs"),
            less("p99_us", "ping-pong 64 B, spinning, p99", "µs"),
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
    senders("s1"),
    senders("s2"),
    senders("s4"),
    senders("s8"),
    senders("s16"),
    senders("s32"),
    beside_idle("n1"),
    beside_idle("n100"),
    beside_idle("n1000"),
    beside_idle("n10000"),
    operations("p1x0-0"),
    operations("p1x0-4k"),
    operations("p1x0-64k"),
    operations("p1x0-1m"),
    operations("p1x1-0"),
    operations("p1x1-4k"),
    operations("p1x1-64k"),
    operations("p1x1-1m"),
    operations("p1x32-0"),
    operations("p1x32-4k"),
    operations("p1x32-64k"),
    operations("p1x32-1m"),
    operations("p4x32-0"),
    operations("p4x32-4k"),
    operations("p4x32-64k"),
    operations("p4x32-1m"),
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
