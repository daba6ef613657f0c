//! What a lane costs, beside what the machine gives: medians (and 99th percentiles) in nanoseconds.
//!
//! `cargo run --release -p ringway-link --example latency`
//!
//! Both ends are threads of this process. Needs two quiet cores to say anything about spinning.

use ringway_link::{ClientLane, LaneConfig, LinkError, ServerLane, SpinPolicy, shm, tcp};
use ringway_wire::layout::Geometry;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(10);
const POST: u32 = 1;
const CALL: u32 = 2;
const END: u32 = 3;

/// Client on the first core, server on the last: what two free cores would give.
fn pin(server: bool) {
    // Asked once: a thread that is pinned sees its own core only.
    static CORES: OnceLock<Option<Vec<core_affinity::CoreId>>> = OnceLock::new();
    if let Some(cores) = CORES.get_or_init(core_affinity::get_core_ids) {
        let core = if server { cores.last() } else { cores.first() };
        core.map(|core| core_affinity::set_for_current(*core));
    }
}

fn report(what: &str, mut ns: Vec<u64>) {
    ns.sort_unstable();
    let at = |q: f64| ns[((ns.len() - 1) as f64 * q) as usize];
    println!("{what:<44} p50 {:>7}  p99 {:>8}  ns", at(0.5), at(0.99));
}

/// Times `f` again and again, each sample the mean of `batch` runs.
fn sample(samples: usize, batch: u32, mut f: impl FnMut()) -> Vec<u64> {
    (0..samples)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..batch {
                f();
            }
            start.elapsed().as_nanos() as u64 / u64::from(batch)
        })
        .collect()
}

#[repr(align(128))]
struct Line(AtomicU32);

fn line_floor() {
    let (ping, pong) = (Line(AtomicU32::new(0)), Line(AtomicU32::new(0)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(true);
            let mut next = 1;
            loop {
                let seen = ping.0.load(Ordering::Acquire);
                if seen == u32::MAX {
                    return;
                }
                if seen == next {
                    pong.0.store(next, Ordering::Release);
                    next += 1;
                }
            }
        });
        let mut n = 0;
        let ns = sample(2000, 50, || {
            n += 1;
            ping.0.store(n, Ordering::Release);
            while pong.0.load(Ordering::Acquire) != n {}
        });
        ping.0.store(u32::MAX, Ordering::Release);
        report("floor: cache line there and back", ns);
    });
}

fn unix_floor(pause: Duration) {
    let (mut a, mut b) = UnixStream::pair().expect("pair");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pin(true);
            let mut byte = [0];
            while b.read_exact(&mut byte).is_ok() {
                b.write_all(&byte).expect("write");
            }
        });
        let ns = (0..1000)
            .map(|_| {
                std::thread::sleep(pause);
                let start = Instant::now();
                a.write_all(&[1]).expect("write");
                a.read_exact(&mut [0]).expect("read");
                start.elapsed().as_nanos() as u64
            })
            .collect();
        drop(a);
        report("floor: Unix socket, both asleep before", ns);
    });
}

fn tcp_sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let a = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (b, _) = listener.accept().expect("accept");
    for socket in [&a, &b] {
        socket.set_nodelay(true).expect("nodelay");
    }
    (a, b)
}

fn read_polling(socket: &mut TcpStream, bytes: &mut [u8]) -> bool {
    let mut have = 0;
    while have < bytes.len() {
        match socket.read(&mut bytes[have..]) {
            Ok(0) => return false,
            Ok(n) => have += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
    true
}

fn tcp_floor(blocking: bool) {
    let (mut a, mut b) = tcp_sockets();
    for socket in [&a, &b] {
        socket.set_nonblocking(!blocking).expect("mode");
    }
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pin(true);
            pin(true);
            let mut bytes = [0; 80];
            while read_polling(&mut b, &mut bytes) {
                b.write_all(&bytes).expect("write");
            }
        });
        let mut bytes = [0; 80];
        let ns = sample(5000, 1, || {
            a.write_all(&bytes).expect("write");
            assert!(read_polling(&mut a, &mut bytes));
        });
        drop(a);
        report(
            if blocking {
                "floor: raw TCP, blocking"
            } else {
                "floor: raw TCP, polling"
            },
            ns,
        );
    });
}

fn tcp_bandwidth_floor() {
    let (mut a, mut b) = tcp_sockets();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pin(true);
            pin(true);
            let mut bytes = vec![0; 256 << 10];
            while b.read(&mut bytes).is_ok_and(|n| n > 0) {}
            let _ = b.write_all(&[1]);
        });
        let chunk = vec![3u8; 256 << 10];
        let start = Instant::now();
        for _ in 0..1024 {
            a.write_all(&chunk).expect("write");
        }
        a.shutdown(std::net::Shutdown::Write).expect("shutdown");
        a.read_exact(&mut [0]).expect("end");
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "floor: raw TCP, 256 MiB{:>36.2} GB/s",
            0.268_435_456 / seconds
        );
    });
}

