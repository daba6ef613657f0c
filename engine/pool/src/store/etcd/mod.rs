//! A pool of several nodes: what it must not forget is in etcd, and one node at a time leads and writes.
//!
//! etcd is spoken to by its JSON gateway, over a plain HTTP client: threads that wait, no runtime. Whoever leads is decided by the
//! key `leader` ([`Election`]), and each write has it as a condition ([`kept`]), so it does not matter to what is kept whether a node
//! has noticed yet that it leads no more.

mod changes;
mod election;
mod gateway;
mod kept;
mod keys;
mod messages;
mod settings;
mod tokens;

pub use election::{Election, Leader, Leadership, TTL_SECONDS};
pub use settings::EtcdSettings;
pub use tokens::SharedTokens;

pub(super) use kept::EtcdStore;

use super::StoreError;
use gateway::Gateway;
use keys::Keys;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Pause before something is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The part of an etcd that is a pool's. Copies share its connections.
#[derive(Debug, Clone)]
pub struct Etcd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gateway: Gateway,
    keys: Keys,
}

impl Etcd {
    /// Reads certificates; connects to nobody yet.
    ///
    /// # Errors
    /// [`StoreError::Settings`].
    pub fn new(settings: &EtcdSettings) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Inner { gateway: Gateway::new(settings)?, keys: Keys::of_pool(&settings.pool) })))
    }
}

impl fmt::Display for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in etcd at {}", self.0.keys.prefix(), self.0.gateway.endpoints().join(", "))
    }
}
