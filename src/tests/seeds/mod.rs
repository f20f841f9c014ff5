//! Seeds of the corpus that are made and not found: what vectors and captured
//! conversations have, and one for each fault that other implementations of this
//! wire, or of one like it, are known for.

mod known_faults;
mod programs;
mod vectors;

/// A target, the name of an input, and the input.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = vectors::vectors();
    seeds.extend(vectors::conversations());
    seeds.extend(programs::programs());
    seeds.extend(known_faults::libceph());
    seeds.extend(known_faults::ceph());
    seeds.extend(known_faults::others());
    seeds
}

fn seed(target: &'static str, name: impl Into<String>, input: impl AsRef<[u8]>) -> Seed {
    (target, name.into(), input.as_ref().to_vec())
}

/// Bytes as a program takes them.
fn piece(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    [&len.to_le_bytes()[..], bytes].concat()
}

fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).take(6).collect();
    words.join("-").to_lowercase()
}

/// A step that takes the right frame, with that number.
fn right(number: u64) -> Vec<u8> {
    [&[2], &number.to_le_bytes()[..]].concat()
}
