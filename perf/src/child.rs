//! What runs as a CUDA program: one suite on the driver that the loader finds, each case in turn with its floor.

use crate::driver::{DeviceMemory, Driver};
use crate::floors::{self, Sockets};
use crate::idle;
use crate::rdma;
use crate::row::{Row, Samples};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Case and floor are measured in turn, so often.
const ROUNDS: usize = 10;
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

/// Runs a suite. `tcp`: floors are those of a socket; `rdma`: those of the device that leads to this address.
/// `full`: every case, more samples.
pub fn run(suite: Suite, tcp: bool, rdma: Option<IpAddr>, full: bool) -> Result<Report> {
    let before = idle::Usage::of_self();
    let driver = Driver::open()?;
    let bench = Bench {
        driver: &driver,
        tcp,
        rdma: rdma.map(rdma::Floor::towards).transpose()?,
        full,
        clock: floors::clock(),
    };
    let rows = match suite {
        Suite::Submit => bench.submit()?,
        Suite::Call => bench.call()?,
        Suite::Copy => bench.copy()?,
        Suite::Idle => {
            driver.synchronize()?;
            idle::rows(&before, if full { 8 } else { 4 })
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
    full: bool,
    clock: Duration,
}

impl Bench<'_> {
    /// Times `call` alone, after a pause if there is one.
    fn time(
        &self,
        samples: usize,
        pause: Duration,
        into: &mut Samples,
        mut call: impl FnMut() -> std::result::Result<(), crate::driver::Failed>,
    ) -> Result<()> {
        for _ in 0..samples {
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            let start = Instant::now();
            call()?;
            into.batch(start.elapsed(), 1, self.clock);
        }
        Ok(())
    }

    /// The floor of a posted call is one way of a cache line from core to core: half a round trip.
    fn submit(&self) -> Result<Vec<Row>> {
        let driver = self.driver;
        let kernels = [driver.kernel(0)?, driver.kernel(4)?, driver.kernel(16)?];
        let record = driver.event_recorder()?;
        let mut rows = Vec::new();
        let bursts = if self.full { 60 } else { 20 };
        let mut burst_case = |name: &str,
                              call: &dyn Fn() -> std::result::Result<(), crate::driver::Failed>|
         -> Result<()> {
            let (mut samples, mut floor) = (Samples::new(), Samples::new());
            for round in 0..=ROUNDS {
                floors::line_round_trip(100, &mut floor);
                for _ in 0..bursts {
                    // What the burst before left is done; the server has just answered and still looks at the ring.
                    driver.synchronize()?;
                    for _ in 0..BURST / BATCH as usize {
                        let start = Instant::now();
                        for _ in 0..BATCH {
                            call()?;
                        }
                        let time = start.elapsed();
                        // The first round warms up.
                        if round > 0 {
                            samples.batch(time, BATCH, self.clock);
                        }
                    }
                }
            }
            driver.synchronize()?;
            rows.push(samples.row("submit", name, Some(floor.ns(0.5) / 2.0)));
            Ok(())
        };
        for (kernel, params) in kernels.iter().zip([0, 4, 16]) {
            burst_case(&format!("launch, {params} parameters"), &|| {
                driver.launch(kernel)
            })?;
        }
        burst_case("event record", &record)?;
        // One launch after a pause: the server sleeps and must be woken.
        let (mut samples, mut floor) = (Samples::new(), Samples::new());
        for _ in 0..ROUNDS {
            floors::line_round_trip(50, &mut floor);
            self.time(
                if self.full { 50 } else { 20 },
                ASLEEP,
                &mut samples,
                || driver.launch(&kernels[1]),
            )?;
            driver.synchronize()?;
        }
        rows.push(samples.row("submit", "launch, server asleep", Some(floor.ns(0.5) / 2.0)));
        Ok(rows)
    }

    fn call(&self) -> Result<Vec<Row>> {
        let driver = self.driver;
        let synchronize = || driver.synchronize();
        let info = || driver.memory_info().map(drop);
        let query = || driver.query().map(drop);
        let mut rows = Vec::new();
        let mut sockets = Sockets::connect()?;
        let each = if self.full { 2000 } else { 1000 };
        let cases: [(
            &str,
            &dyn Fn() -> std::result::Result<(), crate::driver::Failed>,
        ); 3] = [
            ("stream synchronize, idle stream", &synchronize),
            ("memory info", &info),
            ("stream query", &query),
        ];
        for (name, call) in cases {
            let (mut samples, mut floor) = (Samples::new(), Samples::new());
            for _ in 0..ROUNDS {
                if let Some(rdma) = &self.rdma {
                    rdma.round_trips(each / 2, Duration::ZERO, &mut floor)?;
                } else if self.tcp {
                    sockets.round_trips(0, 0, each / 2, true, Duration::ZERO, &mut floor)?;
                } else {
                    floors::line_round_trip(100, &mut floor);
                }
                // The ends were asleep meanwhile.
                self.time(50, Duration::ZERO, &mut Samples::new(), call)?;
                self.time(each, Duration::ZERO, &mut samples, call)?;
            }
            rows.push(samples.row("call", name, Some(floor.ns(0.5))));
        }
        let (mut samples, mut floor) = (Samples::new(), Samples::new());
        let each = if self.full { 60 } else { 25 };
        for _ in 0..ROUNDS {
            if let Some(rdma) = &self.rdma {
                rdma.round_trips(each, ASLEEP, &mut floor)?;
            } else if self.tcp {
                sockets.round_trips(0, 0, each, false, ASLEEP, &mut floor)?;
            } else {
                floors::futex_round_trip(each, ASLEEP, &mut floor);
            }
            self.time(each, ASLEEP, &mut samples, synchronize)?;
        }
        rows.push(samples.row(
            "call",
            "stream synchronize, both asleep",
            Some(floor.ns(0.5)),
        ));
        Ok(rows)
    }

    fn copy(&self) -> Result<Vec<Row>> {
        let sizes: &[usize] = if self.full {
            &[
                1,
                256,
                4 << 10,
                64 << 10,
                1 << 20,
                16 << 20,
                64 << 20,
                256 << 20,
            ]
        } else {
            &[4 << 10, 1 << 20, 64 << 20]
        };
        let mut sockets = Sockets::connect()?;
        let mut rows = Vec::new();
        for &bytes in sizes {
            let device = self.driver.device_memory(bytes)?;
            let mut pageable = vec![1u8; bytes];
            for up in [true, false] {
                rows.push(self.copy_case(
                    bytes,
                    up,
                    false,
                    &device,
                    &mut pageable,
                    &mut sockets,
                )?);
            }
            let mut pinned = self.driver.pinned_memory(bytes)?;
            pinned.bytes().fill(1);
            for up in [true, false] {
                rows.push(self.copy_case(
                    bytes,
                    up,
                    true,
                    &device,
                    pinned.bytes(),
                    &mut sockets,
                )?);
            }
        }
        Ok(rows)
    }

    /// The floor of a short copy is a round trip and, on one host, a memcpy; of a bulk copy the memcpy or the stream
    /// through a socket, or by RDMA, (with its acknowledgement) alone.
    fn copy_case(
        &self,
        bytes: usize,
        up: bool,
        pinned: bool,
        device: &DeviceMemory<'_>,
        host: &mut [u8],
        sockets: &mut Sockets,
    ) -> Result<Row> {
        let bulk = bytes >= BULK_BYTES_MIN;
        let budget = if self.full { 1 << 30 } else { 512 << 20 };
        let each = (budget / bytes.max(1) / ROUNDS).clamp(2, 200);
        let mut other = vec![0u8; bytes];
        let (mut samples, mut lines, mut copies) = (Samples::new(), Samples::new(), Samples::new());
        let mut streams = Samples::new();
        for round in 0..=ROUNDS {
            if let Some(rdma) = &self.rdma {
                rdma.stream(bytes, each, &mut streams)?;
            } else if self.tcp {
                let (there, back) = if up { (bytes, 0) } else { (0, bytes) };
                sockets.round_trips(there, back, each, true, Duration::ZERO, &mut streams)?;
            } else {
                if !bulk {
                    floors::line_round_trip(50, &mut lines);
                }
                floors::memcpy(host, &mut other, each, &mut copies);
            }
            let mut warm_up = Samples::new();
            let into = if round == 0 {
                &mut warm_up
            } else {
                &mut samples
            };
            self.time(each, Duration::ZERO, into, || {
                if up {
                    self.driver.upload(device, host, pinned)
                } else {
                    self.driver.download(host, device, pinned)
                }
            })?;
        }
        let name = format!(
            "{} {}, {}",
            if up { "to device" } else { "to host" },
            size(bytes),
            if pinned { "pinned" } else { "pageable" }
        );
        let floor = match (self.tcp || self.rdma.is_some(), bulk) {
            (true, _) => streams.ns(0.5),
            (false, true) => copies.ns(0.5),
            (false, false) => lines.ns(0.5) + copies.ns(0.5),
        };
        Ok(if bulk {
            samples.rate_row("copy", &name, bytes, floor)
        } else {
            samples.row("copy", &name, Some(floor))
        })
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
