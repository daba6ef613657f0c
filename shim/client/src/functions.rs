//! What the client knows of kernels: the layout of their parameters and their attributes, learnt once.

use crate::objects;
use ringway_api::{CudaError, Kind};
use std::sync::atomic::{AtomicI32, Ordering};

/// CUfunction_attribute numbers that are learnt: 0 (maximum threads) to 9 (carveout), and a few beyond.
pub const ATTRIBUTES: usize = 16;

/// One parameter: offset in the parameter buffer and size, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Offset.
    pub offset: u32,
    /// Size.
    pub bytes: u32,
}

/// A kernel.
#[derive(Debug)]
pub struct Function {
    /// Its name, with a zero byte behind it.
    pub name: std::ffi::CString,
    /// Module or library it is from.
    pub module: u64,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// Bytes of the parameter buffer.
    pub param_bytes: usize,
    /// Attributes by number; `i32::MIN` where the driver has none.
    pub attributes: [AtomicI32; ATTRIBUTES],
}

impl Function {
    /// A function whose parameters lie as given.
    pub fn new(
        name: std::ffi::CString,
        module: u64,
        params: Vec<Param>,
        attributes: [i32; ATTRIBUTES],
    ) -> Self {
        let param_bytes = params
            .iter()
            .map(|param| (param.offset + param.bytes) as usize)
            .max()
            .unwrap_or(0);
        Self {
            name,
            module,
            params,
            param_bytes,
            attributes: attributes.map(AtomicI32::new),
        }
    }

    /// An attribute.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` for one that the driver does not have.
    pub fn attribute(&self, attribute: u32) -> Result<i32, CudaError> {
        match self
            .attributes
            .get(attribute as usize)
            .map(|value| value.load(Ordering::Relaxed))
        {
            None | Some(i32::MIN) => Err(CudaError::INVALID_VALUE),
            Some(value) => Ok(value),
        }
    }
}

/// Ties a function's description to its handle. It is never freed: a program may launch on one thread what another
/// unloads, and kernels are few.
pub fn attach(kind: Kind, id: u64, function: Function) {
    let pointer: *const Function = Box::leak(Box::new(function));
    objects::set_data(kind, id, pointer as u64);
}

/// The function behind a `CUfunction` (or a `CUkernel`, which CUDA allows in its place).
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
#[inline]
pub fn get(id: u64) -> Result<&'static Function, CudaError> {
    let data = match objects::data(Kind::Function, id) {
        Ok(data) => data,
        Err(_) => objects::data(Kind::Kernel, id)?,
    };
    if data == 0 {
        return Err(CudaError::INVALID_HANDLE);
    }
    // SAFETY: the word of a function's handle is only ever set by `attach`, to a value that is never freed.
    Ok(unsafe { &*(data as *const Function) })
}

/// Kind of a handle that can be launched.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
#[inline]
pub fn object(id: u64) -> Result<objects::Object, CudaError> {
    objects::handle(Kind::Function, id).or_else(|_| objects::handle(Kind::Kernel, id))
}
