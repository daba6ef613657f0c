//! What kernels print (and the driver writes to its standard output) goes to the client's standard output.
//!
//! The worker's descriptor 1 is a pipe. A thread empties it all the time, so that a kernel that prints much never
//! blocks; a synchronising call empties it once more before it answers, so that the program sees the text when CUDA says
//! it must. Most programs load no code that prints; their synchronising calls are spared the system calls.

use parking_lot::Mutex;
use ringway_link::ServerHandle;
use ringway_wire::call::NOTICE_OUTPUT;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Bytes in one notice.
const PIECE: usize = 16 * 1024;
/// Text that the client does not take within this time is dropped: it must not stop the GPU.
const PATIENCE: Duration = Duration::from_secs(5);

/// The reading end.
#[derive(Debug, Clone)]
pub struct Output {
    /// With the memory into which it is read.
    pipe: Arc<Mutex<(File, Box<[u8]>)>>,
    lane: Arc<OnceLock<Lane>>,
    /// Whether code was loaded that may print.
    expected: Arc<AtomicBool>,
}

struct Lane(ServerHandle);

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lane")
    }
}

impl Output {
    /// Puts a pipe in the place of descriptor 1 and starts the thread that empties it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn capture() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two descriptors; results are checked; the descriptors are owned from here on.
        let (read, write) = unsafe {
            if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
                return Err(io::Error::last_os_error());
            }
            (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
        };
        // SAFETY: replaces descriptor 1, which nobody in this process reads; both descriptors are open.
        let replaced = unsafe { libc::dup2(write.as_raw_fd(), 1) };
        if replaced != 1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: sets a flag of our own descriptor.
        unsafe { libc::fcntl(read.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let output = Self {
            pipe: Arc::new(Mutex::new((File::from(read), vec![0; PIECE].into()))),
            lane: Arc::new(OnceLock::new()),
            expected: Arc::default(),
        };
        let thread = output.clone();
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || thread.pump())?;
        Ok(output)
    }

    /// Text goes to this lane from now on.
    pub fn send_to(&self, lane: ServerHandle) {
        // Lane 0 comes first and stays.
        let _ = self.lane.set(Lane(lane));
    }

    fn pump(&self) {
        let fd = self.pipe.lock().0.as_raw_fd();
        loop {
            let mut poll = libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one valid pollfd; the descriptor lives as long as the process.
            if unsafe { libc::poll(&raw mut poll, 1, -1) } > 0 && poll.revents & libc::POLLIN != 0 {
                self.drain();
            } else if poll.revents != 0 {
                return;
            }
        }
    }

    /// Code is about to be loaded that may print.
    pub fn expect(&self) {
        self.expected.store(true, Ordering::Release);
    }

    /// Whether code was loaded that may print.
    pub fn is_expected(&self) -> bool {
        self.expected.load(Ordering::Acquire)
    }

    /// For a synchronising call: [`Output::drain`], if anything can be there.
    #[inline]
    pub fn drain_expected(&self) {
        if self.is_expected() {
            self.drain();
        }
    }

    /// Sends all text that is there now; when it returns, the text is before whatever is sent next.
    pub fn drain(&self) {
        // SAFETY: flushes the C library's own streams, where a driver may have left text.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        let mut pipe = self.pipe.lock();
        let (pipe, piece) = &mut *pipe;
        while let Ok(length) = pipe.read(piece) {
            if length == 0 {
                return;
            }
            if let Some(Lane(lane)) = self.lane.get()
                && let Err(error) = lane.notice(NOTICE_OUTPUT, &[&piece[..length]], PATIENCE)
            {
                tracing::debug!("{length} bytes of kernel output dropped: {error}");
            }
        }
    }
}
