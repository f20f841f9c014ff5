//! What Ceph's own benchmark pair took, measured once: a yardstick that does not
//! have to be built to be held against.
//!
//! `perf_msgr_server` and `perf_msgr_client` of 16.2.15, without authentication or
//! with everything encrypted, on two virtual processors of an AMD EPYC, Linux 6.18,
//! loopback, three workers each and two threads in the server's pool. Absolute
//! figures of another day and another machine: a ratio to them is a rough one.

use crate::run::Figures;

/// What an operation takes with 0, 4 KiB, 64 KiB and 1 MiB of data, in µs.
struct Cell {
    name: &'static str,
    time: [f64; 4],
    client: [f64; 4],
    server: [f64; 4],
}

/// In the order of the figures.
const LENGTHS: [&str; 4] = ["0", "4k", "64k", "1m"];

const CRC: [Cell; 4] = [
    Cell {
        name: "p1x0",
        time: [109.0, 127.0, 126.0, 354.0],
        client: [50.0, 58.0, 56.0, 236.0],
        server: [52.0, 62.0, 66.0, 184.0],
    },
    Cell {
        name: "p1x1",
        time: [59.6, 62.0, 77.7, 283.0],
        client: [28.0, 27.0, 40.0, 195.0],
        server: [34.0, 33.0, 44.0, 189.0],
    },
    Cell {
        name: "p1x32",
        time: [15.4, 19.4, 36.4, 203.0],
        client: [7.8, 8.4, 26.0, 174.0],
        server: [10.3, 16.8, 27.0, 186.0],
    },
    Cell {
        name: "p4x32",
        time: [7.3, 10.6, 26.7, 222.0],
        client: [5.8, 7.1, 23.8, 185.0],
        server: [7.0, 11.8, 24.2, 211.0],
    },
];

const SECURE: [Cell; 3] = [
    Cell {
        name: "p1x0",
        time: [144.0, 139.0, 170.0, 777.0],
        client: [67.0, 65.0, 80.0, 472.0],
        server: [69.0, 68.0, 80.0, 387.0],
    },
    Cell {
        name: "p1x32",
        time: [21.8, 28.1, 50.1, 470.0],
        client: [11.3, 13.3, 36.0, 456.0],
        server: [12.9, 22.9, 42.0, 379.0],
    },
    Cell {
        name: "p4x32",
        time: [13.7, 16.7, 44.2, 438.0],
        client: [10.0, 12.9, 41.0, 429.0],
        server: [14.6, 16.9, 42.0, 398.0],
    },
];

/// The figures of a workload, in the keys of the peers; `None` if there are none.
pub(crate) fn figures(workload: &str, secure: bool) -> Option<Figures> {
    let (name, length) = workload.split_once('-')?;
    let cells: &[Cell] = if secure { &SECURE } else { &CRC };
    let cell = cells.iter().find(|cell| cell.name == name)?;
    let at = LENGTHS.iter().position(|known| *known == length)?;
    let (client, server) = (cell.client[at], cell.server[at]);
    let figures = [
        ("us_per_op", cell.time[at]),
        ("cpu_us", client + server),
        ("client_us", client),
        ("server_us", server),
    ];
    Some(figures.map(|(key, value)| (key.to_owned(), value)).into())
}
