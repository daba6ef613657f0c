//! Copies from the device to the client.
//!
//! The driver copies into pinned staging memory, in stream order, piece by piece with an event after each; a waiter
//! thread, or for a short copy the GPU thread, sends each piece as a notice when its event has come. A synchronisation
//! that covers a copy must not be answered before the copy's bytes were sent: [`Downloads::deliver`] sees to that.

use crate::driver_call;
use crate::generated::Driver;
use parking_lot::{Condvar, Mutex};
use ringway_api::CudaError;
use ringway_link::{LinkError, Loan, ServerHandle};
use ringway_wire::call::{COPY_PIECE_BYTES, NOTICE_DATA, NOTICE_DATA_END};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Staging memory that stays for the next copy, in bytes.
const STAGING_KEPT_MAX: usize = 128 << 20;
/// Smallest staging buffer in bytes.
const STAGING_MIN: usize = 64 * 1024;
/// Bytes between two events of a copy, at the most.
const STRIDE: usize = 4 * COPY_PIECE_BYTES;
/// Pieces of a shorter copy, so that the first is on its way while the device copies the last.
const PIECES: usize = 4;
/// The longest copy that goes together with the answer to the wait behind it.
const SHORT_BYTES_MAX: usize = 16 << 10;
/// The client must take a piece within this time; a client that does not is gone or stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// `CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING`.
const EVENT_FLAGS: u32 = 1 | 2;

/// Pinned memory of the driver. It serves copies of the context that it was allocated in, and goes with it.
#[derive(Debug)]
struct Staging {
    context: u64,
    at: u64,
    bytes: usize,
    /// The lane that may still read it; it ends before the memory serves again or is freed.
    loan: Option<Loan>,
}

/// One copy under way.
pub struct Download {
    id: u64,
    context: u64,
    stream: u64,
    /// Taken by who ends the download.
    staging: Mutex<Option<Staging>>,
    /// Address of the staging memory.
    at: u64,
    bytes: usize,
    /// Event after each `stride` bytes, the last one after all.
    events: Vec<u64>,
    stride: usize,
    /// Where the bytes go.
    lane: ServerHandle,
    /// Somebody is sending bytes, or has sent all.
    taken: AtomicBool,
    /// Bytes sent; changed by who has taken it.
    sent: AtomicUsize,
    /// The copy's result, once its bytes are sent.
    delivered: Mutex<Option<Result<(), CudaError>>>,
    delivery: Condvar,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Download({}: {} bytes)", self.id, self.bytes)
    }
}

/// Bytes between two events of a copy.
fn stride(bytes: usize) -> usize {
    (bytes / PIECES).next_multiple_of(COPY_PIECE_BYTES).clamp(COPY_PIECE_BYTES, STRIDE)
}

impl Download {
    /// The stream (the driver's handle) that it is made in.
    pub fn stream(&self) -> u64 {
        self.stream
    }

    /// Whether its bytes are sent at once.
    pub fn is_short(&self) -> bool {
        self.bytes <= SHORT_BYTES_MAX
    }

    /// Whether the caller is the one who sends the bytes.
    fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }

    /// Who has taken it leaves the rest to another.
    fn give_back(&self) {
        self.taken.store(false, Ordering::Release);
    }

    /// The event after which the next bytes can be sent; None if all are sent.
    fn next_event(&self) -> Option<u64> {
        let sent = self.sent.load(Ordering::Acquire);
        (sent < self.bytes).then(|| self.events[sent / self.stride])
    }

    /// The next bytes to send, one notice's; the event before them has come.
    ///
    /// # Safety
    /// The caller has taken the download, and makes nothing of the bytes after it was finished.
    unsafe fn next_piece(&self) -> (u64, &[u8]) {
        let sent = self.sent.load(Ordering::Acquire);
        let end = self.bytes.min((sent / self.stride + 1) * self.stride);
        let piece = (end - sent).min(COPY_PIECE_BYTES);
        // SAFETY: inside the staging memory, which the driver has filled up to `end` (its event came) and which nobody writes until
        // the download is finished.
        (sent as u64, unsafe { std::slice::from_raw_parts((self.at as *const u8).add(sent), piece) })
    }

    /// The lane may read the staging memory from now on.
    fn lend(&self) {
        if let Some(staging) = &mut *self.staging.lock() {
            staging.loan.get_or_insert_with(|| self.lane.loan());
        }
    }
}

