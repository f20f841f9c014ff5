//! Keeps `include/msgr.h` and what depends on it equal to `src/capi`: the
//! version script of the shared library and the C programs' list of functions.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A section of the header: its title, the files of `src/capi` that make it,
/// and what cbindgen cannot say.
struct Section {
    title: &'static str,
    file: &'static str,
    extra: &'static str,
}

/// The header's table of contents. A file that is missing here is found by
/// `every_file_with_an_exported_function_is_a_section`.
const SECTIONS: &[Section] = &[
    Section {
        title: "Version",
        file: "version",
        extra: "",
    },
    Section {
        title: "Handles",
        file: "handle",
        extra: "",
    },
    Section {
        title: "Errors",
        file: "error",
        extra: "",
    },
    Section {
        title: "Addresses",
        file: "addr",
        extra: "",
    },
    Section {
        title: "Names",
        file: "name",
        extra: "",
    },
    Section {
        title: "Context: options and worker threads",
        file: "context",
        extra: "",
    },
    Section {
        title: "Where options come from, and who hears of them",
        file: "conf",
        extra: "",
    },
    Section {
        title: "Messenger",
        file: "messenger",
        extra: "",
    },
    Section {
        title: "What a messenger is called, and how it goes about its work",
        file: "settings",
        extra: "",
    },
    Section {
        title: "Policy",
        file: "policy",
        extra: POLICY_INIT,
    },
    Section {
        title: "Throttle",
        file: "throttle",
        extra: "",
    },
    Section {
        title: "Authentication by the program",
        file: "auth",
        extra: AUTH_HANDLER_INIT,
    },
    Section {
        title: "Its answers",
        file: "auth_reply",
        extra: AUTH_RESULT_INIT,
    },
    Section {
        title: "Keys and tickets",
        file: "keys",
        extra: "",
    },
    Section {
        title: "Dispatcher",
        file: "dispatcher",
        extra: DISPATCHER_INIT,
    },
    Section {
        title: "Connection",
        file: "connection",
        extra: "",
    },
    Section {
        title: "What stands for a connection above",
        file: "object",
        extra: "",
    },
    Section {
        title: "Who the peer is",
        file: "identity",
        extra: "",
    },
    Section {
        title: "Message",
        file: "message",
        extra: "",
    },
    Section {
        title: "Its segments",
        file: "segment",
        extra: "",
    },
    Section {
        title: "Bytes that outlive it",
        file: "buf",
        extra: "",
    },
    Section {
        title: "What else stands on it",
        file: "message_header",
        extra: HEADER_INIT,
    },
    Section {
        title: "All of that at once",
        file: "view",
        extra: VIEW_INIT,
    },
    Section {
        title: "The program's object behind a message",
        file: "body",
        extra: OBJECT_INIT,
    },
    Section {
        title: "Decoding",
        file: "decoder",
        extra: "",
    },
    Section {
        title: "Memory for what comes",
        file: "rx_alloc",
        extra: "",
    },
    Section {
        title: "For operators",
        file: "admin",
        extra: "",
    },
    Section {
        title: "Counters",
        file: "perf",
        extra: "",
    },
    Section {
        title: "Log",
        file: "log",
        extra: "",
    },
];

const AUTH_HANDLER_INIT: &str = "
/**
 * `msgr_auth_handler handler = MSGR_AUTH_HANDLER_INIT;` is a handler that answers no
 * to everything.
 */
#define MSGR_AUTH_HANDLER_INIT \\
    { (uint32_t)sizeof(msgr_auth_handler), 0, NULL, NULL, NULL, NULL, NULL, NULL }
";

const AUTH_RESULT_INIT: &str = "
/**
 * `msgr_auth_result result = MSGR_AUTH_RESULT_INIT;` says nothing yet.
 */
#define MSGR_AUTH_RESULT_INIT \\
    { (uint32_t)sizeof(msgr_auth_result), 0, 0, NULL, NULL, NULL, 0, NULL, 0, NULL, 0 }
