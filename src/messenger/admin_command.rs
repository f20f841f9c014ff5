//! What an operator's tool may ask by the admin socket, under Ceph's names.

use std::sync::Arc;

use log::LevelFilter;

use super::async_messenger::AsyncMessenger;
use super::context::Context;
use super::dispatcher::guarded;
use super::error::{Error, Result};
use super::json::Json;

/// One command.
struct Command {
    prefix: &'static str,
    args: &'static [Arg],
    help: &'static str,
    run: fn(&Arc<Context>, &Json) -> Result<Json>,
}

/// An argument, as `ceph` reads it from its command line.
struct Arg {
    name: &'static str,
    kind: &'static str,
    required: bool,
    /// It takes all words that are left.
    many: bool,
}

const fn text(name: &'static str) -> Arg {
    Arg {
        name,
        kind: "CephString",
        required: true,
        many: false,
    }
}

const fn optional(arg: Arg) -> Arg {
    Arg {
        required: false,
        ..arg
    }
}

const COMMANDS: &[Command] = &[
    Command {
        prefix: "config get",
        args: &[text("var")],
        help: "config get <field>: get the config value",
        run: config_get,
    },
    Command {
        prefix: "config set",
        args: &[
            text("var"),
            Arg {
                many: true,
                ..text("val")
            },
        ],
        help: "config set <field> <val> [<val> ...]: set a config variable; debug_ms is how \
               much the process logs",
        run: config_set,
    },
    Command {
        prefix: "config show",
        args: &[],
        help: "dump current config settings",
        run: |context, _| {
            let all = context.conf_all();
            Ok(all
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect())
        },
    },
    Command {
        prefix: "get_command_descriptions",
        args: &[],
        help: "list available commands",
        run: |_, _| Ok(descriptions()),
    },
    Command {
        prefix: "help",
        args: &[],
        help: "list available commands",
        run: |_, _| {
            let commands = COMMANDS.iter();
            Ok(commands.map(|it| (it.prefix, it.help.into())).collect())
        },
    },
    Command {
        prefix: "messenger dump",
        args: &[
            optional(text("msgr")),
            optional(Arg {
                kind: "CephBool",
                ..text("tcp_info")
            }),
        ],
        help: "dump messenger status; without a name, list the messengers that there are",
        run: messenger_dump,
    },
    Command {
        prefix: "perf dump",
        args: &[optional(text("logger")), optional(text("counter"))],
        help: "dump perfcounters value",
        run: |context, request| {
            let (group, number) = (word(request, "logger"), word(request, "counter"));
            Ok(context.perf().only(group, number).json())
        },
    },
    Command {
        prefix: "perf reset",
        args: &[text("var")],
        help: "perf reset <name>: perf reset all or one perfcounter name",
        run: perf_reset,
    },
    Command {
        prefix: "perf schema",
        args: &[optional(text("logger")), optional(text("counter"))],
        help: "dump perfcounters schema",
        run: |context, request| {
            let (group, number) = (word(request, "logger"), word(request, "counter"));
            Ok(context.perf().only(group, number).schema())
        },
    },
    Command {
        prefix: "version",
        args: &[],
        help: "get msgr version",
        run: |_, _| {
            let version = env!("CARGO_PKG_VERSION").into();
            Ok(Json::object([
                ("version", version),
                ("release", "msgr".into()),
            ]))
        },
    },
];

/// What is said to a request: JSON, or `ERROR: (22) Invalid argument` and why.
pub(crate) fn answer(context: &Arc<Context>, request: &[u8]) -> Vec<u8> {
    let answer = guarded("an observer of options", || run(context, request));
    let panicked = || Err(Error::new(libc::EIO, "the command has panicked"));
    match answer.unwrap_or_else(panicked) {
        Ok(answer) => answer.into_bytes(),
        Err(error) => {
            log::debug!("admin socket: {error}");
            let errno = error.errno();
            let named = std::io::Error::from_raw_os_error(errno).to_string();
            let name = named.split(" (os error").next().unwrap_or_default();
            format!("ERROR: ({errno}) {name}\n{error}\n").into_bytes()
        }
    }
}

