//! Virtual memory management: reserved addresses, physical memory without one, and mappings between them.

use super::arena::{Ranges, reserved, round_up};
use super::shared::{Content, SharedFile};
use super::{Kind, New, space};
use crate::driver::abi::{CUmemAccessDesc, CUmemAllocationProp, CUmemLocation};
use crate::driver::device::{Device, device, driver};
use crate::driver::registry::Registry;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::settings::settings;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// Sizes and addresses are multiples of this, as on hardware.
pub const GRANULARITY: u64 = 2 << 20;

/// Handles of physical memory.
pub static PHYSICAL: Registry<Physical> = Registry::new(5);

/// Physical memory of a device; freed when the handle is released and the last mapping gone.
pub struct Physical {
    /// Its handle.
    pub handle: u64,
    /// What it was asked for.
    pub prop: CUmemAllocationProp,
    device: &'static Device,
    backing: Backing,
    len: u64,
}

/// Where physical memory lies.
enum Backing {
    /// In the device's file, at an offset.
    Device(u64),
    /// In a file of its own, which can be handed to other processes.
    Own(SharedFile),
    /// In a file that another process made, which accounts for it.
    Imported(SharedFile),
}

impl Physical {
    fn place(&self) -> (libc::c_int, u64) {
        match &self.backing {
            Backing::Device(offset) => (self.device.arena.fd(), *offset),
            Backing::Own(file) | Backing::Imported(file) => (file.raw(), 0),
        }
    }
}

impl Drop for Physical {
    fn drop(&mut self) {
        match &self.backing {
            Backing::Device(offset) => self.device.arena.release_physical(*offset, self.len),
            Backing::Own(_) => self.device.arena.discharge(self.len),
            Backing::Imported(_) => {}
        }
    }
}

struct Mapped {
    len: u64,
    physical: Arc<Physical>,
}

/// Addresses of this table at which a whole file, or a part of one, is mapped for the driver's own use: memory of other processes, and pools
/// that other processes may share. They are free again when it is dropped.
pub struct Mapping {
    /// First address.
    pub base: u64,
    len: u64,
}

impl Mapping {
    /// Maps `len` bytes (whole pages) of a file at fresh addresses.
    pub fn new(fd: libc::c_int, offset: u64, len: u64) -> R<Mapping> {
        let len = round(len).ok_or(CUresult::OUT_OF_MEMORY)?;
        let mapping = Mapping { base: claim(len, GRANULARITY, 0)?, len };
        map_fixed(mapping.base, len, Some((fd, offset)))?;
        Ok(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        unclaim(&mut table().lock(), self.base, self.len);
    }
}

#[derive(Default)]
struct Table {
    addresses: Ranges,
    reserved: BTreeMap<u64, u64>,
    mapped: BTreeMap<u64, Mapped>,
}

fn table() -> &'static Mutex<Table> {
    static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let (start, length) = reserved(settings().share);
        Mutex::new(Table { addresses: Ranges::new(start, length), ..Table::default() })
    })
}

fn whole(value: u64) -> R {
    ensure(value > 0 && value.is_multiple_of(GRANULARITY), CUresult::INVALID_VALUE)
}

/// Maps `len` bytes at `at`, replacing a mapping of ours: of `file` at an offset, or inaccessible.
fn map_fixed(at: u64, len: u64, file: Option<(libc::c_int, u64)>) -> R {
    // SAFETY: `at .. at + len` lies in addresses that this table handed out, so no foreign mapping is replaced.
    let mapped = unsafe {
        match file {
            Some((fd, offset)) => libc::mmap(
                at as *mut libc::c_void,
                len as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE | libc::MAP_FIXED,
                fd,
                offset as libc::off_t,
            ),
            None => libc::mmap(
                at as *mut libc::c_void,
                len as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
                -1,
                0,
            ),
        }
    };
    ensure(mapped as u64 == at, CUresult::OUT_OF_MEMORY)?;
    // SAFETY: advice about the mapping just made; see `Arena::new`.
    unsafe { libc::madvise(mapped, len as usize, libc::MADV_DONTDUMP) };
    Ok(())
}

/// `cuMemAddressReserve`. The wish is honoured when those addresses are free.
pub fn reserve(size: u64, align: u64, wish: u64) -> R<u64> {
    driver()?;
    whole(size)?;
    ensure(align == 0 || align.is_power_of_two(), CUresult::INVALID_VALUE)?;
    let at = claim(size, align.max(GRANULARITY), wish)?;
    table().lock().reserved.insert(at, size);
    Ok(at)
}