";

// Every field is named: a shorter list makes -Wextra complain in the program.
const POLICY_INIT: &str = "
/**
 * `msgr_policy policy = MSGR_POLICY_INIT;` is a policy with every switch off.
 */
#define MSGR_POLICY_INIT { (uint32_t)sizeof(msgr_policy), 0, 0, 0, 0, 0, 0, 0 }
";

const HEADER_INIT: &str = "
/**
 * `msgr_header header = MSGR_HEADER_INIT;` is one to be filled in.
 */
#define MSGR_HEADER_INIT                                                            \\
    { (uint32_t)sizeof(msgr_header), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
";

const VIEW_INIT: &str = "
/**
 * `msgr_view view = MSGR_VIEW_INIT;` is one to be filled in.
 */
#define MSGR_VIEW_INIT                                                              \\
    { (uint32_t)sizeof(msgr_view), 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL,              \\
      { 0, 0, 0 }, { NULL, NULL, NULL } }
";

const OBJECT_INIT: &str = "
/**
 * `msgr_object object = MSGR_OBJECT_INIT;` is a message of type 0 without an object.
 */
#define MSGR_OBJECT_INIT                                                            \\
    { (uint32_t)sizeof(msgr_object), 0, 0, MSGR_PRIO_DEFAULT, 0, 0, 0, NULL, NULL,  \\
      NULL, NULL, 0, NULL, NULL }
";

const DISPATCHER_INIT: &str = "
/**
 * `msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;` has no slot set.
 */
#define MSGR_DISPATCHER_INIT                                                        \\
    { (uint32_t)sizeof(msgr_dispatcher), 0, NULL, NULL, NULL, NULL, NULL, NULL,     \\
      NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 }
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

fn version_macros() -> String {
    let mut text =
        String::from("/** The version of this header; `msgr_version` is the library's. */\n");
    for (name, value) in [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        writeln!(text, "#define MSGR_VERSION_{name} {value}").unwrap();
    }
    text + "#define MSGR_VERSION \\\n    ((MSGR_VERSION_MAJOR << 16) | (MSGR_VERSION_MINOR << 8) | MSGR_VERSION_PATCH)\n\n"
}

/// What cbindgen makes of one file.
fn piece(config: &cbindgen::Config, file: &str) -> String {
    let path: PathBuf = root().join("src/capi").join(file).with_extension("rs");
    let config = cbindgen::Config {
        header: None,
        ..config.clone()
    };
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(path)
        .generate();
    let mut text = Vec::new();
    bindings
        .unwrap_or_else(|why| panic!("{file}: {why}"))
        .write(&mut text);
    compact(&without_safety(&String::from_utf8(text).unwrap()))
}

/// Puts comments of one line on one line, and constants together.
fn compact(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let indent = line.len() - line.trim_start().len();
        at += 1;
        match lines.get(at - 1..at + 2) {
            Some([open, only, close]) if open.trim() == "/**" && close.trim() == "*/" => {
                let said = only.trim().trim_start_matches("* ");
                kept.push(format!("{}/** {said} */", " ".repeat(indent)));
                at += 2;
            }
            _ => kept.push((*line).to_owned()),
        }
        // A negative constant needs brackets, or `x MSGR_LOG_ERROR` compiles.
        if let Some(define) = kept.last_mut().filter(|line| line.starts_with("#define")) {
            if let Some((name, value)) = define.split_once(" -") {
                *define = format!("{name} (-{value})");
            }
            let constant_follows = lines.get(at).is_some_and(|line| line.is_empty())
                && constants_prefix(&lines, at + 1).is_some_and(|next| define.starts_with(next));
            at += usize::from(constant_follows);
        }
    }
    kept.join("\n")
}

