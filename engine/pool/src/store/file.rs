//! The store in one file, changed by transactions.
//!
//! The file is a database of the crate redb: copy on write, the root written last and with a checksum, in two phases. What was
//! acknowledged is there after the process was killed or the machine lost its power.

use super::{Change, Contents, HISTORY_ROWS_MAX, HistoryRow, StoreError, VERSION};
use crate::identity::Folder;
use crate::scheduler::{Lease, Principal};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

/// Name of the file in the pool's folder.
pub const FILE: &str = "pool.redb";
/// Bytes that the database may keep in memory.
const CACHE_BYTES: usize = 64 << 20;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const SERVERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("servers");
const LEASES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("leases");
/// By the JSON of a [`Principal`].
const LIMITS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("limits");
const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
/// By the end of the lease, in milliseconds since 1970, and its name.
const HISTORY: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("history");
/// GPU time that leases which ended took, by the JSON of a [`Principal`].
const GPU_TIME: TableDefinition<'_, &str, u64> = TableDefinition::new("gpu_time");

/// See the module.
#[derive(Debug)]
pub(super) struct FileStore {
    path: PathBuf,
    database: Database,
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

fn key(principal: &Principal) -> Result<String, redb::Error> {
    serde_json::to_string(principal).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

fn parse<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(bytes).map_err(|error| redb::Error::Corrupted(format!("{what}: {error}")))
}

impl Change {
    fn apply(&self, to: &WriteTransaction) -> Result<(), redb::Error> {
        match self {
            Self::PutServer(server) => {
                to.open_table(SERVERS)?.insert(server.info.name.as_str(), json(server)?.as_slice())?;
            }
            Self::RemoveServer(name) => {
                to.open_table(SERVERS)?.remove(name.as_str())?;
            }
            Self::Begin(lease) => {
                to.open_table(LEASES)?.insert(lease.id, json(lease)?.as_slice())?;
            }
            Self::End { id, end_ms, gpu_time } => {
                let Some(lease) = to.open_table(LEASES)?.remove(id)?.map(|value| parse::<Lease>("a lease", value.value())).transpose()?
                else {
                    return Ok(());
                };
                let mut sums = to.open_table(GPU_TIME)?;
                let user = Principal::User(lease.user.clone());
                let group = (!lease.group.is_empty()).then(|| Principal::Group(lease.group.clone()));
                for principal in std::iter::once(user).chain(group) {
                    let key = key(&principal)?;
                    let before = sums.get(key.as_str())?.map_or(0, |sum| sum.value());
                    sums.insert(key.as_str(), before.saturating_add(*gpu_time))?;
                }
                let row = HistoryRow { lease, end_ms: *end_ms, gpu_time: *gpu_time };
                to.open_table(HISTORY)?.insert((*end_ms, *id), json(&row)?.as_slice())?;
            }
            Self::Limits(principal, limits) => {
                let (mut table, key) = (to.open_table(LIMITS)?, key(principal)?);
                match limits {
                    Some(limits) => table.insert(key.as_str(), json(limits)?.as_slice())?.map(drop),
                    None => table.remove(key.as_str())?.map(drop),
                };
            }
            Self::User(name, record) => {
                let mut table = to.open_table(USERS)?;
                match record {
                    Some(record) => table.insert(name.as_str(), json(record)?.as_slice())?.map(drop),
                    None => table.remove(name.as_str())?.map(drop),
                };
            }
            Self::ForgetHistory(before_ms) => {
                to.open_table(HISTORY)?.retain_in((0, 0)..(*before_ms, 0), |_, _| false)?;
            }
        }
        Ok(())
    }
}

impl FileStore {
    /// Opens the store in a folder, or makes both. After a crash, what was not finished is undone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = Folder::make(folder)?.file(FILE);
        let failed = |error: std::io::Error| StoreError::Failed(path.clone(), error.to_string());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode();
        if mode & 0o077 != 0 {
            return Err(StoreError::Open(path, mode & 0o777));
        }
        Self::of(path, || Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(FileBackend::new(file)?))
    }

