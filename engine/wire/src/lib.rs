//! Part of Ringway; see ARCHITECTURE.md.
pub mod codec;
pub mod control;
pub mod frame;
pub mod layout;
pub mod ids;
pub mod call;
