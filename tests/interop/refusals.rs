//! Cells: those who must not get in, and how they are told.

use std::time::{Duration, Instant};

use msgr::{AuthWant, Context, EntityType};

use super::client::{Client, Got, with_keyring};
use super::lasting::connect;
use super::matrix::Cell;
use super::monitor::{self, Monitor, Setup, Speaks};
use super::safety::{Over, Safety};
use super::support::proxy::{Plan, Proxy};
use super::support::{DEADLINE, server};

/// Who has been refused gets no second reset, and does not come back, for at
/// least this long. Attempts are 0.2 s apart at most.
const QUIET: Duration = Duration::from_secs(2);

/// How often a ticket that is to expire is looked at.
const STEP: Duration = Duration::from_millis(100);
/// What a dialler says before it authenticates.
const BANNER_AND_HELLO: usize = 26 + 32 + 36 + 4;
/// Of nobody.
const KEY: &str = "AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==";

/// What somebody is told whom a monitor does not believe.
const DENIED: &str = "peer denied auth cephx: wrong key, or unknown to it (error -13)";

pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = of_monitors();
    cells.extend(of_ours());
    cells
}

/// The other end says no.
fn of_monitors() -> Vec<Cell> {
    vec![
        Cell::new("refused: wrong key", move || {
            let monitor = Safety::Cephx.monitor(Speaks::V2)?;
            let keyring = monitor.dir().join("other.keyring");
            monitor::make_key(&keyring, "client.admin", &[]);
            let client = Client::new("client.admin", &with_keyring(&keyring, "secure crc"));
            refused(&monitor, &client, DENIED)
        }),
        Cell::new("refused: unknown entity", move || {
            let monitor = Safety::Cephx.monitor(Speaks::V2)?;
            let keyring = monitor.dir().join("other.keyring");
            monitor::make_key(&keyring, "client.stranger", &[]);
            let client = Client::new("client.stranger", &with_keyring(&keyring, "secure crc"));
            refused(&monitor, &client, DENIED)
        }),
        Cell::new("refused: entity without monitor caps", move || {
            let monitor = Safety::Cephx.monitor(Speaks::V2)?;
            let keyring = monitor.dir().join("nobody.keyring");
            let client = Client::new("client.nobody", &with_keyring(&keyring, "secure crc"));
            refused(&monitor, &client, DENIED)
        }),
        Cell::new("refused: auth none by a monitor that demands cephx", || {
            let monitor = Safety::Cephx.monitor(Speaks::V2)?;
            let client = Client::new(
                "client.admin",
                &[("auth_client_required", "none".to_owned())],
            );
            let why = "peer does not take auth none (error -95)";
            refused(&monitor, &client, why)
        }),
        Cell::new("refused: cephx by a monitor that demands gss", || {
            let setup = Setup {
                auth: "cephx",
                speaks: Speaks::V2,
                // As a later line of the same section it counts.
                conf: "auth_service_required = gss\nauth_client_required = gss\n",
                ..Setup::default()
            };
            let monitor = Monitor::start_as(&setup).ok_or("no monitor")?;
            let client = Safety::Cephx.client(&monitor);
            let why = "peer does not take auth cephx (error -95)";
            refused(&monitor, &client, why)
        }),
        Cell::new("refused: crc by a monitor that is secure only", || {
            let monitor = Safety::Secure.monitor(Speaks::V2)?;
            let keyring = monitor.dir().join("keyring");
            let client = Client::new("client.admin", &with_keyring(&keyring, "crc"));
            let why = "peer takes auth cephx, but in no connection mode that is allowed here";
            refused(&monitor, &client, why)
        }),
        Cell::new("refused: wrong key over v1", || {
            let monitor = Safety::Cephx.monitor(Speaks::V1)?;
            // From here on it answers.
            let good = Safety::Cephx.client(&monitor);
            connect(&good, Safety::Cephx, Over::V1, &monitor.v1_addr())?;
            let keyring = monitor.dir().join("other.keyring");
            monitor::make_key(&keyring, "client.admin", &[]);
            let client = Client::new("client.admin", &with_keyring(&keyring, "crc"));
            let con = client.dial(EntityType::MON, &monitor.v1_addr())?;
            match client.ask(&con, AuthWant::Login) {
                Err(why) if why.ends_with(DENIED) => Ok(why),
                other => Err(format!("{other:?}; expected: {DENIED}")),
            }
        }),
    ]
}

