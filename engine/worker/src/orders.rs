//! The worker's main thread: takes orders and connections from `ringway serve`.

use crate::confine::{self, Confinement};
use crate::generated::Driver;
use crate::process_memory::Nvml;
use crate::session::Session;
use crate::turns::Turns;
use crate::{WorkerError, gpu_loop, inventory, measure, output::Output, paths};
use ringway_link::account::Account;
use ringway_link::shares::{Shares, Tenant};
use ringway_link::shm::SharedMemory;
use ringway_link::socket::Socket;
use ringway_link::{LaneConfig, LinkEvent, Positions, ServerHandle, ServerLane, rdma, shm, spin, tcp};
use ringway_secure::record::ConnectionKeys;
use ringway_wire::control::{self, ControlError, LaneKeys, LinkAsk, Opened, Reply, SERVERS_MAX, SPARE_IS_READY, WorkerOrder};
use ringway_wire::layout::Geometry;
use sendfd::RecvWithFd;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The longest that a GPU thread looks at its ring before it sleeps, unless `RINGWAY_SPIN_US` says otherwise, in times of the longest
/// spin that can pay: the client that was just answered may be waking.
const SPINS: u32 = 2;

/// How often it is looked whether a session's slice is passed.
const MEMORY_LOOK: Duration = Duration::from_secs(5);
/// Exit code of a worker whose slice is.
const EXIT_PASSED: i32 = 4;

/// Attempts to resume a lane that are under way at a time, at the most.
const RESUMES_MAX: u32 = 8;

/// Threads that make paths, or are asked by them, at a time, at the most: two for each other server of a program, one of which is at
/// its end.
const PATHS_MAX: u32 = 2 * SERVERS_MAX;

/// A connection for a lane or a path.
pub struct Line {
    /// The connection.
    pub connection: OwnedFd,
    /// The link asked for.
    pub link: LinkAsk,
    /// What it is sealed with.
    pub keys: Option<LaneKeys>,
}

impl Line {
    /// The connection as a socket of TCP, of which this is the end that was connected to (`server`) or not. Serve says nothing on it any
    /// more, so that nothing else is sealed with its keys.
    pub(crate) fn socket(self, server: bool) -> Result<Socket, WorkerError> {
        let keys = match &self.keys {
            None => None,
            Some(LaneKeys(bytes)) => Some(
                ConnectionKeys::from_slice(bytes).ok_or_else(|| ControlError::Unexpected("keys of another length".into()))?,
            ),
        };
        Ok(Socket::with(TcpStream::from(self.connection), keys.as_ref(), server))
    }
}

/// What does not depend on the session.
struct Prepared {
    driver: Driver,
    output: Output,
    /// Or why there is none.
    nvml: Result<Nvml, String>,
}

impl Prepared {
    fn make(confinement: &Confinement) -> Result<Self, WorkerError> {
        // The library may lie where only the server's user can look; the devices are opened as whom the worker runs.
        let driver = inventory::load_driver()?;
        give_up_privileges(confinement)?;
        let output = Output::capture()?;
        inventory::initialise(&driver)?;
        Ok(Self { driver, output, nvml: Nvml::load() })
    }
}

/// What processes are called, for people who look at them.
const NAME: &CStr = c"ringway-worker";
const NAME_OF_SPARE: &CStr = c"ringway-spare";

