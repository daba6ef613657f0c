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

/// `cuGraphicsUnregisterResource`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsUnregisterResource() -> u32 {
    refused(op::CU_GRAPHICS_UNREGISTER_RESOURCE)
}

/// `cuGraphicsSubResourceGetMappedArray`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsSubResourceGetMappedArray() -> u32 {
    refused(op::CU_GRAPHICS_SUB_RESOURCE_GET_MAPPED_ARRAY)
}

/// `cuGraphicsResourceGetMappedMipmappedArray`, CUDA 5.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsResourceGetMappedMipmappedArray() -> u32 {
    refused(op::CU_GRAPHICS_RESOURCE_GET_MAPPED_MIPMAPPED_ARRAY)
}

/// `cuGraphicsResourceGetMappedPointer`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsResourceGetMappedPointer() -> u32 {
    refused_legacy(op::CU_GRAPHICS_RESOURCE_GET_MAPPED_POINTER, "cuGraphicsResourceGetMappedPointer")
}

/// `cuGraphicsResourceGetMappedPointer`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsResourceGetMappedPointer_v2() -> u32 {
    refused(op::CU_GRAPHICS_RESOURCE_GET_MAPPED_POINTER)
}

/// `cuGraphicsResourceSetMapFlags`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsResourceSetMapFlags() -> u32 {
    refused(op::CU_GRAPHICS_RESOURCE_SET_MAP_FLAGS)
}

/// `cuGraphicsResourceSetMapFlags`, CUDA 6.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsResourceSetMapFlags_v2() -> u32 {
    refused(op::CU_GRAPHICS_RESOURCE_SET_MAP_FLAGS)
}

/// `cuGraphicsMapResources`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsMapResources() -> u32 {
    refused(op::CU_GRAPHICS_MAP_RESOURCES)
}

/// `cuGraphicsMapResources`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsMapResources_ptsz() -> u32 {
    refused(op::CU_GRAPHICS_MAP_RESOURCES)
}

/// `cuGraphicsUnmapResources`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsUnmapResources() -> u32 {
    refused(op::CU_GRAPHICS_UNMAP_RESOURCES)
}

/// `cuGraphicsUnmapResources`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsUnmapResources_ptsz() -> u32 {
    refused(op::CU_GRAPHICS_UNMAP_RESOURCES)
}

/// `cuGraphicsGLRegisterBuffer`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsGLRegisterBuffer() -> u32 {
    refused(op::CU_GRAPHICS_GL_REGISTER_BUFFER)
}

/// `cuGraphicsGLRegisterImage`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsGLRegisterImage() -> u32 {
    refused(op::CU_GRAPHICS_GL_REGISTER_IMAGE)
}

/// `cuGLGetDevices`, CUDA 6.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLGetDevices() -> u32 {
    refused(op::CU_GL_GET_DEVICES)
}

/// `cuGLCtxCreate`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLCtxCreate() -> u32 {
    refused(op::CU_GL_CTX_CREATE)
}

/// `cuGLInit`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLInit() -> u32 {
    refused(op::CU_GL_INIT)
}

/// `cuGLRegisterBufferObject`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLRegisterBufferObject() -> u32 {
    refused(op::CU_GL_REGISTER_BUFFER_OBJECT)
}

/// `cuGLMapBufferObject`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLMapBufferObject() -> u32 {
    refused_legacy(op::CU_GL_MAP_BUFFER_OBJECT, "cuGLMapBufferObject")
}

/// `cuGLMapBufferObject`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLMapBufferObject_v2() -> u32 {
    refused(op::CU_GL_MAP_BUFFER_OBJECT)
}

/// `cuGLUnmapBufferObject`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLUnmapBufferObject() -> u32 {
    refused(op::CU_GL_UNMAP_BUFFER_OBJECT)
}

/// `cuGLUnregisterBufferObject`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLUnregisterBufferObject() -> u32 {
    refused(op::CU_GL_UNREGISTER_BUFFER_OBJECT)
}