/// What the GPU thread has sent of a copy.
#[derive(Debug)]
pub enum Sent {
    /// Nothing: it is not ready, there is no space in the ring now, or another thread sends it.
    Nothing,
    /// Some of it.
    Some,
    /// The rest; the copy's result.
    All(Result<(), CudaError>),
}

#[derive(Debug, Default)]
struct State {
    under_way: Vec<Arc<Download>>,
    staging: Vec<Staging>,
    staging_bytes: usize,
    events: Vec<(u64, u64)>,
}

/// All copies under way, and staging memory for the next.
#[derive(Debug, Default)]
pub struct Downloads {
    state: Mutex<State>,
    abandoned: AtomicBool,
}

impl Downloads {
    fn staging(&self, driver: &Driver, context: u64, bytes: usize) -> Result<Staging, CudaError> {
        let size = bytes.next_power_of_two().max(STAGING_MIN);
        {
            let mut state = self.state.lock();
            if let Some(index) = state.staging.iter().position(|kept| kept.bytes == size && kept.context == context) {
                state.staging_bytes -= size;
                let mut staging = state.staging.swap_remove(index);
                drop(state);
                staging.loan = None;
                return Ok(staging);
            }
        }
        let mut at = 0u64;
        // CU_MEMHOSTALLOC_PORTABLE: pinned for every context.
        driver_call!(driver, cuMemHostAlloc((&raw mut at).cast(), size, 1))?;
        Ok(Staging {
            context,
            at,
            bytes: size,
            loan: None,
        })
    }

    fn keep_staging(&self, staging: Staging) {
        let mut state = self.state.lock();
        state.staging_bytes += staging.bytes;
        state.staging.push(staging);
    }

    /// Frees staging memory beyond what is kept. The driver waits for all streams then: for a waiter thread whose job is done
    /// otherwise, and never in a stream's way.
    pub fn trim(&self, driver: &Driver) {
        loop {
            let mut staging = {
                let mut state = self.state.lock();
                if state.staging_bytes <= STAGING_KEPT_MAX {
                    return;
                }
                // The longest that has been kept.
                let Some(staging) = (!state.staging.is_empty()).then(|| state.staging.remove(0)) else {
                    return;
                };
                state.staging_bytes -= staging.bytes;
                staging
            };
            staging.loan = None;
            if let Err(code) = driver_call!(driver, cuMemFreeHost(staging.at as *mut c_void)) {
                tracing::warn!("cuMemFreeHost of staging memory: {code}");
            }
        }
    }

    /// An event of `context` (the driver's handle), which must be current.
    ///
    /// # Errors
    /// What cuEventCreate says.
    pub fn event(&self, driver: &Driver, context: u64) -> Result<u64, CudaError> {
        {
            let mut state = self.state.lock();
            if let Some(index) = state.events.iter().rposition(|(of, _)| *of == context) {
                return Ok(state.events.swap_remove(index).1);
            }
        }
        let mut event = 0u64;
        driver_call!(driver, cuEventCreate(&raw mut event, EVENT_FLAGS))?;
        Ok(event)
    }

    fn keep_event(&self, context: u64, event: u64) {
        self.state.lock().events.push((context, event));
    }

    /// A context (the driver's handle) is about to be destroyed: returns when its copies are delivered, or have failed with it. Its
    /// events and its staging memory, which go with it, are in nobody's hands then. For a waiter thread.
    pub fn end_context(&self, driver: &Driver, context: u64) {
        let of_context = |download: &&Arc<Download>| download.context == context;
        let under_way: Vec<_> = self.state.lock().under_way.iter().filter(of_context).cloned().collect();
        for download in under_way {
            // Who waits for the copy gets its result.
            let _ = self.send(driver, &download);
        }
        self.forget_context(context);
    }

    /// The events and the staging memory of a context that is destroyed are forgotten with it.
    pub fn forget_context(&self, context: u64) {
        let mut state = self.state.lock();
        state.events.retain(|(of, _)| *of != context);
        state.staging.retain(|kept| kept.context != context);
        state.staging_bytes = state.staging.iter().map(|kept| kept.bytes).sum();
    }

