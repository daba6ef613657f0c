//! Transfers past the ring: the server reads and writes memory that the client registered, from and to device memory that it
//! registered itself, on a queue pair beside the lane's own (WIRE.md, W25 to W28).
//!
//! The client's end only lends memory. The server's end is driven by whichever thread wants a transfer, one at a time, and
//! has no part in the lane's progress: small answers do not wait behind bulk data.
//!
//! A transfer that fails takes its link with it. Only so is it certain that nothing of it arrives later: at this end the queue
//! pair is destroyed before anybody is told, and the client destroys its own before it takes the next link, on which alone
//! the bytes can come another way.

use ringway_verbs::{
    Access, CompletionError, CompletionQueue, Completions, ConnectOptions, ENDPOINT_BYTES, Endpoint, HostMemory, Initialised,
    LocalSlice, MemoryRegion, Options, PostError, ProtectionDomain, QueuePair, QueuePairOptions, ReceiveQueue, RemoteRegion,
    RemoteSlice, Route, SendQueue, Status,
};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of one work request.
const CHUNK_BYTES: usize = 1 << 20;
/// Work requests under way.
const CHUNKS: u32 = 16;
/// Completions are looked for this long before sleeping.
const SPIN: Duration = Duration::from_micros(20);
/// Sleep between looks at whether the link still stands.
const LOOK: Duration = Duration::from_millis(20);
/// Without any completion for so long a transfer has failed, whatever the device says of it.
const STALL: Duration = Duration::from_secs(20);
/// What is read behind a transfer to the host, to learn that it was placed.
const PROOF_BYTES: usize = 8;

/// Memory registered for transfers on one link. It keeps the memory pinned until it is dropped.
pub struct Registration(MemoryRegion);

impl Registration {
    /// Where it begins, as the device counts.
    pub fn address(&self) -> u64 {
        self.0.remote().address
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// What the peer must name in order to reach it.
    pub fn key(&self) -> u32 {
        self.0.remote().key
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registration({} bytes)", self.bytes())
    }
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client's memory.
    ToDevice,
    /// Into the client's memory.
    ToHost,
}

/// A part of registered device memory.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The memory.
    pub registration: &'a Registration,
    /// Where the part begins in it, in bytes.
    pub offset: usize,
    /// Its size in bytes.
    pub bytes: usize,
}

/// One transfer.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Which way.
    pub direction: Direction,
    /// The device's side, in order.
    pub device: &'a [Part<'a>],
    /// The client's side: as many bytes from here on.
    pub host: u64,
    /// The client's key for it.
    pub key: u32,
}

impl Job<'_> {
    fn bytes(&self) -> usize {
        self.device.iter().map(|part| part.bytes).sum()
    }
}

/// Why a transfer was not made, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The link has ended, or was replaced; nothing was begun.
    #[error("the link was replaced")]
    Gone,
    /// It broke on the way.
    #[error("a transfer past the ring broke: {0}")]
    Broken(String),
    /// One of the two registrations does not allow it: another link will not change that.
    #[error("a transfer past the ring was refused: {0}")]
    Refused(String),
}

/// The queue pair and what belongs to it.
struct Pair {
    sends: SendQueue,
    /// Nothing is received; the queue pair lives as long as both its queues.
    _receives: ReceiveQueue,
    completions: CompletionQueue,
    /// Where the proof of a transfer to the host arrives.
    proof: MemoryRegion,
}

/// The transfers of one link, at either end.
pub struct Transfers {
    number: u64,
    domain: ProtectionDomain,
    /// None once the link has ended.
    pair: Mutex<Option<Pair>>,
    stopped: AtomicBool,
}

impl std::fmt::Debug for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transfers(link {})", self.number)
    }
}

/// A queue pair for transfers that waits for its peer.
pub(super) struct Prepared {
    qp: QueuePair<Initialised>,
    endpoint: Endpoint,
    domain: ProtectionDomain,
    completions: CompletionQueue,
    proof: MemoryRegion,
}