/// The group, as in `#define MSGR_ENTITY_`, of the constant whose comment
/// begins at that line.
fn constants_prefix<'a>(lines: &[&'a str], at: usize) -> Option<&'a str> {
    let comment = lines.get(at..)?;
    let end = comment.iter().position(|line| line.trim() == "*/")?;
    let define = comment.get(end + 1)?.strip_prefix("#define ")?;
    let name = define.split(' ').next()?;
    let group = name
        .match_indices('_')
        .nth(1)
        .or_else(|| name.match_indices('_').next())?
        .0;
    let prefix = "#define ".len() + group + 1;
    comment.get(end + 1)?.get(..prefix)
}

/// Takes out the safety sections: in C every function has the header's
/// conventions as its contract.
fn without_safety(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        let comment = line.trim_start();
        if comment == "* # Safety" {
            within = true;
            while kept.last().is_some_and(|last| last.trim() == "*") {
                kept.pop();
            }
        } else if comment == "*/" {
            within = false;
        }
        if !within {
            kept.push(line);
        }
    }
    kept.join("\n")
}

fn header() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let mut text = String::new();
    text += config.header.as_deref().unwrap_or_default().trim_start();
    text += "\n/* Generated from src/capi by `MSGR_BLESS=1 cargo test --test header`. */\n\n";
    text += "#ifndef MSGR_H\n#define MSGR_H\n\n#include <stddef.h>\n#include <stdint.h>\n#include <sys/uio.h>\n\n";
    text += "#ifdef __cplusplus\nextern \"C\" {\n#endif\n";
    for Section { title, file, extra } in SECTIONS {
        let rule = "-".repeat(80 - title.len());
        writeln!(text, "\n/* {title} {rule} */\n").unwrap();
        if *file == "version" {
            text += &version_macros();
        }
        let piece = piece(&config, file);
        match piece.split_once("\n} ").filter(|_| !extra.is_empty()) {
            // After the structure it initialises, before the functions.
            Some((before, after)) => {
                let (name, functions) = after.split_once('\n').unwrap();
                write!(
                    text,
                    "{}\n}} {name}\n{extra}\n{}\n",
                    before.trim(),
                    functions.trim()
                )
                .unwrap();
            }
            None => writeln!(text, "{}", piece.trim()).unwrap(),
        }
    }
    text + "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* MSGR_H */\n"
}

/// The functions a text declares or defines: names in front of a bracket.
fn functions(text: &str) -> Vec<&str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/', '#']));
    let names = code
        .filter(|line| !line.starts_with([' ', '}']))
        .filter_map(|line| {
            let (before, _) = line.split_once('(')?;
            let name = before.rsplit([' ', '*']).next()?;
            name.starts_with("msgr_").then_some(name)
        });
    names.collect()
}

