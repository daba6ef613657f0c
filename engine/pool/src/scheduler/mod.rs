//! The allocator of a pool: which request gets which GPUs, and when.
//!
//! A library without a clock, without input or output and without chance: time and names are arguments, so that every decision can be
//! repeated and tested. Its user calls something that changes it ([`Scheduler::submit`], [`Scheduler::release`],
//! [`Scheduler::put_server`] and so on) and then [`Scheduler::decide`], which says what was granted.
//!
//! # Policy
//!
//! - A request gets all of its GPUs at once or none.
//! - Requests are looked at by priority, then first come, first served. One that does not fit now waits, and those behind it that do
//!   fit go ahead (backfill), because a GPU that could work should.
//! - That alone would starve large requests: small ones would take whatever becomes free. Therefore the first
//!   [`KEPT_MAX`] classes in the order (requests of the same owners for the same thing) that wait for room have GPUs kept for
//!   them: those where least has to become free. Nobody behind them gets what is kept; what has become free there stays free until the
//!   request can start. Nothing that runs is taken away. So a request that is first waits no longer than the leases
//!   on the GPUs that are kept for it last, whatever comes after it.
//! - A request that its owner's quota holds back has nothing kept and delays nobody.
//! - What can never be granted (no such GPUs, more than a quota allows at all) is refused at once.
//! - Placement: GPUs of the program's own host first, then servers that it can reach by RDMA, then others; among these
//!   packed or spread. A request for several GPUs goes to one server if any has them, else (where that was allowed) to the
//!   fewest servers.
//!
//! # Cost
//!
//! A decision looks at the first request of each class that no quota holds back (classes that one does are parked at its account, and
//! looked at again when that has less or may have more), and at GPUs only for shapes that were not found wanting before: after a
//! pass no waiting request fits, so the next looks only at servers on which something became free since. A pass that has looked at
//! [`LOOKS_MAX`] GPUs stops and goes on at the next call.

mod filter;
mod inventory;
mod placement;
mod queue;
mod quota;
mod ranking;
mod records;
mod request;

pub use filter::{BadFilter, Filter};
pub use inventory::SERVER_GPUS_MAX;
pub use quota::{GPU_HOUR, Usage};
pub use records::{Conflict, Decision, Ended, GpuUse};
pub use request::{NAME_BYTES_MAX, Placement, Refusal, Request, RequestId};
pub use ringway_wire::pool::{GpuInfo, Lease, LeasedSlice, Limits, Principal, ServerInfo, ServerState};

use inventory::{Inventory, Part, ServerIndex};
use placement::{Choice, Freed, Terms};

use queue::{Head, Order, Queue, Waiting};
use quota::{Accounts, Owners, Take};
use std::collections::{BTreeSet, HashMap};

/// Classes of requests that have GPUs kept for them at the most.
pub const KEPT_MAX: usize = 8;
/// Requests that wait at the most.
pub const WAITING_MAX: usize = 200_000;
/// GPUs that one call of [`Scheduler::decide`] looks at, about.
pub const LOOKS_MAX: u64 = 250_000;
/// What looking at a request costs, in GPUs looked at, about.
const HEAD_LOOKS: u64 = 8;

#[derive(Debug)]
struct Held {
    lease: Lease,
    parts: Vec<Part>,
    owners: Owners,
    take: Take,
}

