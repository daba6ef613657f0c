//! A TCP stream whose bytes are sealed: what [`crate::framed`] sends is copied into records, what comes is opened where it was
//! received and copied to its place. All memory is made with the pipe.
//!
//! A record that was sealed is sent whole before anything else. What it carries counts as sent when its last byte was taken,
//! so a caller that is told `WouldBlock` comes again with the same bytes, which it does anyhow.

use crate::framed::{Bytes, Pipe};
use crate::link::{Sleeper, Slept};
use crate::sleep::Wakers;
use crate::socket::Sealed;
use crate::tcp::TcpPipe;
use crate::{LinkError, LinkKind, Result};
use ringway_secure::record::{HEADER_BYTES, Opener, PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX, Sealer};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Records that are sealed and handed to the kernel at a time.
const RECORDS_A_TURN: usize = 8;
/// Received and not opened yet, at the most.
const RECEIVED_BYTES: usize = RECORDS_A_TURN * RECORD_BYTES_MAX;

struct Sending {
    sealer: Sealer,
    /// Records; those from `start` to `end` the kernel has not taken yet.
    records: Box<[u8]>,
    start: usize,
    end: usize,
    /// What they carry of the caller's bytes.
    owed: usize,
}

struct Receiving {
    opener: Opener,
    buffer: Box<[u8]>,
    /// Bytes that were received and not opened.
    start: usize,
    end: usize,
    /// Bytes that were opened and not taken.
    opened: (usize, usize),
    /// What ended the stream, behind all that was taken.
    failed: Option<io::Error>,
}

pub(crate) struct SealedPipe {
    tcp: TcpPipe,
    wakers: Arc<Wakers>,
    sending: Mutex<Sending>,
    receiving: Mutex<Receiving>,
    /// There is something to take although the kernel has nothing.
    ready: AtomicBool,
    /// Threads in `park`.
    sleepers: AtomicU32,
}

impl SealedPipe {
    pub(crate) fn new(tcp: TcpPipe, sealed: Sealed, wakers: Arc<Wakers>) -> Result<SealedPipe> {
        if !sealed.is_at_record() {
            return Err(LinkError::misbehaved("W31", "bytes of a lane in a record with a message"));
        }
        let zeros = |bytes| vec![0; bytes].into_boxed_slice();
        Ok(SealedPipe {
            tcp,
            wakers,
            sending: Mutex::new(Sending {
                sealer: sealed.sealer,
                records: zeros(RECORDS_A_TURN * RECORD_BYTES_MAX),
                start: 0,
                end: 0,
                owed: 0,
            }),
            receiving: Mutex::new(Receiving {
                opener: sealed.opener,
                buffer: zeros(RECEIVED_BYTES),
                start: 0,
                end: 0,
                opened: (0, 0),
                failed: None,
            }),
            ready: AtomicBool::new(false),
            sleepers: AtomicU32::new(0),
        })
    }
}

/// A position within two parts of raw memory.
pub(crate) struct Cursor {
    pub(crate) parts: [Bytes; 2],
}

impl Cursor {
    pub(crate) fn left(&self) -> usize {
        self.parts[0].1 + self.parts[1].1
    }

    /// Copies up to `len` bytes between these parts and other memory, by `copy(of the parts, offset in the other, length)`; how many.
    pub(crate) fn step(&mut self, len: usize, mut copy: impl FnMut(*mut u8, usize, usize)) -> usize {
        let mut done = 0;
        for (ptr, left) in &mut self.parts {
            let n = (*left).min(len - done);
            if n > 0 {
                copy(*ptr, done, n);
                // Within the part, or one behind its end.
                *ptr = ptr.wrapping_add(n);
                *left -= n;
                done += n;
            }
        }
        done
    }
}

impl Sending {
    /// Seals as much as there is room for.
    ///
    /// # Safety
    /// The parts must be readable.
    unsafe fn seal(&mut self, parts: [Bytes; 2]) {
        let mut from = Cursor { parts };
        (self.start, self.end, self.owed) = (0, 0, 0);
        while from.left() > 0 && self.end + RECORD_BYTES_MAX <= self.records.len() {
            let record = &mut self.records[self.end..self.end + RECORD_BYTES_MAX];
            let payload = &mut record[HEADER_BYTES..HEADER_BYTES + PAYLOAD_BYTES_MAX];
            let bytes = from.step(payload.len(), |ptr, at, n| {
                // SAFETY: the caller vouches for the parts; the record is this pipe's own, and `at + n` within its payload.
                unsafe { std::ptr::copy_nonoverlapping(ptr, payload[at..at + n].as_mut_ptr(), n) };
            });
            self.end += self.sealer.seal(record, bytes);
            self.owed += bytes;
        }
    }
}

impl Receiving {
    /// Length of the record at `start`, if it is whole.
    fn whole(&self) -> io::Result<Option<usize>> {
        let Some(header) = self.buffer[self.start..self.end].first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = Opener::length(header)?;
        Ok((self.end - self.start >= length).then_some(length))
    }

