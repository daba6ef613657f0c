//! From parsed PTX to decoded, register-allocated code.
//!
//! Each kernel is compiled together with the functions it can reach: [`function`] resolves names and turns statements
//! into [`inst::Lowered`] instructions over virtual registers ([`arithmetic`], [`memory`], [`flow`] choose the
//! operations), [`copies`], [`invariant`], [`addresses`] and [`patterns`] leave out, move and find out ahead
//! what need not be done again and again, [`allocate`] maps virtual registers to slots of the frame, [`native`] cuts out what can be compiled
//! to the processor's own instructions, and [`link`] joins the functions into the code that [`crate::exec`] runs.

mod addresses;
mod allocate;
mod arithmetic;
mod asynchronous;
mod comparison;
mod conversion;
mod copies;
mod flow;
mod function;
mod inst;
mod invariant;
mod link;
mod matrices;
mod matrix_bits;
mod memory;
mod module;
#[cfg(target_arch = "x86_64")]
mod native;
mod opcode;
mod operand;
mod patterns;
mod races;
mod texture;
mod video;

pub use opcode::{Family, OPCODES};

pub(crate) use module::{Prepared, compile};
