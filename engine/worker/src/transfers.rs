//! Copies past the ring: between device memory and memory that the client registered, made by the adapter (WIRE.md, W25 to
//! W28).
//!
//! A host function in the stream makes the transfer when its turn comes, so it is ordered as every copy is, and the GPU thread
//! has no part in it. Device memory is registered in blocks when it first takes part, and until it is freed. Where a transfer
//! cannot be made, or its link breaks, the bytes go by the ring while the host function still holds the stream: those to the
//! device are asked for ([`NOTICE_TRANSFER_WANTED`]), those to the host are sent as a download's.

use crate::cx::{Cx, Failure, Handled};
use crate::driver_call;
use crate::generated::Driver;
use crate::handlers::copy::refuse_capture;
use crate::session::Session;
use cudarc::driver::sys;
use parking_lot::{Condvar, Mutex};
use ringway_api::CudaError;
use ringway_link::ServerHandle;
use ringway_link::rdma::{self, Direction, Job, Part, Registration, TransferError};
use ringway_wire::call::{
    COPY_PIECE_BYTES, NOTICE_DATA, NOTICE_DATA_END, NOTICE_NO_TRANSFERS, NOTICE_TRANSFER_ENDED, NOTICE_TRANSFER_WANTED, TRANSFERS_MAX, TransferCall,
};
use ringway_wire::codec::{CallHeader, Malformed, Reader};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::c_void;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Device memory is registered in blocks of this size, counted from the allocation's beginning: what is never copied stays out.
const BLOCK_BYTES: u64 = 32 << 20;
/// The client must take a notice within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Looks at whether the session has ended, while the client's bytes are waited for.
const LOOK: Duration = Duration::from_millis(200);
/// After the work of a context is done, its transfers have ended within this time.
const UNUSED_WITHIN: Duration = Duration::from_secs(10);
/// `CU_STREAM_NON_BLOCKING`: copies that stand in for a transfer do not wait for the stream that waits for them.
const NON_BLOCKING: u32 = 1;
/// `CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED`.
const DMA_BUF_SUPPORTED: u32 = 124;

/// Memory of cuMemAlloc, the one kind that takes part in transfers.
#[derive(Debug)]
pub struct Allocation {
    base: u64,
    bytes: u64,
    /// Number of the context in which it was made, and the GPU's ordinal in the lease.
    context: u32,
    gpu: usize,
    /// Whether the driver gives it as a dma-buf.
    dma_buf: bool,
    registered: Mutex<Registered>,
}

/// Blocks of an allocation that are registered with one link.
#[derive(Debug, Default)]
struct Registered {
    link: u64,
    blocks: HashMap<u64, Arc<Registration>>,
}

/// A part of device memory, kept registered.
#[derive(Debug)]
struct Piece {
    registration: Arc<Registration>,
    offset: usize,
    bytes: usize,
}

impl Allocation {
    /// The blocks behind `bytes` bytes from `address` on, which lie within the allocation; those that are not registered yet are.
    fn pieces(&self, link: &rdma::Transfers, address: u64, bytes: u64) -> Result<Vec<Piece>, String> {
        let mut registered = self.registered.lock();
        if registered.link != link.number() {
            *registered = Registered { link: link.number(), blocks: HashMap::new() };
        }
        block_parts(self.base, address, bytes)
            .map(|(index, offset, bytes)| {
                let registration = match registered.blocks.get(&index) {
                    Some(found) => Arc::clone(found),
                    None => {
                        let made = Arc::new(self.register(link, index)?);
                        registered.blocks.insert(index, Arc::clone(&made));
                        made
                    }
                };
                Ok(Piece { registration, offset: offset as usize, bytes: bytes as usize })
            })
            .collect()
    }

    fn register(&self, link: &rdma::Transfers, index: u64) -> Result<Registration, String> {
        let start = self.base + index * BLOCK_BYTES;
        let bytes = (self.bytes - index * BLOCK_BYTES).min(BLOCK_BYTES) as usize;
        if self.dma_buf && let Some(fd) = dma_buf(start, bytes) {
            return link.register_dma_buf(fd.as_fd(), bytes);
        }
        // SAFETY: memory of the driver's that stays until `end` has dropped every registration of it; its contents change by what
        // the client asks for. A device whose memory is not known to the kernel makes this fail.
        unsafe { link.register_device(start as *mut u8, bytes) }
    }

