//! Memory that two processes share, or that stands in for it.

use crate::Span;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// A mapping, at least as long as asked for, page aligned, zeroed when made.
pub struct Region {
    map: MmapRaw,
    len: usize,
}

/// Why a region could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The system refused.
    #[error("{0}: {1}")]
    System(&'static str, std::io::Error),
    /// The peer's file is shorter than the agreed geometry.
    #[error("the shared file has {have} bytes, {want} are needed")]
    TooShort {
        /// Bytes in the file.
        have: u64,
        /// Bytes needed.
        want: usize,
    },
    /// The peer's file could be truncated later, which would kill this process by SIGBUS.
    #[error("the shared file is not sealed against shrinking")]
    NotSealed,
}

impl Region {
    /// Private memory of this process, for links whose peer has no access to it.
    pub fn anonymous(len: usize) -> Result<Arc<Region>, RegionError> {
        let map = MmapOptions::new()
            .len(len)
            .map_anon()
            .map_err(|e| RegionError::System("mmap", e))?;
        Ok(Arc::new(Region {
            map: map.into(),
            len,
        }))
    }

    /// A new memory file of `len` bytes, sealed against any change of size, mapped; and its descriptor, to be sent
    /// to the peer.
    pub fn memfd(len: usize) -> Result<(Arc<Region>, OwnedFd), RegionError> {
        let system = |what| move |e| RegionError::System(what, e);
        // SAFETY: the name is a valid C string; the result is checked.
        let fd = unsafe {
            libc::memfd_create(
                c"ringway".as_ptr(),
                libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
            )
        };
        if fd < 0 {
            return Err(RegionError::System(
                "memfd_create",
                std::io::Error::last_os_error(),
            ));
        }
        // SAFETY: a descriptor just made, owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let file = File::from(fd);
        file.set_len(len as u64).map_err(system("ftruncate"))?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: plain system call on an owned descriptor.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return Err(RegionError::System(
                "F_ADD_SEALS",
                std::io::Error::last_os_error(),
            ));
        }
        let region = Region::map(&file, len)?;
        Ok((region, file.into()))
    }

    /// Maps a descriptor that came from a peer. Its size is checked and it must be sealed against shrinking, or the
    /// peer could take pages away under our feet.
    pub fn from_fd(fd: OwnedFd, len: usize) -> Result<Arc<Region>, RegionError> {
        // SAFETY: plain system call on an owned descriptor.
        let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 || seals & libc::F_SEAL_SHRINK == 0 {
            return Err(RegionError::NotSealed);
        }
        let file = File::from(fd);
        let have = file
            .metadata()
            .map_err(|e| RegionError::System("fstat", e))?
            .len();
        if have < len as u64 {
            return Err(RegionError::TooShort { have, want: len });
        }
        Region::map(&file, len)
    }

    fn map(file: &File, len: usize) -> Result<Arc<Region>, RegionError> {
        let map = MmapOptions::new()
            .len(len)
            .map_raw(file)
            .map_err(|e| RegionError::System("mmap", e))?;
        Ok(Arc::new(Region { map, len }))
    }

    /// All of it.
    pub fn span(self: &Arc<Region>) -> Span {
        Span::new(self.map.as_mut_ptr(), self.len, self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn both_mappings_see_one_memory() {
        let (mine, fd) = Region::memfd(8192).unwrap();
        let theirs = Region::from_fd(fd, 8192).unwrap();
        mine.span().store_u64(8184, 0x0123_4567_89ab_cdef, Relaxed);
        assert_eq!(theirs.span().load_u64(8184, Relaxed), 0x0123_4567_89ab_cdef);
    }

    #[test]
    fn short_or_unsealed_files_are_refused() {
        let (_mine, fd) = Region::memfd(8192).unwrap();
        assert!(matches!(
            Region::from_fd(fd, 8193),
            Err(RegionError::TooShort {
                have: 8192,
                want: 8193
            })
        ));

        // SAFETY: as in `Region::memfd`.
        let fd = unsafe {
            libc::memfd_create(c"t".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
        };
        assert!(fd >= 0);
        // SAFETY: just made.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        assert!(matches!(
            Region::from_fd(fd, 4096),
            Err(RegionError::NotSealed)
        ));

        let pipe = std::os::unix::net::UnixStream::pair().unwrap().0;
        assert!(matches!(
            Region::from_fd(pipe.as_fd().try_clone_to_owned().unwrap(), 1),
            Err(RegionError::NotSealed)
        ));
    }

    #[test]
    fn the_sealed_file_cannot_be_truncated() {
        let (_region, fd) = Region::memfd(4096).unwrap();
        let file = File::from(fd);
        assert!(file.set_len(0).is_err());
        assert!(file.set_len(8192).is_err());
    }
}
