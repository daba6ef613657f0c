//! Part of Ringway; see ARCHITECTURE.md.
fn main() {}
