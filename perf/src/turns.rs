//! Programs over Ringway beside the same programs directly on the driver, in turn.

use crate::cli::Link;
use crate::pairs::Pairs;
use crate::row::Row;
use crate::samples::Samples;

/// What one run of a program measured: case and samples, the same cases in the same order in every run.
pub type Measured = Vec<(String, Samples)>;

/// Runs `once` on every link and directly, `rounds` times, and once before that to warm up if `warm_up` says so. The floor
/// of a row is the same case run directly in the same round. Direct runs have rows of their own, without a floor.
pub fn beside_direct(
    suite: &str,
    links: &[Link],
    rounds: usize,
    warm_up: bool,
    mut once: impl FnMut(Link) -> Result<Measured, String>,
) -> Result<Vec<Row>, String> {
    let mut order: Vec<Link> = vec![Link::Direct];
    for link in links {
        if !order.contains(link) {
            order.push(*link);
        }
    }
    let mut cases: Vec<String> = Vec::new();
    let mut pairs: Vec<Vec<Pairs>> = vec![Vec::new(); order.len()];
    for round in 0..rounds + usize::from(warm_up) {
        let mut measured: Vec<(usize, Measured)> = Vec::new();
        // Who goes first changes: what a run leaves behind (caches, frequencies) falls on all.
        for place in 0..order.len() {
            let at = (place + round) % order.len();
            measured.push((at, once(order[at])?));
        }
        if warm_up && round == 0 {
            continue;
        }
        measured.sort_by_key(|(at, _)| *at);
        let direct = measured[0].1.clone();
        if cases.is_empty() {
            cases = direct.iter().map(|(case, _)| case.clone()).collect();
            for pairs in &mut pairs {
                pairs.resize(cases.len(), Pairs::new());
            }
        }
        for (at, run) in measured {
            if !run.iter().map(|(case, _)| case).eq(&cases) {
                return Err(format!(
                    "{suite} on {}: not the same cases as in the run before",
                    order[at].name()
                ));
            }
            for (case, (_, samples)) in run.iter().enumerate() {
                let floor_ns = if order[at] == Link::Direct {
                    0.0
                } else {
                    direct[case].1.ns(0.5)
                };
                pairs[at][case].add(samples, floor_ns);
            }
        }
    }
    let mut rows = Vec::new();
    for (link, pairs) in order.iter().zip(&pairs).skip(1).chain(
        // The floor last, below what it is the floor of.
        order.iter().zip(&pairs).take(1),
    ) {
        for (case, pairs) in cases.iter().zip(pairs) {
            rows.push(pairs.row(suite, case).on(link.name()));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::near;
    use std::time::Duration;

    fn of(ns: u64) -> Measured {
        let mut samples = Samples::new();
        samples.once(Duration::from_nanos(ns));
        vec![("x".into(), samples)]
    }

    #[test]
    fn the_floor_is_the_direct_run_of_the_same_round() {
        let (mut order, mut direct, mut remote) = (Vec::new(), 0, 0);
        let rows = beside_direct("app", &[Link::Shm, Link::Direct], 2, true, |link| {
            order.push(link);
            Ok(of(if link == Link::Direct {
                direct += 100;
                direct
            } else {
                remote += 300;
                remote + 300
            }))
        })
        .expect("no run fails");
        // The first round, 100 and 600, warms up; then 200 and 900, 300 and 1200.
        assert_eq!(
            order[..4],
            [Link::Direct, Link::Shm, Link::Shm, Link::Direct]
        );
        assert_eq!(
            (rows[0].link.as_str(), rows[1].link.as_str()),
            ("shm", "direct")
        );
        assert!(near(rows[0].ratio_low, 4.0) && near(rows[0].ratio_high, 4.5));
        assert!(near(rows[0].floor, 300.0));
        assert_eq!(rows[1].floor, None);
    }

    #[test]
    fn other_cases_in_a_later_run_are_an_error() {
        let mut runs = 0;
        let outcome = beside_direct("api", &[Link::Tcp], 1, false, |_| {
            runs += 1;
            Ok(if runs == 1 { of(1) } else { Vec::new() })
        });
        assert!(outcome.is_err());
    }
}
