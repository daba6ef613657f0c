//! Where clients come in, of a server and of a pool: addresses, TLS, who is let in, and how much those may cost who say nothing.
//!
//! Clients come in by `connection.rs`, those that say nothing wait in `pending.rs`, `admission.rs` lets them in, `failures.rs` shuts
//! out those who fail too often. What they want is the business of whoever opened the door ([`Host`]).
//!
//! Plain threads: a connection costs one for the time it says something, bounded by [`REQUEST_TIMEOUT`].

mod admission;
mod connection;
mod failures;
mod pending;
mod traffic;

pub use connection::{Listener, bound};

pub(crate) use connection::{Stream, answer, check_link, rdma_state};
pub(crate) use pending::shut;
pub(crate) use traffic::Busy;

use crate::identity::{Grant, IdentityError, Scope, Token};
use admission::Admission;
use connection::{Until, bind};
use pending::{Pending, Place};
use traffic::Traffic;
use ringway_link::endpoint::Endpoint;
use ringway_secure::tls::{FIRST_BYTE, ServerIdentity, TlsStream};
use ringway_wire::control::{self, ControlError, Reply, Request};
use std::io::{self, Read};
use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client must have said what it wants within this time of connecting.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Who is in and has not said what they want is waited for no longer than this when the door closes.
const SILENCE_WHEN_CLOSING: Duration = Duration::from_secs(2);
/// Connections that have not yet said what they want, at the most.
pub const PENDING_MAX: usize = 256;

/// How a door is set up.
#[derive(Debug, Clone)]
pub struct DoorOptions {
    /// Where to listen; a Unix socket is what makes shared memory possible.
    pub listen: Vec<Endpoint>,
    /// Shared secret that clients must bring; None: none is asked for.
    pub secret: Option<String>,
    /// Take connections in clear text from other machines, and let what RDMA carries go in clear text without being asked for.
    pub trusted_network: bool,
    /// Folder of the identity and tokens; None: there is neither.
    pub state: Option<PathBuf>,
    /// Clients come by tickets of a pool: nobody is let in for want of tokens, everyone may knock.
    pub by_ticket: bool,
}

/// Why a door could not be opened; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// A listening address could not be had.
    #[error("cannot listen on {endpoint}: {cause}; {cure}")]
    Listen {
        /// The address.
        endpoint: String,
        /// What the kernel said.
        cause: io::Error,
        /// What to do.
        cure: &'static str,
    },
    /// An address beyond loopback without leave.
    #[error(
        "{0} is reachable from other machines, and a shared token would cross the network in clear text; \
         make token files with `ringway token create` instead, or add --trusted-network if the network is trusted"
    )]
    Beyond(String),
    /// The identity or the tokens are not usable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Who answers those that come in.
pub(crate) trait Host: Send + Sync + 'static {
    /// By which door they come in.
    fn door(&self) -> &Door;
    /// Answers what was asked over a connection, on a thread of its own; `busy` is dropped when that is done, which may be before the
    /// connection ends.
    fn converse(self: Arc<Self>, stream: Stream, request: Result<Request, ControlError>, busy: Busy);
}

/// See the module.
pub(crate) struct Door {
    admission: Admission,
    pending: Arc<Pending>,
    traffic: Arc<Traffic>,
}

/// Random bytes, as hexadecimal text.
pub(crate) fn random_hex(bytes: usize) -> io::Result<String> {
    let mut raw = vec![0u8; bytes];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut raw)?;
    Ok(raw.iter().map(|b| format!("{b:02x}")).collect())
}

/// Compares without telling by its duration where the first difference is.
pub(crate) fn same_secret(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |differs, (x, y)| differs | (x ^ y))
            == 0
}

pub(crate) fn refused(reason: impl Into<String>, cure: impl Into<String>) -> Reply {
    Reply::Refused {
        reason: reason.into(),
        cure: cure.into(),
    }
}

