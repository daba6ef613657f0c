//! Part of Ringway; see ARCHITECTURE.md.

pub mod driver_table;
pub mod nvml;
pub mod runtime;
