//! Requests that wait: in their order, by class and by shape.
//!
//! Requests of one class (the same owners, the same shape) fit or fail together, so a decision looks at the first of each class
//! only; and once a shape was found not to fit, all classes of that shape are passed over. A class that a quota holds back is parked at
//! the account whose quota it is, and not looked at until that account has less, or may have more.

use super::filter::Filter;
use super::inventory::Inventory;
use super::placement::{Freed, Terms, bytes_range, check_possible};
use super::quota::{AccountIndex, Owners};
use super::ranking::Ranking;
use super::request::{Request, RequestId, ShapeKey};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// Place in the order: greater priority first, then first come, first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Order {
    rank: i64,
    arrival: u64,
}

impl Order {
    pub(super) fn new(priority: i32, arrival: u64) -> Self {
        Self { rank: -i64::from(priority), arrival }
    }
}

/// What was found out about a shape.
#[derive(Debug, Default)]
pub(super) struct Shape {
    filters: usize,
    classes: u32,
    /// Bytes that it takes at the least and at the most, and the inventory's version that this is true of.
    bytes: Option<(u64, (u64, u64))>,
    /// The inventory's version that could serve it.
    possible_in: Option<u64>,
}

/// What a pass asks of every shape that waits. Small, and in an array of its own: a decision among very many requests takes about as long
/// as fetching these.
#[derive(Debug)]
struct Glance {
    /// The last pass that found the shape not to fit anywhere; [`NEVER`].
    failed_in: Cell<u64>,
    /// Bytes that one of its slices takes at the least, in the inventory as it is; 0: not known.
    slice_bytes_min: u64,
    /// What [`Freed::wanted`] said.
    wanted: u8,
}

const NEVER: u64 = u64::MAX;

/// GPUs that a set of filters accepts.
#[derive(Debug, Default)]
struct Accepting {
    filters: Vec<Filter>,
    /// A bit for each GPU in the array of all.
    bits: Vec<u64>,
    shapes: u32,
}

impl Accepting {
    fn look_at(&mut self, inventory: &Inventory, server: super::inventory::ServerIndex) {
        let Some(server) = inventory.get(server) else { return };
        self.bits.resize(inventory.gpus().len().div_ceil(64), 0);
        for (gpu, about) in server.range().zip(&server.info.gpus) {
            let accepted = self.filters.iter().all(|filter| filter.accepts(&server.info, about));
            let bit = 1 << (gpu % 64);
            if accepted {
                self.bits[gpu / 64] |= bit;
            } else {
                self.bits[gpu / 64] &= !bit;
            }
        }
    }
}

/// Values by number; numbers of those removed are given again.
#[derive(Debug)]
struct Slab<T> {
    places: Vec<T>,
    vacant: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), vacant: Vec::new() }
    }
}

impl<T: Default> Slab<T> {
    fn add(&mut self, value: T) -> usize {
        if let Some(index) = self.vacant.pop() {
            self.places[index] = value;
            return index;
        }
        self.places.push(value);
        self.places.len() - 1
    }

    fn remove(&mut self, index: usize) -> T {
        self.vacant.push(index);
        std::mem::take(&mut self.places[index])
    }
}

#[derive(Debug, Default)]
struct Class {
    shape: usize,
    members: BTreeMap<Order, RequestId>,
    /// The account whose quota holds it back, as far as is known.
    parked_at: Option<AccountIndex>,
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) request: Request,
    pub(super) owners: Owners,
    pub(super) order: Order,
    pub(super) shape: usize,
    class: usize,
}

impl Waiting {
    /// Its place, if it is the first of its class.
    pub(super) fn head(&self) -> Head {
        (self.order, self.class, self.shape)
    }
}

/// First of a class: its place, its class and its shape.
pub(super) type Head = (Order, usize, usize);

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: HashMap<RequestId, Waiting>,
    order: Ranking,
    deadlines: BTreeSet<(u64, RequestId)>,
    /// Of the classes that are not parked.
    heads: BTreeSet<Head>,
    /// Classes that the quota of an account holds back.
    parked: HashMap<AccountIndex, BTreeSet<usize>>,
    classes: Slab<Class>,
    class_names: HashMap<(Owners, usize), usize>,
    shapes: Slab<Shape>,
    /// Of each shape, by its number.
    glances: Vec<Glance>,
    shape_names: HashMap<ShapeKey, usize>,
    accepting: Slab<Accepting>,
    accepting_names: HashMap<Vec<Filter>, usize>,
    arrivals: u64,
    inventory_version: u64,
}

