//! Sizes of the structures that travel as bytes. Written by ringway-api-gen from engine/api/table; do not edit.

use cudarc::driver::sys;

const _: () = assert!(size_of::<sys::CUDA_ARRAY3D_DESCRIPTOR>() == 40);
const _: () = assert!(size_of::<sys::CUDA_ARRAY_DESCRIPTOR>() == 24);
const _: () = assert!(size_of::<sys::CUDA_ARRAY_MEMORY_REQUIREMENTS>() == 32);
const _: () = assert!(size_of::<sys::CUDA_ARRAY_SPARSE_PROPERTIES>() == 48);
const _: () = assert!(size_of::<sys::CUDA_MEMSET_NODE_PARAMS>() == 40);
const _: () = assert!(size_of::<sys::CUDA_RESOURCE_DESC>() == 144);
const _: () = assert!(size_of::<sys::CUDA_RESOURCE_VIEW_DESC>() == 112);
const _: () = assert!(size_of::<sys::CUDA_TEXTURE_DESC>() == 104);
const _: () = assert!(size_of::<sys::CUexecAffinityParam>() == 8);
const _: () = assert!(size_of::<sys::CUgraphEdgeData>() == 8);
const _: () = assert!(size_of::<sys::CUlaunchAttributeValue>() == 64);
const _: () = assert!(size_of::<sys::CUmemAccessDesc>() == 12);
const _: () = assert!(size_of::<sys::CUmemAllocationProp>() == 32);
const _: () = assert!(size_of::<sys::CUmemLocation>() == 8);
const _: () = assert!(size_of::<sys::CUmemPoolProps>() == 88);
const _: () = assert!(size_of::<sys::CUstreamBatchMemOpParams>() == 48);
const _: () = assert!(size_of::<sys::CUtensorMap>() == 128);
