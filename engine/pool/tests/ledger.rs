//! A pool that crashes again and again, on a disk that forgets what was not synced, among servers on which programs go on running:
//! nobody's lease is lost, no memory is given twice, and in the end the pool knows what runs.

mod asking;
mod disk;

use disk::Crashing;
use ringway_pool::ledger::{CONFIRM_MS, INHERITED_CONFIRM_MS, Ledger, LedgerError, SILENCE_MS};
use ringway_pool::scheduler::{
    Conflict, GpuInfo, Lease, LeasedSlice, Limits, Principal, Refusal, Request, ServerInfo, ServerState,
};
use ringway_pool::store::{Store, UserRecord};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

const GPU_BYTES: u64 = 16 << 30;

fn server(name: &str, gpus: usize) -> ServerInfo {
    ServerInfo {
        name: name.into(),
        address: format!("{name}:7766"),
        hostname: name.into(),
        has_rdma: false,
        driver_version: "550".into(),
        cuda_version: "12.4".into(),
        labels: BTreeMap::new(),
        gpus: vec![GpuInfo { name: "GPU".into(), memory_bytes: GPU_BYTES, compute_capability: (9, 0) }; gpus],
    }
}

fn ask(id: u64, gpus: u32, fraction: f64) -> Request {
    asking::ask(id, &format!("user{}", id % 3), gpus, fraction)
}

fn ledger() -> Ledger {
    Ledger::open(Store::on(Crashing::with(Vec::new(), u64::MAX)).unwrap()).unwrap().0
}

fn state_of(ledger: &Ledger, name: &str) -> ServerState {
    ledger.scheduler().servers().find(|(info, ..)| info.name == name).unwrap().1
}

#[test]
fn silent_servers_are_down_and_keep_their_leases() {
    let mut ledger = ledger();
    ledger.hear(server("a", 1), &[], 1000).unwrap();
    ledger.submit(ask(1, 1, 1.0)).unwrap();
    let granted = ledger.decide(1000).unwrap().granted;
    assert_eq!(granted.len(), 1);
    assert_eq!(ledger.find_silent(999 + SILENCE_MS), [""; 0]);
    assert_eq!(ledger.find_silent(1000 + SILENCE_MS), ["a"]);
    assert_eq!((state_of(&ledger, "a"), ledger.scheduler().leases().count()), (ServerState::Down, 1));
    // It comes back, and reports the lease: the connection was broken, the program was not.
    let heard = ledger.hear(server("a", 1), &granted, 500_000).unwrap();
    assert!(heard.ended.is_empty() && heard.adopted.is_empty() && heard.conflicts.is_empty());
    assert_eq!(state_of(&ledger, "a"), ServerState::Up);
    // Now it reports it no more.
    assert_eq!(ledger.hear(server("a", 1), &[], 500_001).unwrap().ended[0].lease, granted[0]);
    assert_eq!(ledger.store().history(0, u64::MAX).unwrap().len(), 1);
}

#[test]
fn a_lease_whose_ticket_is_not_used_ends() {
    let mut ledger = ledger();
    ledger.hear(server("a", 1), &[], 0).unwrap();
    ledger.submit(ask(1, 1, 1.0)).unwrap();
    ledger.submit(ask(2, 1, 1.0)).unwrap();
    assert_eq!(ledger.decide(0).unwrap().granted[0].id, 1);
    assert!(ledger.hear(server("a", 1), &[], CONFIRM_MS - 1).unwrap().ended.is_empty());
    assert_eq!(ledger.hear(server("a", 1), &[], CONFIRM_MS).unwrap().ended[0].lease.id, 1);
    assert_eq!(ledger.decide(CONFIRM_MS).unwrap().granted[0].id, 2);
    assert_eq!(ledger.end(2, "it is over", CONFIRM_MS).0.unwrap().lease.id, 2);
    assert!(ledger.end(2, "it is over", CONFIRM_MS).0.is_none());
}

