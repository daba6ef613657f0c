//! The names that mean different functions in CUDA 12 and CUDA 13.
//!
//! A program's references name the library version they were linked with (`cudaMalloc@libcudart.so.13`). This object defines both
//! versions (see `symbols.map` beside the crate's manifest), and nearly all its symbols belong to neither, which satisfies either.
//! Where CUDA 13 took an older name for a new signature, the name is defined twice here, once in each version; a reference without
//! a version finds CUDA 13's.
//!
//! Source: "CUDA 13.0 release notes", the list of changed signatures; the dynamic linker's rules are in the System V ABI's symbol
//! versioning supplement.

use super::copy::{batch_v12, batch_v12_ptsz, batch_v13, batch_v13_ptsz};
use super::device::{properties_v11, properties_v13};
use super::graph::{
    cudaGraphAddDependencies_v2, cudaGraphAddNode_v2, cudaGraphGetEdges_v2,
    cudaGraphNodeGetDependencies_v2, cudaGraphNodeGetDependentNodes_v2,
    cudaGraphRemoveDependencies_v2, without_edges,
};
use super::memory::{
    advise_device, cudaMemAdvise_v2, cudaMemPrefetchAsync_v2, cudaMemPrefetchAsync_v2_ptsz,
    prefetch_to_device, prefetch_to_device_ptsz,
};
use super::stream::{
    capture_info, capture_info_ptsz, cudaStreamGetCaptureInfo_v3, cudaStreamGetCaptureInfo_v3_ptsz,
    cudaStreamUpdateCaptureDependencies_v2, cudaStreamUpdateCaptureDependencies_v2_ptsz,
    update_dependencies, update_dependencies_ptsz,
};

#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    () => {
        "jmp {to}"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    () => {
        "b {to}"
    };
}

macro_rules! versions {
    ($( $name:ident: 12 => $v12:path, 13 => $v13:path; )*) => {
        $(
            versions!(@define $name, "12", "@", $v12);
            versions!(@define $name, "13", "@@", $v13);
        )*
        /// The names with a function for each version.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
    (@define $name:ident, $version:literal, $at:literal, $function:path) => {
        core::arch::global_asm!(
            concat!(".globl ringway_", stringify!($name), "_cuda", $version),
            concat!(".type ringway_", stringify!($name), "_cuda", $version, ",@function"),
            concat!("ringway_", stringify!($name), "_cuda", $version, ":"),
            jump!(),
            concat!(".size ringway_", stringify!($name), "_cuda", $version, ", . - ringway_", stringify!($name), "_cuda", $version),
            concat!(".symver ringway_", stringify!($name), "_cuda", $version, ", ", stringify!($name), $at, "libcudart.so.", $version),
            to = sym $function,
        );
    };
}

versions! {
    cudaMemcpyBatchAsync: 12 => batch_v12, 13 => batch_v13;
    cudaMemcpyBatchAsync_ptsz: 12 => batch_v12_ptsz, 13 => batch_v13_ptsz;
    cudaGetDeviceProperties: 12 => properties_v11, 13 => properties_v13;
    cudaMemPrefetchAsync: 12 => prefetch_to_device, 13 => cudaMemPrefetchAsync_v2;
    cudaMemPrefetchAsync_ptsz: 12 => prefetch_to_device_ptsz, 13 => cudaMemPrefetchAsync_v2_ptsz;
    cudaMemAdvise: 12 => advise_device, 13 => cudaMemAdvise_v2;
    cudaStreamGetCaptureInfo: 12 => capture_info, 13 => cudaStreamGetCaptureInfo_v3;
    cudaStreamGetCaptureInfo_ptsz: 12 => capture_info_ptsz, 13 => cudaStreamGetCaptureInfo_v3_ptsz;
    cudaStreamUpdateCaptureDependencies: 12 => update_dependencies, 13 => cudaStreamUpdateCaptureDependencies_v2;
    cudaStreamUpdateCaptureDependencies_ptsz: 12 => update_dependencies_ptsz, 13 => cudaStreamUpdateCaptureDependencies_v2_ptsz;
    cudaGraphAddNode: 12 => without_edges::add_node, 13 => cudaGraphAddNode_v2;
    cudaGraphGetEdges: 12 => without_edges::get_edges, 13 => cudaGraphGetEdges_v2;
    cudaGraphNodeGetDependencies: 12 => without_edges::get_dependencies, 13 => cudaGraphNodeGetDependencies_v2;
    cudaGraphNodeGetDependentNodes: 12 => without_edges::get_dependent_nodes, 13 => cudaGraphNodeGetDependentNodes_v2;
    cudaGraphAddDependencies: 12 => without_edges::add_dependencies, 13 => cudaGraphAddDependencies_v2;
    cudaGraphRemoveDependencies: 12 => without_edges::remove_dependencies, 13 => cudaGraphRemoveDependencies_v2;
}
