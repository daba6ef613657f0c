//! The scheduler beside a model that does the same in the plainest way: a list, looked through from the front each time. Whatever
//! happens, both grant the same to the same in the same order, no GPU is given twice, and quotas hold.

use proptest::prelude::*;
use ringway_pool::lease::slice_bytes;
use ringway_pool::scheduler::{
    GpuInfo, KEPT_MAX, Lease, LeasedSlice, Limits, Placement, Principal, Request, Scheduler, ServerInfo, ServerState,
};
use ringway_wire::control::MemoryAsk;
use std::collections::{BTreeMap, BTreeSet};

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const PRINCIPALS: usize = USERS.len() + 3;

/// Whose limits are set, by number.
fn principal(number: usize) -> Principal {
    match number {
        3 => Principal::Group("lab".into()),
        4 => Principal::EachUser,
        5 => Principal::EachGroup,
        user => Principal::User(USERS[user].into()),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Submit {
        gpus: u32,
        memory: MemoryAsk,
        filter: u8,
        priority: i32,
        user: usize,
        group: bool,
        one_server: bool,
        spread: bool,
        near: u8,
        patience: u16,
    },
    Release(usize),
    Cancel(usize),
    Put {
        server: u8,
        gpus: u8,
        large: bool,
    },
    State {
        server: u8,
        state: ServerState,
    },
    Remove(u8),
    Limit {
        whose: usize,
        limits: Option<Limits>,
    },
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let memory = prop_oneof![
        Just(MemoryAsk::Fraction(1.0)),
        Just(MemoryAsk::Fraction(0.5)),
        Just(MemoryAsk::Fraction(0.3)),
        Just(MemoryAsk::Mib(3000)),
        Just(MemoryAsk::Mib(7000))
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let submit = (1u32..6, memory, 0u8..4, 0i32..3, 0usize..3, flags, 0u8..5, 1u16..2000).prop_map(
        |(gpus, memory, filter, priority, user, (group, one_server, spread), near, patience)| Step::Submit {
            gpus,
            memory,
            filter,
            priority,
            user,
            group,
            one_server,
            spread,
            near,
            patience,
        },
    );
    let state = prop_oneof![Just(ServerState::Up), Just(ServerState::Up), Just(ServerState::Draining), Just(ServerState::Down)];
    let bounds = (proptest::option::of(1u32..8), proptest::option::of(4u64..40), proptest::option::of(1u32..5), 0u8..8);
    let limits = bounds.prop_map(|(gpus, gib, sessions, hours)| Limits {
        gpus,
        memory_bytes: gib.map(|gib| gib << 30),
        sessions,
        // None is left from the beginning, or so many that it does not matter.
        gpu_hours: (hours < 2).then_some(u32::from(hours)),
    });
    let limit = (0usize..PRINCIPALS, proptest::option::weighted(0.8, limits));
    prop_oneof![
        12 => submit,
        8 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => (0u8..5, 1u8..5, any::<bool>()).prop_map(|(server, gpus, large)| Step::Put { server, gpus, large }),
        2 => (0u8..5, state).prop_map(|(server, state)| Step::State { server, state }),
        1 => (0u8..5).prop_map(Step::Remove),
        1 => limit.prop_map(|(whose, limits)| Step::Limit { whose, limits }),
        1 => (1u16..300).prop_map(Step::Wait),
    ]
}

fn info(server: u8, gpus: u8, large: bool) -> ServerInfo {
    let memory_bytes = if large { 16 << 30 } else { 8 << 30 };
    ServerInfo {
        name: format!("server{server}"),
        address: format!("10.0.0.{server}:7766"),
        hostname: format!("host{server}"),
        has_rdma: server % 2 == 0,
        driver_version: "550.1".into(),
        cuda_version: "12.4".into(),
        labels: BTreeMap::new(),
        gpus: vec![GpuInfo { name: "GPU".into(), memory_bytes, compute_capability: (8, 0) }; gpus.into()],
    }
}

/// Filters by number, as text and as what they mean.
fn filter(number: u8) -> Option<(&'static str, fn(&ServerInfo, &GpuInfo) -> bool)> {
    match number {
        1 => Some(("device.memory>=16GiB", |_, gpu| gpu.memory_bytes >= 16 << 30)),
        2 => Some(("server.has-rdma=true", |server, _| server.has_rdma)),
        3 => Some(("server.hostname!=host1", |server, _| server.hostname != "host1")),
        _ => None,
    }
}

/// A server of the model: bytes leased and kept of each GPU.
struct ModelServer {
    /// Place in the order of servers, by which ties are broken.
    info: ServerInfo,
    state: ServerState,
    leased: Vec<u64>,
    kept: Vec<u64>,
}

#[derive(Default)]
struct Model {
    /// In the order of their numbers in the scheduler, vacant ones too: ties are broken by it.
    servers: Vec<Option<ModelServer>>,
    vacant: BTreeMap<usize, Vec<usize>>,
    waiting: Vec<(Request, u8)>,
    leases: BTreeMap<u64, Lease>,
    limits: BTreeMap<Principal, Limits>,
}

impl Model {
    fn find(&self, name: &str) -> Option<usize> {
        self.servers.iter().position(|server| server.as_ref().is_some_and(|server| server.info.name == name))
    }

    fn put(&mut self, info: ServerInfo) -> bool {
        if let Some(index) = self.find(&info.name) {
            let known = self.servers[index].as_mut().unwrap();
            if known.info.gpus == info.gpus {
                (known.info, known.state) = (info, ServerState::Up);
                return true;
            }
            if known.leased.iter().any(|leased| *leased > 0) {
                return false;
            }
            self.remove(index);
        }
        let count = info.gpus.len();
        let server = ModelServer { state: ServerState::Up, leased: vec![0; count], kept: vec![0; count], info };
        match self.vacant.entry(count).or_default().pop() {
            Some(index) => self.servers[index] = Some(server),
            None => self.servers.push(Some(server)),
        }
        true
    }

    fn remove(&mut self, index: usize) {
        let gone = self.servers[index].take().unwrap();
        self.vacant.entry(gone.info.gpus.len()).or_default().push(index);
    }

    /// Limits that hold for a user and a group, each with the leases that count in it.
    fn bounds(&self, user: &str, group: &str) -> Vec<(Limits, Vec<&Lease>)> {
        let of = |own: Principal, each: Principal| self.limits.get(&own).or_else(|| self.limits.get(&each)).copied();
        let of_user = of(Principal::User(user.into()), Principal::EachUser);
        let of_group = (!group.is_empty()).then(|| of(Principal::Group(group.into()), Principal::EachGroup)).flatten();
        let leases = |counts: &dyn Fn(&Lease) -> bool| self.leases.values().filter(|lease| counts(lease)).collect();
        let user = of_user.map(|limits| (limits, leases(&|lease| lease.user == user)));
        let group = of_group.map(|limits| (limits, leases(&|lease| lease.group == group)));
        user.into_iter().chain(group).collect()
    }

    fn within_limits(&self, request: &Request, bytes: u64) -> bool {
        self.bounds(&request.user, &request.group).into_iter().all(|(limits, leases)| {
            let slices: Vec<&LeasedSlice> = leases.iter().flat_map(|lease| &lease.slices).collect();
            limits.gpus.is_none_or(|max| slices.len() as u32 + request.gpus <= max)
                && limits.memory_bytes.is_none_or(|max| slices.iter().map(|slice| slice.memory_bytes).sum::<u64>() + bytes <= max)
                && limits.sessions.is_none_or(|max| (leases.len() as u32) < max)
                && limits.gpu_hours.is_none_or(|max| max > 0)
        })
    }

    /// Bytes that each slice may have for its owners' quotas.
    fn slice_bytes_max(&self, request: &Request) -> u64 {
        let left = self.bounds(&request.user, &request.group).into_iter().filter_map(|(limits, leases)| {
            let have: u64 = leases.iter().flat_map(|lease| &lease.slices).map(|slice| slice.memory_bytes).sum();
            Some(limits.memory_bytes?.saturating_sub(have))
        });
        left.min().map_or(u64::MAX, |left| left / u64::from(request.gpus))
    }

    /// For each server that is up the GPUs that would do with everything free: ordinal, bytes, free, kept.
    fn usable(&self, request: &Request, number: u8) -> Vec<(usize, Vec<(usize, u64, u64, u64)>)> {
        let mut all = Vec::new();
        for (index, server) in self.servers.iter().enumerate() {
            let Some(server) = server else { continue };
            if server.state != ServerState::Up {
                continue;
            }
            let mut usable = Vec::new();
            for (ordinal, gpu) in server.info.gpus.iter().enumerate() {
                let bytes = slice_bytes(request.memory, gpu.memory_bytes).unwrap();
                let accepted = filter(number).is_none_or(|(_, accepts)| accepts(&server.info, gpu));
                if accepted && bytes <= gpu.memory_bytes && bytes <= self.slice_bytes_max(request) {
                    usable.push((ordinal, bytes, gpu.memory_bytes - server.leased[ordinal], server.kept[ordinal]));
                }
            }
            all.push((index, usable));
        }
        all
    }

    fn distance(&self, request: &Request, index: usize) -> u32 {
        let info = &self.servers[index].as_ref().unwrap().info;
        match () {
            () if info.hostname == request.near => 0,
            () if request.has_rdma && info.has_rdma => 1,
            () => 2,
        }
    }

    fn place(&self, request: &Request, number: u8) -> Option<Vec<(usize, usize, u64)>> {
        let wanted = request.gpus as usize;
        let mut servers: Vec<(usize, Vec<(u64, usize, u64)>)> = Vec::new();
        for (index, usable) in self.usable(request, number) {
            let mut fitting = Vec::new();
            for (ordinal, bytes, free, kept) in usable {
                let available = free.saturating_sub(kept);
                if bytes <= available {
                    let worse = if request.placement == Placement::Pack { available } else { u64::MAX - available };
                    fitting.push((worse, ordinal, bytes));
                }
            }
            fitting.sort_unstable();
            servers.push((index, fitting));
        }
        let take = |index: usize, fitting: &[(u64, usize, u64)], count: usize| {
            let mut chosen: Vec<_> = fitting[..count].iter().map(|(_, ordinal, bytes)| (index, *ordinal, *bytes)).collect();
            chosen.sort_unstable();
            chosen
        };
        let one = servers.iter().filter(|(_, fitting)| fitting.len() >= wanted).min_by_key(|(index, fitting)| {
            let sum: u64 = fitting[..wanted].iter().fold(0, |sum: u64, (worse, ..)| sum.saturating_add(worse / wanted as u64));
            (self.distance(request, *index), sum, *index)
        });
        if let Some((index, fitting)) = one {
            return Some(take(*index, fitting, wanted));
        }
        if request.one_server {
            return None;
        }
        let (mut left, mut chosen) = (wanted, Vec::<(usize, usize, u64)>::new());
        while left > 0 {
            let rest = servers.iter().filter(|(index, fitting)| !fitting.is_empty() && !chosen.iter().any(|(taken, ..)| taken == index));
            let rest: Vec<_> = rest.collect();
            let enough = rest.iter().filter(|(_, fitting)| fitting.len() >= left);
            let (index, fitting) = match enough.min_by_key(|(index, fitting)| (fitting.len(), self.distance(request, *index), *index)) {
                Some(last) => last,
                None => {
                    let most = |(index, fitting): &&&(usize, Vec<_>)| (usize::MAX - fitting.len(), self.distance(request, *index), *index);
                    rest.iter().min_by_key(most)?
                }
            };
            let count = fitting.len().min(left);
            chosen.extend(take(*index, fitting, count));
            left -= count;
        }
        // The program sees GPUs of its own host first.
        chosen.sort_by_key(|(index, ..)| self.distance(request, *index) != 0);
        Some(chosen)
    }

    fn keep(&mut self, request: &Request, number: u8) -> bool {
        let wanted = request.gpus as usize;
        let mut servers: Vec<Vec<(u64, usize, usize, u64)>> = Vec::new();
        for (index, usable) in self.usable(request, number) {
            servers.push(
                usable.iter().map(|(ordinal, bytes, free, kept)| ((kept + bytes).saturating_sub(*free), index, *ordinal, *bytes)).collect(),
            );
        }
        if !request.one_server {
            servers = vec![servers.concat()];
        }
        servers.retain(|server| server.len() >= wanted);
        servers.iter_mut().for_each(|server| server.sort_unstable());
        let best = servers.iter().min_by_key(|server| server[..wanted].iter().map(|gpu| gpu.0).sum::<u64>());
        let Some(best) = best else { return false };
        for (_, index, ordinal, bytes) in best[..wanted].iter().copied() {
            self.servers[index].as_mut().unwrap().kept[ordinal] += bytes;
        }
        true
    }

    fn decide(&mut self, now_ms: u64) -> Vec<Lease> {
        let mut granted = self.look_through(now_ms);
        // A grant may use up a quota, and so set free what was kept.
        while !self.waiting.is_empty() {
            let more = self.look_through(now_ms);
            if more.is_empty() {
                break;
            }
            granted.extend(more);
        }
        granted
    }

    /// One look through the list.
    fn look_through(&mut self, now_ms: u64) -> Vec<Lease> {
        for server in self.servers.iter_mut().flatten() {
            server.kept.fill(0);
        }
        let mut granted = Vec::new();
        let mut kept = 0;
        let mut blocked: BTreeSet<String> = BTreeSet::new();
        let mut waiting = self.waiting.clone();
        waiting.sort_by_key(|(request, _)| -request.priority);
        for (request, number) in waiting {
            let class =
                format!("{} {} {} {:?} {} {}", request.user, request.group, request.gpus, request.memory, number, request.one_server);
            if blocked.contains(&class) {
                continue;
            }
            let all = self.servers.iter().flatten();
            let least = all.flat_map(|server| server.info.gpus.iter().map(move |gpu| (server, gpu)));
            let least = least.filter(|(server, gpu)| filter(number).is_none_or(|(_, accepts)| accepts(&server.info, gpu)));
            let least =
                least.filter_map(|(_, gpu)| slice_bytes(request.memory, gpu.memory_bytes).ok().filter(|bytes| *bytes <= gpu.memory_bytes));
            let least = least.min().unwrap_or(0) * u64::from(request.gpus);
            if !self.within_limits(&request, least) {
                blocked.insert(class);
                continue;
            }
            match self.place(&request, number) {
                Some(chosen) => {
                    assert!(self.within_limits(&request, chosen.iter().map(|(_, _, bytes)| bytes).sum()));
                    let slices = chosen.iter().map(|&(index, ordinal, memory_bytes)| {
                        let server = self.servers[index].as_mut().unwrap();
                        server.leased[ordinal] += memory_bytes;
                        LeasedSlice { server: server.info.name.clone(), ordinal: ordinal as u32, memory_bytes }
                    });
                    let slices = slices.collect();
                    let Request { id, user, group, token, .. } = request.clone();
                    let lease = Lease { id, user, group, since_ms: now_ms, slices, token };
                    self.leases.insert(request.id, lease.clone());
                    self.waiting.retain(|(waiting, _)| waiting.id != request.id);
                    granted.push(lease);
                }
                None => {
                    if kept < KEPT_MAX {
                        kept += usize::from(self.keep(&request, number));
                    }
                    blocked.insert(class);
                }
            }
        }
        granted
    }

    fn release(&mut self, id: u64) {
        for slice in self.leases.remove(&id).unwrap().slices {
            let index = self.find(&slice.server).unwrap();
            self.servers[index].as_mut().unwrap().leased[slice.ordinal as usize] -= slice.memory_bytes;
        }
    }
}

fn check_invariants(scheduler: &Scheduler, now_ms: u64) {
    let mut leased: BTreeMap<(String, u32), u64> = BTreeMap::new();
    let mut taken: BTreeMap<String, (u32, u64, u32)> = BTreeMap::new();
    for lease in scheduler.leases() {
        let sum = taken.entry(lease.user.clone()).or_default();
        sum.2 += 1;
        let mut own = BTreeSet::new();
        for slice in &lease.slices {
            *leased.entry((slice.server.clone(), slice.ordinal)).or_default() += slice.memory_bytes;
            assert!(own.insert((&slice.server, slice.ordinal)), "a lease has a GPU twice");
            (sum.0, sum.1) = (sum.0 + 1, sum.1 + slice.memory_bytes);
        }
    }
    for (info, _, gpus) in scheduler.servers() {
        for (ordinal, (gpu, used)) in info.gpus.iter().zip(gpus).enumerate() {
            let sum = leased.remove(&(info.name.clone(), ordinal as u32)).unwrap_or(0);
            assert!(sum <= gpu.memory_bytes, "{} GPU {ordinal} is over-committed", info.name);
            assert_eq!(sum, used.leased_bytes);
        }
    }
    assert!(leased.is_empty(), "leases of servers that are not there: {leased:?}");
    for (principal, usage) in scheduler.usages(now_ms) {
        if let Principal::User(user) = principal {
            assert_eq!(taken.remove(user).unwrap_or_default(), (usage.gpus, usage.memory_bytes, usage.sessions));
        }
    }
    let positions: Vec<usize> = scheduler.waiting().map(|request| scheduler.position(request.id).unwrap()).collect();
    assert_eq!(positions, (1..=scheduler.waiting_count()).collect::<Vec<_>>());
}

/// Decides until there is nothing more to decide.
fn decide(scheduler: &mut Scheduler, now_ms: u64) -> Vec<Lease> {
    let mut granted = Vec::new();
    loop {
        let decision = scheduler.decide(now_ms);
        granted.extend(decision.granted);
        if !decision.more {
            return granted;
        }
    }
}

fn run(steps: Vec<Step>) {
    let (mut scheduler, mut model) = (Scheduler::new(), Model::default());
    let (mut now_ms, mut next) = (1_000_000, 1);
    for server in 0..3 {
        let info = info(server, 2 + server, server == 1);
        scheduler.put_server(info.clone(), ServerState::Up).unwrap();
        assert!(model.put(info));
    }
    for step in steps {
        match step {
            Step::Submit { gpus, memory, filter: number, priority, user, group, one_server, spread, near, patience } => {
                let request = Request {
                    id: next,
                    user: USERS[user].into(),
                    group: if group { "lab".into() } else { String::new() },
                    gpus,
                    memory,
                    filters: filter(number).map(|(text, _)| text.parse().unwrap()).into_iter().collect(),
                    priority,
                    placement: if spread { Placement::Spread } else { Placement::Pack },
                    one_server: one_server || gpus == 1,
                    near: format!("host{near}"),
                    has_rdma: near == 4,
                    deadline_ms: Some(now_ms + u64::from(patience)),
                    token: format!("of {}", USERS[user]),
                };
                next += 1;
                if scheduler.submit(request.clone()).is_ok() {
                    model.waiting.push((request, number));
                }
            }
            Step::Release(which) => {
                let ids: Vec<u64> = model.leases.keys().copied().collect();
                if !ids.is_empty() {
                    let id = ids[which % ids.len()];
                    assert_eq!(&scheduler.release(id, now_ms).unwrap().lease, &model.leases[&id]);
                    model.release(id);
                }
            }
            Step::Cancel(which) => {
                if !model.waiting.is_empty() {
                    let (request, _) = model.waiting.remove(which % model.waiting.len());
                    assert!(scheduler.cancel(request.id));
                }
            }
            Step::Put { server, gpus, large } => {
                let info = info(server, gpus, large);
                assert_eq!(scheduler.put_server(info.clone(), ServerState::Up).is_ok(), model.put(info));
            }
            Step::State { server, state } => {
                let name = format!("server{server}");
                let known = model.find(&name);
                assert_eq!(scheduler.set_state(&name, state).is_ok(), known.is_some());
                if let Some(index) = known {
                    model.servers[index].as_mut().unwrap().state = state;
                }
            }
            Step::Remove(server) => {
                let name = format!("server{server}");
                if scheduler.remove_server(&name).is_ok() {
                    let index = model.find(&name).unwrap();
                    assert!(model.servers[index].as_ref().unwrap().leased.iter().all(|leased| *leased == 0));
                    model.remove(index);
                }
            }
            Step::Limit { whose, limits } => {
                scheduler.set_limits(principal(whose), limits);
                match limits {
                    Some(limits) => model.limits.insert(principal(whose), limits),
                    None => model.limits.remove(&principal(whose)),
                };
            }
            Step::Wait(ms) => {
                now_ms += u64::from(ms);
                let late: BTreeSet<u64> = model
                    .waiting
                    .iter()
                    .filter(|(request, _)| request.deadline_ms.unwrap() <= now_ms)
                    .map(|(request, _)| request.id)
                    .collect();
                assert_eq!(scheduler.expire(now_ms).into_iter().collect::<BTreeSet<_>>(), late);
                model.waiting.retain(|(request, _)| !late.contains(&request.id));
            }
        }
        let granted = decide(&mut scheduler, now_ms);
        assert_eq!(granted, model.decide(now_ms));
        check_invariants(&scheduler, now_ms);
        let mut waits: Vec<&Request> = model.waiting.iter().map(|(request, _)| request).collect();
        waits.sort_by_key(|request| -request.priority);
        assert!(scheduler.waiting().map(|request| request.id).eq(waits.iter().map(|request| request.id)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn decides_as_the_plain_model_does(steps in proptest::collection::vec(step(), 1..120)) {
        run(steps);
    }
}
