//! Memory regions: what the device may read and write.

use crate::availability::check_locked_memory;
use crate::memory::Memory;
use crate::pd::PdInner;
use crate::sys::not_null;
use crate::{Error, ProtectionDomain, Result};
use rdma_mummy_sys as ffi;
use std::marker::PhantomData;
use std::ops::{BitOr, Bound, RangeBounds};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What may be done with a region (`enum ibv_access_flags`). The device may always read it for its own requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access(u32);

impl Access {
    /// Only reads by our own requests.
    pub const LOCAL_READ: Access = Access(0);
    /// Receives, and answers of reads and atomics, may be written into it.
    pub const LOCAL_WRITE: Access = Access(ffi::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE.0);
    /// The peer may write it. Includes local writing, as `ibv_reg_mr(3)` demands.
    pub const REMOTE_WRITE: Access =
        Access(ffi::ibv_access_flags::IBV_ACCESS_REMOTE_WRITE.0 | Self::LOCAL_WRITE.0);
    /// The peer may read it.
    pub const REMOTE_READ: Access = Access(ffi::ibv_access_flags::IBV_ACCESS_REMOTE_READ.0);
    /// The peer may do atomic operations on it. Includes local writing.
    pub const REMOTE_ATOMIC: Access =
        Access(ffi::ibv_access_flags::IBV_ACCESS_REMOTE_ATOMIC.0 | Self::LOCAL_WRITE.0);
    /// Not pinned: the device faults pages in. Only where
    /// [`DeviceLimits::on_demand_paging`](crate::DeviceLimits::on_demand_paging) says so.
    pub const ON_DEMAND: Access = Access(ffi::ibv_access_flags::IBV_ACCESS_ON_DEMAND.0);

    /// Whether all of `other` is allowed.
    pub fn contains(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn raw(self) -> u32 {
        self.0
    }
}

impl BitOr for Access {
    type Output = Access;
    fn bitor(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }
}

/// Registered memory. It owns its protection domain and, unless registered as a raw range, its memory.
///
/// The peer may write it at any time if the access says so; hence it is read and written by copies and atomics, never
/// through references.
pub struct MemoryRegion {
    raw: *mut ffi::ibv_mr,
    /// First byte as the device counts: the virtual address, or 0 for a dma-buf.
    start: u64,
    len: usize,
    /// First byte in this process; null for a dma-buf.
    pointer: *mut u8,
    local_key: u32,
    remote_key: u32,
    access: Access,
    /// Freed after the registration; leaked if that cannot be undone.
    memory: Option<Arc<dyn Memory>>,
    domain: Arc<PdInner>,
}

// SAFETY: verbs are thread-safe; memory is accessed by copies and atomics only.
unsafe impl Send for MemoryRegion {}
// SAFETY: as above.
unsafe impl Sync for MemoryRegion {}

impl MemoryRegion {
    pub(crate) fn register(
        domain: &ProtectionDomain,
        memory: Arc<dyn Memory>,
        access: Access,
    ) -> Result<MemoryRegion> {
        // SAFETY: the memory stays mapped while the region holds it (contract of `Memory`).
        let mut region =
            unsafe { Self::register_raw(domain, memory.start(), memory.len(), access) }?;
        region.memory = Some(memory);
        Ok(region)
    }

    pub(crate) unsafe fn register_raw(
        domain: &ProtectionDomain,
        start: *mut u8,
        len: usize,
        access: Access,
    ) -> Result<MemoryRegion> {
        Self::check(domain, len, access)?;
        // SAFETY: a mapped range, by the caller's promise; the domain is alive.
        let raw =
            unsafe { ffi::ibv_reg_mr(domain.0.raw, start.cast(), len, access.0.cast_signed()) };
        let raw = not_null("ibv_reg_mr", raw).map_err(|error| match error.errno() {
            // the kernel says no more than ENOMEM; the limit is the usual reason, and known
            Some(libc::ENOMEM) => match check_locked_memory(len as u64) {
                Err(why) => why.into(),
                Ok(()) => error,
            },
            _ => error,
        })?;
        Ok(Self::from_raw(
            domain,
            raw,
            start as u64,
            start,
            len,
            access,
        ))
    }

    pub(crate) fn register_dmabuf(
        domain: &ProtectionDomain,
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        access: Access,
    ) -> Result<MemoryRegion> {
        Self::check(domain, len, access)?;
        // SAFETY: the kernel takes its own reference to the buffer; the domain is alive.
        let raw = unsafe {
            ffi::ibv_reg_dmabuf_mr(
                domain.0.raw,
                offset,
                len,
                0,
                fd.as_raw_fd(),
                access.0.cast_signed(),
            )
        };
        let raw = not_null("ibv_reg_dmabuf_mr", raw)?;
        Ok(Self::from_raw(
            domain,
            raw,
            0,
            std::ptr::null_mut(),
            len,
            access,
        ))
    }

