//! The order of calls across the lanes to one server. HOT: no allocation or lock in what a call does.
//!
//! Each lane has a GPU thread at the server, and records of one lane may name objects of another ([`Reach::Server`]). Such a record must be
//! executed after every record of the server's other lanes that was committed before, and before every one that is committed afterwards,
//! by whichever thread: nobody but the program knows which of its threads have agreed on an order. Where its lane does not wait for the
//! others yet, a fence (`TAG_AFTER`) goes before it. Records that name objects of their own lane only ([`Reach::Lane`]) need no order among each
//! other: CUDA has none between devices but that of events. So GPUs that compute by themselves are not held up by each other.
//!
//! What each lane waits for is kept for each pair of lanes, not as "the last record" of all: two threads that write that down after their
//! commits may do so in the other order, and then the records of one of them would count as waited for.
//!
//! Lanes never wait for each other in a circle: what a fence waits for was committed before the fence was reserved.

use crossbeam::utils::CachePadded;
use ringway_api::op;
use ringway_link::Position;
use ringway_wire::call::{TAG_GATE, TAG_OPEN_GATE, TAG_TRANSFER_DATA, TAG_WATCH};
use ringway_wire::control::LEASE_GPUS_MAX;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a record may name, beside device memory, which is there from when an allocation has returned until a record that reaches the
/// server frees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Objects of its own lane: their order is that of the lane, and what other devices have to do with them is said by events.
    Lane,
    /// Objects of any lane to the server.
    Server,
}

impl Reach {
    /// Of each call with this opcode; of the others it is not known.
    #[inline]
    pub(crate) const fn of(opcode: u32) -> Self {
        match opcode {
            op::CU_LAUNCH_KERNEL
            | op::CU_LAUNCH_KERNEL_EX
            | op::CU_LAUNCH_COOPERATIVE_KERNEL
            | op::CU_MEMSET_D8
            | op::CU_MEMSET_D16
            | op::CU_MEMSET_D32
            | op::CU_MEMSET_D2D8
            | op::CU_MEMSET_D2D16
            | op::CU_MEMSET_D2D32
            | op::CU_MEMSET_D8_ASYNC
            | op::CU_MEMSET_D16_ASYNC
            | op::CU_MEMSET_D32_ASYNC
            | op::CU_MEMSET_D2D8_ASYNC
            | op::CU_MEMSET_D2D16_ASYNC
            | op::CU_MEMSET_D2D32_ASYNC
            | op::CU_MEMCPY_HTOD
            | op::CU_MEMCPY_DTOH
            | op::CU_MEMCPY_HTOD_ASYNC
            | op::CU_MEMCPY_DTOH_ASYNC
            | op::CU_MEMCPY_DTOD_ASYNC
            | op::CU_MEMCPY_PEER_ASYNC
            | op::CU_MEMCPY3D_ASYNC
            // An event is recorded in streams of its own context only (CUDA driver API, cuEventRecord).
            | op::CU_EVENT_RECORD
            | op::CU_EVENT_RECORD_WITH_FLAGS
            | op::CU_EVENT_SYNCHRONIZE
            | op::CU_EVENT_QUERY
            | op::CU_STREAM_SYNCHRONIZE
            | op::CU_STREAM_QUERY
            | op::CU_CTX_SYNCHRONIZE
            | TAG_TRANSFER_DATA
            | TAG_WATCH
            | TAG_GATE
            | TAG_OPEN_GATE => Self::Lane,
            _ => Self::Server,
        }
    }
}

/// A lane's place in the order.
struct Lane {
    /// The lanes to its server, itself among them.
    peers: Range<usize>,
    /// End of the last record committed.
    committed: CachePadded<AtomicU64>,
    /// End of the last one that reaches the server.
    reaching: CachePadded<AtomicU64>,
    /// How far its records wait for each lane. Written after the fence was committed.
    waits: Box<[AtomicU64]>,
}

impl Lane {
    fn waits_for(&self, other: usize) -> Position {
        self.waits[other].load(Ordering::Acquire)
    }
}

/// The order of all lanes of a session.
pub(crate) struct LaneOrder {
    lanes: Box<[Lane]>,
    /// For each server, at its first lane: the one that a record which reaches the server went to last, as a hint. It waits for most of the
    /// others.
    latest: Box<[AtomicU32]>,
}