/// GPUs kept for a request.
#[derive(Debug)]
struct Kept {
    id: RequestId,
    order: Order,
    owners: Owners,
    take: Take,
    /// Bytes that it takes at the most.
    most_bytes: u64,
    parts: Vec<Part>,
    /// The pass that chose them, at this cost.
    pass: u64,
    cost: (u64, usize),
    /// A quota had a part in the choice.
    is_tight: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Scheduler {
    inventory: Inventory,
    queue: Queue,
    accounts: Accounts,
    leases: HashMap<RequestId, Held>,
    /// In the order of their requests.
    kept: Vec<Kept>,
    /// What was kept by the pass before.
    kept_before: Vec<Kept>,
    /// Number of the pass that was begun last.
    pass: u64,
    /// Servers on which something became free since the last pass began.
    freed: BTreeSet<ServerIndex>,
    /// Those that the pass that is under way looks at.
    looked_at: Vec<ServerIndex>,
    /// Requests that came since the last pass, where nothing else changed.
    arrivals: Vec<RequestId>,
    /// A new pass is due.
    stale: bool,
    /// Where the pass that is under way goes on.
    cursor: Option<Head>,
    under_way: bool,
}

impl Scheduler {
    /// Without servers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a server, or takes what a known one says of itself now.
    ///
    /// # Errors
    /// [`Conflict`]: what it says makes no sense, or its GPUs have changed while it has leases.
    pub fn put_server(&mut self, info: ServerInfo, state: ServerState) -> Result<(), Conflict> {
        let malformed = |why: &str| Err(Conflict::Malformed(info.name.chars().take(request::NAME_BYTES_MAX).collect(), why.into()));
        if info.gpus.is_empty() || info.gpus.len() > SERVER_GPUS_MAX {
            return malformed(&format!("has {} GPUs; 1 to {SERVER_GPUS_MAX} can be used", info.gpus.len()));
        }
        if info.name.is_empty() || info.name.len() > request::NAME_BYTES_MAX {
            return malformed("has no name, or one that is too long");
        }
        if info.gpus.iter().any(|gpu| gpu.memory_bytes == 0 || gpu.memory_bytes > 1 << 50) {
            return malformed("has a GPU with an impossible amount of memory");
        }
        let name = info.name.clone();
        let before = self.inventory.find(&name);
        if before.and_then(|index| self.inventory.get(index)).is_some_and(|known| known.state == state && known.info == info) {
            return Ok(());
        }
        self.give_up_kept();
        let Some(index) = self.inventory.put(info, state) else { return Err(Conflict::Leased(name)) };
        for index in before.into_iter().chain([index]) {
            self.queue.look_at(&self.inventory, index);
            self.freed.insert(index);
        }
        self.stale = true;
        Ok(())
    }

    /// Changes whether a server takes new leases.
    ///
    /// # Errors
    /// [`Conflict::NoServer`].
    pub fn set_state(&mut self, name: &str, state: ServerState) -> Result<(), Conflict> {
        let index = self.index_of(name)?;
        if self.inventory.set_state(index, state) {
            self.freed.insert(index);
            self.stale = true;
        }
        Ok(())
    }

    /// Forgets a server. Requests that only it could have served wait on, until their time is over.
    ///
    /// # Errors
    /// [`Conflict`]: it has leases, or there is none of this name.
    pub fn remove_server(&mut self, name: &str) -> Result<(), Conflict> {
        let index = self.index_of(name)?;
        if self.inventory.get(index).is_some_and(|server| server.leases > 0) {
            return Err(Conflict::Leased(name.into()));
        }
        self.give_up_kept();
        self.inventory.remove(index);
        self.queue.look_at(&self.inventory, index);
        self.stale = true;
        Ok(())
    }

    fn index_of(&self, name: &str) -> Result<ServerIndex, Conflict> {
        self.inventory.find(name).ok_or_else(|| Conflict::NoServer(name.into()))
    }

    /// Sets the limits of a user, a group, or all; None: they have none of their own any more.
    pub fn set_limits(&mut self, principal: Principal, limits: Option<Limits>) {
        match &principal {
            Principal::User(_) | Principal::Group(_) => {
                if let Some(account) = self.accounts.find(&principal) {
                    self.queue.wake(account);
                }
            }
            Principal::EachUser | Principal::EachGroup => self.queue.wake_all(),
        }
        self.accounts.set(principal, limits);
        self.stale = true;
    }

    /// All limits.
    pub fn limits(&self) -> impl Iterator<Item = (&Principal, &Limits)> {
        self.accounts.limits()
    }

    /// Counts GPU time (thousandths of a GPU times milliseconds) that a user or a group used before this scheduler began.
    pub fn count_past(&mut self, principal: Principal, gpu_time: u64) {
        self.accounts.settle(principal, gpu_time);
        self.stale = true;
    }

    /// What users and groups have now.
    pub fn usages(&self, now_ms: u64) -> impl Iterator<Item = (&Principal, Usage)> {
        self.accounts.usages(now_ms)
    }

    /// Puts a request into the queue; [`Scheduler::decide`] may grant it at once.
    ///
    /// # Errors
    /// [`Refusal`]: it can never be granted, or the queue is full.
    pub fn submit(&mut self, mut request: Request) -> Result<(), Refusal> {
        request.check()?;
        // One GPU is on one server in any case.
        request.one_server |= request.gpus == 1;
        if self.queue.get(request.id).is_some() || self.leases.contains_key(&request.id) {
            return Err(Refusal::Invalid("there is such a request already".into()));
        }
        if self.queue.len() >= WAITING_MAX {
            return Err(Refusal::QueueFull(self.queue.len()));
        }
        let owners = self.accounts.owners(&request.user, &request.group);
        let least_bytes = self.queue.check(&self.inventory, &request).map_err(Refusal::Impossible)?;
        let take = Take { gpus: request.gpus, memory_bytes: least_bytes, thousandths: 0 };
        // Hours are not looked at here: without a clock; a request that has none left waits for a new quota.
        self.accounts.check(owners, take, 0, true).map_err(|why| Refusal::Quota(format!("{why}; ask for less, or for a larger quota")))?;
        self.arrivals.push(request.id);
        self.queue.push(&self.inventory, request, owners);
        Ok(())
    }