/// `cuGLSetBufferObjectMapFlags`, CUDA 2.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLSetBufferObjectMapFlags() -> u32 {
    refused(op::CU_GL_SET_BUFFER_OBJECT_MAP_FLAGS)
}

/// `cuGLMapBufferObjectAsync`, CUDA 2.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLMapBufferObjectAsync() -> u32 {
    refused_legacy(op::CU_GL_MAP_BUFFER_OBJECT_ASYNC, "cuGLMapBufferObjectAsync")
}

/// `cuGLMapBufferObjectAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLMapBufferObjectAsync_v2() -> u32 {
    refused(op::CU_GL_MAP_BUFFER_OBJECT_ASYNC)
}

/// `cuGLUnmapBufferObjectAsync`, CUDA 2.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuGLUnmapBufferObjectAsync() -> u32 {
    refused(op::CU_GL_UNMAP_BUFFER_OBJECT_ASYNC)
}

/// `cuGraphicsEGLRegisterImage`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsEGLRegisterImage() -> u32 {
    refused(op::CU_GRAPHICS_EGL_REGISTER_IMAGE)
}

/// `cuEGLStreamConsumerConnect`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamConsumerConnect() -> u32 {
    refused(op::CU_EGL_STREAM_CONSUMER_CONNECT)
}

/// `cuEGLStreamConsumerConnectWithFlags`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamConsumerConnectWithFlags() -> u32 {
    refused(op::CU_EGL_STREAM_CONSUMER_CONNECT_WITH_FLAGS)
}

/// `cuEGLStreamConsumerDisconnect`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamConsumerDisconnect() -> u32 {
    refused(op::CU_EGL_STREAM_CONSUMER_DISCONNECT)
}

/// `cuEGLStreamConsumerAcquireFrame`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamConsumerAcquireFrame() -> u32 {
    refused(op::CU_EGL_STREAM_CONSUMER_ACQUIRE_FRAME)
}

/// `cuEGLStreamConsumerReleaseFrame`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamConsumerReleaseFrame() -> u32 {
    refused(op::CU_EGL_STREAM_CONSUMER_RELEASE_FRAME)
}

/// `cuEGLStreamProducerConnect`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamProducerConnect() -> u32 {
    refused(op::CU_EGL_STREAM_PRODUCER_CONNECT)
}

/// `cuEGLStreamProducerDisconnect`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamProducerDisconnect() -> u32 {
    refused(op::CU_EGL_STREAM_PRODUCER_DISCONNECT)
}

/// `cuEGLStreamProducerPresentFrame`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamProducerPresentFrame() -> u32 {
    refused(op::CU_EGL_STREAM_PRODUCER_PRESENT_FRAME)
}

/// `cuEGLStreamProducerReturnFrame`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEGLStreamProducerReturnFrame() -> u32 {
    refused(op::CU_EGL_STREAM_PRODUCER_RETURN_FRAME)
}

/// `cuGraphicsResourceGetMappedEglFrame`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsResourceGetMappedEglFrame() -> u32 {
    refused(op::CU_GRAPHICS_RESOURCE_GET_MAPPED_EGL_FRAME)
}

/// `cuEventCreateFromEGLSync`, CUDA 9.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventCreateFromEGLSync() -> u32 {
    refused(op::CU_EVENT_CREATE_FROM_EGL_SYNC)
}

/// `cuVDPAUGetDevice`, CUDA 3.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuVDPAUGetDevice() -> u32 {
    refused(op::CU_VDPAU_GET_DEVICE)
}

/// `cuVDPAUCtxCreate`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuVDPAUCtxCreate() -> u32 {
    refused(op::CU_VDPAU_CTX_CREATE)
}

/// `cuGraphicsVDPAURegisterVideoSurface`, CUDA 3.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsVDPAURegisterVideoSurface() -> u32 {
    refused(op::CU_GRAPHICS_VDPAU_REGISTER_VIDEO_SURFACE)
}

/// `cuGraphicsVDPAURegisterOutputSurface`, CUDA 3.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphicsVDPAURegisterOutputSurface() -> u32 {
    refused(op::CU_GRAPHICS_VDPAU_REGISTER_OUTPUT_SURFACE)
}