impl Prepared {
    /// In a protection domain of its own: what is registered for transfers cannot be reached by the lane's own queue pair.
    /// Only the server may reach into the other end.
    pub(super) fn new(route: &Route, server: bool) -> ringway_verbs::Result<Prepared> {
        let context = &route.context;
        let domain = context.protection_domain()?;
        let completions = context.completion_queue_with_events(CHUNKS, 0)?;
        let options = QueuePairOptions {
            send_depth: CHUNKS,
            receive_depth: 0,
            inline_bytes: 0,
            signal_every: 1,
            ..QueuePairOptions::default()
        };
        let peer_may = if server { Access::LOCAL_READ } else { Access::REMOTE_READ | Access::REMOTE_WRITE };
        let qp = domain.queue_pair(&options, &completions, &completions)?.init(route, peer_may)?;
        let proof = domain.register(HostMemory::anonymous(PROOF_BYTES)?, Access::LOCAL_WRITE)?;
        Ok(Prepared { endpoint: qp.endpoint()?, qp, domain, completions, proof })
    }

    /// For the peer.
    pub(super) fn endpoint(&self) -> Vec<u8> {
        self.endpoint.encode().to_vec()
    }

    /// Connects it; `number` is the link's, the same at both ends.
    /// Errors: what is wrong with the peer's endpoint, or what the device says.
    pub(super) fn connect(self, endpoint: &[u8], options: &ConnectOptions, number: u64) -> Result<Transfers, String> {
        let endpoint: &[u8; ENDPOINT_BYTES] = endpoint.try_into().map_err(|_| "the peer's endpoint has another size".to_owned())?;
        let peer = Endpoint::decode(endpoint).map_err(|error| format!("the peer's endpoint is refused: {error}"))?;
        let qp = self.qp.connect(&peer, options).map_err(|error| error.to_string())?;
        let (sends, receives) = qp.into_queues();
        let pair = Pair { sends, _receives: receives, completions: self.completions, proof: self.proof };
        Ok(Transfers { number, domain: self.domain, pair: Mutex::new(Some(pair)), stopped: AtomicBool::new(false) })
    }
}

