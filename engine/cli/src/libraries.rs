//! Where Ringway's shared objects are, and the folder of names under which a program finds them.

use crate::Failure;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// Names of libcuda that programs ask for.
const DRIVER_NAMES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
/// Names of the runtime and of NVML that programs ask for; our own object answers to them.
const SHIM_NAMES: [&str; 6] = [
    "libcudart.so.12",
    "libcudart.so.13",
    "libcudart.so",
    "libnvidia-ml.so.1",
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

/// A private folder that is removed with the value.
#[derive(Debug)]
pub struct PrivateDir(PathBuf);

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
        for attempt in 0..100 {
            let path = base.join(format!(
                "ringway-{purpose}-{}-{attempt}",
                std::process::id()
            ));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
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

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // Nothing can be done about a folder that does not go; it is empty of secrets once the lease has ended.
        let _ = std::fs::remove_dir_all(&self.0);
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

    /// Links for a worker: libcuda alone.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn for_worker(under: &Path, driver: &Path) -> Result<Self, Failure> {
        Self::link(
            under.join("driver"),
            DRIVER_NAMES.map(|name| (name, driver)).into_iter(),
        )
    }

    fn link<'a>(
        dir: PathBuf,
        names: impl Iterator<Item = (&'a str, &'a Path)>,
    ) -> Result<Self, Failure> {
        std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
        let mut map = Vec::new();
        for (name, target) in names {
            symlink(target, dir.join(name))?;
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
