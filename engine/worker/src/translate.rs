//! What in the arguments of generated calls means something else to the driver than to the client: device ordinals and
//! handles inside structures, kernels in place of functions.

use crate::cx::Cx;
use ringway_api::{CudaError, Kind};
use ringway_wire::ids::unpack;

/// A structure for the driver, aligned for any that it takes.
#[repr(C, align(64))]
pub struct Aligned<const WORDS: usize>(pub [u64; WORDS]);

/// What the driver calls a context.
///
/// # Errors
/// `CUDA_ERROR_INVALID_CONTEXT`.
pub fn context(cx: &Cx<'_>, id: u64) -> Result<u64, CudaError> {
    let (kind, _, number) = unpack(id);
    if kind != Kind::Context as u16 {
        return Err(CudaError::INVALID_CONTEXT);
    }
    Ok(cx.session.context(number)?.raw)
}

/// What the driver calls a function; a kernel's identifier may stand in its place, as CUDA allows.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
pub fn function(cx: &Cx<'_>, id: u64) -> Result<u64, CudaError> {
    let kind = if id >> 48 == Kind::Kernel as u64 { Kind::Kernel } else { Kind::Function };
    cx.handle(kind, id)
}

/// `CU_MEM_LOCATION_TYPE_DEVICE`.
const LOCATION_DEVICE: [u8; 4] = 1u32.to_ne_bytes();

/// The CUmemLocation (type, then id) at `offset`: the client's ordinal becomes the driver's.
///
/// # Errors
/// `CUDA_ERROR_INVALID_DEVICE`.
pub fn to_driver(cx: &Cx<'_>, structure: &mut [u8], offset: usize) -> Result<(), CudaError> {
    if let Some([kind, id]) = structure.get_mut(offset..offset + 8).map(|l| l.as_chunks_mut::<4>().0)
        && *kind == LOCATION_DEVICE
    {
        *id = cx.device(i32::from_ne_bytes(*id))?.to_ne_bytes();
    }
    Ok(())
}

/// The array in a CUDA_RESOURCE_DESC (type, then a union at byte 8): the client's handle becomes the driver's.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
pub fn resource(cx: &Cx<'_>, descriptor: &mut [u64]) -> Result<(), CudaError> {
    if let [kind, handle, ..] = descriptor {
        match *kind as u32 {
            0 => *handle = cx.handle(Kind::Array, *handle)?,
            1 => *handle = cx.handle(Kind::MipmappedArray, *handle)?,
            _ => {}
        }
    }
    Ok(())
}

/// The CUmemLocation at `offset`: the driver's ordinal becomes the client's.
pub fn to_client(cx: &Cx<'_>, structure: &mut [u8], offset: usize) {
    if let Some([kind, id]) = structure.get_mut(offset..offset + 8).map(|l| l.as_chunks_mut::<4>().0)
        && *kind == LOCATION_DEVICE
    {
        let theirs = i32::from_ne_bytes(*id);
        if let Some(ours) = (0..64).find(|ordinal| cx.device(*ordinal) == Ok(theirs)) {
            *id = ours.to_ne_bytes();
        }
    }
}
