//! What users of a pool may rely on, case by case, and a large pool whose every decision is checked.

mod asking;

use ringway_pool::scheduler::{
    Conflict, GPU_HOUR, GpuInfo, Lease, LeasedSlice, Limits, Placement, Principal, Refusal, Request, Scheduler, ServerInfo, ServerState,
};
use ringway_wire::control::MemoryAsk;
use std::collections::{BTreeMap, HashMap};

fn server(name: &str, gpus: usize) -> ServerInfo {
    ServerInfo {
        name: name.into(),
        address: format!("{name}:7766"),
        hostname: name.into(),
        has_rdma: name.starts_with("rdma"),
        driver_version: "550.54".into(),
        cuda_version: "12.4".into(),
        labels: BTreeMap::new(),
        gpus: vec![GpuInfo { name: "GPU".into(), memory_bytes: 16 << 30, compute_capability: (9, 0) }; gpus],
    }
}

fn pool(servers: &[(&str, usize)]) -> Scheduler {
    let mut scheduler = Scheduler::new();
    for (name, gpus) in servers {
        scheduler.put_server(server(name, *gpus), ServerState::Up).unwrap();
    }
    scheduler
}

fn ask(id: u64, gpus: u32, fraction: f64) -> Request {
    asking::ask(id, "alice", gpus, fraction)
}

fn ids(scheduler: &mut Scheduler, now_ms: u64) -> Vec<u64> {
    let decision = scheduler.decide(now_ms);
    assert!(!decision.more);
    decision.granted.iter().map(|lease| lease.id).collect()
}

fn servers_of(lease: &Lease) -> Vec<&str> {
    lease.slices.iter().map(|slice| slice.server.as_str()).collect()
}

#[test]
fn all_or_nothing_and_first_come_first_served() {
    let mut pool = pool(&[("a", 2), ("b", 2)]);
    pool.submit(ask(1, 2, 1.0)).unwrap();
    pool.submit(ask(2, 1, 1.0)).unwrap();
    assert_eq!(ids(&mut pool, 0), [1, 2]);
    // One GPU is free: a request for two gets neither.
    pool.submit(ask(3, 2, 1.0)).unwrap();
    pool.submit(ask(4, 2, 1.0)).unwrap();
    assert_eq!(ids(&mut pool, 0), [0u64; 0]);
    assert_eq!((pool.position(3), pool.position(4), pool.position(1)), (Some(1), Some(2), None));
    pool.release(2, 5).unwrap();
    assert_eq!(ids(&mut pool, 5), [3]);
    assert_eq!(pool.position(4), Some(1));
    pool.submit(Request { priority: 1, ..ask(5, 2, 1.0) }).unwrap();
    assert_eq!((pool.position(5), pool.position(4)), (Some(1), Some(2)));
    pool.release(1, 6).unwrap();
    assert_eq!(ids(&mut pool, 6), [5]);
}

#[test]
fn a_large_request_is_not_starved_by_small_ones() {
    let mut pool = pool(&[("a", 4), ("b", 4)]);
    for id in 0..8 {
        pool.submit(ask(id, 1, 1.0)).unwrap();
    }
    assert_eq!(ids(&mut pool, 0).len(), 8);
    pool.submit(ask(100, 4, 1.0)).unwrap();
    assert_eq!(ids(&mut pool, 0), [0u64; 0]);
    assert!(pool.why_waiting(100, 0).unwrap().contains("kept for it"));
    // A steady stream of small ones, each taking what the oldest gave back.
    let (mut running, mut next, mut after) = (vec![0, 4, 1, 5, 2, 6, 3, 7], 200, 0);
    loop {
        pool.submit(ask(next, 1, 1.0)).unwrap();
        next += 1;
        pool.release(running.remove(0), 0).unwrap();
        let granted = ids(&mut pool, 0);
        after += 1;
        if granted.contains(&100) {
            break;
        }
        running.extend(granted);
        assert!(after < 16, "the large request starves");
    }
    // It had the GPUs that were free first; the others went on with small ones meanwhile.
    assert!(running.iter().any(|id| *id >= 200), "nothing was filled in behind the large request");
}