impl LaneOrder {
    /// Lanes of servers, each server's one after the other.
    pub(crate) fn new(servers: impl IntoIterator<Item = Range<u32>>) -> Self {
        let servers: Vec<Range<usize>> = servers.into_iter().map(|lanes| lanes.start as usize..lanes.end as usize).collect();
        let count = servers.iter().map(|lanes| lanes.len()).sum();
        let lane = |peers: &Range<usize>| Lane {
            peers: peers.clone(),
            committed: CachePadded::default(),
            reaching: CachePadded::default(),
            waits: (0..count).map(|_| AtomicU64::new(0)).collect(),
        };
        Self {
            lanes: servers.iter().flat_map(|peers| peers.clone().map(|_| lane(peers))).collect(),
            latest: (0..count as u32).map(AtomicU32::new).collect(),
        }
    }

    /// A record of `lane` was committed.
    #[inline(never)]
    pub(crate) fn committed(&self, lane: u32, reach: Reach, position: Position) {
        let Some(of) = self.lanes.get(lane as usize).filter(|of| of.peers.len() > 1) else { return };
        of.committed.fetch_max(position, Ordering::AcqRel);
        if reach == Reach::Lane {
            return;
        }
        of.reaching.fetch_max(position, Ordering::AcqRel);
        let latest = &self.latest[of.peers.start];
        if latest.load(Ordering::Relaxed) != lane {
            latest.store(lane, Ordering::Relaxed);
        }
    }

    /// Before a record of `lane` is reserved: `fence` is called for each lane that it must wait for and does not yet, with that lane's number
    /// and position, commits a fence and gives the fence's end.
    ///
    /// # Errors
    /// The first one of `fence`.
    #[inline]
    pub(crate) fn before<E>(&self, lane: u32, reach: Reach, fence: impl FnMut(u32, Position) -> Result<Position, E>) -> Result<(), E> {
        let Some(of) = self.lanes.get(lane as usize).filter(|of| of.peers.len() > 1) else { return Ok(()) };
        let mut others = of.peers.clone().filter(|other| *other != lane as usize);
        let end = |other: usize| match reach {
            Reach::Lane => self.lanes[other].reaching.load(Ordering::Acquire),
            Reach::Server => self.lanes[other].committed.load(Ordering::Acquire),
        };
        match (others.any(|other| end(other) > of.waits_for(other)), reach) {
            (false, _) => Ok(()),
            (true, Reach::Lane) => self.fences_of_reaching(lane, of, fence),
            (true, Reach::Server) => self.fences(lane, of, fence),
        }
    }

