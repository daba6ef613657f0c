//! Memory files that other processes may map: what exportable allocations and pools live in, and how a file that another process
//! handed over is examined before it is mapped.
//!
//! Each file is a memfd whose name says what it is and of which device, and whose size is sealed: a file that somebody else holds too can
//! neither shrink under a mapping nor grow past what was accounted.

use crate::driver::device::device;
use crate::driver::result::{CUresult, R, ensure};
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What a memory file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// The memory of a device.
    Device,
    /// One allocation of `cuMemCreate`.
    Physical,
    /// All memory of a pool.
    Pool,
    /// The table of what a process exports by the IPC functions.
    Board,
}

const SIZE_SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

impl Content {
    fn name(self) -> &'static str {
        match self {
            Content::Device => "ringway-softgpu-device",
            Content::Physical => "ringway-softgpu-physical",
            Content::Pool => "ringway-softgpu-pool",
            Content::Board => "ringway-softgpu-board",
        }
    }
}

/// A memory file of this process or of another one.
pub struct SharedFile {
    fd: OwnedFd,
    /// Bytes.
    pub len: u64,
    /// The device it belongs to.
    pub device: u32,
}

fn system(what: &str) -> CUresult {
    tracing::error!("{what} failed: {}", std::io::Error::last_os_error());
    CUresult::OPERATING_SYSTEM
}

impl SharedFile {
    /// A new file of `len` bytes of zeros, none of which take memory until they are touched.
    ///
    /// # Errors
    /// CUDA_ERROR_OPERATING_SYSTEM when the system refuses.
    pub fn create(content: Content, device: u32, len: u64) -> R<SharedFile> {
        let name = CString::new(format!("{}:{device}", content.name())).map_err(|_| CUresult::UNKNOWN)?;
        // SAFETY: a plain system call with a valid C string.
        let raw = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        if raw < 0 {
            return Err(system("memfd_create"));
        }
        // SAFETY: the descriptor was just made and has no other owner.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let size = libc::off_t::try_from(len).map_err(|_| CUresult::OUT_OF_MEMORY)?;
        // SAFETY: system calls on our own descriptor.
        let done = unsafe { libc::ftruncate(raw, size) == 0 && libc::fcntl(raw, libc::F_ADD_SEALS, SIZE_SEALS) == 0 };
        if done { Ok(SharedFile { fd, len, device }) } else { Err(system("sealing a memory file")) }
    }

    /// Examines a descriptor that came from outside.
    ///
    /// # Errors
    /// CUDA_ERROR_INVALID_VALUE unless it is a file that [`SharedFile::create`] made for this content, of a device that this process has too.
    pub fn adopt(content: Content, fd: OwnedFd) -> R<SharedFile> {
        let raw = fd.as_raw_fd();
        let link = std::fs::read_link(format!("/proc/self/fd/{raw}")).map_err(|_| CUresult::INVALID_VALUE)?;
        let text = link.to_str().ok_or(CUresult::INVALID_VALUE)?;
        let of = text.strip_prefix("/memfd:").and_then(|t| t.strip_suffix(" (deleted)")).and_then(|t| t.strip_prefix(content.name()));
        let number: u32 = of.and_then(|t| t.strip_prefix(':')).and_then(|t| t.parse().ok()).ok_or(CUresult::INVALID_VALUE)?;
        // SAFETY: an all-zero stat is valid and fstat only fills it in; a system call on a descriptor that we own.
        let (seals, len) = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            ensure(libc::fstat(raw, &raw mut stat) == 0, CUresult::INVALID_VALUE)?;
            (libc::fcntl(raw, libc::F_GET_SEALS), u64::try_from(stat.st_size).unwrap_or(0))
        };
        ensure(seals >= 0 && seals & SIZE_SEALS == SIZE_SEALS && len > 0, CUresult::INVALID_VALUE)?;
        device(i32::try_from(number).map_err(|_| CUresult::INVALID_VALUE)?).map_err(|_| CUresult::INVALID_VALUE)?;
        Ok(SharedFile { fd, len, device: number })
    }

    /// As [`SharedFile::adopt`], of a descriptor that stays the caller's: a copy is kept.
    ///
    /// # Errors
    /// As there.
    pub fn adopt_copy(content: Content, raw: RawFd) -> R<SharedFile> {
        SharedFile::adopt(content, duplicate(raw)?)
    }

    /// A new descriptor of the file for another process; closed by whoever gets it.
    ///
    /// # Errors
    /// CUDA_ERROR_OPERATING_SYSTEM when no descriptor is left.
    pub fn export(&self) -> R<RawFd> {
        use std::os::fd::IntoRawFd;
        duplicate(self.fd.as_raw_fd()).map(OwnedFd::into_raw_fd).map_err(|_| system("copying a descriptor"))
    }

    /// The descriptor, for mapping.
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Zeroes a part and gives its pages back to the system.
    pub fn punch(&self, offset: u64, len: u64) {
        // SAFETY: a system call on our own file; the range holds nothing that is in use.
        let done = unsafe {
            libc::fallocate(self.raw(), libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, offset as libc::off_t, len as libc::off_t)
        };
        if done != 0 {
            tracing::error!("freed memory could not be given back: {}", std::io::Error::last_os_error());
        }
    }
}

fn duplicate(raw: RawFd) -> R<OwnedFd> {
    ensure(raw >= 0, CUresult::INVALID_VALUE)?;
    // SAFETY: a system call; a number that is no descriptor gives an error.
    let copy = unsafe { libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, 3) };
    ensure(copy >= 0, CUresult::INVALID_VALUE)?;
    // SAFETY: the descriptor was just made and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
