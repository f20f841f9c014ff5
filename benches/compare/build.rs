//! Builds the peer programs from `benches/peers` with the C compiler.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peer::PROGRAMS;

/// What was built, and where.
pub(crate) struct Built {
    /// Everything the benchmark writes goes here: `target/bench`.
    pub(crate) directory: PathBuf,
    pub(crate) programs: Vec<(&'static str, PathBuf)>,
    pub(crate) versions: Vec<String>,
    /// The folder that holds the `libmsgr.so.0` just built.
    pub(crate) library: Option<PathBuf>,
    /// The same for `MSGR_BENCH_BASELINE`.
    pub(crate) baseline: Option<PathBuf>,
}

/// A foreign library: its header, its pkg-config name, its name for the linker
/// where pkg-config does not know it, and Debian's package.
struct Foreign {
    program: &'static str,
    header: &'static str,
    package: &'static str,
    link: &'static str,
    debian: &'static str,
}

const FOREIGN: [Foreign; 2] = [
    Foreign {
        program: "zmq",
        header: "zmq.h",
        package: "libzmq",
        link: "-lzmq",
        debian: "libzmq3-dev",
    },
    Foreign {
        program: "nng",
        header: "nng/nng.h",
        package: "nng",
        link: "-lnng",
        debian: "libnng-dev",
    },
];

/// Builds the peers named, or all. A foreign library that is not there and
/// cannot be installed leaves its peer out; anything else that fails is an error.
pub(crate) fn build(names: &[&String], strict: bool) -> Result<Built, String> {
    let own = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let target = own.ancestors().nth(3).ok_or("not in a target directory")?;
    let directory = target.join("bench");
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut built = Built {
        directory,
        programs: Vec::new(),
        versions: Vec::new(),
        library: None,
        baseline: None,
    };
    let wanted = |program: &str| names.is_empty() || names.iter().any(|name| *name == program);
    for program in PROGRAMS.into_iter().filter(|program| wanted(program)) {
        let flags = if program == "msgr" {
            built.lay_out_library()?
        } else {
            match foreign_flags(program) {
                Some(flags) => flags,
                None => continue,
            }
        };
        built.compile(program, &flags, strict)?;
    }
    Ok(built)
}

impl Built {
    /// Puts the library, and the baseline if there is one, where the loader
    /// finds it under its ABI name; the compiler's flags for it.
    fn lay_out_library(&mut self) -> Result<Vec<String>, String> {
        let folder = self.link_library("lib", &self.build_library()?)?;
        let flags = vec![
            format!("-I{}/include", env!("CARGO_MANIFEST_DIR")),
            folder.join(ABI_NAME).display().to_string(),
        ];
        self.library = Some(folder);
        if let Some(path) = std::env::var_os("MSGR_BENCH_BASELINE") {
            self.baseline = Some(self.link_library("baseline", Path::new(&path))?);
        }
        Ok(flags)
    }

    /// The library as it is installed. `cargo bench` itself makes one that is
    /// not optimised across crates, so this one has a folder of its own.
    fn build_library(&self) -> Result<PathBuf, String> {
        let folder = self.directory.join("cargo");
        let mut make = Command::new(std::env::var_os("MAKE").unwrap_or_else(|| "make".into()));
        make.args(["-s", "-C", env!("CARGO_MANIFEST_DIR"), "lib"])
            .arg(format!("CARGO_TARGET_DIR={}", folder.display()));
        let status = make.status().map_err(|error| format!("make: {error}"))?;
        if !status.success() {
            return Err("the library cannot be built".to_owned());
        }
        Ok(folder.join("release/libmsgr.so"))
    }

    fn link_library(&self, folder: &str, library: &Path) -> Result<PathBuf, String> {
        let folder = self.directory.join(folder);
        let link = folder.join(ABI_NAME);
        let library = library
            .canonicalize()
            .map_err(|error| format!("{}: {error}", library.display()))?;
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // It may be left from an earlier run, and point elsewhere.
        let _ = fs::remove_file(&link);
        symlink(&library, &link).map_err(|error| format!("{}: {error}", link.display()))?;
        Ok(folder)
    }

    fn compile(
        &mut self,
        program: &'static str,
        flags: &[String],
        strict: bool,
    ) -> Result<(), String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        let output = self.directory.join(format!("{program}_peer"));
        let mut cc = compiler();
        cc.args([
            "-O2",
            "-g",
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-pthread",
        ]);
        // Strict where warnings are looked for, not where figures are.
        cc.args(strict.then_some("-Werror"));
        cc.arg(sources.join(format!("{program}_peer.c")))
            .arg("-o")
            .arg(&output)
            .args(flags);
        let status = cc.status().map_err(|error| format!("cc: {error}"))?;
        if !status.success() {
            return Err(format!("{program}_peer.c cannot be built"));
        }
        let mut version = Command::new(&output);
        version.arg("version").envs(
            self.library
                .iter()
                .map(|folder| ("LD_LIBRARY_PATH", folder)),
        );
        let told = version
            .output()
            .map_err(|error| format!("{}: {error}", output.display()))?;
        if !told.status.success() {
            return Err(format!("{} cannot be started", output.display()));
        }
        self.versions.push(format!(
            "{program}: {}",
            String::from_utf8_lossy(&told.stdout).trim()
        ));
        self.programs.push((program, output));
        Ok(())
    }
}

const ABI_NAME: &str = "libmsgr.so.0";

fn compiler() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

fn has_header(header: &str) -> bool {
    let mut cc = compiler();
    cc.args(["-E", "-x", "c", "-include", header, "/dev/null"]);
    succeeds(&mut cc)
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The compiler's flags for a program; `None`, and a line about it, if its
/// library is not here and cannot be installed.
fn foreign_flags(program: &str) -> Option<Vec<String>> {
    let Some(foreign) = FOREIGN.iter().find(|foreign| foreign.program == program) else {
        return Some(Vec::new());
    };
    let is_here = || has_header(foreign.header);
    if !is_here() && (!install(foreign.debian) || !is_here()) {
        println!("{program} is skipped: install {}", foreign.debian);
        return None;
    }
    let known = Command::new("pkg-config")
        .args(["--cflags", "--libs", foreign.package])
        .output();
    match known {
        Ok(told) if told.status.success() => {
            let flags = String::from_utf8_lossy(&told.stdout).into_owned();
            Some(flags.split_whitespace().map(str::to_owned).collect())
        }
        // Debian's nng comes without a .pc file.
        _ => Some(vec![foreign.link.to_owned()]),
    }
}

/// Only root may, and only where apt-get is.
fn install(package: &str) -> bool {
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return false;
    }
    let mut apt = Command::new("apt-get");
    apt.args([
        "install",
        "-y",
        "-q",
        "--no-install-recommends",
        "-o",
        "Acquire::Retries=0",
    ]);
    apt.args(["-o", "Acquire::http::Timeout=20", package, "pkg-config"]);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    succeeds(&mut apt)
}