    /// Fences before a record of its lane alone.
    #[cold]
    fn fences_of_reaching<E>(&self, lane: u32, of: &Lane, mut fence: impl FnMut(u32, Position) -> Result<Position, E>) -> Result<(), E> {
        for other in of.peers.clone().filter(|other| *other != lane as usize) {
            let position = self.lanes[other].reaching.load(Ordering::Acquire);
            if position > of.waits_for(other) {
                let end = fence(other as u32, position)?;
                of.committed.fetch_max(end, Ordering::AcqRel);
                of.waits[other].fetch_max(position, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    /// Fences before a record that reaches the server.
    #[cold]
    fn fences<E>(&self, lane: u32, of: &Lane, mut fence: impl FnMut(u32, Position) -> Result<Position, E>) -> Result<(), E> {
        let latest = self.latest[of.peers.start].load(Ordering::Relaxed) as usize;
        let mut taken_over = [0; LEASE_GPUS_MAX as usize];
        for other in std::iter::once(latest).chain(of.peers.clone()) {
            if other == lane as usize {
                continue;
            }
            let theirs = &self.lanes[other];
            // What the other lane waits for by now, this one need not wait for by itself. Read before the position, which so lies after
            // the fences of which this tells.
            let there = theirs.peers.clone().map(|third| theirs.waits_for(third));
            taken_over.iter_mut().zip(there).for_each(|(here, there)| *here = there);
            let position = theirs.committed.load(Ordering::Acquire);
            if position <= of.waits_for(other) {
                continue;
            }
            let end = fence(other as u32, position)?;
            of.committed.fetch_max(end, Ordering::AcqRel);
            of.waits[other].fetch_max(position, Ordering::AcqRel);
            for (third, position) in of.peers.clone().zip(taken_over) {
                of.waits[third].fetch_max(position, Ordering::AcqRel);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::{Barrier, Mutex};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Entry {
        After(u32, Position),
        Record { thread: usize, number: usize, reach: Reach },
    }

    /// Lanes whose records can be looked at afterwards; a record's end is its number in its lane, from 1.
    struct Program {
        order: LaneOrder,
        lanes: Vec<Mutex<Vec<Entry>>>,
        server_of: Vec<usize>,
    }

    impl Program {
        /// Servers with so many lanes each.
        fn new(servers: &[u32]) -> Self {
            let mut server_of = Vec::new();
            let ranges = servers.iter().enumerate().map(|(server, lanes)| {
                let first = server_of.len() as u32;
                server_of.extend(std::iter::repeat_n(server, *lanes as usize));
                first..first + lanes
            });
            let order = LaneOrder::new(ranges.collect::<Vec<_>>());
            Self { order, lanes: server_of.iter().map(|_| Mutex::default()).collect(), server_of }
        }

        fn write(&self, lane: u32, entry: Entry) -> Position {
            let mut entries = self.lanes[lane as usize].lock().unwrap();
            entries.push(entry);
            entries.len() as Position
        }

        /// As `submit::record` does it; `pause` is where another thread may come between.
        fn post(&self, lane: u32, record: Entry, pause: impl Fn()) {
            let Entry::Record { reach, .. } = record else { panic!("{record:?}") };
            let fenced: Result<(), Infallible> = self.order.before(lane, reach, |other, position| {
                pause();
                Ok(self.write(lane, Entry::After(other, position)))
            });
            let Ok(()) = fenced;
            pause();
            let end = self.write(lane, record);
            pause();
            self.order.committed(lane, reach, end);
        }

        /// For each entry of each lane, how much of every lane is executed before it. Fails if lanes wait in a circle.
        fn executed_before(&self) -> Vec<Vec<Vec<usize>>> {
            let lanes: Vec<Vec<Entry>> = self.lanes.iter().map(|lane| lane.lock().unwrap().clone()).collect();
            let mut at = vec![0; lanes.len()];
            let mut known = vec![vec![0; lanes.len()]; lanes.len()];
            let mut of_entries: Vec<Vec<Vec<usize>>> = vec![Vec::new(); lanes.len()];
            loop {
                let mut any = false;
                for lane in 0..lanes.len() {
                    while let Some(entry) = lanes[lane].get(at[lane]) {
                        if let Entry::After(other, position) = *entry {
                            let (other, position) = (other as usize, position as usize);
                            if at[other] < position {
                                break;
                            }
                            // What had been executed before the last entry that is waited for, and that entry.
                            let mut theirs = of_entries[other][position - 1].clone();
                            theirs[other] = position;
                            known[lane].iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = theirs.max(*mine));
                        }
                        known[lane][lane] = at[lane];
                        let now = known[lane].clone();
                        of_entries[lane].push(now);
                        at[lane] += 1;
                        any = true;
                    }
                }
                if !any {
                    break;
                }
            }
            assert!(lanes.iter().zip(&at).all(|(entries, at)| entries.len() == *at), "lanes wait for each other in a circle");
            of_entries
        }

        fn fences(&self) -> usize {
            self.lanes.iter().map(|lane| lane.lock().unwrap().iter().filter(|entry| matches!(entry, Entry::After(..))).count()).sum()
        }
    }

    const fn record(thread: usize, number: usize, reach: Reach) -> Entry {
        Entry::Record { thread, number, reach }
    }

    #[test]
    fn a_lane_by_itself_and_lanes_of_different_servers_have_no_fences() {
        let program = Program::new(&[1, 1]);
        for number in 0..10 {
            program.post(number as u32 % 2, record(0, number, Reach::Server), || ());
        }
        assert_eq!(program.fences(), 0);
    }

    #[test]
    fn a_fence_goes_before_the_first_record_that_follows_one_on_another_lane() {
        let program = Program::new(&[3]);
        let record = |number| record(0, number, Reach::Server);
        for (number, lane) in [0, 0, 1, 1, 2, 0].into_iter().enumerate() {
            program.post(lane, record(number), || ());
        }
        let lanes: Vec<_> = program.lanes.iter().map(|lane| lane.lock().unwrap().clone()).collect();
        // Lane 2 waits for lane 1, which waits for lane 0: one fence each.
        assert_eq!(lanes[0], [record(0), record(1), Entry::After(2, 2), record(5)]);
        assert_eq!(lanes[1], [Entry::After(0, 2), record(2), record(3)]);
        assert_eq!(lanes[2], [Entry::After(1, 3), record(4)]);
    }

    #[test]
    fn records_of_their_lanes_alone_wait_for_those_only_that_reach_the_server() {
        let program = Program::new(&[2]);
        let [alone, reaching] = [Reach::Lane, Reach::Server].map(|reach| move |number| record(0, number, reach));
        for number in 0..6 {
            program.post(number as u32 % 2, alone(number), || ());
        }
        assert_eq!(program.fences(), 0);
        program.post(1, reaching(6), || ());
        program.post(1, alone(7), || ());
        for number in 8..12 {
            program.post(number as u32 % 2, alone(number), || ());
        }
        let lanes: Vec<_> = program.lanes.iter().map(|lane| lane.lock().unwrap().clone()).collect();
        assert_eq!(lanes[0], [alone(0), alone(2), alone(4), Entry::After(1, 5), alone(8), alone(10)]);
        assert_eq!(lanes[1], [alone(1), alone(3), alone(5), Entry::After(0, 3), reaching(6), alone(7), alone(9), alone(11)]);
    }

    /// A thread that is about to write down its record does not hide another thread's record that came between.
    #[test]
    fn what_another_thread_committed_meanwhile_is_waited_for() {
        let program = Program::new(&[2]);
        let record = |thread, number| record(thread, number, Reach::Server);
        // Thread 1's record is in lane 1, but not yet written down as committed.
        let late = program.write(1, record(1, 0));
        program.post(0, record(0, 0), || ());
        program.order.committed(1, Reach::Server, late);
        program.post(1, record(0, 1), || ());
        assert_eq!(program.lanes[1].lock().unwrap().as_slice(), [record(1, 0), Entry::After(0, 1), record(0, 1)]);
    }

    #[test]
    fn every_thread_s_records_are_executed_in_its_order() {
        let servers: [&[u32]; 4] = [&[2], &[4], &[2, 3], &[8]];
        for (seed, servers) in servers.into_iter().cycle().take(60).enumerate() {
            // One in so many records reaches the server.
            let reaching = [1, 2, 10][seed % 3];
            let program = Program::new(servers);
            const THREADS: usize = 4;
            const RECORDS: usize = 200;
            let begin = Barrier::new(THREADS);
            let walks: Vec<Vec<(u32, Reach)>> = std::thread::scope(|scope| {
                let posts = |thread: usize| {
                    let mut state = (seed * THREADS + thread + 1) as u64;
                    let mut random = move || {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        (state >> 33) as u32
                    };
                    begin.wait();
                    let mut walk = Vec::new();
                    for number in 0..RECORDS {
                        let lane = random() % program.lanes.len() as u32;
                        let reach = if random() % reaching == 0 { Reach::Server } else { Reach::Lane };
                        let pauses = random() % 4 == 0;
                        program.post(lane, record(thread, number, reach), || {
                            if pauses {
                                std::thread::yield_now();
                            }
                        });
                        walk.push((lane, reach));
                    }
                    walk
                };
                let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || posts(thread))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let before = program.executed_before();
            let mut place = vec![vec![0; RECORDS]; THREADS];
            for lane in &program.lanes {
                for (at, entry) in lane.lock().unwrap().iter().enumerate() {
                    if let Entry::Record { thread, number, .. } = *entry {
                        place[thread][number] = at;
                    }
                }
            }
            for (thread, walk) in walks.iter().enumerate() {
                for later in 0..RECORDS {
                    for earlier in 0..later {
                        let [(first, one), (then, other)] = [walk[earlier], walk[later]];
                        let is_one_server = program.server_of[first as usize] == program.server_of[then as usize];
                        if !is_one_server || first != then && one == Reach::Lane && other == Reach::Lane {
                            continue;
                        }
                        let (at, there) = (place[thread][earlier], place[thread][later]);
                        let done = if first == then { there } else { before[then as usize][there][first as usize] };
                        assert!(done > at, "thread {thread}: record {later} may be executed before record {earlier}");
                    }
                }
            }
        }
    }
}
