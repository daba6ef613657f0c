//! Where clients come in: listening addresses, connections, and what can be said of a connection.

use super::admission::Admission;
use super::{DoorError, refused};
use ringway_link::endpoint::Endpoint;
use ringway_link::socket::Socket;
use ringway_secure::tls::TlsStream;
use ringway_wire::control::{self, LaneKeys, LinkAsk, RdmaState, Reply};
use std::io::{self, Read};
use std::net::{IpAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A client's connection.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream>),
    /// Behind a request for a lane.
    Lane(Socket),
}

impl Stream {
    pub(crate) fn time_out(&mut self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(s) => s.set_read_timeout(limit).and(s.set_write_timeout(limit)),
            Self::Tcp(s) => s.set_read_timeout(limit).and(s.set_write_timeout(limit)),
            Self::Tls(s) => {
                s.set_deadline(None);
                s.socket().set_read_timeout(limit).and(s.socket().set_write_timeout(limit))
            }
            Self::Lane(s) => s.set_timeouts(limit),
        }
    }

    /// The socket beneath, where it is one of TCP.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(s) => Some(s),
            Self::Tls(s) => Some(s.socket()),
            Self::Lane(s) => Some(s.stream()),
        }
    }

    /// Where it comes from; None: this machine, or it is gone already.
    pub(crate) fn from(&self) -> Option<IpAddr> {
        Some(self.tcp()?.peer_addr().ok()?.ip())
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match (self, self.tcp()) {
            (Self::Unix(s), _) => s.as_fd(),
            (_, Some(s)) => s.as_fd(),
            (Self::Tcp(s), None) => s.as_fd(),
            (Self::Tls(s), None) => s.socket().as_fd(),
            (Self::Lane(s), None) => s.stream().as_fd(),
        }
    }

    /// Another descriptor of the socket, by which its reader can be told to stop.
    pub(crate) fn handle(&self) -> io::Result<OwnedFd> {
        self.fd().try_clone_to_owned()
    }

    /// Another handle of the same connection; not of one that is a lane's.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(s) => Self::Unix(s.try_clone()?),
            Self::Tcp(s) => Self::Tcp(s.try_clone()?),
            Self::Tls(s) => Self::Tls(Box::new(s.try_clone()?)),
            Self::Lane(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    /// Waits until there is something to read here, or there, or the time is over: where.
    pub(crate) fn wait_beside(&self, other: &UnixStream, limit: Duration) -> io::Result<(bool, bool)> {
        let mut both = [self.fd().as_raw_fd(), other.as_raw_fd()].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        let limit = limit.as_millis().min(i32::MAX as u128) as i32;
        // SAFETY: an array of two places, of open descriptors.
        if unsafe { libc::poll(both.as_mut_ptr(), 2, limit) } < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok((false, false)) } else { Err(error) };
        }
        Ok((both[0].revents != 0, both[1].revents != 0))
    }

    /// Behind a request for a lane: what follows is sealed if the connection has TLS, with these keys.
    pub(crate) fn into_lane(self) -> io::Result<(Self, Option<LaneKeys>)> {
        match self {
            Self::Tls(stream) => {
                let (stream, keys) = stream.into_keys()?;
                Ok((Self::Lane(Socket::sealed(stream, &keys, true)), Some(LaneKeys(keys.as_bytes().to_vec()))))
            }
            other => Ok((other, None)),
        }
    }
}

/// Reads a connection until a point in time, however slowly bytes come.
pub(super) struct Until<'a>(pub(super) &'a mut Stream, pub(super) Instant);

impl Read for Until<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.1.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match &mut *self.0 {
            Stream::Unix(s) => s.set_read_timeout(Some(left))?,
            Stream::Tcp(s) => s.set_read_timeout(Some(left))?,
            Stream::Tls(s) => s.set_deadline(Some(self.1)),
            Stream::Lane(s) => s.set_timeouts(Some(left))?,
        }
        self.0.read(into)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.read(into),
            Self::Tcp(s) => s.read(into),
            Self::Tls(s) => s.read(into),
            Self::Lane(s) => s.read(into),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.write(from),
            Self::Tcp(s) => s.write(from),
            Self::Tls(s) => s.write(from),
            Self::Lane(s) => s.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn answer(stream: &mut Stream, reply: &Reply) {
    if let Err(error) = control::send(stream, reply) {
        tracing::debug!("answer not delivered: {error}");
    }
}

