use super::*;

const MS: u64 = 1_000_000;
/// A time at which nothing is still under way.
const START: u64 = 1_000_000 * MS;

/// A program that launches kernels of `kernel` ns, and after each does something else for `gap` ns.
struct Program {
    tenant: Tenant,
    kernel: u64,
    gap: u64,
    turn: Option<Turn>,
    /// When its next kernel is there; when the one under way will have ended.
    ready: u64,
    ends: Option<u64>,
    done: u64,
}

impl Program {
    fn new(shares: &Shares, (seat, lease): (u32, u32), kernel: u64, gap: u64) -> Program {
        let tenant = Tenant::new(shares.clone(), 0, seat, lease).expect("a place");
        Program { tenant, kernel, gap, turn: None, ready: START, ends: None, done: 0 }
    }

    fn step(&mut self, now: u64) {
        if let Some(ends) = self.ends {
            if now < ends {
                return;
            }
            self.tenant.charge(self.kernel);
            self.done += self.kernel;
            self.ends = None;
            self.ready = now + self.gap;
        }
        if let Some(turn) = self.turn {
            let is = self.tenant.turn();
            let over = is.is_waited_for() && now - self.tenant.began() >= ns(QUANTUM);
            if !is.is_same(turn) {
                self.turn = None;
            } else if over || now < self.ready {
                self.tenant.leave(turn, now);
                self.turn = None;
            }
        }
        if now >= self.ready {
            self.turn = self.turn.or_else(|| self.tenant.enter(now));
            if self.turn.is_some() {
                self.ends = Some(now + self.kernel);
            }
        }
    }
}

/// Lets programs run for `time`; how much of the GPU's time each had.
fn run(programs: &mut [Program], time: u64) -> Vec<f64> {
    let before: Vec<u64> = programs.iter().map(|program| program.done).collect();
    let mut now = programs.iter().map(|program| program.ready).min().expect("a program");
    let end = now + time;
    while now < end {
        for program in &mut *programs {
            program.step(now);
        }
        now += MS / 20;
    }
    for program in &mut *programs {
        program.ready = program.ready.max(end);
    }
    programs.iter().zip(before).map(|(program, before)| (program.done - before) as f64 / time as f64).collect()
}

fn shares(weights: &[u32]) -> Shares {
    let (shares, _) = Shares::create(1).expect("a block");
    for (lease, weight) in weights.iter().enumerate() {
        shares.begin_lease(0, lease as u32, *weight);
    }
    shares
}

fn close(got: &[f64], wanted: &[f64]) {
    for (got_one, wanted_one) in got.iter().zip(wanted) {
        assert!((got_one - wanted_one).abs() < 0.03 * wanted_one.max(0.1), "{got:?}, wanted {wanted:?}");
    }
}

#[test]
fn busy_leases_get_the_gpu_by_weight_whatever_the_length_of_their_kernels() {
    for (weights, kernels) in [
        (&[1, 1][..], &[MS, MS][..]),
        (&[1000, 3000], &[MS, MS]),
        (&[1000, 3000], &[MS / 2, 40 * MS]),
        (&[1000, 3000], &[40 * MS, MS / 2]),
        (&[1, 1, 2], &[3 * MS, 17 * MS, MS / 4]),
        (&[100, 9900], &[MS, 5 * MS]),
    ] {
        let shares = shares(weights);
        let mut programs: Vec<_> = (0..).zip(kernels).map(|(place, kernel)| Program::new(&shares, (place, place), *kernel, 0)).collect();
        let sum: u32 = weights.iter().sum();
        let wanted: Vec<f64> = weights.iter().map(|weight| f64::from(*weight) / f64::from(sum)).collect();
        close(&run(&mut programs, 20_000 * MS), &wanted);
    }
}