/// This end says no, whatever the other would say.
fn of_ours() -> Vec<Cell> {
    vec![
        Cell::new("refused: v1 by a client that is secure only", || {
            let monitor = Safety::Secure.monitor(Speaks::V1)?;
            let client = Safety::Secure.client(&monitor);
            let why = "msgr v1 has no connection mode that is allowed here";
            let told = refused(&monitor, &client, why)?;
            // Its modes are for v2 alone: nobody but this end keeps it encrypted.
            let keyring = monitor.dir().join("keyring");
            let careless = Client::new("client.admin", &with_keyring(&keyring, "crc"));
            connect(&careless, Safety::Cephx, Over::V1, &monitor.v1_addr())?;
            Ok(format!("{told}; the monitor lets others in"))
        }),
        Cell::new("refused: an OSD, without a ticket", || {
            let client = Client::new(
                "client.admin",
                &[
                    ("auth_client_required", "cephx".to_owned()),
                    ("key", KEY.to_owned()),
                ],
            );
            nothing_said(&client, "auth cephx: no ticket for osd")
        }),
        Cell::new("refused: an OSD, with an expired ticket", || {
            let setup = Setup {
                auth: "cephx",
                conf: "auth_service_ticket_ttl = 2\n",
                ..Setup::default()
            };
            let monitor = Monitor::start_as(&setup).ok_or("no monitor")?;
            let client = Safety::Cephx.client(&monitor);
            client.open(EntityType::MON, monitor.addrs())?;
            let until = Instant::now() + DEADLINE;
            while client.messenger.ticket_left(EntityType::OSD).is_some() {
                // Only the clock makes it old.
                client.hear_until(Instant::now() + STEP, |_| None::<()>)?;
                if Instant::now() > until {
                    return Err("a ticket of 2 s is still good".to_owned());
                }
            }
            nothing_said(&client, "auth cephx: ticket has expired")
        }),
    ]
}

/// A young monitor closes a connection now and then and does not say why, which is
/// no refusal: it is dialled again, as it must be. After so many attempts it is
/// grown up.
const ATTEMPTS: usize = 10;

/// Dials through a proxy that counts. The client must be told once, and why, and
/// leave it at that.
fn refused(monitor: &Monitor, client: &Client, why: &str) -> Got<String> {
    let mut counts = Vec::new();
    for _ in 0..ATTEMPTS {
        let proxy = Proxy::to(monitor.listens_at());
        let over = if monitor.speaks_v2() { "v2" } else { "v1" };
        client.dial(EntityType::MON, &format!("{over}:{}", proxy.addr()))?;
        let reason = client.reset()?;
        let connections = proxy.seen().accepted;
        if reason != why {
            return Err(format!("{reason}; expected: {why}"));
        }
        counts.push(connections);
        if connections > 1 {
            continue;
        }
        let resets = client.resets_within(QUIET)?;
        let more = proxy.seen().accepted - connections;
        if resets != 0 || more != 0 {
            return Err(format!(
                "{reason}; and {resets} resets and {more} connections more"
            ));
        }
        return Ok(format!("{reason}; 1 reset, 1 connection"));
    }
    Err(format!(
        "{why}; by that many connections each time: {counts:?}"
    ))
}

/// Dials an OSD that counts what it hears. The client must not tell it anything but
/// what it is.
fn nothing_said(client: &Client, why: &str) -> Got<String> {
    let (osd, _told) = server(&Context::new(), "v2:127.0.0.1:0");
    let listens_at = osd.myaddrs().front().socket.ok_or("not bound")?;
    let proxy = Proxy::to(listens_at);
    proxy.plan(|_| Plan {
        record: true,
        ..Plan::default()
    });
    client.dial(EntityType::OSD, &format!("v2:{}", proxy.addr()))?;
    let reason = client.reset()?;
    let more = client.resets_within(QUIET)?;
    let seen = proxy.seen();
    let said = proxy.recording(0).len();
    if reason != why || more != 0 || seen.accepted > 1 || said > BANNER_AND_HELLO {
        return Err(format!(
            "{reason}; {more} resets too many; {said} bytes said; {seen:?}"
        ));
    }
    Ok(format!(
        "{reason}; 1 reset, {} connection, {said} bytes",
        seen.accepted
    ))
}
