//! How long the decisions of a large pool take: 10,000 GPUs, all in use, and 100,000 requests that wait.
//!
//!     cargo run --release -p ringway-pool --example scheduler_load [1|2|3]
//!
//! Both the time that passed and the time on the processor are told: on a machine that is busy with something else only the latter
//! says what a decision costs.
//!
//! A decision is what one event takes: a request that comes, or a lease that ends, until all that follows from it is granted.

use hdrhistogram::Histogram;
use ringway_pool::scheduler::{GpuInfo, Lease, Limits, Placement, Principal, Request, Scheduler, ServerInfo, ServerState};
use ringway_wire::control::MemoryAsk;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SERVERS: usize = 1250;
const WAITING: u64 = 100_000;
const EVENTS: u64 = 5_000;

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Time that this thread has had on a processor.
fn on_processor() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an out parameter of the right type; the clock is this thread's own.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Durations of one kind of event, in microseconds: passed, and on the processor.
struct Durations {
    passed: Histogram<u64>,
    on_processor: Histogram<u64>,
}

impl Durations {
    fn new() -> Self {
        let new = || Histogram::new(3).expect("a histogram");
        Self { passed: new(), on_processor: new() }
    }

    fn record(&mut self, since: (Instant, Duration)) {
        let on_processor = on_processor() - since.1;
        self.passed.record(since.0.elapsed().as_micros() as u64).expect("a histogram that grows");
        self.on_processor.record(on_processor.as_micros() as u64).expect("a histogram that grows");
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
            token: String::new(),
        }
    }

    /// Decides all that there is to decide.
    fn event(&mut self, change: impl FnOnce(&mut Scheduler), whole: &mut Durations, longest_call: &mut Durations) {
        let begin = (Instant::now(), on_processor());
        change(&mut self.scheduler);
        let mut call = begin;
        let mut calls = 0;
        loop {
            let decision = self.scheduler.decide(self.next);
            calls += 1;
            longest_call.record(call);
            self.running.extend(decision.granted);
            if !decision.more {
                self.calls_max = self.calls_max.max(calls);
                return whole.record(begin);
            }
            call = (Instant::now(), on_processor());
        }
    }
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
    let mut ignored = (Durations::new(), Durations::new());
    let fill = Instant::now();
    while load.scheduler.waiting_count() < WAITING as usize {
        let request = load.request();
        load.event(|scheduler| drop(scheduler.submit(request)), &mut ignored.0, &mut ignored.1);
    }
    let filled_s = fill.elapsed().as_secs_f64();
    let (mut arrivals, mut ends, mut calls) = (Durations::new(), Durations::new(), Durations::new());
    load.calls_max = 0;
    for _ in 0..EVENTS {
        let place = load.numbers.below(load.running.len() as u64) as usize;
        let lease = load.running.swap_remove(place);
        let now_ms = load.next;
        load.event(|scheduler| drop(scheduler.release(lease.id, now_ms)), &mut ends, &mut calls);
        while load.scheduler.waiting_count() < WAITING as usize {
            let request = load.request();
            load.event(|scheduler| drop(scheduler.submit(request)), &mut arrivals, &mut calls);
        }
    }
    println!(
        "{name}: {} GPUs, {} leases, {} wait; filled in {filled_s:.1} s",
        SERVERS * 8,
        load.running.len(),
        load.scheduler.waiting_count()
    );
    for (what, durations) in [("a request comes", &arrivals), ("a lease ends", &ends), ("one call", &calls)] {
        for (kind, histogram) in [("passed", &durations.passed), ("on the processor", &durations.on_processor)] {
            let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
            println!(
                "  {what:<16} {kind:<16} n {:>7}  p50 {:>7.3} ms  p99 {:>7.3} ms  p99.9 {:>7.3} ms  max {:>7.3} ms",
                histogram.len(),
                at(0.5),
                at(0.99),
                at(0.999),
                histogram.max() as f64 / 1000.0
            );
        }
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
