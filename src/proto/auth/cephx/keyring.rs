//! Ceph's keyring files: entities with their keys and what they may do.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::types::AuthName;

use super::key::CryptoKey;

/// One entity of a keyring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key that it shares with the monitors.
    pub key: CryptoKey,
    /// What it may do, by the name of the service type.
    pub caps: BTreeMap<String, String>,
}

/// The entities of a keyring by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Keyring {
    entries: BTreeMap<AuthName, Entry>,
}

/// Where a text stops being a keyring, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyringError {
    /// The line, counted from 1.
    pub line: usize,
    /// One clause for people. It never repeats what the line says: that may be
    /// a key.
    pub why: &'static str,
}

impl Keyring {
    /// Reads the text of a keyring file.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keyring = Self::default();
        let mut section = Section::Outside;
        for (line, number) in text.lines().zip(1..) {
            let refuse = |why| KeyringError { line: number, why };
            let line = line.trim();
            if is_blank(line) {
                continue;
            }
            if let Some(head) = line.strip_prefix('[') {
                let next = Section::begin(head, number).map_err(refuse)?;
                keyring.take(std::mem::replace(&mut section, next))?;
            } else {
                section.setting(line).map_err(refuse)?;
            }
        }
        keyring.take(section)?;
        Ok(keyring)
    }

    /// The entity of that name.
    pub fn get(&self, name: &AuthName) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// All entities, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&AuthName, &Entry)> {
        self.entries.iter()
    }

    /// Adds an entity, or gives it another key and other caps.
    pub fn insert(&mut self, name: AuthName, entry: Entry) {
        self.entries.insert(name, entry);
    }

    /// Takes in a section that has come to its end. One of a name that was
    /// there before adds to it.
    fn take(&mut self, section: Section) -> Result<(), KeyringError> {
        let Section::Entity(Draft {
            name,
            line,
            key,
            mut caps,
        }) = section
        else {
            return Ok(());
        };
        let before = self.entries.remove(&name);
        let (old_key, old_caps) = before.map(|entry| (entry.key, entry.caps)).unzip();
        let key = key.or(old_key).ok_or(KeyringError {
            line,
            why: "the entity has no key",
        })?;
        for (service, allowed) in old_caps.unwrap_or_default() {
            caps.entry(service).or_insert(allowed);
        }
        self.entries.insert(name, Entry { key, caps });
        Ok(())
    }
}

/// What the lines that come belong to.
enum Section {
    /// No section has begun.
    Outside,
    /// One that holds settings of other kinds.
    Foreign,
    Entity(Draft),
}

/// An entity that is being read.
struct Draft {
    name: AuthName,
    line: usize,
    key: Option<CryptoKey>,
    caps: BTreeMap<String, String>,
}

impl Section {
    /// From a line without its first bracket.
    fn begin(head: &str, line: usize) -> Result<Self, &'static str> {
        let (name, rest) = head.split_once(']').ok_or("the bracket is not closed")?;
        if !is_blank(rest.trim()) {
            return Err("something follows the bracket");
        }
        let name = name.trim();
        if name == "global" {
            return Ok(Self::Foreign);
        }
        let name = AuthName::parse_of_all(name).or_else(|| name.parse().ok());
        Ok(Self::Entity(Draft {
            name: name.ok_or("the section is not named TYPE.ID")?,
            line,
            key: None,
            caps: BTreeMap::new(),
        }))
    }

    /// A line `name = value`.
    fn setting(&mut self, line: &str) -> Result<(), &'static str> {
        let draft = match self {
            Self::Outside => return Err("it belongs to no section"),
            Self::Foreign => return Ok(()),
            Self::Entity(draft) => draft,
        };
        let (name, text) = line.split_once('=').ok_or("it is not NAME = VALUE")?;
        let mut words = name.split([' ', '\t', '_']).filter(|word| !word.is_empty());
        match (words.next(), words.next(), words.next()) {
            (Some("key"), None, _) => {
                let key = CryptoKey::parse(&value(text)?).map_err(|_| "the key is no key")?;
                draft.key = Some(key);
            }
            (Some("caps"), Some(service), None) => {
                let allowed = value(text)?.to_string();
                draft.caps.insert(service.to_owned(), allowed);
            }
            // Long out of use, and a key that is not in use yet.
            (Some("auid"), None, _) | (Some("pending"), Some("key"), None) => {}
            _ => return Err("it sets neither key nor caps"),
        }
        Ok(())
    }
}

