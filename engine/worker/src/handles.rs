//! Client-made ids and the driver handles behind them.
//!
//! An id is `kind << 48 | generation << 32 | index` (see `ringway_wire::ids`). The client chooses index and generation;
//! the worker only remembers which driver handle stands behind an id, and refuses one that is not there. An index is
//! bounded, so a hostile client cannot make the tables grow without limit.

use parking_lot::RwLock;
use ringway_api::{CudaError, Kind};
use ringway_wire::control::Share;
use ringway_wire::ids::{INDEX_MAX, KIND_COUNT, SERVER_INDEX_MIN, pack, unpack};
use std::ops::Range;

#[derive(Debug, Clone, Copy)]
struct Entry {
    generation: u16,
    context: u32,
    raw: u64,
}

/// What stands behind an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    /// The driver's handle.
    pub raw: u64,
    /// Context (client-made id) in which it was made.
    pub context: u32,
}

/// All tables of a session, one a kind.
#[derive(Debug)]
pub struct Handles {
    tables: [RwLock<Vec<Option<Entry>>>; KIND_COUNT],
    /// Indices of ids that are made here.
    made_here: Range<usize>,
}

impl Handles {
    /// Empty tables of one of a program's sessions.
    pub fn new(share: Share) -> Self {
        let (first, length) = share.part(INDEX_MAX + 1 - SERVER_INDEX_MIN);
        let first = (SERVER_INDEX_MIN + first) as usize;
        Self { tables: Default::default(), made_here: first..first + length as usize }
    }

    /// The driver's handle behind `id`.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE` where the id is of another kind, was never made, or is gone.
    #[inline]
    pub fn get(&self, kind: Kind, id: u64) -> Result<Handle, CudaError> {
        let (found_kind, generation, index) = unpack(id);
        if found_kind != kind as u16 {
            return Err(CudaError::INVALID_HANDLE);
        }
        let table = self.tables[kind as usize].read();
        match table.get(index as usize) {
            Some(Some(entry)) if entry.generation == generation => Ok(Handle {
                raw: entry.raw,
                context: entry.context,
            }),
            _ => Err(CudaError::INVALID_HANDLE),
        }
    }

    /// Remembers that `raw`, made in `context`, stands behind `id`.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` where the id is malformed or taken.
    pub fn insert(&self, kind: Kind, id: u64, raw: u64, context: u32) -> Result<(), CudaError> {
        let (found_kind, generation, index) = unpack(id);
        if found_kind != kind as u16 || index >= SERVER_INDEX_MIN {
            return Err(CudaError::INVALID_VALUE);
        }
        let mut table = self.tables[kind as usize].write();
        let index = index as usize;
        if table.len() <= index {
            table.resize(index + 1, None);
        }
        // An object of another generation is gone as far as the client knows: functions and kernels go with their module or library.
        if table[index].is_some_and(|taken| taken.generation == generation) {
            return Err(CudaError::INVALID_VALUE);
        }
        table[index] = Some(Entry {
            generation,
            context,
            raw,
        });
        Ok(())
    }

    /// Forgets an id and gives what stood behind it.
    ///
    /// # Errors
    /// As [`Handles::get`].
    pub fn remove(&self, kind: Kind, id: u64) -> Result<Handle, CudaError> {
        let handle = self.get(kind, id)?;
        let (_, _, index) = unpack(id);
        self.tables[kind as usize].write()[index as usize] = None;
        Ok(handle)
    }

