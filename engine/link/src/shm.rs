//! Lanes over memory shared by two processes of one host.
//!
//! Both windows are memory files made and sealed by the server. Bytes are written in place; what remains for the
//! link is waking: a doorbell is one byte on the Unix socket (so the socket's end also tells that the peer is gone),
//! a sleeping waiter is woken by a futex on its reply slot.

use crate::client::ClientLane;
use crate::lane::Windows;
use crate::link::{Area, Break, Condition, FIRST_SLEEP, Link, Progress, Sleeper, Slept, Told};
use crate::server::ServerLane;
use crate::sleep::{Wakers, until_readable};
use crate::{DownCause, LaneConfig, LinkError, LinkKind, Result};
use ringway_shm_ring::{Region, RegionError, Span, futex};
use ringway_wire::layout::*;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, compiler_fence, fence};
use std::time::Duration;

/// First bytes of the message that carries the memory files.
const OFFER_MAGIC: u64 = u64::from_le_bytes(*b"RWSHM\0\0\x02");
/// Magic, bytes of the server's window, of the client's window, and of the memory that both map (0: there is none).
const OFFER_BYTES: usize = 32;
/// Memory that both ends map is at most this long, in bytes.
const SHARED_BYTES_MAX: u64 = 1 << 42;
/// How long the client waits for the memory files.
const OFFER_TIMEOUT: Duration = Duration::from_secs(10);

/// Memory besides the windows that both ends map: for what the program pins (WIRE.md, W29). One for all lanes of a session.
pub struct SharedMemory {
    region: Arc<Region>,
    fd: OwnedFd,
}

impl std::fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedMemory({} bytes)", self.len())
    }
}

impl SharedMemory {
    /// A new memory file of `bytes`, a multiple of the page size, sealed against any change of size. It has no pages before they are
    /// touched.
    ///
    /// # Errors
    /// `System`: no file, or no room in the address space.
    pub fn new(bytes: usize) -> Result<SharedMemory> {
        let (region, fd) = Region::memfd(bytes).map_err(region_error)?;
        Ok(SharedMemory { region, fd })
    }

    /// Where it is mapped, for as long as this lives. The other end writes into it at any time.
    pub fn address(&self) -> *mut u8 {
        self.region.span().ptr(0)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.region.span().len()
    }

    /// Whether it has no bytes; it never does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether two are the same memory, of two lanes of a session.
    pub fn is_same(&self, other: &SharedMemory) -> bool {
        let file = |memory: &SharedMemory| {
            let mut about = std::mem::MaybeUninit::<libc::stat>::uninit();
            // SAFETY: an owned descriptor, and room for the answer, which is there where the result is 0.
            unsafe { (libc::fstat(memory.fd.as_raw_fd(), about.as_mut_ptr()) == 0).then(|| about.assume_init()) }
                .map(|about| (about.st_dev, about.st_ino))
        };
        file(self).is_some() && file(self) == file(other)
    }
}

/// Server: makes the two sealed memory files, sends them over the connected socket, keeps the socket for doorbells
/// and to see the peer go.
/// Errors: `System`.
pub fn offer(socket: UnixStream, config: &LaneConfig) -> Result<ServerLane> {
    offer_with(socket, config, None)
}

/// As [`offer`]; `shared` goes with the windows.
/// Errors: `System`.
pub fn offer_with(socket: UnixStream, config: &LaneConfig, shared: Option<&SharedMemory>) -> Result<ServerLane> {
    let (own, own_fd) =
        Region::memfd(config.geometry.server_window_bytes()).map_err(region_error)?;
    let (peer, peer_fd) =
        Region::memfd(config.geometry.client_window_bytes()).map_err(region_error)?;
    let mut message = [0; OFFER_BYTES];
    message[..8].copy_from_slice(&OFFER_MAGIC.to_le_bytes());
    message[8..16].copy_from_slice(&(config.geometry.server_window_bytes() as u64).to_le_bytes());
    message[16..24].copy_from_slice(&(config.geometry.client_window_bytes() as u64).to_le_bytes());
    message[24..].copy_from_slice(&shared.map_or(0, |shared| shared.len() as u64).to_le_bytes());
    let mut fds = vec![own_fd.as_raw_fd(), peer_fd.as_raw_fd()];
    fds.extend(shared.map(|shared| shared.fd.as_raw_fd()));
    send_with_fds(&socket, &message, &fds)
        .map_err(|e| LinkError::system("sending the memory files", e))?;
    let windows = Windows::new(true, own.span(), peer.span(), config)?;
    let link = ShmLink::new(socket, &windows);
    Ok(ServerLane::new(Box::new(link), windows))
}