#[test]
fn filters_distance_and_placement() {
    let mut pool = pool(&[("a", 2), ("rdma1", 2), ("rdma2", 4)]);
    let near = Request { near: "rdma2".into(), ..ask(1, 1, 0.25) };
    let by_rdma = Request { has_rdma: true, ..ask(2, 1, 0.25) };
    let filtered =
        Request { filters: vec!["server.hostname=rdma*".parse().unwrap(), "server.has-rdma=yes".parse().unwrap()], ..ask(3, 4, 0.25) };
    let spread = Request { placement: Placement::Spread, near: "rdma2".into(), ..ask(4, 1, 0.25) };
    for request in [near, by_rdma, filtered, spread] {
        pool.submit(request).unwrap();
    }
    let granted = pool.decide(0).granted;
    assert_eq!(servers_of(&granted[0]), ["rdma2"]);
    assert_eq!(servers_of(&granted[1]), ["rdma2"], "packed: where a slice is leased already");
    assert_eq!(servers_of(&granted[2]), ["rdma2"; 4]);
    assert_eq!(granted[0].slices[0].ordinal, 0);
    assert_eq!(granted[3].slices[0].ordinal, 1, "spread: the emptiest, which is not GPU 0");
    // Several servers only for those who take that.
    assert!(matches!(pool.submit(ask(5, 6, 0.1)), Err(Refusal::Impossible(why)) if why.contains("no server of the pool has more than 4")));
    pool.submit(Request { one_server: false, ..ask(6, 6, 0.1) }).unwrap();
    assert_eq!(servers_of(&pool.decide(0).granted[0]), ["rdma2", "rdma2", "rdma2", "rdma2", "a", "a"]);
}

#[test]
fn gpus_of_the_programs_own_host_come_first() {
    // One server has enough: it is the program's own, though others fit as well or better.
    let mut pool = pool(&[("a", 2), ("b", 4), ("c", 2)]);
    pool.submit(ask(1, 1, 0.5)).unwrap();
    assert_eq!(servers_of(&pool.decide(0).granted[0]), ["a"]);
    pool.submit(Request { near: "c".into(), ..ask(2, 1, 0.5) }).unwrap();
    assert_eq!(servers_of(&pool.decide(0).granted[0]), ["c"]);
    pool.release(1, 0).unwrap();
    pool.release(2, 0).unwrap();
    // Several servers: the fewest that have enough, and among them the program's own is the first.
    pool.submit(Request { near: "c".into(), one_server: false, ..ask(3, 6, 1.0) }).unwrap();
    assert_eq!(servers_of(&pool.decide(0).granted[0]), ["c", "c", "b", "b", "b", "b"]);
    pool.release(3, 0).unwrap();
    pool.submit(Request { near: "elsewhere".into(), one_server: false, ..ask(4, 6, 1.0) }).unwrap();
    assert_eq!(servers_of(&pool.decide(0).granted[0]), ["b", "b", "b", "b", "a", "a"]);
}

#[test]
fn refused_at_once_with_the_reason() {
    let mut empty = Scheduler::new();
    assert!(matches!(empty.submit(ask(1, 1, 1.0)), Err(Refusal::Impossible(why)) if why.contains("no servers")));
    let mut pool = pool(&[("a", 2)]);
    pool.set_limits(Principal::EachUser, Some(Limits { memory_bytes: Some(20 << 30), ..Limits::default() }));
    pool.submit(ask(1, 1, 1.0)).unwrap();
    for (request, reason) in [
        (ask(2, 3, 1.0), "no server of the pool has more than 2"),
        (Request { memory: MemoryAsk::Mib(17 << 10), ..ask(2, 1, 1.0) }, "the largest of the pool's GPUs has 16384 MiB"),
        (Request { filters: vec!["device.cc>=10".parse().unwrap()], ..ask(2, 1, 1.0) }, "(device.cc>=10)"),
        (ask(2, 2, 1.0), "the quota of user 'alice' is 20480 MiB"),
        (ask(2, 0, 1.0), "0 GPUs cannot be leased"),
        (ask(2, 1, f64::NAN), "a fraction of NaN"),
        (ask(2, 1, 1.5), "a fraction of 1.5"),
        (ask(1, 1, 0.5), "already"),
        (Request { user: String::new(), ..ask(2, 1, 1.0) }, "names no user"),
        (Request { group: "g".repeat(1000), ..ask(2, 1, 1.0) }, "longer than"),
    ] {
        let why = pool.submit(request).unwrap_err().to_string();
        assert!(why.contains(reason), "{why}");
    }
    assert_eq!(ids(&mut pool, 0), [1]);
}

