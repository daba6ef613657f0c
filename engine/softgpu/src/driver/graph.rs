//! Graphs: nodes with dependencies, and their executable form, a list in an order that honours them.
//!
//! An executable graph runs its nodes one after the other in the launching stream. That is one of the orders CUDA allows.

use super::abi::{CUhostFn, Host};
use super::context::Context;
use super::event::{Event, Record, Recorded};
use super::launch::KernelLaunch;
use super::memory::copy::{Copy3D, Fill};
use super::memory::{self, Kind, space};
use super::op::Op;
use super::registry::Registry;
use super::result::{CUresult, R, ensure};
use super::stream::{Mark, Stream};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

/// All graphs that programs can name.
pub static GRAPHS: Registry<Graph> = Registry::new(11);
/// All nodes of those graphs.
pub static NODES: Registry<Node> = Registry::new(12);
/// All executable graphs.
pub static EXECS: Registry<Exec> = Registry::new(13);
/// All user objects.
pub static USER_OBJECTS: Registry<UserObject> = Registry::new(14);

/// What a node does.
#[derive(Clone)]
pub enum Body {
    /// A kernel.
    Kernel(Arc<KernelLaunch>),
    /// A copy.
    Memcpy(Arc<Copy3D>),
    /// A fill.
    Memset(Fill),
    /// A host function.
    Host(CUhostFn, Host),
    /// A graph of its own, cloned when the node was made.
    Child(Arc<Graph>),
    /// Nothing.
    Empty,
    /// Records an event.
    EventRecord(Arc<Event>),
    /// Waits for an event.
    EventWait(Arc<Event>),
    /// Memory that the graph owns.
    Alloc(Arc<GraphMemory>),
    /// The end of such memory's use.
    Free(u64),
    /// Stream memory operations.
    Batch(Arc<Vec<Op>>),
}

/// Memory of an allocation node: its address is fixed from the time the node is made, and it lives as long as any graph that names it.
pub struct GraphMemory {
    /// Address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
}

impl Drop for GraphMemory {
    fn drop(&mut self) {
        if let Some(gone) = space().remove(self.start, |a| a.kind == Kind::Graph) {
            memory::free_backing(&gone);
        }
    }
}

impl Body {
    /// The `CUgraphNodeType`.
    pub fn kind(&self) -> u32 {
        match self {
            Body::Kernel(_) => 0,
            Body::Memcpy(_) => 1,
            Body::Memset(_) => 2,
            Body::Host(..) => 3,
            Body::Child(_) => 4,
            Body::Empty => 5,
            Body::EventWait(_) => 6,
            Body::EventRecord(_) => 7,
            Body::Alloc(_) => 10,
            Body::Free(_) => 11,
            Body::Batch(_) => 12,
        }
    }

    /// From an operation that a captured stream got.
    pub fn from_op(op: &Op) -> R<Body> {
        Ok(match op {
            Op::Empty | Op::Keep(_) => Body::Empty,
            Op::Kernel(launch) => Body::Kernel(Arc::clone(launch)),
            Op::Copy(copy) => Body::Memcpy(Arc::clone(copy)),
            Op::Fill(fill) => Body::Memset(*fill),
            Op::Host(function, data) => Body::Host(*function, *data),
            Op::WaitValue(_) | Op::WriteValue { .. } => Body::Batch(Arc::new(vec![op.clone()])),
            Op::Batch(ops) => Body::Batch(Arc::clone(ops)),
            Op::Free(address) => Body::Free(*address),
            Op::Callback(..) | Op::Record(_) | Op::Await(..) | Op::Graph(_) => return Err(CUresult::STREAM_CAPTURE_UNSUPPORTED),
        })
    }
}

/// A parameter buffer, and the address of each parameter in it.
pub type ExposedParams = (Vec<u8>, Vec<u64>);

/// A node.
pub struct Node {
    /// Its handle.
    pub handle: u64,
    /// Its number in its graph.
    pub local_id: u32,
    /// Its graph.
    pub graph: Weak<Graph>,
    /// The graph's handle.
    pub graph_handle: u64,
    /// What it does.
    pub body: Mutex<Body>,
    /// Nodes that come before it.
    pub deps: Mutex<Vec<u64>>,
    /// The node this one was cloned from, or 0.
    pub original: u64,
    /// Attributes that programs set.
    pub attributes: Mutex<HashMap<u32, [u8; 64]>>,
    /// Parameter buffers handed out by `cuGraphKernelNodeGetParams`; valid while the node lives.
    pub exposed: Mutex<Vec<Arc<ExposedParams>>>,
}

/// A graph.
pub struct Graph {
    /// Its handle.
    pub handle: u64,
    /// Unique number.
    pub id: u32,
    nodes: Mutex<Vec<Arc<Node>>>,
    next_local: AtomicU32,
    users: Mutex<HashMap<u64, (u32, Arc<UserObject>)>>,
}

