//! What changes come to: keys that are written and removed. A transaction of etcd names each key once, so what several changes do to one
//! key is put together here.

use super::keys::Keys;
use super::messages::{OPERATIONS_MAX, delete_operation, delete_range_operation, put_operation};
use crate::scheduler::{Lease, Principal, RequestId};
use crate::store::{Change, HistoryRow, StoreError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};

/// Bytes of keys and values in one transaction at the most: etcd takes 1.5 MiB (`--max-request-bytes`).
const BYTES_MAX: usize = 1 << 20;
/// Bytes that an operation takes beside its key and value, at the most.
const OPERATION_BYTES: usize = 32;

pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Etcd(error.to_string()))
}

pub(super) fn parse<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| {
        let key = String::from_utf8_lossy(key);
        StoreError::Etcd(format!(
            "has something else under {} than this release knows: {error}; use the release that wrote it",
            key.escape_default()
        ))
    })
}

/// Whose GPU time a lease counts in.
fn owners(lease: &Lease) -> impl Iterator<Item = Principal> {
    let group = (!lease.group.is_empty()).then(|| Principal::Group(lease.group.clone()));
    std::iter::once(Principal::User(lease.user.clone())).chain(group)
}

/// Leases that these changes end.
fn ended(changes: &[Change]) -> BTreeSet<RequestId> {
    changes.iter().filter_map(|change| if let Change::End { id, .. } = change { Some(*id) } else { None }).collect()
}

/// What has to be known of etcd before changes are worked out: leases that end.
pub(super) fn leases_needed(keys: &Keys, changes: &[Change]) -> Vec<Vec<u8>> {
    ended(changes).into_iter().map(|id| keys.lease(id)).collect()
}

/// And then the GPU time of their owners.
pub(super) fn sums_needed(keys: &Keys, changes: &[Change], leases: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Vec<Vec<u8>>, StoreError> {
    let ended = ended(changes);
    let mut needed = BTreeSet::new();
    for (key, value) in leases {
        for principal in owners(&parse(key, value)?) {
            needed.insert(keys.gpu_time(&principal)?);
        }
    }
    for change in changes {
        if let Change::Begin(lease) = change
            && ended.contains(&lease.id)
        {
            for principal in owners(lease) {
                needed.insert(keys.gpu_time(&principal)?);
            }
        }
    }
    Ok(needed.into_iter().collect())
}

/// What becomes of keys.
pub(super) struct Effect<'a> {
    keys: &'a Keys,
    /// What etcd has of it.
    before: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    /// None: it is removed.
    after: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// History of leases that ended before this is removed.
    forgotten_before_ms: u64,
}

impl<'a> Effect<'a> {
    /// `before` has all keys that were needed, as far as they are there.
    pub(super) fn of(keys: &'a Keys, before: &'a BTreeMap<Vec<u8>, Vec<u8>>, changes: &[Change]) -> Result<Self, StoreError> {
        let mut effect = Self { keys, before, after: BTreeMap::new(), forgotten_before_ms: 0 };
        changes.iter().try_for_each(|change| effect.add(change))?;
        Ok(effect)
    }

    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.after.get(key).map_or_else(|| self.before.get(key).map(Vec::as_slice), Option::as_deref)
    }

    fn add(&mut self, change: &Change) -> Result<(), StoreError> {
        let keys = self.keys;
        match change {
            Change::PutServer(server) => drop(self.after.insert(keys.server(&server.info.name), Some(json(server)?))),
            Change::RemoveServer(name) => drop(self.after.insert(keys.server(name), None)),
            Change::Begin(lease) => drop(self.after.insert(keys.lease(lease.id), Some(json(lease)?))),
            Change::End { id, end_ms, gpu_time } => self.end(*id, *end_ms, *gpu_time)?,
            Change::Limits(of, limits) => drop(self.after.insert(keys.limits(of)?, limits.as_ref().map(json).transpose()?)),
            Change::User(name, record) => drop(self.after.insert(keys.user(name), record.as_ref().map(json).transpose()?)),
            Change::ForgetHistory(before_ms) => {
                self.forgotten_before_ms = self.forgotten_before_ms.max(*before_ms);
                let (first, end) = (keys.history_from(0), keys.history_from(*before_ms));
                self.after.retain(|key, _| *key < first || *key >= end);
            }
        }
        Ok(())
    }

    fn end(&mut self, id: RequestId, end_ms: u64, gpu_time: u64) -> Result<(), StoreError> {
        let key = self.keys.lease(id);
        let Some(value) = self.value(&key) else { return Ok(()) };
        let lease: Lease = parse(&key, value)?;
        self.after.insert(key, None);
        for principal in owners(&lease) {
            let key = self.keys.gpu_time(&principal)?;
            let sum: u64 = self.value(&key).map_or(Ok(0), |value| parse(&key, value))?;
            self.after.insert(key, Some(json(&sum.saturating_add(gpu_time))?));
        }
        self.after.insert(self.keys.history(end_ms, id), Some(json(&HistoryRow { lease, end_ms, gpu_time })?));
        Ok(())
    }

    /// As operations of one transaction.
    pub(super) fn operations(&self) -> Result<Vec<Value>, StoreError> {
        let (mut operations, mut bytes) = (Vec::with_capacity(self.after.len()), 0);
        if self.forgotten_before_ms > 0 {
            // Rows that came to be after the others were forgotten stay; etcd takes no range that has them in it.
            let mut from = self.keys.history_from(0);
            let until = self.keys.history_from(self.forgotten_before_ms);
            let kept: Vec<&Vec<u8>> = self.after.range((Included(from.clone()), Excluded(until.clone()))).map(|(key, _)| key).collect();
            for key in kept {
                operations.push(delete_range_operation(&from, key));
                from = [key.as_slice(), &[0]].concat();
            }
            operations.push(delete_range_operation(&from, &until));
        }
        for (key, value) in &self.after {
            bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            operations.push(match value {
                Some(value) => put_operation(key, value, 0),
                None => delete_operation(key),
            });
        }
        bytes += operations.len() * OPERATION_BYTES;
        if operations.len() > OPERATIONS_MAX || bytes > BYTES_MAX {
            return Err(StoreError::TooLarge(format!("{} keys with {} KiB", operations.len(), bytes >> 10)));
        }
        Ok(operations)
    }
}
