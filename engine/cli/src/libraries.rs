//! Where Ringway's shared objects are, and the folder of names under which a program finds them.

use crate::Failure;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names of libcuda that programs ask for.
const DRIVER_NAMES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
const NVML_NAME: &str = "libnvidia-ml.so.1";
/// Names of the runtime and of NVML that programs ask for; our own object answers to them.
const SHIM_NAMES: [&str; 6] = [
    "libcudart.so.12",
    "libcudart.so.13",
    "libcudart.so",
    NVML_NAME,
    "libnvidia-ml.so",
    "libnvidia-ml.so.0",
];

/// The shared objects of this installation.
#[derive(Debug, Clone)]
pub struct Libraries {
    /// The object that is loaded into programs.
    pub shim: PathBuf,
    /// The software GPU.
    pub softgpu: PathBuf,
    /// The loader auditor.
    pub audit: PathBuf,
}

impl Libraries {
    /// Finds them: in `$RINGWAY_LIBDIR`, else in `../lib/ringway` beside the program's folder, else in the program's folder
    /// (a build tree).
    ///
    /// # Errors
    /// A missing one, with the folders that were looked into.
    pub fn find() -> Result<Self, Failure> {
        let exe = std::env::current_exe()?;
        let bin = exe.parent().unwrap_or(Path::new("/"));
        let folders = match std::env::var_os("RINGWAY_LIBDIR") {
            Some(dir) => vec![PathBuf::from(dir)],
            None => vec![
                bin.join("../lib/ringway"),
                bin.to_path_buf(),
                bin.join("deps"),
            ],
        };
        let find = |name: &str| {
            folders.iter().map(|dir| dir.join(name)).find(|path| path.is_file()).and_then(|p| p.canonicalize().ok()).ok_or_else(|| {
                let looked: Vec<String> = folders.iter().map(|dir| dir.display().to_string()).collect();
                Failure::new(format!(
                    "{name} is missing (looked in {}); install Ringway again, or set RINGWAY_LIBDIR to the folder that holds it",
                    looked.join(", ")
                ))
            })
        };
        Ok(Self {
            shim: find("libringway_shim.so")?,
            softgpu: find("libringway_softgpu.so")?,
            audit: find("libringway_audit.so")?,
        })
    }
}

/// Folders of processes that were killed are removed when they are older: one that is being made is not locked yet.
const LEFT_FOR: Duration = Duration::from_secs(10);

/// A private folder that is removed with the value. Of a process that is killed it stays until the next one makes its own.
#[derive(Debug)]
pub struct PrivateDir {
    path: PathBuf,
    /// The folder itself, locked: whether its process lives.
    _held: File,
}

impl PrivateDir {
    /// In `$XDG_RUNTIME_DIR`, else in the temporary folder; readable by this user alone.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn create(purpose: &str) -> Result<Self, Failure> {
        let base = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|d| d.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        remove_left(&base);
        for attempt in 0..100 {
            let path = base.join(format!(
                "ringway-{purpose}-{}-{attempt}",
                std::process::id()
            ));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self::hold(&path)?),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Failure::new(format!(
                        "cannot make the folder {}: {error}; set TMPDIR to one that can be written",
                        path.display()
                    )));
                }
            }
        }
        Err(Failure::new(format!(
            "no free name for a private folder in {}",
            base.display()
        )))
    }

    /// One that the program which this one took the place of has made.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn adopt(path: &Path) -> Result<Self, Failure> {
        Self::check(path)?;
        Ok(Self::hold(path)?)
    }

    fn hold(path: &Path) -> std::io::Result<Self> {
        let held = File::open(path)?;
        // Where the file system knows no locks nothing is removed either.
        let _ = held.try_lock();
        Ok(Self { path: path.to_path_buf(), _held: held })
    }

    /// Whether a folder can be such a one.
    ///
    /// # Errors
    /// It is no folder of this user's alone.
    pub fn check(path: &Path) -> Result<(), Failure> {
        let bad = |why: &dyn std::fmt::Display| Failure::new(format!("the folder {} cannot be used any more: {why}; start the server anew", path.display()));
        let found = std::fs::symlink_metadata(path).map_err(|error| bad(&error))?;
        // SAFETY: cannot fail and touches no memory.
        if !found.is_dir() || found.uid() != unsafe { libc::geteuid() } || found.mode() & 0o077 != 0 {
            return Err(bad(&"it is no folder of this user's alone"));
        }
        Ok(())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the folders of this user's processes that were killed.
fn remove_left(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("ringway-")?.rsplit('-').nth(1)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // One that cannot be looked at or removed is left to its owner.
            let _ = remove_if_left(&entry.path());
        }
    }
}

