//! Cuts at every step and at every few bytes of a run over the simulated network, one thread driving both ends. Whatever
//! is cut, the run ends with the same records executed, each once and in order, the same answers and the same notices.

use ringway_link::sim::{self, Network, Observer};
use ringway_link::{ClientLane, LaneConfig, LinkError, Loan, NotResumed, ServerLane, SlotGuard};
use ringway_wire::layout::Geometry;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const POST: u32 = 1;
const CALL: u32 = 2;
/// Records of a run.
const RECORDS: u64 = 40;
/// Steps after which nothing more happens.
const QUIET: u64 = 100;
/// A run that takes more steps than this hangs.
const STEPS_MAX: u64 = 200_000;

fn config() -> LaneConfig {
    LaneConfig {
        geometry: Geometry::new(8192, 4096).expect("sizes"),
        lane_key: 0xfeed_beef_1234_5677,
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n
    }
}

/// What record `n` is: every third a call.
fn record(n: u64) -> (u32, Vec<u8>) {
    let len = n * 97 % 900;
    let bytes = (0..len).map(|i| (n * 7 + i * 13) as u8).collect();
    (if n.is_multiple_of(3) { CALL } else { POST }, bytes)
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    })
}

/// What happened in a run, as the program and the GPU see it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log {
    /// Number and sum of each record executed, in order.
    executed: Vec<(u64, u64)>,
    /// The same as answered.
    answered: Vec<(u64, u32, u64)>,
    /// Notices: tag and sum.
    noticed: Vec<(u32, u64)>,
    /// The board at the end.
    board: (u64, u32, Vec<u64>),
}

/// When to cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Never,
    /// At this step.
    At(u64),
    /// Every so many steps.
    Every(u64),
    /// When so many bytes went in one direction, on every link.
    AfterBytes(u64),
    /// As `At`, and the client does not hear of the first attempt to resume.
    Twice(u64),
}

struct Run {
    log: Log,
    steps: u64,
    cuts: u32,
    bytes: u64,
}

struct Ends<'a> {
    client: &'a ClientLane,
    server: ServerLane,
    observer: Observer,
    seed: u64,
    cut: Cut,
    cuts: u32,
    attempt: u64,
}

/// The network of the link after so many cuts.
fn network(seed: u64, cut: Cut, cuts: u32) -> Network {
    Network {
        cut_after: match cut {
            // Growing, so that in the end more gets through than is put again.
            Cut::AfterBytes(bytes) => Some(bytes + 2000 * u64::from(cuts)),
            _ => None,
        },
        ..Network::from_seed(seed + 1000 * u64::from(cuts))
    }
}

impl Ends<'_> {
    /// Both ends learn that the link broke, tell each other their positions and go on.
    fn resume(&mut self) {
        self.cuts += 1;
        let network = network(self.seed, self.cut, self.cuts);
        if let Cut::Twice(_) = self.cut {
            // The server goes on, the client does not hear of it and tries again with another number.
            self.attempt += 1;
            let client = self.client.begin_resume().expect("the client's end");
            let server = self
                .server
                .begin_resume(self.attempt)
                .expect("the server's end");
            sim::resume_alone(server, client.positions(), true, network).expect("half a link");
            assert_eq!(
                self.server.begin_resume(self.attempt).map(|_| ()),
                Err(NotResumed::Stale)
            );
        }
        self.attempt += 1;
        let server = self
            .server
            .begin_resume(self.attempt)
            .expect("the server's end");
        let client = self.client.begin_resume().expect("the client's end");
        assert_eq!(
            self.client.begin_resume().map(|_| ()),
            Err(NotResumed::Busy)
        );
        self.observer = sim::resume(client, server, network).expect("resumed");
    }
}

/// Memory that was lent for a while. What is in it changes as soon as it is taken back.
#[derive(Default)]
struct Loans {
    client: VecDeque<(u64, u64, Vec<u8>)>,
    server: VecDeque<(Loan, Vec<u8>)>,
}

impl Loans {
    fn take_one_back(&mut self, client: &ClientLane) {
        if let Some((from, to, mut bytes)) = self.client.pop_front() {
            client.take_back(from, to);
            bytes.fill(0xee);
        }
        if let Some((loan, mut bytes)) = self.server.pop_front() {
            drop(loan);
            bytes.fill(0xee);
        }
    }

    /// Sends a notice whose bytes are lent; false if there is no space.
    fn notice(&mut self, server: &ServerLane, tag: u32, bytes: &[u8]) -> bool {
        let (mut loan, bytes) = (server.loan(), bytes.to_vec());
        // SAFETY: the bytes stay where they are until the loan has ended.
        let sent = unsafe { server.notice_lending(tag, &[], &bytes, Duration::ZERO) }.is_ok();
        loan.complete();
        self.server.push_back((loan, bytes));
        sent
    }
}

