//! Graphs: nodes with dependencies. Their executable form is in [`super::graph_exec`].

use super::abi::{CUgraphEdgeData, CUhostFn, Host};
use super::condition::{Condition, Conditional};
use super::event::Event;
use super::graph_memory::GraphMemory;
use super::launch::KernelLaunch;
use super::memory::copy::{Copy3D, Fill};
use super::op::Op;
use super::registry::Registry;
use super::result::{CUresult, R, ensure};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

/// All graphs that programs can name.
pub static GRAPHS: Registry<Graph> = Registry::new(11);
/// All nodes of those graphs.
pub static NODES: Registry<Node> = Registry::new(12);
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
    /// Graphs that run, or do not, by the value of a word.
    Conditional(Arc<Conditional>),
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
            Body::Conditional(_) => 13,
        }
    }

    /// What it is, in words.
    pub fn name(&self) -> &'static str {
        match self {
            Body::Kernel(_) => "kernel",
            Body::Memcpy(_) => "memcpy",
            Body::Memset(_) => "memset",
            Body::Host(..) => "host",
            Body::Child(_) => "graph",
            Body::Empty => "empty",
            Body::EventRecord(_) => "event record",
            Body::EventWait(_) => "event wait",
            Body::Alloc(_) => "mem alloc",
            Body::Free(_) => "mem free",
            Body::Batch(_) => "batch mem op",
            Body::Conditional(_) => "conditional",
        }
    }

    /// Graphs within the node, which have nodes of their own.
    pub fn inner(&self) -> Vec<Arc<Graph>> {
        match self {
            Body::Child(graph) => vec![Arc::clone(graph)],
            Body::Conditional(conditional) => conditional.bodies.clone(),
            _ => Vec::new(),
        }
    }

    /// A copy for another graph, with inner graphs of its own.
    fn duplicate(&self) -> Body {
        match self {
            Body::Child(graph) => Body::Child(graph.duplicate()),
            Body::Conditional(conditional) => Body::Conditional(conditional.duplicate()),
            body => body.clone(),
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
    /// What was said about those edges, where it is not the default.
    edge_data: Mutex<HashMap<u64, CUgraphEdgeData>>,
    /// The node this one was cloned from, or 0.
    pub original: u64,
    /// Attributes that programs set.
    pub attributes: Mutex<HashMap<u32, [u8; 64]>>,
    /// Memory handed out with the node's parameters; valid while the node lives.
    pub exposed: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl Node {
    /// What was said about the edge from a node to this one.
    pub fn edge(&self, from: u64) -> CUgraphEdgeData {
        self.edge_data.lock().get(&from).copied().unwrap_or_default()
    }

    /// Keeps something alive as long as the node.
    pub fn keep<T: Any + Send + Sync>(&self, thing: Arc<T>) {
        self.exposed.lock().push(thing);
    }
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
    /// The words that its conditional nodes look at.
    pub conditions: Mutex<Vec<Arc<Condition>>>,
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
            for inner in node.body.lock().inner() {
                let _ = GRAPHS.remove(inner.handle);
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
            conditions: Mutex::default(),
        });
        GRAPHS.insert(graph.handle, Arc::clone(&graph));
        graph
    }

    /// Adds a node after `deps`, which must be nodes of this graph, each named once.
    pub fn add(self: &Arc<Self>, body: Body, deps: &[u64]) -> R<Arc<Node>> {
        self.add_with(body, deps, &[])
    }

    /// As [`Graph::add`], with what is said about each edge (nothing: the default).
    pub fn add_with(self: &Arc<Self>, body: Body, deps: &[u64], data: &[CUgraphEdgeData]) -> R<Arc<Node>> {
        self.check_deps(deps)?;
        for (&dep, data) in deps.iter().zip(data) {
            check_edge(data, &NODES.get(dep)?.body.lock(), &body)?;
        }
        let node = self.insert(body, deps.to_vec(), 0);
        node.note_edges(deps.iter().copied().zip(data.iter().copied()));
        Ok(node)
    }

    fn insert(self: &Arc<Self>, body: Body, deps: Vec<u64>, original: u64) -> Arc<Node> {
        let node = Arc::new(Node {
            handle: NODES.reserve(),
            local_id: self.next_local.fetch_add(1, Ordering::Relaxed),
            graph: Arc::downgrade(self),
            graph_handle: self.handle,
            body: Mutex::new(body),
            deps: Mutex::new(deps),
            edge_data: Mutex::default(),
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

    /// The word behind a conditional handle, which may be of a graph that has this one inside.
    pub fn condition(&self, address: u64) -> Option<Arc<Condition>> {
        let own = |graph: &Graph| graph.conditions.lock().iter().find(|c| c.address == address).cloned();
        own(self).or_else(|| {
            let mut found = None;
            GRAPHS.each(|graph| {
                if found.is_none() && graph.handle != self.handle && graph.contains(self.handle) {
                    found = own(graph);
                }
            });
            found
        })
    }

    /// Whether another graph is somewhere inside this one.
    fn contains(&self, handle: u64) -> bool {
        self.nodes().iter().any(|node| {
            let inner = node.body.lock().inner();
            inner.iter().any(|graph| graph.handle == handle || graph.contains(handle))
        })
    }

    /// Its nodes in order of creation.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.lock().clone()
    }

    /// All edges, as pairs from and to.
    pub fn edges(&self) -> Vec<(u64, u64)> {
        self.nodes().iter().flat_map(|n| n.deps.lock().iter().map(|&d| (d, n.handle)).collect::<Vec<_>>()).collect()
    }

    /// Adds edges, with what is said about each (nothing: the default); CUDA_ERROR_INVALID_VALUE for one that exists, or that would
    /// close a circle.
    pub fn connect(self: &Arc<Self>, pairs: &[(u64, u64)], data: &[CUgraphEdgeData]) -> R {
        for (i, &(from, to)) in pairs.iter().enumerate() {
            self.check_deps(&[from])?;
            self.check_deps(&[to])?;
            let node = NODES.get(to)?;
            if let Some(data) = data.get(i) {
                ensure(from != to, CUresult::INVALID_VALUE)?;
                check_edge(data, &NODES.get(from)?.body.lock(), &node.body.lock())?;
            }
            ensure(from != to && !node.deps.lock().contains(&from), CUresult::INVALID_VALUE)?;
            node.deps.lock().push(from);
            if self.ordered().is_err() {
                node.deps.lock().pop();
                return Err(CUresult::INVALID_VALUE);
            }
            node.note_edges(data.get(i).map(|&data| (from, data)).into_iter());
        }
        Ok(())
    }

    /// Removes edges, which must exist, with the data that is given for them if any is.
    pub fn disconnect(&self, pairs: &[(u64, u64)], data: &[CUgraphEdgeData]) -> R {
        for (i, &(from, to)) in pairs.iter().enumerate() {
            let node = NODES.find(to).filter(|n| n.graph_handle == self.handle).ok_or(CUresult::INVALID_VALUE)?;
            let mut deps = node.deps.lock();
            let at = deps.iter().position(|&d| d == from).ok_or(CUresult::INVALID_VALUE)?;
            ensure(data.get(i).is_none_or(|data| same_edge(data, &node.edge(from))), CUresult::INVALID_VALUE)?;
            deps.remove(at);
            node.edge_data.lock().remove(&from);
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
            let body = node.body.lock().duplicate();
            let new = copy.insert(body, Vec::new(), node.handle);
            *new.attributes.lock() = node.attributes.lock().clone();
            new_of.insert(node.handle, new);
        }
        for node in self.nodes() {
            let new_handle = |old: &u64| new_of.get(old).map(|n| n.handle);
            let new = &new_of[&node.handle];
            *new.deps.lock() = node.deps.lock().iter().filter_map(new_handle).collect();
            let data: Vec<_> = node.edge_data.lock().iter().filter_map(|(old, data)| Some((new_handle(old)?, *data))).collect();
            new.note_edges(data.into_iter());
        }
        copy.conditions.lock().clone_from(&self.conditions.lock());
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

fn same_edge(a: &CUgraphEdgeData, b: &CUgraphEdgeData) -> bool {
    (a.from_port, a.to_port, a.kind) == (b.from_port, b.to_port, b.kind)
}

/// Whether nothing is said about an edge but that it is there.
pub fn plain_edge(data: &CUgraphEdgeData) -> bool {
    same_edge(data, &CUgraphEdgeData::default())
}

/// CUDA_ERROR_INVALID_VALUE for ports and kinds of edges that the nodes do not have. Edges of every kind are kept in the same way here: the
/// second node begins when the first has ended.
fn check_edge(data: &CUgraphEdgeData, from: &Body, to: &Body) -> R {
    let kernels = matches!((from, to), (Body::Kernel(_), Body::Kernel(_)));
    let ports = data.to_port == 0 && (data.from_port == 0 || (data.from_port <= 2 && matches!(from, Body::Kernel(_))));
    ensure(ports && data.kind <= 1 && (data.kind == 0 || kernels) && data.reserved == [0; 5], CUresult::INVALID_VALUE)
}

impl Node {
    fn note_edges(&self, data: impl Iterator<Item = (u64, CUgraphEdgeData)>) {
        self.edge_data.lock().extend(data.filter(|(_, data)| !plain_edge(data)));
    }
}
