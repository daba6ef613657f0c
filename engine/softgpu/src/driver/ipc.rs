//! Memory and events of one process used by another (`cuIpc*`).
//!
//! Every process that exports something keeps a *board*: a memory file of fixed slots that says what is exported at present. A handle names the
//! process, its board, the slot and a random key. Who opens it reaches the board through `/proc`, which the system allows to processes of
//! the same user, and compares the key: a handle of something that is gone, of a process that is gone, or made up, finds no slot. Device
//! memory is a memory file too, so the allocation's pages are mapped from there. An event's slot holds two counters, recordings begun and
//! recordings reached, on which processes wait by futex.

use super::context::{Context, CONTEXTS, current, wait_for_all};
use super::memory::arena::{LINEAR, WINDOW, device_base};
use super::settings::settings;
use super::memory::shared::{Content, SharedFile};
use super::memory::vmm::Mapping;
use super::memory::{self, Allocation, Backing, Kind, New, space};
use super::result::{CUresult, R, ensure};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Things that one process can export at a time.
const SLOTS: usize = 8192;
const MAGIC: u64 = u64::from_le_bytes(*b"RWIPC\0\0\x01");
const PAGE: u64 = 4096;
const MEMORY: u32 = 1;
const EVENT: u32 = 2;

/// One exported thing, in memory that other processes see. Only its owner writes the first five words.
#[repr(C, align(64))]
struct Slot {
    key: [AtomicU64; 2],
    /// 0 free, [`MEMORY`] or [`EVENT`].
    kind: AtomicU32,
    device: AtomicU32,
    start: AtomicU64,
    len: AtomicU64,
    /// Events: recordings begun and reached, and the process that began the last one.
    begun: AtomicU32,
    reached: AtomicU32,
    recorder: AtomicU32,
}

const BOARD_LEN: u64 = (SLOTS * size_of::<Slot>()) as u64;

/// A mapped board.
struct Board {
    file: SharedFile,
    slots: *const Slot,
}

// SAFETY: the slots are atomics in memory that stays mapped as long as the board lives.
unsafe impl Send for Board {}
// SAFETY: as above.
unsafe impl Sync for Board {}

impl Board {
    fn map(file: SharedFile) -> R<Board> {
        ensure(file.len == BOARD_LEN, CUresult::INVALID_HANDLE)?;
        // SAFETY: a fresh shared mapping of a whole file whose size is sealed.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), BOARD_LEN as usize, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.raw(), 0)
        };
        ensure(at != libc::MAP_FAILED, CUresult::MAP_FAILED)?;
        Ok(Board { file, slots: at.cast_const().cast() })
    }

    fn slot(&self, index: usize) -> &Slot {
        debug_assert!(index < SLOTS);
        // SAFETY: `index` is below the number of slots that the mapping holds; any bytes are valid atomics.
        unsafe { &*self.slots.add(index.min(SLOTS - 1)) }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `map`; no reference into it outlives the board.
        unsafe { libc::munmap(self.slots.cast_mut().cast(), BOARD_LEN as usize) };
    }
}

/// This process's board and which slots are taken.
struct Own {
    board: Arc<Board>,
    free: Mutex<Vec<usize>>,
    /// Slots of exported memory, by the allocation's unique number.
    memory: Mutex<HashMap<u64, usize>>,
}

static OWN: OnceLock<R<Own>> = OnceLock::new();

fn own() -> R<&'static Own> {
    let made = OWN.get_or_init(|| {
        let board = Board::map(SharedFile::create(Content::Board, 0, BOARD_LEN)?)?;
        Ok(Own { board: Arc::new(board), free: Mutex::new((0..SLOTS).rev().collect()), memory: Mutex::default() })
    });
    made.as_ref().map_err(|&code| code)
}

fn random() -> [u64; 2] {
    let mut bytes = [0u8; 16];
    // SAFETY: the buffer is valid for its length. Requests of up to 256 bytes are never cut short.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    let word = |i: usize| u64::from_le_bytes(bytes[i * 8..][..8].try_into().unwrap_or_default());
    [word(0), word(1)]
}

impl Own {
    fn take(&self, kind: u32, device: u32, start: u64, len: u64) -> R<usize> {
        let index = self.free.lock().pop().ok_or(CUresult::OUT_OF_MEMORY)?;
        let slot = self.board.slot(index);
        let key = random();
        slot.device.store(device, Ordering::Relaxed);
        slot.start.store(start, Ordering::Relaxed);
        slot.len.store(len, Ordering::Relaxed);
        slot.begun.store(0, Ordering::Relaxed);
        slot.reached.store(0, Ordering::Relaxed);
        slot.key[0].store(key[0], Ordering::Relaxed);
        slot.key[1].store(key[1], Ordering::Relaxed);
        slot.kind.store(kind, Ordering::Release);
        Ok(index)
    }

