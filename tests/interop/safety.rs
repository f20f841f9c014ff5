//! How a cell's peers trust each other, and which protocol they speak.

use msgr::ConMode;

use super::client::{Client, Got, with_keyring};
use super::monitor::{Monitor, Setup, Speaks};

/// How peers prove themselves, and how frames travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Safety {
    None,
    Cephx,
    Secure,
}

impl Safety {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Cephx, Self::Secure];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none crc",
            Self::Cephx => "cephx crc",
            Self::Secure => "cephx secure",
        }
    }

    pub(crate) const fn auth(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cephx | Self::Secure => "cephx",
        }
    }

    pub(crate) const fn modes(self) -> &'static str {
        match self {
            Self::None | Self::Cephx => "crc",
            Self::Secure => "secure",
        }
    }

    /// How frames travel; the first protocol does not know better.
    pub(crate) const fn mode(self) -> ConMode {
        match self {
            Self::None | Self::Cephx => ConMode::Crc,
            Self::Secure => ConMode::Secure,
        }
    }

    pub(crate) fn monitor(self, speaks: Speaks) -> Got<Monitor> {
        let setup = Setup {
            auth: self.auth(),
            modes: self.modes(),
            speaks,
            // Tickets that have to be renewed several times, and no message of the
            // first protocol without a signature.
            conf: "auth_service_ticket_ttl = 15\n\
                auth_mon_ticket_ttl = 40\n\
                cephx_require_signatures = true\n",
            ..Setup::default()
        };
        Monitor::start_as(&setup).ok_or_else(|| "no monitor".to_owned())
    }

    /// A client that brings what such a monitor demands.
    pub(crate) fn client(self, monitor: &Monitor) -> Client {
        let mut conf = with_keyring(&monitor.dir().join("keyring"), self.modes());
        if self == Self::None {
            conf = vec![("auth_client_required", "none".to_owned())];
        }
        Client::new("client.admin", &conf)
    }
}

/// Which protocol is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    V2,
    V1,
}

impl Over {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V1 => "v1",
        }
    }

    /// Where such a monitor is to be found.
    pub(crate) fn addrs_of(self, monitor: &Monitor) -> String {
        match self {
            // All of them, of which it is the preferred one.
            Self::V2 => monitor.addrs().to_owned(),
            Self::V1 => monitor.v1_addr(),
        }
    }
}
