//! The moment from which a connection is safe: both ends have authenticated, and
//! prove that nobody has changed a word of how they did.

use crate::proto::auth::{Agreed, AuthFault, ConMode, SIGNATURE_LEN, is_signature, signature};
use crate::proto::fault::Fault;
use crate::proto::frame::control::AuthSignature;
use crate::proto::frame::{Side, keys};

use super::Context;

/// What the peer's AUTH_SIGNATURE must say.
pub struct Expected([u8; SIGNATURE_LEN]);

impl Expected {
    /// Does it?
    pub fn check(&self, proof: &AuthSignature) -> Result<(), Fault> {
        match is_signature(&self.0, &proof.signature) {
            true => Ok(()),
            false => Err(Fault::Signature),
        }
    }
}

/// Frames travel in that mode from now on; the first of ours proves what we have
/// heard. Returns what the peer is to prove.
pub fn secure(
    agreed: &Agreed,
    mode: ConMode,
    side: Side,
    context: &mut Context<'_>,
) -> Result<Expected, Fault> {
    let key = agreed.session_key.as_ref();
    let heard = std::mem::take(context.received);
    let said = context.out.take_transcript();
    if mode == ConMode::Secure {
        let secret = agreed.connection_secret.as_ref();
        let secret = secret.ok_or(Fault::Auth(AuthFault::NoSecret))?;
        let (sealer, opener) = keys(secret, side, context.reader.revision())?;
        context.out.set_secure(sealer);
        context.reader.set_secure(opener);
    }
    context.out.control(&AuthSignature {
        signature: signature(key, &heard),
    });
    Ok(Expected(signature(key, &said)))
}
