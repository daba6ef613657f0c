//! The client of a session, inside the user's program: what the exported CUDA functions are made of.
//!
//! `session` opens it, on one server or several (`servers`), `submit` posts records and waits for answers (`lane_order` has those of
//! several lanes executed in the program's order), `objects` names things before the server has made
//! them, `notices` takes what the server sends unasked (data, kernel output, host functions), `transfers` lets it reach pinned memory,
//! `paths` lets servers copy to each other. `memory_ranges` keeps device memory, so that allocations need no server.

pub mod completion;
pub mod contexts;
pub mod functions;
pub mod gates;
pub mod host_functions;
mod lane_order;
mod lease;
pub mod memory;
pub mod memory_ranges;
pub mod notices;
pub mod objects;
pub mod paths;
pub mod pinned;
pub mod say;
pub mod servers;
pub mod session;
mod slabs;
pub mod stats;
pub mod submit;
pub mod threads;
mod trace;
pub mod transfers;
pub mod upload;
pub mod user_objects;

pub use contexts::{Target, current};
pub use objects::{Object, create, destroyed, device, found, handle, handle_or_null, stream};
pub use session::session;
pub use submit::{called, posted};

use ringway_api::CudaError;

/// `count` values at `at`, which the program says are there.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` where `at` is null (unless `count` is 0) or the size is absurd.
///
/// # Safety
/// `at` must be null or readable for `count` values while the result is used.
pub unsafe fn slice<'a, T>(at: *const T, count: usize) -> Result<&'a [T], CudaError> {
    if count == 0 {
        return Ok(&[]);
    }
    let bytes = count
        .checked_mul(size_of::<T>())
        .ok_or(CudaError::INVALID_VALUE)?;
    if at.is_null() || bytes > isize::MAX as usize || !at.is_aligned() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: not null, aligned, of a possible size, and readable by the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(at, count) })
}