#[test]
fn quotas_hold_back_their_owner_and_nobody_else() {
    let mut pool = pool(&[("a", 4)]);
    let hour = 3_600_000;
    pool.set_limits(Principal::User("alice".into()), Some(Limits { gpus: Some(2), gpu_hours: Some(3), ..Limits::default() }));
    pool.set_limits(Principal::Group("lab".into()), Some(Limits { sessions: Some(1), ..Limits::default() }));
    for id in 1..4 {
        pool.submit(ask(id, 1, 1.0)).unwrap();
    }
    pool.submit(Request { user: "bob".into(), group: "lab".into(), ..ask(4, 1, 1.0) }).unwrap();
    pool.submit(Request { user: "carol".into(), group: "lab".into(), ..ask(5, 1, 1.0) }).unwrap();
    assert_eq!(ids(&mut pool, 0), [1, 2, 4]);
    assert!(pool.why_waiting(3, 0).unwrap().contains("user 'alice' is 2 GPUs"));
    assert!(pool.why_waiting(5, 0).unwrap().contains("group 'lab' is 1 sessions"));
    pool.release(4, hour).unwrap();
    assert_eq!(ids(&mut pool, hour), [5]);
    // Two GPUs for two hours are more than three GPU-hours: nothing runs shorter because of that, and nothing begins.
    assert_eq!(pool.release(1, 2 * hour).unwrap().gpu_time, 2 * GPU_HOUR);
    assert_eq!(ids(&mut pool, 2 * hour), [0u64; 0]);
    assert!(pool.why_waiting(3, 2 * hour).unwrap().contains("3 GPU-hours is used up"));
    pool.set_limits(Principal::User("alice".into()), None);
    assert_eq!(ids(&mut pool, 2 * hour), [3]);
}

#[test]
fn servers_drain_go_down_and_come_back() {
    let mut pool = pool(&[("a", 1), ("b", 1)]);
    pool.submit(ask(1, 1, 1.0)).unwrap();
    assert_eq!(ids(&mut pool, 0), [1]);
    pool.set_state("b", ServerState::Draining).unwrap();
    pool.submit(ask(2, 1, 1.0)).unwrap();
    assert_eq!(ids(&mut pool, 0), [0u64; 0]);
    pool.set_state("a", ServerState::Down).unwrap();
    assert_eq!((ids(&mut pool, 0), pool.leases().count()), (vec![], 1), "the lease of a server that is silent stays");
    assert_eq!(pool.remove_server("a"), Err(Conflict::Leased("a".into())));
    assert_eq!(pool.put_server(server("a", 3), ServerState::Up), Err(Conflict::Leased("a".into())));
    pool.set_state("b", ServerState::Up).unwrap();
    assert_eq!(ids(&mut pool, 0), [2]);
    pool.release(1, 0).unwrap();
    pool.put_server(server("a", 3), ServerState::Up).unwrap();
    pool.submit(ask(3, 3, 1.0)).unwrap();
    assert_eq!(ids(&mut pool, 0), [3]);
    assert!(pool.put_server(server("", 1), ServerState::Up).is_err() && pool.put_server(server("c", 65), ServerState::Up).is_err());
}

#[test]
fn leases_that_exist_are_taken_in_and_never_given_twice() {
    let mut pool = pool(&[("a", 2)]);
    let slice = |ordinal, memory_bytes| LeasedSlice { server: "a".into(), ordinal, memory_bytes };
    let lease = |id, slices| Lease { id, user: "alice".into(), group: String::new(), since_ms: 5, slices, token: String::new() };
    pool.set_limits(Principal::EachUser, Some(Limits { gpus: Some(1), ..Limits::default() }));
    pool.adopt(lease(7, vec![slice(0, 10 << 30), slice(1, 16 << 30)])).unwrap();
    assert_eq!(pool.adopt(lease(7, vec![slice(0, 1 << 30)])), Err(Conflict::Known(7)));
    for wrong in [
        vec![slice(0, 7 << 30)],
        vec![slice(2, 1)],
        vec![slice(0, 1 << 30), slice(0, 1 << 30)],
        vec![slice(0, 0)],
        vec![],
        vec![slice(0, 1 << 30), slice(1, 1)],
    ] {
        assert!(matches!(pool.adopt(lease(8, wrong)), Err(Conflict::NotFree(8, _))));
    }
    assert!(matches!(
        pool.adopt(lease(8, vec![LeasedSlice { server: "x".into(), ordinal: 0, memory_bytes: 1 }])),
        Err(Conflict::NoServer(name)) if name == "x"
    ));
    pool.set_limits(Principal::EachUser, None);
    pool.submit(ask(9, 1, 0.5)).unwrap();
    assert_eq!(ids(&mut pool, 10), [0u64; 0]);
    assert_eq!(pool.release(7, 1005).unwrap().gpu_time, 1000 * (625 + 1000));
    assert_eq!(ids(&mut pool, 1005), [9]);
}

