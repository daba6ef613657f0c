//! Who is let in, and what this server shows to those who ask by TLS.

use super::connection::Stream;
use super::failures::Failures;
use super::{DoorError, DoorOptions, refused, same_secret};
use crate::identity::{Certificates, Denied, Folder, Grant, IdentityError, Token, Tokens};
use ringway_link::endpoint::Endpoint;
use ringway_secure::tls::ServerIdentity;
use ringway_wire::control::Reply;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub(super) struct Admission {
    /// The shared secret.
    secret: Option<String>,
    tokens: Option<Tokens>,
    folder: Option<PathBuf>,
    /// Read when the first client asks for TLS; kept from then on.
    certificates: Mutex<Option<Certificates>>,
    /// Nobody is let in without a token, even while there is none.
    beyond: bool,
    /// Clear text is taken from other machines.
    trusted_network: bool,
    /// Clients come by tickets.
    by_ticket: bool,
    failures: Failures,
}

/// Whether an address is reachable from other machines.
fn leads_beyond(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Unix(_) => false,
        // A name that has no address is told when it is bound.
        Endpoint::Tcp(host, port) => {
            (host.as_str(), *port).to_socket_addrs().is_ok_and(|mut all| all.any(|address| !address.ip().is_loopback()))
        }
    }
}

impl Admission {
    /// From the door's options: makes its identity if it is to be reached from other machines by TLS, and checks it if
    /// there is one.
    pub(super) fn new(options: &DoorOptions) -> Result<Self, DoorError> {
        let beyond = options.listen.iter().find(|endpoint| leads_beyond(endpoint));
        let in_clear = options.trusted_network && options.secret.is_some();
        let mut certificates = None;
        if let Some(endpoint) = beyond
            && !in_clear
        {
            if options.secret.is_some() {
                return Err(DoorError::Beyond(endpoint.to_string()));
            }
            let folder = options.state.as_ref().ok_or(IdentityError::NoFolder)?;
            certificates = Some(Certificates::load_or_make(&Folder::make(folder)?)?);
        } else if let Some(folder) = &options.state {
            Folder::find(folder)?;
        }
        let admission = Self {
            secret: options.secret.clone(),
            tokens: options.state.clone().map(Tokens::of),
            folder: options.state.clone(),
            certificates: Mutex::new(certificates),
            beyond: beyond.is_some(),
            trusted_network: options.trusted_network,
            by_ticket: options.by_ticket,
            failures: Failures::default(),
        };
        if beyond.is_some() && !in_clear && !options.by_ticket && !admission.has_tokens()? {
            tracing::warn!("there is no token yet, so nobody is let in; make one with `ringway token create`");
        }
        Ok(admission)
    }

    fn has_tokens(&self) -> Result<bool, IdentityError> {
        self.tokens.as_ref().map_or(Ok(false), |tokens| Ok(!tokens.all()?.is_empty()))
    }

    /// Whether the server is prepared for other machines.
    pub(super) fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// Whether other users of this machine may be let in, so that a Unix socket is to be open to them.
    pub(super) fn is_selective(&self) -> bool {
        self.by_ticket || self.secret.is_some() || self.has_tokens().unwrap_or(true)
    }

    /// Has the certificates read, if they were not yet and are there.
    fn with_certificates<R>(&self, then: impl FnOnce(&Certificates) -> R) -> Result<Option<R>, IdentityError> {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if certificates.is_none()
            && let Some(folder) = &self.folder
            && let Some(folder) = Folder::find(folder)?
        {
            *certificates = Certificates::load(&folder)?;
        }
        Ok(certificates.as_ref().map(then))
    }

    /// What the server shows.
    pub(super) fn identity(&self) -> Result<ServerIdentity, String> {
        match self.with_certificates(|certificates| certificates.identity.clone()).map_err(|error| error.to_string())? {
            Some(identity) => Ok(identity),
            None => Err("a client asks for TLS, and this server has no identity yet; `ringway token create` makes one".into()),
        }
    }

    /// What the server shows, made if it is not there yet.
    pub(super) fn own_identity(&self) -> Result<ServerIdentity, String> {
        let folder = self.folder.as_ref().ok_or(IdentityError::NoFolder).and_then(|folder| Folder::make(folder));
        folder.and_then(|folder| Certificates::load_or_make(&folder)).map_err(|error| error.to_string())?;
        self.identity()
    }