#[test]
fn a_lease_of_the_pool_before_whose_ticket_is_not_used_ends_sooner() {
    let disk = Crashing::with(Vec::new(), u64::MAX);
    let (mut ledger, _) = Ledger::open(Store::on(disk.clone()).unwrap()).unwrap();
    ledger.hear(server("a", 2), &[], 0).unwrap();
    ledger.submit(ask(1, 1, 1.0)).unwrap();
    ledger.submit(ask(2, 1, 1.0)).unwrap();
    let brought = ledger.decide(0).unwrap().granted.remove(1);
    let (mut next, _) = Ledger::open(Store::on(disk).unwrap()).unwrap();
    let running = std::slice::from_ref(&brought);
    assert!(next.hear(server("a", 2), running, INHERITED_CONFIRM_MS - 1).unwrap().ended.is_empty());
    let ended = next.hear(server("a", 2), running, INHERITED_CONFIRM_MS).unwrap().ended;
    assert_eq!(ended.iter().map(|ended| ended.lease.id).collect::<Vec<_>>(), [1]);
    // What this pool has granted itself it waits for as long as a ticket may take.
    next.submit(ask(3, 1, 1.0)).unwrap();
    assert_eq!(next.decide(INHERITED_CONFIRM_MS).unwrap().granted[0].id, 3);
    assert!(next.hear(server("a", 2), running, 2 * INHERITED_CONFIRM_MS).unwrap().ended.is_empty());
}

#[test]
fn what_the_pool_has_ended_is_not_taken_in_again() {
    let disk = Crashing::with(Vec::new(), u64::MAX);
    let (mut ledger, _) = Ledger::open(Store::on(disk.clone()).unwrap()).unwrap();
    ledger.hear(server("a", 1), &[], 0).unwrap();
    ledger.submit(ask(1, 1, 0.5)).unwrap();
    let lease = ledger.decide(1000).unwrap().granted.remove(0);
    ledger.hear(server("a", 1), std::slice::from_ref(&lease), 1001).unwrap();
    assert!(ledger.end(1, "it is over", 2000).0.is_some());
    let reported_again = |ledger: &mut Ledger, now_ms| {
        let heard = ledger.hear(server("a", 1), std::slice::from_ref(&lease), now_ms).unwrap();
        assert_eq!((&heard.over[..], &heard.adopted[..], heard.ended.len()), (&[1][..], &[][..], 0));
        assert_eq!(ledger.scheduler().leases().count(), 0);
    };
    // The server has not heard of it yet; or never did, and comes back after long, to this pool or to the next.
    reported_again(&mut ledger, 2001);
    ledger.find_silent(2001 + 10 * CONFIRM_MS);
    reported_again(&mut ledger, 2001 + 10 * CONFIRM_MS);
    let (mut next, _) = Ledger::open(Store::on(disk).unwrap()).unwrap();
    reported_again(&mut next, 2002 + 10 * CONFIRM_MS);
    let history = next.store().history(0, u64::MAX).unwrap();
    assert_eq!(history.iter().map(|row| (row.lease.id, row.end_ms)).collect::<Vec<_>>(), [(1, 2000)]);
    // What nobody has ended is taken in.
    let other = Lease { id: 2, ..lease.clone() };
    assert_eq!(next.hear(server("a", 1), &[lease, other], 2003 + 10 * CONFIRM_MS).unwrap().adopted, [2]);
}

