//! What a pool must not forget: servers, leases, quotas, settings of users, and the history of leases. One concept, kept in one of two
//! places: a file of this machine ([`Store::open`]), or etcd ([`Store::in_etcd`]), where several nodes of a pool can reach it and one
//! of them leads at a time ([`etcd::Election`]).
//!
//! [`Store::apply`] makes changes all or none, and returns when they are kept: what was acknowledged after it is there whatever crashes
//! then. Values are JSON, the same in both places, so that a newer release may add fields.

pub mod etcd;
mod file;

use crate::identity::IdentityError;
use crate::scheduler::{Conflict, Lease, Limits, Principal, RequestId, Scheduler, ServerInfo, ServerState};
use etcd::{Etcd, EtcdStore, Leadership};
pub use file::FILE;
use file::FileStore;
use redb::StorageBackend;
pub use ringway_wire::pool::UserSettings as UserRecord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rows of history that one question gets at the most.
pub const HISTORY_ROWS_MAX: usize = 100_000;
/// Version of what is kept.
const VERSION: u64 = 1;

/// Why the store could not be used; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder is not fit for it.
    #[error(transparent)]
    Folder(#[from] IdentityError),
    /// Another process has it.
    #[error("{0} is in use by another pool; stop that one, or name another folder with --state")]
    InUse(PathBuf),
    /// Others than the owner may read or write it.
    #[error("{0} may be read or written by others (mode {1:03o}); chmod 600 {0}")]
    Open(PathBuf, u32),
    /// A release that is newer wrote it.
    #[error("{0} is of version {1}, this release knows {VERSION}; use the release that wrote it")]
    Version(PathBuf, u64),
    /// It could not be read or written, or what it says makes no sense.
    #[error("{0}: {1}; check the disk's space and health, and restore the file if it is damaged")]
    Failed(PathBuf, String),
    /// What was said of etcd makes no sense.
    #[error("{0}")]
    Settings(String),
    /// etcd refused or failed, or what it has makes no sense; nothing was written.
    #[error("etcd {0}")]
    Etcd(String),
    /// These changes are more than fit into one transaction; nothing was written. Fewer at a time may do.
    #[error("{0} are too much for one transaction of etcd")]
    TooLarge(String),
    /// Another node leads, or may; nothing was written.
    #[error("this node does not lead the pool (any more), so it wrote nothing; ask the node that leads")]
    NotLeader,
    /// It was written, or it was not, and etcd did not say which for as long as this node led. It leads no more, and whoever leads next
    /// finds out. Not to be told to anyone as done.
    #[error("etcd did not say whether a change was written before this node's leadership ended; the node that leads next will know")]
    Unresolved,
}

/// A server as the pool remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// What it said of itself last.
    pub info: ServerInfo,
    /// An administrator wants it empty.
    #[serde(default)]
    pub is_draining: bool,
}

/// A lease that ended, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// What it was, with its start.
    pub lease: Lease,
    /// When it ended, in milliseconds since 1970.
    pub end_ms: u64,
    /// GPU time: thousandths of a GPU times milliseconds.
    pub gpu_time: u64,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A server is there, or says something else of itself.
    PutServer(ServerRecord),
    /// A server is to be forgotten.
    RemoveServer(String),
    /// A lease began.
    Begin(Lease),
    /// A lease ended. One that is not there has ended before: nothing is counted twice.
    End {
        /// Which.
        id: RequestId,
        /// When, in milliseconds since 1970.
        end_ms: u64,
        /// GPU time that it took: thousandths of a GPU times milliseconds.
        gpu_time: u64,
    },
    /// Limits of a user, a group, or all; None: no longer.
    Limits(Principal, Option<Limits>),
    /// Settings of a user; None: no longer.
    User(String, Option<UserRecord>),
    /// History of leases that ended before this time (milliseconds since 1970) is not needed any more. What they took stays counted.
    ForgetHistory(u64),
}

/// All but the history, as it is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// By name.
    pub servers: BTreeMap<String, ServerRecord>,
    /// Those that began and did not end.
    pub leases: BTreeMap<RequestId, Lease>,
    /// Limits.
    pub limits: BTreeMap<Principal, Limits>,
    /// Settings of users, by name.
    pub users: BTreeMap<String, UserRecord>,
    /// GPU time of leases that ended (thousandths of a GPU times milliseconds).
    pub gpu_time: BTreeMap<Principal, u64>,
}

impl Contents {
    /// A scheduler that knows all this. Servers are down until they are heard of; their leases are counted meanwhile. What
    /// could not be taken in, which a sound store does not have, is told.
    pub fn scheduler(&self) -> (Scheduler, Vec<Conflict>) {
        let (mut scheduler, mut conflicts) = (Scheduler::new(), Vec::new());
        for server in self.servers.values() {
            conflicts.extend(scheduler.put_server(server.info.clone(), ServerState::Down).err());
        }
        for lease in self.leases.values() {
            conflicts.extend(scheduler.adopt(lease.clone()).err());
        }
        for (principal, limits) in &self.limits {
            scheduler.set_limits(principal.clone(), Some(*limits));
        }
        for (principal, gpu_time) in &self.gpu_time {
            scheduler.count_past(principal.clone(), *gpu_time);
        }
        (scheduler, conflicts)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Store(Place);

#[derive(Debug)]
enum Place {
    File(FileStore),
    Etcd(EtcdStore),
}

impl Store {
    /// Opens the store in a folder, or makes both. After a crash, what was not finished is undone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self(Place::File(FileStore::open(folder)?)))
    }

    /// On a storage of another kind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn on(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Ok(Self(Place::File(FileStore::on(backend)?)))
    }

    /// The store in etcd, for as long as this node leads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_etcd(etcd: &Etcd, leadership: &Leadership) -> Result<Self, StoreError> {
        Ok(Self(Place::Etcd(EtcdStore::open(etcd, leadership)?)))
    }

    /// Makes changes, all or none; they are kept when this returns.
    ///
    /// # Errors
    /// - [`StoreError::Failed`], from a file: whether they were made is not known then until the store is opened anew.
    /// - [`StoreError::TooLarge`], [`StoreError::Etcd`], [`StoreError::NotLeader`]: nothing was changed. After the last, nothing will be.
    /// - [`StoreError::Unresolved`]: that is not known, and this store changes nothing any more.
    pub fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        match &self.0 {
            Place::File(file) => file.apply(changes),
            Place::Etcd(etcd) => etcd.apply(changes),
        }
    }

    /// All but the history.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contents(&self) -> Result<Contents, StoreError> {
        match &self.0 {
            Place::File(file) => file.contents(),
            Place::Etcd(etcd) => etcd.contents(),
        }
    }

    /// Leases that ended from one time until before another (milliseconds since 1970), oldest first; [`HISTORY_ROWS_MAX`] at the most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(&self, from_ms: u64, until_ms: u64) -> Result<Vec<HistoryRow>, StoreError> {
        match &self.0 {
            Place::File(file) => file.history(from_ms, until_ms),
            Place::Etcd(etcd) => etcd.history(from_ms, until_ms),
        }
    }
}
