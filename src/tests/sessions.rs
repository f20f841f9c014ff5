//! Sessions over links that break: at every byte, and again on the next link.
//! Only one end dials; two that do are the simulator's.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::proto::{Event, LinkDown, Outgoing, Protocol, ProtocolConfig, Verdict, twice_used};
use crate::types::{EntityType, Message, Policy, Random, Time};

use super::keys;
use super::pair::{
    CLIENT_SOCKET, End, Pipes, SERVER, SERVER_V1, SMOOTH, acceptor_of_v1, addrs, config, message,
    seconds,
};

/// Where the dialler could be dialled, if its policy lets it be.
const CLIENT: &str = "v2:10.0.0.2:6800/9";
/// The same in v1.
const CLIENT_V1: &str = "v1:10.0.0.2:6800/9";

/// How the ends of a conversation speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    V1,
    V2,
    /// In mode secure.
    Sealed20,
    Sealed21,
}

/// A dialler and the server's side: the session there, and a newcomer's
/// handshake until it is known what becomes of it.
pub struct Conversation {
    wire: Wire,
    server_config: Arc<ProtocolConfig>,
    pub dialler: End,
    pub session: Option<End>,
    newcomer: Option<End>,
    /// Does a link lead to the newcomer, or to the session?
    linked: Option<Side>,
    /// Under way to the server and to the dialler.
    wires: [VecDeque<u8>; 2],
    /// Bytes that arrived on this link.
    carried: [usize; 2],
    /// Where the next links break.
    pub cuts: VecDeque<(usize, usize)>,
    pub links: usize,
    pipes: Pipes,
    now: Time,
    replied: bool,
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Newcomer,
    Session,
}

fn lines() -> Vec<Message> {
    [
        (0, 0, 0),
        (40, 0, 0),
        (10, 20, 30),
        (0, 17_000, 9),
        (5, 0, 0),
    ]
    .into_iter()
    .zip(1..)
    .map(|((front, middle, data), tid)| message(tid, front, middle, data))
    .collect()
}

impl Conversation {
    fn new(client: Policy, server: Policy, cuts: &[(usize, usize)]) -> Self {
        let mut conversation = Self::silent(Wire::V2, client, server);
        conversation.begin(cuts);
        conversation
    }

    /// With everything that both ends have to say, and cuts.
    fn begin(&mut self, cuts: &[(usize, usize)]) {
        for line in lines() {
            self.dialler.protocol.send(Outgoing::from(line));
        }
        self.replied = false;
        self.cuts = cuts.iter().copied().collect();
    }

    /// Nobody has anything to say yet.
    pub fn silent(wire: Wire, client: Policy, server: Policy) -> Self {
        let (own, peer) = match wire {
            Wire::V1 => (CLIENT_V1, SERVER_V1),
            _ => (CLIENT, SERVER),
        };
        let mut client = config("osd.1", client);
        let mut server = config("osd.3", server);
        let seeds = match wire {
            Wire::V1 | Wire::V2 => None,
            Wire::Sealed20 => Some((1, 2)),
            Wire::Sealed21 => Some((3, 4)),
        };
        if let Some((of_client, of_server)) = seeds {
            keys::seal(&mut client, of_client);
            keys::seal(&mut server, of_server);
        }
        if wire == Wire::Sealed20 {
            client.msgr2_supported = 0;
        }
        let dialler = End::new(Protocol::connect(
            Arc::new(client),
            addrs(own),
            EntityType::OSD,
            addrs(peer),
            1,
        ));
        Self {
            wire,
            server_config: Arc::new(server),
            dialler,
            session: None,
            newcomer: None,
            linked: None,
            wires: Default::default(),
            carried: [0; 2],
            cuts: VecDeque::new(),
            links: 0,
            pipes: SMOOTH,
            now: Time::ZERO,
            replied: true,
            seed: 100,
        }
    }

    fn run(mut self) -> Self {
        self.start();
        self.rest();
        self
    }

    pub fn start(&mut self) {
        self.dialler
            .protocol
            .start(self.now, &mut self.dialler.events);
    }

    /// Until nothing moves on an open link.
    pub fn rest(&mut self) {
        for _ in 0..100_000 {
            self.answer_dial();
            if self.step() || self.ends_by_itself() {
                continue;
            }
            if self.linked.is_some() && self.dialler.protocol.is_open() {
                return;
            }
            assert!(
                self.dialler.protocol.poll_timeout().is_some(),
                "{}",
                self.dialler.story()
            );
            self.now = self.dialler.time_out();
        }
        let story = self.dialler.story();
        panic!("it never comes to rest: {story:.500}");
    }