/// Client: receives the memory files (waiting at most 10 s), checks size and seals, maps them.
/// Errors: `System`, `Down` (the peer broke rule W10 or is gone).
pub fn accept(socket: UnixStream, config: &LaneConfig) -> Result<ClientLane> {
    Ok(accept_with(socket, config)?.0)
}

/// As [`accept`]; also the memory that goes with the windows, if the server has any and this process has room for it.
/// Errors: as [`accept`].
pub fn accept_with(socket: UnixStream, config: &LaneConfig) -> Result<(ClientLane, Option<SharedMemory>)> {
    let mut message = [0; OFFER_BYTES];
    let (len, fds) = receive_with_fds(&socket, &mut message)
        .map_err(|e| LinkError::system("receiving the memory files", e))?;
    if len == 0 {
        return Err(LinkError::Down(DownCause::PeerClosed));
    }
    let word =
        |i: usize| u64::from_le_bytes(message[i * 8..i * 8 + 8].try_into().expect("eight bytes"));
    if len != OFFER_BYTES || word(0) != OFFER_MAGIC {
        return Err(LinkError::misbehaved("W10", "not an offer of memory files"));
    }
    let (server_bytes, client_bytes) = (
        config.geometry.server_window_bytes(),
        config.geometry.client_window_bytes(),
    );
    if word(1) != server_bytes as u64 || word(2) != client_bytes as u64 {
        return Err(LinkError::misbehaved(
            "W10",
            "the windows have other sizes than agreed",
        ));
    }
    let mut fds = fds.into_iter();
    let (Some(peer_fd), Some(own_fd), shared_fd, None) = (fds.next(), fds.next(), fds.next(), fds.next()) else {
        return Err(LinkError::misbehaved("W10", "not two or three memory files"));
    };
    let shared = shared_fd.map(|fd| accept_shared(fd, word(3))).transpose()?.flatten();
    let peer = Region::from_fd(peer_fd, server_bytes)
        .map_err(region_error)?
        .span();
    let own = Region::from_fd(own_fd, client_bytes)
        .map_err(region_error)?
        .span();
    let windows = Windows::new(false, own, peer, config)?;
    let link = ShmLink::new(socket, &windows);
    Ok((ClientLane::new(Box::new(link), windows), shared))
}

/// Memory that goes with the windows; None where this process has no room for it, and does without.
fn accept_shared(fd: OwnedFd, bytes: u64) -> Result<Option<SharedMemory>> {
    if bytes == 0 || bytes > SHARED_BYTES_MAX || !bytes.is_multiple_of(4096) {
        return Err(LinkError::misbehaved("W10", "shared memory of a length that cannot be"));
    }
    let Ok(kept) = fd.try_clone() else {
        return Ok(None);
    };
    match Region::from_fd(fd, bytes as usize) {
        Ok(region) => Ok(Some(SharedMemory { region, fd: kept })),
        Err(RegionError::System(..)) => Ok(None),
        Err(error) => Err(region_error(error)),
    }
}

fn region_error(error: RegionError) -> LinkError {
    match error {
        RegionError::NotSealed => {
            LinkError::misbehaved("W10", "a memory file that could still shrink")
        }
        RegionError::TooShort { .. } => {
            LinkError::misbehaved("W10", "a memory file shorter than agreed")
        }
        RegionError::System(what, error) => LinkError::system(what, error),
    }
}

struct ShmLink {
    socket: UnixStream,
    wakers: Arc<Wakers>,
    condition: Condition,
    own: Span,
    peer: Span,
    server: bool,
    /// The sleep that was last rung for: of the server (client's end) or of a leader (server's end).
    rung_server: AtomicU32,
    rung_leader: AtomicU64,
    /// Server: a thread of the client was woken since the GPU thread last found nothing.
    woke: AtomicBool,
}

impl ShmLink {
    fn new(socket: UnixStream, windows: &Windows) -> ShmLink {
        ShmLink {
            socket,
            wakers: windows.wakers.clone(),
            condition: Condition::default(),
            own: windows.own.clone(),
            peer: windows.peer.clone(),
            server: windows.server,
            rung_server: AtomicU32::new(0),
            rung_leader: AtomicU64::new(0),
            woke: AtomicBool::new(false),
        }
    }

