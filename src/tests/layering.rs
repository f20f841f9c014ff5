//! The layers of this crate, held up by a test since one crate's compiler
//! would not.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer and what it may import of this crate.
const LAYERS: [(&str, &[&str]); 5] = [
    ("types", &["types"]),
    ("proto", &["proto", "types"]),
    ("event", &["event", "types"]),
    ("messenger", &["messenger", "proto", "event", "types"]),
    // The C front may do only what a Rust program can: it names no layer, only
    // what the crate root exports.
    ("capi", &["capi"]),
];

/// What must not appear in a layer at all, and why.
const BANNED: [(&str, &str, &str); 9] = [
    ("types", "std::thread", "plain data has no threads"),
    ("proto", "std::thread", "the protocol has no threads"),
    ("proto", "Mutex", "the protocol is owned, not shared"),
    ("proto", "Instant", "time is an argument"),
    ("proto", "SystemTime", "time is an argument"),
    ("proto", "TcpStream", "the protocol has no sockets"),
    (
        "proto",
        "log::",
        "the protocol tells by events, its driver logs",
    ),
    ("event", "Frame", "the loop knows no protocol"),
    ("event", "Message", "the loop knows no protocol"),
];

#[test]
fn every_layer_imports_only_what_lies_below_it() {
    let mut wrong = Vec::new();
    for (layer, allowed) in LAYERS {
        for (place, line) in code_lines(layer) {
            for import in crate_paths(&line) {
                let root_item =
                    import.chars().next().is_some_and(char::is_uppercase) || import == "features";
                let fine = if layer == "capi" {
                    root_item || import == "capi"
                } else {
                    allowed.contains(&import.as_str())
                };
                if !fine {
                    wrong.push(format!("{place}: {layer} must not import crate::{import}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_layer_uses_what_it_must_not_know() {
    let mut wrong = Vec::new();
    for (layer, word, why) in BANNED {
        let lines = code_lines(layer)
            .into_iter()
            .filter(|(_, line)| line.contains(word));
        wrong.extend(lines.map(|(place, line)| format!("{place}: {why}: {}", line.trim())));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stands_only_in_capi_and_one_place_of_event() {
    let mut files: Vec<PathBuf> = Vec::new();
    rust_files(&source(), &mut files);
    let with_unsafe = files.iter().filter(|file| {
        let text = fs::read_to_string(file).unwrap();
        text.lines()
            .any(|line| is_code(line) && line.contains("unsafe ") && !line.contains("unsafe_code"))
    });
    let outside: Vec<_> = with_unsafe
        .filter(|file| {
            !file.starts_with(source().join("capi")) && !file.starts_with(source().join("tests"))
        })
        .collect();
    assert!(outside.len() <= 1, "unsafe code in {outside:?}");
    assert!(
        outside
            .iter()
            .all(|file| file.starts_with(source().join("event"))),
        "unsafe code in {outside:?}"
    );
}

/// Lines of code of a layer with their places, tests left out.
fn code_lines(layer: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(&source().join(layer), &mut files);
    assert!(!files.is_empty(), "there is no layer {layer}");
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let name = file.strip_prefix(source()).unwrap().display().to_string();
        for (index, line) in code.lines().enumerate().filter(|(_, line)| is_code(line)) {
            lines.push((format!("src/{name}:{}", index + 1), line.to_owned()));
        }
    }
    lines
}

/// The first names after every `crate::` in a line, of a group each.
fn crate_paths(line: &str) -> Vec<String> {
    let name = |text: &str| {
        text.trim()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut paths = Vec::new();
    for (at, _) in line
        .match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with('$'))
    {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => paths.extend(group.split(',').map(name).filter(|name| !name.is_empty())),
            None => paths.push(name(rest)),
        }
    }
    paths
}

fn is_code(line: &str) -> bool {
    !line.trim_start().starts_with("//")
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}
