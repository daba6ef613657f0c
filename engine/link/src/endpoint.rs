//! Addresses of servers, `unix:/path` or `host:port`, and connections to them.

use crate::network;
use crate::socket::Socket;
use ringway_secure::tls::{TlsStream, Trust};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Port that `ringway serve` listens on when only a host is named.
pub const DEFAULT_PORT: u16 = 7766;

/// Where a server listens, or is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket: same host.
    Unix(PathBuf),
    /// Host (name or address) and port.
    Tcp(String, u16),
}

/// A text that is no address of a server.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is no server address; write HOST:PORT, HOST or unix:/PATH")]
pub struct BadEndpoint(String);

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            // sun_path holds 107 bytes and a NUL.
            return if path.starts_with('/') && path.len() <= 107 {
                Ok(Self::Unix(path.into()))
            } else {
                Err(bad())
            };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Tcp(address.ip().to_string(), address.port()));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, port.parse().map_err(|_| bad())?),
            Some(_) => return Err(bad()),
            None => (text, DEFAULT_PORT),
        };
        let valid = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if valid {
            Ok(Self::Tcp(host.to_owned(), port))
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// A control connection.
#[derive(Debug)]
pub enum Connection {
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
    /// Over TCP with TLS.
    Tls(Box<TlsStream>),
}

/// A server to reach: where, and by what it is recognized.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its address.
    pub endpoint: Endpoint,
    /// Over TCP, TLS with whoever this trusts and nobody else; None: clear text.
    pub trust: Option<Trust>,
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, trust: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

impl Target {
    /// As [`Endpoint::connect`]; with TLS where there is trust and the address is one of TCP.
    ///
    /// # Errors
    /// What the kernel, the resolver or TLS says.
    pub fn connect(&self, timeout: Duration) -> io::Result<Connection> {
        match (self.endpoint.connect(timeout)?, &self.trust) {
            (Connection::Tcp(stream), Some(trust)) => {
                network::round_trips(1);
                Ok(Connection::Tls(Box::new(TlsStream::connect(stream, trust, timeout)?)))
            }
            (connection, _) => Ok(connection),
        }
    }
}

/// A connection on which a lane was asked for: the answer comes on it, then the lane.
#[derive(Debug)]
pub enum LaneConnection {
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(Socket),
}

impl io::Read for LaneConnection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(into),
            Self::Tcp(socket) => socket.read(into),
        }
    }
}

impl LaneConnection {
    /// Removes (None) or changes the time-outs.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_timeouts(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(timeout).and_then(|()| stream.set_write_timeout(timeout)),
            Self::Tcp(socket) => socket.set_timeouts(timeout),
        }
    }
}

impl Endpoint {
    /// Connects within `timeout`; sets the same time-out on reads and writes.
    ///
    /// # Errors
    /// What the kernel or the resolver says.
    pub fn connect(&self, timeout: Duration) -> io::Result<Connection> {
        match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Ok(Connection::Unix(stream))
            }
            Self::Tcp(host, port) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, timeout) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            stream.set_read_timeout(Some(timeout))?;
                            stream.set_write_timeout(Some(timeout))?;
                            // There and back once, and once for the first message, which is answered before another is sent.
                            network::round_trips(2);
                            return Ok(Connection::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }
}

impl Connection {
    /// The socket beneath, where it is one of TCP.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(stream) => Some(stream),
            Self::Tls(stream) => Some(stream.socket()),
        }
    }

    /// Behind a request for a lane: what follows in both directions is sealed if the connection has TLS, and clear text if it
    /// has none.
    ///
    /// # Errors
    /// The peer said something before it was asked.
    pub fn into_lane(self) -> io::Result<LaneConnection> {
        Ok(match self {
            Self::Unix(stream) => LaneConnection::Unix(stream),
            Self::Tcp(stream) => LaneConnection::Tcp(stream.into()),
            Self::Tls(stream) => {
                let (stream, keys) = stream.into_keys()?;
                LaneConnection::Tcp(Socket::sealed(stream, &keys, false))
            }
        })
    }

    /// Removes (None) or changes the time-out of reads.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(timeout),
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
            Self::Tls(stream) => stream.socket().set_read_timeout(timeout),
        }
    }

    /// This end's address, where the connection is TCP.
    pub fn local_ip(&self) -> Option<IpAddr> {
        Some(self.tcp()?.local_addr().ok()?.ip())
    }

    /// Bytes of the largest packet on the way to the peer, as far as the kernel knows, where the connection is TCP over IPv4.
    /// `IP_MTU` of ip(7).
    pub fn path_mtu(&self) -> Option<u32> {
        let stream = self.tcp()?;
        let (mut mtu, mut len) = (0i32, size_of::<i32>() as libc::socklen_t);
        // SAFETY: an open descriptor, and an out parameter of the length given.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::IPPROTO_IP,
                libc::IP_MTU,
                (&raw mut mtu).cast(),
                &raw mut len,
            )
        };
        (result == 0).then_some(mtu).and_then(|mtu| mtu.try_into().ok())
    }

    /// Ends the connection, for all its handles: whoever reads it is told.
    pub fn shut(&self) {
        // If the peer has closed it already, its readers know.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Self::Tls(stream) => stream.socket().shutdown(std::net::Shutdown::Both),
        };
    }

    /// Another handle of the same connection.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Tls(stream) => Self::Tls(Box::new(stream.try_clone()?)),
        })
    }

    /// Has the kernel find out whether the other host is still there, as [`crate::tcp::bound_silence`]. Nothing to do on a
    /// Unix socket.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn bound_silence(&self) -> io::Result<()> {
        self.tcp().map_or(Ok(()), crate::tcp::bound_silence)
    }

    /// Says that nothing more will be written; what the peer still says can be read.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn end_writing(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Tls(stream) => stream.end_writing(),
        }
    }
}

impl io::Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(into),
            Self::Tcp(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl io::Write for Connection {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(from),
            Self::Tcp(stream) => stream.write(from),
            Self::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("unix:/run/x.sock", "unix:/run/x.sock"),
            ("gpu07", "gpu07:7766"),
            ("gpu07:80", "gpu07:80"),
            ("10.0.0.1:9", "10.0.0.1:9"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "unix:relative",
            ":80",
            "host:port",
            "a b:1",
            "::1:x",
            "h:99999",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
