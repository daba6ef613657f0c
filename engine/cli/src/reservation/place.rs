//! Where a user's reservations are found, and what is said there.
//!
//! A folder that only the user can enter holds for each reservation a socket, a file that its holder keeps locked for as long as it lives
//! (so that what a killed one has left is known to be that), and when it has ended a line that says why.

use super::checked;
use crate::Failure;
use ringway_wire::control::{self, ControlError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names that are tried where none is given.
const NAMES_TRIED: u32 = 1000;
/// Bytes of a path of a socket at the most: `sun_path` holds one more, a NUL.
const SOCKET_PATH_MAX: usize = 107;
/// Bytes of what is read of why a reservation ended.
const WHY_BYTES_MAX: u64 = 500;

/// What is asked of a holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// By which lease to run; the connection stays open for as long as the program runs.
    Use,
    /// What is reserved.
    Describe,
    /// The reservation is to end; the answer comes when it has.
    Release,
}

/// What a holder answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Ask::Use`].
    Use {
        /// What is leased, where, over which link, and why it is that one.
        description: String,
        /// `RINGWAY_LEASE`.
        variable: String,
        /// Name of the link.
        link: String,
        /// The server is on this host.
        same_host: bool,
    },
    /// To [`Ask::Describe`].
    Described(Description),
    /// To [`Ask::Release`].
    Released,
    /// It cannot be; why.
    Refused(String),
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// The lease.
    pub lease: String,
    /// What is leased, where, and over which link.
    pub gpus: String,
    /// Process id of the holder.
    pub pid: u32,
    /// Seconds since it was made.
    pub age_s: u64,
    /// Programs that run in it.
    pub programs: u32,
    /// It ends when it was not used for so many seconds.
    pub unused_s: Option<u64>,
    /// It does not end with the session in which it was made.
    pub kept: bool,
}

/// A reservation's place.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    name: String,
}

/// The user's folder, made if it is not there, and nobody else's.
fn folder() -> Result<PathBuf, Failure> {
    // SAFETY: cannot fail and touches no memory.
    let uid = unsafe { libc::geteuid() };
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
    let folder = match runtime {
        Some(runtime) => runtime.join("ringway-reservations"),
        None => std::env::temp_dir().join(format!("ringway-reservations-{uid}")),
    };
    let failed = |error: io::Error| Failure::new(format!("{}: {error}; set XDG_RUNTIME_DIR to a folder of your own", folder.display()));
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    // Not through a link: in a temporary folder another user could have made one.
    let found = std::fs::symlink_metadata(&folder).map_err(failed)?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        return Err(Failure::new(format!(
            "{} is not a folder of yours alone; remove it, or set XDG_RUNTIME_DIR to a folder of your own",
            folder.display()
        )));
    }
    Ok(folder)
}

/// The first of r1, r2, ... that is no reservation's.
pub fn free_name() -> Result<String, Failure> {
    for number in 1..=NAMES_TRIED {
        let name = format!("r{number}");
        if !Place::of(&name)?.is_held()? {
            return Ok(name);
        }
    }
    Err(Failure::new("there are very many reservations already; end some (`ringway request --list`), or name this one with --name"))
}

/// Whether the other end of a socket was closed.
fn has_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

impl Place {
    /// That of a name.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn of(name: &str) -> Result<Self, Failure> {
        let place = Self { folder: folder()?, name: checked(name)?.to_owned() };
        if place.socket().as_os_str().len() > SOCKET_PATH_MAX {
            return Err(Failure::new(format!("{} is too long a path for a socket; choose a shorter name", place.socket().display())));
        }
        Ok(place)
    }

    /// Those of all reservations that are held, by name.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn all() -> Result<Vec<Self>, Failure> {
        let folder = folder()?;
        let mut names: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| path.extension().is_some_and(|end| end == "sock"));
            names.extend(name.filter(|name| checked(name).is_ok()).map(str::to_owned));
        }
        names.sort();
        let places = names.into_iter().map(|name| Self { folder: folder.clone(), name });
        Ok(places.filter(|place| !place.remove_left().unwrap_or(true)).collect())
    }

    fn path(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", self.name))
    }

    /// Where the holder listens.
    pub fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    /// Takes the name for this process, until the file is closed; None: another has it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take(&self) -> io::Result<Option<File>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.path("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether there is a holder.
    fn is_held(&self) -> io::Result<bool> {
        if !self.path("lock").exists() {
            return Ok(false);
        }
        Ok(self.take()?.is_none())
    }

    /// Removes the socket that a killed holder has left; whether there is no holder.
    fn remove_left(&self) -> io::Result<bool> {
        // Kept while the socket is removed: nobody takes the name meanwhile.
        let Some(_lock) = self.take()? else { return Ok(false) };
        std::fs::remove_file(self.socket()).map(|()| true)
    }

    /// Why the reservation that was here has ended, where that was written down.
    pub fn why_ended(&self) -> Option<String> {
        let mut text = String::new();
        File::open(self.path("ended")).ok()?.take(WHY_BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Writes down why the reservation ends; None: whoever wanted it knows.
    pub fn write_end(&self, why: Option<&str>) {
        // Without it there is less to be said to those who come later.
        let _ = match why {
            Some(why) => write_private(&self.path("ended"), why),
            None => std::fs::remove_file(self.path("ended")),
        };
    }

    /// Asks the holder.
    ///
    /// # Errors
    /// There is none, or it refuses.
    pub fn ask(&self, ask: &Ask, timeout: Duration) -> Result<(UnixStream, Answer), Failure> {
        let mut stream = UnixStream::connect(self.socket()).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => self.missing(),
            _ => Failure::new(format!("{}: {error}", self.socket().display())),
        })?;
        let asked = stream
            .set_read_timeout(Some(timeout))
            .map_err(ControlError::from)
            .and_then(|()| control::send(&mut stream, ask))
            .and_then(|()| control::receive(&mut stream));
        match asked {
            Ok(Answer::Refused(why)) => Err(Failure::new(format!("the reservation {}: {why}", self.name))),
            Ok(answer) => Ok((stream, answer)),
            // It ended while it was asked.
            Err(ControlError::Io(error)) if has_gone(&error) && !self.socket().exists() => Err(self.missing()),
            Err(error) => Err(Failure::new(format!("the holder of the reservation {} does not answer: {error}", self.name))),
        }
    }

    fn missing(&self) -> Failure {
        let why = match self.why_ended() {
            Some(why) => format!("the reservation {} has ended: {why}", self.name),
            None => format!("there is no reservation {}", self.name),
        };
        Failure::new(format!("{why}; `ringway request --list` shows those there are, `ringway request --name {}` makes one", self.name))
    }

    /// An answer that fits no question.
    pub fn unexpected(&self) -> Failure {
        Failure::new(format!("the holder of the reservation {} is of another release; end it and make it anew", self.name))
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
