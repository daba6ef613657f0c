//! The memory of one device: a memfd mapped at an agreed address, so that an address means the same in every process that maps it and the memory
//! can be registered with an RDMA device. Pages are taken when first touched, given back when freed, and read as zero after every allocation.

use super::shared::{Content, SharedFile};
use crate::driver::result::{CUresult, R, ensure};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Where devices may lie, of processes that share their addresses with nobody: 16 windows from here on. The memory of processes that are
/// parts of one program ([`device_base`]) lies in all of these.
const REGIONS: [u64; 4] = [DEVICE_BASE, 0x4000_0000_0000, 0x6000_0000_0000, 0x1000_0000_0000];
/// Address of device 0's memory; device `n` lies `n` windows higher.
pub const DEVICE_BASE: u64 = 0x3000_0000_0000;
/// Devices that a process can have.
pub const DEVICES_MAX: u32 = 16;
/// Address space of one device: the first half holds ordinary allocations, the second half of the *file* is physical memory for `cuMemCreate`.
pub const WINDOW: u64 = 1 << 40;
/// Managed memory lies here, in a file of its own.
pub const MANAGED_BASE: u64 = 0x2000_0000_0000;
/// `cuMemAddressReserve` hands out addresses from here, 8 TiB of them.
pub const RESERVE_BASE: u64 = 0x2800_0000_0000;
/// Length of the range at [`RESERVE_BASE`].
pub const RESERVE_LEN: u64 = 1 << 43;
/// Every allocation starts at a multiple of this, as on hardware.
pub const ALIGNMENT: u64 = 512;
/// Unused bytes kept between allocations, so that the memory checker sees a step over the end.
const GUARD: u64 = 512;
/// Addresses of one device's ordinary allocations.
pub const LINEAR: u64 = WINDOW / 2;
const PAGE: u64 = 4096;
/// Shares of the addresses for cuMemAddressReserve are multiples of this.
const GUARD_BAND: u64 = 1 << 30;

/// Address of a device's memory in the process that is number `share.0` of `share.1` (at most 16) which give out different addresses.
/// Where there are more than four such processes, that holds for the first few devices of each only.
pub fn device_base(ordinal: u32, (number, of): (u32, u32)) -> u64 {
    let regions = REGIONS.len() as u32;
    // Processes in a region, and windows of each.
    let (in_region, place) = (of.div_ceil(regions).max(1), number / regions);
    let windows = (DEVICES_MAX / in_region).max(1);
    let window = (place * windows + ordinal) % DEVICES_MAX;
    REGIONS[(number % regions) as usize] + u64::from(window) * WINDOW
}

/// Whether device or managed memory of any process may lie at an address.
pub fn is_possible(address: u64) -> bool {
    (MANAGED_BASE..DEVICE_BASE).contains(&address)
        || REGIONS.iter().any(|&base| (base..base + u64::from(DEVICES_MAX) * WINDOW).contains(&address))
}

/// First address and length of what `cuMemAddressReserve` hands out in a process of a share.
pub fn reserved((number, of): (u32, u32)) -> (u64, u64) {
    let length = (RESERVE_LEN / u64::from(of.max(1))) & !(GUARD_BAND - 1);
    (RESERVE_BASE + u64::from(number) * length, length)
}

/// Rounds up to a multiple of a power of two; None on overflow.
pub fn round_up(value: u64, to: u64) -> Option<u64> {
    value.checked_add(to - 1).map(|v| v & !(to - 1))
}

/// First-fit ranges of numbers: addresses or file offsets.
#[derive(Default)]
pub struct Ranges {
    free: BTreeMap<u64, u64>,
}

impl Ranges {
    /// All of `start .. start + len` is free.
    pub fn new(start: u64, len: u64) -> Self {
        Ranges { free: BTreeMap::from([(start, len)]) }
    }

    /// Takes `len` at a multiple of `align`, or None.
    pub fn take(&mut self, len: u64, align: u64) -> Option<u64> {
        let (start, room, at) = self.free.iter().find_map(|(&start, &room)| {
            let at = round_up(start, align)?;
            (at.checked_add(len)? <= start + room).then_some((start, room, at))
        })?;
        self.carve(start, room, at, len);
        Some(at)
    }

