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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Staging memory that stays for the next copy, in bytes.
const STAGING_KEPT_MAX: usize = 128 << 20;
/// Smallest staging buffer in bytes.
const STAGING_MIN: usize = 64 * 1024;
/// Bytes between two events of a copy, at the most.
const STRIDE: usize = 4 * COPY_PIECE_BYTES;
/// Pieces of a shorter copy, so that the first is on its way while the device copies the last.
const PIECES: usize = 4;
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
    /// Somebody is sending the bytes, or has.
    taken: AtomicBool,
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

    /// Whether the caller is the one who sends the bytes.
    fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }
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
        if let Some(staging) = &mut *download.staging.lock() {
            staging.loan = Some(lane.loan());
        }
        let mut result = Ok(());
        for (index, event) in download.events.iter().enumerate() {
            if let Err(failed) = driver_call!(driver, cuEventSynchronize(*event)) {
                result = Err(failed);
                break;
            }
            let start = index * download.stride;
            let end = download.bytes.min(start + download.stride);
            for offset in (start..end).step_by(COPY_PIECE_BYTES) {
                let piece = (end - offset).min(COPY_PIECE_BYTES);
                // SAFETY: inside the staging memory, which the driver has filled up to `end` (its event came) and which
                // nobody writes until the download is delivered.
                let bytes = unsafe {
                    std::slice::from_raw_parts(
                        (download.at as *const u8).add(offset),
                        piece,
                    )
                };
                let parts: [&[u8]; 2] = [&download.id.to_le_bytes(), &(offset as u64).to_le_bytes()];
                // SAFETY: the staging memory, which nobody writes or frees before its loan has ended.
                let sent = || unsafe { lane.notice_lending(NOTICE_DATA, &parts, bytes, PATIENCE) };
                if self.abandoned.load(Ordering::Acquire) || sent().is_err() {
                    let failed = Err(CudaError::UNKNOWN);
                    self.finish(download, failed);
                    return failed;
                }
            }
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

    /// For a copy of one piece that is ready: sends its bytes, for the GPU thread, which waits for no space. Gives the copy's result;
    /// None if it is not ready, if there is no space in the ring now, or while another thread sends it.
    pub fn send_ready(&self, driver: &Driver, download: &Arc<Download>) -> Option<Result<(), CudaError>> {
        let delivered = download.delivered.lock();
        if delivered.is_some() {
            return *delivered;
        }
        let event = driver_call!(driver, cuEventQuery(*download.events.first()?));
        if event == Err(CudaError::NOT_READY) || download.bytes > COPY_PIECE_BYTES || !download.take() {
            return None;
        }
        drop(delivered);
        let id = download.id.to_le_bytes();
        if event.is_ok() {
            // SAFETY: the driver has filled the staging memory: its event came; nobody writes there until the download is finished.
            let bytes = unsafe { std::slice::from_raw_parts(download.at as *const u8, download.bytes) };
            if let Err(LinkError::Full) = download.lane.try_notice(NOTICE_DATA, &[&id, &0u64.to_le_bytes(), bytes]) {
                download.taken.store(false, Ordering::Release);
                return None;
            }
        }
        let code = event.err().map_or(0, CudaError::code).to_le_bytes();
        if let Err(LinkError::Full) = download.lane.try_notice(NOTICE_DATA_END, &[&id, &code]) {
            // The bytes go twice, to the same place.
            download.taken.store(false, Ordering::Release);
            return None;
        }
        self.finish(download, event);
        Some(event)
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
