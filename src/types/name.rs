//! Who a peer is: entity types, wire names and authentication names.

use std::fmt;
use std::str::FromStr;

/// A kind of cluster member; on the wire one byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityType(pub u8);

impl EntityType {
    /// A monitor.
    pub const MON: Self = Self(0x01);
    /// A metadata server.
    pub const MDS: Self = Self(0x02);
    /// An object storage daemon.
    pub const OSD: Self = Self(0x04);
    /// A client.
    pub const CLIENT: Self = Self(0x08);
    /// A manager.
    pub const MGR: Self = Self(0x10);
    /// What monitors give tickets for to be shown to themselves.
    pub const AUTH: Self = Self(0x20);

    const NAMED: [(Self, &'static str); 5] = [
        (Self::MON, "mon"),
        (Self::MDS, "mds"),
        (Self::OSD, "osd"),
        (Self::CLIENT, "client"),
        (Self::MGR, "mgr"),
    ];

    /// True for the five types that can own a messenger.
    pub fn is_known(self) -> bool {
        Self::NAMED.iter().any(|(kind, _)| *kind == self)
    }

    /// True for members of the cluster, as against its clients.
    pub fn is_daemon(self) -> bool {
        [Self::MON, Self::MDS, Self::OSD, Self::MGR].contains(&self)
    }

    /// The type of that name, `osd` for instance.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let found = Self::NAMED.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind)
    }
}

impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.iter().find(|(kind, _)| kind == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "unknown({})", self.0),
        }
    }
}

impl fmt::Debug for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name a peer goes by in a session (Ceph's `entity_name_t`): `osd.3`,
/// `client.4097`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntityName {
    /// Its kind.
    pub kind: EntityType,
    /// Its number; -1 while it has none.
    pub num: i64,
}

impl EntityName {
    /// A name of that kind and number.
    pub const fn new(kind: EntityType, num: i64) -> Self {
        Self { kind, num }
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.num < 0 {
            write!(f, "{}.?", self.kind)
        } else {
            write!(f, "{}.{}", self.kind, self.num)
        }
    }
}

impl fmt::Debug for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntityName {
    type Err = ParseNameError;

    /// `TYPE.NUMBER`, or `TYPE.?` while the number is not known.
    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let (kind, num) = text.split_once('.').ok_or(ParseNameError)?;
        let kind = EntityType::by_name(kind).ok_or(ParseNameError)?;
        let is_number = !num.is_empty() && num.bytes().all(|byte| byte.is_ascii_digit());
        let num = match num {
            "?" => -1,
            num if is_number => num.parse().map_err(|_| ParseNameError)?,
            _ => return Err(ParseNameError),
        };
        Ok(Self { kind, num })
    }
}

/// The name an entity authenticates under (Ceph's `EntityName`): `client.admin`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthName {
    /// Its kind.
    pub kind: EntityType,
    /// What follows the dot.
    pub id: String,
}

impl AuthName {
    /// The wire name that goes with it: its number if the id is one, else -1.
    pub fn entity_name(&self) -> EntityName {
        EntityName::new(
            self.kind,
            self.id.parse().ok().filter(|n| *n >= 0).unwrap_or(-1),
        )
    }
}

impl AuthName {
    /// The name that all of one type share, `mon.`: a keyring has keys of whole
    /// services under it.
    pub(crate) const fn of_all(kind: EntityType) -> Self {
        Self {
            kind,
            id: String::new(),
        }
    }

    /// That name from its text.
    pub(crate) fn parse_of_all(text: &str) -> Option<Self> {
        let kind = EntityType::by_name(text.strip_suffix('.')?)?;
        Some(Self::of_all(kind))
    }
}

impl FromStr for AuthName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let (kind, id) = text.split_once('.').ok_or(ParseNameError)?;
        let kind = EntityType::by_name(kind).ok_or(ParseNameError)?;
        // `mon.` is a real name: all monitors share it.
        if (id.is_empty() && kind != EntityType::MON) || id.len() > 255 {
            return Err(ParseNameError);
        }
        Ok(Self {
            kind,
            id: id.to_owned(),
        })
    }
}

impl fmt::Display for AuthName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.id)
    }
}

impl fmt::Debug for AuthName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not `TYPE.ID` with TYPE one of mon, mds, osd, client, mgr; in an
/// [`EntityName`] the id is a number or `?`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseNameError;

impl fmt::Display for ParseNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entity is TYPE.ID with TYPE one of mon, mds, osd, client, mgr")
    }
}

impl std::error::Error for ParseNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_as_they_parse() {
        for text in ["osd.0", "client.admin", "mon.", "mgr.x.y"] {
            assert_eq!(text.parse::<AuthName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_numeric_id_is_the_entity_number_and_any_other_is_unknown() {
        assert_eq!("osd.7".parse::<AuthName>().unwrap().entity_name().num, 7);
        assert_eq!(
            "client.admin"
                .parse::<AuthName>()
                .unwrap()
                .entity_name()
                .num,
            -1
        );
    }

    #[test]
    fn a_name_of_a_session_has_a_number_or_none_yet() {
        for (text, num) in [
            ("osd.3", 3),
            ("client.?", -1),
            ("mon.9223372036854775807", i64::MAX),
        ] {
            let name: EntityName = text.parse().unwrap();
            assert_eq!((name.num, name.to_string().as_str()), (num, text));
        }
        for text in [
            "osd",
            "osd.",
            "osd.-1",
            "osd.+1",
            "client.admin",
            "rgw.1",
            "osd.9223372036854775808",
        ] {
            assert_eq!(text.parse::<EntityName>(), Err(ParseNameError), "{text}");
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        for text in ["", "osd", "osd.", ".1", "rgw.1", "OSD.1"] {
            assert_eq!(text.parse::<AuthName>(), Err(ParseNameError), "{text}");
        }
    }
}