fn run(context: &Arc<Context>, request: &[u8]) -> Result<String> {
    let request = std::str::from_utf8(request).ok().and_then(Json::parse);
    let request = request.ok_or_else(|| Error::invalid("the request is no JSON"))?;
    let prefix = word(&request, "prefix").unwrap_or_default();
    let command = COMMANDS.iter().find(|command| command.prefix == prefix);
    let command =
        command.ok_or_else(|| Error::invalid(format!("there is no command \"{prefix}\"")))?;
    let missing = |arg: &&Arg| arg.required && request.get(arg.name).is_none();
    if let Some(arg) = command.args.iter().find(missing) {
        return Err(Error::invalid(format!("{prefix}: {} is missing", arg.name)));
    }
    let answer = (command.run)(context, &request)?;
    Ok(match word(&request, "format") {
        Some("json") => answer.to_string(),
        _ => format!("{answer:#}\n"),
    })
}

/// A text of the request's, unless it is empty.
fn word<'a>(request: &'a Json, name: &str) -> Option<&'a str> {
    let text = request.get(name).and_then(Json::as_text);
    text.filter(|text| !text.is_empty())
}

/// What `ceph` makes requests by of the words that it is given.
fn descriptions() -> Json {
    let described = COMMANDS.iter().enumerate().map(|(at, command)| {
        let mut signature: Vec<Json> = command.prefix.split(' ').map(Json::from).collect();
        for arg in command.args {
            let mut told = Json::object([("name", arg.name.into()), ("type", arg.kind.into())]);
            if !arg.required {
                told.push("req", false);
            }
            if arg.many {
                told.push("n", "N");
            }
            signature.push(told);
        }
        let mut told = Json::object([
            ("sig", Json::List(signature)),
            ("help", command.help.into()),
        ]);
        for (name, value) in [
            ("module", "".into()),
            ("perm", "".into()),
            ("flags", Json::from(0)),
        ] {
            told.push(name, value);
        }
        (format!("cmd{at:03}").into(), told)
    });
    Json::Object(described.collect())
}

fn config_get(context: &Arc<Context>, request: &Json) -> Result<Json> {
    let name = word(request, "var").unwrap_or_default();
    let value = context.conf_get(name)?;
    Ok([(name, value.into())].into_iter().collect())
}

