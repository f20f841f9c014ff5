//! What the figures depend on and the reader must know: CPUs, kernel,
//! congestion control, load.

use std::fs;

use crate::workload::Placement;

/// The machine as it is when the benchmark starts.
pub(crate) struct Machine {
    client_cpu: String,
    server_cpu: String,
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Machine {
    /// Reads /proc and chooses the CPUs: the first two allowed, or those of
    /// `MSGR_BENCH_CPUS`.
    pub(crate) fn look() -> Result<Self, String> {
        let allowed = allowed_cpus();
        let first = allowed.first().copied().unwrap_or(0).to_string();
        let (client_cpu, server_cpu) = match std::env::var("MSGR_BENCH_CPUS") {
            Ok(text) => {
                let (client, server) = text
                    .split_once(',')
                    .ok_or("MSGR_BENCH_CPUS is not CLIENT,SERVER")?;
                (client.to_owned(), server.to_owned())
            }
            Err(_) => (first.clone(), allowed.get(1).map_or(first, u32::to_string)),
        };
        let facts = vec![
            ("cpu", cpu_model()),
            ("cores", allowed.len().to_string()),
            ("kernel", read("/proc/sys/kernel/osrelease")),
            (
                "congestion control",
                read("/proc/sys/net/ipv4/tcp_congestion_control"),
            ),
            ("load at start", read("/proc/loadavg")),
        ];
        Ok(Self {
            client_cpu,
            server_cpu,
            facts,
        })
    }

    /// One line about where the processes run.
    pub(crate) fn placement(&self) -> String {
        format!(
            "client on CPU {}, server on CPU {}; a1: both on CPU {}; p: on all of them",
            self.client_cpu, self.server_cpu, self.client_cpu
        )
    }

    /// The client's and the server's; `None`: any.
    pub(crate) fn cpus(&self, placement: Placement) -> (Option<&str>, Option<&str>) {
        match placement {
            Placement::Shared => (Some(&self.client_cpu), Some(&self.client_cpu)),
            Placement::Apart => (Some(&self.client_cpu), Some(&self.server_cpu)),
            Placement::Anywhere => (None, None),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn cpu_model() -> String {
    let info = read("/proc/cpuinfo");
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim())
        .to_owned()
}

/// The CPUs this process may run on, from a list like "0-3,8".
fn allowed_cpus() -> Vec<u32> {
    let status = read("/proc/self/status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mut cpus = Vec::new();
    for range in line.unwrap_or("0").trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            cpus.extend(first..=last);
        }
    }
    cpus
}