    /// The memory is about to be freed: returns when no transfer uses it any more and nothing of it is registered. Its context is
    /// current. Nobody finds it in [`Transfers`] any more.
    fn end(self: Arc<Self>, driver: &Driver) {
        // In a context that has failed, transfers in the stream never come to their turn.
        if Arc::strong_count(&self) > 1 && driver_call!(driver, cuCtxSynchronize()).is_ok() {
            let begun = Instant::now();
            while Arc::strong_count(&self) > 1 && begun.elapsed() < UNUSED_WITHIN {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        self.registered.lock().blocks.clear();
    }
}

/// Which blocks of an allocation at `base` hold `bytes` bytes from `address` on: index, offset in the block, length.
fn block_parts(base: u64, address: u64, bytes: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    let (mut at, end) = (address - base, address - base + bytes);
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let (index, offset) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
            let part = (end - at).min(BLOCK_BYTES - offset);
            at += part;
            (index, offset, part)
        })
    })
}

/// A range of device memory as a dma-buf, if the driver gives it.
fn dma_buf(start: u64, bytes: usize) -> Option<OwnedFd> {
    type GetHandle = unsafe extern "C" fn(*mut c_void, u64, usize, u32, u64) -> u32;
    /// `CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD`.
    const DMA_BUF_FD: u32 = 1;
    let mut fd = -1i32;
    // SAFETY: the driver's library is loaded for the life of the process; the function has this signature (CUDA driver API,
    // cuMemGetHandleForAddressRange) and writes one descriptor.
    let given = unsafe {
        let function = sys::culib().get::<GetHandle>(b"cuMemGetHandleForAddressRange").ok()?;
        function((&raw mut fd).cast(), start, bytes, DMA_BUF_FD, 0)
    };
    // SAFETY: a new descriptor that the driver has given to us.
    (given == 0 && fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Bytes that come by the ring in place of a transfer to the device.
#[derive(Debug, Default)]
struct Instead {
    wanted: bool,
    received: u64,
    result: Option<Result<(), CudaError>>,
}

/// One transfer.
struct Transfer {
    session: Arc<Session>,
    lane: ServerHandle,
    direction: Direction,
    call: TransferCall,
    opcode: u32,
    /// The client's number of its context, and the driver's handle.
    context: u32,
    context_raw: u64,
    allocation: Arc<Allocation>,
    /// None: not by the adapter, from the beginning.
    by: Option<(Arc<rdma::Transfers>, Vec<Piece>)>,
    instead: Mutex<Instead>,
    arrival: Condvar,
}

/// What a session has of transfers.
#[derive(Default)]
pub struct Transfers {
    state: Mutex<State>,
    begun: AtomicU64,
    /// Every so many transfers one is broken off: `RINGWAY_TRANSFER_FAULT`, for tests.
    fault_every: Option<u64>,
}

#[derive(Default)]
struct State {
    under_way: HashMap<u64, Arc<Transfer>>,
    allocations: BTreeMap<u64, Arc<Allocation>>,
    /// A stream of our own for each context (the driver's handles).
    streams: HashMap<u64, u64>,
    /// GPUs, by ordinal in the lease, that make no transfers.
    refused: HashSet<usize>,
}

impl Transfers {
    /// None yet.
    pub fn new() -> Self {
        let fault = std::env::var("RINGWAY_TRANSFER_FAULT").ok();
        Self {
            fault_every: fault.and_then(|text| text.parse().ok()).filter(|&every| every > 0),
            ..Self::default()
        }
    }

    /// Memory of cuMemAlloc was made.
    pub fn allocated(&self, driver: &Driver, device: i32, (context, gpu): (u32, usize), base: u64, bytes: u64) {
        let mut supported = 0i32;
        let asked = driver_call!(driver, cuDeviceGetAttribute(&raw mut supported, DMA_BUF_SUPPORTED, device));
        let allocation = Allocation {
            base,
            bytes,
            context,
            gpu,
            dma_buf: asked.is_ok() && supported != 0,
            registered: Mutex::default(),
        };
        self.state.lock().allocations.insert(base, Arc::new(allocation));
    }

    /// Memory is about to be freed: no transfer begins on it any more. [`Transfers::end`] must follow.
    pub fn forget(&self, base: u64) -> Option<Arc<Allocation>> {
        self.state.lock().allocations.remove(&base)
    }

    /// Waits until no transfer uses the memory, and deregisters it; its context is current. For a waiter thread.
    pub fn end(&self, driver: &Driver, allocation: Option<Arc<Allocation>>) {
        if let Some(allocation) = allocation {
            allocation.end(driver);
        }
    }

    /// The same for all memory of a context that is about to be destroyed. For a waiter thread, of which no context is current
    /// afterwards.
    pub fn end_context(&self, driver: &Driver, number: u32, raw: u64) {
        let gone: Vec<_> = {
            let mut state = self.state.lock();
            state.streams.remove(&raw);
            let of_context = state.allocations.values().filter(|allocation| allocation.context == number);
            let bases: Vec<u64> = of_context.map(|allocation| allocation.base).collect();
            bases.iter().filter_map(|base| state.allocations.remove(base)).collect()
        };
        if gone.is_empty() || driver_call!(driver, cuCtxSetCurrent(raw)).is_err() {
            return;
        }
        for allocation in gone {
            allocation.end(driver);
        }
        let _ = driver_call!(driver, cuCtxSetCurrent(0));
    }

    /// The allocation that holds `bytes` bytes from `address` on, of this GPU.
    fn allocation(&self, address: u64, bytes: u64, gpu: usize) -> Option<Arc<Allocation>> {
        let state = self.state.lock();
        let (_, found) = state.allocations.range(..=address).next_back()?;
        let fits = address.checked_sub(found.base)?.checked_add(bytes)? <= found.bytes;
        (fits && found.gpu == gpu).then(|| Arc::clone(found))
    }

    /// Our own stream in the context that is current (the driver's handle).
    fn stream(&self, driver: &Driver, context: u64) -> Result<u64, CudaError> {
        let mut state = self.state.lock();
        if let Some(&stream) = state.streams.get(&context) {
            return Ok(stream);
        }
        let mut stream = 0u64;
        driver_call!(driver, cuStreamCreate(&raw mut stream, NON_BLOCKING))?;
        state.streams.insert(context, stream);
        Ok(stream)
    }

    fn is_refused(&self, gpu: usize) -> bool {
        self.state.lock().refused.contains(&gpu)
    }

    /// No more transfers on a GPU: the client is told, and the log.
    fn refuse(&self, session: &Arc<Session>, lane: &ServerHandle, gpu: usize, why: &str) {
        if !self.state.lock().refused.insert(gpu) {
            return;
        }
        tracing::warn!("GPU {gpu}: copies go by the ring: {why}");
        let why: String = why.chars().take(300).collect();
        let lane = lane.clone();
        session.waiters.run(move || {
            // A client that is gone needs no word.
            let _ = lane.notice(NOTICE_NO_TRANSFERS, &[why.as_bytes()], PATIENCE);
        });
    }

    /// Whether this transfer is one to be broken off.
    fn is_faulty(&self) -> bool {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        self.fault_every.is_some_and(|every| number.is_multiple_of(every))
    }
}

/// A copy with [`FLAG_TRANSFER`](ringway_wire::call::FLAG_TRANSFER).
pub fn begin(cx: &mut Cx<'_>, r: &mut Reader<'_>, direction: Direction) -> Handled {
    let call = TransferCall::read(r)?;
    let stream = match enqueue(cx, &call, direction) {
        Ok(stream) => stream,
        Err(Failure::Cuda(code)) => {
            // Nothing was begun: the client need not keep it in mind. One that leaves no space for notices does.
            let (tag, result) = (end_of(direction), code.code().to_le_bytes());
            let _ = cx.lane.try_notice(tag, &[&call.id.to_le_bytes(), &result]);
            return Err(code.into());
        }
        Err(malformed) => return Err(malformed),
    };
    cx.answer_after(stream)
}

/// Puts a transfer into its stream, which is returned (the driver's handle).
fn enqueue(cx: &mut Cx<'_>, call: &TransferCall, direction: Direction) -> Result<u64, Failure> {
    let transfers = &cx.session.transfers;
    let stream = cx.stream(call.stream)?;
    refuse_capture(cx, stream)?;
    let context = cx.context()?;
    let allocation = transfers.allocation(call.device, call.bytes, context.gpu).ok_or(CudaError::INVALID_VALUE)?;
    let link = cx.lane.transfers().filter(|link| link.number() == call.link && !transfers.is_refused(context.gpu));
    let by = link.and_then(|link| match allocation.pieces(&link, call.device, call.bytes) {
        Ok(pieces) => Some((link, pieces)),
        Err(why) => {
            transfers.refuse(cx.session, cx.lane, context.gpu, &format!("its memory cannot be registered: {why}"));
            None
        }
    });
    // Made before a stream stands still.
    transfers.stream(cx.driver, context.raw)?;
    let transfer = Arc::new(Transfer {
        session: Arc::clone(cx.session),
        lane: cx.lane.clone(),
        direction,
        call: *call,
        opcode: cx.reply_to().opcode,
        context: cx.header.ctx,
        context_raw: context.raw,
        allocation,
        by,
        instead: Mutex::default(),
        arrival: Condvar::new(),
    });
    {
        let mut state = transfers.state.lock();
        if state.under_way.len() >= TRANSFERS_MAX {
            let count = state.under_way.len() as u64 + 1;
            return Err(Malformed::Count { count, limit: TRANSFERS_MAX as u64 }.into());
        }
        if state.under_way.contains_key(&call.id) {
            return Err(Malformed::Value(call.id).into());
        }
        state.under_way.insert(call.id, Arc::clone(&transfer));
    }
    let argument = Arc::into_raw(transfer).cast_mut().cast::<c_void>();
    let put = driver_call!(cx.driver, cuLaunchHostFunc(stream, make_transfer as *const c_void, argument));
    if let Err(code) = put {
        // SAFETY: made just above; the driver did not take it.
        drop(unsafe { Arc::from_raw(argument.cast::<Transfer>()) });
        transfers.state.lock().under_way.remove(&call.id);
        return Err(code.into());
    }
    Ok(stream)
}

unsafe extern "C" fn make_transfer(argument: *mut c_void) {
    let run = std::panic::catch_unwind(|| {
        // SAFETY: an `Arc` that was given away for this one call.
        let transfer = unsafe { Arc::from_raw(argument.cast::<Transfer>()) };
        transfer.make();
    });
    if run.is_err() {
        std::process::abort();
    }
}

impl Transfer {
    /// The stream's turn: no function of the driver may be called on this thread.
    fn make(self: &Arc<Self>) {
        let transfers = &self.session.transfers;
        if let Err(why) = self.by_adapter() {
            self.say_why(why.as_ref());
            match self.direction {
                Direction::ToDevice => self.ask_for_bytes(),
                Direction::ToHost => self.send_bytes(),
            }
        }
        transfers.state.lock().under_way.remove(&self.call.id);
        // A client that is gone needs no word of it.
        let _ = self.lane.notice(end_of(self.direction), &[&self.call.id.to_le_bytes(), &0u32.to_le_bytes()], PATIENCE);
    }

    fn by_adapter(&self) -> Result<(), Option<TransferError>> {
        let (link, pieces) = self.by.as_ref().ok_or(None)?;
        let parts: Vec<Part<'_>> = pieces
            .iter()
            .map(|piece| Part { registration: &piece.registration, offset: piece.offset, bytes: piece.bytes })
            .collect();
        let whole = Job { direction: self.direction, device: &parts, host: self.call.host, key: self.call.key };
        if self.session.transfers.is_faulty() {
            return Err(Some(self.break_off(link, &whole)));
        }
        self.lane.transfer(link, &whole).map_err(Some)?;
        self.session.moved_past_the_ring(self.allocation.gpu, self.direction, self.call.bytes);
        Ok(())
    }

    /// Makes half of it and gives up its link, as if that had broken on the way.
    fn break_off(&self, link: &rdma::Transfers, whole: &Job<'_>) -> TransferError {
        if let [first, ..] = whole.device {
            let half = [Part { bytes: first.bytes.div_ceil(2), ..*first }];
            if let Err(error) = self.lane.transfer(link, &Job { device: &half, ..*whole }) {
                return error;
            }
        }
        let error = TransferError::Broken("RINGWAY_TRANSFER_FAULT".into());
        self.lane.give_up(link, &error);
        error
    }

    fn say_why(&self, why: Option<&TransferError>) {
        if let Some(why) = why {
            tracing::info!("{} bytes go by the ring instead: {why}", self.call.bytes);
        }
        if let Some(TransferError::Refused(why)) = why {
            self.session.transfers.refuse(&self.session, &self.lane, self.allocation.gpu, why);
        }
    }

    /// Waits until the client has sent the bytes by the ring and they are in device memory, or the session is over.
    fn ask_for_bytes(&self) {
        self.instead.lock().wanted = true;
        let id = self.call.id.to_le_bytes();
        if let Err(error) = self.lane.notice(NOTICE_TRANSFER_WANTED, &[&id], PATIENCE) {
            tracing::warn!("a client was not asked for the bytes of a copy: {error}");
            return self.session.keep(self.context, CudaError::UNKNOWN, self.opcode);
        }
        let mut instead = self.instead.lock();
        while instead.result.is_none() && !self.session.is_over() {
            self.arrival.wait_for(&mut instead, LOOK);
        }
        if let Some(Err(code)) = instead.result {
            self.session.keep(self.context, code, self.opcode);
        }
    }

    /// A piece of what was asked for: copied by our own stream.
    fn piece(self: &Arc<Self>, cx: &mut Cx<'_>, offset: u64, data: *const u8, bytes: u64) -> Result<(), Malformed> {
        let mut instead = self.instead.lock();
        let fits = offset == instead.received && bytes > 0 && bytes <= self.call.bytes - instead.received;
        if self.direction != Direction::ToDevice || !instead.wanted || instead.result.is_some() || !fits {
            return Err(Malformed::Value(offset));
        }
        instead.received += bytes;
        let complete = instead.received == self.call.bytes;
        if let Err(code) = self.copy_piece(cx, offset, data, bytes as usize) {
            // What follows of it is taken in, and left aside.
            instead.result = complete.then_some(Err(code));
            drop(instead);
            self.session.keep(self.context, code, self.opcode);
            self.arrival.notify_all();
            return Ok(());
        }
        drop(instead);
        if complete {
            let transfer = Arc::clone(self);
            let started = self.session.waiters.start_first(move || transfer.complete());
            if !started {
                self.complete();
            }
        }
        Ok(())
    }

    fn copy_piece(&self, cx: &mut Cx<'_>, offset: u64, data: *const u8, bytes: usize) -> Result<(), CudaError> {
        let context = self.session.context(self.context)?;
        driver_call!(cx.driver, cuCtxSetCurrent(context.raw))?;
        *cx.current = context.raw;
        let stream = self.session.transfers.stream(cx.driver, context.raw)?;
        // The source is the ring, as in every copy to the device.
        driver_call!(cx.driver, cuMemcpyHtoDAsync(self.call.device + offset, data.cast::<c_void>(), bytes, stream))
    }

    /// All pieces are in our own stream: waits for it.
    fn complete(&self) {
        let driver = &self.session.driver;
        let result = driver_call!(driver, cuCtxSetCurrent(self.context_raw))
            .and_then(|()| self.session.transfers.stream(driver, self.context_raw))
            .and_then(|stream| driver_call!(driver, cuStreamSynchronize(stream)));
        self.instead.lock().result = Some(result);
        self.arrival.notify_all();
    }

    /// Sends the bytes as notices, from a thread that may call the driver.
    fn send_bytes(self: &Arc<Self>) {
        let transfer = Arc::clone(self);
        let ran = self.session.waiters.run_first(move || {
            if let Err(code) = transfer.copy_and_send() {
                transfer.session.keep(transfer.context, code, transfer.opcode);
            }
        });
        if !ran {
            tracing::warn!("no thread for a copy to the client");
            self.session.keep(self.context, CudaError::OUT_OF_MEMORY, self.opcode);
        }
    }

    /// Through memory that is not pinned: while a stream stands still, allocating pinned memory or freeing it may wait for that
    /// stream.
    fn copy_and_send(&self) -> Result<(), CudaError> {
        let driver = &self.session.driver;
        driver_call!(driver, cuCtxSetCurrent(self.context_raw))?;
        let stream = self.session.transfers.stream(driver, self.context_raw)?;
        let mut bytes = vec![0u8; COPY_PIECE_BYTES];
        for offset in (0..self.call.bytes).step_by(COPY_PIECE_BYTES) {
            let piece = (self.call.bytes - offset).min(COPY_PIECE_BYTES as u64) as usize;
            let to = bytes.as_mut_ptr().cast::<c_void>();
            driver_call!(driver, cuMemcpyDtoHAsync(to, self.call.device + offset, piece, stream))?;
            driver_call!(driver, cuStreamSynchronize(stream))?;
            let head = [self.call.id.to_le_bytes(), offset.to_le_bytes()].concat();
            if self.session.is_over() || self.lane.notice(NOTICE_DATA, &[&head, &bytes[..piece]], PATIENCE).is_err() {
                return Err(CudaError::UNKNOWN);
            }
        }
        Ok(())
    }
}

/// The notice that ends a transfer: its number and the result follow.
fn end_of(direction: Direction) -> u32 {
    match direction {
        Direction::ToDevice => NOTICE_TRANSFER_ENDED,
        Direction::ToHost => NOTICE_DATA_END,
    }
}

/// Bytes of a transfer that was asked for by the ring ([`TAG_TRANSFER_DATA`](ringway_wire::call::TAG_TRANSFER_DATA)).
pub fn data(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let (id, offset) = (r.u64()?, r.u64()?);
    let found = cx.session.transfers.state.lock().under_way.get(&id).cloned();
    let transfer = found.ok_or(Malformed::Value(id))?;
    let data = cx.payload.from_offset(CallHeader::SIZE + 16).ok_or(Malformed::Value(offset))?;
    if data.len() > COPY_PIECE_BYTES {
        return Err(Malformed::Count { count: data.len() as u64, limit: COPY_PIECE_BYTES as u64 }.into());
    }
    Ok(transfer.piece(cx, offset, data.as_ptr(), data.len() as u64)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(base: u64, bytes: u64, gpu: usize) -> Arc<Allocation> {
        Arc::new(Allocation { base, bytes, context: 1, gpu, dma_buf: false, registered: Mutex::default() })
    }

    #[test]
    fn only_memory_that_was_allocated_is_found() {
        let transfers = Transfers::default();
        for (base, bytes, gpu) in [(0x1000, 0x1000, 0), (0x4000, 0x2000, 1)] {
            transfers.state.lock().allocations.insert(base, allocation(base, bytes, gpu));
        }
        let found = |address, bytes, gpu| transfers.allocation(address, bytes, gpu).map(|found| found.base);
        assert_eq!(found(0x1000, 0x1000, 0), Some(0x1000));
        assert_eq!(found(0x1fff, 1, 0), Some(0x1000));
        assert_eq!(found(0x4001, 0x1fff, 1), Some(0x4000));
        for (address, bytes, gpu) in [
            (0xfff, 2, 0),
            (0x1000, 0x1001, 0),
            (0x1fff, 2, 0),
            (0x2000, 1, 0),
            (0x4000, 1, 0),
            (0x1000, 1, 1),
            (0x5000, u64::MAX, 1),
            (u64::MAX, 1, 0),
            (0, 1, 0),
        ] {
            assert_eq!(found(address, bytes, gpu), None, "{address:#x}, {bytes:#x}, GPU {gpu}");
        }
        assert!(transfers.forget(0x4000).is_some());
        assert_eq!(found(0x4001, 1, 1), None);
    }

    #[test]
    fn blocks_cover_a_range_once() {
        let base = 0x7000_0000_0200;
        for (offset, bytes) in [(0, 1), (5, BLOCK_BYTES), (BLOCK_BYTES - 1, 2), (BLOCK_BYTES, BLOCK_BYTES), (77, 2 * BLOCK_BYTES)] {
            let mut at = offset;
            for (index, within, part) in block_parts(base, base + offset, bytes) {
                assert_eq!(index * BLOCK_BYTES + within, at);
                assert!(part > 0 && within + part <= BLOCK_BYTES);
                at += part;
            }
            assert_eq!(at, offset + bytes);
        }
    }
}
