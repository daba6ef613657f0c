//! The software GPU: a shared object that presents itself as libcuda.so.1 and executes PTX on the CPU.
//!
//! [`driver`] is the surface that programs call (devices, contexts, memory, streams, modules, graphs); [`ptx`], [`ir`] and [`exec`] parse,
//! compile and execute kernels. It is for trying the product and testing the layers above with real numbers, not a simulator of timing.

pub mod driver;
pub mod exec;
pub mod ir;
pub mod ptx;