/// Takes addresses and keeps everybody else from using them.
fn claim(size: u64, align: u64, wish: u64) -> R<u64> {
    let mut table = table().lock();
    let at = if wish != 0 && wish.is_multiple_of(GRANULARITY) && table.addresses.take_at(wish, size) {
        wish
    } else {
        table.addresses.take(size, align).ok_or(CUresult::OUT_OF_MEMORY)?
    };
    // SAFETY: addresses in our own range; MAP_FIXED_NOREPLACE never replaces a mapping of this process.
    let mapped = unsafe {
        libc::mmap(
            at as *mut libc::c_void,
            size as usize,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    if mapped as u64 != at {
        table.addresses.give(at, size);
        return Err(CUresult::OUT_OF_MEMORY);
    }
    Ok(at)
}

fn unclaim(table: &mut Table, at: u64, size: u64) {
    // SAFETY: exactly addresses that `claim` mapped, in which nothing is live any more.
    unsafe { libc::munmap(at as *mut libc::c_void, size as usize) };
    table.addresses.give(at, size);
}

/// `cuMemAddressFree`: the whole reservation, nothing mapped in it.
pub fn free_address(at: u64, size: u64) -> R {
    let mut table = table().lock();
    ensure(table.reserved.get(&at) == Some(&size), CUresult::INVALID_VALUE)?;
    ensure(table.mapped.range(at..at + size).next().is_none(), CUresult::INVALID_VALUE)?;
    table.reserved.remove(&at);
    unclaim(&mut table, at, size);
    Ok(())
}

/// `CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR`: the only kind of handle for other processes here.
pub const FILE_DESCRIPTOR: u32 = 1;

/// `cuMemCreate`: pinned memory of a device.
pub fn create(size: u64, prop: &CUmemAllocationProp, flags: u64) -> R<u64> {
    driver()?;
    whole(size)?;
    ensure(prop.kind == 1 && flags == 0, CUresult::INVALID_VALUE)?;
    ensure(prop.location.kind == 1 && prop.requestedHandleTypes & !FILE_DESCRIPTOR == 0, CUresult::NOT_SUPPORTED)?;
    let device = device(prop.location.id)?;
    let backing = if prop.requestedHandleTypes == 0 {
        Backing::Device(device.arena.allocate_physical(size, GRANULARITY)?)
    } else {
        device.arena.charge(size)?;
        let file = SharedFile::create(Content::Physical, device.ordinal, size);
        Backing::Own(file.inspect_err(|_| device.arena.discharge(size))?)
    };
    Ok(enter(Physical { handle: PHYSICAL.reserve(), prop: *prop, device, backing, len: size }))
}

fn enter(physical: Physical) -> u64 {
    let handle = physical.handle;
    PHYSICAL.insert(handle, Arc::new(physical));
    handle
}

/// `cuMemExportToShareableHandle`: a file descriptor. CUDA_ERROR_INVALID_VALUE for memory that was not made for it.
pub fn export(handle: u64, kind: u32, flags: u64) -> R<libc::c_int> {
    driver()?;
    let physical = PHYSICAL.find(handle).ok_or(CUresult::INVALID_VALUE)?;
    ensure(flags == 0 && kind == FILE_DESCRIPTOR, CUresult::INVALID_VALUE)?;
    match &physical.backing {
        Backing::Device(_) => Err(CUresult::INVALID_VALUE),
        Backing::Own(file) | Backing::Imported(file) => file.export(),
    }
}

/// `cuMemImportFromShareableHandle`. The descriptor stays the caller's.
pub fn import(descriptor: libc::c_int, kind: u32) -> R<u64> {
    driver()?;
    ensure(kind == FILE_DESCRIPTOR, CUresult::NOT_SUPPORTED)?;
    let file = SharedFile::adopt_copy(Content::Physical, descriptor)?;
    whole(file.len)?;
    let prop = CUmemAllocationProp {
        kind: 1,
        requestedHandleTypes: FILE_DESCRIPTOR,
        location: CUmemLocation { kind: 1, id: file.device as i32 },
        ..CUmemAllocationProp::default()
    };
    let (device, len) = (device(file.device as i32)?, file.len);
    Ok(enter(Physical { handle: PHYSICAL.reserve(), prop, device, backing: Backing::Imported(file), len }))
}

/// `cuMemMap`: gives physical memory an address; nobody can use it until [`set_access`].
pub fn map(at: u64, size: u64, offset: u64, handle: u64) -> R {
    whole(size)?;
    ensure(offset.is_multiple_of(GRANULARITY), CUresult::INVALID_VALUE)?;
    let physical = PHYSICAL.find(handle).ok_or(CUresult::INVALID_VALUE)?;
    ensure(offset.checked_add(size).is_some_and(|end| end <= physical.len), CUresult::INVALID_VALUE)?;
    let end = at.checked_add(size).ok_or(CUresult::INVALID_VALUE)?;
    let mut table = table().lock();
    let inside = table.reserved.range(..=at).next_back().is_some_and(|(&start, &len)| end <= start + len);
    ensure(inside && at.is_multiple_of(GRANULARITY), CUresult::INVALID_VALUE)?;
    let before = table.mapped.range(..end).next_back().is_some_and(|(&start, m)| start + m.len > at);
    ensure(!before, CUresult::INVALID_VALUE)?;
    let (fd, start) = physical.place();
    map_fixed(at, size, Some((fd, start + offset)))?;
    let device = physical.device.ordinal;
    table.mapped.insert(at, Mapped { len: size, physical });
    space().insert(New { start: at, len: size, kind: Kind::Mapped, device, ctx: 0, flags: 0, pool: 0 });
    Ok(())
}

/// `cuMemUnmap`: one or more whole mappings.
pub fn unmap(at: u64, size: u64) -> R {
    driver()?;
    // Work that uses the memory must be done before the addresses go.
    crate::driver::context::wait_for_all();
    let end = at.checked_add(size).ok_or(CUresult::INVALID_VALUE)?;
    let mut table = table().lock();
    let inside: Vec<u64> = table.mapped.range(at..end).map(|(&start, _)| start).collect();
    let exact = inside.iter().map(|s| table.mapped[s].len).sum::<u64>() == size && size > 0;
    ensure(exact && table.mapped.contains_key(&at), CUresult::INVALID_VALUE)?;
    for start in inside {
        space().remove(start, |a| a.kind == Kind::Mapped);
        if let Some(mapping) = table.mapped.remove(&start) {
            map_fixed(start, mapping.len, None)?;
        }
    }
    Ok(())
}

/// `cuMemSetAccess` for whole mappings.
pub fn set_access(at: u64, size: u64, wanted: &[CUmemAccessDesc]) -> R {
    let end = at.checked_add(size).ok_or(CUresult::INVALID_VALUE)?;
    let table = table().lock();
    let inside: Vec<u64> = table.mapped.range(at..end).map(|(&start, _)| start).collect();
    ensure(!inside.is_empty() && inside.iter().map(|s| table.mapped[s].len).sum::<u64>() == size, CUresult::INVALID_VALUE)?;
    for start in inside {
        let Some(allocation) = space().find(start) else { continue };
        let (mut mask, mut read_only) = (allocation.visible.load(Ordering::Relaxed), allocation.read_only.load(Ordering::Relaxed));
        for access in wanted {
            ensure(access.location.kind == 1, CUresult::NOT_SUPPORTED)?;
            let bit = 1 << device(access.location.id)?.ordinal;
            match access.flags {
                0 => (mask, read_only) = (mask & !bit, read_only & !bit),
                1 => (mask, read_only) = (mask | bit, read_only | bit),
                3 => (mask, read_only) = (mask | bit, read_only & !bit),
                _ => return Err(CUresult::INVALID_VALUE),
            }
        }
        space().set_access(&allocation, mask, read_only);
    }
    Ok(())
}

/// `cuMemGetAccess`: 3 (read and write), 1 (read) or 0.
pub fn get_access(at: u64, number: i32) -> R<u64> {
    let allocation = space().find(at).filter(|a| a.kind == Kind::Mapped).ok_or(CUresult::INVALID_VALUE)?;
    let of = |mask: &std::sync::atomic::AtomicU32, device: u32| mask.load(Ordering::Relaxed) >> device & 1 == 1;
    let device = device(number)?.ordinal;
    Ok(match (of(&allocation.visible, device), of(&allocation.read_only, device)) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 3,
    })
}

/// `cuMemRetainAllocationHandle`: the handle of what is mapped at an address.
pub fn handle_at(at: u64) -> R<u64> {
    let table = table().lock();
    let found = table.mapped.range(..=at).next_back().filter(|(start, m)| at < **start + m.len);
    let physical = Arc::clone(&found.ok_or(CUresult::INVALID_VALUE)?.1.physical);
    let handle = physical.handle;
    PHYSICAL.insert(handle, physical);
    Ok(handle)
}

/// The kinds of handle that what is mapped at an address can be exported by.
pub fn shareable_at(at: u64) -> u32 {
    table().lock().mapped.get(&at).map_or(0, |mapped| mapped.physical.prop.requestedHandleTypes)
}

/// Rounds a size as `cuMemCreate` wants it.
pub fn round(size: u64) -> Option<u64> {
    round_up(size, GRANULARITY)
}
