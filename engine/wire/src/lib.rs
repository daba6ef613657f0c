//! Part of Ringway; see ARCHITECTURE.md.
pub mod call;
pub mod codec;
pub mod control;
pub mod frame;
pub mod ids;
pub mod layout;
