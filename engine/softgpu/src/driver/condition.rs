//! Conditional nodes of graphs: `cuGraphConditionalHandleCreate` and what its handles are.
//!
//! A handle is the address of a word in device memory. Kernels set it with `cudaGraphSetConditional`, which is a store to that word; the node
//! reads it when its turn comes.

use super::abi::CUgraph;
use super::context::Context;
use super::graph::Graph;
use super::memory::{self, Kind, New, space};
use super::result::{CUresult, R, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A word that conditional nodes look at.
pub struct Condition {
    /// Its address: the `CUgraphConditionalHandle`.
    pub address: u64,
    /// Its context.
    pub ctx: u64,
    /// What each launch of the graph sets it to first, if that was asked for.
    pub default: Option<u32>,
    start: u32,
}

impl Condition {
    /// A new word; `flags` are those of the call.
    pub fn create(ctx: &Arc<Context>, value: u32, flags: u32) -> R<Arc<Condition>> {
        ensure(flags <= 1, CUresult::INVALID_VALUE)?;
        let address = memory::pool::allocate_or_wait(ctx, ctx.device, 4, 0)?;
        space().insert(New { start: address, len: 4, kind: Kind::Graph, device: ctx.device.ordinal, ctx: 0, flags: 0, pool: 0 });
        Ok(Arc::new(Condition { address, ctx: ctx.handle, default: (flags == 1).then_some(value), start: value }))
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: four aligned bytes of device memory that live as long as this object; kernels access them too, hence the atomic.
        unsafe { &*(self.address as *const AtomicU32) }
    }

    /// What it is now.
    pub fn value(&self) -> u32 {
        self.word().load(Ordering::Acquire)
    }

    /// A launch of its graph begins.
    pub fn begin(&self) {
        if self.default.is_some() {
            self.word().store(self.start, Ordering::Release);
        }
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        if let Some(gone) = space().remove(self.address, |a| a.kind == Kind::Graph) {
            memory::free_backing(&gone);
        }
    }
}

/// `CUgraphConditionalNodeType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// The first graph if the word is not zero, else the second if there is one.
    If,
    /// The graph again and again while the word is not zero.
    While,
    /// The graph whose number the word is, if there is one.
    Switch,
}

/// A conditional node.
pub struct Conditional {
    /// The word.
    pub condition: Arc<Condition>,
    /// How it decides.
    pub choice: Choice,
    /// What it decides between.
    pub bodies: Vec<Arc<Graph>>,
    /// The array of the bodies' handles that the program gets.
    pub handles: Vec<CUgraph>,
}

impl Conditional {
    /// A node with `count` empty bodies.
    pub fn create(condition: Arc<Condition>, kind: u32, count: u32) -> R<Arc<Conditional>> {
        let (choice, fits) = match kind {
            0 => (Choice::If, matches!(count, 1 | 2)),
            1 => (Choice::While, count == 1),
            2 => (Choice::Switch, (1..=4096).contains(&count)),
            _ => return Err(CUresult::INVALID_VALUE),
        };
        ensure(fits, CUresult::INVALID_VALUE)?;
        Ok(Self::with(condition, choice, (0..count).map(|_| Graph::create()).collect()))
    }

    fn with(condition: Arc<Condition>, choice: Choice, bodies: Vec<Arc<Graph>>) -> Arc<Conditional> {
        let handles = bodies.iter().map(|graph| CUgraph(graph.handle)).collect();
        Arc::new(Conditional { condition, choice, bodies, handles })
    }

    /// The same with copies of the bodies.
    pub fn duplicate(&self) -> Arc<Conditional> {
        Self::with(Arc::clone(&self.condition), self.choice, self.bodies.iter().map(|body| body.duplicate()).collect())
    }

    /// The `CUgraphConditionalNodeType`.
    pub fn kind(&self) -> u32 {
        self.choice as u32
    }

    /// Which of the bodies runs now.
    pub fn chosen(&self) -> Option<usize> {
        let value = self.condition.value();
        let index = match self.choice {
            Choice::If => usize::from(value == 0),
            Choice::While if value == 0 => return None,
            Choice::While => 0,
            Choice::Switch => value as usize,
        };
        (index < self.bodies.len()).then_some(index)
    }
}