    /// Asks the driver to copy `bytes` into staging memory in stream order: `copy` gets the offset, the length and the address of each
    /// piece, the first of which has the offset 0. The context (the driver's handle) is current.
    ///
    /// # Errors
    /// What the driver says; then nothing is under way.
    pub fn begin(
        &self,
        driver: &Driver,
        lane: &ServerHandle,
        context: u64,
        id: u64,
        bytes: usize,
        stream: u64,
        mut copy: impl FnMut(usize, usize, u64) -> Result<(), CudaError>,
    ) -> Result<Arc<Download>, CudaError> {
        let staging = self.staging(driver, context, bytes)?;
        let stride = stride(bytes);
        let mut events = Vec::with_capacity(bytes.div_ceil(stride));
        let mut offset = 0;
        let mut result = Ok(());
        while offset < bytes && result.is_ok() {
            let piece = (bytes - offset).min(stride);
            result = copy(offset, piece, staging.at + offset as u64)
            .and_then(|()| self.event(driver, context))
            .and_then(|event| {
                events.push(event);
                driver_call!(driver, cuEventRecord(event, stream))
            });
            offset += piece;
        }
        if let Err(code) = result {
            // What was asked for already must end before the memory can serve another copy.
            if !events.is_empty() {
                let _ = driver_call!(driver, cuStreamSynchronize(stream));
            }
            for event in events {
                self.keep_event(context, event);
            }
            self.keep_staging(staging);
            return Err(code);
        }
        let download = Arc::new(Download {
            id,
            context,
            stream,
            at: staging.at,
            staging: Mutex::new(Some(staging)),
            bytes,
            events,
            stride,
            lane: lane.clone(),
            taken: AtomicBool::new(false),
            sent: AtomicUsize::new(0),
            delivered: Mutex::new(None),
            delivery: Condvar::new(),
        });
        self.state.lock().under_way.push(Arc::clone(&download));
        Ok(download)
    }

    /// Waits for the device and sends the bytes, or waits until somebody else has sent them; for a waiter thread. Gives the copy's
    /// result.
    pub fn send(&self, driver: &Driver, download: &Arc<Download>) -> Result<(), CudaError> {
        if download.take() {
            self.send_taken(driver, download)
        } else {
            self.wait(download).unwrap_or(Err(CudaError::UNKNOWN))
        }
    }

    /// Waits until a copy is sent; None if nothing is sent any more.
    fn wait(&self, download: &Download) -> Option<Result<(), CudaError>> {
        let mut delivered = download.delivered.lock();
        while delivered.is_none() && !self.abandoned.load(Ordering::Acquire) {
            download
                .delivery
                .wait_for(&mut delivered, Duration::from_millis(200));
        }
        *delivered
    }

    fn send_taken(&self, driver: &Driver, download: &Arc<Download>) -> Result<(), CudaError> {
        let lane = &download.lane;
        download.lend();
        let mut result = Ok(());
        while let Some(event) = download.next_event() {
            if let Err(failed) = driver_call!(driver, cuEventSynchronize(event)) {
                result = Err(failed);
                break;
            }
            // SAFETY: the caller has taken it, and finishes it after this.
            let (offset, bytes) = unsafe { download.next_piece() };
            let parts: [&[u8]; 2] = [&download.id.to_le_bytes(), &offset.to_le_bytes()];
            // SAFETY: the staging memory, which nobody writes or frees before its loan has ended.
            let sent = || unsafe { lane.notice_lending(NOTICE_DATA, &parts, bytes, PATIENCE) };
            if self.abandoned.load(Ordering::Acquire) || sent().is_err() {
                let failed = Err(CudaError::UNKNOWN);
                self.finish(download, failed);
                return failed;
            }
            download.sent.fetch_add(bytes.len(), Ordering::AcqRel);
        }
        // A client that is gone needs no word of it.
        let _ = lane.notice(
            NOTICE_DATA_END,
            &[
                &download.id.to_le_bytes(),
                &result.err().map_or(0, CudaError::code).to_le_bytes(),
            ],
            PATIENCE,
        );
        self.finish(download, result);
        result
    }

    /// For a short copy that is ready: its bytes, at most `limit`, to be sent inside the reply. `flush`: the driver is
    /// made to write what kernels printed, as by every copy that waits.
    pub fn take_inline(
        &self,
        driver: &Driver,
        download: &Arc<Download>,
        limit: usize,
        flush: bool,
    ) -> Option<Result<Vec<u8>, CudaError>> {
        if download.bytes > limit || download.events.len() != 1 {
            return None;
        }
        let delivered = download.delivered.lock();
        if delivered.is_some() {
            return None;
        }
        let event = driver_call!(driver, cuEventQuery(download.events[0]));
        if event == Err(CudaError::NOT_READY) || !download.take() {
            return None;
        }
        drop(delivered);
        let result = match event {
            Err(code) => Err(code),
            Ok(()) => {
                if flush {
                    // Returns at once: the event has come.
                    let _ = driver_call!(driver, cuEventSynchronize(download.events[0]));
                }
                // SAFETY: the driver has filled the staging memory: its event came.
                Ok(unsafe {
                    std::slice::from_raw_parts(download.at as *const u8, download.bytes)
                }
                .to_vec())
            }
        };
        let done = result.as_ref().map(|_| ()).map_err(|&code| code);
        self.finish(download, done);
        Some(result)
    }