/// A `CUuserObject`: a host object with a count of references, destroyed by its function.
pub struct UserObject {
    /// Its handle.
    pub handle: u64,
    /// Its destroyer.
    pub destroy: CUhostFn,
    /// Given to the destroyer.
    pub data: Host,
    /// References.
    pub count: AtomicU32,
}

impl UserObject {
    /// Adds references.
    pub fn retain(&self, count: u32) {
        self.count.fetch_add(count, Ordering::AcqRel);
    }

    /// Drops references; the last one destroys the object.
    pub fn release(&self, count: u32) {
        let before = self.count.fetch_sub(count.min(self.count.load(Ordering::Acquire)), Ordering::AcqRel);
        if before <= count {
            let _ = USER_OBJECTS.remove(self.handle);
            if let Some(destroy) = self.destroy {
                // SAFETY: the program passed this function to be called once with this argument.
                unsafe { destroy(self.data.0 as *mut std::ffi::c_void) };
            }
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        for node in self.nodes.get_mut() {
            let _ = NODES.remove(node.handle);
            if let Body::Child(child) = &*node.body.lock() {
                let _ = GRAPHS.remove(child.handle);
            }
        }
        for (_, (count, object)) in self.users.get_mut().drain() {
            object.release(count);
        }
    }
}

impl Graph {
    /// An empty graph, entered in the table.
    pub fn create() -> Arc<Graph> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let graph = Arc::new(Graph {
            handle: GRAPHS.reserve(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            nodes: Mutex::default(),
            next_local: AtomicU32::new(0),
            users: Mutex::default(),
        });
        GRAPHS.insert(graph.handle, Arc::clone(&graph));
        graph
    }

    /// Adds a node after `deps`, which must be nodes of this graph, each named once.
    pub fn add(self: &Arc<Self>, body: Body, deps: &[u64]) -> R<Arc<Node>> {
        self.check_deps(deps)?;
        Ok(self.insert(body, deps.to_vec(), 0))
    }

    fn insert(self: &Arc<Self>, body: Body, deps: Vec<u64>, original: u64) -> Arc<Node> {
        let node = Arc::new(Node {
            handle: NODES.reserve(),
            local_id: self.next_local.fetch_add(1, Ordering::Relaxed),
            graph: Arc::downgrade(self),
            graph_handle: self.handle,
            body: Mutex::new(body),
            deps: Mutex::new(deps),
            original,
            attributes: Mutex::default(),
            exposed: Mutex::default(),
        });
        NODES.insert(node.handle, Arc::clone(&node));
        self.nodes.lock().push(Arc::clone(&node));
        node
    }

    fn check_deps(&self, deps: &[u64]) -> R {
        let mut seen = HashSet::new();
        for &dep in deps {
            let node = NODES.find(dep).ok_or(CUresult::INVALID_VALUE)?;
            ensure(node.graph_handle == self.handle && seen.insert(dep), CUresult::INVALID_VALUE)?;
        }
        Ok(())
    }

    /// Its nodes in order of creation.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.lock().clone()
    }

    /// All edges, as pairs from and to.
    pub fn edges(&self) -> Vec<(u64, u64)> {
        self.nodes().iter().flat_map(|n| n.deps.lock().iter().map(|&d| (d, n.handle)).collect::<Vec<_>>()).collect()
    }

    /// Adds edges; CUDA_ERROR_INVALID_VALUE for one that exists, or that would close a circle.
    pub fn connect(self: &Arc<Self>, pairs: &[(u64, u64)]) -> R {
        for &(from, to) in pairs {
            self.check_deps(&[from])?;
            self.check_deps(&[to])?;
            let node = NODES.get(to)?;
            ensure(from != to && !node.deps.lock().contains(&from), CUresult::INVALID_VALUE)?;
            node.deps.lock().push(from);
            if self.ordered().is_err() {
                node.deps.lock().pop();
                return Err(CUresult::INVALID_VALUE);
            }
        }
        Ok(())
    }

    /// Removes edges, which must exist.
    pub fn disconnect(&self, pairs: &[(u64, u64)]) -> R {
        for &(from, to) in pairs {
            let node = NODES.find(to).filter(|n| n.graph_handle == self.handle).ok_or(CUresult::INVALID_VALUE)?;
            let mut deps = node.deps.lock();
            let at = deps.iter().position(|&d| d == from).ok_or(CUresult::INVALID_VALUE)?;
            deps.remove(at);
        }
        Ok(())
    }

