//! Where clients come in: listening addresses, connections, and what can be said of a connection.

use super::{ServeError, ServeOptions, refused};
use ringway_link::endpoint::Endpoint;
use ringway_wire::control::{self, LinkAsk, RdmaState, Reply};
use std::io::{self, Read};
use std::net::{IpAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(super) fn time_out(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(s) => s.set_read_timeout(limit).and(s.set_write_timeout(limit)),
            Self::Tcp(s) => s.set_read_timeout(limit).and(s.set_write_timeout(limit)),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.read(into),
            Self::Tcp(s) => s.read(into),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.write(from),
            Self::Tcp(s) => s.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn answer(stream: &mut Stream, reply: &Reply) {
    if let Err(error) = control::send(stream, reply) {
        tracing::debug!("answer not delivered: {error}");
    }
}

pub(super) fn raw(stream: &Stream) -> i32 {
    match stream {
        Stream::Unix(s) => s.as_raw_fd(),
        Stream::Tcp(s) => s.as_raw_fd(),
    }
}

/// Whether RDMA can be had at the address that a client reached.
pub(super) fn rdma_state(stream: &Stream) -> RdmaState {
    let Stream::Tcp(stream) = stream else {
        return RdmaState::Unusable("the server was not reached over IP".into());
    };
    match stream.local_addr().map(|address| ringway_link::rdma::usable_at(address.ip())) {
        Ok(Ok(device)) => RdmaState::Usable(device),
        Ok(Err(why)) => RdmaState::Unusable(why),
        Err(error) => RdmaState::Unusable(error.to_string()),
    }
}

pub(super) fn check_link(link: LinkAsk, stream: &Stream) -> Result<(), Reply> {
    match (link, stream) {
        (LinkAsk::Shm, Stream::Unix(_))
        | (LinkAsk::Tcp | LinkAsk::Rdma | LinkAsk::RdmaOnly, Stream::Tcp(_)) => Ok(()),
        (LinkAsk::Shm, Stream::Tcp(_)) => Err(refused(
            "shared memory was asked for over TCP",
            "connect to the server's Unix socket, or use --link tcp",
        )),
        (LinkAsk::Tcp | LinkAsk::Rdma | LinkAsk::RdmaOnly, Stream::Unix(_)) => Err(refused(
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

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Nothing to do if it is gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) fn bind(endpoint: &Endpoint, options: &ServeOptions) -> Result<Listener, ServeError> {
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
        ServeError::Listen {
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
            let mode = if options.token.is_some() {
                0o666
            } else {
                0o600
            };
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(fail)?;
            Ok(Listener::Unix(listener, path.clone()))
        }
        Endpoint::Tcp(host, port) => {
            let addresses: Vec<_> = (host.as_str(), *port)
                .to_socket_addrs()
                .map_err(fail)?
                .collect();
            let loopback = |ip: IpAddr| ip.is_loopback();
            let beyond = addresses.iter().any(|address| !loopback(address.ip()));
            if beyond && !(options.trusted_network && options.token.is_some()) {
                return Err(ServeError::Beyond(endpoint.to_string()));
            }
            let listener = TcpListener::bind(addresses.as_slice()).map_err(fail)?;
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
