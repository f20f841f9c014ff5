//! What the connections of a messenger share, made of its options and settings.

use std::sync::Arc;

use super::{AsyncMessenger, lock};
use crate::proto::{
    ALL_SERVICES, AuthConfig, GlobalSeq, KeyStore, METHOD_CEPHX, METHOD_NONE, ProtocolConfig,
};
use crate::types::PolicySet;

impl AsyncMessenger {
    /// What its connections share. Fixes the policies.
    pub(crate) fn config(&self) -> &Arc<ProtocolConfig> {
        if let Some(config) = self.config.get() {
            return config;
        }
        let policies = lock(&self.policies);
        self.config
            .get_or_init(|| Arc::new(self.new_config(policies.clone())))
    }

    /// The same, if it is fixed already.
    pub(crate) fn known_config(&self) -> Option<&Arc<ProtocolConfig>> {
        self.config.get()
    }

    fn new_config(&self, policies: PolicySet) -> ProtocolConfig {
        let options = &self.options;
        ProtocolConfig {
            ready_timeout: options.ready_timeout,
            idle_timeout: options.idle_timeout,
            progress_timeout: options.progress_timeout,
            keepalive_interval: options.keepalive_interval,
            keepalive_timeout: options.keepalive_timeout,
            initial_backoff: options.initial_backoff,
            max_backoff: options.max_backoff,
            max_message: options.max_message,
            handshake: options.handshake,
            crc_data: options.crc_data,
            learn_addr: options.learn_addr,
            modes: options.modes.clone(),
            compression: options.compression.clone(),
            auth: self.auth_config(),
            signatures: options.signatures,
            global_seq: self.first_global_seq(),
            number: Arc::clone(self.settings.number()),
            cluster_protocol: self.settings.cluster_protocol(),
            ..ProtocolConfig::new(self.name.clone(), policies)
        }
    }

    /// Fixes the policies, and what banners offer.
    #[cfg(test)]
    pub(crate) fn offer(&self, features: u64) {
        let policies = lock(&self.policies);
        let config = ProtocolConfig {
            msgr2_supported: features,
            ..self.new_config(policies.clone())
        };
        assert!(self.config.set(Arc::new(config)).is_ok(), "it is too late");
    }

    fn auth_config(&self) -> AuthConfig {
        let by_keys = match self.options.secure_only || !self.keys.is_empty() {
            true => METHOD_CEPHX,
            false => METHOD_NONE,
        };
        let methods = |asked: &[u32]| match asked {
            [] => vec![by_keys],
            asked => asked.to_vec(),
        };
        let asked = &self.options.auth;
        AuthConfig {
            cluster: methods(&asked.cluster),
            service: methods(&asked.service),
            client: methods(&asked.client),
            keys: Arc::clone(&self.keys) as Arc<dyn KeyStore>,
            services: ALL_SERVICES,
            entropy: self.entropy.clone(),
            by_host: self.auth_handler.get().is_some(),
            takes_anonymous: self.settings.takes_anonymous(),
        }
    }

    /// Where to count connection attempts from. A peer takes one whose number is
    /// below that of an earlier one for a leftover and does not answer it, so a
    /// process that comes back under its old address and nonce must count on. It
    /// does not know from where, but it knows the microseconds since 1970, which
    /// are more than anybody attempts, however soon it comes back.
    fn first_global_seq(&self) -> Arc<GlobalSeq> {
        let now = self.wall();
        let micros = u64::from(now.sec) * 1_000_000 + u64::from(now.nsec) / 1_000;
        Arc::new(GlobalSeq::above(micros))
    }
}