fn number_of<K: Hash + Eq, V: Default>(names: &mut HashMap<K, usize>, places: &mut Slab<V>, key: K, value: impl FnOnce() -> V) -> usize {
    *names.entry(key).or_insert_with(|| places.add(value()))
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Waiting> {
        self.waiting.get(&id)
    }

    /// Requests that wait, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.order.iter().filter_map(|id| self.waiting.get(&id))
    }

    /// How many requests are before one in the order.
    pub(super) fn count_before(&self, waiting: &Waiting) -> usize {
        self.order.count_before(waiting.order)
    }

    /// Takes a class out of those that are looked at, until its account is woken.
    pub(super) fn park(&mut self, head: Head, account: AccountIndex) {
        if self.heads.remove(&head) {
            self.classes.places[head.1].parked_at = Some(account);
            self.parked.entry(account).or_default().insert(head.1);
        }
    }

    /// An account has less than before, or may have more: what it held back is looked at again.
    pub(super) fn wake(&mut self, account: AccountIndex) {
        for index in self.parked.remove(&account).unwrap_or_default() {
            let class = &mut self.classes.places[index];
            class.parked_at = None;
            // A class without members is none.
            if let Some((first, _)) = class.members.first_key_value() {
                self.heads.insert((*first, index, class.shape));
            }
        }
    }

    pub(super) fn wake_all(&mut self) {
        for account in self.parked.keys().copied().collect::<Vec<_>>() {
            self.wake(account);
        }
    }

    /// The first of each class behind a place, in their order; not of those that are parked.
    pub(super) fn heads_after(&self, place: Option<Head>) -> std::collections::btree_set::Range<'_, Head> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.heads.range((place.map_or(Unbounded, Excluded), Unbounded))
    }

    /// The request that is the first of its class.
    pub(super) fn first_of(&self, head: Head) -> Option<&Waiting> {
        self.waiting.get(self.classes.places[head.1].members.get(&head.0)?)
    }

    /// Whether it is the first of a class that is not parked.
    pub(super) fn is_head(&self, waiting: &Waiting) -> bool {
        self.heads.contains(&waiting.head())
    }

    pub(super) fn failed_in(&self, shape: usize) -> Option<u64> {
        Some(self.glances[shape].failed_in.get()).filter(|pass| *pass != NEVER)
    }

    pub(super) fn set_failed_in(&self, shape: usize, pass: u64) {
        self.glances[shape].failed_in.set(pass);
    }

    /// Whether a shape does not fit in this pass, as far as that is known without a look at its requests: it did not in the pass
    /// before, and `freed`, of the servers where something became free since, has no room for it.
    pub(super) fn is_hopeless(&self, shape: usize, pass: u64, freed: &Freed) -> bool {
        let glance = &self.glances[shape];
        let failed_in = glance.failed_in.get();
        if failed_in == pass {
            return true;
        }
        let is_hopeless = failed_in.wrapping_add(1) == pass && freed.has_not(glance.wanted, glance.slice_bytes_min);
        if is_hopeless {
            glance.failed_in.set(pass);
        }
        is_hopeless
    }

    /// GPUs that a shape's filters accept, a bit for each; None: every GPU.
    pub(super) fn accepted(&self, shape: usize) -> Option<&[u64]> {
        let accepting = &self.accepting.places[self.shapes.places[shape].filters];
        (!accepting.filters.is_empty()).then_some(&accepting.bits)
    }

    /// Bytes that a request of a shape takes at the least and at the most.
    pub(super) fn bytes_range(&mut self, inventory: &Inventory, shape: usize, request: &Request) -> (u64, u64) {
        match self.shapes.places[shape].bytes {
            Some((version, range)) if version == self.inventory_version => range,
            _ => {
                let range = bytes_range(inventory, request, self.accepted(shape));
                self.shapes.places[shape].bytes = Some((self.inventory_version, range));
                self.glances[shape].slice_bytes_min = range.0 / u64::from(request.gpus.max(1));
                range
            }
        }
    }

    /// As [`Queue::bytes_range`], of the first of a class.
    pub(super) fn bytes_range_of(&mut self, inventory: &Inventory, head: Head) -> (u64, u64) {
        match self.shapes.places[head.2].bytes {
            Some((version, range)) if version == self.inventory_version => range,
            _ => match self.first_of(head) {
                Some(waiting) => {
                    let request = waiting.request.clone();
                    self.bytes_range(inventory, head.2, &request)
                }
                None => (0, 0),
            },
        }
    }

    /// Whether a request could be placed if nothing were leased; bytes that it takes at the least.
    pub(super) fn check(&mut self, inventory: &Inventory, request: &Request) -> Result<u64, String> {
        let shape = self.shape(inventory, request);
        let mut result = Ok(());
        if self.shapes.places[shape].possible_in != Some(self.inventory_version) {
            result = check_possible(inventory, request, Terms::without_quota(self.accepted(shape)));
            self.shapes.places[shape].possible_in = result.is_ok().then_some(self.inventory_version);
        }
        let least = self.bytes_range(inventory, shape, request).0;
        self.forget_shape_if_unused(shape, request);
        result.map(|()| least)
    }

    /// A server came, or says something else of itself, or went.
    pub(super) fn look_at(&mut self, inventory: &Inventory, server: super::inventory::ServerIndex) {
        self.inventory_version += 1;
        self.glances.iter_mut().for_each(|glance| glance.slice_bytes_min = 0);
        // What a request takes at the least may be another now.
        self.wake_all();
        for accepting in &mut self.accepting.places {
            if accepting.shapes > 0 {
                accepting.look_at(inventory, server);
            }
        }
    }

    fn shape(&mut self, inventory: &Inventory, request: &Request) -> usize {
        let key = ShapeKey::of(request);
        if let Some(shape) = self.shape_names.get(&key) {
            return *shape;
        }
        let filters = number_of(&mut self.accepting_names, &mut self.accepting, key.filters().to_vec(), || {
            let mut accepting = Accepting { filters: key.filters().to_vec(), ..Accepting::default() };
            if !accepting.filters.is_empty() {
                inventory.iter().for_each(|(index, _)| accepting.look_at(inventory, index));
            }
            accepting
        });
        self.accepting.places[filters].shapes += 1;
        let shape = self.shapes.add(Shape { filters, ..Shape::default() });
        let wanted = Freed::wanted(request.gpus, request.one_server);
        let glance = Glance { failed_in: Cell::new(NEVER), slice_bytes_min: 0, wanted };
        match self.glances.get_mut(shape) {
            Some(place) => *place = glance,
            None => self.glances.push(glance),
        }
        self.shape_names.insert(key, shape);
        shape
    }

    fn forget_shape_if_unused(&mut self, shape: usize, request: &Request) {
        if self.shapes.places[shape].classes > 0 {
            return;
        }
        let key = ShapeKey::of(request);
        let filters = self.shapes.remove(shape).filters;
        self.shape_names.remove(&key);
        self.accepting.places[filters].shapes -= 1;
        if self.accepting.places[filters].shapes == 0 {
            self.accepting.remove(filters);
            self.accepting_names.remove(key.filters());
        }
    }

    /// Puts a request at the end of those of its priority.
    pub(super) fn push(&mut self, inventory: &Inventory, request: Request, owners: Owners) {
        let shape = self.shape(inventory, &request);
        self.arrivals += 1;
        let order = Order::new(request.priority, self.arrivals);
        let shapes = &mut self.shapes;
        let class = number_of(&mut self.class_names, &mut self.classes, (owners, shape), || {
            shapes.places[shape].classes += 1;
            Class { shape, ..Class::default() }
        });
        let Class { members, parked_at, .. } = &mut self.classes.places[class];
        match members.first_key_value() {
            _ if parked_at.is_some() => {}
            Some((first, _)) if *first < order => {}
            first => {
                if let Some((first, _)) = first {
                    self.heads.remove(&(*first, class, shape));
                }
                self.heads.insert((order, class, shape));
            }
        }
        members.insert(order, request.id);
        self.order.insert(order, request.id);
        if let Some(deadline) = request.deadline_ms {
            self.deadlines.insert((deadline, request.id));
        }
        self.waiting.insert(request.id, Waiting { request, owners, order, shape, class });
    }

    /// Takes a request out.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        let Waiting { order, shape, class, owners, .. } = waiting;
        self.order.remove(order);
        if let Some(deadline) = waiting.request.deadline_ms {
            self.deadlines.remove(&(deadline, id));
        }
        let was_head = self.heads.remove(&(order, class, shape));
        let members = &mut self.classes.places[class].members;
        members.remove(&order);
        match members.first_key_value() {
            Some((first, _)) if was_head => {
                self.heads.insert((*first, class, shape));
            }
            Some(_) => {}
            None => {
                if let Some(account) = self.classes.remove(class).parked_at
                    && let Some(parked) = self.parked.get_mut(&account)
                {
                    parked.remove(&class);
                    if parked.is_empty() {
                        self.parked.remove(&account);
                    }
                }
                self.class_names.remove(&(owners, shape));
                self.shapes.places[shape].classes -= 1;
                self.forget_shape_if_unused(shape, &waiting.request);
            }
        }
        Some(waiting)
    }

    /// A request whose time to wait is over.
    pub(super) fn overdue(&self, now_ms: u64) -> Option<RequestId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now_ms).map(|(_, id)| *id)
    }

    /// When the next request's time to wait is over.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}