/// Nothing, or a comment.
fn is_blank(text: &str) -> bool {
    text.is_empty() || text.starts_with(['#', ';'])
}

/// What stands behind an equals sign, without quotes and comments.
fn value(text: &str) -> Result<Zeroizing<String>, &'static str> {
    let text = text.trim();
    let Some(quote) = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    else {
        let end = text.find(['#', ';']).unwrap_or(text.len());
        let (value, _comment) = text.split_at(end);
        return Ok(Zeroizing::new(value.trim_end().to_owned()));
    };
    // As long as it can get: a string that moves leaves a key behind.
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text.chars();
    rest.next();
    while let Some(next) = rest.next() {
        match next {
            '\\' => value.push(rest.next().ok_or("the quote is not closed")?),
            _ if next == quote => {
                if !is_blank(rest.as_str().trim()) {
                    return Err("something follows the quote");
                }
                return Ok(value);
            }
            _ => value.push(next),
        }
    }
    Err("the quote is not closed")
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the keyring: {}", self.line, self.why)
    }
}

impl std::error::Error for KeyringError {}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQAA8VNlFc1bBxAAAAECAwQFBgcICQoLDA0ODw==";
    const NEW_KEY: &str = "AgAA8VNlFc1bByAAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn name(text: &str) -> AuthName {
        text.parse().unwrap()
    }

    #[test]
    fn a_keyring_as_ceph_writes_it_is_understood() {
        let text = format!(
            "[mon.]\n\tkey = {NEW_KEY}\n\tcaps mon = \"allow *\"\n\
             [osd.0]\n\tkey = {KEY}\n\
             [client.admin]\n\tkey = {KEY}\n\tcaps mgr = \"allow *\"\n\tcaps mon = \"allow *\"\n"
        );
        let keyring = Keyring::parse(&text).unwrap();
        assert_eq!(keyring.iter().count(), 3);
        let admin = keyring.get(&name("client.admin")).unwrap();
        assert_eq!(*admin.key.to_base64(), KEY);
        assert_eq!(admin.caps["mgr"], "allow *");
        assert_eq!(keyring.get(&name("client.other")), None);
    }

    #[test]
    fn comments_quotes_and_odd_spacing_are_understood() {
        let text = format!(
            "# made by hand\n; so\n\n[global]\nfsid = 1\n [ client.a ] # me\nkey={KEY} ; mine\n\
             auid = 0\n\tpending key = {NEW_KEY}\ncaps_mon = allow r # read\n\
             caps  osd='allow \\\"x\\\" pool=\"y z\"' # both\n"
        );
        let keyring = Keyring::parse(&text).unwrap();
        let entry = keyring.get(&name("client.a")).unwrap();
        assert_eq!(*entry.key.to_base64(), KEY);
        assert_eq!(entry.caps["mon"], "allow r");
        assert_eq!(entry.caps["osd"], "allow \"x\" pool=\"y z\"");
    }

    #[test]
    fn a_section_that_comes_again_adds_to_the_first() {
        let text =
            format!("[osd.1]\nkey = {KEY}\ncaps mon = a\ncaps osd = b\n[osd.1]\ncaps mon = c\n");
        let keyring = Keyring::parse(&text).unwrap();
        let caps = &keyring.get(&name("osd.1")).unwrap().caps;
        assert_eq!((caps["mon"].as_str(), caps["osd"].as_str()), ("c", "b"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_its_text() {
        for (text, line) in [
            ("key = x", 1),
            ("[client.a", 1),
            ("[client.a] x", 1),
            ("[nobody]", 1),
            ("[client.a]\n\n[client.b]\nkey = AQ", 1),
            ("[client.a]\nkey = AQAAsecret", 2),
            ("[client.a]\nkey", 2),
            ("[client.a]\n# x\nsecret = 1", 3),
            ("[client.a]\ncaps = 1", 2),
            ("[client.a]\ncaps mon = \"x", 2),
            ("[client.a]\ncaps mon = \"x\\", 2),
            ("[client.a]\ncaps mon = \"x\" y", 2),
        ] {
            let error = Keyring::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