    fn give(&self, index: usize) {
        let slot = self.board.slot(index);
        slot.kind.store(0, Ordering::Release);
        slot.key[0].store(0, Ordering::Relaxed);
        slot.key[1].store(0, Ordering::Relaxed);
        self.free.lock().push(index);
    }
}

/// A `CUipcMemHandle` or `CUipcEventHandle`.
pub type Handle = [u8; 64];

struct Name {
    kind: u32,
    device: u32,
    process: u32,
    board: u32,
    arena: u32,
    slot: u32,
    started: u64,
    key: [u64; 2],
}

/// When a process started, in the kernel's ticks: tells a process from a later one with the same number.
fn started(process: u32) -> R<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).map_err(|_| CUresult::INVALID_HANDLE)?;
    let fields = text.rsplit_once(')').map(|(_, rest)| rest).ok_or(CUresult::INVALID_HANDLE)?;
    fields.split_whitespace().nth(19).and_then(|f| f.parse().ok()).ok_or(CUresult::INVALID_HANDLE)
}

impl Name {
    fn write(own: &Own, index: usize, arena: u32) -> R<Handle> {
        let slot = own.board.slot(index);
        let process = std::process::id();
        let words = [
            MAGIC,
            u64::from(process) | u64::from(index as u32) << 32,
            u64::from(own.board.file.raw() as u32) | u64::from(arena) << 32,
            u64::from(slot.kind.load(Ordering::Relaxed)) | u64::from(slot.device.load(Ordering::Relaxed)) << 32,
            started(process)?,
            slot.key[0].load(Ordering::Relaxed),
            slot.key[1].load(Ordering::Relaxed),
            0,
        ];
        let mut bytes = [0; 64];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        Ok(bytes)
    }

    fn read(bytes: &Handle) -> R<Name> {
        let word = |i: usize| u64::from_le_bytes(bytes[i * 8..][..8].try_into().unwrap_or_default());
        let half = |i: usize| ((word(i) & 0xffff_ffff) as u32, (word(i) >> 32) as u32);
        ensure(word(0) == MAGIC && word(7) == 0, CUresult::INVALID_HANDLE)?;
        let ((process, slot), (board, arena), (kind, device)) = (half(1), half(2), half(3));
        ensure((slot as usize) < SLOTS && board < 1 << 20 && arena < 1 << 20, CUresult::INVALID_HANDLE)?;
        Ok(Name { kind, device, process, board, arena, slot, started: word(4), key: [word(5), word(6)] })
    }

    fn file(&self, content: Content, descriptor: u32) -> R<SharedFile> {
        let path = format!("/proc/{}/fd/{descriptor}", self.process);
        let fd: OwnedFd = std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(|_| CUresult::INVALID_HANDLE)?.into();
        SharedFile::adopt(content, fd).map_err(|_| CUresult::INVALID_HANDLE)
    }

    /// The board of the process, if the slot is what the handle says.
    fn find(&self, kind: u32) -> R<Arc<Board>> {
        ensure(self.kind == kind && self.started == started(self.process)?, CUresult::INVALID_HANDLE)?;
        let board = if self.process == std::process::id() {
            Arc::clone(&own()?.board)
        } else {
            Arc::new(Board::map(self.file(Content::Board, self.board)?)?)
        };
        ensure(self.alive(&board), CUresult::INVALID_HANDLE)?;
        Ok(board)
    }

    fn alive(&self, board: &Board) -> bool {
        let slot = board.slot(self.slot as usize);
        slot.kind.load(Ordering::Acquire) == self.kind
            && slot.key[0].load(Ordering::Relaxed) == self.key[0]
            && slot.key[1].load(Ordering::Relaxed) == self.key[1]
    }
}

/// `cuIpcGetMemHandle`: of memory from `cuMemAlloc`. The same handle each time.
pub fn export_memory(address: u64) -> R<Handle> {
    current()?;
    let allocation = space().find(address).filter(|a| a.kind == Kind::Device).ok_or(CUresult::INVALID_VALUE)?;
    let own = own()?;
    let index = {
        let mut memory = own.memory.lock();
        match memory.get(&allocation.id) {
            Some(&index) => index,
            None => {
                let index = own.take(MEMORY, allocation.device, allocation.start, allocation.len)?;
                memory.insert(allocation.id, index);
                index
            }
        }
    };
    let arena = super::device::device(allocation.device as i32)?.arena.fd();
    Name::write(own, index, arena as u32)
}

