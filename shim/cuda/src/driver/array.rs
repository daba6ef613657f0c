//! Arrays: what the client notes of each, so that copies beyond an array are rejected at once.

use crate::generated::array as generated;
use core::ffi::c_void;
use parking_lot::Mutex;
use ringway_api::CudaError;
use std::collections::HashMap;

/// `CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP`: the depth is a number of layers or faces, equal at every level.
const LAYERS: u32 = 0x01 | 0x04;

/// `CUDA_ARRAY3D_DESCRIPTOR`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Descriptor {
    width: usize,
    height: usize,
    depth: usize,
    format: u32,
    channels: u32,
    flags: u32,
}

/// `CUDA_ARRAY_DESCRIPTOR`.
#[repr(C)]
#[derive(Clone, Copy)]
struct FlatDescriptor {
    width: usize,
    height: usize,
    format: u32,
    channels: u32,
}

impl Descriptor {
    /// Bytes of an element; None for formats that are not the same number of bytes for each.
    fn element_bytes(&self) -> Option<usize> {
        let component = match self.format {
            0x01 | 0x08 => 1,
            0x02 | 0x09 | 0x10 => 2,
            0x03 | 0x0a | 0x20 => 4,
            _ => return None,
        };
        Some(component * self.channels as usize)
    }

    fn extent(&self, level: u32) -> Option<[usize; 3]> {
        let half = |size: usize| size.checked_shr(level).unwrap_or(0).max(1);
        let depth = if self.flags & LAYERS == 0 { half(self.depth) } else { self.depth.max(1) };
        Some([half(self.width).checked_mul(self.element_bytes()?)?, half(self.height), depth])
    }
}

/// Bytes of a row, rows and slices of each array of this process whose format is plain.
static EXTENTS: Mutex<Option<HashMap<u64, [usize; 3]>>> = Mutex::new(None);
/// What mipmapped arrays were made of, and the levels that the program has handles of.
static MIPMAPS: Mutex<Option<HashMap<u64, (Descriptor, Vec<u64>)>>> = Mutex::new(None);

fn note(array: u64, extent: Option<[usize; 3]>) {
    if let Some(extent) = extent {
        EXTENTS.lock().get_or_insert_default().insert(array, extent);
    }
}

fn forget(array: u64) {
    if let Some(extents) = EXTENTS.lock().as_mut() {
        extents.remove(&array);
    }
}

/// Whether a box lies in an array, as far as that is known here.
pub(super) fn holds(array: u64, at: [usize; 3], extent: [usize; 3]) -> bool {
    let known = EXTENTS.lock().as_ref().and_then(|extents| extents.get(&array).copied());
    known.is_none_or(|size| {
        (0..3).all(|k| at[k].checked_add(extent[k]).is_some_and(|end| end <= size[k]))
    })
}

pub unsafe fn cuArrayCreate(pHandle: *mut u64, pAllocateArray: *const c_void) -> Result<(), CudaError> {
    unsafe { generated::auto_cuArrayCreate(pHandle, pAllocateArray) }?;
    let flat = unsafe { pAllocateArray.cast::<FlatDescriptor>().read_unaligned() };
    let descriptor = Descriptor {
        width: flat.width,
        height: flat.height,
        depth: 0,
        format: flat.format,
        channels: flat.channels,
        flags: 0,
    };
    note(unsafe { pHandle.read_unaligned() }, descriptor.extent(0));
    Ok(())
}

pub unsafe fn cuArray3DCreate(pHandle: *mut u64, pAllocateArray: *const c_void) -> Result<(), CudaError> {
    unsafe { generated::auto_cuArray3DCreate(pHandle, pAllocateArray) }?;
    let descriptor = unsafe { pAllocateArray.cast::<Descriptor>().read_unaligned() };
    note(unsafe { pHandle.read_unaligned() }, descriptor.extent(0));
    Ok(())
}

pub unsafe fn cuArrayDestroy(hArray: u64) -> Result<(), CudaError> {
    unsafe { generated::auto_cuArrayDestroy(hArray) }?;
    forget(hArray);
    Ok(())
}

pub unsafe fn cuMipmappedArrayCreate(pHandle: *mut u64, pMipmappedArrayDesc: *const c_void, numMipmapLevels: u32) -> Result<(), CudaError> {
    unsafe { generated::auto_cuMipmappedArrayCreate(pHandle, pMipmappedArrayDesc, numMipmapLevels) }?;
    let descriptor = unsafe { pMipmappedArrayDesc.cast::<Descriptor>().read_unaligned() };
    MIPMAPS.lock().get_or_insert_default().insert(unsafe { pHandle.read_unaligned() }, (descriptor, Vec::new()));
    Ok(())
}

pub unsafe fn cuMipmappedArrayGetLevel(pLevelArray: *mut u64, hMipmappedArray: u64, level: u32) -> Result<(), CudaError> {
    unsafe { generated::auto_cuMipmappedArrayGetLevel(pLevelArray, hMipmappedArray, level) }?;
    let array = unsafe { pLevelArray.read_unaligned() };
    if let Some((descriptor, levels)) = MIPMAPS.lock().as_mut().and_then(|mipmaps| mipmaps.get_mut(&hMipmappedArray)) {
        note(array, descriptor.extent(level));
        if !levels.contains(&array) {
            levels.push(array);
        }
    }
    Ok(())
}

pub unsafe fn cuMipmappedArrayDestroy(hMipmappedArray: u64) -> Result<(), CudaError> {
    unsafe { generated::auto_cuMipmappedArrayDestroy(hMipmappedArray) }?;
    // The levels end with the array.
    let gone = MIPMAPS.lock().as_mut().and_then(|mipmaps| mipmaps.remove(&hMipmappedArray));
    for level in gone.map(|(_, levels)| levels).unwrap_or_default() {
        forget(level);
        ringway_client::destroyed(ringway_api::Kind::Array, level);
    }
    Ok(())
}