fn be_called(name: &CStr) {
    // SAFETY: names this thread; the text lives for the call. If it fails, it is called something else.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Gets ready before there is a session, says so, and waits for one: the first order, or None if there is none.
///
/// No context is made: a spare worker has no memory of a GPU.
fn wait_prepared(confinement: &Confinement, orders: &UnixStream) -> Result<Option<(Prepared, (WorkerOrder, OwnedFd))>, WorkerError> {
    be_called(NAME_OF_SPARE);
    let prepared = Prepared::make(confinement)?;
    // Measured once in a process.
    spin::longest();
    (&mut &*orders).write_all(&[SPARE_IS_READY])?;
    let first = match next(orders) {
        // Serve has ended, or wants no spare any more.
        Err(ControlError::Io(_)) => return Ok(None),
        first => first?,
    };
    Ok(Some((prepared, first)))
}

/// Serves one session, confined before the client is heard; ends when the client is gone. A spare one gets ready before it is told which.
///
/// # Errors
/// [`WorkerError`] when the session could not be begun.
pub fn serve_session(confinement: &Confinement, is_spare: bool) -> Result<(), WorkerError> {
    if !confinement.off {
        confine::begin().map_err(WorkerError::Confinement)?;
    }
    let stdin = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    let orders = UnixStream::from(stdin);
    let (prepared, (first, account)) = if is_spare {
        let Some((prepared, first)) = wait_prepared(confinement, &orders)? else { return Ok(()) };
        (Some(prepared), first)
    } else {
        (None, next(&orders)?)
    };
    if let WorkerOrder::Measure { link, keys } = first {
        give_up_privileges(confinement)?;
        install_filter(confinement)?;
        return measure::serve(Line { connection: account, link, keys });
    }
    let WorkerOrder::Configure {
        session: number,
        secret,
        slices,
        account_slot,
        cores,
        grace_ms,
        share,
    } = first
    else {
        return Err(ControlError::Unexpected("an order before the configuration".into()).into());
    };
    be_called(NAME);
    let account = Account::map(account, slices.len() as u32)?;
    let (WorkerOrder::Shares { gpus, seat, lease }, shares) = next(&orders)? else {
        return Err(ControlError::Unexpected("an order before that of the shares".into()).into());
    };
    let shares = Shares::map(shares, gpus as usize)?;
    let Prepared { driver, output, nvml } = prepared.map_or_else(|| Prepared::make(confinement), Ok)?;
    let (driver_version, devices) = inventory::leased(&driver, &slices)?;
    let uuids: Vec<[u8; 16]> = devices.iter().map(|device| device.uuid).collect();
    let process_memory = nvml
        .and_then(|nvml| nvml.of(&uuids))
        .inspect_err(|why| tracing::warn!("memory that the driver takes for contexts and modules is not counted: {why}"))
        .ok();
    let session = Arc::new(Session::new(driver, process_memory, slices, account, account_slot, output, share));
    // Before the first byte of the client is read.
    install_filter(confinement)?;
    let guarded = Arc::clone(&session);
    std::thread::Builder::new().name("memory".into()).spawn(move || guard_memory(&guarded))?;
    let lanes = session.slices.len();
    let mut taken = vec![false; lanes];
    let mut handles: Vec<Option<ServerHandle>> = vec![None; lanes];
    let resuming = Arc::new(AtomicU32::new(0));
    let making = Arc::new(AtomicU32::new(0));
    loop {
        let (order, connection) = match next(&orders) {
            Ok(order) => order,
            Err(error) => {
                // Serve is gone. The session goes on: its GPU threads end the process when the client does.
                tracing::warn!("ringway serve is gone ({error}); the session goes on without it");
                loop {
                    std::thread::park();
                }
            }
        };
        let (lane, line) = match order {
            WorkerOrder::Attach { lane, link, keys } => (lane, Line { connection, link, keys }),
            WorkerOrder::Resume {
                lane,
                link,
                attempt,
                received,
                keys,
            } => {
                let handle = handles.get(lane as usize).cloned().flatten();
                let peer = Positions { received };
                start_resume(&resuming, handle, Line { connection, link, keys }, (attempt, peer));
                continue;
            }
            WorkerOrder::Path { peer, attempt, comes_in, keys } => {
                let line = Line { connection, link: LinkAsk::Tcp, keys };
                start_path(&making, &session, (peer, attempt, comes_in), line);
                continue;
            }
            WorkerOrder::Configure { .. } | WorkerOrder::Shares { .. } | WorkerOrder::Measure { .. } => {
                tracing::error!("an order that is none for a session was ignored");
                continue;
            }
        };
        let lane = lane as usize;
        if lane >= lanes || std::mem::replace(&mut taken[lane], true) {
            tracing::warn!("lane {lane} is not free; the connection was closed");
            continue;
        }
        let ring_key = random_key()?;
        let opened = Opened {
            session: number,
            secret: secret.clone(),
            ring_key,
            driver_version,
            devices: if lane == 0 {
                devices.clone()
            } else {
                Vec::new()
            },
            grace_ms,
        };
        let shared = if line.link == LinkAsk::Shm { session.pinned.memory() } else { None };
        let established = establish_lane(line, &Reply::Opened(Box::new(opened)), ring_key, shared);
        let server_lane = match established {
            Ok(server_lane) => server_lane,
            Err(error) if lane == 0 => return Err(error),
            Err(error) => {
                tracing::warn!("lane {lane}: {error}");
                taken[lane] = false;
                continue;
            }
        };
        if grace_ms > 0 {
            let grace = Duration::from_millis(grace_ms);
            let after_end = Duration::from_millis(control::GRACE_AFTER_END_MS);
            server_lane.keep(grace, grace.min(after_end));
            let watching = Arc::clone(&session);
            server_lane.watch(move |event| {
                watching.link_event(event);
                match event {
                    LinkEvent::Broke { how } => {
                        tracing::warn!(
                            "lane {lane}: the link broke ({how}); waiting for the client"
                        );
                    }
                    LinkEvent::Resumed { kind, pause, .. } => {
                        tracing::info!("lane {lane}: goes on over {kind} after {pause:.3?}");
                    }
                }
            })?;
        }
        session.add_lane(server_lane.handle().clone());
        handles[lane] = Some(server_lane.handle().clone());
        if lane == 0 {
            session.output.send_to(server_lane.handle().clone());
        }
        let gpu = session.slices[lane].server_ordinal as usize;
        let turns = Turns::new(Tenant::new(shares.clone(), gpu, seat, lease)?, lane);
        let core = (!cores.is_empty()).then(|| cores[lane % cores.len()]);
        let session = Arc::clone(&session);
        std::thread::Builder::new()
            .name(format!("gpu{lane}"))
            .spawn(move || gpu_thread(&session, lane, server_lane, turns, core))?;
    }
}

/// Ends the session when the driver has taken more for it than its slice has room for: no call of the client need ever ask for memory again.
fn guard_memory(session: &Session) {
    loop {
        std::thread::sleep(MEMORY_LOOK);
        if let Some(slice) = session.passed_slice() {
            tracing::warn!(
                "session ended: its modules and kernels need more memory than the {} MiB of its slice of {}; a larger slice (-m, -p) may do",
                slice.memory_bytes >> 20,
                slice.name
            );
            session.end();
            session.farewell();
            std::process::exit(EXIT_PASSED);
        }
    }
}

fn give_up_privileges(confinement: &Confinement) -> Result<(), WorkerError> {
    match &confinement.user {
        Some(user) if confinement.off => confine::become_user(user),
        _ if confinement.off => Ok(()),
        user => confine::drop_privileges(user.as_ref()),
    }
    .map_err(WorkerError::Confinement)
}

fn install_filter(confinement: &Confinement) -> Result<(), WorkerError> {
    if confinement.off {
        return Ok(());
    }
    confine::filter::install().map_err(WorkerError::Confinement)
}

fn gpu_thread(session: &Arc<Session>, number: usize, lane: ServerLane, turns: Turns, core: Option<u32>) {
    if let Some(core) = core
        && !core_affinity::set_for_current(core_affinity::CoreId { id: core as usize })
    {
        tracing::warn!("the GPU thread could not be pinned to core {core}");
    }
    let spin = std::env::var("RINGWAY_SPIN_US")
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or_else(|| gpu_loop::Spin::Learnt(SPINS * spin::longest()), |us| gpu_loop::Spin::Fixed(Duration::from_micros(us)));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        gpu_loop::run(session, number, lane, turns, spin)
    }));
    session.end();
    session.farewell();
    let code = match ended {
        Ok(gpu_loop::End::Link(ringway_link::LinkError::Down(
            ringway_link::DownCause::PeerClosed,
        ))) => 0,
        Ok(end) => {
            tracing::warn!("session ended: {end}");
            3
        }
        Err(_) => 101,
    };
    // One lane's end is the session's: the client is gone or broke a rule. The kernel frees everything that the process
    // had, the driver's memory included.
    std::process::exit(code);
}