#[test]
fn a_server_has_no_say_in_the_leases_of_others() {
    let mut ledger = ledger();
    ledger.hear(server("a", 2), &[], 0).unwrap();
    ledger.hear(server("b", 1), &[], 0).unwrap();
    ledger.submit(ask(1, 2, 1.0)).unwrap();
    let of_a = ledger.decide(0).unwrap().granted.remove(0);
    assert_eq!(of_a.slices[0].server, "a");
    ledger.hear(server("a", 2), std::slice::from_ref(&of_a), 1).unwrap();
    let invented = |id, server: &str, memory_bytes| Lease {
        id,
        user: "nobody".into(),
        group: String::new(),
        since_ms: 0,
        slices: vec![LeasedSlice { server: server.into(), ordinal: 0, memory_bytes }],
        token: String::new(),
    };
    // b says that it runs a's lease, one on a, more than it has, and one that is its own.
    let running =
        [Lease { slices: vec![], ..of_a.clone() }, invented(7, "a", 1), invented(8, "b", GPU_BYTES + 1), invented(9, "b", 1 << 30)];
    let heard = ledger.hear(server("b", 1), &running, 2).unwrap();
    assert_eq!((heard.adopted, heard.conflicts.len(), heard.ended.len()), (vec![9], 2, 0));
    // And a's leases do not end because b does not report them.
    ledger.hear(server("b", 1), &running[3..], 3 + CONFIRM_MS).unwrap();
    assert_eq!(ledger.scheduler().lease(1), Some(&of_a));
    // A server whose GPUs have changed while programs run on it is not believed.
    let changed = ledger.hear(server("a", 1), std::slice::from_ref(&of_a), 4);
    assert!(matches!(changed, Err(Conflict::Leased(name)) if name == "a"));
}

#[test]
fn settings_outlive_the_pool() {
    let disk = Crashing::with(Vec::new(), u64::MAX);
    let (mut ledger, _) = Ledger::open(Store::on(disk.clone()).unwrap()).unwrap();
    ledger.hear(server("a", 2), &[], 0).unwrap();
    ledger.hear(server("b", 1), &[], 0).unwrap();
    ledger.set_draining("a", true).unwrap();
    ledger.set_limits(Principal::Group("lab".into()), Some(Limits { gpus: Some(1), ..Limits::default() })).unwrap();
    ledger.set_user("user1", Some(UserRecord { group: "lab".into(), priority: 5, is_disabled: false })).unwrap();
    ledger.remove_server("b").unwrap();
    assert!(matches!(ledger.set_draining("b", true), Err(LedgerError::Conflict(Conflict::NoServer(_)))));
    drop(ledger);
    let (mut ledger, conflicts) = Ledger::open(Store::on(disk).unwrap()).unwrap();
    assert!(conflicts.is_empty() && ledger.scheduler().servers().count() == 1);
    assert_eq!(state_of(&ledger, "a"), ServerState::Down);
    ledger.hear(server("a", 2), &[], 10).unwrap();
    assert_eq!(state_of(&ledger, "a"), ServerState::Draining);
    assert!(matches!(ledger.submit(ask(1, 2, 1.0)), Err(Refusal::Quota(why)) if why.contains("group 'lab'")));
    ledger.submit(ask(3, 1, 1.0)).unwrap();
    ledger.submit(ask(4, 1, 1.0)).unwrap();
    assert!(ledger.decide(10).unwrap().granted.is_empty());
    ledger.set_draining("a", false).unwrap();
    let granted: Vec<u64> = ledger.decide(10).unwrap().granted.iter().map(|lease| lease.id).collect();
    assert_eq!(granted, [4, 3], "user1 has priority");
}

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The world outside of the pool: what programs run, on servers that know it.
#[derive(Default)]
struct World {
    running: HashMap<u64, Lease>,
    now_ms: u64,
    /// Leases whose end was told.
    told: Arc<Mutex<Vec<u64>>>,
}

impl World {
    fn on(&self, name: &str) -> Vec<Lease> {
        let mut leases: Vec<Lease> = self.running.values().filter(|lease| lease.slices[0].server == name).cloned().collect();
        leases.sort_by_key(|lease| lease.id);
        leases
    }

    fn listen(&self, ledger: &mut Ledger) {
        let told = Arc::clone(&self.told);
        ledger.tell_ends(Box::new(move |lease, _, is_kept| {
            assert!(is_kept, "a file always says whether it has something");
            told.lock().unwrap().push(lease.id);
        }));
    }

    fn check(&self) {
        let mut sums: HashMap<(&str, u32), u64> = HashMap::new();
        for slice in self.running.values().flat_map(|lease| &lease.slices) {
            let sum = sums.entry((&slice.server, slice.ordinal)).or_default();
            *sum += slice.memory_bytes;
            assert!(*sum <= GPU_BYTES, "memory was given twice");
        }
    }
}

const SERVERS: [(&str, usize); 3] = [("a", 2), ("b", 3), ("c", 1)];

