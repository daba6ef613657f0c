//! Executable graphs: the nodes of a graph and of the graphs inside it, in an order that honours the edges.
//!
//! A launch runs the nodes one after the other in the launching stream. That is one of the orders CUDA allows.

use super::condition::Condition;
use super::context::{CONTEXTS, Context};
use super::event::{Record, Recorded, Target};
use super::graph::{Body, Graph};
use super::graph_memory;
use super::op::Op;
use super::registry::Registry;
use super::result::{CUresult, R, ensure};
use super::stream::{Mark, Stream};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// All executable graphs.
pub static EXECS: Registry<Exec> = Registry::new(13);

/// `CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH`.
const AUTO_FREE_ON_LAUNCH: u64 = 1;
/// `CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD`: only where a stream for it is given.
pub const UPLOAD: u64 = 2;
const DEVICE_LAUNCH: u64 = 4;

/// One node of an executable graph.
#[derive(Clone)]
pub struct Entry {
    /// The node it was made from.
    pub node: u64,
    /// What it does.
    pub body: Body,
    /// `cuGraphNodeSetEnabled`.
    pub enabled: bool,
    /// Nodes of the same graph that come before it.
    deps: Vec<u64>,
    /// Of a conditional node: the entries of its graphs.
    branches: Vec<Arc<Vec<Entry>>>,
}

/// The way to an entry: a position in the list, then, for each conditional node on the way, a branch and a position in it.
type Path = Vec<usize>;

/// An executable graph.
pub struct Exec {
    /// Its handle.
    pub handle: u64,
    /// Unique number.
    pub id: u32,
    /// Instantiation flags.
    pub flags: u64,
    entries: Mutex<Arc<Vec<Entry>>>,
    index: HashMap<u64, Path>,
    conditions: Vec<Arc<Condition>>,
    last: Mutex<Option<Mark>>,
}

/// One launch of an executable graph.
pub struct ExecList {
    entries: Arc<Vec<Entry>>,
    records: HashMap<u64, Arc<Record>>,
    waits: HashMap<u64, Target>,
    conditions: Vec<Arc<Condition>>,
}

/// Why a graph cannot be instantiated: the code, the `CUgraphInstantiateResult`, and the node.
pub struct Refusal {
    /// The code.
    pub code: CUresult,
    /// The `CUgraphInstantiateResult`.
    pub result: u32,
    /// The node, or 0.
    pub node: u64,
}

fn refusal(code: CUresult, result: u32, node: u64) -> Refusal {
    Refusal { code, result, node }
}

/// Lists the nodes of a graph and of its child graphs in an executable order.
fn flatten(graph: &Graph, conditional: bool, into: &mut Vec<Entry>, conditions: &mut Vec<Arc<Condition>>) -> Result<(), Refusal> {
    conditions.extend(graph.conditions.lock().iter().cloned());
    for node in graph.ordered().map_err(|code| refusal(code, 2, 0))? {
        let body = node.body.lock().clone();
        // What may be in a conditional node's graphs.
        if conditional && !matches!(body.kind(), 0 | 1 | 2 | 4 | 5 | 13) {
            return Err(refusal(CUresult::NOT_SUPPORTED, 3, node.handle));
        }
        let mut branches = Vec::new();
        match &body {
            Body::Child(child) => {
                flatten(child, conditional, into, conditions)?;
                continue;
            }
            Body::Conditional(node) => {
                for graph in &node.bodies {
                    let mut branch = Vec::new();
                    flatten(graph, true, &mut branch, conditions)?;
                    branches.push(Arc::new(branch));
                }
            }
            _ => {}
        }
        let deps = node.deps.lock().clone();
        into.push(Entry { node: node.handle, body, enabled: true, deps, branches });
    }
    Ok(())
}

