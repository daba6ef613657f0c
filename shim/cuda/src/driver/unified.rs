//! What a pointer points to.

use super::put;
use core::ffi::c_void;
use ringway_api::CudaError;
use ringway_client::memory::{self, Place};
use ringway_client::session;

/// One attribute (CUpointer_attribute) of an address.
unsafe fn attribute(data: *mut c_void, attribute: u32, ptr: u64) -> Result<(), CudaError> {
    let found = memory::find(ptr);
    let host = found.is_some_and(|found| {
        matches!(found.place, Place::PinnedHost(_) | Place::RegisteredHost(_))
    });
    let device = found.is_some_and(|found| matches!(found.place, Place::Device | Place::Reserved));
    let unknown = CudaError::INVALID_VALUE;
    unsafe {
        match attribute {
            // CONTEXT
            1 => put(data.cast(), found.ok_or(unknown)?.context_handle),
            // MEMORY_TYPE
            2 => put(
                data.cast(),
                if device {
                    2u32
                } else if host {
                    1
                } else {
                    return Err(unknown);
                },
            ),
            // DEVICE_POINTER
            3 => {
                if device {
                    put(data.cast(), ptr)
                } else {
                    Err(unknown)
                }
            }
            // HOST_POINTER
            4 => {
                if host {
                    put(data.cast(), ptr)
                } else {
                    Err(unknown)
                }
            }
            // SYNC_MEMOPS, IS_MANAGED
            6 | 8 => {
                found.ok_or(unknown)?;
                put(data.cast(), 0u32)
            }
            // BUFFER_ID
            7 => put(data.cast(), found.ok_or(unknown)?.number),
            // DEVICE_ORDINAL
            9 => put(data.cast(), found.ok_or(unknown)?.gpu as i32),
            // IS_LEGACY_CUDA_IPC_CAPABLE
            10 => put(data.cast(), 0u32),
            // RANGE_START_ADDR
            11 => put(data.cast(), found.ok_or(unknown)?.base),
            // RANGE_SIZE
            12 => put(data.cast(), found.ok_or(unknown)?.bytes as usize),
            // MAPPED
            13 => put(data.cast(), u32::from(found.is_some())),
            // ALLOWED_HANDLE_TYPES
            14 => put(data.cast(), 0u64),
            // IS_GPU_DIRECT_RDMA_CAPABLE
            15 => put(data.cast(), 0u32),
            // ACCESS_FLAGS: read and write
            16 => {
                found.ok_or(unknown)?;
                put(data.cast(), 3u32)
            }
            // MEMPOOL_HANDLE
            17 => put(data.cast(), 0u64),
            // MAPPING_SIZE, MAPPING_BASE_ADDR, MEMORY_BLOCK_ID
            18 => put(data.cast(), found.ok_or(unknown)?.bytes as usize),
            19 => put(data.cast(), found.ok_or(unknown)?.base),
            20 => put(data.cast(), found.ok_or(unknown)?.number),
            _ => Err(unknown),
        }
    }
}

pub unsafe fn cuPointerGetAttribute(
    data: *const c_void,
    attribute_: u32,
    ptr: u64,
) -> Result<(), CudaError> {
    session()?;
    if data.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    unsafe { attribute(data.cast_mut(), attribute_, ptr) }
}

pub unsafe fn cuPointerGetAttributes(
    numAttributes: u32,
    attributes: *mut u32,
    data: *mut c_void,
    ptr: u64,
) -> Result<(), CudaError> {
    session()?;
    let wanted = unsafe { ringway_client::slice(attributes.cast_const(), numAttributes as usize) }?;
    if data.is_null() || wanted.is_empty() {
        return Err(CudaError::INVALID_VALUE);
    }
    for (index, number) in wanted.iter().enumerate() {
        let to = unsafe { data.cast::<*mut c_void>().add(index).read_unaligned() };
        if to.is_null() {
            continue;
        }
        // For an address that CUDA does not know the answers are null, and the call succeeds.
        if unsafe { attribute(to, *number, ptr) }.is_err() {
            let bytes = match number {
                2 | 6 | 8 | 9 | 10 | 13 | 15 | 16 => 4,
                _ => 8,
            };
            unsafe { to.cast::<u8>().write_bytes(0, bytes) };
            if *number == 9 {
                // No device: -2, CU_DEVICE_INVALID.
                unsafe { put(to.cast(), -2i32) }?;
            }
        }
    }
    Ok(())
}

pub unsafe fn cuPointerSetAttribute(
    value: *const c_void,
    attribute: u32,
    ptr: u64,
) -> Result<(), CudaError> {
    session()?;
    // SYNC_MEMOPS is the only one that can be set; copies here are always ordered as it asks.
    if attribute != 6 || value.is_null() || memory::find(ptr).is_none() {
        return Err(CudaError::INVALID_VALUE);
    }
    Ok(())
}