    fn check(domain: &ProtectionDomain, len: usize, access: Access) -> Result<()> {
        let limits = domain.context().limits();
        if len == 0 {
            return Err(Error::Misuse("a region of no bytes"));
        }
        if len as u64 > limits.region_bytes_max {
            return Err(Error::Limit {
                what: "bytes of a memory region",
                asked: len as u64,
                max: limits.region_bytes_max,
            });
        }
        if access.contains(Access::ON_DEMAND) && !limits.on_demand_paging {
            return Err(Error::Unsupported {
                what: "on-demand paging",
            });
        }
        Ok(())
    }

    fn from_raw(
        domain: &ProtectionDomain,
        raw: *mut ffi::ibv_mr,
        start: u64,
        pointer: *mut u8,
        len: usize,
        access: Access,
    ) -> MemoryRegion {
        // SAFETY: just registered.
        let (local_key, remote_key) = unsafe { ((*raw).lkey, (*raw).rkey) };
        MemoryRegion {
            raw,
            start,
            len,
            pointer,
            local_key,
            remote_key,
            access,
            memory: None,
            domain: domain.0.clone(),
        }
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes: never.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What may be done with it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// First byte in this process; null for a dma-buf.
    pub fn as_ptr(&self) -> *mut u8 {
        self.pointer
    }

    /// The domain it belongs to.
    pub fn domain(&self) -> ProtectionDomain {
        ProtectionDomain(self.domain.clone())
    }

    /// A part of it, for a work request. None if it is not within the region or longer than 4 GiB - 1.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Option<LocalSlice<'_>> {
        let (offset, len) = bounds(range, self.len)?;
        Some(LocalSlice {
            sge: ffi::ibv_sge {
                addr: self.start.wrapping_add(offset as u64),
                length: u32::try_from(len).ok()?,
                lkey: self.local_key,
            },
            region: PhantomData,
        })
    }

    /// What the peer needs in order to reach it.
    pub fn remote(&self) -> RemoteRegion {
        RemoteRegion {
            address: self.start,
            len: self.len as u64,
            key: self.remote_key,
        }
    }

    /// Copies out of it. The bytes may be changing; they are whole only if the protocol says that nobody writes them
    /// now. Errors: not within the region, or it has no address here.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<()> {
        let from = self.host_range(offset, to.len())?;
        // SAFETY: within the mapping; `to` is memory of this program and cannot overlap, since nobody makes references
        // into registered memory.
        unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies into it. Errors: as [`MemoryRegion::read`].
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        let to = self.host_range(offset, from.len())?;
        // SAFETY: as in `read`.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        Ok(())
    }

    /// The word at `offset`, a multiple of 8. Errors: as [`MemoryRegion::read`].
    #[inline]
    pub fn load_u64(&self, offset: usize, order: Ordering) -> Result<u64> {
        Ok(self.word(offset)?.load(order))
    }

    /// Sets the word at `offset`, a multiple of 8. Errors: as [`MemoryRegion::read`].
    #[inline]
    pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) -> Result<()> {
        self.word(offset)?.store(value, order);
        Ok(())
    }

    #[inline]
    fn word(&self, offset: usize) -> Result<&AtomicU64> {
        let pointer = self.host_range(offset, 8)?.cast::<u64>();
        if !pointer.is_aligned() {
            return Err(Error::Misuse("a word that is not aligned"));
        }
        // SAFETY: within the mapping, aligned; an atomic may be changed by anyone, this device included.
        Ok(unsafe { AtomicU64::from_ptr(pointer) })
    }

    #[inline]
    fn host_range(&self, offset: usize, len: usize) -> Result<*mut u8> {
        if self.pointer.is_null() {
            return Err(Error::Misuse("this region has no address in this process"));
        }
        match offset.checked_add(len) {
            // SAFETY: within the mapping, as just checked.
            Some(end) if end <= self.len => Ok(unsafe { self.pointer.add(offset) }),
            _ => Err(Error::Misuse("a range that is not within the region")),
        }
    }
}

impl Drop for MemoryRegion {
    fn drop(&mut self) {
        if !self.domain.context.is_ours() {
            return;
        }
        // SAFETY: registered by us and not deregistered before. The device does not touch the memory afterwards;
        // requests still under way end with an error.
        let failed = unsafe { ffi::ibv_dereg_mr(self.raw) } != 0;
        if failed {
            // The device may go on writing: the memory must stay.
            std::mem::forget(self.memory.take());
        }
    }
}

