//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! What this code uses, all written by hand elsewhere:
//! - `crate::guard(op, || -> Result<(), CudaError>) -> u32`: runs a body, turns a panic into CUDA_ERROR_UNKNOWN.
//! - `crate::refused(op) -> u32`: result of a function that is refused or planned; says the reason once.
//! - `crate::refused_legacy(op, symbol) -> u32`: the same for a form of CUDA 3.1 and before.
//! - `crate::stream_arg(stream, per_thread) -> u64`: a null stream handle of a per-thread variant becomes 2.
//! - `crate::driver::<family>::<function>`: handwritten bodies, `unsafe fn` with the same arguments (a stream already
//!   through `stream_arg`; `per_thread: bool` behind them where there are per-thread variants and no stream).
//! - `ringway_client::{posted, called, current, handle, handle_or_null, stream, device, create, destroyed, found}`, `ringway_client::functions::object`: of a CUfunction or CUkernel.
#![allow(non_snake_case, unsafe_op_in_unsafe_fn, unused_imports, clippy::missing_safety_doc, clippy::too_many_arguments)]
// Every block here is sound if the program keeps CUDA's contract for the call: each pointer is null or valid for what
// CUDA says the call reads and writes there. Null is checked before use.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::{guard, refused, refused_legacy, stream_arg};
use core::ffi::{CStr, c_char, c_void};
use ringway_api::{CudaError, Kind, op};
use ringway_client as client;
use ringway_wire::codec::{Malformed, Writer as _};

/// `cuTexRefSetArray`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetArray() -> u32 {
    refused(op::CU_TEX_REF_SET_ARRAY)
}

/// `cuTexRefSetMipmappedArray`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetMipmappedArray() -> u32 {
    refused(op::CU_TEX_REF_SET_MIPMAPPED_ARRAY)
}

/// `cuTexRefSetAddress`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetAddress() -> u32 {
    refused_legacy(op::CU_TEX_REF_SET_ADDRESS, "cuTexRefSetAddress")
}

/// `cuTexRefSetAddress`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetAddress_v2() -> u32 {
    refused(op::CU_TEX_REF_SET_ADDRESS)
}

/// `cuTexRefSetAddress2D`, CUDA 2.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetAddress2D() -> u32 {
    refused_legacy(op::CU_TEX_REF_SET_ADDRESS2D, "cuTexRefSetAddress2D")
}

/// `cuTexRefSetAddress2D`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetAddress2D_v2() -> u32 {
    refused(op::CU_TEX_REF_SET_ADDRESS2D)
}

/// `cuTexRefSetAddress2D`, CUDA 4.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetAddress2D_v3() -> u32 {
    refused(op::CU_TEX_REF_SET_ADDRESS2D)
}

/// `cuTexRefSetFormat`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetFormat() -> u32 {
    refused(op::CU_TEX_REF_SET_FORMAT)
}

/// `cuTexRefSetAddressMode`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetAddressMode() -> u32 {
    refused(op::CU_TEX_REF_SET_ADDRESS_MODE)
}

/// `cuTexRefSetFilterMode`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetFilterMode() -> u32 {
    refused(op::CU_TEX_REF_SET_FILTER_MODE)
}

/// `cuTexRefSetMipmapFilterMode`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetMipmapFilterMode() -> u32 {
    refused(op::CU_TEX_REF_SET_MIPMAP_FILTER_MODE)
}

/// `cuTexRefSetMipmapLevelBias`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetMipmapLevelBias() -> u32 {
    refused(op::CU_TEX_REF_SET_MIPMAP_LEVEL_BIAS)
}

/// `cuTexRefSetMipmapLevelClamp`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetMipmapLevelClamp() -> u32 {
    refused(op::CU_TEX_REF_SET_MIPMAP_LEVEL_CLAMP)
}

/// `cuTexRefSetMaxAnisotropy`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetMaxAnisotropy() -> u32 {
    refused(op::CU_TEX_REF_SET_MAX_ANISOTROPY)
}

/// `cuTexRefSetBorderColor`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetBorderColor() -> u32 {
    refused(op::CU_TEX_REF_SET_BORDER_COLOR)
}

/// `cuTexRefSetFlags`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefSetFlags() -> u32 {
    refused(op::CU_TEX_REF_SET_FLAGS)
}

/// `cuTexRefGetAddress`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetAddress() -> u32 {
    refused_legacy(op::CU_TEX_REF_GET_ADDRESS, "cuTexRefGetAddress")
}

/// `cuTexRefGetAddress`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetAddress_v2() -> u32 {
    refused(op::CU_TEX_REF_GET_ADDRESS)
}

/// `cuTexRefGetArray`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetArray() -> u32 {
    refused(op::CU_TEX_REF_GET_ARRAY)
}

/// `cuTexRefGetMipmappedArray`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetMipmappedArray() -> u32 {
    refused(op::CU_TEX_REF_GET_MIPMAPPED_ARRAY)
}

/// `cuTexRefGetAddressMode`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetAddressMode() -> u32 {
    refused(op::CU_TEX_REF_GET_ADDRESS_MODE)
}

/// `cuTexRefGetFilterMode`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetFilterMode() -> u32 {
    refused(op::CU_TEX_REF_GET_FILTER_MODE)
}

/// `cuTexRefGetFormat`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetFormat() -> u32 {
    refused(op::CU_TEX_REF_GET_FORMAT)
}

/// `cuTexRefGetMipmapFilterMode`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetMipmapFilterMode() -> u32 {
    refused(op::CU_TEX_REF_GET_MIPMAP_FILTER_MODE)
}

/// `cuTexRefGetMipmapLevelBias`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetMipmapLevelBias() -> u32 {
    refused(op::CU_TEX_REF_GET_MIPMAP_LEVEL_BIAS)
}

/// `cuTexRefGetMipmapLevelClamp`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetMipmapLevelClamp() -> u32 {
    refused(op::CU_TEX_REF_GET_MIPMAP_LEVEL_CLAMP)
}

/// `cuTexRefGetMaxAnisotropy`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetMaxAnisotropy() -> u32 {
    refused(op::CU_TEX_REF_GET_MAX_ANISOTROPY)
}

/// `cuTexRefGetBorderColor`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetBorderColor() -> u32 {
    refused(op::CU_TEX_REF_GET_BORDER_COLOR)
}

/// `cuTexRefGetFlags`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefGetFlags() -> u32 {
    refused(op::CU_TEX_REF_GET_FLAGS)
}

/// `cuTexRefCreate`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefCreate() -> u32 {
    refused(op::CU_TEX_REF_CREATE)
}

/// `cuTexRefDestroy`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuTexRefDestroy() -> u32 {
    refused(op::CU_TEX_REF_DESTROY)
}

/// `cuSurfRefSetArray`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuSurfRefSetArray() -> u32 {
    refused(op::CU_SURF_REF_SET_ARRAY)
}

/// `cuSurfRefGetArray`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuSurfRefGetArray() -> u32 {
    refused(op::CU_SURF_REF_GET_ARRAY)
}
