//! One end of a connected pair, and what two of them play.

use super::{DEPTH, Ends, What};
use crate::samples::Samples;
use ringway_verbs::{
    Access, CompletionQueue, Completions, ConnectOptions, Context, Endpoint, GidEntry, HostMemory,
    Initialised, Local, MemoryRegion, Options, QueuePair, QueuePairOptions, ReadyToSend,
    RemoteRegion, Route,
};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// For whatever one end waits for from the other.
const PATIENCE: Duration = Duration::from_secs(30);

/// One end of a connected pair.
pub(super) struct End {
    qp: QueuePair<ReadyToSend>,
    sends: CompletionQueue,
    receives: CompletionQueue,
    /// What is sent in its first half, what comes in its second.
    region: MemoryRegion,
    bytes: usize,
    peer: RemoteRegion,
}

type Half = (
    QueuePair<Initialised>,
    CompletionQueue,
    CompletionQueue,
    MemoryRegion,
);

fn half(end: &(Context, GidEntry), bytes: usize, events: bool) -> ringway_verbs::Result<Half> {
    let (context, gid) = end;
    let domain = context.protection_domain()?;
    let queue = |depth| match events {
        true => context.completion_queue_with_events(depth, 0),
        false => context.completion_queue(depth),
    };
    let (sends, receives) = (queue(DEPTH)?, queue(DEPTH)?);
    let options = QueuePairOptions {
        send_depth: DEPTH,
        receive_depth: DEPTH,
        inline_bytes: 0, // perftest has none on rxe
        ..QueuePairOptions::default()
    };
    let region = domain.register(HostMemory::anonymous(2 * bytes)?, Access::REMOTE_WRITE)?;
    let route = Route {
        context: context.clone(),
        port: context.port(gid.port)?,
        gid: *gid,
    };
    let qp = domain
        .queue_pair(&options, &sends, &receives)?
        .init(&route, Access::REMOTE_WRITE)?;
    Ok((qp, sends, receives, region))
}

impl End {
    pub(super) fn pair(ends: &Ends, bytes: usize, events: bool) -> ringway_verbs::Result<[End; 2]> {
        let (a, b) = (
            half(&ends.server, bytes, events)?,
            half(&ends.client, bytes, events)?,
        );
        let (to_a, to_b) = (
            (a.0.endpoint()?, a.3.remote()),
            (b.0.endpoint()?, b.3.remote()),
        );
        let connect = |half: Half, peer: (Endpoint, RemoteRegion)| {
            Ok::<_, ringway_verbs::Error>(End {
                qp: half.0.connect(&peer.0, &ConnectOptions::default())?,
                sends: half.1,
                receives: half.2,
                region: half.3,
                bytes,
                peer: peer.1,
            })
        };
        Ok([connect(a, to_b)?, connect(b, to_a)?])
    }

    /// Writes its first half into the peer's second one.
    pub(super) fn post_write(&mut self) -> Result<(), String> {
        let local = self.region.slice(..self.bytes).ok_or("a slice")?;
        let to = self
            .peer
            .slice(self.bytes as u64, self.bytes as u64)
            .ok_or("a slice")?;
        let mut batch = self.qp.send_queue().batch();
        batch
            .write(local, to, Options::new().signalled())
            .and_then(|()| batch.post())
            .map_err(|error| error.to_string())
    }

    fn post_send(&mut self) -> Result<(), String> {
        let local = self.region.slice(..self.bytes).ok_or("a slice")?;
        let mut batch = self.qp.send_queue().batch();
        batch
            .send(Local::Slice(local), Options::new().signalled())
            .and_then(|()| batch.post())
            .map_err(|error| error.to_string())
    }

    fn post_receive(&mut self) -> Result<(), String> {
        let local = self.region.slice(self.bytes..).ok_or("a slice")?;
        self.qp
            .receive_queue()
            .post(local, 0)
            .map_err(|error| error.to_string())
    }

    /// Takes completed sends until at most `left` are under way.
    pub(super) fn reap_sends(&mut self, left: u32, asleep: bool) -> Result<(), String> {
        let mut patience = Patience::new();
        let mut room = Completions::<16>::new();
        while self.qp.send_queue().under_way() > left {
            for completion in taken(&self.sends, &mut room, asleep)? {
                let done = self.qp.send_queue().reap(completion);
                done.map_err(|error| error.to_string())?;
            }
            patience.check()?;
        }
        Ok(())
    }