    fn answer_dial(&mut self) {
        if self.linked.is_some() || self.dialler.protocol.state_name() != "START_CONNECT" {
            return;
        }
        self.dialler.protocol.handle_connected(None, self.now);
        self.seed += 1;
        let config = Arc::clone(&self.server_config);
        let from = CLIENT_SOCKET.parse().unwrap();
        let (seed, now) = (self.seed, self.now);
        self.newcomer = Some(End::new(match self.wire == Wire::V1 {
            true => acceptor_of_v1(config, seed, now),
            false => Protocol::accept(config, addrs(SERVER), from, seed, now),
        }));
        self.linked = Some(Side::Newcomer);
        self.carried = [0; 2];
        self.links += 1;
    }

    /// An end that has no more use for the link lets go of it.
    fn ends_by_itself(&mut self) -> bool {
        let now = self.now;
        let linked = self.linked.is_some();
        let ends = std::iter::once(&mut self.dialler).chain(&mut self.session);
        let mut ends = ends.filter(|end| linked && end.protocol.is_open());
        let due = ends.find(|end| end.protocol.poll_timeout().is_some_and(|at| at <= now));
        let Some(end) = due else {
            return false;
        };
        end.time_out();
        self.cut();
        true
    }

    fn server(&mut self) -> &mut End {
        match self.linked.expect("no link") {
            Side::Newcomer => self.newcomer.as_mut().unwrap(),
            Side::Session => self.session.as_mut().unwrap(),
        }
    }

    /// Moves bytes once in each direction; false if there were none.
    fn step(&mut self) -> bool {
        if self.linked.is_none() {
            return false;
        }
        let (now, pipes) = (self.now, self.pipes);
        let bytes = self.dialler.transmit(&pipes, now);
        self.wires[0].extend(bytes);
        let bytes = self.server().transmit(&pipes, now);
        self.wires[1].extend(bytes);
        let mut moved = false;
        for direction in 0..2 {
            let limit = self.cuts.front().filter(|(at, _)| *at == direction);
            let limit = limit.map_or(usize::MAX, |(_, at)| at - self.carried[direction]);
            let len = self.wires[direction].len().min(pipes.read).min(limit);
            let bytes: Vec<u8> = self.wires[direction].drain(..len).collect();
            moved |= len > 0;
            self.carried[direction] += len;
            match direction {
                0 => {
                    self.server().receive(&bytes, now);
                    self.settle_request();
                }
                _ => self.dialler.receive(&bytes, now),
            }
            if len == limit {
                self.cut();
                return true;
            }
        }
        moved
    }

    fn settle_request(&mut self) {
        let Some(newcomer) = self.newcomer.as_mut() else {
            return;
        };
        if newcomer.protocol.asked().is_none() {
            return;
        }
        let session = self.session.as_mut();
        let verdict = newcomer
            .protocol
            .meet(session.as_ref().map(|end| &end.protocol));
        match (verdict, session) {
            (Verdict::New, _) => {
                let now = self.now;
                newcomer.protocol.grant(now, &mut newcomer.events);
                self.session = self.newcomer.take();
                self.linked = Some(Side::Session);
            }
            (Verdict::Replace { reset }, Some(session)) => {
                let (now, events) = (self.now, &mut session.events);
                session
                    .protocol
                    .take_over(&mut newcomer.protocol, reset, now, events);
                self.newcomer = None;
                self.linked = Some(Side::Session);
            }
            (Verdict::Resume, Some(session)) => {
                let (now, events) = (self.now, &mut session.events);
                session
                    .protocol
                    .take_over(&mut newcomer.protocol, false, now, events);
                self.newcomer = None;
                self.linked = Some(Side::Session);
            }
            (refusal, _) => newcomer.protocol.refuse(refusal),
        }
        if let (Some(session), false) = (&mut self.session, self.replied) {
            self.replied = true;
            for line in lines() {
                session.protocol.send(Outgoing::from(line));
            }
        }
    }

    /// The link breaks.
    pub fn cut(&mut self) {
        self.cuts.pop_front();
        self.wires.iter_mut().for_each(VecDeque::clear);
        let now = self.now;
        self.server().disconnect(LinkDown::Eof, now);
        self.newcomer = None;
        self.linked = None;
        self.dialler.disconnect(LinkDown::Eof, now);
    }

    /// What a session promises, whatever happens to its links.
    fn violation(&mut self) -> Option<String> {
        let session = self.session.as_mut().expect("a session");
        for (end, name) in [(&mut self.dialler, "dialler"), (session, "server")] {
            let tids: Vec<u64> = end.messages().map(|message| message.tid).collect();
            if tids != [1, 2, 3, 4, 5] {
                return Some(format!("the {name} received {tids:?}"));
            }
            let told =
                end.count(|event| matches!(event, Event::RemoteReset | Event::Closed { .. }));
            if told > 0 || end.balance != 0 {
                return Some(format!("{name}: {}, {} bytes", end.story(), end.balance));
            }
            let bytes: usize = lines().iter().map(Message::payload_len).sum();
            let released = end.protocol.take_released();
            if released != bytes as i64 {
                return Some(format!("the {name} let go of {released} of {bytes} bytes"));
            }
        }
        None
    }
}

