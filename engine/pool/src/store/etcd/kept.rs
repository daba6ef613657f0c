//! The store in etcd.
//!
//! Each transaction has two conditions. The key `leader` is the one that this node made when it was elected: a node that lost the
//! leadership writes nothing, however late its words arrive. And the key `transaction` has the name of the transaction before, and gets
//! this one's: so a transaction that was not answered can be said again. Whichever of its copies is first is carried out; the others
//! find its name there, which is the answer.

use super::Etcd;
use super::changes::{Effect, leases_needed, parse, sums_needed};
use super::election::{Leadership, Tenure};
use super::gateway::CallError;
use super::messages::{
    Found, KeyValue, Outcome, end_of, get_operation, has_value, in_lots, put_operation, range, transaction, was_made_at,
};
use crate::scheduler::{Principal, RequestId};
use crate::store::{Change, Contents, HISTORY_ROWS_MAX, HistoryRow, StoreError, VERSION};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys that are read at a time.
const PAGE_KEYS: usize = 512;
/// How long reading may take until its first page comes, and between pages.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How often all is read anew where etcd has thrown away, between two pages, the state that was being read.
const READS_MAX: u32 = 5;

/// See the module.
#[derive(Debug)]
pub(in crate::store) struct EtcdStore {
    etcd: Etcd,
    tenure: Arc<Tenure>,
    /// Name of the transaction that was made last. Nothing else writes while this is held.
    last: Mutex<Option<Vec<u8>>>,
}

impl EtcdStore {
    pub(in crate::store) fn open(etcd: &Etcd, leadership: &Leadership) -> Result<Self, StoreError> {
        let (keys, tenure) = (&etcd.0.keys, leadership.tenure());
        let conditions = [was_made_at(&keys.leader(), tenure.create_revision())];
        let reads = [keys.version(), keys.transaction()].iter().map(|key| get_operation(key)).collect();
        let outcome: Outcome =
            etcd.0.gateway.call_until("kv/txn", &transaction(&conditions, reads, Vec::new()), Instant::now() + READ_TIMEOUT)?;
        if !outcome.succeeded {
            tenure.end();
            return Err(StoreError::NotLeader);
        }
        let mut found: BTreeMap<Vec<u8>, Vec<u8>> = outcome.found().into_iter().map(|kv| (kv.key, kv.value)).collect();
        let last = Mutex::new(found.remove(&keys.transaction()));
        let store = Self { etcd: etcd.clone(), tenure, last };
        match found.remove(&keys.version()) {
            None => store.write(&mut store.locked(), vec![put_operation(&keys.version(), VERSION.to_string().as_bytes(), 0)])?,
            Some(value) => {
                let version: u64 = parse(&keys.version(), &value)?;
                if version > VERSION {
                    return Err(StoreError::Version(etcd.to_string().into(), version));
                }
            }
        }
        store.contents()?;
        Ok(store)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let keys = &self.etcd.0.keys;
        let mut last = self.locked();
        let mut before = self.values(leases_needed(keys, changes))?;
        before.extend(self.values(sums_needed(keys, changes, &before)?)?);
        let operations = Effect::of(keys, &before, changes)?.operations()?;
        if operations.is_empty() {
            return Ok(());
        }
        self.write(&mut last, operations)
    }

    /// Values of keys, as far as they are there. Only this node changes them, so none is old; should another one lead by now, the
    /// condition of what is written does not hold.
    fn values(&self, keys: Vec<Vec<u8>>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut values = BTreeMap::new();
        for keys in keys.chunks(PAGE_KEYS) {
            let reads = in_lots(keys.iter().map(|key| get_operation(key)).collect());
            let outcome: Outcome = self.etcd.0.gateway.call_until("kv/txn", &transaction(&[], reads, Vec::new()), self.while_leading()?)?;
            values.extend(outcome.found().into_iter().map(|kv| (kv.key, kv.value)));
        }
        Ok(values)
    }

    /// Until when this node leads for certain.
    fn while_leading(&self) -> Result<Instant, StoreError> {
        self.tenure.left().map(|left| Instant::now() + left).ok_or(StoreError::NotLeader)
    }

