//! What of a messenger is set before it is used.

use std::sync::{Arc, OnceLock};

use super::{AsyncMessenger, lock};
use crate::messenger::auth::{AuthHandler, AuthReply};
use crate::messenger::connection::ConnectionRef;
use crate::messenger::decoder::Decoder;
use crate::messenger::dispatcher;
use crate::messenger::error::{Error, Result};
use crate::messenger::rx_alloc::RxAllocator;
use crate::proto::{Answer, Keyring, Question};
use crate::types::PolicySet;

impl AsyncMessenger {
    /// Changes the policies, as long as no connection can have used them.
    pub(crate) fn change_policies(&self, change: impl FnOnce(&mut PolicySet)) -> Result<()> {
        let mut policies = lock(&self.policies);
        if self.config.get().is_some() {
            return Err(Error::new(
                libc::EBUSY,
                "policies are set before bind and start",
            ));
        }
        change(&mut policies);
        Ok(())
    }

    /// Looks at the policies.
    pub(crate) fn policies<R>(&self, look: impl FnOnce(&PolicySet) -> R) -> R {
        look(&lock(&self.policies))
    }

    /// Lets the host authenticate, as long as no connection can have begun to.
    pub(crate) fn set_auth_handler(&self, handler: Arc<dyn AuthHandler>) -> Result<()> {
        let _policies = lock(&self.policies);
        if self.config.get().is_some() {
            return Err(Error::new(
                libc::EBUSY,
                "the authentication is set before bind and start",
            ));
        }
        let set = self.auth_handler.set(handler);
        set.map_err(|_| Error::new(libc::EALREADY, "there is an authentication already"))
    }

    /// Lets the program decode messages, as long as none can have come by a
    /// connection of its own.
    pub(crate) fn set_decoder(&self, decoder: Arc<dyn Decoder>) -> Result<()> {
        self.lifecycle.check_not_started("a decoder is")?;
        let set = self.decoder.set(decoder);
        set.map_err(|_| Error::new(libc::EALREADY, "there is a decoder already"))
    }

    #[inline]
    pub(crate) fn decoder(&self) -> Option<&Arc<dyn Decoder>> {
        self.decoder.get()
    }

    #[inline]
    pub(crate) fn rx_allocator_slot(&self) -> &OnceLock<Arc<dyn RxAllocator>> {
        &self.rx_allocator
    }

    /// Adds keys, as long as methods have not been chosen by what keys there are.
    pub(crate) fn add_keyring(&self, text: &str) -> Result<()> {
        let keyring = Keyring::parse(text).map_err(|why| Error::invalid(why.to_string()))?;
        let _policies = lock(&self.policies);
        if self.config.get().is_some() {
            return Err(Error::new(
                libc::EBUSY,
                "keys are set before bind and start",
            ));
        }
        self.keys.add(&keyring);
        Ok(())
    }

    /// Asks the host what to say to the peer of that connection.
    pub(crate) fn ask_host(&self, con: &ConnectionRef, question: Question, reply: AuthReply) {
        let Some(handler) = self.auth_handler.get() else {
            return reply.answer(Answer::No(libc::EOPNOTSUPP));
        };
        // Who panics has dropped the reply, and so said no.
        dispatcher::guarded("handle_auth", || handler.handle_auth(con, question, reply));
    }
}