/// What is said to the bearer of a token whose scope is too narrow.
pub(crate) fn not_allowed(grant: &Grant) -> Reply {
    refused(
        format!("the token '{}' does not allow that: its scope is '{}'", grant.name, grant.scope.name()),
        "ask for a token of another scope (`ringway token create --scope`)",
    )
}

impl Door {
    /// Binds the addresses, but for those of which `bound` has a listener; [`Door::serve`] then lets clients in.
    ///
    /// # Errors
    /// [`DoorError`].
    pub fn open(options: &DoorOptions, mut bound: impl FnMut(&Endpoint) -> Option<Listener>) -> Result<(Self, Vec<Listener>), DoorError> {
        let admission = Admission::new(options)?;
        let listeners = options.listen.iter().map(|endpoint| bound(endpoint).map_or_else(|| bind(endpoint, &admission), Ok)).collect::<Result<_, _>>()?;
        Ok((Self { admission, pending: Arc::default(), traffic: Arc::default() }, listeners))
    }

    /// Whether the door could be opened: binds and frees the addresses of which `is_bound` says that they are not had already.
    ///
    /// # Errors
    /// [`DoorError`].
    pub fn check(options: &DoorOptions, mut is_bound: impl FnMut(&Endpoint) -> bool) -> Result<(), DoorError> {
        let admission = Admission::new(options)?;
        options.listen.iter().filter(|endpoint| !is_bound(endpoint)).try_for_each(|endpoint| bind(endpoint, &admission).map(drop))
    }

    /// Lets nobody in any more, and waits until all who are in have their answers, those who say nothing not for long; whether they have.
    /// Who comes meanwhile waits in the listeners' queues.
    pub fn close(&self, limit: Duration) -> bool {
        self.traffic.stop(SILENCE_WHEN_CLOSING.min(limit)) || {
            self.pending.shut_all();
            self.traffic.stop(limit)
        }
    }

    /// Lets clients in again.
    pub fn reopen(&self) {
        self.traffic.go_on();
    }

    /// What the bearer of a token, or of none, may do, if that is enough.
    pub fn admit(&self, token: &str, stream: &Stream, is_enough: fn(Scope) -> bool) -> Result<Grant, Reply> {
        let grant = self.admission.admit(token, stream)?;
        if is_enough(grant.scope) {
            return Ok(grant);
        }
        Err(not_allowed(&grant))
    }

    /// What the bearer of a token or of the shared secret may do; nobody is let in without.
    pub fn admit_bearer(&self, token: &str, from: IpAddr) -> Result<Grant, Reply> {
        self.admission.admit_bearer(token, from)
    }

    /// The tokens, as they are now; None: there is no folder for them, or it cannot be read.
    pub fn tokens(&self) -> Option<Arc<Vec<Token>>> {
        self.admission.tokens()
    }

    /// Whether an address has failed too often to be listened to.
    pub fn is_barred(&self, from: IpAddr) -> bool {
        self.admission.is_barred(from)
    }

    /// What is shown to those who ask by TLS; made if it is not there yet.
    pub fn own_identity(&self) -> Result<ServerIdentity, String> {
        self.admission.own_identity()
    }

    /// The authority that vouches for whoever opened the door, DER; None: it is reached in clear text.
    pub fn authority(&self) -> Option<Vec<u8>> {
        self.admission.authority()
    }

    /// Whether what was granted to a token may go on.
    pub fn still_good(&self, token: &str) -> bool {
        self.admission.still_good(token)
    }

    /// Whoever this comes from brought what is worth nothing; too much of that and it is not listened to.
    pub fn failed(&self, stream: &Stream) {
        if let Some(from) = stream.from() {
            self.admission.failed(from);
        }
    }

