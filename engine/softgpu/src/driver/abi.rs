//! The C side of the driver API: handle types, structure layouts (CUDA driver API 13.1) and the argument wrappers through which
//! exported functions touch a caller's memory. All reads and writes of caller memory go through [`In`], [`Out`] and [`Text`].

#![allow(non_camel_case_types, non_snake_case)]

use super::result::{CUresult, R};
use std::ffi::{CStr, c_char, c_void};

macro_rules! handles {
    ($($(#[$m:meta])* $name:ident : $kind:literal;)*) => {$(
        $(#[$m])*
        #[repr(transparent)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
        pub struct $name(pub u64);
        impl super::journal::Describe for $name {
            fn describe(self, out: &mut String) { super::journal::handle(out, $kind, self.0) }
        }
    )*};
}

handles! {
    /// A context.
    CUcontext: "ctx";
    /// A stream; 0, 1 and 2 are the default streams.
    CUstream: "stream";
    /// An event.
    CUevent: "event";
    /// A loaded module.
    CUmodule: "module";
    /// A kernel within a module (or a CUkernel, which CUDA accepts in its place).
    CUfunction: "func";
    /// A context-independent module.
    CUlibrary: "lib";
    /// A context-independent kernel.
    CUkernel: "kernel";
    /// A graph.
    CUgraph: "graph";
    /// A node of a graph.
    CUgraphNode: "node";
    /// An instantiated graph.
    CUgraphExec: "exec";
    /// A memory pool.
    CUmemoryPool: "pool";
    /// Physical memory of the virtual memory API.
    CUmemGenericAllocationHandle: "phys";
    /// A pending link.
    CUlinkState: "link";
    /// A user object of graphs.
    CUuserObject: "user";
    /// An array: texels laid out for textures and surfaces.
    CUarray: "array";
    /// A mipmapped array.
    CUmipmappedArray: "mipmap";
    /// A texture object.
    CUtexObject: "texture";
    /// A surface object.
    CUsurfObject: "surface";
    /// A texture reference of a module.
    CUtexref: "texref";
    /// A surface reference of a module.
    CUsurfref: "surfref";
}

/// A device address.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct CUdeviceptr(pub u64);

/// A device number.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CUdevice(pub i32);

/// An address in the caller's memory (or any unified address).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Host(pub u64);

impl Host {
    /// The address of something of this process.
    pub fn of<T: ?Sized>(thing: *const T) -> Host {
        Host(thing.cast::<u8>() as u64)
    }
}

/// An input structure, array or scalar in the caller's memory. CUDA's contract, which every C caller signs, is that such a pointer is null or
/// valid for reads of the documented size; all unsafe reads of caller memory rest on that and live here.
#[repr(transparent)]
pub struct In<T>(pub *const T);
/// An output in the caller's memory: null or valid for writes of the documented size.
#[repr(transparent)]
pub struct Out<T>(pub *mut T);
/// An output array in the caller's memory: as [`Out`], for as many elements as another argument says (which may be none).
#[repr(transparent)]
pub struct List<T>(pub Out<T>);
/// A NUL-terminated string of the caller.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Text(pub *const c_char);

impl<T> Clone for In<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for In<T> {}
impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Out<T> {}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for List<T> {}
impl<T> List<T> {
    /// No argument.
    pub const NULL: List<T> = List(Out(std::ptr::null_mut()));
}
impl<T> std::ops::Deref for List<T> {
    type Target = Out<T>;
    fn deref(&self) -> &Out<T> {
        &self.0
    }
}
impl<T> From<&mut T> for List<T> {
    fn from(value: &mut T) -> Self {
        List(Out(value))
    }
}

impl<T> From<&T> for In<T> {
    fn from(value: &T) -> Self {
        In(value)
    }
}
impl<T> From<&mut T> for Out<T> {
    fn from(value: &mut T) -> Self {
        Out(value)
    }
}

impl<T: Copy> In<T> {
    /// No argument.
    pub const NULL: In<T> = In(std::ptr::null());

    /// The value, or CUDA_ERROR_INVALID_VALUE for null.
    pub fn get(self) -> R<T> {
        self.opt().ok_or(CUresult::INVALID_VALUE)
    }

    /// The value, or None for null.
    pub fn opt(self) -> Option<T> {
        // SAFETY: null is excluded; otherwise valid for reads by the C contract of `In`. Unaligned reads, because nothing promises alignment.
        if self.0.is_null() { None } else { Some(unsafe { self.0.read_unaligned() }) }
    }

    /// A copy of `count` elements; null is allowed only when `count` is zero. At most 2^24 elements.
    pub fn list(self, count: usize) -> R<Vec<T>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if self.0.is_null() || count > 1 << 24 {
            return Err(CUresult::INVALID_VALUE);
        }
        // SAFETY: the caller passes an array of `count` elements by the C contract of `In`.
        Ok((0..count).map(|i| unsafe { self.0.add(i).read_unaligned() }).collect())
    }
}

impl<T: Copy> Out<T> {
    /// No argument.
    pub const NULL: Out<T> = Out(std::ptr::null_mut());

    /// Whether the caller does not want this output.
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// CUDA_ERROR_INVALID_VALUE for null.
    pub fn required(self) -> R {
        super::result::ensure(!self.0.is_null(), CUresult::INVALID_VALUE)
    }

    /// Writes, or CUDA_ERROR_INVALID_VALUE for null.
    pub fn put(self, value: T) -> R {
        self.required()?;
        self.give(value);
        Ok(())
    }

    /// Writes unless null.
    pub fn give(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: null is excluded; otherwise valid for writes by the C contract of `Out`.
            unsafe { self.0.write_unaligned(value) }
        }
    }

    /// What is there now (for in-out parameters).
    pub fn current(self) -> Option<T> {
        In(self.0.cast_const()).opt()
    }

    /// Writes element `index` of an array the caller owns.
    pub fn put_at(self, index: usize, value: T) {
        if !self.0.is_null() {
            // SAFETY: callers of this method stay below the element count that the C caller gave for this array.
            unsafe { self.0.add(index).write_unaligned(value) }
        }
    }

    /// The common shape "array and its capacity in, count out": writes what fits, null behind it, and the count.
    pub fn fill(self, count: Out<usize>, items: &[T]) -> R {
        count.required()?;
        if !self.is_null() {
            let room = count.current().unwrap_or(0);
            for (i, item) in items.iter().take(room).enumerate() {
                self.put_at(i, *item);
            }
            for i in items.len()..room {
                // SAFETY: below the capacity that the C caller gave; all-zero bytes are the null of every type here.
                unsafe { self.0.add(i).write_bytes(0, 1) }
            }
            count.give(room.min(items.len()));
        } else {
            count.give(items.len());
        }
        Ok(())
    }
}