/// Makes a path of a connection, on a thread of its own, which is the path's where the other end asks.
fn start_path(there: &Arc<AtomicU32>, session: &Arc<Session>, (peer, attempt, comes_in): (u32, u64, bool), line: Line) {
    if there.fetch_add(1, Ordering::AcqRel) >= PATHS_MAX {
        there.fetch_sub(1, Ordering::AcqRel);
        tracing::warn!("too many paths at a time; one was closed");
        return;
    }
    let (counted, session) = (Arc::clone(there), Arc::clone(session));
    let spawned = std::thread::Builder::new().name("path".into()).spawn(move || {
        paths::connected(&session, peer, attempt, comes_in, line);
        counted.fetch_sub(1, Ordering::AcqRel);
    });
    if let Err(error) = spawned {
        there.fetch_sub(1, Ordering::AcqRel);
        tracing::error!("no thread for a path: {error}");
    }
}

/// Continues a lane over a connection, on a thread of its own: a client that does not read must not keep others waiting.
fn start_resume(
    under_way: &Arc<AtomicU32>,
    handle: Option<ServerHandle>,
    line: Line,
    (attempt, peer): (u64, Positions),
) {
    if under_way.fetch_add(1, Ordering::AcqRel) >= RESUMES_MAX {
        under_way.fetch_sub(1, Ordering::AcqRel);
        tracing::warn!("too many attempts to resume a lane; one was closed");
        return;
    }
    let counted = Arc::clone(under_way);
    let spawned = std::thread::Builder::new()
        .name("resume".into())
        .spawn(move || {
            if let Err(error) = resume(handle, line, attempt, peer) {
                tracing::warn!("a lane was not resumed: {error}");
            }
            counted.fetch_sub(1, Ordering::AcqRel);
        });
    if let Err(error) = spawned {
        under_way.fetch_sub(1, Ordering::AcqRel);
        tracing::error!("no thread to resume a lane: {error}");
    }
}

