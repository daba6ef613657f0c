//! The kernels of a program, each compiled when it is first asked for: a large module costs what is used of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::{CompileError, Kernel};
use crate::ir::Prepared;

type Outcome = Result<Arc<Kernel>, CompileError>;

/// By entry name: the kernel, or why that one cannot run here.
pub struct Kernels {
    source: Prepared,
    cells: BTreeMap<String, OnceLock<Outcome>>,
    registers_max: u32,
}

impl Kernels {
    pub(crate) fn new(source: Prepared, names: impl Iterator<Item = String>) -> Kernels {
        Kernels { source, cells: names.map(|name| (name, OnceLock::new())).collect(), registers_max: u32::MAX }
    }

    /// Bounds the number of registers that kernels say they use. A compiler for hardware keeps what does not fit in local memory; here only
    /// the number changes. To be called before the first kernel is asked for.
    pub fn bound_registers(&mut self, most: u32) {
        self.registers_max = most.max(1);
    }

    fn outcome<'k>(&'k self, name: &str, cell: &'k OnceLock<Outcome>) -> &'k Outcome {
        cell.get_or_init(|| {
            self.source.kernel(name).map(|mut kernel| {
                kernel.registers = kernel.registers.min(self.registers_max);
                Arc::new(kernel)
            })
        })
    }

    /// The kernel of that name, compiled now if it was not before; None if there is no entry of that name.
    pub fn get(&self, name: &str) -> Option<&Outcome> {
        let (name, cell) = self.cells.get_key_value(name)?;
        Some(self.outcome(name, cell))
    }

    /// All of them, in order of name; compiles what was not compiled before.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Outcome)> {
        self.cells.iter().map(|(name, cell)| (name, self.outcome(name, cell)))
    }

    /// As [`Kernels::iter`], without the names.
    pub fn values(&self) -> impl Iterator<Item = &Outcome> {
        self.iter().map(|(_, outcome)| outcome)
    }

    /// Their names, in order; compiles nothing.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.cells.keys()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// How many have been compiled so far.
    pub fn compiled(&self) -> usize {
        self.cells.values().filter(|cell| cell.get().is_some()).count()
    }
}

impl std::ops::Index<&str> for Kernels {
    type Output = Outcome;

    fn index(&self, name: &str) -> &Outcome {
        self.get(name).unwrap_or_else(|| panic!("no kernel {name}"))
    }
}

impl<'k> IntoIterator for &'k Kernels {
    type Item = (&'k String, &'k Outcome);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'k>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.cells.keys()).finish()
    }
}
