//! How long a program would take over another network: a replay of its recorded calls, as a pure function.
//!
//! The replay knows a client with one clock a thread, a wire in each direction, the two rings with their windows, and a server
//! that works records off in order. *Calibration* finds how much work of the server each record stands for, so that the replay over
//! the network of the recording gives the recorded times: between two waiting calls there is one unknown, a factor on fixed
//! weights of the records between them. Another network then shifts what arrives when, and so what can be done when:
//!
//! - A waiting call costs a round trip, unless the server was busy anyway with what was posted long before. One for an event waits for
//!   what was posted before the event, not for what came after.
//! - Bytes pass a wire one after the other, each direction by itself.
//! - No more than a ring's bytes are under way: what is posted beyond waits until the other end has released as much.
//! - What the program does between its calls takes as long as before.
//!
//! Not known: that one thread of the program waits for another outside of CUDA, and what a network loses or delays unevenly.

use ringway_link::network::Network;
use ringway_wire::trace::Call;
use std::collections::{HashMap, VecDeque};

/// What a record, a reply or a notice takes on the wire beside its arguments, bytes.
const RECORD_BYTES: f64 = 48.0;
/// Longest piece of a copy: COPY_PIECE_BYTES of either direction.
const PIECE_BYTES: f64 = 262_144.0;
/// The other end tells that space is free once so large a part of the ring is.
const RELEASE_FRACTION: f64 = 8.0;
/// What it takes to copy a byte out of a ring, nanoseconds.
const TAKE_NS_PER_BYTE: f64 = 0.25;
/// Weights of the server's work, nanoseconds: a record as such, and a byte moved to or from the device. Their ratios matter, and the work
/// itself only where nobody waited for it.
const RECORD_WEIGHT: f64 = 2_000.0;
const BYTE_WEIGHT: f64 = 0.25;
/// How often an answer that is about an event waits for copies to the host behind it too: it does for those that the device has done by
/// the time a thread of the worker looks, and who is first there is chance. Over emulated networks it was 25 to 60 in a hundred; since the GPU
/// thread looks itself, some 40.
const LATER_DOWNLOADS: f64 = 0.4;
/// Halvings in the search for the factor.
const STEPS: u32 = 40;
/// And its bound: a record of 2 us stands for an hour.
const FACTOR_MAX: f64 = 2e9;

/// What was recorded of a process.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// In the order in which they began.
    pub calls: Vec<Call>,
    /// Of each waiting call that waits for no more than an event: the index of the call that recorded it.
    pub events: HashMap<usize, usize>,
    /// Round trip of the network beneath, without what the two ends do, nanoseconds.
    pub round_trip_ns: f64,
    /// What a call that does nothing takes at both ends, without the network, nanoseconds.
    pub ends_ns: f64,
    /// Round trips of opening the session.
    pub opening_trips: f64,
    /// Bytes of each ring.
    pub ring_bytes: f64,
}

/// What the server does for each call.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Nanoseconds of the server in the order of records.
    pub in_order_ns: Vec<f64>,
    /// Nanoseconds that only this call waits for: where waits of several threads overlap.
    pub aside_ns: Vec<f64>,
}

/// One end's bytes to the other: a wire behind a ring.
struct Way {
    bits_per_ns: Option<f64>,
    half_ns: f64,
    ring_bytes: f64,
    /// When the wire is free.
    free_ns: f64,
    /// Bytes that entered the ring.
    entered: f64,
    /// Position and time at which the sender can know that all before is released; both grow.
    released: VecDeque<(f64, f64)>,
    taken_ns: f64,
}

impl Way {
    fn new(network: &Network, ring_bytes: f64) -> Self {
        Self {
            bits_per_ns: network.bits_per_second.map(|rate| rate / 1e9),
            half_ns: network.round_trip.as_nanos() as f64 / 2.0,
            ring_bytes,
            free_ns: 0.0,
            entered: 0.0,
            released: VecDeque::new(),
            taken_ns: 0.0,
        }
    }

    /// What bytes take on the wire.
    fn wire_ns(&self, bytes: f64) -> f64 {
        self.bits_per_ns.map_or(0.0, |rate| bytes * 8.0 / rate)
    }

