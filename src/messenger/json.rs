//! JSON: what dumps are told in, and commands are given in.

mod parse;

use std::borrow::Cow;
use std::fmt::{self, Write};

/// A value. An object's members stay in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(i128),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(Cow<'static, str>, Self)>),
}

impl Json {
    /// An object of these members.
    pub(crate) fn object<const N: usize>(members: [(&'static str, Self); N]) -> Self {
        Self::Object(members.map(|(name, value)| (name.into(), value)).into())
    }

    /// Adds a member to an object.
    pub(crate) fn push(&mut self, name: &'static str, value: impl Into<Self>) {
        if let Self::Object(members) = self {
            members.push((name.into(), value.into()));
        }
    }

    /// With line breaks and this indentation.
    fn write_pretty(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let (brackets, len) = match self {
            Self::List(items) => (['[', ']'], items.len()),
            Self::Object(members) => (['{', '}'], members.len()),
            _ => return write!(f, "{self}"),
        };
        f.write_char(brackets[0])?;
        for at in 0..len {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}\n{:1$}", "", indent + 4)?;
            match self {
                Self::List(items) => items[at].write_pretty(f, indent + 4)?,
                Self::Object(members) => {
                    let (name, value) = &members[at];
                    write!(f, "{}: ", Quoted(name))?;
                    value.write_pretty(f, indent + 4)?;
                }
                _ => {}
            }
        }
        if len > 0 {
            write!(f, "\n{:1$}", "", indent)?;
        }
        f.write_char(brackets[1])
    }
}

impl fmt::Display for Json {
    /// In one line; with `#` in many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() && matches!(self, Self::List(_) | Self::Object(_)) {
            return self.write_pretty(f, 0);
        }
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", Quoted(text)),
            Self::List(items) => {
                f.write_char('[')?;
                for (at, item) in items.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{item}")?;
                }
                f.write_char(']')
            }
            Self::Object(members) => {
                f.write_char('{')?;
                for (at, (name, value)) in members.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{value}", Quoted(name))?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A text as JSON has it, which does for a label of Prometheus's as well.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                // All in ASCII, so that it can be cut anywhere.
                c if c.is_control() || !c.is_ascii() => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

macro_rules! numbers {
    ($($kind:ty)*) => {
        $(impl From<$kind> for Json {
            fn from(number: $kind) -> Self {
                Self::Number(number.into())
            }
        })*
    };
}

numbers!(i32 i64 u16 u32 u64);

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        (number as u64).into()
    }
}

impl<T: Into<Self>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Self>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<'a> FromIterator<(&'a str, Self)> for Json {
    fn from_iter<I: IntoIterator<Item = (&'a str, Self)>>(members: I) -> Self {
        let members = members.into_iter();
        Self::Object(
            members
                .map(|(name, value)| (Cow::Owned(name.to_owned()), value))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut value = Json::object([
            ("none", Json::Null),
            ("list", [1_u64, u64::MAX].into_iter().collect()),
            ("empty", Json::List(Vec::new())),
            ("text", "y\"\\\n\u{1f4a9}".into()),
            ("nothing", Json::Object(Vec::new())),
        ]);
        value.push("below", -3_i64);
        value.push("true", true);
        let line = value.to_string();
        let expected = r#"{"none":null,"list":[1,18446744073709551615],"empty":[],"text":"y\"\\\u000a\ud83d\udca9","nothing":{},"below":-3,"true":true}"#;
        assert_eq!(line, expected);
        assert_eq!(Json::parse(&line).as_ref(), Some(&value));
        let lines = format!("{value:#}");
        assert!(lines.starts_with("{\n    \"none\": null,\n    \"list\": [\n        1,\n"));
        assert!(lines.ends_with("    \"nothing\": {},\n    \"below\": -3,\n    \"true\": true\n}"));
        assert_eq!(Json::parse(&lines).as_ref(), Some(&value));
    }
}