    /// Sends what is ready of a copy, as far as there is space, for the GPU thread, which waits for none.
    pub fn send_ready(&self, driver: &Driver, download: &Arc<Download>) -> Sent {
        let delivered = download.delivered.lock();
        if let Some(result) = *delivered {
            return Sent::All(result);
        }
        // Its events are the download's while the lock is held.
        let ready = |event| driver_call!(driver, cuEventQuery(event)) != Err(CudaError::NOT_READY);
        if download.next_event().is_some_and(|event| !ready(event)) || !download.take() {
            return Sent::Nothing;
        }
        drop(delivered);
        download.lend();
        let id = download.id.to_le_bytes();
        let before = download.sent.load(Ordering::Acquire);
        let mut result = Ok(());
        while let Some(event) = download.next_event() {
            match driver_call!(driver, cuEventQuery(event)) {
                Ok(()) => {}
                Err(CudaError::NOT_READY) => break,
                Err(failed) => {
                    result = Err(failed);
                    break;
                }
            }
            // SAFETY: taken above, and finished below if all was sent.
            let (offset, bytes) = unsafe { download.next_piece() };
            // SAFETY: the staging memory, which nobody writes or frees before its loan has ended.
            let sent = unsafe { download.lane.try_notice_lending(NOTICE_DATA, &[&id, &offset.to_le_bytes()], bytes) };
            if let Err(LinkError::Full) = sent {
                break;
            }
            // If the client is gone, it needs none of it.
            download.sent.fetch_add(bytes.len(), Ordering::AcqRel);
        }
        let all = download.next_event().is_none() || result.is_err();
        let code = result.err().map_or(0, CudaError::code).to_le_bytes();
        if !all || matches!(download.lane.try_notice(NOTICE_DATA_END, &[&id, &code]), Err(LinkError::Full)) {
            let some = download.sent.load(Ordering::Acquire) != before;
            download.give_back();
            return if some { Sent::Some } else { Sent::Nothing };
        }
        self.finish(download, result);
        Sent::All(result)
    }

    /// For whoever has taken the download. Its result is seen when its events and its staging memory are in nobody's hands any more;
    /// while the lock of the result is held and there is none, they are the download's.
    fn finish(&self, download: &Arc<Download>, result: Result<(), CudaError>) {
        let mut delivered = download.delivered.lock();
        self.state
            .lock()
            .under_way
            .retain(|other| !Arc::ptr_eq(other, download));
        for event in &download.events {
            self.keep_event(download.context, *event);
        }
        if let Some(mut staging) = download.staging.lock().take() {
            if let Some(loan) = &mut staging.loan {
                loan.complete();
            }
            self.keep_staging(staging);
        }
        *delivered = Some(result);
        drop(delivered);
        download.delivery.notify_all();
    }

    /// Whether there is staging memory to be freed, by [`Self::trim`].
    pub fn keeps_too_much(&self) -> bool {
        self.state.lock().staging_bytes > STAGING_KEPT_MAX
    }

    /// Whether a copy is under way.
    pub fn any(&self) -> bool {
        !self.state.lock().under_way.is_empty()
    }

    /// Returns once every copy that the device has done is sent: after a synchronisation those are all that it covers. Sends those
    /// that nobody has begun to send: the thread that would may not come before the caller is done. For a waiter thread.
    pub fn deliver(&self, driver: &Driver) {
        let under_way = self.state.lock().under_way.clone();
        for download in under_way {
            let is_done = download.events.last().is_none_or(|event| {
                let delivered = download.delivered.lock();
                delivered.is_some() || driver_call!(driver, cuEventQuery(*event)) != Err(CudaError::NOT_READY)
            });
            if is_done && download.take() {
                // Its own thread takes the result.
                let _ = self.send_taken(driver, &download);
            } else if is_done {
                self.wait(&download);
            }
        }
    }

    /// The client is gone: nothing is sent any more.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}
