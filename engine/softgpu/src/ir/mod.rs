//! From parsed PTX to decoded, register-allocated code.

use crate::exec::{CompileError, CompileErrorKind, CompileOptions, Program};
use crate::ptx;

/// Decoded code of one kernel.
pub(crate) struct Code {}

pub(crate) fn compile(_modules: &[ptx::Module], _options: &CompileOptions) -> Result<Program, CompileError> {
    Err(CompileError {
        line: 0,
        message: "PTX execution is not available in this build".into(),
        kind: CompileErrorKind::Unsupported,
    })
}
