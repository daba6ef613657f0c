//! Part of Ringway; see ARCHITECTURE.md.
pub mod control;
pub mod layout;
