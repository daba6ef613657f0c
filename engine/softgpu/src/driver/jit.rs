//! Options of the JIT compiler, as `cuModuleLoadDataEx`, `cuLibraryLoadData` and `cuLinkCreate` get them: an array of numbers and one of values,
//! of which some are places for logs and figures.

use super::abi::{Host, In, Out};
use super::report;
use super::result::{CUresult, R, ensure};
use std::time::Instant;

/// `CU_JIT_MAX_REGISTERS`: bounds the registers of a thread.
pub const MAX_REGISTERS: u32 = 0;
const WALL_TIME: u32 = 2;
const INFO_LOG_BUFFER: u32 = 3;
const ERROR_LOG_BUFFER: u32 = 5;
const TARGET: u32 = 9;
const LOG_VERBOSE: u32 = 12;
const GLOBAL_SYMBOL_COUNT: u32 = 19;
/// The last one that CUDA 13 defines.
const LAST: u32 = 31;
const COUNT_MAX: usize = 64;

/// JIT options as the program gives them: numbers and values, of which some are buffers for logs.
#[derive(Clone, Copy)]
pub struct JitOptions {
    /// How many.
    pub count: u32,
    /// Which.
    pub options: In<u32>,
    /// Their values; sizes of logs and times are written back.
    pub values: Out<Host>,
}

impl JitOptions {
    /// No options.
    pub const NONE: JitOptions = JitOptions { count: 0, options: In::NULL, values: Out::NULL };

    /// Checks the options.
    ///
    /// # Errors
    /// CUDA_ERROR_INVALID_VALUE for arrays that are missing and options that CUDA does not define; CUDA_ERROR_NOT_SUPPORTED for symbols of
    /// the host, which modules here cannot refer to.
    pub fn check(&self) -> R {
        if self.count == 0 {
            return Ok(());
        }
        ensure(self.count as usize <= COUNT_MAX && !self.options.0.is_null() && !self.values.is_null(), CUresult::INVALID_VALUE)?;
        ensure(self.list().iter().all(|&option| option <= LAST), CUresult::INVALID_VALUE)?;
        ensure(self.number(GLOBAL_SYMBOL_COUNT).unwrap_or(0) == 0, CUresult::NOT_SUPPORTED)?;
        Ok(())
    }

    fn list(&self) -> Vec<u32> {
        self.options.list((self.count as usize).min(COUNT_MAX)).unwrap_or_default()
    }

    fn place(&self, option: u32) -> Option<usize> {
        self.list().iter().position(|&o| o == option)
    }

    fn value(&self, option: u32) -> Option<Host> {
        In(self.values.0.cast_const().wrapping_add(self.place(option)?)).opt()
    }

    /// The value of an option that is a number.
    pub fn number(&self, option: u32) -> Option<u32> {
        self.value(option).map(|value| value.0 as u32)
    }

    /// The architecture to compile for: CU_JIT_TARGET, else the device's own.
    ///
    /// # Errors
    /// CUDA_ERROR_NO_BINARY_FOR_GPU, with a sentence, for one that the device does not cover.
    pub fn target(&self, capability: u32) -> Result<u32, (CUresult, String)> {
        // Bits above the number say which variant of an architecture.
        match self.number(TARGET).map(|target| target & 0xffff) {
            None | Some(0) => Ok(capability),
            Some(target) if target <= capability => Ok(target),
            Some(target) => Err((CUresult::NO_BINARY_FOR_GPU, format!("CU_JIT_TARGET asks for {target}, and the device is {capability} (RINGWAY_SOFTGPU_CC raises it)"))),
        }
    }

    /// CU_JIT_LOG_VERBOSE.
    pub fn verbose(&self) -> bool {
        self.number(LOG_VERBOSE).is_some_and(|value| value != 0)
    }

    /// Writes a log, cut to its buffer, and how much was written in the place of the buffer's size. False without a buffer.
    fn log(&self, buffer: u32, text: &str) -> bool {
        let (Some(place), Some(size), Some(at)) = (self.value(buffer), self.number(buffer + 1), self.place(buffer + 1)) else { return false };
        let room = size as usize;
        if place.0 == 0 || room == 0 {
            return false;
        }
        let _ = Out(place.0 as *mut std::ffi::c_char).put_text(text, room);
        // The size of the buffer is gone with this: each log is written once.
        self.values.put_at(at, Host(text.len().min(room - 1) as u64));
        true
    }

    /// Writes both logs at the end of a compilation. An error without a buffer goes to the report's channel.
    pub fn logs(&self, info: &str, error: &str) {
        self.log(INFO_LOG_BUFFER, info);
        if !self.log(ERROR_LOG_BUFFER, error) && !error.is_empty() {
            report::fault(error);
        }
    }

    /// CU_JIT_WALL_TIME: milliseconds since the compilation began, as a float in the place of the value.
    pub fn time(&self, began: Instant) {
        if let Some(at) = self.place(WALL_TIME) {
            let milliseconds = began.elapsed().as_secs_f32() * 1e3;
            self.values.put_at(at, Host(u64::from(milliseconds.to_bits())));
        }
    }
}
