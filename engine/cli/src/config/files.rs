//! Which files are read, in which order, and which are not to be trusted.

use super::ConfigError;
use super::settings;
use clap::Command;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The machine's folder.
const SYSTEM: &str = "/etc/ringway";
/// Never configuration: what `ringway token create` makes.
const TOKEN_FILE: &str = "token.toml";
/// Files of one folder at the most.
const FILES_MAX: usize = 64;
/// Bytes of one file at the most.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Whose a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The machine's: root's.
    System,
    /// This user's.
    User,
}

/// The folders, the last of which wins.
#[derive(Debug)]
pub struct Folders(pub Vec<(PathBuf, Owner)>);

impl Folders {
    /// `RINGWAY_CONFIG`, else the machine's and this user's.
    pub fn of_this_user() -> Self {
        if let Some(named) = std::env::var_os("RINGWAY_CONFIG") {
            let folders = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
            return Self(folders.map(|path| (path, Owner::User)).collect());
        }
        let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")));
        let own = base.map(|base| (base.join("ringway"), Owner::User));
        Self(std::iter::once((SYSTEM.into(), Owner::System)).chain(own).collect())
    }
}

/// A file's text.
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says; it may hold secrets.
    pub text: Zeroizing<String>,
}

/// A file that is not read.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub why: String,
    /// That is as it should be, and nothing to tell everybody.
    pub as_meant: bool,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not read: {}", self.path.display(), self.why)
    }
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// Files in the order in which they count: a later one wins.
    pub files: Vec<ConfigFile>,
    /// Files that were passed over and that somebody might miss.
    pub left_out: Vec<LeftOut>,
}

/// Reads the files that concern a command; without one, all.
///
/// A file that this user may not read is not meant for this user, and passed over: /etc/ringway/serve.toml, which may hold a secret,
/// is for the server alone.
///
/// # Errors
/// [`ConfigError`]: a file can be written by others, or cannot be read for another reason than that it is not meant for this user.
pub fn find(folders: &Folders, tree: &Command, command: Option<&str>) -> Result<Found, ConfigError> {
    let sections: Vec<String> = settings::sections(tree).iter().map(|section| section.get_name().to_owned()).collect();
    let command = command.and_then(|name| tree.find_subcommand(name));
    let mut found = Found::default();
    for (folder, owner) in &folders.0 {
        for path in names(folder)? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let leave_out = |found: &mut Found, why: String, as_meant| found.left_out.push(LeftOut { path: path.clone(), why, as_meant });
            if path.file_name().is_some_and(|name| name == TOKEN_FILE) {
                leave_out(&mut found, "a token file is no configuration".into(), true);
                continue;
            }
            let named_after = sections.iter().find(|section| *section == stem);
            if let (Some(section), Some(command)) = (named_after, command)
                && !settings::concerns(section, command)
            {
                continue;
            }
            match read(&path, *owner) {
                Ok(text) => found.files.push(ConfigFile { path, text }),
                Err(ConfigError::Read(_, error)) if error.kind() == io::ErrorKind::PermissionDenied && *owner == Owner::System => {
                    leave_out(&mut found, "this user may not".into(), false);
                }
                Err(error) => return Err(error),
            }
        }
    }
    if command.is_some() {
        found.left_out.retain(|file| !file.as_meant);
    }
    Ok(found)
}

/// The TOML files of a folder, by name. No folder, no files.
fn names(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |error| ConfigError::Read(folder.into(), error);
    let entries = match std::fs::read_dir(folder) {
        // Whether it is there or not cannot be known where even looking is forbidden: it is not meant for this user.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied) => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
        if found.len() > FILES_MAX {
            return Err(ConfigError::File(folder.into(), format!("more than {FILES_MAX} files; put several into one")));
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path, owner: Owner) -> Result<Zeroizing<String>, ConfigError> {
    let failed = |error| ConfigError::Read(path.into(), error);
    // A FIFO of that name must not hold up the program; it is refused below.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(ConfigError::File(path.into(), "it is no regular file; take it away".into()));
    }
    // SAFETY: cannot fail and touches no memory.
    let user = unsafe { libc::geteuid() };
    check(path, owner, user, meta.uid(), meta.mode())?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError::File(path.into(), format!("it is longer than {} KiB; no configuration is", FILE_BYTES_MAX >> 10)));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| ConfigError::File(path.into(), "it is not text in UTF-8".into()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whether nobody writes a file who should not: of the machine's files root alone, of a user's that user and root.
pub(super) fn check(path: &Path, owner: Owner, user: u32, file_owner: u32, mode: u32) -> Result<(), ConfigError> {
    let untrusted = |why: String, cure: String| Err(ConfigError::Untrusted(path.into(), why, cure));
    let name = path.display();
    if owner == Owner::System && file_owner != 0 {
        return untrusted(format!("it belongs to uid {file_owner}"), format!("chown root {name}"));
    }
    if file_owner != 0 && file_owner != user {
        return untrusted(format!("it belongs to uid {file_owner}"), format!("chown {user} {name}"));
    }
    if mode & 0o022 != 0 {
        return untrusted(format!("it can be written by other users (mode {:03o})", mode & 0o777), format!("chmod go-w {name}"));
    }
    Ok(())
}
