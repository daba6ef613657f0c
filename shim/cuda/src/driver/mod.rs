//! Handwritten bodies of driver functions, one file a family of the table. Each takes the arguments of its export, in
//! plain integers and pointers, checks what CUDA rejects at once, and goes on in `ringway_client`.
//!
//! # Safety
//! All functions here are `unsafe` for one reason: they follow pointers that the program gave, which must be null or
//! valid for what CUDA says the call reads and writes there. Each unsafe block relies on that contract.
#![allow(
    non_snake_case,
    clippy::missing_safety_doc,
    clippy::too_many_arguments,
    clippy::undocumented_unsafe_blocks
)]

mod across;
pub mod array;
pub mod array_copy;
pub mod capture;
pub mod context;
pub mod copy;
pub mod device;
pub mod event;
pub mod function;
pub mod graph;
pub mod graph_node;
pub mod image;
pub mod init;
mod late;
pub mod launch;
pub mod library;
mod locations;
pub mod linker;
pub mod logs;
pub mod memory;
pub mod mempool;
pub mod memset;
pub mod module;
pub mod occupancy;
pub mod peer;
mod spread;
pub mod stream;
pub mod texture;
pub mod unified;
pub mod virtual_memory;

use ringway_api::CudaError;

/// Writes a result where the program wants it.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for a null pointer.
pub(crate) unsafe fn put<T>(to: *mut T, value: T) -> Result<(), CudaError> {
    if to.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: not null; the program says that it may be written.
    unsafe { to.write_unaligned(value) };
    Ok(())
}

/// The same for a result that may be left out.
pub(crate) unsafe fn put_if<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: as in `put`.
        unsafe { to.write_unaligned(value) };
    }
}

/// Copies a text with its terminator into the program's buffer of `room` bytes, cut where it does not fit.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for no room.
pub(crate) unsafe fn put_text(to: *mut u8, room: i32, text: &str) -> Result<(), CudaError> {
    let room = usize::try_from(room)
        .ok()
        .filter(|room| *room > 0 && !to.is_null())
        .ok_or(CudaError::INVALID_VALUE)?;
    let length = text.len().min(room - 1);
    // SAFETY: `length + 1` bytes fit the buffer that the program described.
    unsafe {
        to.copy_from_nonoverlapping(text.as_ptr(), length);
        to.add(length).write(0);
    }
    Ok(())
}
