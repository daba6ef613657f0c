//! The audit log: who did what, one line of JSON each, in a file of the pool's folder.
//!
//! Lines are appended by a thread of their own, so that nobody waits for the disk but who has to: an administrator's act is on the disk
//! before it is done ([`Audit::write_now`]). The others are synced at least once a second. A file that is full is renamed
//! (`audit.jsonl.1` is the next older), and of those [`FILES_MAX`] are kept.

use crate::identity::Folder;
use ringway_wire::pool::{AuditRow, ROWS_MAX};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Name of the file in the pool's folder.
pub const FILE: &str = "audit.jsonl";
/// Bytes of a file, from which on another is begun.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// Older files that are kept.
pub const FILES_MAX: u32 = 8;
/// Lines that wait to be written at the most; more are lost, which is told and counted.
const WAITING_MAX: usize = 16_384;
/// How long a line may be in memory only.
const SYNC: Duration = Duration::from_secs(1);
/// How long an administrator's act waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of rows in one answer at the most; it must fit into a frame.
const ANSWER_BYTES_MAX: usize = 160 << 10;
/// How often it is told that the log cannot be written.
const COMPLAINT: Duration = Duration::from_secs(60);

type Done = SyncSender<Result<(), String>>;

struct Order {
    /// None: nothing new; what there is gets onto the disk.
    row: Option<AuditRow>,
    /// Whoever waits until it is on the disk.
    done: Option<Done>,
}

/// What writer and readers share.
#[derive(Debug, Default)]
struct Shared {
    /// Why the log cannot be written; None: it can.
    broken: Mutex<Option<String>>,
    /// Held while files are renamed, and while they are read.
    names: Mutex<()>,
}

/// See the module.
#[derive(Debug)]
pub struct Audit {
    folder: PathBuf,
    orders: SyncSender<Order>,
    shared: Arc<Shared>,
    lost: prometheus::IntCounter,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Audit {
    /// In a folder; what is lost is counted.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn open(folder: &Path, lost: prometheus::IntCounter) -> io::Result<Self> {
        Self::with_limit(folder, lost, FILE_BYTES_MAX)
    }

    fn with_limit(folder: &Path, lost: prometheus::IntCounter, file_bytes_max: u64) -> io::Result<Self> {
        let (orders, receiver) = sync_channel(WAITING_MAX);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            folder: folder.into(),
            file_bytes_max,
            file: None,
            next: 1,
            missing: 0,
            complained: None,
            shared: Arc::clone(&shared),
            lost: lost.clone(),
        };
        std::thread::Builder::new().name("audit".into()).spawn(move || writer.write_for_ever(&receiver))?;
        Ok(Self { folder: folder.into(), orders, shared, lost })
    }

    /// Has a line written soon.
    pub fn write(&self, row: AuditRow) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.orders.try_send(Order { row: Some(row), done: None }) {
            self.lost.inc();
        }
    }

    /// Writes a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn write_now(&self, row: AuditRow) -> Result<(), String> {
        self.have_done(Some(row))
    }

    /// What was to be written is on the disk when this returns.
    ///
    /// # Errors
    /// Why it is not.
    pub fn settle(&self) -> Result<(), String> {
        self.have_done(None)
    }

    fn have_done(&self, row: Option<AuditRow>) -> Result<(), String> {
        let (done, outcome) = sync_channel(1);
        let is_line = row.is_some();
        if self.orders.try_send(Order { row, done: Some(done) }).is_err() {
            self.lost.inc_by(is_line.into());
            return Err("too many lines wait to be written".into());
        }
        outcome.recv_timeout(PATIENCE).unwrap_or_else(|_| Err("the disk does not answer".into()))
    }

    /// Why the log cannot be written; None: it can, as far as is known.
    pub fn broken(&self) -> Option<String> {
        locked(&self.shared.broken).clone()
    }

    /// Lines after the one of this number, oldest first, and whether there are more.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self, after: Option<u64>) -> io::Result<(Vec<AuditRow>, bool)> {
        let _names = locked(&self.shared.names);
        let mut files = Vec::new();
        for age in (0..=FILES_MAX).rev() {
            match File::open(path(&self.folder, age)) {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let from = after.map_or(0, |after| after.saturating_add(1));
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let mut files = files.into_iter().map(Lines::new).peekable();
        while let Some(mut lines) = files.next() {
            // All of it is older than what is asked for if the next file is, too.
            if files.peek_mut().and_then(Lines::first).is_some_and(|first| first <= from) {
                continue;
            }
            while let Some((row, length)) = lines.next_row()? {
                if row.number < from {
                    continue;
                }
                bytes += length;
                if rows.len() == ROWS_MAX || bytes > ANSWER_BYTES_MAX && !rows.is_empty() {
                    return Ok((rows, true));
                }
                rows.push(row);
            }
        }
        Ok((rows, false))
    }
}