    fn is_ready(&self) -> bool {
        // A header that is none is something to find, too.
        self.failed.is_some() || self.opened.0 < self.opened.1 || !matches!(self.whole(), Ok(None))
    }

    /// Moves what is not opened to the front, so that a whole record finds room behind it.
    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.start < RECORD_BYTES_MAX {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    /// Opens and takes what is there, and receives, until the parts are full or nothing comes.
    ///
    /// # Safety
    /// The parts must be writable.
    unsafe fn receive(&mut self, tcp: &TcpPipe, parts: [Bytes; 2]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut into = Cursor { parts };
        let wanted = into.left();
        // SAFETY: the caller vouches for the parts.
        let ended = unsafe { self.fill(tcp, &mut into) };
        match (wanted - into.left(), ended) {
            (0, ended) => ended.map(|()| 0),
            (done, Ok(())) => Ok(done),
            (done, Err(error)) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.failed = Some(error);
                }
                Ok(done)
            }
        }
    }

    /// Until the parts are full or the stream has ended; `WouldBlock` if nothing comes.
    ///
    /// # Safety
    /// The parts must be writable.
    unsafe fn fill(&mut self, tcp: &TcpPipe, into: &mut Cursor) -> io::Result<()> {
        // The kernel has no more.
        let mut drained = false;
        loop {
            let (from, to) = self.opened;
            if from < to {
                let bytes = &self.buffer[from..to];
                let n = into.step(bytes.len(), |ptr, at, n| {
                    // SAFETY: the caller vouches for the parts; the bytes are this pipe's own.
                    unsafe { std::ptr::copy_nonoverlapping(bytes[at..at + n].as_ptr(), ptr, n) };
                });
                self.opened.0 += n;
            }
            if into.left() == 0 {
                return Ok(());
            }
            if let Some(length) = self.whole()? {
                let bytes = self.opener.open(&mut self.buffer[self.start..self.start + length])?;
                let from = self.start + HEADER_BYTES;
                self.opened = (from, from + bytes);
                self.start += length;
                continue;
            }
            if drained {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.make_room();
            let space = &mut self.buffer[self.end..];
            let asked = space.len();
            // SAFETY: a slice, and nothing.
            match unsafe { tcp.receive([(space.as_mut_ptr(), asked), (std::ptr::null_mut(), 0)]) } {
                // A record that was cut off is no end in good order either: there was no farewell before it.
                Ok(0) => return Ok(()),
                Ok(n) => {
                    self.end += n;
                    drained = n < asked;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Pipe for SealedPipe {
    fn kind(&self) -> LinkKind {
        LinkKind::Tcp
    }

    unsafe fn send(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let mut sending = lock(&self.sending);
        if sending.start == sending.end {
            // SAFETY: the caller vouches for the parts.
            unsafe { sending.seal(parts) };
        }
        while sending.start < sending.end {
            let (start, end) = (sending.start, sending.end);
            let rest = &mut sending.records[start..end];
            // SAFETY: a slice, and nothing.
            sending.start += unsafe { self.tcp.send([(rest.as_mut_ptr(), rest.len()), (std::ptr::null_mut(), 0)]) }?;
        }
        Ok(sending.owed)
    }

    unsafe fn receive(&self, parts: [Bytes; 2]) -> io::Result<usize> {
        let mut receiving = lock(&self.receiving);
        // SAFETY: the caller vouches for the parts.
        let received = unsafe { receiving.receive(&self.tcp, parts) };
        let ready = receiving.is_ready();
        self.ready.store(ready, Ordering::SeqCst);
        // Say that there is something, then look for sleepers; who goes to sleep is counted, then looks whether there is.
        fence(Ordering::SeqCst);
        if ready && self.sleepers.load(Ordering::SeqCst) != 0 {
            self.wakers.wake_all();
        }
        received
    }

    fn park(&self, sleeper: Sleeper, or_writable: bool, timeout: Duration) -> Slept {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let came = if self.ready.load(Ordering::SeqCst) {
            Slept::Came
        } else {
            self.tcp.park(sleeper, or_writable, timeout)
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        came
    }

    fn wake(&self, sleeper: Sleeper) {
        self.tcp.wake(sleeper);
    }

    fn set_service_deaf(&self, deaf: bool) -> bool {
        let is_set = self.tcp.set_service_deaf(deaf);
        fence(Ordering::SeqCst);
        if !deaf && self.ready.load(Ordering::SeqCst) {
            // What was received already ends no sleep on the socket.
            self.tcp.wake(Sleeper::Service);
        }
        is_set
    }

    fn now_ns(&self) -> u64 {
        self.tcp.now_ns()
    }

    fn close(&self) {
        self.tcp.close();
    }

    fn release(&self) {
        self.tcp.release();
        lock(&self.sending).records = Box::new([]);
        let mut receiving = lock(&self.receiving);
        receiving.buffer = Box::new([]);
        (receiving.start, receiving.end, receiving.opened) = (0, 0, (0, 0));
    }
}