    /// A record, or records of a piece each, enter the ring, not before `ready_ns`: when they are in, and when the last has arrived.
    fn pass(&mut self, ready_ns: f64, bytes: f64) -> (f64, f64) {
        let records = ((bytes - RECORD_BYTES) / PIECE_BYTES).ceil().max(1.0);
        let record = bytes / records + RECORD_BYTES;
        let (mut entered_ns, mut arrived_ns) = (ready_ns, ready_ns);
        for _ in 0..records as u64 {
            // A record lies in one piece: what is too short at the ring's end stays empty.
            let to_end = self.ring_bytes - self.entered % self.ring_bytes;
            if record > to_end {
                self.entered += to_end;
            }
            let wanted = self.entered + record - self.ring_bytes;
            if wanted > 0.0 {
                let step = self.ring_bytes / RELEASE_FRACTION;
                let told = ((wanted / step).ceil() * step).min(self.released.back().map_or(0.0, |(position, _)| *position));
                while let Some((position, known_ns)) = self.released.front().copied() {
                    if position >= told {
                        entered_ns = entered_ns.max(known_ns);
                        break;
                    }
                    self.released.pop_front();
                }
            }
            self.entered += record;
            self.free_ns = self.free_ns.max(entered_ns) + self.wire_ns(record);
            arrived_ns = arrived_ns.max(self.free_ns + self.half_ns);
            self.taken_ns = self.taken_ns.max(arrived_ns) + record * TAKE_NS_PER_BYTE;
            self.released.push_back((self.entered, self.taken_ns + self.half_ns));
        }
        (entered_ns, arrived_ns)
    }
}

fn weight(call: &Call) -> f64 {
    // What a waiting call does is known by itself.
    let record = if call.waits { 0.0 } else { RECORD_WEIGHT };
    record + BYTE_WEIGHT * (f64::from(call.bytes_up) + call.bytes_down as f64)
}

fn end_ns(call: &Call) -> f64 {
    call.start_ns as f64 + call.time_ns as f64
}

/// When a record was posted: a waiting call's at its beginning, else when the program went on.
fn posted_ns(call: &Call) -> f64 {
    if call.waits { call.start_ns as f64 } else { end_ns(call) }
}

/// Finds the server's work from the recorded times.
pub fn calibrate(recording: &Recording) -> Work {
    let calls = &recording.calls;
    let half = recording.round_trip_ns / 2.0;
    let mut work = Work { in_order_ns: vec![0.0; calls.len()], aside_ns: vec![0.0; calls.len()] };
    let overlap = overlapping(calls);
    // From `first` on the work is not known yet; the server is done with what was before at `free_ns`, as known for each call.
    let (mut first, mut free_ns) = (0, 0.0f64);
    let mut done_ns = vec![0.0f64; calls.len()];
    for (index, call) in calls.iter().enumerate().filter(|(_, call)| call.waits) {
        let answered_ns = end_ns(call) - half;
        let asked_ns = posted_ns(call) + half;
        // Of the wait, what any call takes.
        let own_ns = recording.ends_ns.min((answered_ns - asked_ns).max(0.0));
        let event = recording.events.get(&index).copied();
        // Records that have to be done, up to here; and what this call itself makes the server send.
        let until = event.map_or(index, |event| event + 1).max(first);
        let moves = if event.is_some() { 0.0 } else { BYTE_WEIGHT * call.bytes_down as f64 };
        let already_ns = event.filter(|event| *event < first).map_or(free_ns, |event| done_ns[event]);
        // When the server is done with this call.
        let finish = |factor: f64| {
            let before = calls[first..until].iter().fold(already_ns, |free, call| free.max(posted_ns(call) + half) + factor * weight(call));
            before.max(asked_ns) + factor * moves + own_ns
        };
        let factor = if overlap[index] || (until == first && moves == 0.0) {
            // What the server did in between is not known: only that this call waited.
            0.0
        } else if answered_ns - asked_ns > own_ns {
            factor(&finish, answered_ns)
        } else {
            // Nobody waited for the work: any that was done in time would do.
            factor(&finish, answered_ns).min(1.0)
        };
        for (at, call) in calls.iter().enumerate().take(until).skip(first) {
            work.in_order_ns[at] = factor * weight(call);
            free_ns = free_ns.max(posted_ns(call) + half) + work.in_order_ns[at];
            done_ns[at] = free_ns;
        }
        // What no record before it explains is this call's own.
        let rest_ns = (answered_ns - finish(factor)).max(0.0);
        if overlap[index] || event.is_some() {
            work.aside_ns[index] = own_ns + rest_ns;
            first = until;
        } else {
            work.in_order_ns[index] = own_ns + factor * moves + rest_ns;
            free_ns = free_ns.max(asked_ns) + work.in_order_ns[index];
            done_ns[index] = free_ns;
            first = index + 1;
        }
    }
    work
}

