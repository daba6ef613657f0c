//! Times of one case: a histogram, and the CPU time that they cost.

use crate::row::{Row, round};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Times, kept with three significant digits in picoseconds (a sample may be the mean of a batch of short calls), and
/// the CPU time of the thread or process that took them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Recorded", from = "Recorded")]
pub struct Samples {
    picos: Histogram<u64>,
    cpu: Duration,
    operations: u64,
}

impl Samples {
    /// None yet.
    pub fn new() -> Self {
        Self {
            picos: Histogram::new(3).expect("three digits are valid"),
            cpu: Duration::ZERO,
            operations: 0,
        }
    }

    /// Takes the mean of `calls` calls that took `time` together, less `clock`, the cost of reading the clock.
    pub fn batch(&mut self, time: Duration, calls: u32, clock: Duration) {
        let picos = time.saturating_sub(clock).as_nanos() * 1000 / u128::from(calls.max(1));
        self.picos
            .record(u64::try_from(picos).unwrap_or(u64::MAX >> 1).max(1))
            .expect("the histogram grows");
    }

    /// Takes one time.
    pub fn once(&mut self, time: Duration) {
        self.batch(time, 1, Duration::ZERO);
    }

    /// Takes the CPU time that so many operations cost.
    pub fn cpu(&mut self, time: Duration, operations: u64) {
        self.cpu += time;
        self.operations += operations;
    }

    /// Takes the samples of another measurement as well.
    pub fn add(&mut self, other: &Samples) {
        self.picos.add(&other.picos).expect("the histogram grows");
        self.cpu(other.cpu, other.operations);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.picos.is_empty()
    }

    /// Quantile in nanoseconds.
    pub fn ns(&self, quantile: f64) -> f64 {
        self.picos.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// A row of times.
    pub fn row(&self, suite: &str, case: &str, floor_ns: Option<f64>) -> Row {
        let at = |quantile| round(self.ns(quantile));
        let (floor, p50) = (floor_ns.map(round), at(0.5));
        Row {
            suite: suite.into(),
            case: case.into(),
            unit: "ns".into(),
            p50,
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
            floor,
            ratio: floor
                .filter(|floor| *floor > 0.0)
                .map(|floor| round(p50 / floor)),
            cpu_ns: (self.operations > 0)
                .then(|| round(self.cpu.as_nanos() as f64 / self.operations as f64)),
            ..Row::default()
        }
    }

    /// A row of rates: `bytes` over each time.
    pub fn rate_row(&self, suite: &str, case: &str, bytes: usize, floor_ns: f64) -> Row {
        let rate = |ns: f64| round(bytes as f64 / ns.max(0.001));
        let at = |quantile| rate(self.ns(quantile));
        let (floor, p50) = (rate(floor_ns), at(0.5));
        Row {
            unit: "GB/s".into(),
            p50,
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
            floor: Some(floor),
            ratio: Some(round(p50 / floor)),
            ..self.row(suite, case, None)
        }
    }
}

/// How samples travel from the measuring program to the reporting one.
#[derive(Serialize, Deserialize)]
struct Recorded {
    /// Picoseconds and how many samples there were of them.
    picos: Vec<(u64, u64)>,
    cpu_ns: u64,
    operations: u64,
}

impl From<Samples> for Recorded {
    fn from(samples: Samples) -> Self {
        Self {
            picos: samples
                .picos
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect(),
            cpu_ns: u64::try_from(samples.cpu.as_nanos()).unwrap_or(u64::MAX),
            operations: samples.operations,
        }
    }
}

impl From<Recorded> for Samples {
    fn from(recorded: Recorded) -> Self {
        let mut samples = Self::new();
        for (picos, count) in recorded.picos {
            samples
                .picos
                .record_n(picos.max(1), count)
                .expect("the histogram grows");
        }
        samples.cpu(Duration::from_nanos(recorded.cpu_ns), recorded.operations);
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Samples {
        let mut samples = Samples::new();
        for ns in 1..=1000 {
            samples.batch(Duration::from_nanos(ns * 16), 16, Duration::ZERO);
        }
        samples
    }

    #[test]
    fn times_are_per_call() {
        let row = samples().row("submit", "x", Some(250.0));
        assert!((row.p50 - 500.0).abs() <= 1.0, "{row:?}");
        assert!((row.p99 - 990.0).abs() <= 1.0, "{row:?}");
        assert!((row.max - 1000.0).abs() <= 1.0, "{row:?}");
        assert!((row.ratio.expect("has a floor") - 2.0).abs() < 0.01);
        assert_eq!(row.cpu_ns, None);
    }

    #[test]
    fn the_slow_end_of_a_rate_is_its_p99() {
        let row = samples().rate_row("copy", "x", 1000, 400.0);
        assert!((row.p50 - 2.0).abs() < 0.01, "{row:?}");
        assert!(row.p99 < row.p90 && row.max <= row.p999, "{row:?}");
        assert!((row.max - 1.0).abs() < 0.01, "{row:?}");
        assert!((row.ratio.expect("has a floor") - 0.8).abs() < 0.01);
    }

    #[test]
    fn the_clock_is_taken_off_once_a_batch() {
        let mut samples = Samples::new();
        samples.batch(Duration::from_nanos(180), 16, Duration::from_nanos(20));
        assert!((samples.ns(0.5) - 10.0).abs() < 0.1);
    }

    #[test]
    fn every_quantile_keeps_three_digits() {
        let mut samples = Samples::new();
        for n in 1..=10_000u64 {
            samples.once(Duration::from_micros(n));
        }
        for (quantile, wanted) in [
            (0.5, 5_000e3),
            (0.9, 9_000e3),
            (0.99, 9_900e3),
            (0.999, 9_990e3),
            (1.0, 10_000e3),
        ] {
            let got = samples.ns(quantile);
            assert!((got / wanted - 1.0).abs() < 1e-3, "{quantile}: {got}");
        }
    }

    #[test]
    fn cpu_time_is_per_operation() {
        let mut samples = samples();
        samples.cpu(Duration::from_nanos(3000), 10);
        samples.cpu(Duration::from_nanos(1000), 10);
        assert_eq!(samples.row("call", "x", None).cpu_ns, Some(200.0));
    }

    #[test]
    fn samples_travel_unchanged() {
        let mut sent = samples();
        sent.cpu(Duration::from_nanos(77), 7);
        let text = serde_json::to_string(&sent).expect("serialises");
        let received: Samples = serde_json::from_str(&text).expect("is read");
        assert_eq!(received.picos.len(), 1000);
        assert_eq!(
            received.row("call", "x", Some(3.0)),
            sent.row("call", "x", Some(3.0))
        );
    }
}