    /// On a storage of another kind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn on(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::of("the storage".into(), || Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend))
    }

    fn of(path: PathBuf, database: impl FnOnce() -> Result<Database, DatabaseError>) -> Result<Self, StoreError> {
        // The database takes it for a fault of its own, and panics, where a page says what it never wrote.
        let sound = AssertUnwindSafe(|| Self::open_sound(path.clone(), database()));
        std::panic::catch_unwind(sound).unwrap_or_else(|_| Err(StoreError::Failed(path, "it is damaged".into())))
    }

    fn open_sound(path: PathBuf, database: Result<Database, DatabaseError>) -> Result<Self, StoreError> {
        let database = match database {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse(path)),
            Err(error) => return Err(StoreError::Failed(path, error.to_string())),
        };
        let store = Self { path, database };
        let version = store.changed(|to| {
            // All tables are there from the beginning, so that readers need not ask.
            to.open_table(SERVERS)?;
            to.open_table(LEASES)?;
            to.open_table(LIMITS)?;
            to.open_table(USERS)?;
            to.open_table(HISTORY)?;
            to.open_table(GPU_TIME)?;
            let mut meta = to.open_table(META)?;
            let version = meta.get("version")?.map(|version| version.value());
            if version.is_none() {
                meta.insert("version", VERSION)?;
            }
            Ok(version.unwrap_or(VERSION))
        })?;
        if version > VERSION {
            return Err(StoreError::Version(store.path, version));
        }
        store.contents()?;
        Ok(store)
    }

    fn failed(&self, error: impl std::fmt::Display) -> StoreError {
        StoreError::Failed(self.path.clone(), error.to_string())
    }

    /// One transaction; on the disk when this returns.
    fn changed<R>(&self, change: impl FnOnce(&WriteTransaction) -> Result<R, redb::Error>) -> Result<R, StoreError> {
        let run = || -> Result<R, redb::Error> {
            let mut transaction = self.database.begin_write()?;
            // What users call themselves gets into the file, and one phase trusts in checksums that can be computed. It also makes
            // opening after a crash quick.
            transaction.set_quick_repair(true);
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| self.failed(error))
    }

    /// Makes changes, all or none; they are on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: whether they were made is not known then until the store is opened anew.
    pub(super) fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.changed(|to| changes.iter().try_for_each(|change| change.apply(to)))
    }

    /// All but the history.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub(super) fn contents(&self) -> Result<Contents, StoreError> {
        self.read_contents().map_err(|error| self.failed(error))
    }

    fn read_contents(&self) -> Result<Contents, redb::Error> {
        let from = self.database.begin_read()?;
        let mut contents = Contents::default();
        for row in from.open_table(SERVERS)?.iter()? {
            let (name, value) = row?;
            contents.servers.insert(name.value().into(), parse("a server", value.value())?);
        }
        for row in from.open_table(LEASES)?.iter()? {
            let (id, value) = row?;
            contents.leases.insert(id.value(), parse("a lease", value.value())?);
        }
        for row in from.open_table(LIMITS)?.iter()? {
            let (principal, value) = row?;
            contents.limits.insert(parse("whose limits", principal.value().as_bytes())?, parse("limits", value.value())?);
        }
        for row in from.open_table(USERS)?.iter()? {
            let (name, value) = row?;
            contents.users.insert(name.value().into(), parse("a user", value.value())?);
        }
        for row in from.open_table(GPU_TIME)?.iter()? {
            let (principal, sum) = row?;
            contents.gpu_time.insert(parse("whose GPU time", principal.value().as_bytes())?, sum.value());
        }
        Ok(contents)
    }

    /// Leases that ended from one time until before another (milliseconds since 1970), oldest first; [`HISTORY_ROWS_MAX`] at the most.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub(super) fn history(&self, from_ms: u64, until_ms: u64) -> Result<Vec<HistoryRow>, StoreError> {
        let read = || -> Result<Vec<HistoryRow>, redb::Error> {
            let table = match self.database.begin_read()?.open_table(HISTORY) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let rows = table.range((from_ms, 0)..(until_ms.max(from_ms), 0))?.take(HISTORY_ROWS_MAX);
            rows.map(|row| parse("a row of history", row?.1.value())).collect()
        };
        read().map_err(|error| self.failed(error))
    }
}