/// Posts record `posted` if there is space; a call leaves its slot in `waiting`. Every second one is lent.
fn post<'a>(
    client: &'a ClientLane,
    posted: &mut u64,
    waiting: &mut Vec<(u64, SlotGuard<'a>, u64)>,
    loans: &mut Loans,
) {
    let n = *posted;
    let (tag, bytes) = record(n);
    let mut slot = if tag == CALL {
        match client.acquire_slot(Duration::ZERO) {
            Ok(slot) => Some(slot),
            Err(_) => return,
        }
    } else {
        None
    };
    let from = client.reserved();
    let mut reserved = match client.try_reserve(tag, 10 + bytes.len()) {
        Ok(reserved) => reserved,
        Err(LinkError::Full) => return,
        Err(error) => panic!("{error}"),
    };
    let index = slot.as_ref().map_or(0, |slot| slot.index());
    reserved.write_at(0, &index.to_le_bytes());
    reserved.write_at(2, &n.to_le_bytes());
    if n.is_multiple_of(2) {
        reserved.write_at(10, &bytes);
    } else {
        // SAFETY: the bytes stay where they are until they were taken back.
        unsafe { reserved.lend(10, bytes.as_ptr(), bytes.len()) };
        loans.client.push_back((from, client.reserved(), bytes));
    }
    match slot.take() {
        Some(mut slot) => {
            let position = reserved.commit_call(&mut slot);
            waiting.push((n, slot, position));
        }
        None => _ = reserved.commit(),
    }
    *posted += 1;
}

/// Executes one record: it is logged, answered if it is a call, and owes a notice if its number is even.
fn serve(server: &mut ServerLane, log: &mut Log, owed: &mut VecDeque<(u32, Vec<u8>)>) {
    let (tag, position, bytes) = match server.poll().expect("the server's lane stays") {
        Some(record) => (record.tag, record.position_end, record.payload.to_vec()),
        None => return,
    };
    let slot = u16::from_le_bytes([bytes[0], bytes[1]]);
    let n = u64::from_le_bytes(bytes[2..10].try_into().expect("eight bytes"));
    assert!(
        (tag, bytes[10..].to_vec()) == record(n),
        "record {n} is damaged"
    );
    let hash = sum(&bytes[10..]);
    log.executed.push((n, hash));
    if n.is_multiple_of(2) {
        owed.push_back((n as u32, bytes[10..].to_vec()));
    }
    if n.is_multiple_of(5) {
        server.log_error(position, n as u32, 700);
        server.set_word((n % 64) as usize, hash);
        server.set_sticky_error(n as u32);
    }
    if tag == CALL {
        server
            .reply(slot, position, n as u32, &hash.to_le_bytes())
            .expect("reply");
    }
    server.release(position);
    server.set_executed(position);
}

