//! The folder: private to its owner, its files replaced whole or not at all.

use super::IdentityError;
use ringway_secure::{hex, random};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Bytes of a file at the most.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// How long another program may keep the folder to itself.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a server's identity is unless it is told otherwise: `/var/lib/ringway` for root, else under the XDG state folder.
///
/// # Errors
/// [`IdentityError::NoFolder`].
pub fn default_folder() -> Result<PathBuf, IdentityError> {
    state_folder("ringway")
}

/// Where a pool keeps its own, unless it is told otherwise.
///
/// # Errors
/// [`IdentityError::NoFolder`].
pub fn default_pool_folder() -> Result<PathBuf, IdentityError> {
    state_folder("ringway-pool")
}

fn state_folder(name: &str) -> Result<PathBuf, IdentityError> {
    if effective_user() == 0 {
        return Ok(PathBuf::from("/var/lib").join(name));
    }
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    of("XDG_STATE_HOME")
        .or_else(|| Some(of("HOME")?.join(".local/state")))
        .map(|base| base.join(name))
        .ok_or(IdentityError::NoFolder)
}

fn effective_user() -> u32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}

/// A folder that was checked.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// While this lives, no other program changes the folder.
pub(super) struct Locked(#[expect(dead_code, reason = "closing it unlocks")] File);

fn check(path: &Path, meta: &Metadata, cure: &'static str) -> Result<(), IdentityError> {
    if meta.uid() != effective_user() {
        return Err(IdentityError::Owner(path.into(), meta.uid(), effective_user()));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(IdentityError::Open(path.into(), meta.mode() & 0o777, cure));
    }
    Ok(())
}

impl Folder {
    /// The folder, if it is there.
    ///
    /// # Errors
    /// [`IdentityError`]: it is not private.
    pub fn find(path: &Path) -> Result<Option<Self>, IdentityError> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IdentityError::Io(path.into(), error)),
            Ok(meta) if !meta.is_dir() => Err(IdentityError::Io(path.into(), io::ErrorKind::NotADirectory.into())),
            Ok(meta) => check(path, &meta, "700").map(|()| Some(Self(path.into()))),
        }
    }

    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// [`IdentityError`]: it cannot be made, or is not private.
    pub fn make(path: &Path) -> Result<Self, IdentityError> {
        let failed = |error| IdentityError::Io(path.into(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        Self::find(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// Path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Keeps other programs from changing the folder.
    pub(super) fn lock(&self) -> Result<Locked, IdentityError> {
        let path = self.file("lock");
        let failed = |error| IdentityError::Io(path.clone(), error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Locked(file)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(failed(io::Error::new(io::ErrorKind::TimedOut, "another program has locked it")));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// A private file's text; None if there is no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, IdentityError> {
        let path = self.file(name);
        let failed = |error| IdentityError::Io(path.clone(), error);
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(IdentityError::Damaged(path, "it is no regular file".into()));
        }
        check(&path, &meta, "600")?;
        if meta.len() > FILE_BYTES_MAX {
            return Err(IdentityError::Damaged(path, format!("it is longer than {FILE_BYTES_MAX} bytes")));
        }
        let mut text = Zeroizing::new(String::with_capacity(meta.len() as usize + 1));
        match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(IdentityError::Damaged(path, "it is no text".into())),
            Err(error) => Err(failed(error)),
        }
    }

    /// Replaces a private file: whoever reads it, now or after a crash, finds the old or the new contents, whole.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), IdentityError> {
        let path = self.file(name);
        let failed = |error| IdentityError::Io(path.clone(), error);
        let beside = self.file(&format!(".{name}.{}", hex(&random::<8>().map_err(failed)?)));
        let written = || -> io::Result<()> {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)?;
            File::open(&self.0)?.sync_all()
        };
        written().map_err(|error| {
            // It may not have been made, or have its name already.
            let _ = std::fs::remove_file(&beside);
            failed(error)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder that goes with the test.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        pub fn new() -> Self {
            Self(std::env::temp_dir().join(format!("ringway-identity-{}", hex(&random::<8>().unwrap()))))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_what_is_private_is_used() {
        let scratch = Scratch::new();
        assert!(Folder::find(&scratch.0).unwrap().is_none());
        let folder = Folder::make(&scratch.0).unwrap();
        assert_eq!(scratch.0.metadata().unwrap().mode() & 0o777, 0o700);
        assert!(folder.read("a").unwrap().is_none());
        folder.write("a", "one").unwrap();
        folder.write("a", "two").unwrap();
        assert_eq!(folder.read("a").unwrap().unwrap().as_str(), "two");
        assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1);
        set_mode(&folder.file("a"), 0o640);
        let refused = folder.read("a").unwrap_err();
        assert!(matches!(refused, IdentityError::Open(..)) && refused.to_string().contains("chmod 600"), "{refused}");
        set_mode(&scratch.0, 0o750);
        let refused = Folder::find(&scratch.0).unwrap_err();
        assert!(refused.to_string().contains("chmod 700"), "{refused}");
        set_mode(&scratch.0, 0o700);
    }

    #[test]
    fn two_programs_do_not_change_it_at_once() {
        let scratch = Scratch::new();
        let folder = Folder::make(&scratch.0).unwrap();
        let locked = folder.lock().unwrap();
        let other = folder.clone();
        let waiting = std::thread::spawn(move || other.lock().map(|_| Instant::now()));
        std::thread::sleep(Duration::from_millis(100));
        let released = Instant::now();
        drop(locked);
        assert!(waiting.join().unwrap().unwrap() >= released);
    }
}
