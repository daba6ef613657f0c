//! Opening the session: once a process, by cuInit.

use crate::lane_order::LaneOrder;
use crate::lease::{Refusal, leases};
use crate::say::{Line, say};
use crate::servers::Server;
use crate::transfers::Mode;
use crate::{gates, notices, paths, servers, stats};
use parking_lot::Mutex;
use ringway_api::CudaError;
use ringway_link::endpoint::LaneConnection;
use ringway_link::keeper::BackOff;
use ringway_link::{ClientLane, DownCause, LinkError, NotResumed, Positions, rdma, tcp};
use ringway_wire::control::{
    self, ControlError, DeviceSnapshot, GRACE_AFTER_END_MS, LinkAsk, Reply, Request, Share,
};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bound on connecting and on each answer while the session opens.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// The service thread looks at its lane at least this often.
const SERVICE_LOOK: Duration = Duration::from_secs(30);

/// The open session of this process.
pub struct Session {
    /// One lane a GPU, those of one server after those of another.
    pub lanes: Vec<ClientLane>,
    /// The GPUs.
    pub devices: Vec<DeviceSnapshot>,
    /// As cuDriverGetVersion gives it.
    pub driver_version: i32,
    /// Every call waits for its result (`RINGWAY_SYNC=1`).
    pub synchronous: bool,
    /// Device memory that is freed may be kept (not with `RINGWAY_SUBALLOC=0`).
    pub keeps_memory: bool,
    /// Which copies may go past the ring.
    pub transfers: Mode,
    /// Where the GPUs are.
    pub(crate) servers: Vec<Server>,
    /// Number of each lane's server.
    pub(crate) server_of: Vec<u8>,
    /// Across the lanes to one server.
    pub(crate) order: LaneOrder,
}

impl Session {
    /// Round trips that opening it took.
    pub(crate) fn opening_trips(&self) -> u64 {
        self.servers.iter().map(Server::opening_trips).sum()
    }
}

static SESSION: OnceLock<Session> = OnceLock::new();
static OPENING: Mutex<Option<CudaError>> = Mutex::new(None);
static FORKED: AtomicBool = AtomicBool::new(false);
pub(crate) static LOST: Line = Line::new();
static NOT_OPENED: Line = Line::new();

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
            servers::SPREAD.store(session.is_spread(), Ordering::Relaxed);
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

fn connect() -> Result<Session, Refusal> {
    let leases = leases()?;
    let of = leases.len() as u32;
    let mut session = Session {
        lanes: Vec::new(),
        devices: Vec::new(),
        driver_version: i32::MAX,
        synchronous: std::env::var_os("RINGWAY_SYNC").is_some_and(|value| value == "1"),
        keeps_memory: std::env::var_os("RINGWAY_SUBALLOC").is_none_or(|value| value != "0"),
        transfers: Mode::from_environment(),
        servers: Vec::new(),
        server_of: Vec::new(),
        order: LaneOrder::new([]),
    };
    for (number, lease) in leases.into_iter().enumerate() {
        let share = Share { number: number as u32, of };
        let parts = servers::open(lease, share, session.lanes.len() as u32)?;
        session.server_of.extend(parts.lanes.iter().map(|_| number as u8));
        session.lanes.extend(parts.lanes);
        session.devices.extend(parts.devices);
        // A program may use what all of them can do.
        session.driver_version = session.driver_version.min(parts.driver_version);
        session.servers.push(parts.server);
    }
    session.order = LaneOrder::new(session.servers.iter().map(|server| server.lanes.clone()));
    servers::tell_uuids_apart(&mut session.devices);
    Ok(session)
}

/// One thread a lane that takes what the server sends unasked; it sleeps while there is nothing.
fn start_services(session: &'static Session) {
    for (number, lane) in session.lanes.iter().enumerate() {
        let set = lane.set_notice_lander(notices::lander(number)).and_then(|()| lane.set_notice_sink(notices::sink(number)));
        if let Err(error) = set {
            LOST.say(format_args!("internal error: {error}"));
        }
        let service = std::thread::Builder::new()
            .name("ringway".into())
            .spawn(move || {
                block_signals();
                loop {
                    match lane.wait_notices(SERVICE_LOOK) {
                        Ok(_) | Err(LinkError::Timeout { .. }) => {}
                        Err(LinkError::Suspended(how)) => {
                            if let Err(why) = resume(session, number, &how) {
                                lane.give_up(DownCause::Transport(why));
                            }
                        }
                        Err(error) => {
                            lost(number as u32, &error);
                            gates::server_lost(session.server_number(number as u32));
                            paths::server_lost(session.server_number(number as u32));
                            return;
                        }
                    }
                }
            });
        if let Err(error) = service {
            LOST.say(format_args!("no service thread could be started: {error}"));
            // Nobody could continue it.
            lane.give_up(DownCause::Transport(error.to_string()));
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
    let origin = session.server(number as u32);
    let there = session.number_there(number as u32);
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
        let why = match attempt(origin, lane, there, attempts.attempt_timeout()) {
            Ok(pause) => {
                let which = if origin.lanes.len() > 1 {
                    format!(" of GPU {number}")
                } else {
                    String::new()
                };
                say(format_args!(
                    "the link{which} to {} broke ({how}); {} continues, after a pause of {:.2} s",
                    origin.target,
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
    origin: &Server,
    lane: &ClientLane,
    number: u32,
    timeout: Duration,
) -> Result<Duration, NotYet> {
    let resumption = lane.begin_resume().map_err(|why| match why {
        NotResumed::Busy | NotResumed::Up => NotYet::Again(why.to_string()),
        _ => NotYet::Never(why.to_string()),
    })?;
    let request = Request::Resume {
        session: origin.session,
        secret: origin.secret.clone(),
        lane: number,
        link: origin.link,
        attempt: resumption.attempt(),
        received: resumption.positions().received,
    };
    let mut connection = origin.target.connect(timeout)?;
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
        for lease in session.servers.iter().filter_map(|server| server.lease.as_ref()) {
            lease.announce_end();
        }
    }
}

/// The link of a lane failed: says so once for its server, and gives the result that calls have from now on.
#[cold]
pub fn lost(lane: u32, error: &LinkError) -> CudaError {
    match error {
        LinkError::Down(cause) if !ENDING.load(Ordering::Relaxed) => {
            match SESSION.get() {
                Some(session) if session.is_spread() => {
                    let server = session.server(lane);
                    let (first, last) = (server.lanes.start, server.lanes.end - 1);
                    let which = if first == last { format!("GPU {first}") } else { format!("GPUs {first} to {last}") };
                    server.lost.say(format_args!(
                        "the session on {} was lost ({cause}); the worker or its server ended, or the network failed: see the log of ringway serve there. CUDA calls for {which} fail from now on",
                        server.target
                    ));
                }
                _ => LOST.say(format_args!(
                    "the GPU session was lost ({cause}); the worker or its server ended, or the network failed: see the log of ringway serve. CUDA calls fail from now on"
                )),
            }
            CudaError::SYSTEM_NOT_READY
        }
        LinkError::TooLarge { .. } => CudaError::INVALID_VALUE,
        _ => CudaError::SYSTEM_NOT_READY,
    }
}