    /// Takes a node out, with its edges.
    pub fn remove(&self, handle: u64) -> R {
        let mut nodes = self.nodes.lock();
        let at = nodes.iter().position(|n| n.handle == handle).ok_or(CUresult::INVALID_VALUE)?;
        nodes.remove(at);
        for node in nodes.iter() {
            node.deps.lock().retain(|&d| d != handle);
        }
        NODES.remove(handle).map(drop)
    }

    /// Nodes in an order in which every node comes after its dependencies, else by creation. CUDA_ERROR_INVALID_VALUE for a circle.
    pub fn ordered(&self) -> R<Vec<Arc<Node>>> {
        let mut waiting = self.nodes();
        let (mut done, mut order) = (HashSet::with_capacity(waiting.len()), Vec::with_capacity(waiting.len()));
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|node| {
                let ready = node.deps.lock().iter().all(|d| done.contains(d));
                if ready {
                    done.insert(node.handle);
                    order.push(Arc::clone(node));
                }
                !ready
            });
            ensure(waiting.len() < before, CUresult::INVALID_VALUE)?;
        }
        Ok(order)
    }

    /// A copy with nodes of its own.
    pub fn duplicate(&self) -> Arc<Graph> {
        let copy = Graph::create();
        let mut new_of = HashMap::new();
        for node in self.nodes() {
            let body = match &*node.body.lock() {
                Body::Child(child) => Body::Child(child.duplicate()),
                body => body.clone(),
            };
            let new = copy.insert(body, Vec::new(), node.handle);
            *new.attributes.lock() = node.attributes.lock().clone();
            new_of.insert(node.handle, new);
        }
        for node in self.nodes() {
            let deps = node.deps.lock().iter().filter_map(|d| new_of.get(d).map(|n| n.handle)).collect();
            *new_of[&node.handle].deps.lock() = deps;
        }
        for (handle, (count, object)) in self.users.lock().iter() {
            object.retain(*count);
            copy.users.lock().insert(*handle, (*count, Arc::clone(object)));
        }
        copy
    }

    /// Gives the graph references to a user object; `moved` takes them from the caller instead of making new ones.
    pub fn retain_user(&self, object: &Arc<UserObject>, count: u32, moved: bool) {
        if !moved {
            object.retain(count);
        }
        self.users.lock().entry(object.handle).or_insert_with(|| (0, Arc::clone(object))).0 += count;
    }

    /// Drops references that the graph holds.
    pub fn release_user(&self, handle: u64, count: u32) -> R {
        let mut users = self.users.lock();
        let entry = users.get_mut(&handle).filter(|e| e.0 >= count).ok_or(CUresult::INVALID_VALUE)?;
        entry.0 -= count;
        let object = Arc::clone(&entry.1);
        if entry.0 == 0 {
            users.remove(&handle);
        }
        drop(users);
        object.release(count);
        Ok(())
    }

    /// The nodes from which `from` can be reached backwards, itself included.
    pub fn ancestors(&self, from: &[u64]) -> HashSet<u64> {
        let (mut seen, mut open) = (HashSet::new(), from.to_vec());
        while let Some(handle) = open.pop() {
            if seen.insert(handle)
                && let Some(node) = NODES.find(handle)
            {
                open.extend(node.deps.lock().iter().copied());
            }
        }
        seen
    }
}

/// One node of an executable graph.
#[derive(Clone)]
pub struct Entry {
    /// The node it was made from.
    pub node: u64,
    /// What it does.
    pub body: Body,
    /// `cuGraphNodeSetEnabled`.
    pub enabled: bool,
}

/// An executable graph.
pub struct Exec {
    /// Its handle.
    pub handle: u64,
    /// Unique number.
    pub id: u32,
    /// Instantiation flags.
    pub flags: u64,
    entries: Mutex<Arc<Vec<Entry>>>,
    /// Which graph's node each entry stands for, with the graph kept alive for its node handles.
    index: HashMap<u64, usize>,
    last: Mutex<Option<Mark>>,
}

/// One launch of an executable graph.
pub struct ExecList {
    entries: Arc<Vec<Entry>>,
    records: HashMap<usize, Arc<Record>>,
}

/// Lists the nodes of a graph and of its child graphs in an executable order.
fn flatten(graph: &Graph, into: &mut Vec<Entry>) -> R {
    for node in graph.ordered()? {
        let body = node.body.lock().clone();
        match &body {
            Body::Child(child) => flatten(child, into)?,
            _ => into.push(Entry { node: node.handle, body, enabled: true }),
        }
    }
    Ok(())
}

