//! Streams that wait for what happens on another server (WIRE.md, W34).
//!
//! A gate is a word of host memory and an operation in the driver's stream that waits for its value, so nobody's thread waits: neither
//! this worker's nor the one on which the driver calls host functions. The client opens it when it knows that the other server is done.
//! Copies by paths stop streams in the same way, without a word of the client's ([`Stop`]).

use crate::cx::{Cx, Failure};
use crate::driver_call;
use crate::session::Session;
use parking_lot::Mutex;
use ringway_api::{CudaError, op};
use ringway_wire::call::GATES_MAX;
use ringway_wire::codec::{Malformed, Reader};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

/// `CU_STREAM_WAIT_VALUE_GEQ`: until word minus value is not negative, as signed 32 bits.
const AT_LEAST: u32 = 0;
/// `CU_MEMHOSTREGISTER_PORTABLE` and `CU_MEMHOSTREGISTER_DEVICEMAP`.
const FOR_ALL_DEVICES: u32 = 1 | 2;

/// Words that the driver reads, on pages of their own.
#[repr(C, align(4096))]
struct Words([AtomicU32; GATES_MAX]);

/// A gate that is closed.
struct Closed {
    slot: usize,
    /// What its word becomes.
    value: u32,
    context: u32,
}

#[derive(Default)]
struct Inner {
    words: Option<&'static Words>,
    closed: HashMap<u64, Closed>,
    free: Vec<usize>,
}

/// The gates of a session.
#[derive(Default)]
pub struct Gates(Mutex<Inner>);

impl Inner {
    /// A word that no closed gate has, and the value that opens the next gate there. Words only count up, so a stream that has
    /// not looked yet does not miss that its gate was opened.
    fn take(&mut self) -> Option<(&'static Words, usize, u32)> {
        let words = *self.words.get_or_insert_with(|| {
            self.free = (0..GATES_MAX).collect();
            // The driver may read them until the process ends.
            Box::leak(Box::new(Words([const { AtomicU32::new(0) }; GATES_MAX])))
        });
        let slot = self.free.pop()?;
        Some((words, slot, words.0[slot].load(Ordering::Relaxed).wrapping_add(1)))
    }

    /// Lets whoever waits for a word go on.
    fn let_go(&mut self, slot: usize, value: u32) {
        if let Some(words) = self.words {
            words.0[slot].store(value, Ordering::Release);
        }
        self.free.push(slot);
    }
}

/// A stream that stands still until [`Gates::go`].
#[derive(Debug)]
pub struct Stop {
    slot: usize,
    value: u32,
}

impl Gates {
    /// Puts into a stream (the driver's handle) of the context that is current first what `before` does, then a stop.
    ///
    /// # Errors
    /// There are too many; what the driver or `before` says. The stream goes on then.
    pub fn stop(&self, session: &Session, stream: u64, before: impl FnOnce() -> Result<(), CudaError>) -> Result<Stop, Failure> {
        let taken = self.0.lock().take();
        let (words, slot, value) = taken.ok_or(Malformed::Count { count: GATES_MAX as u64 + 1, limit: GATES_MAX as u64 })?;
        let stopped = on_device(session, words).and_then(|address| {
            before()?;
            wait_for(session, stream, address, slot, value)
        });
        match stopped {
            Ok(()) => Ok(Stop { slot, value }),
            Err(code) => {
                self.0.lock().free.push(slot);
                Err(code.into())
            }
        }
    }

    /// Lets a stream go on.
    pub fn go(&self, Stop { slot, value }: Stop) {
        self.0.lock().let_go(slot, value);
    }
}

fn wait_for(session: &Session, stream: u64, address: u64, slot: usize, value: u32) -> Result<(), CudaError> {
    let word = address + (slot * size_of::<AtomicU32>()) as u64;
    driver_call!(session.driver, cuStreamWaitValue32(stream, word, value, AT_LEAST))
}

/// The device's address of the words, in the context that is current.
fn on_device(session: &Session, words: &'static Words) -> Result<u64, CudaError> {
    let at = std::ptr::from_ref(words).cast_mut().cast::<c_void>();
    let mut address = 0u64;
    let mut ask = || driver_call!(session.driver, cuMemHostGetDevicePointer(&raw mut address, at, 0));
    if ask().is_err() {
        // The first time, or the context that they were registered in is gone.
        driver_call!(session.driver, cuMemHostRegister(at, size_of::<Words>(), FOR_ALL_DEVICES))?;
        ask()?;
    }
    Ok(address)
}

/// [`TAG_GATE`](ringway_wire::call::TAG_GATE): closes a gate in a stream.
pub fn close(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let (stream, gate) = (r.u64()?, r.u64()?);
    r.end()?;
    cx.enter()?;
    let stream = cx.stream(stream)?;
    let (words, slot, value) = {
        let mut inner = cx.session.gates.0.lock();
        if inner.closed.contains_key(&gate) {
            return Err(Malformed::Value(gate).into());
        }
        let taken = inner.take().ok_or(Malformed::Count { count: GATES_MAX as u64 + 1, limit: GATES_MAX as u64 })?;
        inner.closed.insert(gate, Closed { slot: taken.1, value: taken.2, context: cx.header.ctx });
        taken
    };
    let waiting = on_device(cx.session, words).and_then(|address| wait_for(cx.session, stream, address, slot, value));
    if waiting.is_err() {
        let mut inner = cx.session.gates.0.lock();
        inner.closed.remove(&gate);
        inner.free.push(slot);
    }
    Ok(waiting?)
}

/// [`TAG_OPEN_GATE`](ringway_wire::call::TAG_OPEN_GATE): opens a gate. One that could not be closed has failed already.
pub fn open(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let (gate, result) = (r.u64()?, r.u32()?);
    r.end()?;
    let mut inner = cx.session.gates.0.lock();
    if let Some(closed) = inner.closed.remove(&gate) {
        if let Some(code) = CudaError::from_code(result) {
            cx.session.keep(closed.context, code, op::CU_STREAM_WAIT_EVENT);
        }
        inner.let_go(closed.slot, closed.value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_given_once_and_count_up() {
        let mut inner = Inner::default();
        let (words, slot, value) = inner.take().unwrap();
        assert_eq!(value, 1);
        words.0[slot].store(value, Ordering::Release);
        inner.free.push(slot);
        let (_, again, next) = inner.take().unwrap();
        assert_eq!((again, next), (slot, 2), "a stream that waits for 1 still finds it");
        let mut seen = vec![again];
        while let Some((_, slot, _)) = inner.take() {
            seen.push(slot);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), GATES_MAX);
    }
}