fn bounds(range: impl RangeBounds<usize>, size: usize) -> Option<(usize, usize)> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.checked_add(1)?,
        Bound::Excluded(&end) => end,
        Bound::Unbounded => size,
    };
    (start <= end && end <= size).then(|| (start, end - start))
}

/// A part of a region, as work requests name it: one scatter/gather element.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct LocalSlice<'r> {
    pub(crate) sge: ffi::ibv_sge,
    region: PhantomData<&'r MemoryRegion>,
}

impl LocalSlice<'_> {
    /// Size in bytes.
    pub fn len(&self) -> u32 {
        self.sge.length
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.sge.length == 0
    }
}

/// Encoded size of a [`RemoteRegion`].
pub const REMOTE_REGION_BYTES: usize = 24;

/// A region of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteRegion {
    /// Its first byte, as the peer's device counts.
    pub address: u64,
    /// Its size in bytes.
    pub len: u64,
    /// Its remote key.
    pub key: u32,
}

impl RemoteRegion {
    /// Address, size, key, four zeros; little-endian.
    pub fn encode(&self) -> [u8; REMOTE_REGION_BYTES] {
        let mut bytes = [0; REMOTE_REGION_BYTES];
        bytes[..8].copy_from_slice(&self.address.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.key.to_le_bytes());
        bytes
    }

    /// From the peer's bytes. None if the region is empty, wraps around the address space, or reserved bytes are set.
    pub fn decode(bytes: &[u8; REMOTE_REGION_BYTES]) -> Option<RemoteRegion> {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (address, len, last) = (word(0), word(8), word(16));
        let key = u32::try_from(last).ok()?;
        (len > 0 && address.checked_add(len).is_some()).then_some(RemoteRegion {
            address,
            len,
            key,
        })
    }

    /// A part of it. None if it is not within the region.
    #[inline]
    pub fn slice(&self, offset: u64, len: u64) -> Option<RemoteSlice> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then_some(RemoteSlice {
            address: self.address.wrapping_add(offset),
            len,
            key: self.key,
        })
    }
}

/// A part of a region of the peer: where a request writes to or reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSlice {
    pub(crate) address: u64,
    pub(crate) len: u64,
    pub(crate) key: u32,
}

impl RemoteSlice {
    /// Size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_by_the_peer_includes_writing_here() {
        assert!(Access::REMOTE_WRITE.contains(Access::LOCAL_WRITE));
        assert!(Access::REMOTE_ATOMIC.contains(Access::LOCAL_WRITE));
        assert!(!Access::REMOTE_READ.contains(Access::LOCAL_WRITE));
        assert!((Access::REMOTE_READ | Access::REMOTE_WRITE).contains(Access::REMOTE_READ));
    }

    #[test]
    fn ranges_are_bounded() {
        assert_eq!(bounds(.., 10), Some((0, 10)));
        assert_eq!(bounds(3..=4, 10), Some((3, 2)));
        assert_eq!(bounds(10..10, 10), Some((10, 0)));
        assert_eq!(bounds(10..11, 10), None);
        assert_eq!(
            bounds((Bound::Excluded(usize::MAX), Bound::Unbounded), 10),
            None
        );
        assert_eq!(bounds(0..=usize::MAX, 10), None);
        #[expect(clippy::reversed_empty_ranges)]
        let reversed = bounds(5..4, 10);
        assert_eq!(reversed, None);
    }

    #[test]
    fn remote_regions_survive_encoding_and_hostile_bytes_do_not() {
        let region = RemoteRegion {
            address: 0x7000_0000_1000,
            len: 1 << 20,
            key: 0xdead_beef,
        };
        assert_eq!(RemoteRegion::decode(&region.encode()), Some(region));
        let mut reserved = region.encode();
        reserved[23] = 1;
        assert_eq!(RemoteRegion::decode(&reserved), None);
        let wraps = RemoteRegion {
            address: u64::MAX - 5,
            ..region
        };
        assert_eq!(RemoteRegion::decode(&wraps.encode()), None);
        let empty = RemoteRegion { len: 0, ..region };
        assert_eq!(RemoteRegion::decode(&empty.encode()), None);
    }

    #[test]
    fn slices_of_the_peers_region_are_bounded() {
        let region = RemoteRegion {
            address: 4096,
            len: 100,
            key: 1,
        };
        let slice = region.slice(90, 10).unwrap();
        assert_eq!((slice.address, slice.len()), (4186, 10));
        assert_eq!(region.slice(91, 10), None);
        assert_eq!(region.slice(u64::MAX, 2), None);
    }
}
