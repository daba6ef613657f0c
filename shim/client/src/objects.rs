//! Objects that the program holds handles of. The client makes the handle; the server makes the object later.
//!
//! A handle is `kind << 48 | generation << 32 | index` (`ringway_wire::ids`). Looking one up is two loads; a handle that
//! was never given out, or whose object is gone, is found out here and now.

use crate::completion::{ELSEWHERE, QUERIED};
use crate::contexts::{self, Target};
use crate::session::session;
use crate::{servers, threads};
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind};
use ringway_wire::ids::{INDEX_MAX, KIND_COUNT, SERVER_INDEX_MIN, pack, unpack};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const CHUNK: usize = 1024;
const CHUNKS: usize = (INDEX_MAX as usize + 1) / CHUNK;
const ALIVE: u64 = 1 << 63;

/// `meta`: bit 63 alive, bits 32 to 47 generation, bits 0 to 31 context. `data`: whatever the kind needs.
struct Entry {
    meta: AtomicU64,
    data: AtomicU64,
}

struct Table {
    chunks: Box<[OnceLock<Box<[Entry]>>]>,
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    next: u32,
    list: Vec<u32>,
}

impl Table {
    fn new() -> Self {
        Self {
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
            free: Mutex::default(),
        }
    }

    #[inline]
    fn entry(&self, index: u32) -> Option<&Entry> {
        self.chunks
            .get(index as usize / CHUNK)?
            .get()
            .map(|chunk| &chunk[index as usize % CHUNK])
    }

    fn entry_or_new(&self, index: u32) -> Option<&Entry> {
        let chunk = self.chunks.get(index as usize / CHUNK)?;
        let new = || {
            (0..CHUNK)
                .map(|_| Entry {
                    meta: AtomicU64::new(0),
                    data: AtomicU64::new(0),
                })
                .collect()
        };
        Some(&chunk.get_or_init(new)[index as usize % CHUNK])
    }
}

static TABLES: [OnceLock<Table>; KIND_COUNT] = [const { OnceLock::new() }; KIND_COUNT];

fn table(kind: Kind) -> &'static Table {
    TABLES[kind as usize].get_or_init(Table::new)
}

/// An object that the program named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its handle, which is also its id on the wire.
    pub id: u64,
    /// Context (and so the lane, and the server) that it belongs to.
    pub target: Target,
}

/// A device that the program named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Ordinal at its server, which calls for it carry.
    pub ordinal: i32,
    /// The device's lane, in no context.
    pub target: Target,
}

#[inline]
fn find(kind: Kind, id: u64) -> Option<(&'static Entry, u64)> {
    let (found, generation, index) = unpack(id);
    if found != kind as u16 {
        return None;
    }
    let entry = TABLES[kind as usize].get()?.entry(index)?;
    let meta = entry.meta.load(Ordering::Acquire);
    (meta & ALIVE != 0 && (meta >> 32) as u16 == generation).then_some((entry, meta))
}

/// The object behind a handle.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE` (`CUDA_ERROR_INVALID_CONTEXT` for contexts).
#[inline]
pub fn handle(kind: Kind, id: u64) -> Result<Object, CudaError> {
    match find(kind, id) {
        Some((_, meta)) => Ok(Object {
            id,
            target: Target {
                stream: if kind == Kind::Stream { id as u32 + 1 } else { 0 },
                ..Target::of_context(meta as u32)
            },
        }),
        None if kind == Kind::Context => Err(CudaError::INVALID_CONTEXT),
        None => Err(CudaError::INVALID_HANDLE),
    }
}

/// The same, where null is allowed and means the current context.
///
/// # Errors
/// As [`handle`]; `CUDA_ERROR_INVALID_CONTEXT` for null with no context current.
pub fn handle_or_null(kind: Kind, id: u64) -> Result<Object, CudaError> {
    if id == 0 {
        Ok(Object {
            id: 0,
            target: contexts::current()?,
        })
    } else {
        handle(kind, id)
    }
}