/// Whether RDMA can be had at the address that a client reached.
pub(crate) fn rdma_state(stream: &Stream) -> RdmaState {
    let Some(stream) = stream.tcp() else {
        return RdmaState::Unusable("the server was not reached over IP".into());
    };
    match stream.local_addr().map(|address| ringway_link::rdma::usable_at(address.ip())) {
        Ok(Ok(device)) => RdmaState::Usable(device),
        Ok(Err(why)) => RdmaState::Unusable(why),
        Err(error) => RdmaState::Unusable(error.to_string()),
    }
}

pub(crate) fn check_link(link: LinkAsk, stream: &Stream) -> Result<(), Reply> {
    match (link, stream.tcp()) {
        (LinkAsk::Shm, None) | (LinkAsk::Tcp | LinkAsk::Rdma | LinkAsk::RdmaOnly, Some(_)) => Ok(()),
        (LinkAsk::Shm, Some(_)) => Err(refused(
            "shared memory was asked for over TCP",
            "connect to the server's Unix socket, or use --link tcp",
        )),
        (LinkAsk::Tcp | LinkAsk::Rdma | LinkAsk::RdmaOnly, None) => Err(refused(
            "a network link was asked for over a Unix socket",
            "connect to the server's TCP address, or use --link shm",
        )),
    }
}

/// A bound address.
pub enum Listener {
    /// Unix socket and its path, removed when dropped.
    Unix(UnixListener, PathBuf),
    /// TCP.
    Tcp(TcpListener),
}

impl Listener {
    /// Waits until somebody knocks.
    pub(super) fn wait(&self) -> io::Result<()> {
        let mut knock = libc::pollfd { fd: self.fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one place, of an open descriptor.
        if unsafe { libc::poll(&raw mut knock, 1, -1) } < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Err(io::ErrorKind::WouldBlock.into()) } else { Err(error) };
        }
        Ok(())
    }

    /// Who knocks; [`io::ErrorKind::WouldBlock`] if nobody does.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener, _) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }

    /// A socket that listens already, at that address.
    pub(crate) fn adopt(endpoint: &Endpoint, socket: OwnedFd) -> Self {
        match endpoint {
            Endpoint::Unix(path) => Self::Unix(socket.into(), path.clone()),
            Endpoint::Tcp(..) => Self::Tcp(socket.into()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Nothing to do if it is gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) fn bind(endpoint: &Endpoint, admission: &Admission) -> Result<Listener, DoorError> {
    let fail = |cause: io::Error| {
        let cure = match cause.kind() {
            io::ErrorKind::AddrInUse => {
                "another program has it; stop that one or choose another address with --listen"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address; see `ip address`",
            io::ErrorKind::PermissionDenied => {
                "choose a port above 1023, or a folder that you may write to"
            }
            _ => "choose another address with --listen",
        };
        DoorError::Listen {
            endpoint: endpoint.to_string(),
            cause,
            cure,
        }
    };
    match endpoint {
        Endpoint::Unix(path) => {
            // A socket that nobody answers on was left by a server that is gone.
            if path.exists()
                && UnixStream::connect(path)
                    .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
            {
                std::fs::remove_file(path).map_err(fail)?;
            }
            let listener = UnixListener::bind(path).map_err(fail)?;
            let mode = if admission.is_selective() {
                0o666
            } else {
                0o600
            };
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(fail)?;
            listener.set_nonblocking(true).map_err(fail)?;
            Ok(Listener::Unix(listener, path.clone()))
        }
        Endpoint::Tcp(host, port) => {
            let addresses: Vec<_> = (host.as_str(), *port)
                .to_socket_addrs()
                .map_err(fail)?
                .collect();
            let listener = TcpListener::bind(addresses.as_slice()).map_err(fail)?;
            // A name may have led elsewhere when it was looked up before.
            let bound = listener.local_addr().map_err(fail)?;
            if !bound.ip().is_loopback() && !admission.is_beyond() {
                return Err(fail(io::Error::other("its name has changed its address")));
            }
            listener.set_nonblocking(true).map_err(fail)?;
            Ok(Listener::Tcp(listener))
        }
    }
}

/// The addresses that listeners really have (a port of 0 was chosen by the kernel).
///
/// # Errors
/// What the kernel says.
pub fn bound(listeners: &[Listener]) -> io::Result<Vec<String>> {
    listeners
        .iter()
        .map(|listener| match listener {
            Listener::Unix(_, path) => Ok(format!("unix:{}", path.display())),
            Listener::Tcp(l) => Ok(l.local_addr()?.to_string()),
        })
        .collect()
}
