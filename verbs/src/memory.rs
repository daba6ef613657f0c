//! Memory that can be registered.

use crate::sys::last_errno;
use crate::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Memory that a region may keep and give to the device.
///
/// # Safety
///
/// `start()..start() + len()` is mapped, readable and writable, at the same place until the value is dropped, and
/// nobody makes references into it (`&[u8]`) while it is registered: the peer may write it at any time.
pub unsafe trait Memory: Send + Sync + 'static {
    /// First byte.
    fn start(&self) -> *mut u8;
    /// Size in bytes, not 0.
    fn len(&self) -> usize;
    /// Whether there are no bytes: never.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Pages of this process, zeroed, unmapped on drop.
#[derive(Debug)]
pub struct HostMemory {
    start: *mut u8,
    len: usize,
    mapped: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; access is through raw pointers only.
unsafe impl Send for HostMemory {}
// SAFETY: as above; the value itself is never changed.
unsafe impl Sync for HostMemory {}

// SAFETY: the mapping stays until drop, and this type gives no references into it.
unsafe impl Memory for HostMemory {
    fn start(&self) -> *mut u8 {
        self.start
    }
    fn len(&self) -> usize {
        self.len
    }
}

impl HostMemory {
    /// Ordinary pages. `len` in bytes, not 0.
    pub fn anonymous(len: usize) -> Result<HostMemory> {
        Self::map(len, 1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
    }

    /// Huge pages of `page_bytes` (2 MiB or 1 GiB on x86-64). Fails with `ENOMEM` unless the system has reserved enough
    /// (`vm.nr_hugepages`). See `mmap(2)`, `MAP_HUGETLB`.
    pub fn huge(len: usize, page_bytes: usize) -> Result<HostMemory> {
        if !page_bytes.is_power_of_two() || page_bytes < 4096 {
            return Err(Error::Misuse("the size of a huge page is a power of two"));
        }
        let size = (page_bytes.trailing_zeros() as i32) << libc::MAP_HUGE_SHIFT;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | size;
        Self::map(len, page_bytes, flags, -1)
    }

    /// The first `len` bytes of a file that other processes map too: a memory file, `/dev/shm`, device memory that its
    /// driver shows as a file. The file must not become shorter (seal it), or access ends in SIGBUS.
    pub fn shared(file: BorrowedFd<'_>, len: usize) -> Result<HostMemory> {
        Self::map(len, 1, libc::MAP_SHARED, file.as_raw_fd())
    }

    fn map(len: usize, granule: usize, flags: i32, fd: i32) -> Result<HostMemory> {
        let mapped = len
            .checked_next_multiple_of(granule)
            .filter(|_| len > 0)
            .ok_or(Error::Misuse("memory of no bytes, or of too many"))?;
        // SAFETY: a new mapping at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                fd,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::system("mmap", last_errno()));
        }
        Ok(HostMemory {
            start: start.cast(),
            len,
            mapped,
        })
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this size; nothing refers to it any more (contract of `Memory`).
        unsafe { libc::munmap(self.start.cast(), self.mapped) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_and_has_the_size_asked_for() {
        let memory = HostMemory::anonymous(5000).unwrap();
        assert_eq!(memory.len(), 5000);
        // SAFETY: within the mapping, not registered anywhere.
        assert_eq!(unsafe { memory.start().add(4999).read() }, 0);
        assert!(HostMemory::anonymous(0).is_err());
        assert!(HostMemory::huge(1, 3).is_err());
        assert!(HostMemory::huge(usize::MAX, 2 << 20).is_err());
    }
}
