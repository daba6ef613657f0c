//! The suites submit, call, copy and idle: one CUDA program for each suite and link, each case in turn with its floor.

use crate::child::Result;
use crate::cli::{Cli, Effort, Link};
use crate::clock;
use crate::driver::{DeviceMemory, Driver, Failed};
use crate::floors::{self, Sockets};
use crate::idle;
use crate::pairs::Pairs;
use crate::progress;
use crate::rdma;
use crate::remote::{Runner, Running};
use crate::row::Row;
use crate::samples::Samples;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// One suite on one link takes seconds; this is for one that hangs.
const SUITE_TIMEOUT: Duration = Duration::from_secs(300);
/// A pause after which both ends of a link have gone to sleep.
const ASLEEP: Duration = Duration::from_millis(2);
/// Launches in a burst: a small part of what the ring holds, so that none waits for space.
const BURST: usize = 256;
/// Launches between two looks at the clock.
const BATCH: u32 = 16;
/// Copies of at least this size are reported as rates, shorter ones as times.
pub const BULK_BYTES_MIN: usize = 64 << 10;

/// A group of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// Calls that are posted.
    Submit,
    /// Calls that wait.
    Call,
    /// Copies.
    Copy,
    /// A session that does nothing.
    Idle,
}

impl Suite {
    /// All of them, in the order of reporting.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Call, Self::Copy, Self::Idle];

    /// As in a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Call => "call",
            Self::Copy => "copy",
            Self::Idle => "idle",
        }
    }
}

/// What a child tells its parent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// CUDA version of the driver.
    pub cuda: String,
    /// The first device.
    pub device: String,
    /// Cost of reading the clock in nanoseconds (taken off each batch).
    pub clock_ns: f64,
    /// The rows, without their link.
    pub rows: Vec<Row>,
}

/// Runs suites on every link, each as a program of its own.
pub fn measure(
    cli: &Cli,
    suites: &[Suite],
    effort: Effort,
) -> std::result::Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    if suites.is_empty() {
        return Ok(rows);
    }
    let runner = Runner::new(cli)?;
    let mut told = false;
    for suite in suites {
        for link in &cli.link {
            let name = format!("{} on {}", suite.name(), link.name());
            progress::say(&name);
            let address;
            let mut task = vec!["bench", suite.name(), "--effort", effort.name()];
            match link {
                Link::Tcp => task.push("--sockets"),
                Link::Rdma => {
                    address = runner.address()?;
                    task.extend(["--rdma", &address]);
                }
                Link::Shm | Link::Direct => {}
            }
            let mut command = runner.command(*link, None, &[], &task)?;
            command.stdin(Stdio::null());
            let text = Running::start(command, &name)?.output(SUITE_TIMEOUT)?;
            let report: Report = serde_json::from_str(&text)
                .map_err(|error| format!("{name}: its report is unreadable: {error}"))?;
            if !told {
                progress::done();
                println!(
                    "driver {} (CUDA {}) on {}; reading the clock {} ns\n",
                    cli.driver, report.cuda, report.device, report.clock_ns
                );
                told = true;
            }
            rows.extend(report.rows.into_iter().map(|row| row.on(link.name())));
        }
    }
    Ok(rows)
}

/// Runs a suite, as a CUDA program. `tcp`: floors are those of a socket; `rdma`: those of the device that leads to this
/// address.
pub fn run(suite: Suite, tcp: bool, rdma: Option<IpAddr>, effort: Effort) -> Result<Report> {
    let before = idle::Usage::of_self();
    let driver = Driver::open()?;
    let bench = Bench {
        driver: &driver,
        tcp,
        rdma: rdma.map(rdma::Floor::towards).transpose()?,
        effort,
        rounds: effort.pick(2, 10, 10),
        clock: floors::clock(),
    };
    let rows = match suite {
        Suite::Submit => bench.submit()?,
        Suite::Call => bench.call()?,
        Suite::Copy => bench.copy()?,
        Suite::Idle => {
            driver.synchronize()?;
            idle::rows(&before, effort.pick(1, 4, 8))
        }
    };
    let (cuda, device) = driver.describe()?;
    Ok(Report {
        cuda,
        device,
        clock_ns: bench.clock.as_nanos() as f64,
        rows,
    })
}

struct Bench<'a> {
    driver: &'a Driver,
    tcp: bool,
    rdma: Option<rdma::Floor>,
    effort: Effort,
    /// Case and floor are measured in turn, so often.
    rounds: usize,
    clock: Duration,
}

type Call<'a> = &'a dyn Fn() -> std::result::Result<(), Failed>;

