//! What is reported: samples, rows, the table for people.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One line of a report. Every suite uses these fields.
///
/// Every quantile is one of times; where the unit is a rate, it is the size over that time. So p99, p99.9 and max are
/// the slow end whatever the unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `submit`, `call`, `copy`, `idle`, `softgpu` or `rdma`.
    pub suite: String,
    /// What was measured.
    pub case: String,
    /// `shm`, `tcp`, `direct` (the driver without Ringway), or the RDMA devices.
    pub link: String,
    /// `ns`, `GB/s` (10^9 bytes), `us/s` (CPU time in wall time), `KiB`, or `x` (a ratio).
    pub unit: String,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The slowest (or largest) sample.
    pub max: f64,
    /// Median of the floor, measured in turn with the case, in the same unit; null where there is none.
    pub floor: Option<f64>,
    /// p50 over floor.
    pub ratio: Option<f64>,
}

/// Times, kept with three significant digits in picoseconds (a sample may be the mean of a batch of short calls).
pub struct Samples(Histogram<u64>);

impl Samples {
    /// None yet.
    pub fn new() -> Self {
        Self(Histogram::new(3).expect("three digits are valid"))
    }

    /// Takes the mean of `calls` calls that took `time` together, less `clock`, the cost of reading the clock.
    pub fn batch(&mut self, time: Duration, calls: u32, clock: Duration) {
        let picos = time.saturating_sub(clock).as_nanos() * 1000 / u128::from(calls.max(1));
        self.0
            .record(u64::try_from(picos).unwrap_or(u64::MAX >> 1).max(1))
            .expect("the histogram grows");
    }

    /// Takes the samples of another measurement as well.
    pub fn add(&mut self, other: &Samples) {
        self.0.add(&other.0).expect("the histogram grows");
    }

    /// Quantile in nanoseconds.
    pub fn ns(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// A row of times.
    pub fn row(&self, suite: &str, case: &str, floor_ns: Option<f64>) -> Row {
        let at = |quantile| round(self.ns(quantile));
        let (floor, p50) = (floor_ns.map(round), at(0.5));
        Row {
            suite: suite.into(),
            case: case.into(),
            link: String::new(),
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

/// A row of plain values (not times), of which the largest is the worst.
pub fn plain_row(suite: &str, case: &str, unit: &str, mut values: Vec<f64>) -> Option<Row> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |quantile: f64| round(values[(last as f64 * quantile).ceil() as usize]);
    Some(Row {
        suite: suite.into(),
        case: case.into(),
        link: String::new(),
        unit: unit.into(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1.0),
        floor: None,
        ratio: None,
    })
}

/// Four significant digits.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

fn number(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 => 2,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

/// The rows as text in columns.
pub fn table(rows: &[Row]) -> String {
    const HEAD: [&str; 11] = [
        "suite", "case", "link", "unit", "p50", "p90", "p99", "p99.9", "max", "floor", "ratio",
    ];
    let lines: Vec<[String; 11]> = std::iter::once(HEAD.map(String::from))
        .chain(rows.iter().map(|row| {
            let maybe = |value: Option<f64>| value.map_or_else(|| "-".into(), number);
            [
                row.suite.clone(),
                row.case.clone(),
                row.link.clone(),
                row.unit.clone(),
                number(row.p50),
                number(row.p90),
                number(row.p99),
                number(row.p999),
                number(row.max),
                maybe(row.floor),
                maybe(row.ratio),
            ]
        }))
        .collect();
    let width: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].len())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            if column > 0 {
                text.push_str("  ");
            }
            if column < 4 {
                text.push_str(&format!("{cell:<w$}", w = width[column]));
            } else {
                text.push_str(&format!("{cell:>w$}", w = width[column]));
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
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
    fn json_has_exactly_the_agreed_fields() {
        let row = plain_row("idle", "x", "KiB", vec![3.0, 1.0, 2.0]).expect("values");
        let value = serde_json::to_value(&row).expect("serialises");
        let mut names: Vec<&String> = value.as_object().expect("an object").keys().collect();
        names.sort();
        assert_eq!(
            names,
            [
                "case", "floor", "link", "max", "p50", "p90", "p99", "p999", "ratio", "suite",
                "unit"
            ]
        );
        assert_eq!(value["p50"], 2.0);
        assert!(value["floor"].is_null());
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            samples().row("submit", "a case", None),
            samples().row("call", "b", Some(3.0)),
        ];
        let text = table(&rows);
        let ends: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(ends[0], ends[1]);
        assert_eq!(ends[1], ends[2]);
    }
}
