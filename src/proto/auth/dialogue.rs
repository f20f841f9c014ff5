//! The dialler's part of one authentication.

use std::collections::VecDeque;

use super::host::{Answer, Question};
use super::{Agreed, AuthContext, AuthFault, ConMode, METHOD_NONE, none};

/// What the dialler says next.
#[derive(Debug)]
pub enum Said {
    /// It begins, or begins again.
    Request {
        /// The method.
        method: u32,
        /// Connection modes, the preferred one first.
        modes: Vec<u32>,
        /// What the method says first.
        payload: Vec<u8>,
    },
    /// It goes on.
    More(Vec<u8>),
    /// It is satisfied.
    Agreed(Box<Agreed>),
    /// The host is asked; [`Dialogue::answer`] goes on.
    Ask(Question),
}

/// The dialler's part. It tries its methods one after another.
#[derive(Debug)]
pub struct Dialogue {
    /// Methods not tried yet.
    left: VecDeque<u32>,
    /// The method being tried.
    method: u32,
    /// Modes offered with it.
    modes: Vec<u32>,
    part: Part,
    /// The acceptor has begun with the method: it will not begin with another.
    deep: bool,
}

#[derive(Debug)]
enum Part {
    None,
    Host,
}

impl Dialogue {
    /// Begins.
    pub fn begin(context: AuthContext<'_>) -> Result<(Self, Said), AuthFault> {
        let mut dialogue = Self {
            left: context.methods().iter().copied().collect(),
            method: 0,
            modes: Vec::new(),
            part: Part::None,
            deep: false,
        };
        let said = if context.auth.by_host {
            dialogue.part = Part::Host;
            let peer_type = context.peer_type;
            Said::Ask(Question::Begin { peer_type })
        } else {
            dialogue.try_next(context, AuthFault::NoMethod)?
        };
        Ok((dialogue, said))
    }

    /// The acceptor wants to hear more.
    pub fn reply_more(
        &mut self,
        payload: &[u8],
        _context: AuthContext<'_>,
    ) -> Result<Said, AuthFault> {
        self.deep = true;
        match &mut self.part {
            Part::None => Err(AuthFault::Answer),
            Part::Host => Ok(Said::Ask(Question::ReplyMore {
                payload: payload.to_vec(),
            })),
        }
    }

    /// The acceptor is satisfied and has chosen a mode, one of [`Self::modes`].
    pub fn done(
        &mut self,
        global_id: u64,
        mode: ConMode,
        payload: &[u8],
        _context: AuthContext<'_>,
    ) -> Result<Said, AuthFault> {
        match &mut self.part {
            Part::None => Ok(Said::Agreed(Box::new(Agreed {
                global_id,
                name: None,
                is_proved: false,
                caps: Vec::new(),
                session_key: None,
                connection_secret: None,
            }))),
            Part::Host => Ok(Said::Ask(Question::Done {
                global_id,
                con_mode: mode.code(),
                payload: payload.to_vec(),
            })),
        }
    }

    /// The acceptor has declined. `allowed` are the methods that it would take.
    pub fn bad_method(
        &mut self,
        result: i32,
        allowed: &[u32],
        allowed_modes: &[u32],
        context: AuthContext<'_>,
    ) -> Result<Said, AuthFault> {
        if let Part::Host = self.part {
            return Ok(Said::Ask(Question::BadMethod {
                method: self.method,
                result,
                allowed_methods: allowed.to_vec(),
                allowed_modes: allowed_modes.to_vec(),
            }));
        }
        if self.deep {
            return Err(AuthFault::Denied(self.method, result));
        }
        self.left.retain(|method| allowed.contains(method));
        self.try_next(context, AuthFault::Refused(self.method, result))
    }

    /// What the host says to the last question.
    pub fn answer(&mut self, answer: Answer, context: AuthContext<'_>) -> Result<Said, AuthFault> {
        match answer {
            Answer::Request {
                method,
                modes,
                payload,
            } if !self.deep => {
                self.method = method;
                self.modes = match modes.is_empty() {
                    true => context.modes_of(method),
                    false => modes,
                };
                Ok(Said::Request {
                    method,
                    modes: self.modes.clone(),
                    payload,
                })
            }
            Answer::More(payload) => Ok(Said::More(payload)),
            Answer::Done(agreed, _) => Ok(Said::Agreed(agreed)),
            Answer::No(errno) => Err(AuthFault::Host(errno)),
            Answer::Request { .. } => Err(AuthFault::Answer),
        }
    }

    /// The modes offered.
    pub fn modes(&self) -> &[u32] {
        &self.modes
    }

    /// Begins with the next method that can run; `else_fault` if there is none.
    fn try_next(
        &mut self,
        context: AuthContext<'_>,
        else_fault: AuthFault,
    ) -> Result<Said, AuthFault> {
        let mut fault = else_fault;
        while let Some(method) = self.left.pop_front() {
            let modes = context.modes_of(method);
            if modes.is_empty() {
                fault = AuthFault::NoMode(method);
                continue;
            }
            match Self::request(method, context) {
                Ok((part, payload)) => {
                    self.part = part;
                    self.method = method;
                    self.modes.clone_from(&modes);
                    return Ok(Said::Request {
                        method,
                        modes,
                        payload,
                    });
                }
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }

    /// What the method says first.
    fn request(method: u32, context: AuthContext<'_>) -> Result<(Part, Vec<u8>), AuthFault> {
        match method {
            METHOD_NONE => {
                let payload = none::request(
                    context.name,
                    context.peer_type,
                    context.auth.keys.global_id(),
                );
                Ok((Part::None, payload))
            }
            _ => Err(AuthFault::NoMethod),
        }
    }
}
