//! Lanes over one TCP connection, in clear text or sealed (`sealed.rs`).

use crate::client::ClientLane;
use crate::delayed::DelayedPipe;
use crate::framed::{self, Bytes, Pipe};
use crate::lane::{Positions, Resumption, Start, Windows};
use crate::link::{Link, Sleeper, Slept};
use crate::network::{self, Network};
use crate::sealed::SealedPipe;
use crate::server::ServerLane;
use crate::sleep::{Wakers, until_any, until_readable};
use crate::socket::Socket;
use crate::{LaneConfig, LinkError, LinkKind, Result};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A host that is silent for so long, seconds, is taken for gone. (A process that ends is noticed at once.)
/// The kernel asks the peer's kernel once a second, so an idle session costs neither process anything.
const SILENCE_SECONDS_MAX: i32 = 6;

/// The server's end over a connected and authenticated socket.
/// Errors: `System`.
pub fn server(socket: impl Into<Socket>, config: &LaneConfig) -> Result<ServerLane> {
    let windows = Windows::private(true, config)?;
    let link = link(socket.into(), &windows, Start::default())?;
    Ok(ServerLane::new(link, windows))
}

/// The client's end over a connected and authenticated socket.
/// Errors: `System`.
pub fn client(socket: impl Into<Socket>, config: &LaneConfig) -> Result<ClientLane> {
    let windows = Windows::private(false, config)?;
    let link = link(socket.into(), &windows, Start::default())?;
    Ok(ClientLane::new(link, windows))
}

/// As [`server`], as if the network was this one: for tests and measurements. The other end has to do the same, on the same host.
/// Errors: `System`.
pub fn server_over(socket: impl Into<Socket>, config: &LaneConfig, network: Network) -> Result<ServerLane> {
    let windows = Windows::private(true, config)?;
    let link = link_over(socket.into(), &windows, Start::default(), Some(network))?;
    Ok(ServerLane::new(link, windows))
}

/// As [`client`], with [`server_over`] at the other end.
/// Errors: `System`.
pub fn client_over(socket: impl Into<Socket>, config: &LaneConfig, network: Network) -> Result<ClientLane> {
    let windows = Windows::private(false, config)?;
    let link = link_over(socket.into(), &windows, Start::default(), Some(network))?;
    Ok(ClientLane::new(link, windows))
}

/// Either end: continues a lane whose link broke over another connected and authenticated socket. `peer` is what the
/// other end said. How long the lane was suspended.
/// Errors: `System`, `Down` (the lane ended meanwhile, or the peer broke rule W17).
pub fn resume(resumption: Resumption<'_>, socket: impl Into<Socket>, peer: Positions) -> Result<Duration> {
    resumption.with(peer, |windows, start| link(socket.into(), windows, start))
}

/// A link over a connected and authenticated socket.
/// Errors: `System`, `Down` (`start` is nonsense, rule W17).
pub(crate) fn link(socket: Socket, windows: &Windows, start: Start) -> Result<Box<dyn Link>> {
    let network = network::emulated().map_err(|bad| LinkError::System { what: "the emulated network", error: bad.to_string() })?;
    link_over(socket, windows, start, network)
}

fn link_over(socket: Socket, windows: &Windows, start: Start, network: Option<Network>) -> Result<Box<dyn Link>> {
    let (stream, sealed) = socket.into_parts();
    let pipe = TcpPipe::new(stream, windows)?;
    let wakers = windows.wakers.clone();
    match (sealed, network) {
        (None, None) => framed::link(pipe, windows, start),
        (None, Some(network)) => framed::link(DelayedPipe::new(pipe, network, wakers), windows, start),
        (Some(sealed), None) => framed::link(SealedPipe::new(pipe, *sealed, wakers)?, windows, start),
        (Some(sealed), Some(network)) => {
            let pipe = SealedPipe::new(pipe, *sealed, wakers.clone())?;
            framed::link(DelayedPipe::new(pipe, network, wakers), windows, start)
        }
    }
}

/// Makes a socket the lane's: no delays, no time-outs, and a silent host is noticed.
/// Errors: `System`.
pub(crate) fn settle(socket: &TcpStream) -> Result<()> {
    socket
        .set_nodelay(true)
        .map_err(|e| LinkError::system("TCP_NODELAY", e))?;
    socket
        .set_read_timeout(None)
        .and_then(|()| socket.set_write_timeout(None))
        .map_err(|e| LinkError::system("time-outs", e))?;
    bound_silence(socket).map_err(|e| LinkError::system("keep-alive", e))?;
    Ok(())
}

/// Closing will reset the connection: the other end, should it not know yet, must not take this for the end of the lane.
pub(crate) fn reset_on_close(socket: &TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: an option of this size on an owned socket. If it cannot be set, the end is told by what follows.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        );
    }
}

/// Resets the connection now and leaves the descriptor to its owner: the other end learns of it, and does not take it for an end.
pub(crate) fn reset_now(socket: &TcpStream) {
    // SAFETY: a structure of plain numbers, for which zeros are valid.
    let mut nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    nowhere.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    // SAFETY: an address of at least this size. Connecting to no address ends a connection with a reset (connect(2)); where it does
    // not, the end is told by what follows. A worker may connect with an address as short as this and no other.
    unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, size_of::<libc::sa_family_t>() as libc::socklen_t) };
}