    /// Makes a transaction, and finds out what came of it.
    fn write(&self, last: &mut Option<Vec<u8>>, operations: Vec<Value>) -> Result<(), StoreError> {
        let (keys, gateway) = (&self.etcd.0.keys, &self.etcd.0.gateway);
        let name = ringway_secure::random::<16>().map_err(|error| StoreError::Etcd(format!("cannot be written to: {error}")))?;
        let name = ringway_secure::hex(&name).into_bytes();
        let conditions = [was_made_at(&keys.leader(), self.tenure.create_revision()), has_value(&keys.transaction(), last.as_deref())];
        let mut then = in_lots(operations);
        then.push(put_operation(&keys.transaction(), &name, 0));
        let otherwise = vec![get_operation(&keys.leader()), get_operation(&keys.transaction())];
        let request = transaction(&conditions, then, otherwise);
        // A try was not answered: it may have been carried out, or may be still, as long as the conditions hold.
        let mut is_open = false;
        let unwritten = |is_open: bool, error: StoreError| {
            if is_open {
                self.tenure.end();
                return StoreError::Unresolved;
            }
            error
        };
        loop {
            let until = self.while_leading().map_err(|error| unwritten(is_open, error))?;
            let outcome: Outcome = match gateway.call("kv/txn", &request, until) {
                Ok(outcome) => outcome,
                Err(CallError::Unknown(why)) => {
                    if !is_open {
                        tracing::warn!("etcd {why}; the same is written again");
                    }
                    is_open = true;
                    std::thread::sleep(super::RETRY_PAUSE);
                    continue;
                }
                Err(refused) => return Err(unwritten(is_open, refused.into())),
            };
            if outcome.succeeded {
                *last = Some(name);
                return Ok(());
            }
            let found = outcome.found();
            let of = |key: &[u8]| found.iter().find(|kv| kv.key == key);
            if of(&keys.transaction()).is_some_and(|kv| kv.value == name) {
                *last = Some(name);
                return Ok(());
            }
            self.tenure.end();
            if of(&keys.leader()).is_none_or(|kv| kv.create_revision != self.tenure.create_revision()) {
                // Another leader may have written since, over the name of this transaction.
                return Err(unwritten(is_open, StoreError::NotLeader));
            }
            let prefix = keys.prefix();
            return Err(StoreError::Etcd(format!(
                "was written to by something else under {prefix}; nothing but a pool's nodes may, so this one leads no more"
            )));
        }
    }

    /// Reads ranges of keys, all as they were at one moment; at most so many keys of each.
    fn read(&self, ranges: &[(Vec<u8>, Vec<u8>)], keys_max: usize) -> Result<Vec<Vec<KeyValue>>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.read_once(ranges, keys_max) {
                Err(CallError::Refused(why, _)) if tries < READS_MAX && why.contains("compacted") => {}
                result => return Ok(result?),
            }
        }
    }

    fn read_once(&self, ranges: &[(Vec<u8>, Vec<u8>)], keys_max: usize) -> Result<Vec<Vec<KeyValue>>, CallError> {
        let (mut revision, mut all) = (0, Vec::new());
        for (from, until) in ranges {
            let (mut from, mut found) = (from.clone(), Vec::new());
            while found.len() < keys_max && from < *until {
                let page = range(&from, until, PAGE_KEYS.min(keys_max - found.len()), revision);
                let page: Found = self.etcd.0.gateway.call_until("kv/range", &page, Instant::now() + READ_TIMEOUT)?;
                if revision == 0 {
                    revision = page.header.revision;
                }
                let last = page.kvs.last().map(|kv| [kv.key.as_slice(), &[0]].concat());
                found.extend(page.kvs);
                match last {
                    Some(next) if page.more && next > from => from = next,
                    _ => break,
                }
            }
            all.push(found);
        }
        Ok(all)
    }

    pub(in crate::store) fn contents(&self) -> Result<Contents, StoreError> {
        let keys = &self.etcd.0.keys;
        let prefixes = [keys.servers(), keys.leases(), keys.all_limits(), keys.users(), keys.gpu_times()];
        let ranges: Vec<(Vec<u8>, Vec<u8>)> = prefixes.iter().map(|prefix| (prefix.clone(), end_of(prefix))).collect();
        let mut found = self.read(&ranges, usize::MAX)?.into_iter();
        let mut next = || found.next().unwrap_or_default();
        Ok(Contents {
            servers: map(&prefixes[0], next(), text)?,
            leases: map(&prefixes[1], next(), lease_id)?,
            limits: map(&prefixes[2], next(), principal)?,
            users: map(&prefixes[3], next(), text)?,
            gpu_time: map(&prefixes[4], next(), principal)?,
        })
    }

    pub(in crate::store) fn history(&self, from_ms: u64, until_ms: u64) -> Result<Vec<HistoryRow>, StoreError> {
        let keys = &self.etcd.0.keys;
        let range = (keys.history_from(from_ms), keys.history_from(until_ms.max(from_ms)));
        let found = self.read(&[range], HISTORY_ROWS_MAX)?.remove(0);
        found.iter().map(|kv| parse(&kv.key, &kv.value)).collect()
    }
}

/// What is behind the prefix of a key.
fn map<K: Ord, V: DeserializeOwned>(
    prefix: &[u8],
    found: Vec<KeyValue>,
    name: impl Fn(&str) -> Option<K>,
) -> Result<BTreeMap<K, V>, StoreError> {
    let one = |kv: &KeyValue| {
        let rest = kv.key.strip_prefix(prefix).and_then(|rest| std::str::from_utf8(rest).ok());
        let name = rest.and_then(&name).ok_or_else(|| {
            let key = String::from_utf8_lossy(&kv.key);
            StoreError::Etcd(format!("has a key that no pool makes, {}; remove it, if nothing else needs it", key.escape_default()))
        })?;
        Ok((name, parse(&kv.key, &kv.value)?))
    };
    found.iter().map(one).collect()
}

fn text(key: &str) -> Option<String> {
    Some(key.to_owned())
}

fn lease_id(key: &str) -> Option<RequestId> {
    (key.len() == 16).then(|| u64::from_str_radix(key, 16).ok()).flatten()
}

fn principal(key: &str) -> Option<Principal> {
    serde_json::from_str(key).ok()
}