    /// Takes exactly `at .. at + len` if free.
    pub fn take_at(&mut self, at: u64, len: u64) -> bool {
        let Some((&start, &room)) = self.free.range(..=at).next_back() else { return false };
        let fits = at.checked_add(len).is_some_and(|end| end <= start + room);
        if fits {
            self.carve(start, room, at, len);
        }
        fits
    }

    fn carve(&mut self, start: u64, room: u64, at: u64, len: u64) {
        self.free.remove(&start);
        if at > start {
            self.free.insert(start, at - start);
        }
        if at + len < start + room {
            self.free.insert(at + len, start + room - at - len);
        }
    }

    /// Gives a range back.
    pub fn give(&mut self, mut start: u64, mut len: u64) {
        if let Some((&before, &before_len)) = self.free.range(..start).next_back()
            && before + before_len == start
        {
            self.free.remove(&before);
            start = before;
            len += before_len;
        }
        if let Some(after_len) = self.free.remove(&(start + len)) {
            len += after_len;
        }
        self.free.insert(start, len);
    }
}

struct Inner {
    addresses: Ranges,
    physical: Ranges,
    used: u64,
}

/// See the module text.
pub struct Arena {
    base: u64,
    capacity: u64,
    file: SharedFile,
    inner: Mutex<Inner>,
}

impl Arena {
    /// Makes the file and maps its first half at `base`. CUDA_ERROR_OUT_OF_MEMORY or CUDA_ERROR_OPERATING_SYSTEM when the system refuses.
    pub fn new(base: u64, capacity: u64, device: u32) -> R<Arena> {
        let file = SharedFile::create(Content::Device, device, WINDOW)?;
        // SAFETY: the file was just made. MAP_FIXED_NOREPLACE never replaces a mapping of this process.
        let mapped = unsafe {
            libc::mmap(
                base as *mut libc::c_void,
                LINEAR as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE,
                file.raw(),
                0,
            )
        };
        if mapped as u64 != base {
            tracing::error!("device memory cannot be mapped at {base:#x}: {}", std::io::Error::last_os_error());
            return Err(CUresult::OUT_OF_MEMORY);
        }
        // SAFETY: advice about the mapping just made. A core dump would otherwise read, and thereby take, every page of the window.
        unsafe { libc::madvise(mapped, LINEAR as usize, libc::MADV_DONTDUMP) };
        let inner = Inner { addresses: Ranges::new(base, LINEAR), physical: Ranges::new(LINEAR, LINEAR), used: 0 };
        Ok(Arena { base, capacity, file, inner: Mutex::new(inner) })
    }

    /// Over the whole of a file that is mapped at `base` already; the file's own size is the only limit.
    pub fn over(file: SharedFile, base: u64) -> Arena {
        let inner = Inner { addresses: Ranges::new(base, file.len), physical: Ranges::default(), used: 0 };
        Arena { base, capacity: file.len, file, inner: Mutex::new(inner) }
    }

    /// The file.
    pub fn file(&self) -> &SharedFile {
        &self.file
    }

    /// Bytes in all and bytes not allocated.
    pub fn capacity_and_free(&self) -> (u64, u64) {
        let used = self.inner.lock().used;
        (self.capacity, self.capacity.saturating_sub(used))
    }

    /// The file behind the memory.
    pub fn fd(&self) -> libc::c_int {
        self.file.raw()
    }

    /// Counts memory of this device that lies in a file of its own, or CUDA_ERROR_OUT_OF_MEMORY.
    pub fn charge(&self, len: u64) -> R {
        let mut inner = self.inner.lock();
        ensure(len <= self.capacity.saturating_sub(inner.used), CUresult::OUT_OF_MEMORY)?;
        inner.used += len;
        Ok(())
    }

    /// Takes off the account what [`Arena::charge`] put there.
    pub fn discharge(&self, len: u64) {
        self.inner.lock().used -= len;
    }