impl Out<c_char> {
    /// Writes `text` cut to fit `room` bytes with its NUL.
    pub fn put_text(self, text: &str, room: usize) -> R {
        self.required()?;
        super::result::ensure(room > 0, CUresult::INVALID_VALUE)?;
        let bytes = &text.as_bytes()[..text.len().min(room - 1)];
        for (i, byte) in bytes.iter().enumerate() {
            self.put_at(i, *byte as c_char);
        }
        self.put_at(bytes.len(), 0);
        Ok(())
    }
}

impl Text {
    /// The text, or CUDA_ERROR_INVALID_VALUE for null or bytes that are not UTF-8.
    pub fn get(self) -> R<String> {
        if self.0.is_null() {
            return Err(CUresult::INVALID_VALUE);
        }
        // SAFETY: a non-null C string argument ends with a NUL by the C contract.
        unsafe { CStr::from_ptr(self.0) }.to_str().map(str::to_owned).map_err(|_| CUresult::INVALID_VALUE)
    }
}

/// A host function of `cuLaunchHostFunc`.
pub type CUhostFn = Option<unsafe extern "C" fn(user: *mut c_void)>;
/// A callback of `cuStreamAddCallback`.
pub type CUstreamCallback = Option<unsafe extern "C" fn(stream: CUstream, status: CUresult, user: *mut c_void)>;
/// Maps a block size to its dynamic shared memory, for occupancy.
pub type CUoccupancyB2DSize = Option<unsafe extern "C" fn(block_size: i32) -> usize>;

