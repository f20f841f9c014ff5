//! Cells: a client's session with a real monitor.

use std::time::{Duration, Instant};

use msgr::{AuthWant, ConnectionRef, EntityType, Identity};

use super::client::{self, Client, Got, Renewed};
use super::matrix::Cell;
use super::monitor::{Monitor, Speaks};
use super::safety::{Over, Safety};
use super::support::DEADLINE;

/// How long each session is kept.
const KEPT: Duration = Duration::from_secs(60);
/// How often it is used meanwhile, at least.
const STEP: Duration = Duration::from_secs(5);

/// How soon a monitor without a quorum is tried again.
const AGAIN: Duration = Duration::from_millis(50);

pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (speaks, over) in [
        (Speaks::V2, Over::V2),
        (Speaks::Both, Over::V2),
        (Speaks::V1, Over::V1),
        (Speaks::Both, Over::V1),
    ] {
        for safety in Safety::ALL {
            if over == Over::V1 && safety == Safety::Secure {
                continue;
            }
            let what = safety.name();
            let name = format!("ceph-mon {speaks:?}, {what} over {}", over.name());
            cells.push(Cell::new(name, move || session(safety, speaks, over)));
        }
    }
    cells
}

/// Connects, asks and subscribes, stays, and comes back after a restart as the one
/// it was.
fn session(safety: Safety, speaks: Speaks, over: Over) -> Got<String> {
    let mut monitor = safety.monitor(speaks)?;
    let addrs = over.addrs_of(&monitor);
    let client = safety.client(&monitor);
    let (con, identity) = connect(&client, safety, over, &addrs)?;
    client.mon_map(&con, &monitor)?;
    client.subscribe(&con)?;
    let used = keep(&client, safety, &con, &monitor)?;
    if con.identity().map(|now| now.global_id) != Some(identity.global_id) {
        return Err(format!("was {identity:?}, and is {:?}", con.identity()));
    }

    monitor.stop();
    let why = client.reset()?;
    monitor.start_again();
    let (con, again) = connect(&client, safety, over, &addrs)?;
    if again.global_id != identity.global_id {
        let (before, now) = (identity.global_id, again.global_id);
        return Err(format!("was client {before}, and is {now} after a restart"));
    }
    client.mon_map(&con, &monitor)?;
    Ok(format!(
        "client {}; {} s: {used}; restart: {why}, same id",
        identity.global_id,
        KEPT.as_secs()
    ))
}

pub(crate) fn connect(
    client: &Client,
    safety: Safety,
    over: Over,
    addrs: &str,
) -> Got<(ConnectionRef, Identity)> {
    let con = match over {
        Over::V2 => client.open(EntityType::MON, addrs)?,
        Over::V1 => log_in(client, addrs)?,
    };
    let identity = client::expect(&con, safety != Safety::None, safety.mode())?;
    Ok((con, identity))
}

/// The first protocol has a connection first, and who is on it later. A monitor
/// without a quorum closes such a one as well, which is its end.
fn log_in(client: &Client, addrs: &str) -> Got<ConnectionRef> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let con = client.dial(EntityType::MON, addrs)?;
        let asked = client.ask(&con, AuthWant::Login);
        if asked.is_ok() || Instant::now() > deadline {
            return asked.map(|()| con);
        }
        con.mark_down();
        // What is still told of it comes in here.
        let _ = client.hear_until(Instant::now() + AGAIN, |_| None::<()>);
    }
}

/// Keeps a session, using it now and then and renewing all tickets in time; what
/// was done.
fn keep(client: &Client, safety: Safety, con: &ConnectionRef, monitor: &Monitor) -> Got<String> {
    let end = Instant::now() + KEPT;
    let (mut maps, mut renewed) = (0, Renewed::default());
    while Instant::now() < end {
        client.mon_map(con, monitor)?;
        maps += 1;
        if safety != Safety::None {
            let now = client.renew(con)?;
            renewed.logins += now.logins;
            renewed.tickets += now.tickets;
        }
        let next_due = [EntityType::AUTH, EntityType::OSD]
            .map(|service| client.messenger.ticket_left(service).unwrap_or(STEP));
        let pause = next_due.into_iter().min().unwrap_or(STEP).min(STEP);
        // Nothing is awaited but the end of it.
        client.hear_until(end.min(Instant::now() + pause), |_| None::<()>)?;
    }
    if safety == Safety::None {
        return Ok(format!("{maps} maps"));
    }
    if renewed.logins < 1 || renewed.tickets < 3 {
        let Renewed { logins, tickets } = renewed;
        return Err(format!(
            "only {logins} logins and {tickets} tickets renewed"
        ));
    }
    let Renewed { logins, tickets } = renewed;
    Ok(format!(
        "{maps} maps, renewed {logins} login, {tickets} tickets"
    ))
}
