//! What the documents say twice must be the same.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_program_in_the_readme_is_the_example() {
    let readme = read("README.md");
    let block = readme.split("```c\n").nth(1).unwrap();
    assert_eq!(
        block.split("```").next().unwrap(),
        read("examples-c/hello.c")
    );
}

#[test]
fn the_folders_the_readme_maps_exist() {
    let readme = read("README.md");
    let map = readme.split("## The tree").nth(1).unwrap();
    let rows = map.lines().filter(|line| line.starts_with("    "));
    let folders: Vec<_> = rows
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(folders.len() > 8);
    for folder in folders {
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).exists(),
            "{folder}"
        );
    }
}

#[test]
fn the_oldest_rust_is_the_same_everywhere() {
    let cargo = read("Cargo.toml");
    let oldest = cargo
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap();
    assert!(read("README.md").contains(&format!("({} or newer)", oldest.trim_matches('"'))));
}