#[test]
fn a_lease_that_wants_less_than_its_share_leaves_the_rest_to_others() {
    let shares = shares(&[5000, 5000]);
    // One kernel of 1 ms in 10 ms.
    let mut programs = [Program::new(&shares, (0, 0), MS, 9 * MS), Program::new(&shares, (1, 1), MS, 0)];
    let got = run(&mut programs, 10_000 * MS);
    assert!(got[0] > 0.05 && got[1] > 0.85, "{got:?}");
}

#[test]
fn alone_it_has_everything_and_gets_nothing_later_for_time_in_which_it_wanted_nothing() {
    let shares = shares(&[1000, 1000]);
    let mut programs = [Program::new(&shares, (0, 0), 2 * MS, 0)];
    close(&run(&mut programs, 5_000 * MS), &[1.0]);
    let [first] = programs;
    // For five seconds only the first one ran, and nobody beside it was kept waiting: both begin alike.
    let mut second = Program::new(&shares, (1, 1), 2 * MS, 0);
    second.ready = first.ready;
    let mut programs = [first, second];
    close(&run(&mut programs, 1_000 * MS), &[0.5, 0.5]);
    // The second one is away, while the first competes with a third.
    let [mut first, mut second] = programs;
    if let Some(turn) = second.turn.take() {
        second.tenant.leave(turn, second.ready);
    }
    second.ends = None;
    second.tenant.give_up();
    shares.begin_lease(0, 2, 1000);
    let mut third = Program::new(&shares, (2, 2), 2 * MS, 0);
    third.ready = first.ready;
    first.ready = first.ready.max(third.ready);
    let mut programs = [first, third];
    close(&run(&mut programs, 3_000 * MS), &[0.5, 0.5]);
    let [first, third] = programs;
    second.ready = first.ready;
    let mut programs = [first, second, third];
    close(&run(&mut programs, 600 * MS), &[1.0 / 3.0; 3]);
}

#[test]
fn workers_of_one_lease_have_its_share_together() {
    let shares = shares(&[5000, 5000]);
    let mut programs = [
        Program::new(&shares, (0, 0), MS, 0),
        Program::new(&shares, (1, 1), MS, 0),
        Program::new(&shares, (2, 1), MS, 0),
        Program::new(&shares, (3, 1), MS, 0),
    ];
    // Three at a time, each of which is as fast here as if it were alone: what they share is the time of their turns.
    let got = run(&mut programs, 10_000 * MS);
    assert!((0.45..0.55).contains(&got[0]), "{got:?}");
    assert!(got[1..].iter().all(|worker| *worker > 0.35), "{got:?}");
}

#[test]
fn who_passes_the_turn_on_is_in_line_for_the_next_one() {
    let shares = shares(&[2500, 7500]);
    let small = Tenant::new(shares.clone(), 0, 0, 0).unwrap();
    let large = Tenant::new(shares.clone(), 0, 1, 1).unwrap();
    let turn = large.enter(START).expect("free");
    assert!(small.enter(START).is_none());
    // It has used less than its share when its turn is over, and has more to do.
    small.charge(10 * MS);
    large.charge(10 * MS);
    large.pass_on(turn, START + 10 * MS);
    assert!(small.enter(START + 10 * MS).is_none(), "the other is next");
    let turn = large.enter(START + 10 * MS).expect("next");
    // It has nothing more to do.
    large.leave(turn, START + 20 * MS);
    assert!(small.enter(START + 20 * MS).is_some());
}

#[test]
fn a_worker_that_dies_blocks_nobody() {
    let shares = shares(&[5000, 5000]);
    let dead = Tenant::new(shares.clone(), 0, 7, 0).unwrap();
    let other = Tenant::new(shares.clone(), 0, 8, 1).unwrap();
    let turn = dead.enter(START).expect("free");
    assert!(other.enter(START).is_none() && dead.turn().is_waited_for() && dead.turn().is_same(turn));
    shares.clear_seat(7);
    assert!(other.enter(START).is_some(), "with its worker the turn is over");
    // One that waits, and would be next.
    let dead = Tenant::new(shares.clone(), 0, 7, 0).unwrap();
    assert!(dead.enter(START).is_none());
    std::mem::forget(dead);
    shares.clear_seat(7);
    let turn = other.turn();
    other.charge(1000 * MS);
    other.leave(turn, START);
    assert!(other.enter(START).is_some(), "nobody waits any more");
}

