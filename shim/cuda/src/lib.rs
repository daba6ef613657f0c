//! Part of Ringway; see ARCHITECTURE.md.

pub mod driver_table;
pub mod runtime;
