//! Profiling is not supported, and must be refused in a way that CUPTI takes for an answer.
//!
//! CUPTI calls itself until the process dies when the table that it asks for is refused (seen with CUDA 12 and 13); with a
//! table whose every function returns `CUDA_ERROR_NOT_SUPPORTED` it gives up cleanly.

use core::ffi::c_void;

const CUPTI: [u8; 16] = [
    0x7c, 0xb6, 0x3f, 0x9b, 0x9c, 0xa4, 0x8e, 0x42, 0xa4, 0x84, 0xbe, 0xb6, 0x6e, 0x6a, 0xed, 0x7f,
];
const SLOTS: usize = 256;

/// Size in bytes, then functions.
#[repr(C)]
struct Table {
    bytes: usize,
    functions: [extern "C" fn() -> u32; SLOTS],
}

extern "C" fn not_supported() -> u32 {
    801
}

static TABLE: Table = Table {
    bytes: size_of::<Table>(),
    functions: [not_supported; SLOTS],
};

/// The table for a UUID (in either byte order of its first fields), if it is one that must not be refused outright.
pub fn refusing_table(uuid: &[u8; 16]) -> Option<*const c_void> {
    let mut swapped = CUPTI;
    swapped[..4].reverse();
    swapped[4..6].reverse();
    swapped[6..8].reverse();
    (*uuid == CUPTI || *uuid == swapped).then_some((&raw const TABLE).cast())
}
