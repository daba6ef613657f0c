//! The tokens of a pool's nodes: each has them in its folder, where `ringway token` makes and revokes them, and etcd has the union.
//!
//! Which way a token came is of no matter: those of either side are on both afterwards, and who is revoked on one is so on both. That
//! gives the same whatever order nodes do it in, so it needs no leader, and what a node that waits is told counts at the one that leads.

use super::gateway::CallError;
use super::messages::{Found, Outcome, get, put_operation, transaction, was_changed_at};
use super::{Etcd, RETRY_PAUSE};
use crate::identity::Tokens;
use crate::store::StoreError;
use std::time::{Duration, Instant};

/// How long one alignment may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time between alignments.
const ALIGNED_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct SharedTokens {
    etcd: Etcd,
    tokens: Tokens,
}

impl SharedTokens {
    /// Of this folder's tokens and etcd's.
    pub fn new(etcd: &Etcd, tokens: Tokens) -> Self {
        Self { etcd: etcd.clone(), tokens }
    }

    /// Brings what is missing to each side.
    ///
    /// # Errors
    /// [`StoreError`]; then a side may lack something until the next time.
    pub fn align(&self) -> Result<(), StoreError> {
        let (key, gateway, until) = (self.etcd.0.keys.tokens(), &self.etcd.0.gateway, Instant::now() + TIMEOUT);
        loop {
            let found: Found = gateway.call_until("kv/range", &get(&key), until)?;
            let there = found.kvs.first();
            let Some(union) = self.tokens.unite(there.map(|kv| kv.value.as_slice()))? else { return Ok(()) };
            let condition = was_changed_at(&key, there.map_or(0, |kv| kv.mod_revision));
            let request = transaction(&[condition], vec![put_operation(&key, &union, 0)], Vec::new());
            match gateway.call::<Outcome>("kv/txn", &request, until) {
                Ok(outcome) if outcome.succeeded => return Ok(()),
                // Another node was first, or it is not known who was: what is there now tells.
                Ok(_) | Err(CallError::Unknown(_)) if Instant::now() < until => std::thread::sleep(RETRY_PAUSE),
                Ok(_) => return Err(StoreError::Etcd("changed the pool's tokens again and again; looked at again soon".into())),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Goes on aligning, for as long as this process lives.
    pub fn keep_aligned(&self) {
        let mut is_well = true;
        loop {
            std::thread::sleep(ALIGNED_EVERY);
            match self.align() {
                Ok(()) => is_well = true,
                Err(error) => {
                    if std::mem::replace(&mut is_well, false) {
                        tracing::warn!("tokens of the pool's other nodes: {error}; tried again each second");
                    }
                }
            }
        }
    }
}
