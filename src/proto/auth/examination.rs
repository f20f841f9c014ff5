//! The acceptor's part of one authentication.

use super::host::{Answer, Question};
use super::{Agreed, AuthContext, AuthFault, ConMode, METHOD_NONE, none};

// Linux errnos, as the wire has them wherever we run.
const EACCES: i32 = 13;
const EOPNOTSUPP: i32 = 95;

/// What the acceptor makes of what it heard.
#[derive(Debug)]
pub enum Verdict {
    /// It is satisfied; its last word.
    Agreed(Box<Agreed>, Vec<u8>),
    /// It wants to hear more, and says this.
    More(Vec<u8>),
    /// No, with a positive errno.
    No(i32),
    /// The host is asked; [`Examination::answer`] goes on.
    Ask(Question),
}

/// The acceptor's part.
#[derive(Debug, Default)]
pub struct Examination {
    part: Part,
    /// The method that has begun.
    method: u32,
    /// The mode that will be.
    con_mode: Option<ConMode>,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Nothing,
    Host,
}

impl Examination {
    /// The dialler begins, with modes in its order of preference.
    pub fn request(
        &mut self,
        method: u32,
        preferred: &[u32],
        payload: &[u8],
        context: AuthContext<'_>,
    ) -> Result<Verdict, AuthFault> {
        self.method = method;
        let modes = context.modes_of(method);
        let common = preferred.iter().find(|mode| modes.contains(mode));
        let Some(mode) = common.and_then(|mode| ConMode::from_code(*mode)) else {
            return Ok(Verdict::No(EOPNOTSUPP));
        };
        self.con_mode = Some(mode);
        if context.auth.by_host {
            self.part = Part::Host;
            return Ok(self.ask(false, payload, context));
        }
        if !context.methods().contains(&method) {
            return Ok(Verdict::No(EOPNOTSUPP));
        }
        match method {
            METHOD_NONE => Ok(by_none(payload, context)),
            _ => Ok(Verdict::No(EOPNOTSUPP)),
        }
    }

    /// The dialler goes on.
    pub fn more(&mut self, payload: &[u8], context: AuthContext<'_>) -> Result<Verdict, AuthFault> {
        match &mut self.part {
            Part::Nothing => Err(AuthFault::Answer),
            Part::Host => Ok(self.ask(true, payload, context)),
        }
    }

    /// What the host says to the last question.
    pub fn answer(&mut self, answer: Answer) -> Result<Verdict, AuthFault> {
        match answer {
            Answer::Done(agreed, payload) => Ok(Verdict::Agreed(agreed, payload)),
            Answer::More(payload) => Ok(Verdict::More(payload)),
            Answer::No(errno) => Ok(Verdict::No(errno)),
            Answer::Request { .. } => Err(AuthFault::Answer),
        }
    }

    /// The method that has begun.
    pub const fn method(&self) -> u32 {
        self.method
    }

    /// The mode that was chosen.
    pub fn con_mode(&self) -> ConMode {
        self.con_mode.unwrap_or(ConMode::Crc)
    }

    fn ask(&self, more: bool, payload: &[u8], context: AuthContext<'_>) -> Verdict {
        Verdict::Ask(Question::Request {
            peer_type: context.peer_type,
            more,
            method: self.method,
            con_mode: self.con_mode().code(),
            payload: payload.to_vec(),
        })
    }
}

/// Takes a dialler for what it says it is. A monitor numbers those that have no
/// number yet.
fn by_none(payload: &[u8], context: AuthContext<'_>) -> Verdict {
    let Ok((name, claimed)) = none::claim(payload) else {
        return Verdict::No(EACCES);
    };
    let is_login = none::is_login(context.peer_type, context.name.kind);
    let global_id = match claimed {
        0 if is_login => context.auth.keys.next_global_id(),
        claimed => claimed,
    };
    let agreed = Agreed {
        global_id,
        name,
        is_proved: false,
        caps: Vec::new(),
        session_key: None,
        connection_secret: None,
    };
    Verdict::Agreed(Box::new(agreed), Vec::new())
}