fn run(seed: u64, cut: Cut) -> Run {
    let mut random = Random::new(seed);
    let (client, server, observer) = sim::pair(&config(), network(seed, cut, 0)).expect("pair");
    client.keep();
    server.keep(Duration::from_secs(3600), Duration::from_secs(3600));
    let noticed = Arc::new(Mutex::new(Vec::new()));
    let sink = noticed.clone();
    client
        .set_notice_sink(Box::new(move |tag, payload| {
            sink.lock()
                .expect("lock")
                .push((tag, sum(&payload.to_vec())));
        }))
        .expect("sink");
    let mut ends = Ends {
        client: &client,
        server,
        observer,
        seed,
        cut,
        cuts: 0,
        attempt: 0,
    };
    let mut log = Log::default();
    let (mut posted, mut notices, mut owed) = (0, 0, VecDeque::new());
    let mut waiting = Vec::new();
    let mut loans = Loans::default();
    let (mut steps, mut bytes, mut quiet) = (0, 0, 0);
    // A little longer, for the board's last words, which are sent when nothing else is.
    while quiet < QUIET {
        steps += 1;
        assert!(steps < STEPS_MAX, "seed {seed}, {cut:?}: hangs");
        let now = match cut {
            Cut::At(step) | Cut::Twice(step) => steps == step,
            Cut::Every(step) => steps % step == 0 && steps < 50 * step,
            Cut::Never | Cut::AfterBytes(_) => false,
        };
        if now {
            ends.observer.cut();
        }
        match random.below(6) {
            0 | 1 if posted < RECORDS => post(&client, &mut posted, &mut waiting, &mut loans),
            0..=2 => serve(&mut ends.server, &mut log, &mut owed),
            3 => {
                if let Some((tag, notice)) = owed.front()
                    && if tag.is_multiple_of(4) {
                        loans.notice(&ends.server, *tag, notice)
                    } else {
                        ends.server.try_notice(*tag, &[notice]).is_ok()
                    }
                {
                    notices += 1;
                    owed.pop_front();
                }
            }
            _ => {
                client.flush().expect("the client's lane stays");
                client.drain_notices().expect("the client's lane stays");
            }
        }
        if random.below(5) == 0 {
            loans.take_one_back(&client);
        }
        waiting.retain_mut(|(n, slot, position)| {
            if client.consumed() < *position {
                return true;
            }
            let mut out = [0; 8];
            match slot.wait(*position, Duration::ZERO, &mut out) {
                Ok(head) => {
                    log.answered
                        .push((*n, head.status, u64::from_le_bytes(out)));
                    false
                }
                Err(LinkError::Timeout { .. }) => true,
                Err(error) => panic!("seed {seed}, {cut:?}: {error}"),
            }
        });
        if client.suspended().is_some() {
            bytes += ends.observer.bytes().0 + ends.observer.bytes().1;
            ends.resume();
            quiet = 0;
        }
        let done = posted == RECORDS
            && log.executed.len() as u64 >= RECORDS
            && waiting.is_empty()
            && owed.is_empty()
            && noticed.lock().expect("lock").len() >= notices
            && client.executed() == client.reserved();
        quiet = if done { quiet + 1 } else { 0 };
    }
    while !loans.client.is_empty() || !loans.server.is_empty() {
        loans.take_one_back(&client);
    }
    bytes += ends.observer.bytes().0 + ends.observer.bytes().1;
    assert_eq!(client.executed(), client.reserved(), "seed {seed}, {cut:?}");
    log.answered.sort_unstable();
    log.noticed = std::mem::take(&mut *noticed.lock().expect("lock"));
    log.board = (
        client.errors_logged(),
        client.sticky_error(),
        (0..64).map(|i| client.word(i)).collect(),
    );
    Run {
        log,
        steps,
        cuts: ends.cuts,
        bytes,
    }
}

/// What a run must end with, whatever happens to its links.
fn expected() -> Log {
    let mut log = Log {
        board: (0, 0, vec![0; 64]),
        ..Log::default()
    };
    for n in 0..RECORDS {
        let (tag, bytes) = record(n);
        log.executed.push((n, sum(&bytes)));
        if tag == CALL {
            log.answered.push((n, n as u32, sum(&bytes)));
        }
        if n.is_multiple_of(2) {
            log.noticed.push((n as u32, sum(&bytes)));
        }
        if n.is_multiple_of(5) {
            log.board.0 += 1;
            log.board.1 = n as u32;
            log.board.2[(n % 64) as usize] = sum(&bytes);
        }
    }
    log
}

fn check(seed: u64, cut: Cut) -> Run {
    let run = run(seed, cut);
    let expected = expected();
    assert_eq!(run.log.executed, expected.executed, "seed {seed}, {cut:?}");
    assert_eq!(run.log, expected, "seed {seed}, {cut:?}");
    run
}

#[test]
fn a_cut_at_every_step_changes_nothing() {
    for seed in 1..=4 {
        let uncut = check(seed, Cut::Never);
        assert_eq!(uncut.cuts, 0);
        // Every single one with the first seed.
        let stride = if seed == 1 { 1 } else { 7 };
        for step in (1..uncut.steps - QUIET).step_by(stride) {
            let run = check(seed, Cut::At(step));
            assert_eq!(run.cuts, 1, "seed {seed}, step {step}");
        }
    }
}

#[test]
fn a_cut_after_every_so_many_bytes_changes_nothing() {
    for seed in 1..=4 {
        let uncut = check(seed, Cut::Never);
        let mut cuts = 0;
        for bytes in (50..uncut.bytes).step_by(173) {
            cuts += check(seed, Cut::AfterBytes(bytes)).cuts;
        }
        assert!(cuts > 100, "{cuts}");
    }
}

#[test]
fn many_cuts_in_one_run_change_nothing() {
    for seed in 1..=60 {
        let run = check(seed, Cut::Every(5 + seed % 40));
        assert!(run.cuts >= 5, "seed {seed}: {}", run.cuts);
    }
}

#[test]
fn an_attempt_that_only_the_server_heard_of_changes_nothing() {
    let uncut = check(7, Cut::Never);
    for step in (1..uncut.steps - QUIET).step_by(5) {
        check(7, Cut::Twice(step));
    }
}
