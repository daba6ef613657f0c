//! Parts of Ringway by themselves, each as an operation that can be repeated: for instruction counts and for `perf/benches`.

mod codec;
mod interpreter;
mod ring;

/// One operation.
pub struct Part {
    /// The package and what is done.
    pub name: String,
    work: Box<dyn FnMut()>,
}

impl Part {
    fn new(name: &str, work: impl FnMut() + 'static) -> Self {
        Self {
            name: name.into(),
            work: Box::new(work),
        }
    }

    /// Does it once.
    #[inline]
    pub fn once(&mut self) {
        (self.work)();
    }
}

/// All of them.
///
/// # Errors
/// A kernel does not compile, or gives a wrong result.
pub fn all() -> Result<Vec<Part>, String> {
    let mut parts = ring::parts();
    parts.extend(codec::parts());
    parts.extend(interpreter::parts()?);
    Ok(parts)
}