fn config_set(context: &Arc<Context>, request: &Json) -> Result<Json> {
    let name = word(request, "var").unwrap_or_default();
    let value = match request.get("val") {
        Some(Json::List(words)) => {
            let words: Vec<&str> = words.iter().filter_map(Json::as_text).collect();
            words.join(" ")
        }
        Some(Json::Text(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let level = match name {
        "debug_ms" => Some(log_level(&value)?),
        _ => None,
    };
    context.conf_set(name, &value)?;
    if let Some(level) = level {
        log::set_max_level(level);
    }
    log::info!("admin socket: {name} is set");
    Ok(Json::object([("success", "".into())]))
}

/// Ceph's levels. Of two, one for the log and one for what a crash shows, the first.
fn log_level(text: &str) -> Result<LevelFilter> {
    let number: i32 = match text.split('/').next().map(|first| first.trim().parse()) {
        Some(Ok(number)) => number,
        _ => {
            return Err(Error::invalid(format!(
                "debug_ms must be a level, not \"{text}\""
            )));
        }
    };
    Ok(match number {
        ..0 => LevelFilter::Error,
        0 => LevelFilter::Warn,
        1..5 => LevelFilter::Info,
        5..20 => LevelFilter::Debug,
        20.. => LevelFilter::Trace,
    })
}

fn perf_reset(context: &Arc<Context>, request: &Json) -> Result<Json> {
    let name = word(request, "var").unwrap_or_default();
    let mut found = name == "all";
    for messenger in context.known_messengers() {
        // What others have in common begins anew with one of them.
        if name == "all" || name == format!("AsyncMessenger::{}", messenger.name()) {
            messenger.reset_perf();
            found = true;
        }
    }
    if !found {
        let why = format!("there is no messenger \"{name}\" whose numbers could begin anew");
        return Err(Error::new(libc::ENOENT, why));
    }
    Ok(Json::object([(
        "success",
        format!("perf reset {name}").into(),
    )]))
}

fn messenger_dump(context: &Arc<Context>, request: &Json) -> Result<Json> {
    let messengers = context.known_messengers();
    let Some(wanted) = word(request, "msgr") else {
        let names = named(&messengers).map(|(name, _)| name).collect();
        return Ok(Json::object([("messengers", names)]));
    };
    let tcp_info = match request.get("tcp_info") {
        Some(Json::Bool(truth)) => *truth,
        Some(Json::Text(text)) => text != "false",
        _ => false,
    };
    let found = named(&messengers).find(|(name, _)| name == wanted);
    let Some((_, messenger)) = found else {
        let why = format!("there is no messenger \"{wanted}\"");
        return Err(Error::new(libc::ENOENT, why));
    };
    messenger.report(tcp_info)
}

/// Messengers by what the program calls them, with their nonce where that is not
/// enough.
fn named(all: &[Arc<AsyncMessenger>]) -> impl Iterator<Item = (String, &Arc<AsyncMessenger>)> {
    all.iter().map(|messenger| {
        let name = messenger.lname();
        let alike = all.iter().filter(|other| other.lname() == name).count();
        let name = match alike {
            1 => name.to_owned(),
            _ => format!("{name}/{}", messenger.nonce()),
        };
        (name, messenger)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Random;

    fn asked(context: &Arc<Context>, request: &str) -> String {
        String::from_utf8(answer(context, request.as_bytes())).unwrap()
    }

    #[test]
    fn levels_are_those_of_ceph() {
        for (text, level) in [
            ("-1", LevelFilter::Error),
            ("0/5", LevelFilter::Warn),
            ("1", LevelFilter::Info),
            (" 5 / 0", LevelFilter::Debug),
            ("20", LevelFilter::Trace),
        ] {
            assert_eq!(log_level(text), Ok(level));
        }
        for wrong in ["", "/", "loud", "1.5", "/20"] {
            assert!(log_level(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_command_is_described_and_answers() {
        let context = Context::new();
        let described = descriptions();
        for (at, command) in COMMANDS.iter().enumerate() {
            let told = described.get(&format!("cmd{at:03}")).unwrap();
            let Some(Json::List(signature)) = told.get("sig") else {
                panic!("{told}")
            };
            let words = signature.iter().filter_map(Json::as_text);
            let prefix: Vec<&str> = words.collect();
            assert_eq!(prefix.join(" "), command.prefix);
            let args = command
                .args
                .iter()
                .map(|arg| format!(",\"{}\":\"all\"", arg.name));
            let args: String = args.collect();
            let answer = asked(
                &context,
                &format!("{{\"prefix\":\"{}\"{args}}}", command.prefix),
            );
            // There is no option and no messenger of that name.
            let refused = ["config get", "config set", "messenger dump"].contains(&command.prefix);
            assert_eq!(answer.starts_with("ERROR: (2) "), refused, "{answer}");
            assert!(refused || Json::parse(&answer).is_some(), "{answer}");
        }
    }

    #[test]
    fn whatever_is_asked_is_answered() {
        let context = Context::new();
        let requests = [
            r#"{"prefix":"config set","var":"ms_max_backoff","val":["1","2"],"format":"json"}"#,
            r#"{"prefix":"messenger dump","msgr":"\u00e9","tcp_info":true}"#,
            r#"{"prefix":"perf dump","logger":null,"counter":[{"a":-1.5e9}]}"#,
        ];
        let mut random = Random::new(1);
        let mut below = |limit: usize| usize::try_from(random.next() % limit as u64).unwrap();
        let mut answered = 0;
        for round in 0..20_000 {
            let mut request = requests[round % requests.len()].as_bytes().to_vec();
            for _ in 0..below(4) {
                let at = below(request.len());
                match below(3) {
                    0 => request[at] = b"\"\\{}[]:,0n\xff\x00u"[below(13)],
                    1 => drop(request.drain(at..)),
                    _ => request.insert(at, b"\"\\{}[]:,0n\xff\x00u"[below(13)]),
                }
                if request.is_empty() {
                    break;
                }
            }
            let answer = answer(&context, &request);
            let text = String::from_utf8(answer).unwrap();
            match text.starts_with("ERROR: (") {
                true => assert!(text.ends_with('\n')),
                false => answered += usize::from(Json::parse(&text).is_some()),
            }
        }
        assert!(answered > 1000, "only {answered} were understood");
    }
}
