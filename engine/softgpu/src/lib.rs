//! Part of Ringway; see ARCHITECTURE.md.

pub mod exec;
pub mod ir;
pub mod ptx;