#[test]
fn crashes_take_nothing_from_anyone() {
    let (mut crashes, mut recovered) = (0, 0);
    for seed in 1..40u64 {
        let mut numbers = Numbers(seed);
        let mut world = World { now_ms: 1000, ..World::default() };
        let (mut bytes, mut next) = (Vec::new(), 1);
        for _life in 0..6 {
            let disk = Crashing::with(bytes, 150 + numbers.below(300));
            if let Ok((ledger, conflicts)) = Store::on(disk.clone()).and_then(Ledger::open) {
                assert_eq!(conflicts, []);
                recovered += usize::from(!world.running.is_empty());
                // Whoever was told of a lease finds it, before any server has said a word.
                for lease in world.running.values() {
                    assert_eq!(ledger.scheduler().lease(lease.id), Some(lease), "a lease was lost");
                }
                // What was told to have ended never is there again.
                let told = world.told.lock().unwrap().clone();
                assert!(told.iter().all(|id| ledger.scheduler().lease(*id).is_none()), "an end was told that was not kept");
                live(ledger, &mut world, &mut numbers, &mut next);
            }
            let disk = disk.0.lock().unwrap();
            crashes += u32::from(disk.crashed);
            bytes = disk.after_crash(numbers.below(u64::MAX));
            // Programs that end while there is no pool.
            world.running.retain(|_, _| numbers.below(4) != 0);
        }
        // In the end the pool is whole, and knows what runs.
        let (mut ledger, _) = Ledger::open(Store::on(Crashing::with(bytes, u64::MAX)).unwrap()).unwrap();
        world.now_ms += CONFIRM_MS;
        world.listen(&mut ledger);
        for (name, gpus) in SERVERS {
            assert!(ledger.hear(server(name, gpus), &world.on(name), world.now_ms).unwrap().conflicts.is_empty());
        }
        let told = world.told.lock().unwrap().clone();
        assert_eq!(told.iter().collect::<HashSet<_>>().len(), told.len(), "an end was told twice: {told:?}");
        let known: HashMap<u64, Lease> = ledger.scheduler().leases().map(|lease| (lease.id, lease.clone())).collect();
        assert_eq!(known, world.running);
        assert_eq!(ledger.store().contents().unwrap().leases.len(), world.running.len());
    }
    assert!(crashes > 100 && recovered > 50, "{crashes} crashes, {recovered} with programs running: too few to prove anything");
}

/// A pool at work until its disk fails.
fn live(mut ledger: Ledger, world: &mut World, numbers: &mut Numbers, next: &mut u64) {
    world.listen(&mut ledger);
    loop {
        world.now_ms += 1 + numbers.below(3000);
        let done = match numbers.below(6) {
            0 => {
                let (name, gpus) = SERVERS[numbers.below(3) as usize];
                let heard = ledger.hear(server(name, gpus), &world.on(name), world.now_ms).unwrap();
                assert!(heard.conflicts.is_empty(), "{:?}", heard.conflicts);
                assert!(heard.ended.iter().all(|ended| !world.running.contains_key(&ended.lease.id)), "what runs was ended");
                heard.unwritten.is_none()
            }
            1 => {
                let ids: Vec<u64> = world.running.keys().copied().collect();
                if ids.is_empty() {
                    continue;
                }
                let id = ids[numbers.below(ids.len() as u64) as usize];
                world.running.remove(&id);
                ledger.end(id, "it is over", world.now_ms).1.is_ok()
            }
            2 => {
                ledger.find_silent(world.now_ms);
                true
            }
            _ => {
                *next += 1;
                // It may be impossible, as long as no server was heard of.
                let _ = ledger.submit(ask(*next, 1 + numbers.below(2) as u32, [0.25, 0.5, 1.0][numbers.below(3) as usize]));
                match ledger.decide(world.now_ms) {
                    Ok(decision) => {
                        world.running.extend(decision.granted.into_iter().map(|lease| (lease.id, lease)));
                        world.check();
                        true
                    }
                    Err(_) => false,
                }
            }
        };
        if !done {
            return;
        }
    }
}