/// The greatest factor with which the server is done in time.
fn factor(finish: &impl Fn(f64) -> f64, answered_ns: f64) -> f64 {
    let late = |factor: f64| finish(factor) > answered_ns + 1.0;
    let (mut low, mut high) = (0.0, 1.0);
    while !late(high) && high < FACTOR_MAX {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        if late(middle) { high = middle } else { low = middle }
    }
    low
}

/// Which waiting calls wait at the same time as one of another thread.
fn overlapping(calls: &[Call]) -> Vec<bool> {
    let mut overlap = vec![false; calls.len()];
    // The waiting call that ends last so far.
    let mut last: Option<usize> = None;
    for (index, call) in calls.iter().enumerate().filter(|(_, call)| call.waits) {
        if let Some(before) = last.filter(|before| end_ns(&calls[*before]) > call.start_ns as f64) {
            overlap[before] = true;
            overlap[index] = true;
        }
        if last.is_none_or(|before| end_ns(&calls[before]) < end_ns(call)) {
            last = Some(index);
        }
    }
    overlap
}

/// What a replay gives, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replayed {
    /// By how much the end of the last call comes later than recorded; less than zero: earlier.
    pub later_ns: f64,
}

/// Replays the calls over a network.
pub fn replay(recording: &Recording, work: &Work, network: &Network) -> Replayed {
    let trip_ns = network.round_trip.as_nanos() as f64;
    let half = trip_ns / 2.0;
    let (mut up, mut down) = (Way::new(network, recording.ring_bytes), Way::new(network, recording.ring_bytes));
    // Of each thread: the end of its last call as recorded, and in the replay.
    let mut threads: HashMap<u16, (f64, f64)> = HashMap::new();
    let opened_later_ns = recording.opening_trips * (trip_ns - recording.round_trip_ns);
    let mut free_ns = f64::MIN;
    // When the server is done with each call, and when the last byte that it sends has arrived.
    let mut done_ns: Vec<(f64, f64)> = Vec::with_capacity(recording.calls.len());
    let mut brought_ns = f64::MIN;
    for (index, call) in recording.calls.iter().enumerate() {
        let recorded_ns = call.start_ns as f64;
        let start_ns = match threads.get(&call.thread) {
            Some((recorded_end, end)) => end + (recorded_ns - recorded_end),
            // Whatever started the thread came as much later as what ended last before.
            None => {
                let before = threads.values().filter(|(recorded_end, _)| *recorded_end <= recorded_ns);
                let last = before.max_by(|a, b| a.0.total_cmp(&b.0));
                recorded_ns + last.map_or(opened_later_ns, |(recorded_end, end)| end - recorded_end)
            }
        };
        let ready_ns = if call.waits { start_ns } else { start_ns + call.time_ns as f64 };
        let (entered_ns, arrived_ns) = up.pass(ready_ns, f64::from(call.bytes_up));
        let begun_ns = free_ns.max(arrived_ns);
        free_ns = begun_ns + work.in_order_ns[index];
        if call.bytes_down > 0 {
            // Bytes are sent while more are fetched; the last one when the work is done.
            let (_, arrived_ns) = down.pass(begun_ns, call.bytes_down as f64);
            brought_ns = arrived_ns.max(free_ns + half);
        }
        done_ns.push((free_ns, brought_ns));
        let end = if call.waits {
            // An answer comes after what it covers, and by itself past what else waits for room.
            let (done, brought) = recording.events.get(&index).map_or((free_ns, brought_ns), |event| done_ns[*event]);
            let answered_ns = arrived_ns.max(done) + work.aside_ns[index] + down.wire_ns(RECORD_BYTES) + half;
            let (covered, all) = (answered_ns.max(brought), answered_ns.max(brought_ns));
            covered + LATER_DOWNLOADS * (all - covered)
        } else {
            entered_ns
        };
        threads.insert(call.thread, (end_ns(call), end));
    }
    let last = threads.values().max_by(|a, b| a.0.total_cmp(&b.0));
    Replayed { later_ns: last.map_or(opened_later_ns, |(recorded_end, end)| end - recorded_end) }
}

