//! Bytes in a window that the peer may still be writing: read by copy, never by reference.

use std::marker::PhantomData;
use std::ops::Range;

/// The payload of a record, in place in a window that the peer can write at any time.
///
/// There is no `&[u8]` into it on purpose: what is decoded must first be copied out.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    ptr: *const u8,
    len: usize,
    landed: (usize, usize),
    lives: PhantomData<&'a ()>,
}

impl<'a> Payload<'a> {
    /// # Safety
    /// `ptr` must be readable for `len` bytes while `'a` lasts.
    pub(crate) unsafe fn new(ptr: *const u8, len: usize) -> Payload<'a> {
        Payload {
            ptr,
            len,
            landed: (0, 0),
            lives: PhantomData,
        }
    }

    /// The same, of which these bytes were received to where they belong.
    pub(crate) fn with_landed(self, landed: Range<usize>) -> Payload<'a> {
        Payload { landed: (landed.start, landed.end), ..self }
    }

    /// Bytes of it that are where they belong already, as a [`NoticeLander`](crate::NoticeLander) said; here is nothing in their
    /// place.
    pub fn landed(&self) -> Range<usize> {
        self.landed.0..self.landed.1
    }

    /// Bytes of payload.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the payload lies; valid as long as this value's lifetime, contents may change at any time.
    pub fn as_ptr(&self) -> *const u8 {
        self.ptr
    }

    /// Copies `out.len()` bytes from `offset`; false, and `out` untouched, if they do not all lie in the payload.
    #[must_use]
    pub fn read_at(&self, offset: usize, out: &mut [u8]) -> bool {
        if offset
            .checked_add(out.len())
            .is_none_or(|end| end > self.len)
        {
            return false;
        }
        // SAFETY: the range was just checked against the payload, which is readable; `out` is private memory.
        unsafe { std::ptr::copy_nonoverlapping(self.ptr.add(offset), out.as_mut_ptr(), out.len()) };
        true
    }

    /// The payload from `offset` on; `None` if it is shorter.
    pub fn from_offset(&self, offset: usize) -> Option<Payload<'a>> {
        let len = self.len.checked_sub(offset)?;
        let landed = self.landed.0.saturating_sub(offset)..self.landed.1.saturating_sub(offset);
        // SAFETY: a suffix of a readable range.
        Some(unsafe { Payload::new(self.ptr.add(offset), len) }.with_landed(landed))
    }

    /// A private copy of everything.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = vec![0; self.len];
        let whole = self.read_at(0, &mut out);
        debug_assert!(whole);
        out
    }
}

impl std::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.len)
    }
}