/// The rows of one file. What is none is passed over.
struct Lines {
    reader: BufReader<io::Take<File>>,
    ahead: Option<(AuditRow, usize)>,
}

impl Lines {
    fn new(file: File) -> Self {
        Self { reader: BufReader::new(file.take(4 * FILE_BYTES_MAX)), ahead: None }
    }

    /// Number of its first row.
    fn first(&mut self) -> Option<u64> {
        if self.ahead.is_none() {
            self.ahead = self.next_row().ok().flatten();
        }
        self.ahead.as_ref().map(|(row, _)| row.number)
    }

    fn next_row(&mut self) -> io::Result<Option<(AuditRow, usize)>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            // The last line may be being written.
            if line.ends_with(b"\n")
                && let Ok(row) = serde_json::from_slice(&line)
            {
                return Ok(Some((row, line.len())));
            }
        }
    }
}

fn path(folder: &Path, age: u32) -> PathBuf {
    folder.join(if age == 0 { FILE.into() } else { format!("{FILE}.{age}") })
}

struct Writer {
    folder: PathBuf,
    file_bytes_max: u64,
    /// And its length.
    file: Option<(File, u64)>,
    /// Number of the next line.
    next: u64,
    /// Lines that could not be written since one last could.
    missing: u64,
    complained: Option<Instant>,
    shared: Arc<Shared>,
    lost: prometheus::IntCounter,
}

impl Writer {
    fn write_for_ever(mut self, orders: &Receiver<Order>) {
        let mut synced = Instant::now();
        let mut is_dirty = false;
        loop {
            let first = if is_dirty {
                match orders.recv_timeout(SYNC.saturating_sub(synced.elapsed())) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            } else {
                match orders.recv() {
                    Ok(order) => Some(order),
                    Err(_) => return,
                }
            };
            let mut waiting = Vec::new();
            for order in first.into_iter().chain(orders.try_iter().take(256)) {
                let written = order.row.map_or(Ok(()), |row| self.write(row));
                is_dirty = true;
                if let Some(done) = order.done {
                    waiting.push((done, written));
                }
            }
            if !waiting.is_empty() || synced.elapsed() >= SYNC {
                let in_time = self.sync();
                (synced, is_dirty) = (Instant::now(), false);
                for (done, written) in waiting {
                    // Who has run out of patience does not hear it.
                    let _ = done.send(written.and(in_time.clone()));
                }
            }
        }
        let _ = self.sync();
    }

    fn write(&mut self, row: AuditRow) -> Result<(), String> {
        let written = self.try_write(row);
        let told = written.map_err(|error| format!("{}: {error}", path(&self.folder, 0).display()));
        if let Err(why) = &told {
            self.lost.inc();
            self.missing += 1;
            self.fail(why);
        } else {
            *locked(&self.shared.broken) = None;
        }
        told
    }