fn list(graph: &Graph) -> Result<(Vec<Entry>, Vec<Arc<Condition>>), Refusal> {
    let (mut entries, mut conditions) = (Vec::new(), Vec::new());
    flatten(graph, false, &mut entries, &mut conditions)?;
    Ok((entries, conditions))
}

fn walk<'e>(entries: &'e [Entry], path: &mut Path, seen: &mut impl FnMut(&'e Entry, &Path)) {
    for (i, entry) in entries.iter().enumerate() {
        path.push(i);
        seen(entry, path);
        for (b, branch) in entry.branches.iter().enumerate() {
            path.push(b);
            walk(branch, path, seen);
            path.pop();
        }
        path.pop();
    }
}

fn all(entries: &[Entry]) -> Vec<&Entry> {
    let mut out = Vec::new();
    walk(entries, &mut Path::new(), &mut |entry, _| out.push(entry));
    out
}

fn at_mut<'e>(entries: &'e mut Arc<Vec<Entry>>, path: &[usize]) -> Option<&'e mut Entry> {
    let (first, rest) = path.split_first()?;
    let entry = Arc::make_mut(entries).get_mut(*first)?;
    match rest.split_first() {
        None => Some(entry),
        Some((branch, rest)) => at_mut(entry.branches.get_mut(*branch)?, rest),
    }
}

impl Exec {
    /// Makes the executable form.
    pub fn instantiate(graph: &Graph, flags: u64) -> Result<Arc<Exec>, Refusal> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        ensure(flags & !0xf == 0, CUresult::INVALID_VALUE).map_err(|code| refusal(code, 1, 0))?;
        ensure(flags & DEVICE_LAUNCH == 0, CUresult::NOT_SUPPORTED).map_err(|code| refusal(code, 3, 0))?;
        let (entries, conditions) = list(graph)?;
        let looked_at: HashSet<u64> = all(&entries).into_iter().filter_map(|e| if let Body::Conditional(c) = &e.body { Some(c.condition.address) } else { None }).collect();
        if conditions.iter().any(|c| !looked_at.contains(&c.address)) {
            return Err(refusal(CUresult::INVALID_VALUE, 5, 0));
        }
        let mut index = HashMap::new();
        walk(&entries, &mut Path::new(), &mut |entry, path| drop(index.insert(entry.node, path.clone())));
        let exec = Arc::new(Exec {
            handle: EXECS.reserve(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            flags,
            entries: Mutex::new(Arc::new(entries)),
            index,
            conditions,
            last: Mutex::new(None),
        });
        EXECS.insert(exec.handle, Arc::clone(&exec));
        Ok(exec)
    }

    /// Changes the entry of a node.
    pub fn change(&self, node: u64, change: impl FnOnce(&mut Entry) -> R) -> R {
        let path = self.index.get(&node).ok_or(CUresult::INVALID_VALUE)?;
        let mut entries = self.entries.lock();
        change(at_mut(&mut entries, path).ok_or(CUresult::INVALID_VALUE)?)
    }

    /// Whether a node is enabled.
    pub fn enabled(&self, node: u64) -> R<bool> {
        let mut enabled = false;
        self.change(node, |entry| {
            enabled = entry.enabled;
            Ok(())
        })?;
        Ok(enabled)
    }

    /// Replaces the bodies by those of a graph of the same shape. The error names the entry, the one it depends on if that is what is wrong,
    /// and the `CUgraphExecUpdateResult`.
    pub fn update(&self, graph: &Graph) -> Result<(), (u64, u64, u32)> {
        let (fresh, _) = list(graph).map_err(|refusal| (refusal.node, 0, 1u32))?;
        let mut entries = self.entries.lock();
        compare(&entries, &fresh)?;
        replace(&mut entries, fresh);
        Ok(())
    }

