//! Opening the session: once a process, by cuInit.

use crate::say::Line;
use crate::{notices, stats};
use parking_lot::Mutex;
use ringway_api::CudaError;
use ringway_link::endpoint::{Connection, Endpoint};
use ringway_link::{ClientLane, LaneConfig, LinkChoice, LinkError, LinkKind, rdma, shm, tcp};
use ringway_wire::control::{
    self, DeviceSnapshot, Identity, LinkAsk, MemoryAsk, Opened, Reply, Request,
};
use ringway_wire::layout::Geometry;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bound on connecting and on each answer while the session opens.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// The service thread looks at its lane at least this often.
const SERVICE_LOOK: Duration = Duration::from_secs(30);

/// The open session of this process.
pub struct Session {
    /// One lane a GPU.
    pub lanes: Vec<ClientLane>,
    /// The GPUs.
    pub devices: Vec<DeviceSnapshot>,
    /// As cuDriverGetVersion gives it.
    pub driver_version: i32,
    /// Every call waits for its result (`RINGWAY_SYNC=1`).
    pub synchronous: bool,
    /// Keeps a lease alive that this process took itself.
    _lease: Option<Connection>,
}

static SESSION: OnceLock<Session> = OnceLock::new();
static OPENING: Mutex<Option<CudaError>> = Mutex::new(None);
static FORKED: AtomicBool = AtomicBool::new(false);
static LOST: Line = Line::new();
static NOT_OPENED: Line = Line::new();
static SLOWER: Line = Line::new();

/// The session.
///
/// # Errors
/// `CUDA_ERROR_NOT_INITIALIZED` before cuInit, and in a process forked from one that had a session (CUDA contexts do not
/// survive fork either).
#[inline]
pub fn session() -> Result<&'static Session, CudaError> {
    match SESSION.get() {
        Some(session) if !FORKED.load(Ordering::Relaxed) => Ok(session),
        _ => Err(CudaError::NOT_INITIALIZED),
    }
}

/// Opens the session if it is not open.
///
/// # Errors
/// `CUDA_ERROR_NO_DEVICE` where there is no lease to use, `CUDA_ERROR_SYSTEM_NOT_READY` where the server cannot be
/// reached or refuses; one line on standard error says why. The first failure is final, as CUDA's is.
pub fn open() -> Result<&'static Session, CudaError> {
    if FORKED.load(Ordering::Relaxed) {
        return Err(CudaError::NOT_INITIALIZED);
    }
    if let Some(session) = SESSION.get() {
        return Ok(session);
    }
    let mut opening = OPENING.lock();
    if let Some(session) = SESSION.get() {
        return Ok(session);
    }
    if let Some(failed) = *opening {
        return Err(failed);
    }
    stats::start();
    match connect() {
        Ok(session) => {
            let session = SESSION.get_or_init(|| session);
            // SAFETY: registers a handler that only stores to an atomic.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
            start_services(session);
            Ok(session)
        }
        Err((code, why)) => {
            NOT_OPENED.say(format_args!("{why}"));
            *opening = Some(code);
            Err(code)
        }
    }
}

extern "C" fn in_child() {
    FORKED.store(true, Ordering::Relaxed);
}

type Refusal = (CudaError, String);

fn not_ready(why: impl std::fmt::Display) -> Refusal {
    (
        CudaError::SYSTEM_NOT_READY,
        format!("cannot open a GPU session: {why}"),
    )
}

struct Lease {
    endpoint: Endpoint,
    lease: String,
    secret: String,
    link: LinkAsk,
    held: Option<Connection>,
}

fn identity() -> Identity {
    let program = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let program: String = String::from_utf8_lossy(&program)
        .replace('\0', " ")
        .trim()
        .chars()
        .take(120)
        .collect();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned();
    Identity {
        user: std::env::var("USER").unwrap_or_default(),
        host,
        program,
        pid: std::process::id(),
    }
}

/// The lease that `ringway run` took, or, without it, one of our own from `RINGWAY_SERVER`.
fn lease() -> Result<Lease, Refusal> {
    if let Ok(text) = std::env::var("RINGWAY_LEASE") {
        let parts: Vec<&str> = text.split('|').collect();
        let [endpoint, lease, secret, link] = parts[..] else {
            return Err(not_ready(
                "RINGWAY_LEASE is malformed; start the program with ringway run",
            ));
        };
        let endpoint = endpoint.parse().map_err(not_ready)?;
        let link = match link {
            "shm" => LinkAsk::Shm,
            "rdma" => LinkAsk::Rdma,
            "rdma-only" => LinkAsk::RdmaOnly,
            _ => LinkAsk::Tcp,
        };
        return Ok(Lease {
            endpoint,
            lease: lease.to_owned(),
            secret: secret.to_owned(),
            link,
            held: None,
        });
    }
    let Ok(server) = std::env::var("RINGWAY_SERVER") else {
        return Err((
            CudaError::NO_DEVICE,
            "this program uses Ringway's CUDA library but no GPU is leased; start it with `ringway run -- CMD`, or set RINGWAY_SERVER".into(),
        ));
    };
    let endpoint: Endpoint = server.parse().map_err(not_ready)?;
    let request = Request::Lease {
        token: std::env::var("RINGWAY_TOKEN").unwrap_or_default(),
        gpus: 1,
        memory: MemoryAsk::Fraction(1.0),
        identity: identity(),
    };
    let (connection, reply) = ask(&endpoint, &request)?;
    let Reply::Leased {
        lease,
        secret,
        rdma,
        ..
    } = reply
    else {
        return Err(not_ready(
            "the server answered with something else than a lease",
        ));
    };
    connection.set_read_timeout(None).map_err(not_ready)?;
    let link = if matches!(endpoint, Endpoint::Unix(_)) {
        LinkAsk::Shm
    } else if LinkChoice::remote("", connection.local_ip(), &rdma).kind == LinkKind::Rdma {
        LinkAsk::Rdma
    } else {
        LinkAsk::Tcp
    };
    Ok(Lease {
        endpoint,
        lease,
        secret,
        link,
        held: Some(connection),
    })
}

