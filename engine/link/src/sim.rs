//! Lanes over a simulated network: everything random comes from one seed, time is virtual.
//!
//! The stream is cut into pieces of random size, each piece is delayed, its buffer is small, and it may break after
//! a given number of bytes. Virtual time goes on when somebody looks at the stream or sleeps on it, so nothing ever
//! waits for the clock on the wall. With one thread driving both ends a run is the same every time.

use crate::client::ClientLane;
use crate::framed::{self, Bytes, Pipe};
use crate::lane::{Positions, Resumption, Start, Windows};
use crate::link::{Sleeper, Slept};
use crate::server::ServerLane;
use crate::{LaneConfig, LinkKind, Result};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What the network does to the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Everything random comes from it.
    pub seed: u64,
    /// Longest delay of a piece, in virtual nanoseconds.
    pub delay_ns_max: u64,
    /// Longest piece that one send or receive moves, in bytes.
    pub piece_max: usize,
    /// Bytes that may be under way in each direction.
    pub buffer: usize,
    /// The connection breaks when so many bytes went in one direction.
    pub cut_after: Option<u64>,
}

impl Network {
    /// Delays up to 50 us, pieces up to 3000 bytes, 20 kB under way, never cut.
    pub fn from_seed(seed: u64) -> Network {
        Network {
            seed,
            delay_ns_max: 50_000,
            piece_max: 3000,
            buffer: 20_000,
            cut_after: None,
        }
    }
}

/// The virtual clock and what went over the network.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<Shared>,
}

impl Observer {
    /// Virtual nanoseconds since the beginning.
    pub fn now_ns(&self) -> u64 {
        self.shared.lock().now_ns
    }

    /// Bytes that went from the client to the server and back.
    pub fn bytes(&self) -> (u64, u64) {
        let state = self.shared.lock();
        (state.directions[0].carried, state.directions[1].carried)
    }

    /// Closes the connection in order, for both ends, after what is under way; neither end says farewell.
    pub fn end(&self) {
        self.shared.lock().closed = [true; 2];
        self.shared.changed.notify_all();
    }

    /// Breaks the connection now; what is under way is lost.
    pub fn cut(&self) {
        self.shared.lock().cut();
        self.shared.changed.notify_all();
    }
}

/// A connected pair of lane ends.
/// Errors: `System`.
pub fn pair(config: &LaneConfig, network: Network) -> Result<(ClientLane, ServerLane, Observer)> {
    let (shared, ends) = pipes(network);
    let [windows, servers] = [
        Windows::private(false, config)?,
        Windows::private(true, config)?,
    ];
    let [client, server] = ends;
    let client = framed::link(client, &windows, Start::default())?;
    let server = framed::link(server, &servers, Start::default())?;
    Ok((
        ClientLane::new(client, windows),
        ServerLane::new(server, servers),
        Observer { shared },
    ))
}

/// Continues a lane, both ends of which are suspended, over another network; each hears the other's positions.
/// Errors: `Down`.
pub fn resume(
    client: Resumption<'_>,
    server: Resumption<'_>,
    network: Network,
) -> Result<Observer> {
    let (shared, [clients, servers]) = pipes(network);
    let (of_client, of_server) = (client.positions(), server.positions());
    server.with(of_client, |windows, start| {
        framed::link(servers, windows, start)
    })?;
    client.with(of_server, |windows, start| {
        framed::link(clients, windows, start)
    })?;
    Ok(Observer { shared })
}

/// Continues one end only; the other did not hear of it, and the connection breaks.
/// Errors: `Down`.
pub fn resume_alone(
    one: Resumption<'_>,
    other: Positions,
    server: bool,
    network: Network,
) -> Result<()> {
    let (shared, [clients, servers]) = pipes(network);
    let pipe = if server { servers } else { clients };
    one.with(other, |windows, start| framed::link(pipe, windows, start))?;
    Observer { shared }.cut();
    Ok(())
}

fn pipes(network: Network) -> (Arc<Shared>, [SimPipe; 2]) {
    let state = State {
        now_ns: 0,
        random: network.seed.wrapping_mul(2).wrapping_add(1),
        directions: Default::default(),
        closed: [false; 2],
        woken: [[false; 2]; 2],
        is_cut: false,
    };
    let shared = Arc::new(Shared {
        network,
        state: Mutex::new(state),
        changed: Condvar::new(),
    });
    let end = |end| SimPipe {
        shared: shared.clone(),
        end,
    };
    let ends = [end(0), end(1)];
    (shared, ends)
}

struct Shared {
    network: Network,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[derive(Default)]
struct Direction {
    /// When a piece arrives, and the piece.
    under_way: VecDeque<(u64, VecDeque<u8>)>,
    bytes: usize,
    carried: u64,
}

struct State {
    now_ns: u64,
    random: u64,
    /// Sent by the client, sent by the server.
    directions: [Direction; 2],
    closed: [bool; 2],
    woken: [[bool; 2]; 2],
    is_cut: bool,
}

impl State {
    /// From 0 to `n - 1`.
    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n.max(1)
    }