    /// Takes a request back; whether it was waiting.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let removed = self.queue.remove(id);
        if let Some(waiting) = &removed
            && self.kept.iter().any(|kept| kept.order == waiting.order)
        {
            self.stale = true;
        }
        removed.is_some()
    }

    /// Takes those requests out whose time to wait is over; which.
    pub fn expire(&mut self, now_ms: u64) -> Vec<RequestId> {
        let mut expired = Vec::new();
        while let Some(id) = self.queue.overdue(now_ms) {
            self.cancel(id);
            expired.push(id);
        }
        expired
    }

    /// When [`Scheduler::expire`] has something to do next, in milliseconds since 1970.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.queue.next_deadline_ms()
    }

    /// Ends a lease.
    pub fn release(&mut self, id: RequestId, now_ms: u64) -> Option<Ended> {
        let Held { lease, parts, owners, take } = self.leases.remove(&id)?;
        self.inventory.release(&parts);
        let gpu_time = self.accounts.end(owners, take, lease.since_ms, now_ms);
        owners.each().for_each(|account| self.queue.wake(account));
        self.freed.extend(self.inventory.servers_of(&parts));
        self.stale = true;
        Some(Ended { lease, gpu_time })
    }

    /// Takes in a lease that exists already: from the store, or as a server reports it. Quotas do not matter: what
    /// runs is not taken away.
    ///
    /// # Errors
    /// [`Conflict`]: its memory is not free, or not there.
    pub fn adopt(&mut self, lease: Lease) -> Result<(), Conflict> {
        if self.leases.contains_key(&lease.id) || self.queue.get(lease.id).is_some() {
            return Err(Conflict::Known(lease.id));
        }
        let mut parts: Vec<Part> = Vec::with_capacity(lease.slices.len());
        for slice in &lease.slices {
            let not_free = || Conflict::NotFree(lease.id, slice.server.clone());
            let index = self.index_of(&slice.server)?;
            let server = self.inventory.get(index).ok_or_else(not_free)?;
            let gpu = server.range().nth(slice.ordinal as usize).ok_or_else(not_free)?;
            if parts.iter().any(|part| part.gpu == gpu) || slice.memory_bytes == 0 {
                return Err(not_free());
            }
            parts.push(Part { gpu, bytes: slice.memory_bytes });
        }
        let first = lease.slices.first().map(|slice| slice.server.clone()).unwrap_or_default();
        if parts.is_empty() || !self.inventory.lease(&parts) {
            return Err(Conflict::NotFree(lease.id, first));
        }
        self.hold(lease, parts);
        self.stale = true;
        Ok(())
    }

    fn hold(&mut self, lease: Lease, parts: Vec<Part>) {
        let owners = self.accounts.owners(&lease.user, &lease.group);
        let take = Take::of(&parts, |gpu| self.inventory.gpus()[gpu].memory_bytes);
        self.accounts.begin(owners, take, lease.since_ms);
        self.leases.insert(lease.id, Held { lease, parts, owners, take });
    }

    /// Grants what can be granted now.
    pub fn decide(&mut self, now_ms: u64) -> Decision {
        let mut decision = Decision::default();
        let arrivals = std::mem::take(&mut self.arrivals);
        if !self.stale && !self.under_way {
            for id in arrivals {
                if self.stale {
                    break;
                }
                self.decide_arrival(id, now_ms, &mut decision);
            }
        } else if !arrivals.is_empty() {
            self.stale = true;
        }
        if self.stale {
            self.begin_pass();
        }
        if self.under_way {
            self.go_on(now_ms, &mut decision);
        }
        decision
    }

    /// Decides on a request that came after a pass, if that needs no other pass.
    fn decide_arrival(&mut self, id: RequestId, now_ms: u64, decision: &mut Decision) {
        let Some(waiting) = self.queue.get(id) else { return };
        // Of those before it in its class none fits, or none is allowed.
        if !self.queue.is_head(waiting) {
            return;
        }
        let head = waiting.head();
        // Something is kept for requests behind it, which may have to go to it, unless a quota holds it back.
        let is_before_kept = self.kept.last().is_some_and(|kept| waiting.order < kept.order);
        if is_before_kept {
            self.stale = !self.is_held(head, now_ms);
            return;
        }
        if let Some((id, parts)) = self.look_at(head, now_ms, &mut 0) {
            self.grant(id, parts, now_ms, decision);
        }
    }

    fn give_up_kept(&mut self) {
        for kept in std::mem::take(&mut self.kept) {
            self.inventory.unkeep(&kept.parts);
            self.freed.extend(self.inventory.servers_of(&kept.parts));
            self.kept_before.push(kept);
        }
        // What was kept may not be kept again in the same place.
        self.stale = true;
    }

    fn begin_pass(&mut self) {
        self.give_up_kept();
        // A pass that did not come to its end has not looked at all: shapes that it did not reach are known by their number of pass.
        self.pass += 1;
        let pass = self.pass;
        self.kept_before.retain(|kept| kept.pass + 1 == pass);
        self.looked_at = std::mem::take(&mut self.freed).into_iter().collect();
        self.cursor = None;
        self.stale = false;
        self.under_way = true;
    }

    /// Goes on with the pass that is under way, to its end or until it has looked at [`LOOKS_MAX`] GPUs.
    fn go_on(&mut self, now_ms: u64, decision: &mut Decision) {
        let mut looks = 0;
        loop {
            match self.next_that_fits(now_ms, &mut looks) {
                Next::Grant(head, id, parts) => {
                    self.grant(id, parts, now_ms, decision);
                    self.cursor = Some(head);
                }
                Next::None => {
                    self.under_way = false;
                    decision.more = self.stale;
                    return;
                }
                Next::Enough => {
                    decision.more = true;
                    return;
                }
            }
        }
    }

    /// The next request in the order that can be granted; on the way there GPUs are kept for those that cannot.
    fn next_that_fits(&mut self, now_ms: u64, looks: &mut u64) -> Next {
        let (mut heads, mut last) = (Vec::new(), self.cursor);
        let freed = Freed::on(&self.inventory, &self.looked_at);
        loop {
            // Those that can be passed over at a glance are most; what needs a look is taken out of the walk in small lots.
            heads.clear();
            let full = self.kept.len() >= KEPT_MAX;
            let due = self.queue.heads_after(last).filter(|head| !full || !self.queue.is_hopeless(head.2, self.pass, &freed));
            heads.extend(due.take(32).copied());
            if heads.is_empty() {
                return Next::None;
            }
            for &head in &heads {
                if *looks > LOOKS_MAX {
                    return Next::Enough;
                }
                if let Some((id, parts)) = self.look_at(head, now_ms, looks) {
                    return Next::Grant(head, id, parts);
                }
                last = Some(head);
                self.cursor = last;
            }
        }
    }

    /// Whether a quota holds a class back, which is parked then.
    fn is_held(&mut self, head: Head, now_ms: u64) -> bool {
        let (memory_bytes, _) = self.queue.bytes_range_of(&self.inventory, head);
        let Some(waiting) = self.queue.first_of(head) else { return true };
        let take = Take { gpus: waiting.request.gpus, memory_bytes, thousandths: 0 };
        let Some(account) = self.accounts.holder(waiting.owners, take, now_ms) else { return false };
        self.queue.park(head, account);
        true
    }

    /// Whether the first request of a class can be granted, and where; else GPUs are kept for it, if it is its turn.
    fn look_at(&mut self, head: Head, now_ms: u64, looks: &mut u64) -> Option<(RequestId, Vec<Part>)> {
        let failed_in = self.queue.failed_in(head.2);
        if failed_in == Some(self.pass) && self.kept.len() >= KEPT_MAX {
            return None;
        }
        *looks += HEAD_LOOKS;
        if self.is_held(head, now_ms) {
            return None;
        }
        let (least_bytes, most_bytes) = self.queue.bytes_range_of(&self.inventory, head);
        let waiting = self.queue.first_of(head)?;
        let request = &waiting.request;
        let take = Take { gpus: request.gpus, memory_bytes: least_bytes, thousandths: 0 };
        let bytes_left = self.accounts.bytes_left(waiting.owners);
        // Where the quota decides which GPUs will do, what is found out is not true of others' requests of this shape.
        let is_tight = bytes_left < most_bytes;
        let slice_bytes_max = if is_tight { bytes_left / u64::from(request.gpus.max(1)) } else { u64::MAX };
        let slice_bytes_min = least_bytes / u64::from(request.gpus.max(1));
        let terms = Terms { accepted: self.queue.accepted(head.2), slice_bytes_max, slice_bytes_min };
        if failed_in != Some(self.pass) {
            // What did not fit in the pass before fits only where something became free.
            let among = failed_in.is_some_and(|pass| pass + 1 == self.pass).then_some(self.looked_at.as_slice());
            if let Some(parts) = placement::place(&self.inventory, request, terms, among, looks) {
                return Some((request.id, parts));
            }
        }
        if self.kept.len() < KEPT_MAX {
            // What was not chosen in the pass before has not become better since, where nothing became free.
            let before = self.kept_before.iter().find(|kept| kept.id == request.id && !kept.is_tight && !is_tight);
            let again = before.and_then(|before| {
                let choice = placement::keep(&self.inventory, request, terms, Some(&self.looked_at), looks)?;
                (choice.cost <= before.cost).then_some(choice)
            });
            if let Some(Choice { parts, cost }) = again.or_else(|| placement::keep(&self.inventory, request, terms, None, looks)) {
                self.inventory.keep(&parts);
                let (id, order, owners, pass) = (request.id, waiting.order, waiting.owners, self.pass);
                self.kept.push(Kept { id, order, owners, take, most_bytes, parts, pass, cost, is_tight });
            }
        }
        if !is_tight {
            self.queue.set_failed_in(head.2, self.pass);
        }
        None
    }

    fn grant(&mut self, id: RequestId, parts: Vec<Part>, now_ms: u64, decision: &mut Decision) {
        // Parts come from a placement in what is free, so they are; were they not, the request would wait on.
        if !self.inventory.lease(&parts) {
            return;
        }
        let Some(Waiting { request, owners, .. }) = self.queue.remove(id) else {
            self.inventory.release(&parts);
            return;
        };
        let slices = parts.iter().filter_map(|part| {
            let server = self.inventory.get(self.inventory.server_of(part.gpu))?;
            Some(LeasedSlice { server: server.info.name.clone(), ordinal: (part.gpu - server.first) as u32, memory_bytes: part.bytes })
        });
        let lease = Lease { id, user: request.user, group: request.group, since_ms: now_ms, slices: slices.collect(), token: request.token };
        decision.granted.push(lease.clone());
        self.hold(lease, parts);
        // Where who got this has no quota left for a request that GPUs are kept for, or for fewer of them, others can have them.
        self.stale |= self.kept.iter().any(|kept| {
            kept.owners.shares_with(owners)
                && (!self.accounts.allows(kept.owners, kept.take, now_ms) || self.accounts.bytes_left(kept.owners) < kept.most_bytes)
        });
    }

    /// Requests that wait, in their order.
    pub fn waiting(&self) -> impl Iterator<Item = &Request> {
        self.queue.iter().map(|waiting| &waiting.request)
    }

    /// How many wait.
    pub fn waiting_count(&self) -> usize {
        self.queue.len()
    }

    /// Place in the queue, 1 being the next; None: it does not wait. Takes some hundred additions, however many wait.
    pub fn position(&self, id: RequestId) -> Option<usize> {
        Some(self.queue.count_before(self.queue.get(id)?) + 1)
    }

    /// What a request waits for, in words for its user.
    pub fn why_waiting(&self, id: RequestId, now_ms: u64) -> Option<String> {
        let waiting = self.queue.get(id)?;
        let accepted = self.queue.accepted(waiting.shape);
        let take = Take {
            gpus: waiting.request.gpus,
            memory_bytes: placement::bytes_range(&self.inventory, &waiting.request, accepted).0,
            thousandths: 0,
        };
        Some(match self.accounts.check(waiting.owners, take, now_ms, false) {
            Err(why) => why,
            Ok(()) if self.kept.iter().any(|kept| kept.order == waiting.order) => "what becomes free is kept for it".into(),
            Ok(()) => "not enough GPU memory is free".into(),
        })
    }

    /// A lease.
    pub fn lease(&self, id: RequestId) -> Option<&Lease> {
        self.leases.get(&id).map(|held| &held.lease)
    }

    /// All leases, in no order.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values().map(|held| &held.lease)
    }

    /// All servers, with their state and how much of each GPU is in use.
    pub fn servers(&self) -> impl Iterator<Item = (&ServerInfo, ServerState, Vec<GpuUse>)> {
        self.inventory.iter().map(|(_, server)| {
            let gpus = self.inventory.gpus()[server.range()].iter();
            let gpus = gpus.map(|gpu| GpuUse { leased_bytes: gpu.leased_bytes, kept_bytes: gpu.kept_bytes, leases: gpu.leases });
            (&server.info, server.state, gpus.collect())
        })
    }
}

enum Next {
    Grant(Head, RequestId, Vec<Part>),
    /// No more in this pass.
    None,
    /// Enough for one call.
    Enough,
}
