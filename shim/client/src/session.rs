//! Opening the session: once a process, by cuInit.

use crate::lease::{Refusal, grace, identity, lease, not_ready};
use crate::pinned::Pool;
use crate::say::{Line, say};
use crate::transfers::Mode;
use crate::{notices, stats};
use parking_lot::Mutex;
use ringway_api::CudaError;
use ringway_link::endpoint::{LaneConnection, Target};
use ringway_link::keeper::{BackOff, Keeper};
use ringway_link::shm::SharedMemory;
use ringway_link::{
    ClientLane, DownCause, LaneConfig, LinkError, LinkKind, NotResumed, Positions, rdma, shm, tcp,
};
use ringway_wire::control::{
    self, ControlError, DeviceSnapshot, GRACE_AFTER_END_MS, LinkAsk, Opened, Reply, Request,
};
use ringway_wire::layout::Geometry;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bound on connecting and on each answer while the session opens.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
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
    /// Which copies may go past the ring.
    pub transfers: Mode,
    /// Memory of both ends for what the program pins, over shared memory.
    pub pinned: Option<Pool>,
    /// Keeps a lease alive that this process took itself.
    lease: Option<Keeper>,
    origin: Origin,
}

/// What it takes to continue the session over another link.
struct Origin {
    server: Target,
    link: LinkAsk,
    session: u64,
    secret: String,
    /// How long to try; zero: not at all.
    grace: Duration,
}

impl Session {
    /// Round trips that opening it took: for each lane the connection, TLS where there is trust, and the request.
    pub(crate) fn opening_trips(&self) -> u64 {
        let a_lane = if self.origin.server.trust.is_some() { 3 } else { 2 };
        self.lanes.len() as u64 * a_lane
    }
}

static SESSION: OnceLock<Session> = OnceLock::new();
static OPENING: Mutex<Option<CudaError>> = Mutex::new(None);
static FORKED: AtomicBool = AtomicBool::new(false);
pub(crate) static LOST: Line = Line::new();
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
            stats::opened(session);
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

/// A lane, what the server says of the session, and memory that came with the lane.
fn lane(server: &Target, request: &Request, link: LinkAsk) -> Result<(ClientLane, Opened, Option<SharedMemory>), Refusal> {
    let failed = |error: &dyn std::fmt::Display| not_ready(format_args!("{server}: {error}"));
    let mut connection = server.connect(OPEN_TIMEOUT).map_err(|error| failed(&error))?;
    control::send(&mut connection, request).map_err(not_ready)?;
    let mut connection = connection.into_lane().map_err(|error| failed(&error))?;
    let reply = control::receive_reply(&mut connection).map_err(|error| failed(&error))?;
    let Reply::Opened(opened) = reply else {
        return Err(not_ready(
            "the server answered with something else than a session",
        ));
    };
    let config = LaneConfig {
        geometry: Geometry::DEFAULT,
        lane_key: opened.ring_key,
    };
    connection.set_timeouts(None).map_err(not_ready)?;
    let mut shared = None;
    let lane = match connection {
        LaneConnection::Unix(stream) => shm::accept_with(stream, &config).map(|(lane, memory)| {
            shared = memory;
            lane
        }),
        LaneConnection::Tcp(stream) => match link {
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
    Ok((lane, *opened, shared))
}

fn connect() -> Result<Session, Refusal> {
    let lease = lease()?;
    let request = Request::Open {
        lease: lease.lease.clone(),
        secret: lease.secret.clone(),
        identity: identity(),
        link: lease.link,
    };
    let (first, opened, memory) = lane(&lease.server, &request, lease.link)?;
    if opened.devices.is_empty() || opened.devices.len() > control::LEASE_GPUS_MAX as usize {
        return Err(not_ready("the server's session has no GPU"));
    }
    let mut lanes = vec![first];
    let mut memories = vec![memory];
    for number in 1..opened.devices.len() as u32 {
        let join = Request::Join {
            session: opened.session,
            secret: opened.secret.clone(),
            lane: number,
            link: lease.link,
        };
        let (next, _, memory) = lane(&lease.server, &join, lease.link)?;
        lanes.push(next);
        memories.push(memory);
    }
    let origin = Origin {
        server: lease.server,
        link: lease.link,
        session: opened.session,
        secret: opened.secret,
        grace: grace(opened.grace_ms),
    };
    Ok(Session {
        lanes,
        origin,
        devices: opened.devices,
        driver_version: opened.driver_version,
        synchronous: std::env::var_os("RINGWAY_SYNC").is_some_and(|value| value == "1"),
        transfers: Mode::from_environment(),
        pinned: Pool::of(memories),
        lease: lease.held,
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
                // Only a lane that somebody can continue waits for that.
                if !session.origin.grace.is_zero() {
                    lane.keep();
                }
                loop {
                    match lane.wait_notices(SERVICE_LOOK) {
                        Ok(_) | Err(LinkError::Timeout { .. }) => {}
                        Err(LinkError::Suspended(how)) => {
                            if let Err(why) = resume(session, number, &how) {
                                lane.give_up(DownCause::Transport(why));
                            }
                        }
                        Err(error) => {
                            lost(&error);
                            return;
                        }
                    }
                }
            });
        if let Err(error) = service {
            LOST.say(format_args!("no service thread could be started: {error}"));
        }
    }
}

/// Why an attempt to continue a lane failed.
enum NotYet {
    /// Another may succeed.
    Again(String),
    /// None will.
    Never(String),
}

impl From<ControlError> for NotYet {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Io(_) => Self::Again(error.to_string()),
            _ => Self::Never(error.to_string()),
        }
    }
}