    /// Allocates `len` zeroed bytes at a multiple of `align` (at least 512), or CUDA_ERROR_OUT_OF_MEMORY.
    pub fn allocate(&self, len: u64, align: u64) -> R<u64> {
        let size = round_up(len, ALIGNMENT).ok_or(CUresult::OUT_OF_MEMORY)?;
        let mut inner = self.inner.lock();
        if size > self.capacity.saturating_sub(inner.used) {
            return Err(CUresult::OUT_OF_MEMORY);
        }
        let start = inner.addresses.take(size + GUARD, align.max(ALIGNMENT)).ok_or(CUresult::OUT_OF_MEMORY)?;
        inner.used += size;
        Ok(start)
    }

    /// Wipes and frees what [`Arena::allocate`] gave.
    pub fn release(&self, start: u64, len: u64) {
        let size = round_up(len, ALIGNMENT).unwrap_or(len);
        self.wipe(start, size);
        let mut inner = self.inner.lock();
        inner.addresses.give(start, size + GUARD);
        inner.used -= size;
    }

    /// Zeroes `start .. start + size`, giving whole pages back to the system.
    fn wipe(&self, start: u64, size: u64) {
        let (end, first, last) = (start + size, (start + PAGE - 1) & !(PAGE - 1), (start + size) & !(PAGE - 1));
        let zero = |from: u64, to: u64| {
            if to > from {
                // SAFETY: the range is part of an allocation of this arena that the caller is giving back, and mapped for writing.
                unsafe { std::ptr::write_bytes(from as *mut u8, 0, (to - from) as usize) }
            }
        };
        if first < last {
            zero(start, first);
            zero(last, end);
            self.file.punch(first - self.base, last - first);
        } else {
            zero(start, end);
        }
    }

    /// Physical memory without an address for `cuMemCreate`: an offset into the file, zeroed. `len` is a multiple of the granularity.
    pub fn allocate_physical(&self, len: u64, align: u64) -> R<u64> {
        let mut inner = self.inner.lock();
        if len > self.capacity.saturating_sub(inner.used) {
            return Err(CUresult::OUT_OF_MEMORY);
        }
        let offset = inner.physical.take(len, align).ok_or(CUresult::OUT_OF_MEMORY)?;
        inner.used += len;
        Ok(offset)
    }

    /// Frees what [`Arena::allocate_physical`] gave.
    pub fn release_physical(&self, offset: u64, len: u64) {
        self.file.punch(offset, len);
        let mut inner = self.inner.lock();
        inner.physical.give(offset, len);
        inner.used -= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_parts_of_a_program_lie_apart() {
        assert_eq!(device_base(3, (0, 1)), DEVICE_BASE + 3 * WINDOW);
        for of in 1..=16u32 {
            let each = if of <= 4 { DEVICES_MAX } else { DEVICES_MAX / of.div_ceil(4) };
            let mut bases: Vec<u64> =
                (0..of).flat_map(|number| (0..each).map(move |ordinal| device_base(ordinal, (number, of)))).collect();
            bases.sort_unstable();
            assert!(bases.windows(2).all(|pair| pair[1] - pair[0] >= WINDOW), "{of} parts");
            assert!(bases.iter().all(|&base| is_possible(base) && is_possible(base + WINDOW - 1)));
            let ends = (0..of).map(|number| reserved((number, of)));
            assert!(ends.clone().zip(ends.skip(1)).all(|(one, next)| one.0 + one.1 <= next.0));
        }
        assert!(!is_possible(0x7f00_0000_0000) && !is_possible(0x5555_5555_0000));
    }

    #[test]
    fn ranges_join_again() {
        let mut ranges = Ranges::new(0, 4096);
        let a = ranges.take(1000, 512).unwrap();
        let b = ranges.take(1000, 512).unwrap();
        let c = ranges.take(1000, 512).unwrap();
        assert_eq!((a, b, c), (0, 1024, 2048));
        ranges.give(a, 1000);
        ranges.give(c, 1000);
        assert_eq!(ranges.take(3000, 512), None);
        ranges.give(b, 1000);
        assert_eq!(ranges.take(4096, 512), Some(0));
    }
}
