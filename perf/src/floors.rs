//! What the machine itself gives, measured in turn with each case.

use crate::samples::Samples;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a short answer, as of a reply slot's header.
const ANSWER_BYTES: usize = 64;

/// Cost of reading the clock twice: the least that a timed stretch of nothing takes.
pub fn clock() -> Duration {
    (0..10_000)
        .map(|_| Instant::now().elapsed())
        .min()
        .unwrap_or_default()
}

#[repr(align(128))]
struct Line(AtomicU32);

/// One cache line from core to core and another back, both ends spinning: `samples` means of 20 round trips.
pub fn line_round_trip(samples: usize, into: &mut Samples) {
    const BATCH: u32 = 20;
    let (ping, pong, end) = (
        Line(AtomicU32::new(0)),
        Line(AtomicU32::new(0)),
        AtomicBool::new(false),
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 1;
            loop {
                if ping.0.load(Ordering::Acquire) == next {
                    pong.0.store(next, Ordering::Release);
                    next += 1;
                } else if end.load(Ordering::Relaxed) {
                    return;
                } else {
                    std::hint::spin_loop();
                }
            }
        });
        let mut sent = 0;
        let mut round = || {
            for _ in 0..BATCH {
                sent += 1;
                ping.0.store(sent, Ordering::Release);
                while pong.0.load(Ordering::Acquire) != sent {
                    std::hint::spin_loop();
                }
            }
        };
        round();
        for _ in 0..samples {
            let start = Instant::now();
            round();
            into.batch(start.elapsed(), BATCH, Duration::ZERO);
        }
        end.store(true, Ordering::Relaxed);
    });
}

/// Two threads that wake each other through futexes; each sleeps for `pause` before every round trip.
pub fn futex_round_trip(samples: usize, pause: Duration, into: &mut Samples) {
    let (ping, pong) = (AtomicU32::new(0), AtomicU32::new(0));
    let end = AtomicBool::new(false);
    let main = thread::current();
    thread::scope(|scope| {
        let partner = scope.spawn(|| {
            let mut next = 1;
            while !end.load(Ordering::Acquire) {
                if ping.load(Ordering::Acquire) == next {
                    pong.store(next, Ordering::Release);
                    main.unpark();
                    next += 1;
                } else {
                    thread::park();
                }
            }
        });
        for sent in 1..=u32::try_from(samples).unwrap_or(u32::MAX) {
            thread::sleep(pause);
            let start = Instant::now();
            ping.store(sent, Ordering::Release);
            partner.thread().unpark();
            while pong.load(Ordering::Acquire) != sent {
                thread::park();
            }
            into.batch(start.elapsed(), 1, Duration::ZERO);
        }
        end.store(true, Ordering::Release);
        partner.thread().unpark();
    });
}

/// Two ends of a TCP connection over the loopback device.
pub struct Sockets(TcpStream, TcpStream);

impl Sockets {
    /// Connects them, without Nagle's delay.
    pub fn connect() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        Ok(Self(near, far))
    }

    /// Sends `up` bytes one way and takes `down` bytes back, `samples` times. `polling`: both ends try again and again
    /// to read, and never sleep; else both block in the kernel.
    pub fn round_trips(
        &mut self,
        up: usize,
        down: usize,
        samples: usize,
        polling: bool,
        pause: Duration,
        into: &mut Samples,
    ) -> std::io::Result<()> {
        self.round_trips_to([up, down], samples, polling, pause, false, into)
    }

    /// As [`Self::round_trips`], polling; `copied`: each end copies what it has received to another place, as it comes.
    pub fn streams(&mut self, up: usize, down: usize, samples: usize, copied: bool, into: &mut Samples) -> std::io::Result<()> {
        self.round_trips_to([up, down], samples, true, Duration::ZERO, copied, into)
    }

    fn round_trips_to(
        &mut self,
        [up, down]: [usize; 2],
        samples: usize,
        polling: bool,
        pause: Duration,
        copied: bool,
        into: &mut Samples,
    ) -> std::io::Result<()> {
        let Self(near, far) = self;
        near.set_nonblocking(polling)?;
        far.set_nonblocking(polling)?;
        let (up, down) = (up.max(ANSWER_BYTES), down.max(ANSWER_BYTES));
        thread::scope(|scope| {
            let partner = scope.spawn(|| -> std::io::Result<()> {
                let (mut taken, answer) = (vec![0u8; up], vec![1u8; down]);
                let mut place = vec![0u8; if copied { up } else { 0 }];
                for _ in 0..samples {
                    receive(far, &mut taken, &mut place)?;
                    send(far, &answer)?;
                }
                Ok(())
            });
            let (payload, mut answer) = (vec![1u8; up], vec![0u8; down]);
            let mut place = vec![0u8; if copied { down } else { 0 }];
            let near_end = (|| -> std::io::Result<()> {
                for _ in 0..samples {
                    if !pause.is_zero() {
                        thread::sleep(pause);
                    }
                    let start = Instant::now();
                    send(near, &payload)?;
                    receive(near, &mut answer, &mut place)?;
                    into.batch(start.elapsed(), 1, Duration::ZERO);
                }
                Ok(())
            })();
            if near_end.is_err() {
                // Lets the partner end.
                let _ = near.shutdown(std::net::Shutdown::Both);
            }
            near_end?;
            partner
                .join()
                .unwrap_or_else(|_| Err(ErrorKind::Other.into()))
        })
    }
}

/// Receives all of `bytes`, and copies each part that came into `place`, unless that is empty.
fn receive(socket: &mut TcpStream, bytes: &mut [u8], place: &mut [u8]) -> std::io::Result<()> {
    let mut have = 0;
    while have < bytes.len() {
        match socket.read(&mut bytes[have..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                if let Some(place) = place.get_mut(have..have + n) {
                    place.copy_from_slice(&bytes[have..have + n]);
                }
                have += n;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut sent = 0;
    while sent < bytes.len() {
        match socket.write(&bytes[sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => sent += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// memcpy of the length of `from`, on one core.
pub fn memcpy(from: &[u8], to: &mut [u8], samples: usize, into: &mut Samples) {
    // A short copy is repeated, so that the clock does not weigh.
    let batch = u32::try_from((4096 / from.len().max(1)).max(1)).unwrap_or(1);
    for _ in 0..samples {
        let start = Instant::now();
        for _ in 0..batch {
            std::hint::black_box(&mut *to).copy_from_slice(std::hint::black_box(from));
        }
        into.batch(start.elapsed(), batch, Duration::ZERO);
    }
}