impl Exec {
    /// Makes the executable form.
    pub fn instantiate(graph: &Graph, flags: u64) -> R<Arc<Exec>> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        ensure(flags & !0xf == 0, CUresult::INVALID_VALUE)?;
        ensure(flags & 4 == 0, CUresult::NOT_SUPPORTED)?;
        let mut entries = Vec::new();
        flatten(graph, &mut entries)?;
        let index = entries.iter().enumerate().map(|(i, e)| (e.node, i)).collect();
        let exec = Arc::new(Exec {
            handle: EXECS.reserve(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            flags,
            entries: Mutex::new(Arc::new(entries)),
            index,
            last: Mutex::new(None),
        });
        EXECS.insert(exec.handle, Arc::clone(&exec));
        Ok(exec)
    }

    /// Changes the entry of a node.
    pub fn change(&self, node: u64, change: impl FnOnce(&mut Entry) -> R) -> R {
        let &at = self.index.get(&node).ok_or(CUresult::INVALID_VALUE)?;
        let mut entries = self.entries.lock();
        change(&mut Arc::make_mut(&mut entries)[at])
    }

    /// Whether a node is enabled.
    pub fn enabled(&self, node: u64) -> R<bool> {
        let &at = self.index.get(&node).ok_or(CUresult::INVALID_VALUE)?;
        Ok(self.entries.lock()[at].enabled)
    }

    /// Replaces the bodies by those of a graph of the same shape. The error names the entry and the `CUgraphExecUpdateResult`.
    pub fn update(&self, graph: &Graph) -> Result<(), (u64, u32)> {
        let mut fresh = Vec::new();
        flatten(graph, &mut fresh).map_err(|_| (0, 1u32))?;
        let mut entries = self.entries.lock();
        if fresh.len() != entries.len() {
            return Err((0, 2));
        }
        for (old, new) in entries.iter().zip(&fresh) {
            if old.body.kind() != new.body.kind() {
                return Err((new.node, 3));
            }
        }
        for (old, new) in Arc::make_mut(&mut entries).iter_mut().zip(fresh) {
            old.body = new.body;
        }
        Ok(())
    }

    /// `cuGraphExecChildGraphNodeSetParams`: `embedded` is the graph inside the node, `fresh` one of the same shape.
    pub fn update_child(&self, embedded: &Graph, fresh: &Graph) -> R {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        flatten(embedded, &mut old)?;
        flatten(fresh, &mut new)?;
        ensure(old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| a.body.kind() == b.body.kind()), CUresult::INVALID_VALUE)?;
        for (a, b) in old.into_iter().zip(new) {
            self.change(a.node, |entry| {
                entry.body = b.body;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Submits one launch. Launches of one executable graph do not overlap.
    pub fn launch(&self, stream: &Arc<Stream>) -> R {
        let entries = Arc::clone(&self.entries.lock());
        let mut last = self.last.lock();
        let after: Vec<Mark> = last.iter().cloned().collect();
        let mut records = HashMap::new();
        for (i, entry) in entries.iter().enumerate().filter(|(_, e)| e.enabled) {
            match &entry.body {
                Body::EventRecord(event) => drop(records.insert(i, Arc::new(Record::of(event)))),
                Body::EventWait(event) => event.wait_in(stream)?,
                _ => {}
            }
        }
        let list = Arc::new(ExecList { entries: Arc::clone(&entries), records: records.clone() });
        let mark = stream.submit(Op::Graph(list), after);
        for (i, record) in records {
            if let Body::EventRecord(event) = &entries[i].body {
                *event.state.lock() = Recorded::Stream(record, mark.clone());
            }
        }
        *last = Some(mark);
        Ok(())
    }
}

impl ExecList {
    /// Executes it: the first fault ends it.
    pub fn run(&self, stream: &Arc<Stream>, ctx: &Arc<Context>) -> R {
        for (i, entry) in self.entries.iter().enumerate().filter(|(_, e)| e.enabled) {
            match &entry.body {
                Body::Kernel(launch) => launch.run(ctx)?,
                Body::Memcpy(copy) => copy.run(),
                Body::Memset(fill) => fill.run(),
                Body::Host(function, data) => Op::Host(*function, *data).run(stream, ctx)?,
                Body::EventRecord(_) => self.records.get(&i).into_iter().for_each(|r| r.reach()),
                Body::Batch(ops) => ops.iter().try_for_each(|op| op.run(stream, ctx))?,
                Body::Free(address) => {
                    // Memory of an allocation node stays with the graph; other stream-ordered memory goes now.
                    memory::pool::free_now(*address);
                }
                Body::Child(_) | Body::Empty | Body::EventWait(_) | Body::Alloc(_) => {}
            }
        }
        Ok(())
    }

    /// Whether it runs code of the program.
    pub fn calls_host(&self) -> bool {
        self.entries.iter().any(|e| matches!(e.body, Body::Host(..) | Body::Batch(_)))
    }

    /// Events still get their time when the launch is skipped.
    pub fn skip(&self) {
        self.records.values().for_each(|r| r.reach());
    }
}
