//! Configuration files as Ceph has them.

use std::borrow::Cow;
use std::fs;
use std::io;

use super::context::Context;
use super::error::{Error, Result};
use crate::types::AuthName;

/// Where Ceph's programs look.
const DEFAULT_PATHS: &str = "/etc/ceph/ceph.conf,~/.ceph/ceph.conf,ceph.conf";

/// One `key = value`, its section, and the line that it stands in.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    section: String,
    key: String,
    value: String,
    line: usize,
}

impl Context {
    /// Sets what a configuration file says to an entity: in `[global]`, then in its
    /// type's section, `[osd]`, then in its own, `[osd.0]`; what comes later holds.
    /// Without an entity it is `[global]` alone. Of `paths`, with commas between, the
    /// first that exists is read; without them the file that `CEPH_CONF` names, or
    /// Ceph's usual ones. Unknown options are passed over (Ceph's `md_config_t::parse_config_files`).
    ///
    /// # Errors
    /// `ENOENT` if none exists, what the system says if it cannot be read, `EINVAL`
    /// for a malformed one, of which nothing is set, and for values that do not fit:
    /// then the others are set.
    pub fn conf_read_file(&self, paths: Option<&str>, entity: Option<&AuthName>) -> Result<()> {
        let usual = || std::env::var("CEPH_CONF").map_or(Cow::Borrowed(DEFAULT_PATHS), Cow::Owned);
        let paths = paths.map_or_else(usual, Cow::Borrowed);
        let (path, text) = first_of(&paths)?;
        let entries =
            parse(&text).map_err(|(line, why)| Error::invalid(format!("{path}:{line}: {why}")))?;
        let mut sections = vec!["global".to_owned()];
        sections.extend(entity.map(|entity| entity.kind.to_string()));
        sections.extend(entity.map(ToString::to_string));
        let mut bad = None;
        for section in &sections {
            for entry in entries.iter().filter(|entry| entry.section == *section) {
                let value = expand(&entry.value, entity);
                match self.conf_set(&entry.key, &value) {
                    Err(why) if why.errno() == libc::ENOENT => {
                        log::info!("{path}:{}: {why}", entry.line);
                    }
                    Err(why) => {
                        log::warn!("{path}:{}: {why}", entry.line);
                        let why = Error::new(why.errno(), format!("{path}:{}: {why}", entry.line));
                        bad.get_or_insert(why);
                    }
                    Ok(()) => {}
                }
            }
        }
        bad.map_or(Ok(()), Err)
    }
}

/// The first file of a list that exists.
fn first_of(paths: &str) -> Result<(String, String)> {
    let words = paths.split([',', ';', ' ', '\t']);
    for path in words.filter(|path| !path.is_empty()) {
        let path = match (path.strip_prefix("~/"), std::env::var("HOME")) {
            (Some(below), Ok(home)) => format!("{home}/{below}"),
            _ => path.to_owned(),
        };
        match fs::read_to_string(&path) {
            Ok(text) => return Ok((path, text)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) if why.kind() == io::ErrorKind::InvalidData => {
                return Err(Error::invalid(format!("{path} is not UTF-8")));
            }
            Err(why) => return Err(Error::io(format_args!("reading {path}"), &why)),
        }
    }
    let why = format!("there is no configuration file at {paths}");
    Err(Error::new(libc::ENOENT, why))
}

/// Fills in what stands for parts of the entity's name.
fn expand(value: &str, entity: Option<&AuthName>) -> String {
    let (name, kind, id) = match entity {
        Some(entity) => (
            entity.to_string(),
            entity.kind.to_string(),
            entity.id.clone(),
        ),
        None => return value.to_owned(),
    };
    let mut value = value.to_owned();
    // In one word the longest name counts, and none of these begins another.
    for (variable, is) in [
        ("cluster", "ceph"),
        ("name", &name),
        ("type", &kind),
        ("id", &id),
    ] {
        value = value.replace(&format!("${{{variable}}}"), is);
        value = value.replace(&format!("${variable}"), is);
    }
    value
}

