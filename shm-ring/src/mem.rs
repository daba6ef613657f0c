//! Raw atomics on memory that a peer may share. The one module that loom replaces.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(loom))]
pub use real::Span;

#[cfg(loom)]
pub use model::Span;

#[cfg(not(loom))]
mod real {
    use crate::Region;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    /// A range of a [`Region`], kept mapped by this value. Cheap to clone.
    ///
    /// Offsets are relative to the span. Atomic accessors panic on an offset that is out of range or unaligned;
    /// they are always called with constants or masked positions, so the check is folded or predicted.
    #[derive(Clone)]
    pub struct Span {
        base: *mut u8,
        len: usize,
        _keep: Arc<Region>,
    }

    // SAFETY: the memory is only touched by atomics and by raw copies whose exclusion is the ring's business;
    // the mapping lives as long as `_keep`.
    unsafe impl Send for Span {}
    // SAFETY: as above.
    unsafe impl Sync for Span {}

    impl Span {
        pub(crate) fn new(base: *mut u8, len: usize, keep: Arc<Region>) -> Span {
            Span {
                base,
                len,
                _keep: keep,
            }
        }

        /// Bytes in the span.
        pub fn len(&self) -> usize {
            self.len
        }

        /// A span of no bytes.
        pub fn is_empty(&self) -> bool {
            self.len == 0
        }

        /// The part of `len` bytes at `offset`. Panics if it does not lie inside.
        pub fn sub(&self, offset: usize, len: usize) -> Span {
            assert!(
                offset <= self.len && len <= self.len - offset,
                "span out of range"
            );
            Span {
                // SAFETY: inside the mapping, just checked.
                base: unsafe { self.base.add(offset) },
                len,
                _keep: self._keep.clone(),
            }
        }

        /// Address of `offset`. Panics beyond the end.
        #[inline]
        pub fn ptr(&self, offset: usize) -> *mut u8 {
            assert!(offset <= self.len, "offset out of range");
            // SAFETY: inside the mapping or one past it.
            unsafe { self.base.add(offset) }
        }

        #[inline]
        fn at<T>(&self, offset: usize) -> *mut T {
            let size = size_of::<T>();
            assert!(
                offset.is_multiple_of(size) && offset < self.len && size <= self.len - offset,
                "word out of range"
            );
            // SAFETY: inside the mapping, just checked; mappings are page aligned and spans line aligned.
            let ptr = unsafe { self.base.add(offset) }.cast::<T>();
            debug_assert!(ptr.is_aligned());
            ptr
        }

        /// Atomic load.
        #[inline]
        pub fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
            // SAFETY: a valid, aligned word of the mapping that everyone accesses atomically.
            unsafe { AtomicU64::from_ptr(self.at(offset)) }.load(order)
        }

        /// Atomic store.
        #[inline]
        pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU64::from_ptr(self.at(offset)) }.store(value, order);
        }

        /// Atomic or; the value before.
        pub fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU64::from_ptr(self.at(offset)) }.fetch_or(bits, order)
        }

        /// Atomic and; the value before.
        pub fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU64::from_ptr(self.at(offset)) }.fetch_and(bits, order)
        }

        /// Atomic maximum; the value before.
        pub fn fetch_max_u64(&self, offset: usize, value: u64, order: Ordering) -> u64 {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU64::from_ptr(self.at(offset)) }.fetch_max(value, order)
        }

        /// Atomic wrapping add; the value before.
        pub fn fetch_add_u64(&self, offset: usize, value: u64, order: Ordering) -> u64 {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU64::from_ptr(self.at(offset)) }.fetch_add(value, order)
        }

        /// Stores `to` where there is `from`; says whether it was so. Acquires and releases.
        pub fn replace_u64(&self, offset: usize, from: u64, to: u64) -> bool {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU64::from_ptr(self.at(offset)) }
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        }

        /// Atomic load.
        #[inline]
        pub fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU32::from_ptr(self.at(offset)) }.load(order)
        }

        /// Atomic store.
        #[inline]
        pub fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU32::from_ptr(self.at(offset)) }.store(value, order);
        }

        /// Atomic wrapping add; the value before.
        pub fn fetch_add_u32(&self, offset: usize, value: u32, order: Ordering) -> u32 {
            // SAFETY: as in `load_u64`.
            unsafe { AtomicU32::from_ptr(self.at(offset)) }.fetch_add(value, order)
        }

        /// Address of a word, for futex calls only.
        pub(crate) fn word_ptr(&self, offset: usize) -> *const u32 {
            self.at::<u32>(offset)
        }

        /// Copies `bytes` to `offset`. Panics if they do not fit.
        #[inline]
        pub fn write(&self, offset: usize, bytes: &[u8]) {
            assert!(
                offset <= self.len && bytes.len() <= self.len - offset,
                "write out of range"
            );
            // SAFETY: inside the mapping, just checked; a private slice cannot overlap it.
            unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(offset), bytes.len())
            };
        }

        /// Copies from `offset` into `out`. Panics if it is not all inside.
        #[inline]
        pub fn read(&self, offset: usize, out: &mut [u8]) {
            assert!(
                offset <= self.len && out.len() <= self.len - offset,
                "read out of range"
            );
            // SAFETY: inside the mapping, just checked; `out` is private memory.
            unsafe {
                std::ptr::copy_nonoverlapping(self.base.add(offset), out.as_mut_ptr(), out.len())
            };
        }
    }
}

#[cfg(loom)]
mod model {
    use super::{AtomicU64, Ordering};
    use loom::cell::UnsafeCell;
    use std::sync::Arc;

    /// Memory as loom sees it: 64-bit words, each both an atomic and, for payloads, a plain cell whose accesses must
    /// be ordered by the atomics.
    #[derive(Clone)]
    pub struct Span {
        words: Arc<Vec<(AtomicU64, UnsafeCell<u64>)>>,
        base: usize,
        len: usize,
    }

    // SAFETY: that the cells are not accessed at the same time is what loom checks.
    unsafe impl Send for Span {}
    // SAFETY: as above.
    unsafe impl Sync for Span {}

    impl Span {
        /// Zeroed memory of `len` bytes.
        pub fn model(len: usize) -> Span {
            let word = |_| (AtomicU64::new(0), UnsafeCell::new(0));
            Span {
                words: Arc::new((0..len / 8).map(word).collect()),
                base: 0,
                len,
            }
        }

        /// Bytes in the span.
        pub fn len(&self) -> usize {
            self.len
        }

        /// A part of the span.
        pub fn sub(&self, offset: usize, len: usize) -> Span {
            assert!(offset <= self.len && len <= self.len - offset);
            Span {
                words: self.words.clone(),
                base: self.base + offset,
                len,
            }
        }

        /// Atomic load.
        pub fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
            self.words[(self.base + offset) / 8].0.load(order)
        }

        /// Atomic store.
        pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
            self.words[(self.base + offset) / 8].0.store(value, order);
        }

        /// Plain read of a payload word; loom fails the model if a write is not ordered before or after it.
        pub fn read_payload(&self, offset: usize) -> u64 {
            // SAFETY: loom checks that nobody writes meanwhile.
            self.words[(self.base + offset) / 8]
                .1
                .with(|word| unsafe { *word })
        }

        /// Plain write of a payload word; loom fails the model if another access is not ordered.
        pub fn write_payload(&self, offset: usize, value: u64) {
            // SAFETY: loom checks that nobody accesses it meanwhile.
            self.words[(self.base + offset) / 8]
                .1
                .with_mut(|word| unsafe { *word = value });
        }
    }
}