#[test]
fn the_committed_header_is_what_the_sources_say() {
    let (path, made) = (root().join("include/msgr.h"), header());
    if std::env::var_os("MSGR_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = committed
        .lines()
        .zip(made.lines())
        .position(|(old, new)| old != new);
    assert!(
        committed == made,
        "include/msgr.h is out of date from line {}: run MSGR_BLESS=1 cargo test --test header",
        differing.unwrap_or_else(|| committed.lines().count().min(made.lines().count())) + 1
    );
}

#[test]
fn every_file_with_an_exported_function_is_a_section() {
    for entry in std::fs::read_dir(root().join("src/capi")).unwrap() {
        let path = entry.unwrap().path();
        let exports = std::fs::read_to_string(&path)
            .unwrap()
            .matches("#[no_mangle]")
            .count();
        let file = path.file_stem().unwrap().to_str().unwrap();
        let declared = match SECTIONS.iter().any(|section| section.file == file) {
            true => functions(&piece(
                &cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap(),
                file,
            ))
            .len(),
            false => 0,
        };
        assert_eq!(declared, exports, "functions of {file}.rs in the header");
    }
}

#[test]
fn the_link_test_takes_the_address_of_every_function() {
    let (header, link) = (read("include/msgr.h"), read("capi-tests/link.c"));
    for name in functions(&header) {
        assert!(
            link.contains(&format!("ADDRESS({name})")),
            "capi-tests/link.c lacks {name}"
        );
    }
}

/// The version script that `make` links the shared library with.
const MAP: &str = "capi-tests/abi/libmsgr.map";

/// The node of what is new in this version.
const NODE: &str = concat!(
    "MSGR_",
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR")
);

/// The version script's nodes, oldest first, each with its functions.
fn nodes(map: &str) -> Vec<(String, Vec<String>)> {
    let mut nodes: Vec<(String, Vec<String>)> = Vec::new();
    for line in map.lines().map(str::trim) {
        if let Some(node) = line.strip_suffix(" {") {
            nodes.push((node.to_owned(), Vec::new()));
        } else if let Some(name) = line.strip_suffix(';').filter(|it| it.starts_with("msgr_")) {
            nodes.last_mut().unwrap().1.push(name.to_owned());
        }
    }
    nodes
}

/// The version script for the functions of this header. A function stays in
/// the node it is in, since programs have recorded it; one that is new belongs
/// to the version that is being made.
fn map(committed: &str, header: &str) -> String {
    let mut nodes = nodes(committed);
    let declared = functions(header);
    for name in nodes.iter().flat_map(|(_, names)| names) {
        assert!(
            declared.contains(&name.as_str()),
            "{name} is gone from the header, but programs may use it: see CONTRIBUTING.md"
        );
    }
    if nodes.last().is_none_or(|(node, _)| node != NODE) {
        nodes.push((NODE.to_owned(), Vec::new()));
    }
    for name in declared {
        if !nodes
            .iter()
            .any(|(_, names)| names.iter().any(|it| it == name))
        {
            nodes.last_mut().unwrap().1.push(name.to_owned());
        }
    }
    let mut text =
        "/* What libmsgr.so exports, and since which version. New functions come in by\n * \
                    `MSGR_BLESS=1 cargo test --test header`. */\n"
            .to_owned();
    let mut before = String::new();
    for (node, mut names) in nodes {
        names.sort();
        let local = if before.is_empty() {
            "local:\n    *;\n"
        } else {
            ""
        };
        let names: String = names.iter().map(|it| format!("    {it};\n")).collect();
        write!(text, "\n{node} {{\nglobal:\n{names}{local}}}{before};\n").unwrap();
        before = format!(" {node}");
    }
    text
}

#[test]
fn the_version_script_has_every_function_of_the_header() {
    let path = root().join(MAP);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let made = map(&committed, &header());
    if std::env::var_os("MSGR_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    assert!(
        committed == made,
        "{MAP} is out of date: run MSGR_BLESS=1 cargo test --test header"
    );
}

#[test]
fn a_function_keeps_its_node_and_a_new_one_gets_the_current() {
    let committed = "MSGR_0.0 {\nglobal:\n    msgr_b;\nlocal:\n    *;\n};\n";
    let made = map(committed, "int msgr_a(void);\nint msgr_b(void);\n");
    assert_eq!(
        nodes(&made),
        [
            ("MSGR_0.0".to_owned(), vec!["msgr_b".to_owned()]),
            (NODE.to_owned(), vec!["msgr_a".to_owned()]),
        ]
    );
    assert!(
        made.ends_with("} MSGR_0.0;\n"),
        "the nodes are not chained: {made}"
    );
    assert_eq!(map(&made, "int msgr_a(void);\nint msgr_b(void);\n"), made);
}

#[test]
#[should_panic(expected = "msgr_b is gone")]
fn a_function_cannot_leave_the_version_script_unnoticed() {
    let committed = "MSGR_0.1 {\nglobal:\n    msgr_a;\n    msgr_b;\nlocal:\n    *;\n};\n";
    map(committed, "int msgr_a(void);\n");
}