/// The stream behind a stream argument: null and `CU_STREAM_LEGACY` (1) belong to the current context,
/// `CU_STREAM_PER_THREAD` (2) is replaced by a stream of this thread.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`; `CUDA_ERROR_INVALID_CONTEXT`.
#[inline]
pub fn stream(id: u64) -> Result<Object, CudaError> {
    match id {
        0 | 1 => Ok(Object {
            id,
            target: contexts::current()?,
        }),
        2 => threads::own_stream(),
        _ => handle(Kind::Stream, id),
    }
}

/// The device with an ordinal.
///
/// # Errors
/// `CUDA_ERROR_INVALID_DEVICE`.
pub fn device(ordinal: i32) -> Result<Device, CudaError> {
    let lane = usize::try_from(ordinal).map_err(|_| CudaError::INVALID_DEVICE)?;
    if lane >= session()?.devices.len() {
        return Err(CudaError::INVALID_DEVICE);
    }
    Ok(Device {
        ordinal: if servers::are_several() { session()?.number_there(lane as u32) as i32 } else { ordinal },
        target: Target {
            context: 0,
            lane: lane as u32,
            stream: 0,
        },
    })
}

/// A handle that was made and not yet given to the program; given up when dropped.
#[derive(Debug)]
pub struct New {
    kind: Kind,
    id: u64,
}

impl New {
    /// The handle.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The handle, for the program: it stays valid.
    pub fn keep(self) -> u64 {
        let id = self.id;
        std::mem::forget(self);
        id
    }
}

impl Drop for New {
    fn drop(&mut self) {
        destroyed(self.kind, self.id);
    }
}

/// Makes a handle for an object that will be made in `target`.
///
/// # Errors
/// `CUDA_ERROR_OUT_OF_MEMORY` when the program holds half a million of its kind.
pub fn create(kind: Kind, target: Target) -> Result<New, CudaError> {
    let table = table(kind);
    let index = {
        let mut free = table.free.lock();
        match free.list.pop() {
            Some(index) => index,
            None if free.next < SERVER_INDEX_MIN => {
                free.next += 1;
                free.next - 1
            }
            None => return Err(CudaError::OUT_OF_MEMORY),
        }
    };
    let entry = table.entry_or_new(index).ok_or(CudaError::OUT_OF_MEMORY)?;
    let generation = ((entry.meta.load(Ordering::Relaxed) >> 32) as u16).wrapping_add(1);
    let kept = if kind == Kind::Event { entry.data.load(Ordering::Relaxed) & QUERIED } else { 0 };
    entry.data.store(kept, Ordering::Relaxed);
    entry.meta.store(
        ALIVE | u64::from(generation) << 32 | u64::from(target.context),
        Ordering::Release,
    );
    Ok(New {
        kind,
        id: pack(kind, generation, index),
    })
}