/// Exported memory was freed: nobody can open its handle any more.
pub fn forget(id: u64) {
    if let Some(Ok(own)) = OWN.get()
        && let Some(index) = own.memory.lock().remove(&id)
    {
        own.give(index);
    }
}

struct Opened {
    key: [u64; 2],
    ctx: u64,
    count: u32,
}

/// Memory of other processes that is open here, by its address.
static OPENED: Mutex<Option<HashMap<u64, Opened>>> = Mutex::new(None);

/// `cuIpcOpenMemHandle`: the address here of memory of another process. Opened again, the same address.
///
/// # Errors
/// CUDA_ERROR_INVALID_CONTEXT for a handle of this process, CUDA_ERROR_INVALID_HANDLE for one of nothing that is there.
pub fn open_memory(handle: &Handle, flags: u32) -> R<u64> {
    let ctx = current()?;
    ensure(flags == 1, CUresult::INVALID_VALUE)?;
    let name = Name::read(handle)?;
    let board = name.find(MEMORY)?;
    ensure(name.process != std::process::id(), CUresult::INVALID_CONTEXT)?;
    let mut opened = OPENED.lock();
    let opened = opened.get_or_insert_default();
    if let Some((&address, entry)) = opened.iter_mut().find(|(_, o)| o.key == name.key && o.ctx == ctx.handle) {
        entry.count += 1;
        return Ok(address);
    }
    let slot = board.slot(name.slot as usize);
    let (start, len) = (slot.start.load(Ordering::Relaxed), slot.len.load(Ordering::Relaxed));
    let owner = super::device::device(i32::try_from(name.device).map_err(|_| CUresult::INVALID_HANDLE)?).map_err(|_| CUresult::INVALID_HANDLE)?;
    let base = device_base(owner.ordinal, settings().share);
    let end = start.checked_add(len).ok_or(CUresult::INVALID_HANDLE)?;
    ensure(start >= base && len > 0 && end <= base + LINEAR, CUresult::INVALID_HANDLE)?;
    let arena = name.file(Content::Device, name.arena)?;
    ensure(arena.device == owner.ordinal && arena.len == WINDOW, CUresult::INVALID_HANDLE)?;
    let first = (start - base) & !(PAGE - 1);
    let skip = start - base - first;
    let mapping = Mapping::new(arena.raw(), first, skip + len).map_err(|_| CUresult::MAP_FAILED)?;
    // Freed in the meantime: the pages may be another allocation's already.
    ensure(name.alive(&board), CUresult::INVALID_HANDLE)?;
    let address = mapping.base + skip;
    let new = New { start: address, len, kind: Kind::Imported, device: owner.ordinal, ctx: ctx.handle, flags: 0, pool: 0 };
    let allocation = space().insert_backed(new, Backing::Mapping(Arc::new(mapping)));
    space().set_visible(&allocation, 1 << ctx.device.ordinal);
    opened.insert(address, Opened { key: name.key, ctx: ctx.handle, count: 1 });
    Ok(address)
}

/// `cuIpcCloseMemHandle`: the last close takes the addresses away.
pub fn close_memory(address: u64) -> R {
    current()?;
    let last = {
        let mut opened = OPENED.lock();
        let opened = opened.get_or_insert_default();
        let entry = opened.get_mut(&address).ok_or(CUresult::INVALID_VALUE)?;
        entry.count -= 1;
        let last = entry.count == 0;
        if last {
            opened.remove(&address);
        }
        last
    };
    if last {
        wait_for_all();
        if let Some(gone) = space().remove(address, |a| a.kind == Kind::Imported) {
            memory::free_backing(&gone);
        }
    }
    Ok(())
}

/// Memory that was open in a context that ended.
pub fn forget_opened(allocation: &Allocation) {
    if let Some(opened) = &mut *OPENED.lock() {
        opened.remove(&allocation.start);
    }
}

/// The counters of an event that processes share.
pub struct SharedEvent {
    board: Arc<Board>,
    index: usize,
    owned: bool,
}

impl Drop for SharedEvent {
    fn drop(&mut self) {
        if self.owned
            && let Some(Ok(own)) = OWN.get()
        {
            own.give(self.index);
        }
    }
}

impl SharedEvent {
    /// For an event made with CU_EVENT_INTERPROCESS.
    pub fn create(device: u32) -> R<SharedEvent> {
        let own = own()?;
        Ok(SharedEvent { board: Arc::clone(&own.board), index: own.take(EVENT, device, 0, 0)?, owned: true })
    }