    fn fail(&mut self, why: &str) {
        self.file = None;
        *locked(&self.shared.broken) = Some(why.into());
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAINT) {
            self.complained = Some(Instant::now());
            tracing::error!(
                "THE AUDIT LOG CANNOT BE WRITTEN: {why}; administration is refused until it can: make room, or mend the folder and its modes"
            );
        }
    }

    fn try_write(&mut self, row: AuditRow) -> io::Result<()> {
        if self.missing > 0 {
            let detail = format!("{} lines could not be written", self.missing);
            let lost = AuditRow { act: "audit.lost".into(), outcome: "done".into(), time_ms: row.time_ms, detail, ..AuditRow::default() };
            self.append(lost)?;
            self.missing = 0;
        }
        self.append(row)
    }

    fn append(&mut self, mut row: AuditRow) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        row.number = self.next;
        let mut line = serde_json::to_vec(&row)?;
        line.push(b'\n');
        if let Some((file, length)) = &self.file
            && *length > 0
            && *length + line.len() as u64 > self.file_bytes_max
        {
            file.sync_data()?;
            self.rotate()?;
            self.file = Some(self.open()?);
        }
        let Some((file, length)) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(error) = file.write_all(&line) {
            // Half a line is none.
            let _ = file.set_len(*length);
            return Err(error);
        }
        *length += line.len() as u64;
        self.next += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), String> {
        let Some((file, _)) = &self.file else { return Ok(()) };
        let synced = file.sync_data();
        let told = synced.map_err(|error| format!("{}: {error}", path(&self.folder, 0).display()));
        if let Err(why) = &told {
            self.fail(why);
        }
        told
    }

    /// Opens the file, or makes it; numbers go on where they were.
    fn open(&mut self) -> io::Result<(File, u64)> {
        Folder::make(&self.folder).map_err(io::Error::other)?;
        let path_now = path(&self.folder, 0);
        let options = OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path_now);
        let file = options?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("it is no regular file; move it away"));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("it may be read or written by others (mode {:03o}); chmod 600 it", meta.mode() & 0o777)));
        }
        let mut last = None;
        let (whole, mut length) = (meta.len(), 0);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            length += line.len() as u64;
            last = serde_json::from_slice::<AuditRow>(&line).map(|row| row.number).ok().or(last);
            line.clear();
        }
        // What a crash tore.
        if length < whole {
            file.set_len(length)?;
        }
        if last.is_none() && self.next == 1 {
            let mut older = (1..=FILES_MAX).filter_map(|age| File::open(path(&self.folder, age)).ok().map(Lines::new));
            if let Some(mut lines) = older.next() {
                while let Some((row, _)) = lines.next_row()? {
                    last = Some(row.number);
                }
            }
        }
        self.next = self.next.max(last.map_or(1, |last| last + 1));
        Ok((file, length))
    }

    fn rotate(&mut self) -> io::Result<()> {
        let _names = locked(&self.shared.names);
        for age in (0..FILES_MAX).rev() {
            match std::fs::rename(path(&self.folder, age), path(&self.folder, age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn lost() -> prometheus::IntCounter {
        prometheus::IntCounter::new("lost", "lost").unwrap()
    }

    fn row(detail: &str) -> AuditRow {
        AuditRow { act: "lease.granted".into(), detail: detail.into(), ..AuditRow::default() }
    }

    fn all(audit: &Audit) -> Vec<AuditRow> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let (some, more) = audit.read(after).unwrap();
            after = some.last().map(|row| row.number).or(after);
            rows.extend(some);
            if !more {
                return rows;
            }
        }
    }

    #[test]
    fn lines_are_numbered_over_restarts_and_torn_ones_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        for run in 0..3 {
            let audit = Audit::open(&state, lost()).unwrap();
            for i in 0..100 {
                audit.write(row(&format!("{run} {i}")));
            }
            audit.write_now(row("now")).unwrap();
            assert_eq!(path(&state, 0).metadata().unwrap().mode() & 0o777, 0o600);
            drop(audit);
            OpenOptions::new().append(true).open(path(&state, 0)).unwrap().write_all(b"{\"number\":9").unwrap();
        }
        let audit = Audit::open(&state, lost()).unwrap();
        audit.write_now(row("last")).unwrap();
        let rows = all(&audit);
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), (1..=304).collect::<Vec<_>>());
        assert_eq!((rows[303].detail.as_str(), rows[202].detail.as_str()), ("last", "2 0"));
        let (some, more) = audit.read(Some(300)).unwrap();
        assert_eq!((some.len(), some[0].number, more), (4, 301, false));
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let audit = Audit::with_limit(&state, lost(), 2000).unwrap();
        for i in 0..300 {
            audit.write_now(row(&i.to_string())).unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        assert_eq!(names.len(), FILES_MAX as usize + 1);
        assert!(names.iter().all(|name| name.metadata().unwrap().len() <= 2000));
        let rows = all(&audit);
        assert!(rows.windows(2).all(|two| two[0].number + 1 == two[1].number));
        assert_eq!(rows.last().unwrap().number, 300);
        assert!(rows[0].number > 100);
        for after in [rows[0].number, rows[20].number, 299] {
            assert_eq!(audit.read(Some(after)).unwrap().0[0].number, after + 1);
        }
        assert!(audit.read(Some(300)).unwrap().0.is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_told_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let counter = lost();
        let audit = Audit::open(&state, counter.clone()).unwrap();
        audit.write_now(row("one")).unwrap();
        drop(audit);
        std::fs::set_permissions(path(&state, 0), std::fs::Permissions::from_mode(0o644)).unwrap();
        let audit = Audit::open(&state, counter.clone()).unwrap();
        let why = audit.write_now(row("two")).unwrap_err();
        assert!(why.contains("chmod 600"), "{why}");
        assert_eq!((audit.broken().as_ref(), counter.get()), (Some(&why), 1));
        std::fs::set_permissions(path(&state, 0), std::fs::Permissions::from_mode(0o600)).unwrap();
        audit.write_now(row("three")).unwrap();
        assert_eq!(audit.broken(), None);
        let rows = all(&audit);
        let told: Vec<_> = rows.iter().map(|row| (row.number, row.act.as_str(), row.detail.as_str())).collect();
        let wanted = [(1, "lease.granted", "one"), (2, "audit.lost", "1 lines could not be written"), (3, "lease.granted", "three")];
        assert_eq!(told, wanted);
    }
}