impl Bench<'_> {
    /// Times `call` alone, after a pause if there is one, and the CPU time of this thread in the calls.
    fn time(
        &self,
        samples: usize,
        pause: Duration,
        mut call: impl FnMut() -> std::result::Result<(), Failed>,
    ) -> Result<Samples> {
        let mut into = Samples::new();
        let all = clock::thread_cpu();
        for _ in 0..samples {
            let mut cpu = Duration::ZERO;
            if !pause.is_zero() {
                thread::sleep(pause);
                cpu = clock::thread_cpu();
            }
            let start = Instant::now();
            call()?;
            into.batch(start.elapsed(), 1, self.clock);
            if !pause.is_zero() {
                into.cpu(clock::thread_cpu() - cpu, 1);
            }
        }
        if pause.is_zero() {
            into.cpu(clock::thread_cpu() - all, samples as u64);
        }
        Ok(into)
    }

    /// The floor of a cache line. While other programs keep the cores busy, each round trip may take as long as they are
    /// let run, so a test takes few.
    fn line_round_trip(&self, samples: usize, into: &mut Samples) {
        floors::line_round_trip(self.effort.pick(2, samples, samples), into);
    }

    /// The floor of a posted call is one way of a cache line from core to core: half a round trip.
    fn submit(&self) -> Result<Vec<Row>> {
        let driver = self.driver;
        let kernels = [driver.kernel(0)?, driver.kernel(4)?, driver.kernel(16)?];
        let record = driver.event_recorder()?;
        let mut rows = Vec::new();
        for (kernel, params) in kernels.iter().zip([0, 4, 16]) {
            rows.push(self.burst(&format!("launch, {params} parameters"), &|| {
                driver.launch(kernel)
            })?);
        }
        rows.push(self.burst("event record", &record)?);
        // One launch after a pause: the server sleeps and must be woken.
        let mut pairs = Pairs::new();
        for _ in 0..self.rounds {
            let mut floor = Samples::new();
            self.line_round_trip(50, &mut floor);
            let ours = self.time(self.effort.pick(3, 20, 50), ASLEEP, || {
                driver.launch(&kernels[1])
            })?;
            pairs.add(&ours, floor.ns(0.5) / 2.0);
            driver.synchronize()?;
        }
        rows.push(pairs.row("submit", "launch, server asleep"));
        Ok(rows)
    }

    /// A posted call, as many as a small part of the ring holds at once.
    fn burst(&self, name: &str, call: Call<'_>) -> Result<Row> {
        let mut pairs = Pairs::new();
        for round in 0..=self.rounds {
            let (mut ours, mut floor) = (Samples::new(), Samples::new());
            self.line_round_trip(100, &mut floor);
            for _ in 0..self.effort.pick(2, 20, 60) {
                // What the burst before left is done; the server has just answered and still looks at the ring.
                self.driver.synchronize()?;
                let cpu = clock::thread_cpu();
                for _ in 0..BURST / BATCH as usize {
                    let start = Instant::now();
                    for _ in 0..BATCH {
                        call()?;
                    }
                    ours.batch(start.elapsed(), BATCH, self.clock);
                }
                ours.cpu(clock::thread_cpu() - cpu, BURST as u64);
            }
            // The first round warms up.
            if round > 0 {
                pairs.add(&ours, floor.ns(0.5) / 2.0);
            }
        }
        self.driver.synchronize()?;
        Ok(pairs.row("submit", name))
    }

    fn call(&self) -> Result<Vec<Row>> {
        let driver = self.driver;
        // A stream that was waited for already is answered without the server; a context never is.
        let synchronize = || driver.synchronize_all();
        let info = || driver.memory_info().map(drop);
        let query = || driver.query().map(drop);
        let mut rows = Vec::new();
        let mut sockets = Sockets::connect()?;
        let each = self.effort.pick(10, 1000, 2000);
        let cases: [(&str, Call<'_>); 3] = [
            ("context synchronize, idle", &synchronize),
            ("memory info", &info),
            ("stream query", &query),
        ];
        for (name, call) in cases {
            let mut pairs = Pairs::new();
            for _ in 0..self.rounds {
                let mut floor = Samples::new();
                if let Some(rdma) = &self.rdma {
                    rdma.round_trips(each / 2, Duration::ZERO, &mut floor)?;
                } else if self.tcp {
                    sockets.round_trips(0, 0, each / 2, true, Duration::ZERO, &mut floor)?;
                } else {
                    self.line_round_trip(100, &mut floor);
                }
                // The ends were asleep meanwhile.
                self.time(self.effort.pick(5, 50, 50), Duration::ZERO, call)?;
                pairs.add(&self.time(each, Duration::ZERO, call)?, floor.ns(0.5));
            }
            rows.push(pairs.row("call", name));
        }
        let mut pairs = Pairs::new();
        let each = self.effort.pick(3, 25, 60);
        for _ in 0..self.rounds {
            let mut floor = Samples::new();
            if let Some(rdma) = &self.rdma {
                rdma.round_trips(each, ASLEEP, &mut floor)?;
            } else if self.tcp {
                sockets.round_trips(0, 0, each, false, ASLEEP, &mut floor)?;
            } else {
                floors::futex_round_trip(each, ASLEEP, &mut floor);
            }
            pairs.add(&self.time(each, ASLEEP, synchronize)?, floor.ns(0.5));
        }
        rows.push(pairs.row("call", "context synchronize, both asleep"));
        Ok(rows)
    }

    fn copy(&self) -> Result<Vec<Row>> {
        let sizes: &[usize] = self.effort.pick(
            &[4 << 10, 1 << 20],
            &[4 << 10, 1 << 20, 64 << 20],
            &[
                1,
                256,
                4 << 10,
                64 << 10,
                1 << 20,
                16 << 20,
                64 << 20,
                256 << 20,
            ],
        );
        let mut sockets = Sockets::connect()?;
        let mut rows = Vec::new();
        for &bytes in sizes {
            let device = self.driver.device_memory(bytes)?;
            let mut pageable = vec![1u8; bytes];
            for up in [true, false] {
                rows.extend(self.copy_case(up, false, &device, &mut pageable, &mut sockets)?);
            }
            let mut pinned = self.driver.pinned_memory(bytes)?;
            pinned.bytes().fill(1);
            for up in [true, false] {
                rows.extend(self.copy_case(up, true, &device, pinned.bytes(), &mut sockets)?);
            }
        }
        Ok(rows)
    }

    /// The floor of a short copy is a round trip and, on one host, a memcpy; of a bulk copy the memcpy or the stream
    /// through a socket, or by RDMA, (with its acknowledgement) alone. A bulk copy over a socket is held against a second floor,
    /// too: the software GPU has no engine that copies, so that one of the two processors does it besides.
    fn copy_case(
        &self,
        up: bool,
        pinned: bool,
        device: &DeviceMemory<'_>,
        host: &mut [u8],
        sockets: &mut Sockets,
    ) -> Result<Vec<Row>> {
        let bytes = host.len();
        let bulk = bytes >= BULK_BYTES_MIN;
        let budget: usize = self.effort.pick(1 << 20, 512 << 20, 1 << 30);
        let each = (budget / bytes.max(1) / self.rounds).clamp(2, self.effort.pick(5, 200, 200));
        let mut other = vec![0u8; bytes];
        let (mut pairs, mut beside_copy) = (Pairs::new(), Pairs::new());
        for round in 0..=self.rounds {
            let (mut lines, mut copies) = (Samples::new(), Samples::new());
            let (mut streams, mut copied) = (Samples::new(), Samples::new());
            let floor_ns = if let Some(rdma) = &self.rdma {
                rdma.stream(bytes, each, &mut streams)?;
                streams.ns(0.5)
            } else if self.tcp {
                let (there, back) = if up { (bytes, 0) } else { (0, bytes) };
                sockets.streams(there, back, each, false, &mut streams)?;
                if bulk && pinned {
                    sockets.streams(there, back, each, true, &mut copied)?;
                }
                streams.ns(0.5)
            } else {
                floors::memcpy(host, &mut other, each, &mut copies);
                if bulk {
                    copies.ns(0.5)
                } else {
                    self.line_round_trip(50, &mut lines);
                    lines.ns(0.5) + copies.ns(0.5)
                }
            };
            let ours = self.time(each, Duration::ZERO, || {
                if up {
                    self.driver.upload(device, host, pinned)
                } else {
                    self.driver.download(host, device, pinned)
                }
            })?;
            // The first round warms up.
            if round > 0 {
                pairs.add(&ours, floor_ns);
                if !copied.is_empty() {
                    beside_copy.add(&ours, copied.ns(0.5));
                }
            }
        }
        let name = format!(
            "{} {}, {}",
            if up { "to device" } else { "to host" },
            size(bytes),
            if pinned { "pinned" } else { "pageable" }
        );
        if !bulk {
            return Ok(vec![pairs.row("copy", &name)]);
        }
        let mut rows = vec![pairs.rate_row("copy", &name, bytes)];
        if self.tcp && pinned {
            rows.push(beside_copy.rate_row("copy", &format!("{name}; socket and a copy"), bytes));
        }
        Ok(rows)
    }
}

/// A size for people.
pub fn size(bytes: usize) -> String {
    match bytes {
        b if b >= 1 << 20 => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}