fn resume(
    handle: Option<ServerHandle>,
    line: Line,
    attempt: u64,
    peer: Positions,
) -> Result<(), WorkerError> {
    let link = line.link;
    let mut stream = line.socket(true)?;
    let mut refuse = |reason: String, cure: &str, again| {
        tracing::info!("an attempt to resume a lane was refused: {reason}");
        control::send(
            &mut stream,
            &Reply::NotResumed {
                reason,
                cure: cure.into(),
                again,
            },
        )
    };
    let Some(handle) = handle else {
        return Ok(refuse(
            "the session has no such lane".into(),
            "this is a fault of the client",
            false,
        )?);
    };
    if link == LinkAsk::Shm {
        return Ok(refuse(
            "a lane over shared memory is not resumed".into(),
            "where memory is shared, a peer that is gone has ended",
            false,
        )?);
    }
    let resumption = match handle.begin_resume(attempt) {
        Ok(resumption) => resumption,
        Err(why) => {
            let cure = if why.may_change() {
                "try again"
            } else {
                "start the program again"
            };
            return Ok(refuse(why.to_string(), cure, why.may_change())?);
        }
    };
    if let Err(error) = resumption.check(peer) {
        return Ok(refuse(
            error.to_string(),
            "this is a fault of the client",
            false,
        )?);
    }
    let received = resumption.positions().received;
    control::send(&mut stream, &Reply::Resumed { received })?;
    match link {
        LinkAsk::Rdma | LinkAsk::RdmaOnly => {
            rdma::resume(resumption, stream, peer, link == LinkAsk::RdmaOnly)?;
        }
        LinkAsk::Shm | LinkAsk::Tcp => {
            tcp::resume(resumption, stream, peer)?;
        }
    }
    Ok(())
}

/// Answers the client's request, then makes the connection a lane; `shared` goes with one over shared memory.
pub fn establish_lane(
    line: Line,
    reply: &Reply,
    ring_key: u64,
    shared: Option<&SharedMemory>,
) -> Result<ServerLane, WorkerError> {
    let config = LaneConfig {
        geometry: Geometry::DEFAULT,
        lane_key: ring_key,
    };
    let link = line.link;
    Ok(match link {
        LinkAsk::Shm => {
            let mut stream = UnixStream::from(line.connection);
            control::send(&mut stream, reply)?;
            stream.set_read_timeout(None)?;
            stream.set_write_timeout(None)?;
            shm::offer_with(stream, &config, shared)?
        }
        LinkAsk::Tcp => {
            let mut stream = line.socket(true)?;
            control::send(&mut stream, reply)?;
            stream.set_timeouts(None)?;
            tcp::server(stream, &config)?
        }
        LinkAsk::Rdma | LinkAsk::RdmaOnly => {
            let mut stream = line.socket(true)?;
            control::send(&mut stream, reply)?;
            let (lane, choice) = rdma::server(stream, &config, link == LinkAsk::RdmaOnly)?;
            tracing::info!("link {choice}");
            lane
        }
    })
}

/// A key for a lane's rings.
pub fn random_key() -> io::Result<u64> {
    let mut key = [0u8; 8];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(u64::from_le_bytes(key))
}

/// One order with its descriptor.
fn next(orders: &UnixStream) -> Result<(WorkerOrder, OwnedFd), ControlError> {
    let mut byte = [0u8];
    let mut fds: [RawFd; 1] = [-1];
    let (bytes, count) = orders.recv_with_fd(&mut byte, &mut fds)?;
    if bytes == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    if count != 1 {
        return Err(ControlError::Unexpected(
            "an order without its connection".into(),
        ));
    }
    // SAFETY: the kernel just made this descriptor for us; nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fds[0]) };
    Ok((control::receive(&mut &*orders)?, fd))
}