    /// The id of an object that the driver named: the one it has, or a new one made here. Ids made here have indices from
    /// [`SERVER_INDEX_MIN`] on, which clients never use, and no other session of the program (WIRE.md, W33).
    ///
    /// # Errors
    /// `CUDA_ERROR_OUT_OF_MEMORY` when the table is full.
    pub fn found(&self, kind: Kind, raw: u64, context: u32) -> Result<u64, CudaError> {
        let mut table = self.tables[kind as usize].write();
        let known = table
            .iter()
            .position(|slot| slot.is_some_and(|entry| entry.raw == raw));
        if let Some(index) = known {
            return Ok(pack(
                kind,
                table[index].map_or(0, |entry| entry.generation),
                index as u32,
            ));
        }
        let first = self.made_here.start;
        let index = (first..table.len())
            .find(|index| table[*index].is_none())
            .unwrap_or(table.len().max(first));
        if !self.made_here.contains(&index) {
            return Err(CudaError::OUT_OF_MEMORY);
        }
        if table.len() <= index {
            table.resize(index + 1, None);
        }
        table[index] = Some(Entry {
            generation: 0,
            context,
            raw,
        });
        Ok(pack(kind, 0, index as u32))
    }

    /// Every handle of a kind that belongs to `context`.
    pub fn of_context(&self, kind: Kind, context: u32) -> Vec<u64> {
        self.tables[kind as usize]
            .read()
            .iter()
            .flatten()
            .filter(|entry| entry.context == context)
            .map(|entry| entry.raw)
            .collect()
    }

    /// Every handle of a kind that belongs to `context`, forgotten here.
    pub fn take_context(&self, kind: Kind, context: u32) -> Vec<u64> {
        let mut gone = Vec::new();
        for slot in self.tables[kind as usize].write().iter_mut() {
            if slot.is_some_and(|entry| entry.context == context)
                && let Some(entry) = slot.take()
            {
                gone.push(entry.raw);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_foreign_and_absurd_ids_are_refused() {
        let handles = Handles::new(Share::default());
        let id = pack(Kind::Stream, 3, 7);
        handles.insert(Kind::Stream, id, 0xabc, 1).unwrap();
        assert_eq!(handles.get(Kind::Stream, id).unwrap().raw, 0xabc);
        assert_eq!(handles.get(Kind::Event, id), Err(CudaError::INVALID_HANDLE));
        assert_eq!(
            handles.get(Kind::Stream, pack(Kind::Stream, 4, 7)),
            Err(CudaError::INVALID_HANDLE)
        );
        assert_eq!(
            handles.get(Kind::Stream, pack(Kind::Stream, 3, 8)),
            Err(CudaError::INVALID_HANDLE)
        );
        assert_eq!(
            handles.get(Kind::Stream, u64::MAX),
            Err(CudaError::INVALID_HANDLE)
        );
        assert_eq!(
            handles.insert(Kind::Stream, id, 1, 1),
            Err(CudaError::INVALID_VALUE),
            "taken"
        );
        let next = pack(Kind::Stream, 4, 7);
        handles.insert(Kind::Stream, next, 0xdef, 1).unwrap();
        assert_eq!(handles.get(Kind::Stream, id), Err(CudaError::INVALID_HANDLE));
        assert_eq!(handles.remove(Kind::Stream, next).unwrap().raw, 0xdef);
        handles.insert(Kind::Stream, id, 0xabc, 1).unwrap();
        assert_eq!(
            handles.insert(Kind::Stream, pack(Kind::Stream, 0, SERVER_INDEX_MIN), 1, 1),
            Err(CudaError::INVALID_VALUE),
            "over the limit"
        );
        assert_eq!(handles.remove(Kind::Stream, id).unwrap().raw, 0xabc);
        assert_eq!(
            handles.remove(Kind::Stream, id),
            Err(CudaError::INVALID_HANDLE)
        );
    }

    #[test]
    fn sessions_of_one_program_name_objects_apart() {
        let sessions = [0, 1, 2].map(|number| Handles::new(Share { number, of: 3 }));
        let mut ids = Vec::new();
        for handles in &sessions {
            for raw in 1..=3 {
                let id = handles.found(Kind::GraphNode, raw, 1).unwrap();
                assert_eq!(handles.found(Kind::GraphNode, raw, 1), Ok(id), "known from now on");
                assert!(unpack(id).2 >= SERVER_INDEX_MIN);
                ids.push(id);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 9);
        let last = Handles::new(Share { number: 15, of: 16 });
        assert!(last.made_here.end <= INDEX_MAX as usize + 1);
    }
}