#[test]
fn those_who_waited_long_enough_leave() {
    let mut pool = pool(&[("a", 1)]);
    pool.submit(ask(1, 1, 1.0)).unwrap();
    pool.submit(Request { deadline_ms: Some(100), ..ask(2, 1, 1.0) }).unwrap();
    pool.submit(Request { deadline_ms: Some(50), ..ask(3, 1, 1.0) }).unwrap();
    assert_eq!(ids(&mut pool, 0), [1]);
    assert_eq!(pool.next_deadline_ms(), Some(50));
    assert_eq!(pool.expire(49), [0u64; 0]);
    assert_eq!(pool.expire(100), [3, 2]);
    assert_eq!((pool.next_deadline_ms(), pool.waiting_count()), (None, 0));
    assert!(!pool.cancel(2));
}

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn a_pool_of_ten_thousand_gpus_is_never_over_committed() {
    let mut scheduler = Scheduler::new();
    for index in 0..1250 {
        scheduler.put_server(server(&format!("server{index}"), 8), ServerState::Up).unwrap();
    }
    scheduler.set_limits(Principal::EachUser, Some(Limits { gpus: Some(300), ..Limits::default() }));
    let mut numbers = Numbers(7);
    let (mut used, mut gpus_of): (HashMap<(String, u32), u64>, HashMap<String, u32>) = Default::default();
    let (mut running, mut granted_last, mut granted_in_all): (Vec<Lease>, HashMap<String, u64>, usize) = Default::default();
    for id in 1..20_000u64 {
        // More than the pool has: the queue grows, and each that ends lets others in.
        let fraction = [1.0, 0.5, 0.25, 1.0][numbers.below(4) as usize];
        let gpus = [1, 1, 2, 4, 8][numbers.below(5) as usize];
        scheduler.submit(Request { user: format!("user{}", numbers.below(100)), ..ask(id, gpus, fraction) }).unwrap();
        if running.len() > 3000 && id % 3 == 0 {
            let lease = running.swap_remove(numbers.below(running.len() as u64) as usize);
            for slice in &lease.slices {
                *used.get_mut(&(slice.server.clone(), slice.ordinal)).unwrap() -= slice.memory_bytes;
            }
            *gpus_of.get_mut(&lease.user).unwrap() -= lease.slices.len() as u32;
            assert_eq!(scheduler.release(lease.id, id).unwrap().lease, lease);
        }
        loop {
            let decision = scheduler.decide(id);
            for lease in decision.granted {
                for slice in &lease.slices {
                    let bytes = used.entry((slice.server.clone(), slice.ordinal)).or_default();
                    *bytes += slice.memory_bytes;
                    assert!(*bytes <= 16 << 30, "over-committed");
                }
                let gpus = gpus_of.entry(lease.user.clone()).or_default();
                *gpus += lease.slices.len() as u32;
                assert!(*gpus <= 300, "a quota was exceeded");
                // Those of one class go in their order.
                let class = format!("{} {} {}", lease.user, lease.slices.len(), lease.slices[0].memory_bytes);
                assert!(
                    granted_last.insert(class, lease.id).is_none_or(|before| before < lease.id),
                    "an earlier one of the class was passed over"
                );
                granted_in_all += 1;
                running.push(lease);
            }
            if !decision.more {
                break;
            }
        }
    }
    assert!(granted_in_all > 5000 && scheduler.waiting_count() > 5000, "{granted_in_all} granted, {} wait", scheduler.waiting_count());
}

#[test]
fn a_server_that_is_back_serves_what_it_was_not_able_to() {
    let mut scheduler = Scheduler::new();
    scheduler.put_server(server("a", 1), ServerState::Up).unwrap();
    scheduler.put_server(server("b", 1), ServerState::Up).unwrap();
    let wanted = |id: u64, scheduler: &mut Scheduler, now: u64| {
        let filters = vec!["server.addr=a:7766".parse().unwrap()];
        let request = Request { filters, deadline_ms: Some(now + 10), ..ask(id, 1, 1.0) };
        scheduler.submit(request).unwrap();
        let granted = scheduler.decide(now).granted.len();
        scheduler.release(id, now);
        granted
    };
    assert_eq!(wanted(1, &mut scheduler, 0), 1);
    scheduler.set_state("a", ServerState::Draining).unwrap();
    scheduler.decide(1);
    assert_eq!(wanted(2, &mut scheduler, 2), 0);
    assert_eq!(scheduler.expire(100), [2]);
    scheduler.decide(100);
    scheduler.set_state("a", ServerState::Up).unwrap();
    scheduler.decide(101);
    assert_eq!(wanted(3, &mut scheduler, 102), 1);
}
