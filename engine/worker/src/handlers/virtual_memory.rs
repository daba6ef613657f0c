//! Virtual memory management: physical memory is counted against the slice from its creation until nobody can reach it
//! any more, which is when its handle is released and its last mapping is gone.

use super::memory::charged;
use crate::cx::{Cx, Failure, Outcome};
use crate::driver_call;
use crate::translate::to_driver;
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind};
use ringway_wire::codec::Reader;
use std::collections::{BTreeMap, HashMap};

/// Size of a CUmemAllocationProp.
const PROP_SIZE: usize = 32;
/// Where its CUmemLocation is: type (4 bytes), then id.
const PROP_LOCATION: usize = 8;
/// Physical memory is charged under its driver handle with this bit, which no address has.
const CHARGE_HANDLE: u64 = 1 << 63;

/// Physical memory that a session has made.
#[derive(Default)]
struct Physical {
    released: bool,
    mappings: u32,
}

/// What is mapped where.
#[derive(Default)]
pub struct Mapped(Mutex<State>);

#[derive(Default)]
struct State {
    physical: HashMap<u64, Physical>,
    /// Start of a mapping: its size, and the handle behind it.
    ranges: BTreeMap<u64, (usize, u64)>,
}

impl Mapped {
    fn created(&self, handle: u64) {
        self.0.lock().physical.insert(handle, Physical::default());
    }

    fn map(&self, at: u64, size: usize, handle: u64) {
        let mut state = self.0.lock();
        state.ranges.insert(at, (size, handle));
        state.physical.entry(handle).or_default().mappings += 1;
    }

    /// The handles that nobody can reach any more after `size` bytes at `at` were unmapped.
    fn unmap(&self, at: u64, size: usize) -> Vec<u64> {
        let mut state = self.0.lock();
        let end = at.saturating_add(size as u64);
        let gone: Vec<u64> = state.ranges.range(at..end).map(|(start, _)| *start).collect();
        let mut unreachable = Vec::new();
        for start in gone {
            if let Some((_, handle)) = state.ranges.remove(&start)
                && let Some(physical) = state.physical.get_mut(&handle)
            {
                physical.mappings = physical.mappings.saturating_sub(1);
                if physical.released && physical.mappings == 0 {
                    state.physical.remove(&handle);
                    unreachable.push(handle);
                }
            }
        }
        unreachable
    }

    /// Whether nobody can reach the memory after its handle was released.
    fn release(&self, handle: u64) -> bool {
        let mut state = self.0.lock();
        match state.physical.get_mut(&handle) {
            Some(physical) if physical.mappings > 0 => {
                physical.released = true;
                false
            }
            _ => {
                state.physical.remove(&handle);
                true
            }
        }
    }
}

pub fn cuMemCreate(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    create(cx, r).into()
}

fn create(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let id = r.u64()?;
    let size = r.usize()?;
    let mut prop = r.array::<PROP_SIZE>()?;
    let flags = r.u64()?;
    r.end()?;
    // The client's ordinal is the slice's index; only memory of a GPU is given.
    let ordinal = i32::from_ne_bytes([prop[12], prop[13], prop[14], prop[15]]);
    to_driver(cx, &mut prop, PROP_LOCATION)?;
    let gpu = match prop[PROP_LOCATION] {
        1 => usize::try_from(ordinal).map_err(|_| CudaError::INVALID_DEVICE)?,
        _ => return Err(CudaError::NOT_SUPPORTED.into()),
    };
    let charge = charged(size as u64);
    if !cx.session.reserve(gpu, charge) {
        return Err(CudaError::OUT_OF_MEMORY.into());
    }
    let prop = crate::cx::aligned::<{ PROP_SIZE / 8 }>(&prop);
    let mut handle = 0u64;
    let made = driver_call!(cx.driver, cuMemCreate(&raw mut handle, size, prop.as_ptr().cast(), flags));
    if let Err(code) = made {
        cx.session.unreserve(gpu, charge);
        return Err(code.into());
    }
    // Physical memory outlives contexts, so it is charged to none.
    cx.session.charge(handle | CHARGE_HANDLE, 0, gpu, charge);
    cx.session.mapped.created(handle);
    Ok(cx.insert(Kind::Allocation, id, handle)?)
}

pub fn cuMemRelease(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let id = r.u64()?;
        r.end()?;
        let handle = cx.handle(Kind::Allocation, id)?;
        driver_call!(cx.driver, cuMemRelease(handle))?;
        cx.remove(Kind::Allocation, id);
        if cx.session.mapped.release(handle) {
            cx.session.discharge(handle | CHARGE_HANDLE);
        }
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuMemMap(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let at = r.u64()?;
        let size = r.usize()?;
        let offset = r.usize()?;
        let handle = cx.handle(Kind::Allocation, r.u64()?)?;
        let flags = r.u64()?;
        r.end()?;
        driver_call!(cx.driver, cuMemMap(at, size, offset, handle, flags))?;
        cx.session.mapped.map(at, size, handle);
        Ok(())
    };
    body(cx, r).into()
}

pub fn cuMemUnmap(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Outcome {
    let body = |cx: &mut Cx<'_>, r: &mut Reader<'_>| -> Result<(), Failure> {
        let at = r.u64()?;
        let size = r.usize()?;
        r.end()?;
        driver_call!(cx.driver, cuMemUnmap(at, size))?;
        for handle in cx.session.mapped.unmap(at, size) {
            cx.session.discharge(handle | CHARGE_HANDLE);
        }
        Ok(())
    };
    body(cx, r).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_out_of_reach_when_released_and_unmapped() {
        let mapped = Mapped::default();
        mapped.created(7);
        mapped.map(0x1000, 0x1000, 7);
        mapped.map(0x2000, 0x1000, 7);
        assert!(!mapped.release(7), "still mapped");
        assert_eq!(mapped.unmap(0x1000, 0x1000), Vec::<u64>::new());
        assert_eq!(mapped.unmap(0x2000, 0x1000), [7]);
        assert_eq!(mapped.unmap(0x2000, 0x1000), Vec::<u64>::new());
        mapped.created(8);
        mapped.map(0x3000, 0x1000, 8);
        assert_eq!(mapped.unmap(0x3000, 0x1000), Vec::<u64>::new(), "the handle is left");
        assert!(mapped.release(8));
    }
}
