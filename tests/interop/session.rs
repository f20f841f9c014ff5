//! A session with a real monitor over connections that break: msgr is monitor
//! "b" of two, and a proxy stands in front of each.

use std::sync::{Arc, Condvar, Mutex};

use msgr::{ConnectionRef, Context, Dispatcher, EntityType, Message, Messenger, Policy};

use super::client::why_ended;
use super::monitor::{Monitor, Neighbours, Setup};
use super::support::DEADLINE;
use super::support::letter::Random;
use super::support::proxy::{Cut, Plan, Proxy, Way};

/// Cuts a session has to survive.
const CUTS: u64 = 100;

/// A monitor answers a PING with a PING.
const PING: u16 = 2;
/// What a monitor that looks for the others sends them.
const MON_PROBE: u16 = 67;

#[derive(Clone, Default, Debug)]
struct Heard {
    pongs: u64,
    probes: u64,
    /// Sequence number of the last message.
    seq: u64,
    connects: u64,
    accepts: u64,
    /// What became of the session, if anything did.
    resets: Vec<String>,
    /// Messages that came twice or too early.
    disordered: Vec<(u64, u64)>,
}

/// Listens to the monitor.
#[derive(Default)]
struct Listener {
    heard: Mutex<Heard>,
    changed: Condvar,
}

impl Listener {
    fn note(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard.lock().unwrap());
        self.changed.notify_all();
    }

    #[track_caller]
    fn wait_until(&self, enough: impl Fn(&Heard) -> bool) -> Heard {
        let heard = self.heard.lock().unwrap();
        let (heard, waited) = self
            .changed
            .wait_timeout_while(heard, DEADLINE, |heard| !enough(heard))
            .unwrap();
        assert!(!waited.timed_out(), "only {heard:?}");
        heard.clone()
    }
}

impl Dispatcher for Listener {
    fn dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.note(|heard| {
            match message.kind {
                PING => heard.pongs += 1,
                MON_PROBE => heard.probes += 1,
                _ => {}
            }
            if message.seq != heard.seq + 1 {
                heard.disordered.push((heard.seq, message.seq));
            }
            heard.seq = message.seq;
        });
        Ok(())
    }

    fn handle_connect(&self, _: &ConnectionRef) {
        self.note(|heard| heard.connects += 1);
    }

    fn handle_accept(&self, _: &ConnectionRef) {
        self.note(|heard| heard.accepts += 1);
    }

    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        let lost = format!("{con} lost: {}", why_ended(con));
        self.note(|heard| heard.resets.push(lost));
        true
    }

    fn handle_remote_reset(&self, con: &ConnectionRef) {
        let lost = format!("{con} lost by the monitor: {}", why_ended(con));
        self.note(|heard| heard.resets.push(lost));
    }
}

/// A real monitor and us, and what lies between.
struct Meeting {
    /// Which protocol they speak, as addresses have it.
    scheme: &'static str,
    us: Arc<Messenger>,
    listener: Arc<Listener>,
    _monitor: Monitor,
    /// In front of the monitor: what we dial.
    to_monitor: Proxy,
    /// In front of us: what the monitor dials.
    to_us: Proxy,
}

impl Meeting {
    fn new(scheme: &'static str) -> Option<Self> {
        let (to_monitor, to_us) = (Proxy::new(), Proxy::new());
        // The monitor dials as soon as it is there.
        for proxy in [&to_monitor, &to_us] {
            proxy.plan(|_| Plan {
                record: true,
                ..Plan::default()
            });
        }
        let neighbours = Neighbours {
            scheme,
            a: to_monitor.addr(),
            b: to_us.addr(),
        };
        let monitor = Monitor::start_as(&Setup {
            neighbours: Some(neighbours),
            ..Setup::default()
        })?;
        to_monitor.forward_to(monitor.listens_at());

        let context = Context::new();
        for (key, value) in [
            ("ms_bind_port_min", "0"),
            ("ms_initial_backoff", "0.005"),
            ("ms_max_backoff", "0.05"),
        ] {
            context.conf_set(key, value).unwrap();
        }
        let us = Messenger::create(&context, "mon.1", "mon", 0).unwrap();
        us.set_policy(EntityType::MON, Policy::lossless_peer_reuse())
            .unwrap();
        us.bind(&format!("{scheme}:127.0.0.1:0").parse().unwrap())
            .unwrap();
        to_us.forward_to(us.myaddrs().0[0].socket.unwrap());
        us.set_addrs(&format!("{scheme}:{}", to_us.addr()).parse().unwrap())
            .unwrap();
        let listener = Arc::new(Listener::default());
        let dispatcher = Arc::clone(&listener);
        us.add_dispatcher_head(dispatcher).unwrap();
        us.start().unwrap();
        Some(Self {
            scheme,
            us,
            listener,
            _monitor: monitor,
            to_monitor,
            to_us,
        })
    }

    fn connect(&self) -> ConnectionRef {
        let monitor = format!("{}:{}", self.scheme, self.to_monitor.addr());
        self.us
            .connect(EntityType::MON, &monitor.parse().unwrap())
            .unwrap()
    }