    #[cold]
    fn doorbell(&self) {
        let byte = 1u8;
        // SAFETY: one readable byte on an owned socket. A full socket means that wake-ups are pending; a broken one
        // is found by whoever sleeps on it.
        unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                (&raw const byte).cast(),
                1,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            );
        }
    }

    /// Client: rings if the server sleeps. The caller's write came before; no fence orders it against this look, see
    /// [`FIRST_SLEEP`]. [SYNC server parked]
    #[inline]
    fn ring_server(&self) {
        compiler_fence(Ordering::SeqCst);
        let sleep = self.own.load_u32(BOARD_SERVER_PARKED, Ordering::Relaxed);
        if sleep & 1 == 1 && self.rung_server.swap(sleep, Ordering::Relaxed) != sleep {
            self.doorbell();
        }
    }

    /// Server: rings for the thread that sleeps on the client's socket, or else wakes one that sleeps on its slot: there is a
    /// notice. As above. [SYNC leader]
    #[inline]
    fn ring_client(&self) {
        compiler_fence(Ordering::SeqCst);
        let sleep = self.own.load_u64(CONTROL_LEADER, Ordering::Relaxed);
        if sleep as u32 != 0 {
            if self.rung_leader.swap(sleep, Ordering::Relaxed) != sleep {
                self.doorbell();
                self.woke.store(true, Ordering::Relaxed);
            }
            return;
        }
        let parked = self.own.load_u64(CONTROL_PARKED_SLOTS, Ordering::Relaxed);
        if parked != 0 {
            self.wake_waiter(parked.trailing_zeros() as usize);
        }
    }

    /// Server: wakes the thread that sleeps on this slot; there are as many as `CONTROL_PARKED_SLOTS` has bits.
    #[cold]
    fn wake_waiter(&self, slot: usize) {
        futex::wake_all(&self.peer, reply_slot_at(slot) + REPLY_POSITION);
        self.woke.store(true, Ordering::Relaxed);
    }

    /// Takes doorbell bytes out of the socket; finds its end.
    fn drain_socket(&self) {
        let mut bytes = [0u8; 64];
        loop {
            // SAFETY: writable bytes of a private array.
            let n = unsafe {
                libc::recv(
                    self.socket.as_raw_fd(),
                    bytes.as_mut_ptr().cast(),
                    bytes.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            if n == 0 {
                self.condition.fail(Break::Gone);
            } else if n < 0 {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock => {}
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::ConnectionReset => self.condition.fail(Break::Gone),
                    _ => self.condition.fail(Break::Failed(error.to_string())),
                }
            } else if n == bytes.len() as isize {
                continue;
            }
            return;
        }
    }
}

impl Link for ShmLink {
    fn kind(&self) -> LinkKind {
        LinkKind::Shm
    }

    #[inline]
    fn ring_committed(&self, _end: u64) -> Told {
        if self.server {
            self.ring_client();
        } else {
            self.ring_server();
        }
        Told::Done
    }

    fn written(&self, area: Area) -> Told {
        match area {
            Area::Slot(slot) => {
                // The answer, then the look: a waiter that goes to sleep now is seen. [SYNC parked]
                fence(Ordering::SeqCst);
                let parked = self.own.load_u64(CONTROL_PARKED_SLOTS, Ordering::Relaxed);
                if parked >> slot & 1 == 1 {
                    self.wake_waiter(slot.into());
                }
            }
            Area::Released if self.server => {
                fence(Ordering::SeqCst);
                if self.own.load_u32(CONTROL_SPACE_WANTED, Ordering::Relaxed) != 0 {
                    futex::wake_all(&self.peer, BOARD_RELEASED);
                }
            }
            Area::Released => {
                if self.own.load_u32(BOARD_NOTICE_WANTED, Ordering::Relaxed) != 0 {
                    self.ring_server();
                }
            }
            Area::Board | Area::Executed | Area::Words | Area::ErrorLog => {}
        }
        Told::Done
    }

    fn flush(&self) {}

    /// Whoever was woken may be queued for this very core, where the GPU thread would look at its ring for some 50 us before it sleeps.
    #[inline]
    fn idle(&self) {
        if self.woke.load(Ordering::Relaxed) {
            self.woke.store(false, Ordering::Relaxed);
            std::thread::yield_now();
        }
    }

    #[inline]
    fn received(&self) -> u64 {
        u64::MAX
    }