/// A program's time over another network, and of what it consists. Seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    pub network: Network,
    pub wall_s: f64,
    /// Without any network: the program's own time, the GPU's where the program waits for it, and what each call costs at both ends.
    pub compute_s: f64,
    /// What round trips add.
    pub round_trips_s: f64,
    /// What the bandwidth adds.
    pub transfer_s: f64,
}

/// What is to be predicted from: each process with when it began and ended, and the whole.
pub struct Program<'a> {
    pub wall_s: f64,
    pub processes: &'a [Process],
}

/// A process, calibrated.
#[derive(Debug, Clone)]
pub struct Process {
    pub recording: Recording,
    pub work: Work,
    pub begun_ns: u64,
    pub ended_ns: u64,
    /// How many calls were made for each that was recorded: 1 if all were.
    pub scale: f64,
}

impl Process {
    /// By how much it would take longer over a network than it took, seconds.
    fn later_s(&self, network: &Network) -> f64 {
        let recorded = Network {
            round_trip: std::time::Duration::from_nanos(self.recording.round_trip_ns as u64),
            bits_per_second: None,
        };
        let by = |network| replay(&self.recording, &self.work, network).later_ns;
        (by(network) - by(&recorded)) / 1e9 * self.scale
    }
}

/// The greatest sum over processes of which none ran together with another; of those that get faster, by amount.
fn longest_chain(mut weighted: Vec<(u64, u64, f64)>) -> f64 {
    if weighted.iter().all(|(_, _, weight)| *weight < 0.0) && !weighted.is_empty() {
        return -longest_chain(weighted.into_iter().map(|(begun, ended, weight)| (begun, ended, -weight)).collect());
    }
    weighted.sort_by_key(|(_, ended, _)| *ended);
    let mut best = vec![0.0f64];
    for (index, (begun, _, weight)) in weighted.iter().enumerate() {
        let before = weighted[..index].partition_point(|(_, ended, _)| ended <= begun);
        best.push((best[before] + weight).max(best[index]));
    }
    best.last().copied().unwrap_or(0.0)
}

/// The program over a network.
pub fn predict(program: &Program<'_>, network: &Network) -> Prediction {
    let wall_over = |network: &Network| {
        let each = program.processes.iter().map(|process| (process.begun_ns, process.ended_ns, process.later_s(network)));
        (program.wall_s + longest_chain(each.collect())).max(0.0)
    };
    let no_limit = Network { bits_per_second: None, ..*network };
    let nothing = Network { round_trip: std::time::Duration::ZERO, bits_per_second: None };
    let (wall_s, unlimited_s, compute_s) = (wall_over(network), wall_over(&no_limit), wall_over(&nothing));
    Prediction {
        network: *network,
        wall_s,
        compute_s,
        round_trips_s: unlimited_s - compute_s,
        transfer_s: wall_s - unlimited_s,
    }
}

/// Time in which the program waited, and time in which the server worked while no thread of the program waited, nanoseconds.
pub fn exposed_and_hidden_ns(recording: &Recording, work: &Work) -> (f64, f64) {
    let half = recording.round_trip_ns / 2.0;
    let mut waits: Vec<(f64, f64)> = Vec::new();
    for call in recording.calls.iter().filter(|call| call.waits) {
        let (from, to) = (call.start_ns as f64, end_ns(call));
        match waits.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => waits.push((from, to)),
        }
    }
    let exposed = waits.iter().map(|(from, to)| to - from).sum();
    let (mut hidden, mut free, mut at) = (0.0, f64::MIN, 0);
    for (call, work) in recording.calls.iter().zip(&work.in_order_ns) {
        let from = free.max(posted_ns(call) + half);
        free = from + work;
        hidden += work;
        // Both are in order, and neither overlaps itself.
        while at < waits.len() && waits[at].1 <= from {
            at += 1;
        }
        for (begun, ended) in waits[at..].iter().take_while(|(begun, _)| *begun < free) {
            hidden -= (ended.min(free) - begun.max(from)).max(0.0);
        }
    }
    (exposed, hidden.max(0.0))
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