    /// Takes one received message.
    fn reap_receive(&mut self, asleep: bool) -> Result<(), String> {
        let mut patience = Patience::new();
        let mut room = Completions::<1>::new();
        loop {
            if let Some(completion) = taken(&self.receives, &mut room, asleep)?.first() {
                let done = self.qp.receive_queue().reap(completion);
                return done.map(|_| ()).map_err(|error| error.to_string());
            }
            patience.check()?;
        }
    }

    /// The number that its messages carry last, so that it arrives last.
    fn put(&self, number: u64) -> Result<(), String> {
        self.region
            .store_u64(self.bytes - 8, number, Ordering::Release)
            .map_err(|error| error.to_string())
    }

    fn wait_for(&self, number: u64) -> Result<(), String> {
        let mut patience = Patience::new();
        loop {
            let there = self.region.load_u64(2 * self.bytes - 8, Ordering::Acquire);
            if there.map_err(|error| error.to_string())? == number {
                return Ok(());
            }
            patience.check()?;
        }
    }

    /// `rounds` there and back. The client counts them, `pause` apart, into `timing`'s samples, each as that many
    /// ways; the server has none.
    fn ping_pong(
        &mut self,
        what: What,
        rounds: usize,
        mut timing: Option<Timing<'_>>,
    ) -> Result<(), String> {
        let asleep = what == What::SendAsleep;
        for round in 1..=rounds as u64 {
            if let Some(Timing { pause, .. }) = &timing
                && !pause.is_zero()
            {
                thread::sleep(*pause);
            }
            let start = Instant::now();
            for sending in [timing.is_some(), timing.is_none()] {
                match (what, sending) {
                    (What::Write, true) => {
                        self.put(round)?;
                        self.post_write()?;
                        self.reap_sends(0, false)?;
                    }
                    (What::Write, false) => self.wait_for(round)?,
                    (_, true) => {
                        self.post_send()?;
                        self.reap_sends(0, asleep)?;
                    }
                    (_, false) => {
                        self.reap_receive(asleep)?;
                        self.post_receive()?;
                    }
                }
            }
            if let Some(Timing { into, ways, .. }) = &mut timing {
                into.batch(start.elapsed(), *ways, Duration::ZERO);
            }
        }
        Ok(())
    }

    /// The client's and the server's part of a ping-pong, on two threads.
    pub(super) fn play(
        [mut server, mut client]: [End; 2],
        what: What,
        rounds: usize,
        timing: Timing<'_>,
    ) -> Result<(), String> {
        server.post_receive()?;
        client.post_receive()?;
        thread::scope(|scope| {
            let partner = scope.spawn(move || server.ping_pong(what, rounds, None));
            let ours = client.ping_pong(what, rounds, Some(timing));
            let theirs = partner
                .join()
                .unwrap_or_else(|_| Err("the other end panicked".into()));
            ours.and(theirs)
        })
    }
}

pub(super) struct Timing<'s> {
    pub(super) into: &'s mut Samples,
    /// Times are divided by it: 1 for round trips, 2 for half ones.
    pub(super) ways: u32,
    pub(super) pause: Duration,
}

fn taken<'b, const N: usize>(
    queue: &CompletionQueue,
    room: &'b mut Completions<N>,
    asleep: bool,
) -> Result<&'b [ringway_verbs::Completion], String> {
    let taken = match asleep {
        true => queue.poll_or_wait(room, PATIENCE),
        false => queue.poll(room),
    };
    taken.map_err(|error| error.to_string())
}

/// Ends a wait that spins.
struct Patience {
    turns: u32,
    deadline: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self {
            turns: 0,
            deadline: None,
        }
    }

    /// Reads the clock only now and then.
    fn check(&mut self) -> Result<(), String> {
        std::hint::spin_loop();
        self.turns += 1;
        if self.turns & 0xfff != 0 {
            return Ok(());
        }
        let deadline = *self
            .deadline
            .get_or_insert_with(|| Instant::now() + PATIENCE);
        if Instant::now() > deadline {
            return Err(format!("nothing came for {} s", PATIENCE.as_secs()));
        }
        Ok(())
    }
}
