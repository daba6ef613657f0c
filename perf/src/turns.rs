//! Programs over Ringway beside the same programs directly on the driver, in turn.

use crate::cli::Link;
use crate::pairs::Pairs;
use crate::row::Row;
use crate::samples::Samples;

/// What one run of a program measured: case and samples.
pub type Measured = Vec<(String, Samples)>;

/// Runs `once` on every link and directly, `rounds` times, and once before that to warm up if `warm_up` says so.
///
/// The floor of a row is the same case run directly in the same round; what is not measured everywhere has no row. Direct
/// runs have rows of their own, without a floor.
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
        if cases.is_empty() {
            cases = common(&measured);
            for pairs in &mut pairs {
                pairs.resize(cases.len(), Pairs::new());
            }
        }
        for (index, case) in cases.iter().enumerate() {
            let floor_ns = of(&measured[0].1, case).map(|samples| samples.ns(0.5));
            for (at, run) in &measured {
                let samples = of(run, case).zip(floor_ns).ok_or_else(|| {
                    format!("{suite} on {}: no {case} this time", order[*at].name())
                })?;
                let floor_ns = match order[*at] {
                    Link::Direct => 0.0,
                    _ => samples.1,
                };
                pairs[*at][index].add(samples.0, floor_ns);
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

fn of<'a>(run: &'a Measured, case: &str) -> Option<&'a Samples> {
    run.iter()
        .find(|(name, _)| name == case)
        .map(|(_, samples)| samples)
}

/// The cases that every run has, in the order of the first.
fn common(runs: &[(usize, Measured)]) -> Vec<String> {
    let first = runs.first().map(|(_, run)| run.as_slice());
    first
        .unwrap_or_default()
        .iter()
        .map(|(case, _)| case.clone())
        .filter(|case| runs.iter().all(|(_, run)| of(run, case).is_some()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::near;
    use std::time::Duration;

    fn x(ns: u64) -> Measured {
        let mut samples = Samples::new();
        samples.once(Duration::from_nanos(ns));
        vec![("x".into(), samples)]
    }

    #[test]
    fn the_floor_is_the_direct_run_of_the_same_round() {
        let (mut order, mut direct, mut remote) = (Vec::new(), 0, 0);
        let rows = beside_direct("app", &[Link::Shm, Link::Direct], 2, true, |link| {
            order.push(link);
            Ok(x(if link == Link::Direct {
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
    fn a_case_that_one_link_lacks_has_no_row_and_one_that_goes_is_an_error() {
        let mut direct = of_two();
        let measure = |direct: Measured, runs: usize| {
            let mut run = 0;
            beside_direct("api", &[Link::Tcp], runs, false, |link| {
                run += 1;
                Ok(match link {
                    Link::Direct => direct.clone(),
                    _ if run > 2 => Vec::new(),
                    _ => x(1),
                })
            })
        };
        let rows = measure(direct.clone(), 1).expect("no run fails");
        assert_eq!(rows.len(), 2);
        assert!(measure(direct.clone(), 2).is_err());
        direct.clear();
        assert!(measure(direct, 1).expect("nothing in common").is_empty());
    }

    fn of_two() -> Measured {
        let mut two = x(1);
        two.push(("y".into(), two[0].1.clone()));
        two
    }
}