fn cut_everywhere(wire: Wire) -> (usize, usize) {
    let chopped = Pipes {
        read: 1500,
        write: 4000,
        ..SMOOTH
    };
    let (mut runs, mut links, mut random) = (0, 0, Random::new(5));
    for pipes in [SMOOTH, chopped] {
        let begin = |cuts: &[(usize, usize)]| {
            let server = Policy::stateful_server();
            let mut begun = Conversation::silent(wire, Policy::lossless_client(), server);
            begun.begin(cuts);
            begun.pipes = pipes;
            begun
        };
        let whole = begin(&[]).run();
        twice_used();
        for (direction, total) in whole.carried.into_iter().enumerate() {
            for at in 0..=total {
                // Within the bulk payload bytes are alike.
                if at > 2500 && at + 700 < total && at % 61 != 0 {
                    continue;
                }
                let again = (random.below(2) as usize, random.below(3000) as usize);
                let cuts = [(direction, at), again];
                let mut run = begin(&cuts).run();
                runs += 1;
                links += run.links;
                assert_eq!(twice_used(), [""; 0], "cuts {cuts:?}");
                let (violation, story) = (run.violation(), run.dialler.story());
                assert_eq!(violation, None, "cuts {cuts:?}: {story:.500}");
            }
        }
    }
    println!("sessions cut at every byte, {wire:?}: {runs} runs, {links} links, 0 violations");
    (runs, links)
}

#[test]
fn cut_at_every_byte_and_again_a_session_loses_doubles_and_reorders_nothing() {
    let (runs, links) = cut_everywhere(Wire::V2);
    assert!(
        runs > 5_000 && links > 2 * runs,
        "{runs} runs, {links} links"
    );
}

#[test]
fn cut_at_every_byte_and_again_a_session_of_v1_does_not_either() {
    let (runs, links) = cut_everywhere(Wire::V1);
    assert!(
        runs > 5_000 && links > 2 * runs,
        "{runs} runs, {links} links"
    );
}

#[test]
fn cut_at_every_byte_and_again_a_sealed_session_does_not_either() {
    for wire in [Wire::Sealed21, Wire::Sealed20] {
        let (runs, links) = cut_everywhere(wire);
        assert!(
            runs > 5_000 && links > 2 * runs,
            "{runs} runs, {links} links"
        );
    }
}

#[test]
fn a_link_lost_while_open_is_dialled_again_at_once() {
    let client = Policy::lossless_client();
    let mut run = Conversation::new(client, Policy::stateful_server(), &[]).run();
    let opened_at = run.now;
    run.cut();
    assert_eq!(run.dialler.protocol.state_name(), "START_CONNECT");
    let run = run.run();
    assert_eq!((run.now, run.links), (opened_at, 2));
    assert!(
        run.dialler.story().ends_with("Resumed(Us)"),
        "{}",
        run.dialler.story()
    );
}

/// It would be sent again on every link, and end it.
#[test]
fn a_message_that_the_peer_refuses_does_not_make_links_without_a_pause() {
    let policies = (Policy::lossless_client(), Policy::stateful_server());
    for wire in [Wire::V1, Wire::V2] {
        let mut run = Conversation::silent(wire, policies.0, policies.1);
        Arc::get_mut(&mut run.server_config).unwrap().max_message = 1000;
        run.dialler.protocol.send(message(1, 5000, 0, 0));
        run.start();
        while run.now < Time::ZERO + seconds(60) {
            run.answer_dial();
            let refused = |end: &End| !end.protocol.is_open();
            if run.linked == Some(Side::Session) && run.session.as_ref().is_some_and(refused) {
                run.cut();
            } else if !run.step() {
                run.now = run.dialler.time_out();
            }
        }
        // 0.2 s at first, twice as long each time, 15 s in the end.
        assert!((5..20).contains(&run.links), "{wire:?}: {}", run.links);
    }
}

#[test]
fn a_peer_with_nothing_to_say_rests_and_a_message_wakes_it() {
    let peer = Policy::lossless_peer();
    let mut run = Conversation::new(peer, Policy::stateful_server(), &[]).run();
    run.cut();
    assert_eq!(run.dialler.protocol.state_name(), "STANDBY");
    assert_eq!(run.dialler.protocol.poll_timeout(), None);
    assert!(!run.dialler.protocol.wants_link());
    run.dialler.protocol.send(message(6, 1, 0, 0));
    assert!(run.dialler.protocol.wants_link());
    let (now, events) = (run.now, &mut run.dialler.events);
    run.dialler.protocol.wake(now, events);
    let run = run.run();
    assert_eq!(run.session.unwrap().messages().count(), 6);
}
