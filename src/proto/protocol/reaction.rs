//! What follows from the loss of a link, and from the wish for one.

use std::time::Duration;

use crate::proto::auth::AuthFault;
use crate::proto::fault::{Fault, LinkDown};
use crate::proto::output::Event;
use crate::proto::session::Session;
use crate::proto::v1;
use crate::types::{AddrType, Time};

use super::{Dialling, Protocol, State};

/// Attempts in a row that may end with this end not believed.
const MAX_DENIALS: u32 = 8;

impl Protocol {
    /// Dials if [`Self::wants_link`].
    pub fn wake(&mut self, now: Time, events: &mut Vec<Event>) {
        if self.wants_link() {
            self.count_attempt();
            self.dial(now, events);
        }
    }

    /// Our own attempt is the one to survive: it must not rest, and not wait.
    pub fn insist(&mut self, now: Time, events: &mut Vec<Event>) {
        self.keepalive = true;
        if matches!(self.state, State::Backoff(_)) {
            self.dial(now, events);
        }
    }

    pub(super) fn dial(&mut self, now: Time, events: &mut Vec<Event>) {
        let Some(target) = self.target() else {
            return self.fault(Fault::NothingToDial, now, events);
        };
        let deadline = now + self.config.ready_timeout;
        if self.speaks != target.kind {
            // Attempts are counted in microseconds there and in seconds here.
            self.session.own_global_seq = 0;
        }
        self.speaks = target.kind;
        self.state = State::Dialling(Dialling { target, deadline });
        events.push(Event::Dial(target));
    }

    /// The link is lost, or was not to be had.
    pub(super) fn fault(&mut self, fault: Fault, now: Time, events: &mut Vec<Event>) {
        let was_open = self.is_open() || self.is_granted();
        let was_begun = self.was_begun();
        let during = self.state_name();
        let tries_other = self.tries_other(fault);
        let dialled = matches!(self.state, State::Dialling(_));
        self.reader.reset();
        self.writer.clear();
        self.session.requeue();
        // First: who hears of what follows may ask why.
        events.push(Event::Fault { fault, during });
        if dialled && fault == Fault::Link(LinkDown::Refused) && !tries_other {
            events.push(Event::Refused);
        }
        events.push(Event::CloseSocket);
        if self.incoming {
            self.close();
            events.push(Event::Closed { reset: false });
        } else if self.gives_up(fault) || (was_open && self.ends_with_its_link()) {
            self.close();
            events.push(Event::Closed { reset: true });
        } else if tries_other {
            self.tried += 1;
            self.dial(now, events);
        } else if was_begun && self.ends_with_its_link() {
            self.close();
            events.push(Event::Closed { reset: true });
        } else if self.rests(fault) {
            self.begin_route();
            self.state = State::Standby;
        } else if was_open && self.has_come_on() {
            self.backoff = Duration::ZERO;
            self.count_attempt();
            self.dial(now, events);
        } else {
            self.begin_route();
            // In v1 it is links that count, not attempts.
            if self.speaks != AddrType::Legacy {
                self.count_attempt();
            }
            let pause = self.next_pause();
            self.state = State::Backoff(now + pause);
        }
    }

    /// Has the session come on since it last lost an open link? If not, the next one
    /// may end as this one did, at a message that the peer refuses, say; and that
    /// must not go round without a pause.
    fn has_come_on(&mut self) -> bool {
        let reached = Some(self.session.reached());
        std::mem::replace(&mut self.reached, reached) != reached
    }

    /// Is the peer to be looked for at its next address? A lossless one may have granted
    /// us a session and its answer was lost. In v2 that is found again by its cookie. In
    /// v1 another one would begin, and with the first the peer would lose what it has to
    /// say: to there leads only the certainty that v2 is not spoken.
    fn tries_other(&mut self, fault: Fault) -> bool {
        if !self.is_nobody_there(fault) {
            return false;
        }
        self.overlooked |= !matches!(fault, Fault::Link(LinkDown::Refused) | Fault::SpeaksV1);
        let is_harmless = self.policy.lossy || !self.overlooked;
        let next = self.route().nth(self.tried + 1);
        next.is_some_and(|next| next.kind == self.speaks || is_harmless)
    }

    /// Does the fault only tell that the peer is not to be had at the address that
    /// was dialled?
    fn is_nobody_there(&self, fault: Fault) -> bool {
        match &self.state {
            State::Dialling(_) => matches!(fault, Fault::Link(_) | Fault::ReadyTimeout),
            State::Handshake(attempt) if attempt.handshake.expects_banner() => {
                matches!(
                    fault,
                    Fault::Link(_) | Fault::SpeaksV1 | Fault::NotMsgr(..) | Fault::BannerLength(_)
                )
            }
            State::Legacy(attempt) if attempt.handshake.expects() == v1::Expected::Opening => {
                matches!(fault, Fault::Link(_) | Fault::SpeaksV2 | Fault::NotMsgr(..))
            }
            _ => false,
        }
    }

    /// Has this end said something to the peer already? In v1 a lossy connection is
    /// over if it is lost behind that.
    const fn was_begun(&self) -> bool {
        matches!(self.speaks, AddrType::Legacy) && !matches!(self.state, State::Dialling(_))
    }

    /// Is there no use in dialling again? A peer that does not know us is asked
    /// again for the sake of a session, and not for ever: tickets are renewed, and
    /// keys come to a peer with some delay. In v1 it does not say why, so that it may be
    /// no more than that, and who has something to lose keeps it.
    fn gives_up(&mut self, fault: Fault) -> bool {
        let Fault::Auth(why) = fault else {
            return fault.is_final();
        };
        let is_declined = matches!(why, AuthFault::Refused(..) | AuthFault::Denied(..));
        let is_vague = is_declined && self.speaks == AddrType::Legacy && !self.policy.lossy;
        let may_pass = self.has_session() || is_vague || self.denials > 0;
        self.denials += 1;
        !may_pass || self.denials >= MAX_DENIALS
    }

    /// Without a link, does this end wait for the peer or for something to say?
    fn rests(&self, fault: Fault) -> bool {
        let idle = !self.session.has_queued() && !self.keepalive && fault != Fault::Wait;
        !self.ends_with_its_link()
            && (self.policy.server || self.target().is_none() || (self.policy.standby && idle))
    }

    /// An attempt to resume the session is told from those before by its count.
    fn count_attempt(&mut self) {
        if self.has_session() {
            self.session.connect_seq = self.session.connect_seq.saturating_add(1);
        }
    }

    /// Twice the last pause, within bounds. The random half keeps two ends, and
    /// the many clients of one server, from meeting again and again.
    fn next_pause(&mut self) -> Duration {
        let doubled = self.backoff.saturating_mul(2);
        let longest = self.config.max_backoff.max(self.config.initial_backoff);
        self.backoff = doubled.clamp(self.config.initial_backoff, longest);
        let half = self.backoff / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(self.random.below(nanos.saturating_add(1)))
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.session = Session::default();
        self.keepalive = false;
        self.reader.reset();
        self.writer.clear();
    }
}