/// A GPU thread without a GPU: spins as it has learnt after the last record, then parks.
fn serve(mut lane: ServerLane, spins: bool) {
    pin(true);
    let policy = SpinPolicy::new();
    let mut budget = Duration::ZERO;
    let mut last = Instant::now();
    let mut turns = 0u32;
    loop {
        match lane.poll() {
            Ok(Some(record)) => {
                let end = record.position_end;
                match record.tag {
                    CALL => {
                        let mut slot = [0; 2];
                        assert!(record.payload.read_at(0, &mut slot));
                        lane.reply(u16::from_le_bytes(slot), end, 0, &[0; 16])
                            .expect("reply");
                    }
                    END => return,
                    _ => {}
                }
                lane.release(end);
                if turns > 0 {
                    policy.sufficed(budget);
                }
                turns = 0;
            }
            Ok(None) => {
                turns += 1;
                if turns == 1 {
                    last = Instant::now();
                    budget = policy.budget();
                } else if !spins || (turns.is_multiple_of(8) && last.elapsed() >= budget) {
                    policy.was_in_vain(budget);
                    lane.park(Duration::from_secs(1)).expect("park");
                    turns = 0;
                }
                std::hint::spin_loop();
            }
            Err(LinkError::Down(_)) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn lane_costs(
    name: &str,
    spins: bool,
    pause: Duration,
    samples: usize,
    pair: &dyn Fn() -> (ClientLane, ServerLane),
) {
    let (client, server) = pair();
    std::thread::scope(|scope| {
        scope.spawn(move || serve(server, spins));
        let service = scope.spawn(|| while client.wait_notices(Duration::from_secs(60)).is_ok() {});
        let call = || {
            let mut slot = client.acquire_slot(LIMIT).expect("slot");
            let mut record = client.reserve(CALL, 48, LIMIT).expect("reserve");
            record.write_at(0, &slot.index().to_le_bytes());
            let position = record.commit_call(&mut slot);
            slot.wait(position, LIMIT, &mut [0; 16]).expect("reply");
        };
        for _ in 0..200 {
            call();
        }
        let ns = (0..samples)
            .map(|_| {
                if !pause.is_zero() {
                    std::thread::sleep(pause);
                }
                let start = Instant::now();
                call();
                start.elapsed().as_nanos() as u64
            })
            .collect();
        report(&format!("{name}: call and reply"), ns);
        if pause.is_zero() {
            let payload = [7u8; 48];
            let post = || {
                let mut record = client.reserve(POST, payload.len(), LIMIT).expect("reserve");
                record.write_at(0, &payload);
                record.commit();
            };
            let mut ns = Vec::new();
            for _ in 0..300 {
                ns.extend(sample(1, 100, post));
                call();
            }
            report(&format!("{name}: post, in bursts of 100"), ns);
            let mut ns = Vec::new();
            for _ in 0..30 {
                ns.extend(sample(100, 100, post));
                call();
            }
            report(&format!("{name}: post, in bursts of 10000"), ns);
            let chunk = vec![3u8; 256 << 10];
            for _ in 0..3 {
                let start = Instant::now();
                for _ in 0..1024 {
                    let mut record = client.reserve(POST, chunk.len(), LIMIT).expect("reserve");
                    record.write_at(0, &chunk);
                    record.commit();
                }
                call();
                let seconds = start.elapsed().as_secs_f64();
                println!(
                    "{name}: 256 MiB in records of 256 KiB{:>26.2} GB/s",
                    0.268_435_456 / seconds
                );
            }
        }
        client.reserve(END, 0, LIMIT).expect("reserve").commit();
        let _ = client.flush();
        client.close();
        service.join().expect("service");
    });
}

fn main() {
    let config = LaneConfig {
        geometry: Geometry::DEFAULT,
        lane_key: 0x1122_3344_5566_7788,
    };
    let shm_pair = || {
        let (a, b) = UnixStream::pair().expect("pair");
        let server = shm::offer(a, &config).expect("offer");
        (shm::accept(b, &config).expect("accept"), server)
    };
    let tcp_pair = || {
        let (a, b) = tcp_sockets();
        (
            tcp::client(a, &config).expect("client"),
            tcp::server(b, &config).expect("server"),
        )
    };
    pin(false);
    line_floor();
    unix_floor(Duration::from_millis(1));
    tcp_floor(false);
    tcp_floor(true);
    tcp_bandwidth_floor();
    lane_costs("shm", true, Duration::ZERO, 20_000, &shm_pair);
    lane_costs("tcp", true, Duration::ZERO, 10_000, &tcp_pair);
    let pause = Duration::from_millis(1);
    lane_costs("shm, both asleep before", false, pause, 1000, &shm_pair);
    lane_costs("tcp, both asleep before", false, pause, 1000, &tcp_pair);
}
