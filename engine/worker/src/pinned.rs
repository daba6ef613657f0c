//! Pinned memory that lies in memory of both ends, over shared memory: copies with it are the driver's own (WIRE.md, W29, W30).
//!
//! The memory is one sparse file for the session. The client gives out ranges of it where the program asks for pinned memory; each is
//! registered with the driver here, so it is pinned for the GPU as it would be in the program's own process, and a copy
//! goes between it and device memory without another copy in between, in stream order.

use crate::cx::{Cx, Handled};
use crate::driver_call;
use ringway_api::CudaError;
use ringway_link::rdma::Direction;
use ringway_link::shm::SharedMemory;
use ringway_wire::call::SharedCall;
use ringway_wire::codec::{Malformed, Reader};
use std::ffi::c_void;
use std::sync::OnceLock;

/// `CU_MEMHOSTREGISTER_PORTABLE`: pinned for every context.
const PORTABLE: u32 = 1;
const PAGE: u64 = 4096;
/// Lengths of the memory, in bytes: half of the machine's, within these bounds. Its pages are there only while something is pinned.
const BYTES_MIN: u64 = 256 << 20;
const BYTES_MAX: u64 = 256 << 30;

/// The memory of a session, made when its first lane over shared memory is.
#[derive(Debug, Default)]
pub struct Pinned {
    memory: OnceLock<Option<SharedMemory>>,
}

impl Pinned {
    /// The memory for a lane over shared memory; None where there is no room for it.
    pub fn memory(&self) -> Option<&SharedMemory> {
        self.memory
            .get_or_init(|| match SharedMemory::new(length()) {
                Ok(memory) => Some(memory),
                Err(error) => {
                    tracing::info!("no memory for pinned data, which goes by the ring: {error}");
                    None
                }
            })
            .as_ref()
    }

    /// What has been made of it, and where an offset lies: within it, or one byte behind.
    fn at(&self, offset: u64) -> Option<*mut c_void> {
        let memory = self.memory.get()?.as_ref()?;
        let offset = usize::try_from(offset).ok().filter(|&offset| offset <= memory.len())?;
        // SAFETY: within the mapping, or one byte behind it.
        Some(unsafe { memory.address().add(offset) }.cast())
    }

    fn bytes(&self) -> u64 {
        self.memory.get().and_then(Option::as_ref).map_or(0, |memory| memory.len() as u64)
    }
}

/// Bytes of a session's memory.
fn length() -> usize {
    // SAFETY: two plain questions.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    let machine = u64::try_from(pages).unwrap_or(0).saturating_mul(u64::try_from(page).unwrap_or(0));
    (machine / 2).clamp(BYTES_MIN, BYTES_MAX).next_multiple_of(2 << 20) as usize
}

/// [`TAG_PIN`](ringway_wire::call::TAG_PIN): registers a range with the driver, or ends that. The driver may take a while.
pub fn pin(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Handled {
    let (offset, bytes) = (r.u64()?, r.u64()?);
    r.end()?;
    let pinned = &cx.session.pinned;
    let within = offset.checked_add(bytes).is_some_and(|end| end <= pinned.bytes());
    if !within || !offset.is_multiple_of(PAGE) || !bytes.is_multiple_of(PAGE) {
        return Err(Malformed::Value(offset).into());
    }
    cx.offload(move |session, reply| {
        let result = session.pinned.at(offset).ok_or(CudaError::NOT_SUPPORTED).and_then(|at| {
            if bytes == 0 {
                driver_call!(session.driver, cuMemHostUnregister(at))
            } else {
                driver_call!(session.driver, cuMemHostRegister(at, bytes as usize, PORTABLE))
            }
        });
        reply.result(session, result);
    })
}

/// A copy with [`FLAG_SHARED`](ringway_wire::call::FLAG_SHARED).
pub fn copy(cx: &mut Cx<'_>, r: &mut Reader<'_>, direction: Direction) -> Handled {
    let pinned = &cx.session.pinned;
    let call = SharedCall::read(r, pinned.bytes())?;
    // In a capture it becomes part of the graph: the memory is as lasting as the program's own.
    let stream = cx.stream(call.stream)?;
    let host = pinned.at(call.offset).ok_or(CudaError::NOT_SUPPORTED)?;
    let bytes = call.bytes as usize;
    match direction {
        Direction::ToDevice => driver_call!(cx.driver, cuMemcpyHtoDAsync(call.device, host, bytes, stream)),
        Direction::ToHost => driver_call!(cx.driver, cuMemcpyDtoHAsync(host, call.device, bytes, stream)),
    }?;
    cx.session.moved_past_the_ring(cx.context()?.gpu, direction, call.bytes);
    cx.answer_after(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_has_bounds_and_so_have_places_in_it() {
        let bytes = length() as u64;
        assert!((BYTES_MIN..=BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(PAGE));
        let pinned = Pinned::default();
        assert_eq!((pinned.bytes(), pinned.at(0)), (0, None));
        let memory = pinned.memory().expect("memory");
        assert_eq!(memory.len() as u64, bytes);
        assert!(pinned.at(bytes).is_some() && pinned.at(bytes + 1).is_none() && pinned.at(u64::MAX).is_none());
    }
}
