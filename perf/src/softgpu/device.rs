//! Memory and launches of the software GPU, used as a library: no driver, no streams, so that a kernel runs on the
//! calling thread and its CPU time is the kernel's.

use ringway_softgpu::exec::{
    CompileOptions, DeviceView, Launch, LaunchStats, Limits, MemoryMap, MemoryRange, NoHeap,
    Program, compile_text, count_instructions, launch,
};
use std::sync::atomic::AtomicBool;

/// Device memory: 256-byte aligned host memory.
pub struct Memory {
    data: Vec<u128>,
    skip: usize,
    bytes: usize,
}

/// Numbers that lie in device memory as they are.
pub trait Number: Copy + 'static {}
impl Number for u8 {}
impl Number for u32 {}
impl Number for f32 {}

impl Memory {
    /// Memory that holds `values`.
    pub fn of<T: Number>(values: &[T]) -> Self {
        let bytes = size_of_val(values);
        let data = vec![0u128; bytes.div_ceil(16) + 16];
        let skip = data.as_ptr().cast::<u8>().align_offset(256);
        let mut memory = Self { data, skip, bytes };
        memory.write(values);
        memory
    }

    /// Its device address.
    pub fn address(&self) -> u64 {
        self.data.as_ptr() as u64 + self.skip as u64
    }

    /// Overwrites the start.
    pub fn write<T: Number>(&mut self, values: &[T]) {
        assert!(size_of_val(values) <= self.bytes);
        // SAFETY: the length was just checked; `skip` bytes were added to the allocation for the alignment.
        unsafe {
            let to = self.data.as_mut_ptr().cast::<u8>().add(self.skip);
            std::ptr::copy_nonoverlapping(values.as_ptr(), to.cast(), values.len());
        }
    }

    /// What it holds.
    pub fn read<T: Number>(&self) -> Vec<T> {
        let count = self.bytes / size_of::<T>();
        // SAFETY: `bytes` initialised bytes lie there, aligned to 256; every bit pattern is a number.
        unsafe { std::slice::from_raw_parts(self.address() as *const T, count) }.to_vec()
    }
}

/// A parameter of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Param {
    /// 32 bits.
    Word(u32),
    /// An address.
    Address(u64),
}

impl From<u32> for Param {
    fn from(value: u32) -> Self {
        Self::Word(value)
    }
}
impl From<f32> for Param {
    fn from(value: f32) -> Self {
        Self::Word(value.to_bits())
    }
}
impl From<&Memory> for Param {
    fn from(memory: &Memory) -> Self {
        Self::Address(memory.address())
    }
}

/// The parameter buffer.
pub fn parameters(list: &[Param]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for param in list {
        match param {
            Param::Word(value) => bytes.extend(value.to_le_bytes()),
            Param::Address(value) => {
                bytes.resize(bytes.len().next_multiple_of(8), 0);
                bytes.extend(value.to_le_bytes());
            }
        }
    }
    bytes
}

/// How a launch is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On the calling thread.
    OneCore,
    /// On all processors.
    AllCores,
    /// On the calling thread, counting instructions.
    Counting,
}

/// A kernel with its launch.
pub struct Kernel {
    program: Program,
    name: &'static str,
    grid: [u32; 3],
    block: [u32; 3],
}

impl Kernel {
    /// Compiles `text`.
    pub fn new(
        text: &str,
        name: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
    ) -> Result<Self, String> {
        let program =
            compile_text(text, &CompileOptions::default()).map_err(|error| error.to_string())?;
        Ok(Self {
            program,
            name,
            grid,
            block,
        })
    }

    /// Runs it to the end.
    pub fn run(
        &self,
        params: &[u8],
        memory: &[Memory],
        mode: Mode,
    ) -> Result<LaunchStats, String> {
        let kernel = match self.program.kernels.get(self.name) {
            Some(Ok(kernel)) => kernel,
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err(format!("no kernel {}", self.name)),
        };
        let map = MemoryMap::new(
            memory
                .iter()
                .map(|m| MemoryRange {
                    start: m.address(),
                    end: m.address() + m.bytes as u64,
                    writable: true,
                })
                .collect(),
        );
        let arguments = Launch {
            kernel,
            grid: self.grid,
            block: self.block,
            dynamic_shared_bytes: 0,
            params,
            symbol: &|_| None,
            memory: &map,
            races: &|_| (),
            print: &|_| {},
            heap: &NoHeap,
            limits: Limits::default(),
            stop: &AtomicBool::new(false),
            cooperative: false,
            deterministic: mode != Mode::AllCores,
            device: DeviceView::default(),
        };
        if mode == Mode::Counting {
            count_instructions(&arguments)
        } else {
            launch(&arguments)
        }
        .map_err(|fault| fault.to_string())
    }
}