    /// The authority that vouches for the server.
    pub(super) fn authority(&self) -> Option<Vec<u8>> {
        self.with_certificates(|certificates| certificates.authority.clone()).ok().flatten()
    }

    /// Whether a connection in clear text is taken.
    pub(super) fn check_clear(&self, stream: &Stream) -> Result<(), Reply> {
        match stream {
            // Of one that is gone already nobody can say where it came from.
            Stream::Tcp(_) if !self.trusted_network && !stream.from().is_some_and(|from| from.to_canonical().is_loopback()) => Err(refused(
                "the server takes connections without encryption from its own machine only",
                "use a token file (--token-file), which `ringway token create` on the server makes",
            )),
            _ => Ok(()),
        }
    }

    /// What the bearer of a token, or of none, may do.
    pub(super) fn admit(&self, presented: &str, stream: &Stream) -> Result<Grant, Reply> {
        let denied = match self.check(presented) {
            Ok(grant) => return Ok(grant),
            Err(denied) => denied,
        };
        if self.secret.is_none() {
            // Who may read the server's keys needs no token.
            if matches!(stream, Stream::Unix(stream) if is_same_user(stream)) && denied == Denied::Unknown {
                return Ok(Grant::unbounded());
            }
            match self.has_tokens() {
                // Without any token everyone who reaches a server of this machine alone is let in.
                Ok(false) if !self.beyond && !self.by_ticket => return Ok(Grant::unbounded()),
                Ok(_) => {}
                Err(error) => tracing::error!("{error}"),
            }
        }
        Err(self.deny(denied, stream.from()))
    }

    /// What the bearer of a token or of the shared secret may do; nobody needs neither.
    pub(super) fn admit_bearer(&self, presented: &str, from: IpAddr) -> Result<Grant, Reply> {
        self.check(presented).map_err(|denied| self.deny(denied, Some(from)))
    }

    fn check(&self, presented: &str) -> Result<Grant, Denied> {
        if let Some(own) = &self.secret
            && same_secret(own, presented)
        {
            return Ok(Grant::unbounded());
        }
        match &self.tokens {
            Some(tokens) if !presented.is_empty() => tokens.check(presented),
            _ => Err(Denied::Unknown),
        }
    }

    /// Counts a failure, and says what to do.
    fn deny(&self, denied: Denied, from: Option<IpAddr>) -> Reply {
        if let Some(from) = from {
            self.failed(from);
        }
        let cure = match &denied {
            Denied::Unknown if self.secret.is_some() => "set RINGWAY_TOKEN to the token that the server was started with, or use a token file of this server",
            Denied::Unknown => "use a token file of this server (--token-file, RINGWAY_TOKEN_FILE), which `ringway token create` there makes",
            Denied::Expired(_) | Denied::Revoked(_) => "ask for another: `ringway token create` on the server",
            Denied::Unreadable => "see the server's log",
        };
        refused(denied.to_string(), cure)
    }

    /// Whether a lease that was granted to a token may go on.
    pub(super) fn still_good(&self, token: &str) -> bool {
        self.tokens.as_ref().is_none_or(|tokens| tokens.still_good(token))
    }

    pub(super) fn tokens(&self) -> Option<Arc<Vec<Token>>> {
        self.tokens.as_ref()?.all().ok()
    }

    /// A connection of this address led nowhere.
    pub(super) fn failed(&self, from: IpAddr) {
        if self.failures.count(from, Instant::now()) {
            tracing::warn!("too many failures of {from}: it is not listened to for a while");
        }
    }

    /// Whether an address is not listened to.
    pub(super) fn is_barred(&self, from: IpAddr) -> bool {
        self.failures.is_barred(from, Instant::now())
    }
}

/// Whether the process at the other end runs as this server's user, or as root.
fn is_same_user(stream: &UnixStream) -> bool {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: an open socket, and an out parameter of the length given.
    let asked = unsafe {
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut peer).cast(), &raw mut len)
    };
    // SAFETY: cannot fail and touches no memory.
    asked == 0 && (peer.uid == 0 || peer.uid == unsafe { libc::geteuid() })
}