    /// Accepts connections on every listener, for ever.
    pub fn serve<H: Host>(host: &Arc<H>, listeners: Vec<Listener>) {
        let threads: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let host = Arc::clone(host);
                std::thread::spawn(move || accept(&host, &listener))
            })
            .collect();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a listener thread ended by a panic");
            }
        }
    }

    /// Finds out whether a connection begins with TLS, and shakes hands if it does.
    fn secure(&self, stream: Stream, deadline: Instant) -> io::Result<Stream> {
        let Stream::Tcp(socket) = stream else {
            return Ok(stream);
        };
        socket.set_read_timeout(Some(REQUEST_TIMEOUT))?;
        let mut first = [0];
        if socket.peek(&mut first)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first[0] != FIRST_BYTE {
            return Ok(Stream::Tcp(socket));
        }
        let identity = match self.admission.identity() {
            Ok(identity) => identity,
            Err(why) => {
                say_no_tls(socket, &why);
                return Err(io::Error::other(why));
            }
        };
        socket.set_nodelay(true)?;
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        Ok(Stream::Tls(Box::new(TlsStream::accept(socket, &identity, left)?)))
    }

    /// What a connection wants; None if that was not to be had, and it is closed.
    fn hear(&self, stream: Stream) -> Option<(Stream, Result<Request, ControlError>)> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let from = stream.from();
        let failed = |error: &dyn std::fmt::Display| {
            if let Some(from) = from {
                self.admission.failed(from);
                tracing::info!("connection of {from} refused: {error}");
            } else {
                tracing::info!("connection refused: {error}");
            }
        };
        // Clients on the same host look whether the socket can be opened, and say nothing.
        let is_silent = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        let mut stream = match self.secure(stream, deadline) {
            Ok(stream) => stream,
            Err(error) => {
                if is_silent(&error) {
                    tracing::debug!("connection without a request: {error}");
                } else {
                    failed(&error);
                }
                return None;
            }
        };
        let request = control::receive::<Request>(&mut Until(&mut stream, deadline));
        match &request {
            Err(ControlError::Io(error)) if is_silent(error) => tracing::debug!("connection without a request: {error}"),
            Err(error) => failed(error),
            Ok(_) => {}
        }
        stream.time_out(Some(REQUEST_TIMEOUT)).ok()?;
        Some((stream, request))
    }
}

fn accept<H: Host>(host: &Arc<H>, listener: &Listener) {
    loop {
        match listener.wait().and_then(|()| host.door().traffic.enter(|| listener.accept())) {
            Ok((stream, busy)) => welcome(host, stream, busy),
            // Who knocked is gone already.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::warn!("accept: {error}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Gives a new connection a thread; never blocks.
fn welcome<H: Host>(host: &Arc<H>, stream: Stream, busy: Busy) {
    let door = host.door();
    let from = stream.from();
    if from.is_some_and(|from| door.admission.is_barred(from)) {
        return;
    }
    let place = match stream.handle() {
        Ok(handle) => {
            let (place, full) = door.pending.enter(handle, from, PENDING_MAX);
            if full {
                tracing::warn!("too many connections that say nothing; one was closed");
            }
            place
        }
        Err(error) => {
            tracing::error!("no descriptor for a connection: {error}");
            return;
        }
    };
    let host = Arc::clone(host);
    let spawned = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || let_in(host, stream, place, busy));
    if let Err(error) = spawned {
        tracing::error!("no thread for a connection: {error}");
    }
}

/// One control connection, until it has been heard and may speak.
fn let_in<H: Host>(host: Arc<H>, stream: Stream, place: Place, busy: Busy) {
    let heard = host.door().hear(stream);
    drop(place);
    let Some((mut stream, request)) = heard else {
        return;
    };
    match host.door().admission.check_clear(&stream) {
        Ok(()) => host.converse(stream, request, busy),
        Err(reply) => answer(&mut stream, &reply),
    }
}

/// Tells a client that asks for TLS, in clear text, that there is none. What it said is read first: closing a socket with unread
/// bytes would take the answer back.
fn say_no_tls(mut socket: TcpStream, why: &str) {
    let briefly = Some(Duration::from_millis(200));
    if socket.set_read_timeout(briefly).and_then(|()| socket.set_write_timeout(briefly)).is_ok() {
        let _ = socket.read(&mut [0; 4096]);
        answer(&mut Stream::Tcp(socket), &refused(why, "make a token on the server"));
    }
}