    #[inline]
    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn check_peer(&self) {
        let mut byte = 0u8;
        let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK;
        // SAFETY: one writable byte.
        let n = unsafe { libc::recv(self.socket.as_raw_fd(), (&raw mut byte).cast(), 1, flags) };
        let gone = n < 0
            && !matches!(
                io::Error::last_os_error().kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            );
        if n == 0 || gone {
            self.condition.fail(Break::Gone);
        }
    }

    fn park(&self, sleeper: Sleeper, timeout: Duration) -> Slept {
        until_readable(
            self.socket.as_raw_fd(),
            false,
            self.wakers.of(sleeper),
            timeout,
        )
    }

    fn wakes_waiters(&self) -> bool {
        true
    }

    fn first_sleep(&self) -> Duration {
        FIRST_SLEEP
    }

    fn drain_doorbell(&self) {
        self.drain_socket();
    }

    fn wake(&self, sleeper: Sleeper) {
        self.wakers.of(sleeper).wake();
    }

    /// Nothing to say: when the socket ends, the process at its other end is gone.
    fn farewell(&self) {}

    fn close(&self) {
        self.condition.fail(Break::Closed);
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        self.wakers.wake_all();
    }

    fn start(&self) {}

    /// Never called: a lane over shared memory is not resumed.
    fn retire(&self) -> u64 {
        self.close();
        u64::MAX
    }

    fn condition(&self) -> &Condition {
        &self.condition
    }
}

impl Drop for ShmLink {
    fn drop(&mut self) {
        // Also ends the connection where a forked child still holds a copy of the descriptor.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

const FDS_SPACE: usize = 64;

#[repr(C, align(8))]
struct ControlBuffer([u8; FDS_SPACE]);

fn send_with_fds(socket: &UnixStream, message: &[u8], fds: &[i32]) -> io::Result<()> {
    // SAFETY: computes a length.
    let space = unsafe { libc::CMSG_SPACE(size_of_val(fds) as u32) } as usize;
    if space > FDS_SPACE {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut control = ControlBuffer([0; FDS_SPACE]);
    let mut iov = libc::iovec {
        iov_base: message.as_ptr().cast_mut().cast(),
        iov_len: message.len(),
    };
    // SAFETY: an all-zero msghdr is valid; then every pointer set refers to memory that outlives the call, and the
    // control buffer is aligned and no smaller than CMSG_SPACE of the descriptors.
    let sent = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = space as _;
        let cmsg = libc::CMSG_FIRSTHDR(&raw const header);
        (*cmsg).cmsg_level = libc::SOL_SOCKET;
        (*cmsg).cmsg_type = libc::SCM_RIGHTS;
        (*cmsg).cmsg_len = libc::CMSG_LEN(size_of_val(fds) as u32) as _;
        std::ptr::copy_nonoverlapping(
            fds.as_ptr().cast::<u8>(),
            libc::CMSG_DATA(cmsg),
            size_of_val(fds),
        );
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL)
    };
    match usize::try_from(sent) {
        Ok(n) if n == message.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

fn receive_with_fds(socket: &UnixStream, message: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let before = socket.read_timeout()?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(OFFER_TIMEOUT))?;
    let mut control = ControlBuffer([0; FDS_SPACE]);
    let mut iov = libc::iovec {
        iov_base: message.as_mut_ptr().cast(),
        iov_len: message.len(),
    };
    let mut fds = Vec::new();
    // SAFETY: as in `send_with_fds`; control messages are walked with the system's macros, each descriptor in them is
    // ours now and taken exactly once.
    let received = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = FDS_SPACE as _;
        let received = libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut header,
            libc::MSG_CMSG_CLOEXEC | libc::MSG_WAITALL,
        );
        if received >= 0 {
            let mut cmsg = libc::CMSG_FIRSTHDR(&raw const header);
            while !cmsg.is_null() {
                if (*cmsg).cmsg_level == libc::SOL_SOCKET && (*cmsg).cmsg_type == libc::SCM_RIGHTS {
                    let bytes = (*cmsg).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                    for i in 0..bytes / size_of::<i32>() {
                        let fd = libc::CMSG_DATA(cmsg).cast::<i32>().add(i).read_unaligned();
                        fds.push(OwnedFd::from_raw_fd(fd));
                    }
                }
                cmsg = libc::CMSG_NXTHDR(&raw const header, cmsg);
            }
        }
        received
    };
    let result = usize::try_from(received).map_err(|_| io::Error::last_os_error());
    socket.set_read_timeout(before)?;
    Ok((result?, fds))
}
