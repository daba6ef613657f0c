//! Tables from the handles that programs hold to the objects behind them. A handle is never an address: a stale or invented one is
//! looked up, not followed, and gives CUDA_ERROR_INVALID_HANDLE.

use super::result::{CUresult, R};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Handles are spread already; hashing them again would only cost time.
#[derive(Default)]
pub struct HandleHasher(u64);

impl Hasher for HandleHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// One kind of object. Handles look like 16-byte aligned user-space pointers (`0x0000_52kk_nnnn_nnn0`) because some programs print or compare them as such.
pub struct Registry<T> {
    kind: u64,
    next: AtomicU64,
    map: RwLock<HashMap<u64, Arc<T>, BuildHasherDefault<HandleHasher>>>,
}

impl<T> Registry<T> {
    /// A table whose handles carry `kind` (unique per table).
    pub const fn new(kind: u8) -> Self {
        Registry {
            kind: kind as u64,
            next: AtomicU64::new(1),
            map: RwLock::new(HashMap::with_hasher(BuildHasherDefault::new())),
        }
    }

    /// A fresh handle, not yet in the table.
    pub fn reserve(&self) -> u64 {
        0x5200_0000_0000 | self.kind << 32 | self.next.fetch_add(1, Ordering::Relaxed) << 4
    }

    /// The position in order of creation that a handle of this table carries.
    pub fn ordinal(handle: u64) -> u64 {
        (handle & 0xffff_ffff) >> 4
    }

    /// Enters an object under a handle from [`Registry::reserve`].
    pub fn insert(&self, handle: u64, object: Arc<T>) {
        self.map.write().insert(handle, object);
    }

    /// The object, or CUDA_ERROR_INVALID_HANDLE.
    pub fn get(&self, handle: u64) -> R<Arc<T>> {
        self.map.read().get(&handle).cloned().ok_or(CUresult::INVALID_HANDLE)
    }

    /// The object, if it is there.
    pub fn find(&self, handle: u64) -> Option<Arc<T>> {
        self.map.read().get(&handle).cloned()
    }

    /// Takes the object out of the table, or CUDA_ERROR_INVALID_HANDLE.
    pub fn remove(&self, handle: u64) -> R<Arc<T>> {
        self.map.write().remove(&handle).ok_or(CUresult::INVALID_HANDLE)
    }

    /// Takes out every object for which `doomed` says so.
    pub fn remove_where(&self, mut doomed: impl FnMut(&T) -> bool) -> Vec<Arc<T>> {
        let mut out = Vec::new();
        self.map.write().retain(|_, object| {
            let goes = doomed(object);
            if goes {
                out.push(Arc::clone(object));
            }
            !goes
        });
        out
    }

    /// Runs over all objects with their handles.
    pub fn each_with_handle(&self, mut f: impl FnMut(u64, &Arc<T>)) {
        self.map.read().iter().for_each(|(handle, object)| f(*handle, object));
    }

    /// Runs over all objects.
    pub fn each(&self, mut f: impl FnMut(&Arc<T>)) {
        self.map.read().values().for_each(&mut f);
    }
}