/// The object is gone; its handle is invalid from now on.
pub fn destroyed(kind: Kind, id: u64) {
    let Some((entry, meta)) = find(kind, id) else {
        return;
    };
    // Only one of two racing destroyers gives the index back.
    if entry
        .meta
        .compare_exchange(meta, meta & !ALIVE, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
    {
        let (_, _, index) = unpack(id);
        if index < SERVER_INDEX_MIN {
            table(kind).free.lock().list.push(index);
        }
    }
}

/// Takes in a handle that the server made, for an object that the driver named.
///
/// # Errors
/// `CUDA_ERROR_UNKNOWN` where the server's id makes no sense.
pub fn found(kind: Kind, id: u64, target: Target) -> Result<u64, CudaError> {
    if id == 0 {
        return Ok(id);
    }
    if let Some((_, meta)) = find(kind, id) {
        let is_its_own = servers::is_its_own(target.lane, Target::of_context(meta as u32).lane);
        return if is_its_own { Ok(id) } else { Err(CudaError::UNKNOWN) };
    }
    let (of, generation, index) = unpack(id);
    if of != kind as u16 || !session()?.is_named_by(target.lane, index) {
        return Err(CudaError::UNKNOWN);
    }
    let entry = table(kind).entry_or_new(index).ok_or(CudaError::UNKNOWN)?;
    let data = if kind == Kind::Event { ELSEWHERE } else { 0 };
    entry.data.store(data, Ordering::Relaxed);
    entry.meta.store(
        ALIVE | u64::from(generation) << 32 | u64::from(target.context),
        Ordering::Release,
    );
    Ok(id)
}

/// The word that belongs to a live object.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
#[inline]
pub fn data(kind: Kind, id: u64) -> Result<u64, CudaError> {
    find(kind, id)
        .map(|(entry, _)| entry.data.load(Ordering::Acquire))
        .ok_or(CudaError::INVALID_HANDLE)
}

/// Sets the word of a live object; gives the old one.
pub fn set_data(kind: Kind, id: u64, data: u64) -> u64 {
    find(kind, id).map_or(0, |(entry, _)| entry.data.swap(data, Ordering::AcqRel))
}

/// The word of a live object itself; another object may have it later.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
#[inline]
pub(crate) fn word(kind: Kind, id: u64) -> Result<&'static AtomicU64, CudaError> {
    find(kind, id).map(|(entry, _)| &entry.data).ok_or(CudaError::INVALID_HANDLE)
}

/// The word of the stream with an index, whether it lives or not.
#[inline]
pub(crate) fn stream_word(index: u32) -> Option<&'static AtomicU64> {
    TABLES[Kind::Stream as usize].get()?.entry(index).map(|entry| &entry.data)
}

/// Every live handle of a kind in a context.
pub fn of_context(kind: Kind, context: u32) -> Vec<u64> {
    let Some(table) = TABLES[kind as usize].get() else {
        return Vec::new();
    };
    let mut live = Vec::new();
    for (number, chunk) in table.chunks.iter().enumerate() {
        let Some(chunk) = chunk.get() else { continue };
        for (at, entry) in chunk.iter().enumerate() {
            let meta = entry.meta.load(Ordering::Acquire);
            if meta & ALIVE != 0 && meta as u32 == context {
                live.push(pack(
                    kind,
                    (meta >> 32) as u16,
                    (number * CHUNK + at) as u32,
                ));
            }
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destroyed_handle_is_never_valid_again() {
        let target = Target {
            context: 3,
            lane: 0,
            stream: 0,
        };
        let first = create(Kind::Event, target).unwrap().keep();
        assert_eq!(handle(Kind::Event, first).unwrap().target.context, 3);
        assert_eq!(handle(Kind::Stream, first), Err(CudaError::INVALID_HANDLE));
        set_data(Kind::Event, first, 77);
        assert_eq!(data(Kind::Event, first), Ok(77));
        destroyed(Kind::Event, first);
        destroyed(Kind::Event, first);
        assert_eq!(handle(Kind::Event, first), Err(CudaError::INVALID_HANDLE));
        let second = create(Kind::Event, target).unwrap().keep();
        assert_ne!(first, second);
        assert_eq!(
            data(Kind::Event, second),
            Ok(0),
            "nothing of the former object is left"
        );
        let third = create(Kind::Event, target).unwrap().keep();
        assert_ne!(second as u32, third as u32, "the index was given back once");
        assert_eq!(of_context(Kind::Event, 3).len(), 2);
        drop(create(Kind::Event, target).unwrap());
        assert_eq!(
            of_context(Kind::Event, 3).len(),
            2,
            "what was not kept is gone"
        );
    }

    #[test]
    fn absurd_handles() {
        for id in [0, 1, 2, u64::MAX, 1 << 63, pack(Kind::Module, 9, INDEX_MAX)] {
            assert!(handle(Kind::Module, id).is_err());
        }
    }
}
