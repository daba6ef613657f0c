//! How long the decisions of a large pool take: 10,000 GPUs, all in use, and 100,000 requests that wait.
//!
//!     cargo run --release -p ringway-pool --example scheduler_load [1|2|3]
//!
//! A decision is what one event takes: a request that comes, or a lease that ends, until all that follows from it is granted.

use hdrhistogram::Histogram;
use ringway_pool::scheduler::{GpuInfo, Lease, Limits, Placement, Principal, Request, Scheduler, ServerInfo, ServerState};
use ringway_wire::control::MemoryAsk;
use std::collections::BTreeMap;
use std::time::Instant;

const SERVERS: usize = 1250;
const WAITING: u64 = 100_000;
const EVENTS: u64 = 20_000;

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

struct Load {
    scheduler: Scheduler,
    numbers: Numbers,
    running: Vec<Lease>,
    users: u64,
    sizes: u64,
    next: u64,
    calls_max: u32,
}

impl Load {
    fn request(&mut self) -> Request {
        self.next += 1;
        let filter = ["device.memory>=40GiB", "server.has-rdma=true", "label.rack<20"].get(self.numbers.below(6) as usize);
        let mib = 1024 + 64 * self.numbers.below(self.sizes);
        Request {
            id: self.next,
            user: format!("user{}", self.numbers.below(self.users)),
            group: format!("group{}", self.numbers.below(20)),
            gpus: [1, 1, 1, 2, 4, 8][self.numbers.below(6) as usize],
            memory: if self.numbers.below(2) == 0 { MemoryAsk::Fraction(1.0) } else { MemoryAsk::Mib(mib) },
            filters: filter.map(|text| text.parse().expect("a filter")).into_iter().collect(),
            priority: self.numbers.below(3) as i32,
            placement: if self.numbers.below(4) == 0 { Placement::Spread } else { Placement::Pack },
            one_server: self.numbers.below(4) != 0,
            near: String::new(),
            has_rdma: self.numbers.below(2) == 0,
            deadline_ms: None,
        }
    }

    /// Decides all that there is to decide; microseconds.
    fn event(&mut self, change: impl FnOnce(&mut Scheduler), longest_call: &mut Histogram<u64>) -> u64 {
        let begin = Instant::now();
        change(&mut self.scheduler);
        let mut call = begin;
        let mut calls = 0;
        loop {
            let decision = self.scheduler.decide(self.next);
            calls += 1;
            longest_call.record(call.elapsed().as_micros() as u64).expect("a histogram that grows");
            call = Instant::now();
            self.running.extend(decision.granted);
            if !decision.more {
                self.calls_max = self.calls_max.max(calls);
                return begin.elapsed().as_micros() as u64;
            }
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("a histogram")
}

fn measure(name: &str, users: u64, sizes: u64, gpu_quota: Option<u32>) {
    let mut load = Load { scheduler: Scheduler::new(), numbers: Numbers(1), running: Vec::new(), users, sizes, next: 0, calls_max: 0 };
    for index in 0..SERVERS {
        let gpu =
            GpuInfo { name: "GPU".into(), memory_bytes: if index % 3 == 0 { 24 << 30 } else { 80 << 30 }, compute_capability: (9, 0) };
        let info = ServerInfo {
            name: format!("server{index}"),
            address: format!("server{index}:7766"),
            hostname: format!("host{index}"),
            has_rdma: index % 2 == 0,
            driver_version: "550.54".into(),
            cuda_version: "12.4".into(),
            labels: BTreeMap::from([("rack".to_owned(), (index / 40).to_string())]),
            gpus: vec![gpu; 8],
        };
        load.scheduler.put_server(info, ServerState::Up).expect("a server");
    }
    if let Some(gpus) = gpu_quota {
        load.scheduler.set_limits(Principal::EachUser, Some(Limits { gpus: Some(gpus), ..Limits::default() }));
    }
    let mut ignored = histogram();
    let fill = Instant::now();
    while load.scheduler.waiting_count() < WAITING as usize {
        let request = load.request();
        load.event(|scheduler| drop(scheduler.submit(request)), &mut ignored);
    }
    let filled_s = fill.elapsed().as_secs_f64();
    let (mut arrivals, mut ends, mut calls) = (histogram(), histogram(), histogram());
    load.calls_max = 0;
    for _ in 0..EVENTS {
        let place = load.numbers.below(load.running.len() as u64) as usize;
        let lease = load.running.swap_remove(place);
        let now_ms = load.next;
        let took = load.event(|scheduler| drop(scheduler.release(lease.id, now_ms)), &mut calls);
        ends.record(took).expect("a histogram that grows");
        while load.scheduler.waiting_count() < WAITING as usize {
            let request = load.request();
            let took = load.event(|scheduler| drop(scheduler.submit(request)), &mut calls);
            arrivals.record(took).expect("a histogram that grows");
        }
    }
    println!(
        "{name}: {} GPUs, {} leases, {} wait; filled in {filled_s:.1} s",
        SERVERS * 8,
        load.running.len(),
        load.scheduler.waiting_count()
    );
    for (what, histogram) in [("a request comes", &arrivals), ("a lease ends", &ends), ("one call", &calls)] {
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        println!(
            "  {what:<16} n {:>7}  p50 {:>7.3} ms  p99 {:>7.3} ms  p99.9 {:>7.3} ms  max {:>7.3} ms",
            histogram.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            histogram.max() as f64 / 1000.0
        );
    }
    println!("  calls of one event at the most: {}", load.calls_max);
}

fn main() {
    let only = std::env::args().nth(1);
    for (number, (name, users, sizes, gpu_quota)) in [
        ("a few shapes, 200 users", 200, 8, None),
        ("many shapes, 1000 users", 1000, 400, None),
        ("many shapes, 1000 users, quota of 8 GPUs each", 1000, 400, Some(8)),
    ]
    .into_iter()
    .enumerate()
    {
        if only.as_ref().is_none_or(|only| *only == (number + 1).to_string()) {
            measure(name, users, sizes, gpu_quota);
        }
    }
}
