//! Part of Ringway; see ARCHITECTURE.md.
