//! Who takes part: a peer is a program with the options that make one column
//! of the table, or known figures.

use std::path::PathBuf;

use crate::build::Built;
use crate::ceph;
use crate::run::Figures;
use crate::workload::{Who, Workload};

/// The peer programs, `benches/peers/*_peer.c`.
pub(crate) const PROGRAMS: [&str; 4] = ["raw", "zmq", "nng", "msgr"];

/// raw knows the CRC instruction of this architecture only.
const HAS_CRC: bool = cfg!(target_arch = "x86_64");

/// A key for nothing but this.
const KEYRING: &str = concat!(
    "keyring=",
    env!("CARGO_MANIFEST_DIR"),
    "/benches/peers/bench.keyring"
);
/// The fastest of them.
const ALGORITHM: &str = "ms_compression_algorithm=lz4";

/// How a column of the table differs from its program's plain run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Plain,
    /// raw as the harder comparison: with CRC32C, or on blocking sockets.
    Plus,
    /// msgr's client answers in its callback.
    Loop,
    /// msgr encrypted, both ends proved by cephx.
    Secure,
    /// msgr compressing what it sends.
    Packed,
    /// msgr by another congestion control than the system's.
    Reno,
    /// Ceph's own messenger, of which there are only figures.
    Ceph {
        secure: bool,
    },
}

/// One column of the table.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    /// Where its shared library is looked for first.
    pub(crate) library: Option<PathBuf>,
    raw: bool,
    msgr: bool,
    variant: Variant,
}

impl Peer {
    /// The figures of one that is not run.
    pub(crate) fn known(&self, workload: &Workload) -> Option<Figures> {
        match self.variant {
            Variant::Ceph { secure } => ceph::figures(workload.name, secure),
            _ => None,
        }
    }

    /// The options it runs a workload with; `None` if it takes no part.
    pub(crate) fn options(&self, workload: &Workload) -> Option<Vec<&'static str>> {
        let name = workload.name;
        let takes_part = match workload.who {
            Who::Everybody => true,
            Who::Spinners => self.raw || self.msgr,
            Who::Msgr | Who::Ceph => self.msgr,
        };
        if !takes_part {
            return None;
        }
        let requests = name.starts_with(['a', 'b', 'd', 'f']);
        let mut options = match self.variant {
            Variant::Plain => Vec::new(),
            Variant::Loop if requests => vec!["--loop"],
            Variant::Plus if HAS_CRC && name.starts_with('d') => vec!["--crc"],
            Variant::Plus if name.starts_with('e') => vec!["--blocking"],
            Variant::Secure if name.starts_with(['a', 'b', 'c', 'd', 'e', 'p']) => {
                vec!["--set", KEYRING, "--set", "ms_secure_only=true"]
            }
            Variant::Packed if name.starts_with(['d', 'e']) => {
                vec!["--set", "ms_compress_mode=force", "--set", ALGORITHM]
            }
            Variant::Reno if name.starts_with('e') => vec!["--set", "ms_tcp_congestion=reno"],
            _ => return None,
        };
        if self.raw {
            options.extend(["--frame", "msgr"]);
        }
        if workload.who == Who::Spinners {
            options.extend(if self.raw { SPIN_RAW } else { SPIN_MSGR });
        }
        Some(options)
    }
}

const SPIN_RAW: &[&str] = &["--spin"];
const SPIN_MSGR: &[&str] = &["--set", "ms_async_spin=0.0001"];

/// The peers that could be built, in the table's order.
pub(crate) fn line_up(built: &Built) -> Vec<Peer> {
    let columns = [
        ("raw", "raw", Variant::Plain, None),
        ("raw+", "raw", Variant::Plus, None),
        ("zmq", "zmq", Variant::Plain, None),
        ("nng", "nng", Variant::Plain, None),
        ("msgr", "msgr", Variant::Plain, built.library.as_ref()),
        ("loop", "msgr", Variant::Loop, built.library.as_ref()),
        ("secure", "msgr", Variant::Secure, built.library.as_ref()),
        ("packed", "msgr", Variant::Packed, built.library.as_ref()),
        ("reno", "msgr", Variant::Reno, built.library.as_ref()),
        ("base", "msgr", Variant::Plain, built.baseline.as_ref()),
        ("base-loop", "msgr", Variant::Loop, built.baseline.as_ref()),
    ];
    let mut peers = Vec::new();
    for (name, program, variant, library) in columns {
        let path = built.programs.iter().find(|(built, _)| *built == program);
        let Some((_, path)) = path else { continue };
        if program == "msgr" && library.is_none() {
            continue;
        }
        peers.push(Peer {
            name,
            program: path.clone(),
            library: library.cloned(),
            raw: program == "raw",
            msgr: program == "msgr",
            variant,
        });
    }
    if peers.iter().any(|peer| peer.msgr) {
        peers.extend([("ceph", false), ("ceph-sec", true)].map(known));
    }
    peers
}

fn known((name, secure): (&'static str, bool)) -> Peer {
    Peer {
        name,
        program: PathBuf::new(),
        library: None,
        raw: false,
        msgr: false,
        variant: Variant::Ceph { secure },
    }
}

/// Which columns are divided by which: what is judged, and against whom.
pub(crate) const RATIOS: [(&str, &str); 14] = [
    ("msgr", "raw"),
    ("msgr", "raw+"),
    ("msgr", "zmq"),
    ("msgr", "nng"),
    ("loop", "raw"),
    ("loop", "raw+"),
    ("loop", "zmq"),
    ("secure", "msgr"),
    ("packed", "msgr"),
    ("reno", "msgr"),
    ("msgr", "ceph"),
    ("secure", "ceph-sec"),
    ("msgr", "base"),
    ("loop", "base-loop"),
];