/// Has the kernel end a connection whose other host is silent for six seconds; it asks that host's kernel once a second,
/// so an idle connection costs neither process anything.
///
/// # Errors
/// What the kernel says.
pub fn bound_silence(socket: &TcpStream) -> io::Result<()> {
    let option = |level, name, value: i32| {
        let value_ptr = (&raw const value).cast();
        // SAFETY: an option of four bytes on an owned socket.
        match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value_ptr, 4) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let tcp = libc::IPPROTO_TCP;
    option(libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    option(tcp, libc::TCP_KEEPIDLE, 1)?;
    option(tcp, libc::TCP_KEEPINTVL, 1)?;
    option(tcp, libc::TCP_KEEPCNT, SILENCE_SECONDS_MAX - 1)?;
    option(tcp, libc::TCP_USER_TIMEOUT, SILENCE_SECONDS_MAX * 1000)
}

/// What the client's service thread sleeps on: an epoll descriptor that watches the socket, so that another thread can have the sleeper
/// hear nothing for a while.
struct Ear(OwnedFd);

impl Ear {
    /// Events while it hears.
    const EVENTS: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;

    fn new(socket: &TcpStream) -> io::Result<Ear> {
        // SAFETY: makes a descriptor.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just made it for us; nothing else owns it.
        let ear = Ear(unsafe { OwnedFd::from_raw_fd(fd) });
        ear.control(libc::EPOLL_CTL_ADD, socket.as_raw_fd(), Self::EVENTS)?;
        Ok(ear)
    }

    fn control(&self, operation: i32, socket: i32, events: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: 0 };
        // SAFETY: a descriptor of ours and a structure of ours; a socket that is closed is an error.
        match unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, socket, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

pub(crate) struct TcpPipe {
    /// The socket's descriptor; -1 once it was released.
    fd: AtomicI32,
    socket: Mutex<Option<TcpStream>>,
    /// The client's.
    ear: Option<Ear>,
    wakers: Arc<Wakers>,
    made: Instant,
}

impl TcpPipe {
    fn new(socket: TcpStream, windows: &Windows) -> Result<TcpPipe> {
        settle(&socket)?;
        let ear = (!windows.server).then(|| Ear::new(&socket)).transpose().map_err(|e| LinkError::system("epoll", e))?;
        Ok(TcpPipe {
            fd: AtomicI32::new(socket.as_raw_fd()),
            ear,
            socket: Mutex::new(Some(socket)),
            wakers: windows.wakers.clone(),
            made: Instant::now(),
        })
    }

    /// Only where `release` cannot come between, see [`Pipe::release`].
    #[inline]
    fn raw(&self) -> i32 {
        self.fd.load(Ordering::Relaxed)
    }
}

fn vectors(parts: [Bytes; 2]) -> ([libc::iovec; 2], usize) {
    let vector = |(ptr, len): Bytes| libc::iovec {
        iov_base: ptr.cast(),
        iov_len: len,
    };
    let both = [vector(parts[0]), vector(parts[1])];
    // An empty first part is left out.
    if parts[0].1 == 0 {
        ([both[1], both[0]], 1)
    } else {
        (both, 2)
    }
}

fn result(n: isize) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

impl Pipe for TcpPipe {
    fn kind(&self) -> LinkKind {
        LinkKind::Tcp
    }

    unsafe fn send(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let (mut vectors, count) = vectors(parts);
        // SAFETY: an all-zero msghdr is valid; the caller vouches for the parts.
        unsafe {
            let mut header: libc::msghdr = std::mem::zeroed();
            header.msg_iov = vectors.as_mut_ptr();
            header.msg_iovlen = count as _;
            result(libc::sendmsg(
                self.raw(),
                &raw const header,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            ))
        }
    }

    unsafe fn receive(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let (mut vectors, count) = vectors(parts);
        // SAFETY: as in `send`.
        unsafe {
            let mut header: libc::msghdr = std::mem::zeroed();
            header.msg_iov = vectors.as_mut_ptr();
            header.msg_iovlen = count as _;
            result(libc::recvmsg(
                self.raw(),
                &raw mut header,
                libc::MSG_DONTWAIT,
            ))
        }
    }

    fn park(&self, sleeper: Sleeper, or_writable: bool, timeout: Duration) -> Slept {
        let waker = self.wakers.of(sleeper);
        match &self.ear {
            Some(ear) if sleeper == Sleeper::Service => {
                // A negative descriptor is none (poll(2)).
                let socket = if or_writable { self.raw() } else { -1 };
                until_any([(ear.0.as_raw_fd(), libc::POLLIN), (socket, libc::POLLOUT)], waker, timeout)
            }
            _ => until_readable(self.raw(), or_writable, waker, timeout),
        }
    }

    fn set_service_deaf(&self, deaf: bool) -> bool {
        let socket = self.raw();
        let events = if deaf { 0 } else { Ear::EVENTS };
        self.ear.as_ref().is_some_and(|ear| socket >= 0 && ear.control(libc::EPOLL_CTL_MOD, socket, events).is_ok())
    }

    fn wake(&self, sleeper: Sleeper) {
        self.wakers.of(sleeper).wake();
    }

    fn now_ns(&self) -> u64 {
        self.made.elapsed().as_nanos() as u64
    }

    fn close(&self) {
        if let Some(socket) = &*self.socket.lock().unwrap_or_else(|e| e.into_inner()) {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    fn release(&self) {
        self.fd.store(-1, Ordering::SeqCst);
        let mut socket = self.socket.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(socket) = socket.take() {
            reset_on_close(&socket);
        }
    }
}

impl Drop for TcpPipe {
    fn drop(&mut self) {
        self.close();
    }
}