fn remove_if_left(path: &Path) -> std::io::Result<()> {
    let found = path.symlink_metadata()?;
    // SAFETY: cannot fail and touches no memory.
    let uid = unsafe { libc::geteuid() };
    let is_old = found.modified()?.elapsed().is_ok_and(|age| age >= LEFT_FOR);
    if !found.is_dir() || found.uid() != uid || !is_old {
        return Ok(());
    }
    let folder = File::open(path)?;
    match folder.try_lock() {
        Ok(()) => std::fs::remove_dir_all(path),
        // Its process lives, in another namespace of processes maybe.
        Err(_) => Ok(()),
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // Nothing can be done about a folder that does not go; it is empty of secrets once the lease has ended.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The names a program will find, each with the file that answers.
#[derive(Debug)]
pub struct Names {
    dir: PathBuf,
    map: Vec<(String, PathBuf)>,
}

impl Names {
    /// Links for a program: libcuda is `driver`, the runtime and NVML are our object.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn for_program(under: &Path, driver: &Path, shim: &Path) -> Result<Self, Failure> {
        let names = DRIVER_NAMES
            .map(|name| (name, driver))
            .into_iter()
            .chain(SHIM_NAMES.map(|name| (name, shim)));
        Self::link(under.join("lib"), names)
    }

    /// Links for a worker: libcuda, and where that is the software GPU, NVML too, of which it answers what a worker asks for.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn for_worker(under: &Path, driver: &Path, softgpu: &Path) -> Result<Self, Failure> {
        let nvml = (driver == softgpu).then_some((NVML_NAME, driver));
        Self::link(Self::dir_for_worker(under), DRIVER_NAMES.map(|name| (name, driver)).into_iter().chain(nvml))
    }

    /// The folder of a worker's links.
    pub fn dir_for_worker(under: &Path) -> PathBuf {
        under.join("driver")
    }

    fn link<'a>(
        dir: PathBuf,
        names: impl Iterator<Item = (&'a str, &'a Path)>,
    ) -> Result<Self, Failure> {
        match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
            // Links of the program before this one.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let mut map = Vec::new();
        for (name, target) in names {
            let path = dir.join(name);
            if std::fs::read_link(&path).ok().as_deref() != Some(target) {
                // In one step: somebody may be looking.
                let new = dir.join(format!("{name}.new"));
                symlink(target, &new)?;
                std::fs::rename(&new, &path)?;
            }
            map.push((name.to_owned(), target.to_path_buf()));
        }
        Ok(Self { dir, map })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder before what `LD_LIBRARY_PATH` already holds.
    pub fn library_path(&self) -> std::ffi::OsString {
        let mut path = self.dir.clone().into_os_string();
        if let Some(old) = std::env::var_os("LD_LIBRARY_PATH").filter(|old| !old.is_empty()) {
            path.push(":");
            path.push(old);
        }
        path
    }

    /// What the auditor reads: `name=path` pairs with `;` between them.
    pub fn audit_map(&self) -> String {
        self.map
            .iter()
            .map(|(name, path)| format!("{name}={}", path.display()))
            .collect::<Vec<_>>()
            .join(";")
    }
}

/// The driver of this machine, where it has a GPU that can be opened.
pub fn own_driver() -> Option<PathBuf> {
    if !Path::new("/dev/nvidiactl").exists() {
        return None;
    }
    [
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "/usr/lib64/libcuda.so.1",
        "/usr/lib/libcuda.so.1",
        "/usr/local/nvidia/lib64/libcuda.so.1",
        "/usr/lib/wsl/lib/libcuda.so.1",
    ]
    .iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
}
