//! Who takes part: a peer is a program with the options that make one column
//! of the table.

use std::path::PathBuf;

use crate::build::Built;

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
}

/// One column of the table.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    /// Where its shared library is looked for first.
    pub(crate) library: Option<PathBuf>,
    raw: bool,
    variant: Variant,
}

impl Peer {
    /// The options it runs a workload with; `None` if it takes no part.
    pub(crate) fn options(&self, workload: &str) -> Option<Vec<&'static str>> {
        let requests = !matches!(workload, "c" | "e64k" | "e1m" | "g");
        let mut options = match self.variant {
            Variant::Plain => Vec::new(),
            Variant::Loop if requests => vec!["--loop"],
            Variant::Plus if HAS_CRC && matches!(workload, "d1" | "d8") => vec!["--crc"],
            Variant::Plus if workload.starts_with('e') => vec!["--blocking"],
            Variant::Secure if workload != "f" && workload != "g" => {
                vec!["--set", KEYRING, "--set", "ms_secure_only=true"]
            }
            Variant::Packed if matches!(workload, "d1" | "d8" | "e64k" | "e1m") => {
                vec!["--set", "ms_compress_mode=force", "--set", ALGORITHM]
            }
            Variant::Loop | Variant::Plus | Variant::Secure | Variant::Packed => return None,
        };
        if self.raw {
            options.extend(["--frame", "msgr"]);
        }
        Some(options)
    }
}

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
            variant,
        });
    }
    peers
}

/// Which columns are divided by which: what is judged, and against whom.
pub(crate) const RATIOS: [(&str, &str); 11] = [
    ("msgr", "raw"),
    ("msgr", "raw+"),
    ("msgr", "zmq"),
    ("msgr", "nng"),
    ("loop", "raw"),
    ("loop", "raw+"),
    ("loop", "zmq"),
    ("secure", "msgr"),
    ("packed", "msgr"),
    ("msgr", "base"),
    ("loop", "base-loop"),
];
