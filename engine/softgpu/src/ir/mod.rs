//! From parsed PTX to decoded, register-allocated code.
//!
//! Each kernel is compiled together with the functions it can reach: [`function`] resolves names and turns statements
//! into [`inst::Lowered`] instructions over virtual registers ([`arithmetic`], [`memory`], [`flow`] choose the
//! operations), [`allocate`] maps virtual registers to slots of the frame, and [`link`] joins the functions into the
//! code that [`crate::exec`] runs.

mod allocate;
mod arithmetic;
mod flow;
mod function;
mod inst;
mod link;
mod matrices;
mod memory;
mod module;
mod operand;
mod texture;

pub(crate) use module::compile;