#[test]
fn a_worker_that_stands_still_loses_its_turn_and_its_place() {
    let shares = shares(&[5000, 5000]);
    let still = Tenant::new(shares.clone(), 0, 0, 0).unwrap();
    let other = Tenant::new(shares.clone(), 0, 1, 1).unwrap();
    let lost = still.enter(START).expect("free");
    assert!(other.enter(START + MS).is_none());
    assert!(other.enter(START + ns(OVERDUE)).is_none());
    let turn = other.enter(START + ns(OVERDUE) + 2 * MS).expect("overdue");
    assert!(!turn.is_same(lost));
    // What it does when it wakes up changes nothing.
    still.leave(lost, START + 1100 * MS);
    assert!(other.turn().is_same(turn));
    // It is next, but does not come.
    assert!(still.enter(START + 1100 * MS).is_none());
    other.charge(50 * MS);
    other.leave(turn, START + 1200 * MS);
    assert!(other.enter(START + 1201 * MS).is_none(), "another is next");
    let turn = other.enter(START + 1251 * MS).expect("that one did not come");
    other.leave(turn, START + 1300 * MS);
    assert!(other.enter(START + 1300 * MS).is_some(), "it is not waited for again");
}

#[test]
fn whatever_a_worker_writes_the_others_go_on() {
    let mut word = 0x9e37_79b9_7f4a_7c15u64;
    for round in 0..200 {
        let shares = shares(&[5000, 5000]);
        let tenant = Tenant::new(shares.clone(), 0, 3, 1).unwrap();
        let mut now = START;
        for at in (0..GPU_WORDS).step_by(1 + round % 7) {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            shares.span.store_u64(shares.at(0, at), word, Relaxed);
        }
        let mut turn = None;
        // It waits for the holder, then for each that is next, for as long as each may take.
        for _ in 0..2000 {
            turn = turn.or_else(|| tenant.enter(now));
            now += MS;
        }
        tenant.charge(u64::MAX / 4);
        tenant.leave(turn.expect("its turn comes"), now);
        shares.clear_seat(3);
    }
}

#[test]
fn places_out_of_bounds_and_short_blocks_are_refused() {
    let (shares, fd) = Shares::create(2).unwrap();
    assert!(Tenant::new(shares.clone(), 2, 0, 0).is_err());
    assert!(Tenant::new(shares.clone(), 0, SEATS, 0).is_err());
    assert!(Tenant::new(shares, 0, 0, LEASES).is_err());
    assert!(Shares::map(fd.try_clone().unwrap(), 3).is_err());
    assert!(Shares::map(fd, 2).is_ok());
}

#[test]
fn a_worker_that_sleeps_is_woken_when_the_turn_is_free() {
    let (shares, fd) = Shares::create(1).unwrap();
    shares.begin_lease(0, 0, 1);
    shares.begin_lease(0, 1, 1);
    let holder = Tenant::new(shares, 0, 0, 0).unwrap();
    let turn = holder.enter(now()).expect("free");
    let waiter = std::thread::spawn(move || {
        let tenant = Tenant::new(Shares::map(fd, 1).unwrap(), 0, 1, 1).unwrap();
        loop {
            let bell = tenant.bell();
            if let Some(turn) = tenant.enter(now()) {
                tenant.leave(turn, now());
                return tenant.turn().lease();
            }
            tenant.sleep(bell, Duration::from_secs(3600));
        }
    });
    while !holder.turn().is_waited_for() {
        std::thread::yield_now();
    }
    holder.leave(turn, now());
    assert_eq!(waiter.join().unwrap(), None);
}
