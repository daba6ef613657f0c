//! A case and its floor, measured in turn, and the spread of their ratio.

use crate::row::{Row, round};
use crate::samples::Samples;

/// Pairs of measurements.
#[derive(Debug, Clone)]
pub struct Pairs {
    samples: Samples,
    floors_ns: Vec<f64>,
    /// Time of the case over time of the floor, of each pair.
    ratios: Vec<f64>,
}

impl Pairs {
    /// None yet.
    pub fn new() -> Self {
        Self {
            samples: Samples::new(),
            floors_ns: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Takes what was measured in one turn, and the median of the floor of the same turn.
    pub fn add(&mut self, ours: &Samples, floor_ns: f64) {
        self.samples.add(ours);
        if floor_ns > 0.0 && !ours.is_empty() {
            self.floors_ns.push(floor_ns);
            self.ratios.push(ours.ns(0.5) / floor_ns);
        }
    }

    /// A row of times.
    pub fn row(&self, suite: &str, case: &str) -> Row {
        spread_into(
            self.samples.row(suite, case, median(&self.floors_ns)),
            self.ratios.clone(),
        )
    }

    /// A row of rates: `bytes` over each time. Its ratio is one of rates too.
    pub fn rate_row(&self, suite: &str, case: &str, bytes: usize) -> Row {
        let floor_ns = median(&self.floors_ns).unwrap_or(f64::NAN);
        spread_into(
            self.samples.rate_row(suite, case, bytes, floor_ns),
            self.ratios.iter().map(|ratio| 1.0 / ratio).collect(),
        )
    }
}

/// Adds the spread of the pairs' ratios to a row.
pub fn spread_into(row: Row, ratios: Vec<f64>) -> Row {
    let spread = spread(ratios);
    Row {
        ratio_low: spread.map(|(low, _)| round(low)),
        ratio_high: spread.map(|(_, high)| round(high)),
        ..row
    }
}

/// The quartiles, or the least and the greatest of two or three; one value has no spread.
pub fn spread(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1).filter(|last| *last > 0)?;
    let (low, high) = if last < 3 {
        (0, last)
    } else {
        (last / 4, last - last / 4)
    };
    Some((values[low], values[high]))
}

/// The middle value (of an even number the upper one of two).
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::near;
    use std::time::Duration;

    fn of(ns: u64) -> Samples {
        let mut samples = Samples::new();
        samples.once(Duration::from_nanos(ns));
        samples
    }

    #[test]
    fn the_spread_is_that_of_the_pairs_ratios() {
        let mut pairs = Pairs::new();
        for (ours, floor) in [
            (300, 100.0),
            (200, 100.0),
            (800, 200.0),
            (100, 100.0),
            (1000, 200.0),
        ] {
            pairs.add(&of(ours), floor);
        }
        let row = pairs.row("call", "x");
        assert_eq!(row.floor, Some(100.0));
        // The ratios are 1, 2, 3, 4, 5.
        assert!(
            near(row.ratio_low, 2.0) && near(row.ratio_high, 4.0),
            "{row:?}"
        );
    }

    #[test]
    fn ratios_of_rates_are_upside_down() {
        let mut pairs = Pairs::new();
        pairs.add(&of(200), 100.0);
        pairs.add(&of(400), 100.0);
        let row = pairs.rate_row("copy", "x", 1000);
        assert!(
            near(row.ratio_low, 0.25) && near(row.ratio_high, 0.5),
            "{row:?}"
        );
        assert_eq!(row.floor, Some(10.0));
    }

    #[test]
    fn a_spread_takes_two() {
        assert_eq!(spread(vec![]), None);
        assert_eq!(spread(vec![2.0]), None);
        assert_eq!(spread(vec![3.0, 1.0]), Some((1.0, 3.0)));
        assert_eq!(spread(vec![4.0, 1.0, 3.0, 2.0]), Some((1.0, 4.0)));
        assert_eq!(spread((0..9).map(f64::from).collect()), Some((2.0, 6.0)));
    }

    #[test]
    fn a_floor_of_nothing_gives_no_ratio() {
        let mut pairs = Pairs::new();
        pairs.add(&of(100), 0.0);
        let row = pairs.row("call", "x");
        assert_eq!((row.floor, row.ratio, row.ratio_low), (None, None, None));
    }
}
