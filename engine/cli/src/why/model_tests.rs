//! The model over recordings made by hand, with results computed by hand.

use super::*;
use std::time::Duration;

const US: u64 = 1_000;

fn wait(start_us: u64, time_us: u64) -> Call {
    Call { start_ns: start_us * US, time_ns: time_us * US, waits: true, ..Call::default() }
}

fn post(start_us: u64, bytes_up: u32, bytes_down: u64) -> Call {
    Call { start_ns: start_us * US, time_ns: 0, bytes_up, bytes_down, ..Call::default() }
}

fn recording(calls: Vec<Call>) -> Recording {
    Recording { calls, events: HashMap::new(), round_trip_ns: 0.0, ends_ns: 10_000.0, opening_trips: 0.0, ring_bytes: f64::from(4 << 20) }
}

fn network(text: &str) -> Network {
    text.parse().expect("a network")
}

/// By how many microseconds the end comes later.
fn later_us(recording: &Recording, over: &str) -> f64 {
    let work = calibrate(recording);
    replay(recording, &work, &network(over)).later_ns / 1e3
}

#[track_caller]
fn near(got: f64, wanted: f64, within: f64) {
    assert!((got - wanted).abs() <= within, "{got}, not {wanted} (+- {within})");
}

#[test]
fn over_the_network_of_the_recording_nothing_changes() {
    let calls = vec![post(0, 100, 0), wait(10, 50), post(70, 300_000, 0), post(80, 0, 4_000_000), wait(90, 3_000), wait(4_000, 1)];
    near(later_us(&recording(calls.clone()), "0us"), 0.0, 0.01);
    let real = Recording { round_trip_ns: 40_000.0, ..recording(calls.into_iter().skip(1).collect()) };
    let calls = real.calls.iter().map(|call| Call { time_ns: call.time_ns + 40 * US * u64::from(call.waits), ..*call });
    let mut late = 0;
    let calls = calls.map(|call| { let call = Call { start_ns: call.start_ns + late, ..call }; late += 40 * US * u64::from(call.waits); call });
    let real = Recording { calls: calls.collect(), ..real };
    near(later_us(&real, "40us"), 0.0, 0.01);
    // Three waits of it.
    near(later_us(&real, "0us"), -120.0, 0.5);
}

#[test]
fn each_of_the_calls_that_wait_back_to_back_costs_a_round_trip() {
    let calls = (0..100).map(|n| wait(n * 30, 10)).collect();
    // And what 48 bytes each way take: 77 ns at 10 Gbit/s.
    near(later_us(&recording(calls), "200us,10Gbit"), 100.0 * 200.0, 10.0);
}

#[test]
fn posted_calls_cost_no_round_trip() {
    let mut calls: Vec<_> = (0..1000).map(|n| post(n, 100, 0)).collect();
    calls.push(wait(1000, 500));
    near(later_us(&recording(calls), "5ms"), 5_000.0, 1.0);
}

#[test]
fn opening_costs_its_round_trips_once() {
    let opened = Recording { opening_trips: 3.0, ..recording(vec![wait(0, 10)]) };
    near(later_us(&opened, "1ms"), 4_000.0, 0.1);
}

#[test]
fn a_large_upload_takes_its_bandwidth() {
    // 16 MiB in 64 pieces of 30 us, which is faster than 10 Gbit/s: 13422 us on the wire, and all of the work behind.
    let mut calls: Vec<_> = (0..64).map(|n| post(n * 30, 262_144, 0)).collect();
    calls.push(wait(64 * 30, 100));
    let later = later_us(&recording(calls), "0us,10Gbit");
    near(later, 13_422.0 - 64.0 * 30.0, 150.0);
}

#[test]
fn the_ring_bounds_what_is_under_way() {
    // 64 MiB without any limit of bandwidth, in 256 records. 15 of them lie in a ring of 4 MiB, so 15 go in a round trip of 30 ms: the
    // last one enters after 17 of them, and one more brings its answer. What is told of free space only in steps of 512 KiB may
    // cost two more.
    let mut calls: Vec<_> = (0..256).map(|n| post(n * 30, 262_144, 0)).collect();
    calls.push(wait(256 * 30, 100));
    let later_ms = later_us(&recording(calls), "30ms") / 1e3;
    assert!((18.0 * 30.0 - 8.0..=20.0 * 30.0).contains(&later_ms), "{later_ms}");
}

#[test]
fn a_download_takes_its_bandwidth_after_the_work_before_it() {
    // 4 MB in 2 ms, over 10 Gbit/s 3.2 ms, one round trip of 100 us.
    let calls = vec![post(0, 100, 4_000_000), wait(1, 2_000)];
    let later = later_us(&recording(calls), "100us,10Gbit");
    near(later, 3_200.0 - 2_000.0 + 100.0, 60.0);
}