macro_rules! structs {
    ($($(#[$m:meta])* $name:ident { $($field:ident : $ty:ty),* $(,)? })*) => {$(
        $(#[$m])*
        #[repr(C)]
        #[derive(Clone, Copy)]
        #[allow(missing_docs)]
        pub struct $name { $(pub $field: $ty),* }
        impl super::journal::Describe for $name {
            fn describe(self, out: &mut String) { super::journal::opaque(out) }
        }
        impl Default for $name {
            fn default() -> Self {
                // SAFETY: all fields are integers, raw pointers, byte arrays or options of function pointers, for which zero is a valid value.
                unsafe { std::mem::zeroed() }
            }
        }
    )*};
}

structs! {
    /// A 16-byte identifier.
    CUuuid { bytes: [u8; 16] }
    /// `CUipcMemHandle` and `CUipcEventHandle`.
    CUipcHandle { bytes: [u8; 64] }
    /// `CUmemPoolPtrExportData`.
    CUmemPoolPtrExportData { bytes: [u8; 64] }
    /// `CUmemcpyAttributes`.
    CUmemcpyAttributes { srcAccessOrder: u32, srcLocHint: CUmemLocation, dstLocHint: CUmemLocation, flags: u32 }
    /// `CUmemcpy3DOperand`: a pointer (1) with row length, layer height and a hint, or an array (2) with an offset.
    CUmemcpy3DOperand { kind: u32, words: [u64; 4] }
    /// `CUDA_MEMCPY3D_BATCH_OP`.
    CUDA_MEMCPY3D_BATCH_OP { src: CUmemcpy3DOperand, dst: CUmemcpy3DOperand, extent: [usize; 3], srcAccessOrder: u32, flags: u32 }
    /// `CUdevprop` of `cuDeviceGetProperties`.
    CUdevprop { maxThreadsPerBlock: i32, maxThreadsDim: [i32; 3], maxGridSize: [i32; 3], sharedMemPerBlock: i32, totalConstantMemory: i32,
        SIMDWidth: i32, memPitch: i32, regsPerBlock: i32, clockRate: i32, textureAlign: i32 }
    /// `CUDA_MEMCPY2D_v2`.
    CUDA_MEMCPY2D { srcXInBytes: usize, srcY: usize, srcMemoryType: u32, srcHost: Host, srcDevice: CUdeviceptr, srcArray: CUarray, srcPitch: usize,
        dstXInBytes: usize, dstY: usize, dstMemoryType: u32, dstHost: Host, dstDevice: CUdeviceptr, dstArray: CUarray, dstPitch: usize,
        WidthInBytes: usize, Height: usize }
    /// `CUDA_MEMCPY3D_v2` and, with contexts in the reserved fields, `CUDA_MEMCPY3D_PEER_v1`: the layouts are the same.
    CUDA_MEMCPY3D { srcXInBytes: usize, srcY: usize, srcZ: usize, srcLOD: usize, srcMemoryType: u32, srcHost: Host, srcDevice: CUdeviceptr, srcArray: CUarray,
        srcContext: CUcontext, srcPitch: usize, srcHeight: usize,
        dstXInBytes: usize, dstY: usize, dstZ: usize, dstLOD: usize, dstMemoryType: u32, dstHost: Host, dstDevice: CUdeviceptr, dstArray: CUarray,
        dstContext: CUcontext, dstPitch: usize, dstHeight: usize, WidthInBytes: usize, Height: usize, Depth: usize }
    /// `CUDA_ARRAY_DESCRIPTOR_v2`.
    CUDA_ARRAY_DESCRIPTOR { Width: usize, Height: usize, Format: u32, NumChannels: u32 }
    /// `CUDA_ARRAY3D_DESCRIPTOR_v2`.
    CUDA_ARRAY3D_DESCRIPTOR { Width: usize, Height: usize, Depth: usize, Format: u32, NumChannels: u32, Flags: u32 }
    /// `CUDA_ARRAY_MEMORY_REQUIREMENTS`.
    CUDA_ARRAY_MEMORY_REQUIREMENTS { size: usize, alignment: usize, reserved: [u32; 4] }
    /// `CUDA_ARRAY_SPARSE_PROPERTIES`.
    CUDA_ARRAY_SPARSE_PROPERTIES { tileExtent: [u32; 3], miptailFirstLevel: u32, miptailSize: u64, flags: u32, reserved: [u32; 4] }
    /// `CUDA_RESOURCE_DESC`: a tag, and a union of an array, linear memory (address, format, size) and rows (address, format, width, height, pitch).
    CUDA_RESOURCE_DESC { resType: u32, address: u64, format: u32, numChannels: u32, size: usize, height: usize, pitchInBytes: usize,
        rest: [u64; 11], flags: u32 }
    /// `CUDA_TEXTURE_DESC`.
    CUDA_TEXTURE_DESC { addressMode: [u32; 3], filterMode: u32, flags: u32, maxAnisotropy: u32, mipmapFilterMode: u32, mipmapLevelBias: f32,
        minMipmapLevelClamp: f32, maxMipmapLevelClamp: f32, borderColor: [f32; 4], reserved: [i32; 12] }
    /// `CUDA_RESOURCE_VIEW_DESC`.
    CUDA_RESOURCE_VIEW_DESC { format: u32, width: usize, height: usize, depth: usize, firstMipmapLevel: u32, lastMipmapLevel: u32,
        firstLayer: u32, lastLayer: u32, reserved: [u32; 16] }
    /// `CUDA_KERNEL_NODE_PARAMS_v1`.
    CUDA_KERNEL_NODE_PARAMS_v1 { func: CUfunction, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32,
        sharedMemBytes: u32, kernelParams: In<Host>, extra: In<Host> }
    /// `CUDA_KERNEL_NODE_PARAMS_v2` and `_v3`.
    CUDA_KERNEL_NODE_PARAMS { func: CUfunction, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32,
        sharedMemBytes: u32, kernelParams: In<Host>, extra: In<Host>, kern: CUkernel, ctx: CUcontext }
    /// `CUDA_MEMSET_NODE_PARAMS_v1`.
    CUDA_MEMSET_NODE_PARAMS { dst: CUdeviceptr, pitch: usize, value: u32, elementSize: u32, width: usize, height: usize }
    /// `CUDA_HOST_NODE_PARAMS_v1`.
    CUDA_HOST_NODE_PARAMS { function: CUhostFn, userData: Host }
    /// `CUlaunchAttribute`: 64 bytes of value at offset 8.
    CUlaunchAttribute { id: u32, pad: [u8; 4], value: [u8; 64] }
    /// `CUlaunchConfig`.
    CUlaunchConfig { gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32,
        hStream: CUstream, attrs: In<CUlaunchAttribute>, numAttrs: u32 }
    /// `CUmemLocation`.
    CUmemLocation { kind: u32, id: i32 }
    /// `CUmemPoolProps`.
    CUmemPoolProps { allocType: u32, handleTypes: u32, location: CUmemLocation, win32SecurityAttributes: Host, maxSize: usize, usage: u16, reserved: [u8; 54] }
    /// `CUmemAllocationProp`.
    CUmemAllocationProp { kind: u32, requestedHandleTypes: u32, location: CUmemLocation, win32HandleMetaData: Host, allocFlags: [u8; 8] }
    /// `CUmemAccessDesc`.
    CUmemAccessDesc { location: CUmemLocation, flags: u32 }
    /// `CUDA_MEM_ALLOC_NODE_PARAMS`.
    CUDA_MEM_ALLOC_NODE_PARAMS { poolProps: CUmemPoolProps, accessDescs: In<CUmemAccessDesc>, accessDescCount: usize, bytesize: usize, dptr: CUdeviceptr }
    /// `CUgraphEdgeData`.
    CUgraphEdgeData { from_port: u8, to_port: u8, kind: u8, reserved: [u8; 5] }
    /// `CUgraphNodeParams`: a tag and a union of 29 words.
    CUgraphNodeParams { kind: u32, reserved0: [i32; 3], words: [u64; 29], reserved2: i64 }
    /// `CUDA_CONDITIONAL_NODE_PARAMS`.
    CUDA_CONDITIONAL_NODE_PARAMS { handle: u64, kind: u32, size: u32, phGraph_out: In<CUgraph>, ctx: CUcontext }
    /// `CUDA_GRAPH_INSTANTIATE_PARAMS`.
    CUDA_GRAPH_INSTANTIATE_PARAMS { flags: u64, hUploadStream: CUstream, hErrNode_out: CUgraphNode, result_out: u32 }
    /// `CUgraphExecUpdateResultInfo`.
    CUgraphExecUpdateResultInfo { result: u32, errorNode: CUgraphNode, errorFromNode: CUgraphNode }
    /// `CUstreamBatchMemOpParams`: six words.
    CUstreamBatchMemOpParams { operation: u32, pad: u32, address: CUdeviceptr, value: u64, flags: u32, pad2: u32, alias: CUdeviceptr, rest: u64 }
    /// `CUctxCreateParams`.
    CUctxCreateParams { execAffinityParams: Host, numExecAffinityParams: i32, cigParams: Host }
    /// `CUlaunchMemSyncDomainMap` and other attributes of streams and nodes: an opaque 64-byte value.
    CUattributeValue { bytes: [u8; 64] }
    /// `CUDA_BATCH_MEM_OP_NODE_PARAMS`.
    CUDA_BATCH_MEM_OP_NODE_PARAMS { ctx: CUcontext, count: u32, paramArray: In<CUstreamBatchMemOpParams>, flags: u32 }
}

const _: () = {
    assert!(size_of::<CUDA_MEMCPY2D>() == 128);
    assert!(size_of::<CUDA_MEMCPY3D>() == 200);
    assert!(size_of::<CUDA_ARRAY_DESCRIPTOR>() == 24);
    assert!(size_of::<CUDA_ARRAY3D_DESCRIPTOR>() == 40);
    assert!(size_of::<CUDA_ARRAY_MEMORY_REQUIREMENTS>() == 32);
    assert!(size_of::<CUDA_ARRAY_SPARSE_PROPERTIES>() == 48);
    assert!(size_of::<CUDA_RESOURCE_DESC>() == 144);
    assert!(size_of::<CUDA_TEXTURE_DESC>() == 104);
    assert!(size_of::<CUDA_RESOURCE_VIEW_DESC>() == 112);
    assert!(size_of::<CUDA_KERNEL_NODE_PARAMS_v1>() == 56);
    assert!(size_of::<CUDA_KERNEL_NODE_PARAMS>() == 72);
    assert!(size_of::<CUmemcpyAttributes>() == 24);
    assert!(size_of::<CUDA_MEMCPY3D_BATCH_OP>() == 112);
    assert!(size_of::<CUlaunchAttribute>() == 72);
    assert!(size_of::<CUlaunchConfig>() == 56);
    assert!(size_of::<CUmemPoolProps>() == 88);
    assert!(size_of::<CUmemAllocationProp>() == 32);
    assert!(size_of::<CUgraphNodeParams>() == 256);
    assert!(size_of::<CUstreamBatchMemOpParams>() == 48);
};

// SAFETY: these are addresses given by a caller, moved between threads as plain values; who follows them states why at that place.
unsafe impl<T> Send for In<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Out<T> {}
// SAFETY: as above; `In` only reads.
unsafe impl<T> Sync for In<T> {}
