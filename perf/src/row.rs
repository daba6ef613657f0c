//! What is reported: one row a case.

use serde::{Deserialize, Serialize};

/// One line of a report. Every suite uses these fields.
///
/// Every quantile is one of times; where the unit is a rate, it is the size over that time. So p99, p99.9 and max are
/// the slow end whatever the unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `submit`, `call`, `copy`, `idle`, `start`, `app`, `networks`, `scale`, `gpus`, `servers`, `api`, `instructions`, `softgpu` or `rdma`.
    pub suite: String,
    /// What was measured.
    pub case: String,
    /// `shm`, `tcp`, `rdma`, `direct` (the driver without Ringway), an emulated network, the way between two servers, or the RDMA devices.
    pub link: String,
    /// `ns`, `GB/s` (10^9 bytes), `us/s` (CPU time in wall time), `KiB`, `calls`, `calls/s`, `instr` (instructions), or `x` (a ratio).
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
    /// Spread of the ratio over the pairs of case and floor that were measured in turn: the lower quartile; of fewer than
    /// four pairs the least. Null where there was one pair or none.
    #[serde(default)]
    pub ratio_low: Option<f64>,
    /// The upper quartile; of fewer than four pairs the greatest.
    #[serde(default)]
    pub ratio_high: Option<f64>,
    /// CPU time of the measured thread (suites start and app: process) for each operation, in nanoseconds.
    #[serde(default)]
    pub cpu_ns: Option<f64>,
}

impl Row {
    /// The same, measured on this link.
    pub fn on(self, link: &str) -> Self {
        Self {
            link: link.into(),
            ..self
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
        unit: unit.into(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1.0),
        ..Row::default()
    })
}

/// Four significant digits.
pub fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// Whether a number of a row is what is wanted, to the three digits that histograms keep.
#[cfg(test)]
pub fn near(value: Option<f64>, wanted: f64) -> bool {
    value.is_some_and(|value| (value / wanted - 1.0).abs() < 2e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_exactly_the_agreed_fields() {
        let row = plain_row("idle", "x", "KiB", vec![3.0, 1.0, 2.0]).expect("values");
        let value = serde_json::to_value(&row).expect("serialises");
        let mut names: Vec<&String> = value.as_object().expect("an object").keys().collect();
        names.sort();
        assert_eq!(
            names,
            [
                "case",
                "cpu_ns",
                "floor",
                "link",
                "max",
                "p50",
                "p90",
                "p99",
                "p999",
                "ratio",
                "ratio_high",
                "ratio_low",
                "suite",
                "unit"
            ]
        );
        assert_eq!(value["p50"], 2.0);
        assert!(value["floor"].is_null());
    }

    #[test]
    fn rows_of_before_are_read() {
        let old = r#"{"suite":"call","case":"x","link":"shm","unit":"ns","p50":1.0,"p90":1.0,"p99":1.0,"p999":1.0,
            "max":1.0,"floor":null,"ratio":null}"#;
        let row: Row = serde_json::from_str(old).expect("is read");
        assert_eq!((row.ratio_low, row.cpu_ns), (None, None));
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(round(123_456.0), 123_500.0);
        assert_eq!(round(0.012_345_6), 0.012_35);
        assert_eq!(round(0.0), 0.0);
    }
}