impl Transfers {
    /// Number of the link, by which both ends know it: how often the lane was continued. Rule W25.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether there will be no more transfers on this link.
    pub fn have_ended(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Lends memory of the program to the peer, which may read and write it by [`Registration::key`] until the registration is
    /// dropped or the link has ended.
    ///
    /// # Errors
    /// Why it cannot be registered, with the cure.
    ///
    /// # Safety
    /// The range stays mapped until the registration is dropped, and the program expects its contents to change.
    pub unsafe fn lend(&self, start: *mut u8, bytes: usize) -> Result<Registration, String> {
        // SAFETY: handed on.
        unsafe { self.register(start, bytes, Access::REMOTE_READ | Access::REMOTE_WRITE) }
    }

    /// Registers device memory for transfers of this end: the peer has no rights to it. The driver must have made its memory
    /// known to the kernel (peer memory), unless it is ordinary memory of this process.
    ///
    /// # Errors
    /// As [`Transfers::lend`].
    ///
    /// # Safety
    /// As [`Transfers::lend`].
    pub unsafe fn register_device(&self, start: *mut u8, bytes: usize) -> Result<Registration, String> {
        // SAFETY: handed on.
        unsafe { self.register(start, bytes, Access::LOCAL_WRITE) }
    }

    /// The same for device memory that its driver gives as a dma-buf, from its beginning.
    ///
    /// # Errors
    /// As [`Transfers::lend`].
    pub fn register_dma_buf(&self, fd: BorrowedFd<'_>, bytes: usize) -> Result<Registration, String> {
        let region = self.domain.register_dmabuf(fd, 0, bytes, Access::LOCAL_WRITE);
        region.map(Registration).map_err(|error| error.to_string())
    }

    unsafe fn register(&self, start: *mut u8, bytes: usize, access: Access) -> Result<Registration, String> {
        // SAFETY: handed on.
        let region = unsafe { self.domain.register_raw(start, bytes, access) };
        region.map(Registration).map_err(|error| error.to_string())
    }

    /// Makes a transfer, after those that other threads are making. When this returns, all bytes are in place, or nothing of
    /// it happens any more at this end; after an error other than `Gone` the link must be given up.
    pub(crate) fn run(&self, job: &Job<'_>) -> Result<(), TransferError> {
        let mut pair = self.pair.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(working) = pair.as_mut().filter(|_| !self.have_ended()) else {
            return Err(TransferError::Gone);
        };
        let result = working.run(job, &self.stopped);
        if result.is_err() {
            self.stopped.store(true, Ordering::Release);
            // Destroys the queue pair: the device is done with both ends' memory.
            *pair = None;
        }
        result
    }

    /// The link has ended: what is under way fails soon, and when this returns nothing of it happens any more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        *self.pair.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// One work request.
type Chunk<'a> = (Direction, LocalSlice<'a>, RemoteSlice);

impl Pair {
    fn run(&mut self, job: &Job<'_>, stopped: &AtomicBool) -> Result<(), TransferError> {
        let refused = |what: &str| TransferError::Refused(what.to_owned());
        let total = job.bytes();
        let whole = RemoteRegion { address: job.host, len: total as u64, key: job.key };
        if job.host.checked_add(total as u64).is_none() {
            return Err(refused("host memory beyond the address space"));
        }
        // Reading behind the writes is answered only when they are placed (InfiniBand Architecture Specification, volume 1,
        // 9.5, transaction ordering).
        let proof_bytes = total.min(PROOF_BYTES);
        let proof = match job.direction {
            Direction::ToDevice => None,
            Direction::ToHost => {
                let from = whole.slice((total - proof_bytes) as u64, proof_bytes as u64);
                let to = self.proof.slice(..proof_bytes);
                Some(to.zip(from).map(|(to, from)| (Direction::ToDevice, to, from)))
            }
        };
        let mut chunks = chunks(job, whole).chain(proof);
        let Pair { sends, completions, .. } = self;
        let mut waiting: Option<Chunk<'_>> = None;
        let mut all_posted = false;
        let mut progress = Instant::now();
        loop {
            let mut batch = sends.batch();
            while !all_posted {
                let chunk = match waiting.take() {
                    Some(chunk) => chunk,
                    None => match chunks.next() {
                        None => {
                            all_posted = true;
                            break;
                        }
                        Some(chunk) => chunk.ok_or_else(|| refused("a part beyond its registration"))?,
                    },
                };
                let (direction, local, remote) = chunk;
                let options = Options::new().signalled();
                let filled = match direction {
                    Direction::ToDevice => batch.read(local, remote, options),
                    Direction::ToHost => batch.write(local, remote, options),
                };
                match filled {
                    Ok(()) => {}
                    Err(PostError::QueueFull) => {
                        waiting = Some(chunk);
                        break;
                    }
                    Err(error) => return Err(TransferError::Broken(error.to_string())),
                }
            }
            batch.post().map_err(|error| TransferError::Broken(error.to_string()))?;
            if all_posted && sends.under_way() == 0 {
                return Ok(());
            }
            if reap(sends, completions)? {
                progress = Instant::now();
            } else if stopped.load(Ordering::Acquire) {
                return Err(TransferError::Broken("the link ended".to_owned()));
            } else if progress.elapsed() > STALL {
                return Err(TransferError::Broken(format!("nothing arrived for {STALL:?}")));
            }
        }
    }
}

/// The job in work requests; None for a part that is not what its registration holds.
fn chunks<'a>(job: &'a Job<'a>, whole: RemoteRegion) -> impl Iterator<Item = Option<Chunk<'a>>> {
    let mut before = 0usize;
    job.device.iter().flat_map(move |part| {
        let start = before;
        before += part.bytes;
        (0..part.bytes).step_by(CHUNK_BYTES).map(move |at| {
            let bytes = (part.bytes - at).min(CHUNK_BYTES);
            let from = part.offset.checked_add(at)?;
            let local = part.registration.0.slice(from..from.checked_add(bytes)?)?;
            let remote = whole.slice((start + at) as u64, bytes as u64)?;
            Some((job.direction, local, remote))
        })
    })
}

/// Takes completions, waiting a little for the first; whether one came.
fn reap(sends: &mut SendQueue, completions: &CompletionQueue) -> Result<bool, TransferError> {
    let broken = |error: ringway_verbs::Error| TransferError::Broken(error.to_string());
    let begun = Instant::now();
    loop {
        let mut room = Completions::<{ CHUNKS as usize }>::new();
        let spinning = begun.elapsed() < SPIN;
        let came = if spinning { completions.poll(&mut room) } else { completions.poll_or_wait(&mut room, LOOK) };
        let came = came.map_err(broken)?;
        for completion in came {
            sends.reap(completion).map_err(|error| failed(&error))?;
        }
        if !came.is_empty() || !spinning {
            return Ok(!came.is_empty());
        }
        std::hint::spin_loop();
    }
}

fn failed(error: &CompletionError) -> TransferError {
    match error.status() {
        Some(Status::REMOTE_ACCESS | Status::LOCAL_PROTECTION) => TransferError::Refused(error.to_string()),
        _ => TransferError::Broken(error.to_string()),
    }
}

/// What a link has of transfers, if both ends have it.
pub(super) type MaybeTransfers = Option<Arc<Transfers>>;