fn ask(endpoint: &Endpoint, request: &Request) -> Result<(Connection, Reply), Refusal> {
    let mut connection = endpoint
        .connect(OPEN_TIMEOUT)
        .map_err(|error| not_ready(format_args!("{endpoint}: {error}")))?;
    control::send(&mut connection, request).map_err(not_ready)?;
    let reply = control::receive_reply(&mut connection)
        .map_err(|error| not_ready(format_args!("{endpoint}: {error}")))?;
    Ok((connection, reply))
}

fn lane(endpoint: &Endpoint, request: &Request, link: LinkAsk) -> Result<(ClientLane, Opened), Refusal> {
    let (connection, reply) = ask(endpoint, request)?;
    let Reply::Opened(opened) = reply else {
        return Err(not_ready(
            "the server answered with something else than a session",
        ));
    };
    let config = LaneConfig {
        geometry: Geometry::DEFAULT,
        lane_key: opened.ring_key,
    };
    connection.set_read_timeout(None).map_err(not_ready)?;
    let lane = match connection {
        Connection::Unix(stream) => shm::accept(stream, &config),
        Connection::Tcp(stream) => match link {
            LinkAsk::Rdma | LinkAsk::RdmaOnly => {
                rdma::client(stream, &config, link == LinkAsk::RdmaOnly).map(|(lane, choice)| {
                    if choice.kind != LinkKind::Rdma {
                        SLOWER.say(format_args!("the link is {choice}"));
                    }
                    lane
                })
            }
            LinkAsk::Shm | LinkAsk::Tcp => tcp::client(stream, &config),
        },
    }
    .map_err(not_ready)?;
    Ok((lane, *opened))
}

fn connect() -> Result<Session, Refusal> {
    let lease = lease()?;
    let request = Request::Open {
        lease: lease.lease.clone(),
        secret: lease.secret.clone(),
        identity: identity(),
        link: lease.link,
    };
    let (first, opened) = lane(&lease.endpoint, &request, lease.link)?;
    if opened.devices.is_empty() || opened.devices.len() > control::LEASE_GPUS_MAX as usize {
        return Err(not_ready("the server's session has no GPU"));
    }
    let mut lanes = vec![first];
    for number in 1..opened.devices.len() as u32 {
        let join = Request::Join {
            session: opened.session,
            secret: opened.secret.clone(),
            lane: number,
            link: lease.link,
        };
        lanes.push(lane(&lease.endpoint, &join, lease.link)?.0);
    }
    Ok(Session {
        lanes,
        devices: opened.devices,
        driver_version: opened.driver_version,
        synchronous: std::env::var_os("RINGWAY_SYNC").is_some_and(|value| value == "1"),
        _lease: lease.held,
    })
}

/// One thread a lane that takes what the server sends unasked; it sleeps while there is nothing.
fn start_services(session: &'static Session) {
    for (number, lane) in session.lanes.iter().enumerate() {
        if let Err(error) = lane.set_notice_sink(notices::sink(number)) {
            LOST.say(format_args!("internal error: {error}"));
        }
        let service = std::thread::Builder::new()
            .name("ringway".into())
            .spawn(move || {
                block_signals();
                loop {
                    if let Err(error) = lane.wait_notices(SERVICE_LOOK)
                        && !matches!(error, LinkError::Timeout { .. })
                    {
                        lost(&error);
                        return;
                    }
                }
            });
        if let Err(error) = service {
            LOST.say(format_args!("no service thread could be started: {error}"));
        }
    }
}

/// The program's signals are for the program's threads.
pub fn block_signals() {
    // SAFETY: fills a local set and blocks it for this thread.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

static ENDING: AtomicBool = AtomicBool::new(false);

/// The process is exiting: a closed link is no news.
pub fn ending() {
    ENDING.store(true, Ordering::Relaxed);
}

/// The link failed: says so once, and gives the result that calls have from now on.
#[cold]
pub fn lost(error: &LinkError) -> CudaError {
    match error {
        LinkError::Down(cause) if !ENDING.load(Ordering::Relaxed) => {
            LOST.say(format_args!(
                "the GPU session was lost ({cause}); the worker or its server ended, or the network failed: see the log of ringway serve. CUDA calls fail from now on"
            ));
            CudaError::SYSTEM_NOT_READY
        }
        LinkError::TooLarge { .. } => CudaError::INVALID_VALUE,
        _ => CudaError::SYSTEM_NOT_READY,
    }
}
