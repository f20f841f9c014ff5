//! The corpus of the fuzz targets, replayed: what was found once is not to come
//! back. A file is one input; its name says where it comes from.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::fuzzing::{Heap, TARGETS, run, set_meter};
use crate::tests::{meter, seeds};

#[global_allocator]
static COUNTING: meter::Counting = meter::Counting;

/// Of all inputs together: a corpus is read at every test run.
const MAX_BYTES: usize = 600 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn heap() -> Heap {
    let (held, peak) = meter::held_and_peak();
    Heap { held, peak }
}

/// The inputs of one target by their names.
fn inputs(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = folder().join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let read = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    });
    read.collect()
}

#[test]
fn every_input_of_the_corpus_is_survived() {
    set_meter(heap);
    let (mut count, mut bytes) = (0, 0);
    let mut failed = Vec::new();
    for (target, _) in TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "{target} has no inputs");
        for (name, input) in inputs {
            count += 1;
            bytes += input.len();
            let survived = catch_unwind(AssertUnwindSafe(|| run(target, &input)));
            if survived.is_err() {
                failed.push(format!("fuzz/corpus/{target}/{name}"));
            }
        }
    }
    println!(
        "corpus: {count} inputs in {} targets, {bytes} bytes",
        TARGETS.len()
    );
    assert_eq!(failed, [""; 0]);
    assert!(bytes <= MAX_BYTES, "{bytes} bytes of corpus");
}

#[test]
fn every_named_seed_is_in_the_corpus() {
    let bless = std::env::var_os("MSGR_BLESS").is_some();
    let mut missing = Vec::new();
    for (target, name, input) in seeds::all() {
        let path = folder().join(target).join(&name);
        if bless {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &input).unwrap();
        } else if fs::read(&path).ok() != Some(input) {
            missing.push(format!("{target}/{name}"));
        }
    }
    assert_eq!(missing, [""; 0], "MSGR_BLESS=1 writes them");
}

#[cfg(feature = "capi")]
#[test]
fn the_fuzz_crate_and_the_list_name_the_same_targets() {
    let manifest = fs::read_to_string(folder().join("../Cargo.toml")).unwrap();
    let named = manifest.lines().filter_map(|line| {
        let name = line.strip_prefix("path = \"fuzz_targets/")?;
        name.strip_suffix(".rs\"").map(str::to_owned)
    });
    let named: Vec<_> = named.collect();
    let listed: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named, listed);
}
