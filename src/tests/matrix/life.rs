//! The life of a connection under each pair of policies: it is set up, given up by
//! the dialler and dialled again, given up by the acceptor and dialled again.

use super::axes::{self, LOST_AFTER_ACCEPT, PAIRS};
use super::case::{Case, Kind, Outcome, PROBE, Setting, Step};
use super::tale::{State, Tale, accepted, connected, replaced};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&PAIRS, &[(1, 0)]) {
        for (name, steps, expected) in stages(setting) {
            let steps = steps
                .iter()
                .flat_map(|step| [step.clone(), Step::Run(1000)]);
            cases.push(Case {
                suite: name,
                setting,
                options: Default::default(),
                breakpoints: vec![],
                steps: steps.collect(),
                expected,
            });
        }
    }
    cases
}

type Stage = (&'static str, Vec<Step>, Outcome);

const fn down(tale: Tale) -> Tale {
    tale.now(State::Closed)
}

const fn rests(tale: Tale) -> Tale {
    tale.now(State::Standby)
}

fn stages(setting: Setting) -> Vec<Stage> {
    let mut stages = match setting.pair.kind {
        Kind::Lossy => lossy(),
        Kind::Client => client(),
        Kind::Peer => peer(u32::from(setting.pair.policies[0].resetcheck)),
    };
    stages.insert(
        0,
        stage(
            "set up",
            &[Step::Say(0, 1)],
            [vec![connected(1, 1, 0, 1)], vec![accepted(1, 1, 0, 1)]],
            [&[], &[1]],
        ),
    );
    stages
}

fn stage(name: &'static str, steps: &[Step], tales: [Vec<Tale>; 2], inboxes: [&[u64]; 2]) -> Stage {
    let inboxes = inboxes.map(<[u64]>::to_vec);
    (name, steps.to_vec(), Outcome { tales, inboxes })
}

const SAY: Step = Step::Say(0, 1);
const DIALLER_DOWN: Step = Step::MarkDown(0);
const ACCEPTOR_DOWN: Step = Step::MarkDown(1);

/// Whoever is left behind is told by a reset, and every connection is a new one.
fn lossy() -> Vec<Stage> {
    let given_up = down(connected(1, 1, 0, 1));
    let lost = given_up.reset(1, 0);
    let dropped = down(accepted(1, 1, 0, 1));
    vec![
        stage(
            "dialler down",
            &[SAY, DIALLER_DOWN],
            [vec![given_up], vec![LOST_AFTER_ACCEPT]],
            [&[], &[1]],
        ),
        stage(
            "dialler back",
            &[SAY, DIALLER_DOWN, SAY, Step::Probe],
            [
                vec![given_up, connected(1, 1, 0, 1)],
                vec![LOST_AFTER_ACCEPT, accepted(1, 1, 0, 1)],
            ],
            [&[PROBE], &[1, 2, PROBE]],
        ),
        stage(
            "acceptor down",
            &[SAY, ACCEPTOR_DOWN],
            [vec![lost], vec![dropped]],
            [&[], &[1]],
        ),
        stage(
            "back after acceptor down",
            &[SAY, DIALLER_DOWN, SAY, ACCEPTOR_DOWN, SAY, Step::Probe],
            [
                vec![given_up, lost, connected(1, 1, 0, 1)],
                vec![LOST_AFTER_ACCEPT, dropped, accepted(1, 1, 0, 1)],
            ],
            [&[PROBE], &[1, 2, 3, PROBE]],
        ),
    ]
}

/// The server keeps its session, and is told when the client comes with another.
/// The client comes back by itself, and is told that the server has none.
fn client() -> Vec<Stage> {
    let given_up = down(connected(1, 1, 0, 1));
    let reset = accepted(1, 1, 0, 2).reset(0, 1);
    vec![
        stage(
            "dialler down",
            &[SAY, DIALLER_DOWN],
            [vec![given_up], vec![rests(accepted(1, 1, 0, 1))]],
            [&[], &[1]],
        ),
        stage(
            "dialler back",
            &[SAY, DIALLER_DOWN, SAY, Step::Probe],
            [
                vec![given_up, connected(1, 1, 0, 1)],
                vec![reset, replaced(1, 0)],
            ],
            [&[PROBE], &[1, 2, PROBE]],
        ),
        stage(
            "acceptor down",
            &[SAY, ACCEPTOR_DOWN, Step::Probe],
            [
                vec![connected(2, 2, 1, 2).reset(0, 1)],
                vec![down(accepted(1, 1, 0, 1)), accepted(1, 1, 1, 1)],
            ],
            [&[PROBE], &[1, PROBE]],
        ),
        stage(
            "back after acceptor down",
            &[SAY, DIALLER_DOWN, SAY, ACCEPTOR_DOWN, SAY, Step::Probe],
            [
                vec![given_up, connected(2, 2, 1, 2).reset(0, 1)],
                vec![down(reset), accepted(1, 1, 1, 1), replaced(1, 0)],
            ],
            [&[PROBE], &[1, 2, 3, PROBE]],
        ),
    ]
}

/// Whoever is left rests until one of them has something to say. Whoever wants to
/// resume a session that is gone is told so and loses what it had to say; whoever
/// is asked for a new one is told if it checks for that.
fn peer(told: u32) -> Vec<Stage> {
    let given_up = down(connected(1, 1, 0, 1));
    let dropped = down(accepted(1, 1, 0, 1));
    let lost = connected(2, 2, 1, 2).reset(0, 1);
    let renewed = accepted(1, 1, 0, 2).reset(0, told);
    let answer: Step = Step::Say(1, 1);
    vec![
        stage(
            "dialler down",
            &[SAY, DIALLER_DOWN],
            [vec![given_up], vec![rests(accepted(1, 1, 0, 1))]],
            [&[], &[1]],
        ),
        stage(
            "dialler back",
            &[SAY, DIALLER_DOWN, SAY, Step::Probe],
            [
                vec![given_up, connected(1, 1, 0, 1)],
                vec![renewed, replaced(1, 0)],
            ],
            [&[PROBE], &[1, 2, PROBE]],
        ),
        stage(
            "acceptor dials after dialler down",
            &[
                SAY,
                DIALLER_DOWN,
                answer.clone(),
                answer.clone(),
                Step::Probe,
            ],
            [
                vec![given_up, accepted(1, 1, 1, 1)],
                vec![accepted(1, 1, 0, 1).connect(1, 1, 1, 1).reset(0, 1)],
            ],
            [&[2, PROBE], &[1, PROBE]],
        ),
        stage(
            "acceptor down",
            &[SAY, ACCEPTOR_DOWN],
            [vec![rests(connected(1, 1, 0, 1))], vec![dropped]],
            [&[], &[1]],
        ),
        stage(
            "back after acceptor down",
            &[SAY, DIALLER_DOWN, SAY, ACCEPTOR_DOWN, SAY, SAY, Step::Probe],
            [
                vec![given_up, lost],
                vec![down(renewed), accepted(1, 1, 1, 1), replaced(1, 0)],
            ],
            [&[PROBE], &[1, 2, 4, PROBE]],
        ),
        stage(
            "acceptor back",
            &[SAY, ACCEPTOR_DOWN, answer, Step::Probe],
            [
                vec![
                    connected(1, 1, 0, 1).accept(0, 0, 0, 1).reset(0, told),
                    replaced(1, 0),
                ],
                vec![dropped, connected(1, 1, 0, 1)],
            ],
            [&[1, PROBE], &[1, PROBE]],
        ),
    ]
}
