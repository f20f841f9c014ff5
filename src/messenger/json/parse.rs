//! Reading JSON: what commands are given in.

use super::Json;

/// Lists and objects may be nested so deep in what is parsed.
const DEPTH: usize = 16;

impl Json {
    /// The member of that name, of an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Reads a text that is one value and nothing else. Numbers with decimals are
    /// none that anybody here asks for: they stay text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let value = parse_value(&mut rest, DEPTH)?;
        rest.trim_start_matches(BLANK).is_empty().then_some(value)
    }
}

const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

fn parse_value(rest: &mut &str, depth: usize) -> Option<Json> {
    *rest = rest.trim_start_matches(BLANK);
    let below = depth.checked_sub(1);
    match rest.chars().next()? {
        '{' => {
            let mut members = Vec::new();
            parse_items(rest, '}', |rest| {
                *rest = rest.trim_start_matches(BLANK);
                let name = parse_text(rest)?;
                *rest = rest.trim_start_matches(BLANK).strip_prefix(':')?;
                members.push((name.into(), parse_value(rest, below?)?));
                Some(())
            })?;
            Some(Json::Object(members))
        }
        '[' => {
            let mut items = Vec::new();
            parse_items(rest, ']', |rest| {
                items.push(parse_value(rest, below?)?);
                Some(())
            })?;
            Some(Json::List(items))
        }
        '"' => parse_text(rest).map(Json::Text),
        _ => parse_word(rest),
    }
}

/// What stands between brackets, with commas between.
fn parse_items(
    rest: &mut &str,
    end: char,
    mut item: impl FnMut(&mut &str) -> Option<()>,
) -> Option<()> {
    *rest = rest.get(1..)?.trim_start_matches(BLANK);
    if let Some(behind) = rest.strip_prefix(end) {
        *rest = behind;
        return Some(());
    }
    loop {
        item(rest)?;
        *rest = rest.trim_start_matches(BLANK);
        if let Some(behind) = rest.strip_prefix(end) {
            *rest = behind;
            return Some(());
        }
        *rest = rest.strip_prefix(',')?;
    }
}

fn parse_text(rest: &mut &str) -> Option<String> {
    let mut text = Vec::new();
    let mut units = rest.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = units.next() {
        match c {
            '"' => {
                *rest = rest.get(at + 2..)?;
                return String::from_utf16(&text).ok();
            }
            '\\' => {
                let (_, escaped) = units.next()?;
                let unit = match escaped {
                    'n' => '\n'.into(),
                    't' => '\t'.into(),
                    'r' => '\r'.into(),
                    'b' => 8,
                    'f' => 12,
                    '"' | '\\' | '/' => escaped.into(),
                    'u' => (0..4).try_fold(0, |unit: u32, _| {
                        let (_, digit) = units.next()?;
                        Some(unit << 4 | digit.to_digit(16)?)
                    })?,
                    _ => return None,
                };
                text.push(u16::try_from(unit).ok()?);
            }
            c if c.is_control() => return None,
            c => text.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    None
}

fn parse_word(rest: &mut &str) -> Option<Json> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let (word, behind) = rest.split_at_checked(end)?;
    *rest = behind;
    match word {
        "null" => Some(Json::Null),
        "true" => Some(Json::Bool(true)),
        "false" => Some(Json::Bool(false)),
        word if word.parse::<f64>().is_ok_and(f64::is_finite) => Some(match word.parse() {
            Ok(number) => Json::Number(number),
            Err(_) => word.into(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_tools_write_them() {
        let text =
            " { \"prefix\" : \"config set\", \"val\":[ \"1.5\" , 2.5,-0 ], \"e\":\"\\u00e9\\/\" } ";
        let value = Json::parse(text).unwrap();
        assert_eq!(
            value.get("prefix").and_then(Json::as_text),
            Some("config set")
        );
        let expected = Json::List(vec!["1.5".into(), "2.5".into(), Json::Number(0)]);
        assert_eq!(value.get("val"), Some(&expected));
        assert_eq!(value.get("e").and_then(Json::as_text), Some("\u{e9}/"));
        assert_eq!(value.get("else"), None);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(DEPTH + 2), "]".repeat(DEPTH + 2));
        for wrong in [
            "",
            " ",
            "{",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "\"",
            "\"\\",
            "\"\\u12",
            "\"\\ud83d\"",
            "\"\\x\"",
            "\"\n\"",
            "1 2",
            "nul",
            "nan",
            "inf",
            "+-1",
            "-",
            "\u{e9}",
            "[1 2]",
            "{\"a\" 1}",
            &deep,
        ] {
            assert_eq!(Json::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_beginning_of_a_text_is_refused_and_none_does_harm() {
        let whole = r#"{"a":[{"b":"\u00e9é"},-1.5e3,true,null],"c":{}}"#;
        assert!(Json::parse(whole).is_some());
        for (end, _) in whole.char_indices() {
            assert_eq!(Json::parse(&whole[..end]), None);
        }
    }
}