    /// `cuIpcGetEventHandle`.
    pub fn export(&self) -> R<Handle> {
        ensure(self.owned, CUresult::INVALID_VALUE)?;
        Name::write(own()?, self.index, 0)
    }

    /// `cuIpcOpenEventHandle`.
    ///
    /// # Errors
    /// As [`open_memory`].
    pub fn open(handle: &Handle) -> R<SharedEvent> {
        let name = Name::read(handle)?;
        let board = name.find(EVENT)?;
        ensure(name.process != std::process::id(), CUresult::INVALID_CONTEXT)?;
        super::device::device(i32::try_from(name.device).map_err(|_| CUresult::INVALID_HANDLE)?).map_err(|_| CUresult::INVALID_HANDLE)?;
        Ok(SharedEvent { board, index: name.slot as usize, owned: false })
    }

    fn slot(&self) -> &Slot {
        self.board.slot(self.index)
    }

    /// A recording begins; the number to be given to [`SharedEvent::reach`].
    pub fn begin(&self) -> u32 {
        self.slot().recorder.store(std::process::id(), Ordering::Relaxed);
        self.slot().begun.fetch_add(1, Ordering::AcqRel).wrapping_add(1)
    }

    /// A stream reached the recording: whoever waits for it, or for an earlier one, goes on.
    pub fn reach(&self, number: u32) {
        let reached = &self.slot().reached;
        let later = |now: u32| (now.wrapping_sub(number) as i32) < 0;
        let _ = reached.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| later(now).then_some(number));
        // SAFETY: wakes waiters on a word that stays mapped; shared between processes, hence not the private form.
        unsafe { libc::syscall(libc::SYS_futex, reached.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
    }

    /// The last recording begun, by whatever process.
    pub fn latest(&self) -> u32 {
        self.slot().begun.load(Ordering::Acquire)
    }

    /// Whether a recording was reached.
    pub fn reached(&self, number: u32) -> bool {
        self.slot().reached.load(Ordering::Acquire).wrapping_sub(number) as i32 >= 0
    }

    /// Sleeps until the recording is reached, `stop` says so, or the process that began it is gone.
    pub fn wait(&self, number: u32, stop: impl Fn() -> bool) {
        while !self.reached(number) && !stop() {
            let word = &self.slot().reached;
            let now = word.load(Ordering::Acquire);
            if now.wrapping_sub(number) as i32 >= 0 {
                return;
            }
            let time = libc::timespec { tv_sec: 0, tv_nsec: Duration::from_millis(20).as_nanos() as libc::c_long };
            // SAFETY: waits on a word that stays mapped, for a bounded time that is valid for the call.
            unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, now, &raw const time, 0, 0) };
            let recorder = self.slot().recorder.load(Ordering::Relaxed);
            // SAFETY: signal 0 only asks whether the process exists.
            if i32::try_from(recorder).is_ok_and(|pid| pid > 0 && unsafe { libc::kill(pid, 0) } != 0) {
                tracing::warn!("process {recorder} ended before it reached an event that is waited for");
                return;
            }
        }
    }
}

/// Whether a context of this process should stop waiting for another one.
pub fn gives_up(ctx: &Context) -> bool {
    ctx.fault.load(Ordering::Acquire) != 0 || ctx.stop.load(Ordering::Acquire) || CONTEXTS.find(ctx.handle).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_that_were_made_up_find_nothing() {
        assert_eq!(Name::read(&[0; 64]).err(), Some(CUresult::INVALID_HANDLE));
        let own = own().unwrap();
        let index = own.take(MEMORY, 0, device_base(0, (0, 1)), 4096).unwrap();
        let handle = Name::write(own, index, 5).unwrap();
        assert!(Name::read(&handle).unwrap().find(MEMORY).is_ok());
        assert!(Name::read(&handle).unwrap().find(EVENT).is_err());
        for bit in 0..512 {
            let mut other = handle;
            other[bit / 8] ^= 1 << (bit % 8);
            // The arena's descriptor and the device are looked at when the memory is mapped.
            if !(160..192).contains(&bit) && !(224..256).contains(&bit) && !(128..160).contains(&bit) {
                assert!(Name::read(&other).and_then(|n| n.find(MEMORY)).is_err(), "bit {bit}");
            }
        }
        own.give(index);
        assert_eq!(Name::read(&handle).unwrap().find(MEMORY).err(), Some(CUresult::INVALID_HANDLE));
    }
}
