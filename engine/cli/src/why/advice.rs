//! Which waiting calls to remove first, and how that is usually done.

use super::model::Prediction;
use super::report::{Waiting, Waits};

/// Pieces of advice.
const ADVICE_MAX: usize = 3;
/// What is a smaller part of all waiting calls is not worth a change.
const PART_MIN: f64 = 0.02;
/// Functions by what begins their names, longest match first, and what takes their place.
const INSTEAD: [(&str, &str); 13] = [
    ("cuMemcpyDtoHAsync", "copy to pinned memory (cuMemHostAlloc), then it does not wait, and one synchronisation covers several copies"),
    ("cuMemcpyDtoH", "copy to pinned memory by cuMemcpyDtoHAsync, and wait once for several results"),
    ("cuMemcpyHtoD", "cuMemcpyHtoDAsync does not wait; launches behind it in the stream see the data"),
    ("cuMemcpy", "the asynchronous form does not wait; synchronise once for several copies"),
    ("cuMemAlloc", "allocate once and use memory again, or from a pool by cuMemAllocAsync"),
    ("cuMemFree", "free at the end, or by cuMemFreeAsync"),
    ("cuMemHostAlloc", "allocate pinned memory once and use it again"),
    ("cuStreamSynchronize", "synchronise only where the program needs a result; order between streams is cuStreamWaitEvent's, which does not wait"),
    ("cuCtxSynchronize", "synchronise only where the program needs a result, and the stream that has it"),
    ("cuEventSynchronize", "wait for an event only where the program needs its result; order between streams is cuStreamWaitEvent's"),
    ("cuEventQuery", "ask less often, or wait once by cuEventSynchronize"),
    ("cuStreamQuery", "ask less often, or wait once by cuStreamSynchronize"),
    ("cuModule", "load modules and look kernels up once, before the work begins"),
];

fn instead(function: &str) -> &'static str {
    INSTEAD.iter().find(|(begin, _)| function.starts_with(begin)).map_or("make it less often, or keep what it answers", |(_, text)| text)
}

/// The places that wait most often, at the slowest network that was asked for.
pub fn advice(waiting: &Waiting, slowest: Option<&Prediction>) -> Vec<String> {
    let mut sites: Vec<&Waits> = waiting.by_site.iter().filter(|one| one.calls as f64 >= PART_MIN * waiting.calls as f64).collect();
    sites.sort_by_key(|one| std::cmp::Reverse(one.calls));
    let cost = |calls: u64| {
        let Some(slowest) = slowest.filter(|slowest| !slowest.network.round_trip.is_zero()) else { return String::new() };
        let trip = slowest.network.round_trip.as_secs_f64();
        format!(", {:.3} s at a round trip of {} ms", calls as f64 * trip, trip * 1e3)
    };
    sites
        .into_iter()
        .take(ADVICE_MAX)
        .map(|one| {
            let place = one.site.as_ref().map_or(String::new(), |site| format!(" at {}", site.text()));
            format!("{}{place} waits {} times{}: {}", one.function, one.calls, cost(one.calls), instead(one.function))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_the_longest_match() {
        assert!(instead("cuMemcpyDtoHAsync_v2").starts_with("copy to pinned memory (cuMemHostAlloc)"));
        assert!(instead("cuMemcpyDtoH_v2").starts_with("copy to pinned memory by"));
        assert!(instead("cuMemcpyPeer").starts_with("the asynchronous form"));
        assert!(instead("cuMemAllocPitch").starts_with("allocate once"));
        assert!(instead("cuGraphInstantiate").starts_with("make it less often"));
        for (at, (begin, _)) in INSTEAD.iter().enumerate() {
            assert!(INSTEAD[..at].iter().all(|(before, _)| !begin.starts_with(before)), "{begin} is never reached");
        }
    }
}
