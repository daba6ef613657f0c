//! Graphs.

use super::context::Context;
use super::result::R;
use super::stream::Stream;
use std::sync::Arc;

/// What a launched graph executes.
pub struct ExecList {}

impl ExecList {
    /// Executes it.
    pub fn run(&self, _stream: &Arc<Stream>, _ctx: &Arc<Context>) -> R {
        Ok(())
    }
}