impl From<std::io::Error> for NotYet {
    fn from(error: std::io::Error) -> Self {
        Self::Again(error.to_string())
    }
}

/// Continues a lane whose link broke, over another one. Calls wait meanwhile.
fn resume(session: &Session, number: usize, how: &str) -> Result<(), String> {
    let origin = &session.origin;
    let lane = &session.lanes[number];
    // A connection that was closed in order, without a farewell: the worker ended, which serve knows, or something on the way
    // did. The server does not wait longer than this either.
    let patience = if lane.closed_in_order() {
        origin.grace.min(Duration::from_millis(GRACE_AFTER_END_MS))
    } else {
        origin.grace
    };
    let mut attempts = BackOff::new(patience);
    loop {
        let why = match attempt(origin, lane, number, attempts.attempt_timeout()) {
            Ok(pause) => {
                let which = if session.lanes.len() > 1 {
                    format!(" of GPU {number}")
                } else {
                    String::new()
                };
                say(format_args!(
                    "the link{which} to {} broke ({how}); {} continues, after a pause of {:.2} s",
                    origin.server,
                    lane.kind(),
                    pause.as_secs_f64()
                ));
                return Ok(());
            }
            Err(NotYet::Never(why)) => return Err(format!("{how}; {why}")),
            Err(NotYet::Again(why)) => why,
        };
        let Some(wait) = attempts.next_wait() else {
            return Err(format!(
                "{how}, and the session could not be continued within {:.0} s: {why}",
                patience.as_secs_f64()
            ));
        };
        std::thread::sleep(wait);
    }
}

/// One attempt; how long the lane was without a link.
fn attempt(
    origin: &Origin,
    lane: &ClientLane,
    number: usize,
    timeout: Duration,
) -> Result<Duration, NotYet> {
    let resumption = lane.begin_resume().map_err(|why| match why {
        NotResumed::Busy | NotResumed::Up => NotYet::Again(why.to_string()),
        _ => NotYet::Never(why.to_string()),
    })?;
    let request = Request::Resume {
        session: origin.session,
        secret: origin.secret.clone(),
        lane: number as u32,
        link: origin.link,
        attempt: resumption.attempt(),
        received: resumption.positions().received,
    };
    let mut connection = origin.server.connect(timeout)?;
    control::send(&mut connection, &request)?;
    let mut connection = connection.into_lane()?;
    let received = match control::receive::<Reply>(&mut connection)? {
        Reply::Resumed { received } => received,
        Reply::NotResumed { reason, again, .. } if again => return Err(NotYet::Again(reason)),
        Reply::NotResumed { reason, cure, .. } | Reply::Refused { reason, cure } => {
            return Err(NotYet::Never(format!("{reason}; {cure}")));
        }
        _ => {
            return Err(NotYet::Never(
                "the server answered with something else than a resumed lane".into(),
            ));
        }
    };
    let LaneConnection::Tcp(stream) = connection else {
        return Err(NotYet::Never(
            "a lane over shared memory ends with its connection".into(),
        ));
    };
    let peer = Positions { received };
    let resumed = match origin.link {
        LinkAsk::Rdma | LinkAsk::RdmaOnly => {
            let only = origin.link == LinkAsk::RdmaOnly;
            rdma::resume(resumption, stream, peer, only).map(|(pause, _)| pause)
        }
        LinkAsk::Shm | LinkAsk::Tcp => tcp::resume(resumption, stream, peer),
    };
    resumed.map_err(|error| match error {
        // The device may come back, where nothing else is allowed.
        LinkError::System { .. } => NotYet::Again(error.to_string()),
        error => NotYet::Never(error.to_string()),
    })
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

pub(crate) static ENDING: AtomicBool = AtomicBool::new(false);

/// The process is exiting: a closed link is no news, and the server need not wait for another. Calls of destructors that
/// run later still work.
pub fn ending() {
    ENDING.store(true, Ordering::Relaxed);
    // A forked child shares its parent's connections, and has no say in them.
    if let Some(session) = SESSION.get()
        && !FORKED.load(Ordering::Relaxed)
    {
        for lane in &session.lanes {
            lane.farewell();
        }
        if let Some(lease) = &session.lease {
            lease.announce_end();
        }
    }
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
