//! Captured conversations and constructed values under `tests/vectors`.

use std::collections::HashMap;
use std::io::IoSlice;
use std::path::Path;

use super::frame::FrameWriter;

/// `key = value` lines, records apart by blank lines.
pub fn records(name: &str) -> Vec<HashMap<String, String>> {
    let mut records = vec![HashMap::new()];
    for line in text(&format!("pure/{name}.txt")).lines() {
        if let Some((key, value)) = line.split_once(" =") {
            let last = records.last_mut().unwrap();
            last.insert(key.trim().to_owned(), value.trim().to_owned());
        } else if line.is_empty() {
            records.push(HashMap::new());
        }
    }
    records.retain(|record| !record.is_empty());
    records
}

/// What a conversation's `@key` lines say.
pub fn header(name: &str) -> HashMap<String, String> {
    let text = text(&format!("conv/{name}.txt"));
    let fields = text.lines().filter_map(|line| line.strip_prefix('@'));
    fields
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The units of a conversation: whether the dialler sent them, and their bytes.
pub fn conversation(name: &str) -> Vec<(bool, Vec<u8>)> {
    let mut units: Vec<(bool, Vec<u8>)> = Vec::new();
    for line in text(&format!("conv/{name}.txt")).lines() {
        match line.split_at_checked(2) {
            Some(("> ", bytes)) => units.push((true, hex(bytes))),
            Some(("< ", bytes)) => units.push((false, hex(bytes))),
            Some(("  ", bytes)) => units.last_mut().unwrap().1.extend(hex(bytes)),
            _ => {}
        }
    }
    units
}

/// All that a writer has staged.
pub fn staged(writer: &FrameWriter) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = writer.fill(&mut slices);
    slices[..filled]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect()
}

/// The words behind `@key` of a conversation, line by line.
pub fn headers(name: &str, key: &str) -> Vec<Vec<String>> {
    let text = text(&format!("conv/{name}.txt"));
    let lines = text.lines().filter_map(|line| line.strip_prefix('@'));
    let words = lines.map(|line| line.split(' ').map(str::to_owned));
    words
        .map(Iterator::collect::<Vec<String>>)
        .filter(|words| words[0] == key)
        .map(|words| words[1..].to_vec())
        .collect()
}

pub fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap() as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}