/// All entries, or the number of a line and what is wrong with it.
fn parse(text: &str) -> std::result::Result<Vec<Entry>, (usize, &'static str)> {
    let mut entries = Vec::new();
    let mut section = "global".to_owned();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut whole = Cow::Borrowed(line);
        while let Some(begun) = whole.strip_suffix('\\') {
            let next = lines.next().map_or("", |(_, next)| next);
            whole = Cow::Owned(format!("{begun}{next}"));
        }
        let at = |why| (index + 1, why);
        let line = whole.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let (name, behind) = header
                .split_once(']')
                .ok_or_else(|| at("a section lacks its ]"))?;
            check_end(behind).map_err(at)?;
            name.trim().clone_into(&mut section);
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| at("a line lacks its ="))?;
        let words: Vec<&str> = key
            .split([' ', '\t', '-', '_'])
            .filter(|word| !word.is_empty())
            .collect();
        if words.is_empty() {
            return Err(at("a line lacks its option"));
        }
        entries.push(Entry {
            section: section.clone(),
            key: words.join("_"),
            value: unquoted(value.trim()).map_err(at)?,
            line: index + 1,
        });
    }
    Ok(entries)
}

/// A value without its quotes, escapes, and the comment behind it.
fn unquoted(text: &str) -> std::result::Result<String, &'static str> {
    let quote = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''));
    let mut chars = text.chars();
    if quote.is_some() {
        chars.next();
    }
    let mut value = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.extend(chars.next()),
            c if Some(c) == quote => {
                check_end(chars.as_str())?;
                return Ok(value);
            }
            '#' | ';' if quote.is_none() => break,
            c => value.push(c),
        }
    }
    match quote {
        Some(_) => Err("a quote is not closed"),
        None => Ok(value.trim_end().to_owned()),
    }
}

/// Nothing but a comment may stand behind.
fn check_end(text: &str) -> std::result::Result<(), &'static str> {
    let text = text.trim();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return Ok(());
    }
    Err("there is something behind the end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String, String)> {
        let entries = parse(text).unwrap();
        let parts = |entry: Entry| (entry.section, entry.key, entry.value);
        entries.into_iter().map(parts).collect()
    }

    #[test]
    fn sections_comments_quotes_and_continued_lines_are_read() {
        let text = "early = 1 # said before any section\n\
            ; a comment\n\
            [ osd.0 ] ; another\n\
            ms  max-backoff = 7\n\
            quoted = \"a # b\" # c\n\
            single = 'it is \\'so\\''\n\
            long = one \\\n  two\n\
            escaped = a\\#b ; c\n\
            empty =\n";
        let expected = [
            ("global", "early", "1"),
            ("osd.0", "ms_max_backoff", "7"),
            ("osd.0", "quoted", "a # b"),
            ("osd.0", "single", "it is 'so'"),
            ("osd.0", "long", "one   two"),
            ("osd.0", "escaped", "a#b"),
            ("osd.0", "empty", ""),
        ];
        let expected = expected.map(|(s, k, v)| (s.to_owned(), k.to_owned(), v.to_owned()));
        assert_eq!(values(text), expected);
    }

    #[test]
    fn what_is_malformed_is_refused_by_its_line() {
        for (text, line) in [
            ("a = 1\nno equals sign", 2),
            ("[global", 1),
            ("[global] x", 1),
            ("\n\n= 1", 3),
            ("a = \"open", 1),
            ("a = \"shut\" x", 1),
            ("a = b \\\n\n[open", 3),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text}");
        }
    }

    #[test]
    fn parts_of_the_name_are_filled_in() {
        let entity: AuthName = "client.admin".parse().unwrap();
        let path = expand("/etc/ceph/$cluster.${name}.keyring", Some(&entity));
        assert_eq!(path, "/etc/ceph/ceph.client.admin.keyring");
        assert_eq!(expand("$type/$id", Some(&entity)), "client/admin");
        assert_eq!(expand("$type/$id", None), "$type/$id");
    }
}
