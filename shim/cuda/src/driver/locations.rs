//! Device ordinals inside structures (CUmemLocation). Each server counts its own devices, so where there are several the program's
//! ordinal becomes the server's, in a copy of the structure.

use super::across::within;
use super::context::activate_primary;
use core::ffi::c_void;
use ringway_api::CudaError;
use ringway_client::contexts;
use ringway_client::device;
use ringway_client::servers::{are_apart, are_several};

/// `CU_MEM_LOCATION_TYPE_DEVICE`.
const DEVICE: i32 = 1;
/// `CUmemAccessDesc`: a location and flags.
const ACCESS_BYTES: usize = 12;

/// Kind and ordinal of the location at an offset.
fn read(bytes: &[u8], offset: usize) -> Option<(i32, i32)> {
    let (words, _) = bytes.get(offset..offset + 8)?.as_chunks::<4>();
    Some((i32::from_ne_bytes(words[0]), i32::from_ne_bytes(words[1])))
}

fn write(bytes: &mut [u8], offset: usize, ordinal: i32) {
    if let Some(place) = bytes.get_mut(offset + 4..offset + 8) {
        place.copy_from_slice(&ordinal.to_ne_bytes());
    }
}

/// Makes a call that takes a structure of so many bytes with a location at an offset, and goes to the current context's server. If the
/// device is on another, it is made in that device's primary context.
///
/// # Safety
/// `at` is null or readable for the structure.
pub(crate) unsafe fn with_location<const BYTES: usize>(
    at: *const c_void,
    offset: usize,
    call: impl FnOnce(*const c_void) -> Result<(), CudaError>,
) -> Result<(), CudaError> {
    if !are_several() || at.is_null() {
        return call(at);
    }
    let mut copy = unsafe { at.cast::<[u8; BYTES]>().read_unaligned() };
    let Some((DEVICE, ordinal)) = read(&copy, offset) else { return call(at) };
    let found = device(ordinal)?;
    write(&mut copy, offset, found.ordinal);
    let there = || call(copy.as_ptr().cast());
    if are_apart(contexts::current()?.lane, found.target.lane) {
        within(activate_primary(ordinal)?, there)
    } else {
        there()
    }
}

/// The same for a call that goes to the server of `lane` whatever the location: a device of another is none that it could mean.
///
/// # Safety
/// As [`with_location`].
pub(crate) unsafe fn with_location_of(
    lane: u32,
    at: *const c_void,
    call: impl FnOnce(*const c_void) -> Result<(), CudaError>,
) -> Result<(), CudaError> {
    if !are_several() || at.is_null() {
        return call(at);
    }
    let mut copy = unsafe { at.cast::<[u8; 8]>().read_unaligned() };
    translate(lane, &mut copy)?;
    call(copy.as_ptr().cast())
}

/// The same for an array of CUmemAccessDesc.
///
/// # Safety
/// `at` is null or readable for `count` of them.
pub(crate) unsafe fn with_accesses(
    lane: u32,
    at: *const c_void,
    count: usize,
    call: impl FnOnce(*const c_void) -> Result<(), CudaError>,
) -> Result<(), CudaError> {
    if !are_several() {
        return call(at);
    }
    let mut copy = unsafe { ringway_client::slice(at.cast::<[u8; ACCESS_BYTES]>(), count) }?.to_vec();
    copy.iter_mut().try_for_each(|one| translate(lane, one))?;
    call(copy.as_ptr().cast())
}

fn translate(lane: u32, location: &mut [u8]) -> Result<(), CudaError> {
    if let Some((DEVICE, ordinal)) = read(location, 0) {
        let found = device(ordinal)?;
        if are_apart(lane, found.target.lane) {
            return Err(CudaError::INVALID_DEVICE);
        }
        write(location, 0, found.ordinal);
    }
    Ok(())
}

/// The program's ordinal in place of that of the server of `lane`, in a structure that came from there.
pub(crate) fn from_server(lane: u32, bytes: &mut [u8], offset: usize) -> Result<(), CudaError> {
    if let Some((DEVICE, there)) = read(bytes, offset) {
        let first = lane - ringway_client::session()?.number_there(lane);
        write(bytes, offset, there.wrapping_add(first as i32));
    }
    Ok(())
}