    fn cut(&mut self) {
        self.is_cut = true;
        for direction in &mut self.directions {
            direction.under_way.clear();
            direction.bytes = 0;
        }
    }

    fn readable(&self, end: usize) -> bool {
        let inbound = &self.directions[1 - end];
        self.is_cut
            || inbound
                .under_way
                .front()
                .is_some_and(|(at, _)| *at <= self.now_ns)
            || (self.closed[1 - end] && inbound.under_way.is_empty())
    }
}

struct SimPipe {
    shared: Arc<Shared>,
    /// 0 the client's, 1 the server's.
    end: usize,
}

/// Copies between raw parts and a private buffer, at most `limit` bytes; how many.
fn each_part(parts: [Bytes; 2], limit: usize, mut copy: impl FnMut(*mut u8, usize)) -> usize {
    let mut left = limit;
    for (ptr, len) in parts {
        let n = len.min(left);
        copy(ptr, n);
        left -= n;
    }
    limit - left
}

impl Pipe for SimPipe {
    fn kind(&self) -> LinkKind {
        LinkKind::Sim
    }

    unsafe fn send(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let network = self.shared.network;
        let mut state = self.shared.lock();
        if state.is_cut || state.closed[0] || state.closed[1] {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let space = network.buffer - state.directions[self.end].bytes.min(network.buffer);
        if space == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let limit = 1 + state.below(space.min(network.piece_max) as u64) as usize;
        let delay = state.below(network.delay_ns_max + 1);
        let arrives = state.now_ns + delay;
        let direction = &mut state.directions[self.end];
        let arrives = direction
            .under_way
            .back()
            .map_or(arrives, |(last, _)| arrives.max(*last));
        let mut piece = VecDeque::new();
        let n = each_part(parts, limit, |ptr, len| {
            let mut bytes = vec![0; len];
            // SAFETY: the caller vouches for the part; copied, because the peer of a shadow may not be referred to.
            unsafe { std::ptr::copy_nonoverlapping(ptr, bytes.as_mut_ptr(), len) };
            piece.extend(bytes);
        });
        direction.bytes += n;
        direction.carried += n as u64;
        direction.under_way.push_back((arrives, piece));
        if network
            .cut_after
            .is_some_and(|bytes| direction.carried >= bytes)
        {
            state.cut();
        }
        drop(state);
        self.shared.changed.notify_all();
        Ok(n)
    }

    unsafe fn receive(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let piece_max = self.shared.network.piece_max;
        let mut state = self.shared.lock();
        // Looking takes time.
        state.now_ns += 50 + state.below(100);
        if state.is_cut {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !state.readable(self.end) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let limit = 1 + state.below(piece_max as u64) as usize;
        let direction = &mut state.directions[1 - self.end];
        let Some((_, piece)) = direction.under_way.front_mut() else {
            return Ok(0);
        };
        let n = each_part(parts, limit.min(piece.len()), |ptr, len| {
            for (i, byte) in piece.drain(..len).enumerate() {
                // SAFETY: the caller vouches for the part.
                unsafe { ptr.add(i).write(byte) };
            }
        });
        if piece.is_empty() {
            direction.under_way.pop_front();
        }
        direction.bytes -= n;
        drop(state);
        self.shared.changed.notify_all();
        Ok(n)
    }

    fn park(&self, sleeper: Sleeper, or_writable: bool, timeout: Duration) -> Slept {
        let start = Instant::now();
        let mut state = self.shared.lock();
        loop {
            if std::mem::take(&mut state.woken[self.end][sleeper as usize]) {
                return Slept::Woken;
            }
            if state.readable(self.end)
                || (or_writable && state.directions[self.end].bytes < self.shared.network.buffer)
            {
                return Slept::Came;
            }
            if let Some((arrives, _)) = state.directions[1 - self.end].under_way.front() {
                state.now_ns = *arrives;
                continue;
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Slept::TimedOut;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(|e| e.into_inner())
                .0;
        }
    }

    fn wake(&self, sleeper: Sleeper) {
        self.shared.lock().woken[self.end][sleeper as usize] = true;
        self.shared.changed.notify_all();
    }

    fn now_ns(&self) -> u64 {
        self.shared.lock().now_ns
    }

    fn close(&self) {
        self.shared.lock().closed[self.end] = true;
        self.shared.changed.notify_all();
    }

    fn release(&self) {
        self.shared.lock().cut();
        self.shared.changed.notify_all();
    }
}

impl Drop for SimPipe {
    fn drop(&mut self) {
        self.close();
    }
}