    /// Breaks connections in both directions somewhere in their first bytes.
    fn break_connections(&self) {
        for (seed, proxy) in [&self.to_monitor, &self.to_us].into_iter().enumerate() {
            let mut random = Random(seed as u64);
            proxy.plan(move |_| Plan {
                record: true,
                ..Plan::cut(
                    random.pick(&[Way::Up, Way::Down]),
                    random.below(6000),
                    random.pick(&[Cut::Reset, Cut::Close]),
                )
            });
        }
    }

    fn leave_connections_alone(&self) {
        for proxy in [&self.to_monitor, &self.to_us] {
            proxy.plan(|_| Plan {
                record: true,
                ..Plan::default()
            });
        }
    }

    fn cuts(&self) -> u64 {
        self.to_monitor.seen().cuts + self.to_us.seen().cuts
    }

    /// New sessions and resumed ones that were asked for, by us and by the
    /// monitor.
    fn openings(&self) -> [[usize; 2]; 2] {
        [&self.to_monitor, &self.to_us].map(|proxy| {
            let tags: Vec<_> = (0..proxy.seen().accepted)
                .filter_map(|index| match self.scheme {
                    "v1" => opening_v1(&proxy.recording(index)),
                    _ => opening(&proxy.recording(index)),
                })
                .collect();
            [CLIENT_IDENT, SESSION_RECONNECT]
                .map(|wanted| tags.iter().filter(|tag| **tag == wanted).count())
        })
    }
}

const CLIENT_IDENT: u8 = 8;
const SESSION_RECONNECT: u8 = 11;

/// How a dialler asked for its session, if its connection came that far.
fn opening(recording: &[u8]) -> Option<u8> {
    // The banner, then frames of one segment: a preamble of 32 bytes with tag
    // and length, the payload, its checksum.
    let mut rest = recording.get(26..)?;
    loop {
        let tag = *rest.first()?;
        if tag == CLIENT_IDENT || tag == SESSION_RECONNECT {
            return Some(tag);
        }
        let len = u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?);
        rest = rest.get(32 + usize::try_from(len).ok()? + 4..)?;
    }
}

/// The same in v1: behind banner and address, a request says whether it counts on.
fn opening_v1(recording: &[u8]) -> Option<u8> {
    let request = recording.get(9 + 136..)?;
    let connect_seq = u32::from_le_bytes(request.get(16..20)?.try_into().ok()?);
    Some(match connect_seq {
        0 => CLIENT_IDENT,
        _ => SESSION_RECONNECT,
    })
}

#[test]
fn a_session_with_a_real_monitor_survives_a_hundred_cuts_in_both_directions() {
    survives_cuts_in_both_directions("v2");
}

#[test]
fn a_session_of_v1_with_a_real_monitor_survives_a_hundred_cuts_in_both_directions() {
    survives_cuts_in_both_directions("v1");
}

fn survives_cuts_in_both_directions(scheme: &'static str) {
    let Some(meeting) = Meeting::new(scheme) else {
        return;
    };
    meeting.break_connections();
    let con = meeting.connect();
    let mut sent = 0;
    while meeting.cuts() < CUTS {
        for _ in 0..5 {
            con.send(Message::new(PING)).unwrap();
            sent += 1;
        }
        meeting
            .listener
            .wait_until(|heard| heard.pongs + 10 >= sent);
    }
    meeting.leave_connections_alone();
    let heard = meeting.listener.wait_until(|heard| heard.pongs >= sent);
    let [ours, theirs] = meeting.openings();
    println!(
        "a real monitor, {scheme}, both dial: {} cuts; {sent} pings, {} answers, {} probes; new and resumed \
         sessions asked for by us {ours:?}, by the monitor {theirs:?}",
        meeting.cuts(),
        heard.pongs,
        heard.probes
    );
    assert_eq!(heard.pongs, sent, "each ping is answered once");
    assert_eq!((heard.resets, heard.disordered), (vec![], vec![]));
}

#[test]
fn a_session_that_only_a_real_monitor_dials_survives_a_hundred_cuts() {
    survives_cuts_where_only_the_monitor_dials("v2");
}

#[test]
fn a_session_of_v1_that_only_a_real_monitor_dials_survives_a_hundred_cuts() {
    survives_cuts_where_only_the_monitor_dials("v1");
}

fn survives_cuts_where_only_the_monitor_dials(scheme: &'static str) {
    let Some(meeting) = Meeting::new(scheme) else {
        return;
    };
    meeting.leave_connections_alone();
    meeting.listener.wait_until(|heard| heard.probes >= 1);
    for cut in 0..CUTS {
        let before = meeting.listener.heard.lock().unwrap().clone();
        meeting.to_us.cut(match cut % 3 {
            0 => Cut::Reset,
            1 => Cut::Close,
            _ => Cut::Half(Way::Down),
        });
        meeting
            .listener
            .wait_until(|heard| heard.accepts > before.accepts && heard.probes > before.probes);
    }
    let heard = meeting.listener.wait_until(|heard| heard.accepts > CUTS);
    let [_, theirs] = meeting.openings();
    println!(
        "a real monitor, {scheme}, it alone dials: {CUTS} cuts; {} probes; new and resumed sessions asked \
         for {theirs:?}",
        heard.probes
    );
    assert_eq!(theirs[0], 1, "one session");
    assert_eq!(
        (heard.connects, heard.resets, heard.disordered),
        (0, vec![], vec![])
    );
}