#[test]
fn a_wait_for_what_was_posted_long_before_hides_the_round_trip() {
    // The program posts ahead and does something else for 10 ms meanwhile: the work is done long before it asks.
    let far_ahead = recording(vec![post(0, 100, 0), wait(10_000, 10)]);
    // The question itself goes there and back.
    near(later_us(&far_ahead, "1ms"), 1_000.0, 0.5);
    // Where the posting takes longer than the server's work, the bandwidth is hidden behind it: 1 MB each 2 ms.
    let mut calls: Vec<_> = (0..10).map(|n| post(n * 2_000, 1_000_000, 0)).collect();
    calls.push(wait(20_000, 10));
    near(later_us(&recording(calls), "0us,10Gbit"), 0.0, 1.0);
}

#[test]
fn a_wait_for_an_event_does_not_wait_for_the_work_behind_it() {
    // An event, then 5 ms of work whose end is waited for, once the event was waited for.
    let calls = vec![post(0, 100, 0), post(1, 100, 0), wait(10, 90), wait(200, 4_900)];
    let with_event = Recording { events: HashMap::from([(2, 0)]), ..recording(calls.clone()) };
    let work = calibrate(&with_event);
    // The record before the event stands for what was waited for then, the one behind it for the rest.
    near(work.in_order_ns[0] / 1e3, 90.0, 1.0);
    near(work.in_order_ns[1] / 1e3, 5_000.0, 20.0);
    near(later_us(&with_event, "0us"), 0.0, 1.0);
    // While the work goes on, the event's round trip is hidden in it.
    near(later_us(&with_event, "1ms"), 1_000.0, 30.0);
    near(later_us(&recording(calls), "1ms"), 2_000.0, 30.0);
}

#[test]
fn two_fifths_of_the_waits_for_an_event_wait_for_copies_behind_it() {
    // 4 MB to the host behind the event take 32 ms at 1 Gbit/s.
    let calls = vec![post(0, 100, 0), post(1, 100, 4_000_000), wait(10, 10)];
    let with_event = Recording { events: HashMap::from([(2, 0)]), ..recording(calls.clone()) };
    near(later_us(&recording(calls), "0us,1Gbit"), 32_000.0, 100.0);
    near(later_us(&with_event, "0us,1Gbit"), 12_800.0, 100.0);
}

#[test]
fn waits_of_several_threads_at_once_cost_one_round_trip() {
    let calls = (0..10).map(|n| Call { thread: n as u16, ..wait(n, 1_000) }).collect();
    near(later_us(&recording(calls), "1ms"), 1_000.0, 1.0);
}

#[test]
fn the_parts_of_a_prediction_are_its_whole() {
    let recording = recording((0..50).flat_map(|n| [post(n * 1_000, 100_000, 0), wait(n * 1_000 + 10, 200)]).collect());
    let work = calibrate(&recording);
    let process = Process { recording, work, begun_ns: 0, ended_ns: 50_000 * US, scale: 1.0 };
    let program = Program { wall_s: 0.06, processes: std::slice::from_ref(&process) };
    let told = predict(&program, &network("5ms,1Gbit"));
    near(told.compute_s, 0.06, 1e-6);
    near(told.round_trips_s, 50.0 * 0.005, 1e-4);
    // 50 times 100 kB at 1 Gbit/s, beyond which nothing is hidden: the server has nothing else to do.
    near(told.transfer_s, 50.0 * 0.0008, 2e-3);
    near(told.wall_s, told.compute_s + told.round_trips_s + told.transfer_s, 1e-9);
    let twice = Process { scale: 2.0, ..process };
    let program = Program { wall_s: 0.06, processes: std::slice::from_ref(&twice) };
    near(predict(&program, &network("5ms")).round_trips_s, 0.5, 1e-4);
}

#[test]
fn processes_one_after_the_other_add_up_and_together_do_not() {
    assert_eq!(longest_chain(vec![]), 0.0);
    assert_eq!(longest_chain(vec![(0, 10, -1.0)]), -1.0);
    assert_eq!(longest_chain(vec![(0, 10, 1.0), (10, 20, 2.0)]), 3.0);
    assert_eq!(longest_chain(vec![(0, 10, 1.0), (5, 20, 2.0)]), 2.0);
    assert_eq!(longest_chain(vec![(0, 100, 4.0), (0, 10, 2.0), (20, 30, 3.0)]), 5.0);
}

#[test]
fn work_behind_the_program_is_hidden() {
    // 1 ms of work, of which the program waits for 0.4 ms.
    let recording = recording(vec![post(0, 100, 0), wait(600, 400)]);
    let work = Work { in_order_ns: vec![1e6, 0.0], aside_ns: vec![0.0; 2] };
    let (exposed, hidden) = exposed_and_hidden_ns(&recording, &work);
    near(exposed, 4e5, 1.0);
    near(hidden, 6e5, 1.0);
}

#[test]
fn nonsense_gives_numbers() {
    let calls = vec![
        Call { start_ns: u64::MAX, time_ns: u64::MAX, waits: true, bytes_up: u32::MAX, bytes_down: 1 << 40, ..Call::default() },
        Call::default(),
    ];
    let work = calibrate(&recording(calls.clone()));
    let over = network("10s,100kbit");
    assert!(replay(&recording(calls), &work, &over).later_ns.is_finite());
    assert_eq!(replay(&recording(vec![]), &Work { in_order_ns: vec![], aside_ns: vec![] }, &Network { round_trip: Duration::ZERO, ..over }).later_ns, 0.0);
}