    /// `cuGraphExecChildGraphNodeSetParams`: `embedded` is the graph inside the node, `fresh` one of the same shape.
    pub fn update_child(&self, embedded: &Graph, fresh: &Graph) -> R {
        let wrong = |_| CUresult::INVALID_VALUE;
        let (old, new) = (list(embedded).map_err(wrong)?.0, list(fresh).map_err(wrong)?.0);
        compare(&old, &new).map_err(|_| CUresult::INVALID_VALUE)?;
        for (a, b) in old.into_iter().zip(new) {
            self.change(a.node, |entry| {
                replace_one(entry, b);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A graph that does what a launch does: for a launch in a captured stream.
    pub fn as_graph(&self) -> R<Arc<Graph>> {
        let graph = Graph::create();
        let mut last = Vec::new();
        for entry in self.entries.lock().iter().filter(|e| e.enabled) {
            ensure(entry.branches.is_empty(), CUresult::STREAM_CAPTURE_UNSUPPORTED)?;
            last = vec![graph.add(entry.body.clone(), &last)?.handle];
        }
        Ok(graph)
    }

    /// Submits one launch. Launches of one executable graph do not overlap.
    ///
    /// # Errors
    /// CUDA_ERROR_INVALID_VALUE while memory that an earlier launch allocated has not been freed, unless the graph frees it by itself.
    pub fn launch(&self, stream: &Arc<Stream>) -> R {
        let entries = Arc::clone(&self.entries.lock());
        let mut last = self.last.lock();
        let after: Vec<Mark> = last.iter().cloned().collect();
        let (mut records, mut waits, mut events) = (HashMap::new(), HashMap::new(), Vec::new());
        for entry in entries.iter().filter(|e| e.enabled) {
            match &entry.body {
                Body::EventRecord(event) => {
                    let record = Arc::new(Record::of(event));
                    events.push((Arc::clone(event), Arc::clone(&record)));
                    records.insert(entry.node, record);
                }
                Body::EventWait(event) => drop(waits.insert(entry.node, event.target()?)),
                _ => {}
            }
        }
        self.allocate(&entries)?;
        let list = Arc::new(ExecList { entries, records, waits, conditions: self.conditions.clone() });
        let mark = stream.submit(Op::Graph(list), after);
        for (event, record) in events {
            *event.state.lock() = Recorded::Stream(record, mark.clone());
        }
        *last = Some(mark);
        Ok(())
    }

    /// Keeps account of the graph's memory: what this launch allocates and does not free itself stays allocated.
    fn allocate(&self, entries: &[Entry]) -> R {
        let freed: HashSet<u64> = entries.iter().filter_map(|e| if let Body::Free(address) = e.body { Some(address) } else { None }).collect();
        let kept = || entries.iter().filter_map(|e| if let Body::Alloc(memory) = &e.body { Some(memory) } else { None });
        ensure(self.flags & AUTO_FREE_ON_LAUNCH != 0 || !kept().any(|memory| memory.is_allocated()), CUresult::INVALID_VALUE)?;
        for memory in kept() {
            memory.allocate();
        }
        for &address in &freed {
            graph_memory::freed(address);
        }
        Ok(())
    }
}

fn positions(entries: &[Entry]) -> HashMap<u64, usize> {
    entries.iter().enumerate().map(|(i, e)| (e.node, i)).collect()
}

/// Whether new entries can take the place of old ones.
fn compare(old: &[Entry], new: &[Entry]) -> Result<(), (u64, u64, u32)> {
    if old.len() != new.len() {
        return Err((0, 0, 2));
    }
    let (old_at, new_at) = (positions(old), positions(new));
    for (a, b) in old.iter().zip(new) {
        if a.body.kind() != b.body.kind() {
            return Err((b.node, 0, 3));
        }
        let before: HashSet<usize> = a.deps.iter().filter_map(|d| old_at.get(d).copied()).collect();
        let after: HashSet<usize> = b.deps.iter().filter_map(|d| new_at.get(d).copied()).collect();
        if before != after {
            let from = b.deps.iter().find(|d| new_at.get(d).is_none_or(|at| !before.contains(at)));
            return Err((b.node, from.copied().unwrap_or(0), 2));
        }
        match (&a.body, &b.body) {
            (Body::Kernel(x), Body::Kernel(y)) if x.function.module.ctx != y.function.module.ctx => return Err((b.node, 0, 7)),
            (Body::Conditional(x), Body::Conditional(y)) if x.condition.address != y.condition.address || x.kind() != y.kind() => return Err((b.node, 0, 5)),
            (Body::Alloc(_) | Body::Free(_), _) => return Err((b.node, 0, 6)),
            _ => {}
        }
        if a.branches.len() != b.branches.len() {
            return Err((b.node, 0, 5));
        }
        for (x, y) in a.branches.iter().zip(&b.branches) {
            compare(x, y)?;
        }
    }
    Ok(())
}

fn replace(old: &mut Arc<Vec<Entry>>, new: Vec<Entry>) {
    for (old, new) in Arc::make_mut(old).iter_mut().zip(new) {
        replace_one(old, new);
    }
}

/// The entry stands for the same node as before, so that it can be changed again.
fn replace_one(old: &mut Entry, new: Entry) {
    old.body = new.body;
    for (old, new) in old.branches.iter_mut().zip(new.branches) {
        replace(old, Arc::unwrap_or_clone(new));
    }
}

impl ExecList {
    /// Executes it: the first fault ends it.
    pub fn run(&self, stream: &Arc<Stream>, ctx: &Arc<Context>) -> R {
        self.conditions.iter().for_each(|condition| condition.begin());
        self.run_entries(&self.entries, stream, ctx)
    }

    fn run_entries(&self, entries: &[Entry], stream: &Arc<Stream>, ctx: &Arc<Context>) -> R {
        for entry in entries.iter().filter(|e| e.enabled) {
            match &entry.body {
                Body::Kernel(launch) => {
                    // A graph may have kernels of several contexts; each runs in its own.
                    let owner = launch.function.module.ctx;
                    if owner == ctx.handle {
                        launch.run(ctx, stream.priority())?;
                    } else {
                        let owner = CONTEXTS.find(owner).ok_or(CUresult::CONTEXT_IS_DESTROYED)?;
                        launch.run(&owner, stream.priority()).inspect_err(|&code| owner.poison(code))?;
                    }
                }
                Body::Memcpy(copy) => copy.run(),
                Body::Memset(fill) => fill.run(),
                Body::Host(function, data) => Op::Host(*function, *data).run(stream, ctx)?,
                Body::EventRecord(_) => self.records.get(&entry.node).into_iter().for_each(|r| r.reach()),
                Body::EventWait(_) => self.waits.get(&entry.node).into_iter().for_each(|target| target.wait(ctx)),
                Body::Batch(ops) => ops.iter().try_for_each(|op| op.run(stream, ctx))?,
                Body::Free(address) => {
                    // Memory of an allocation node stays with the graph; other stream-ordered memory goes now.
                    super::memory::pool::free_now(*address);
                }
                Body::Conditional(node) => {
                    while let Some(branch) = node.chosen() {
                        self.run_entries(&entry.branches[branch], stream, ctx)?;
                        if node.choice != super::condition::Choice::While || ctx.stop.load(Ordering::Acquire) || ctx.fault.load(Ordering::Acquire) != 0 {
                            break;
                        }
                    }
                }
                Body::Child(_) | Body::Empty | Body::Alloc(_) => {}
            }
        }
        Ok(())
    }

    /// Whether it runs code of the program, or waits for what is outside this stream.
    pub fn calls_host(&self) -> bool {
        self.entries.iter().any(|e| matches!(e.body, Body::Host(..) | Body::Batch(_) | Body::EventWait(_)))
    }

    /// Events still get their time when the launch is skipped.
    pub fn skip(&self) {
        self.records.values().for_each(|r| r.reach());
    }
}
