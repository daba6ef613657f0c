//! Moves bytes between device memory and a path, a few pieces at a time: while one travels, the driver copies others.

use crate::driver_call;
use crate::generated::Driver;
use crate::session::Session;
use ringway_api::CudaError;
use ringway_link::path::{PIECE_HEADROOM, Path, out_of_place};
use ringway_wire::path::{PATH_PIECE_BYTES, PathMessage};
use std::collections::HashMap;
use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

/// Pieces that the driver copies, or the path carries, at a time.
const PIECES: usize = 4;
const PAGE: usize = 4096;
/// Bytes for one piece: a page of which the last bytes are for its head, and the piece.
const SPACE_BYTES: usize = PAGE + PATH_PIECE_BYTES;
/// `CU_MEMHOSTREGISTER_PORTABLE`: pinned for every context.
const PORTABLE: u32 = 1;
/// `CU_STREAM_NON_BLOCKING`: copies do not wait for the program's default stream.
const NON_BLOCKING: u32 = 1;
/// `CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING`.
const EVENT_FLAGS: u32 = 1 | 2;

const _: () = assert!(PIECE_HEADROOM <= PAGE && PATH_PIECE_BYTES.is_multiple_of(PAGE));

/// Memory for pieces on their way. It is never freed: the driver may know it, and forgets it only when it likes to; paths that
/// come later use it again.
#[derive(Debug)]
pub(super) struct Staging(NonNull<u8>);

// SAFETY: owned memory that is reached by whoever has this only.
unsafe impl Send for Staging {}

impl Staging {
    /// Memory that is not pinned, so the driver copies more slowly.
    pub(super) fn new() -> Self {
        let memory: &'static mut [u8] = Box::leak(vec![0u8; PIECES * SPACE_BYTES + PAGE].into_boxed_slice());
        let aligned = memory.as_ptr().align_offset(PAGE).min(PAGE);
        Self(NonNull::from(&mut memory[aligned]))
    }

    /// Memory that is pinned, if the driver pins any. A context is current; if that ends, the memory is not pinned any more.
    pub(super) fn registered(driver: &Driver) -> Self {
        let new = Self::new();
        let pinned = driver_call!(driver, cuMemHostRegister(new.0.as_ptr().cast::<c_void>(), PIECES * SPACE_BYTES, PORTABLE));
        if let Err(code) = pinned {
            tracing::info!("memory for copies between servers is not pinned: {code}");
        }
        new
    }

    /// Where a piece lies.
    fn piece(&self, slot: usize) -> *mut u8 {
        debug_assert!(slot < PIECES);
        // SAFETY: inside the memory.
        unsafe { self.0.as_ptr().add(slot * SPACE_BYTES + PAGE) }
    }

    /// A piece and the bytes before it that its head is put into.
    ///
    /// # Safety
    /// No copy of the driver's with this piece is under way.
    unsafe fn space(&mut self, slot: usize, len: usize) -> &mut [u8] {
        // SAFETY: inside the memory, of which nobody else has a part: the driver has none by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.piece(slot).sub(PIECE_HEADROOM), PIECE_HEADROOM + len.min(PATH_PIECE_BYTES)) }
    }
}

/// A stream of ours in a context, and an event for each piece.
#[derive(Debug, Clone, Copy)]
struct Tools {
    context: u64,
    stream: u64,
    events: [u64; PIECES],
}

/// What one thread moves bytes with.
pub(super) struct Mover {
    session: Arc<Session>,
    staging: Option<Staging>,
    /// By the client's number of the context.
    tools: HashMap<u32, Tools>,
    /// Contexts that had ended when the tools were made.
    ended: u64,
}

impl Drop for Mover {
    fn drop(&mut self) {
        if let Some(staging) = self.staging.take() {
            self.session.paths.state.lock().staging.push(staging);
        }
    }
}

impl Mover {
    pub(super) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session), staging: None, tools: HashMap::new(), ended: 0 }
    }

    fn staging(&mut self) -> &mut Staging {
        self.staging.get_or_insert_with(|| self.session.paths.staging())
    }

    /// Makes a context current, and what is needed there.
    fn enter(&mut self, number: u32) -> Result<Tools, CudaError> {
        let driver = &self.session.driver;
        // Streams and events end with their context, and its handle may be another's then.
        let ended = self.session.contexts_ended();
        if ended != self.ended {
            self.tools.clear();
            self.ended = ended;
        }
        let context = self.session.context(number)?.raw;
        driver_call!(driver, cuCtxSetCurrent(context))?;
        if let Some(tools) = self.tools.get(&number).filter(|tools| tools.context == context) {
            return Ok(*tools);
        }
        let mut tools = Tools { context, stream: 0, events: [0; PIECES] };
        driver_call!(driver, cuStreamCreate(&raw mut tools.stream, NON_BLOCKING))?;
        for event in &mut tools.events {
            driver_call!(driver, cuEventCreate(event, EVENT_FLAGS))?;
        }
        self.tools.insert(number, tools);
        Ok(tools)
    }

    /// Sends device memory piece by piece, then the end, with what the driver says.
    ///
    /// # Errors
    /// The path broke.
    pub(super) fn send(&mut self, path: &mut Path, copy: u64, context: u32, memory: (u64, u64)) -> io::Result<Result<(), CudaError>> {
        let result = match self.enter(context) {
            Ok(tools) => {
                let sent = self.send_pieces(path, copy, tools, memory);
                if !matches!(sent, Ok(Ok(()))) {
                    // It has failed already; what is under way only has to end.
                    let _ = self.settle(tools);
                }
                sent?
            }
            Err(code) => Err(code),
        };
        path.send(PathMessage::End { copy, result: result.err().map_or(0, CudaError::code) })?;
        Ok(result)
    }

    fn send_pieces(&mut self, path: &mut Path, copy: u64, tools: Tools, (address, bytes): (u64, u64)) -> io::Result<Result<(), CudaError>> {
        let session = Arc::clone(&self.session);
        let driver = &session.driver;
        let staging = self.staging();
        let piece = PATH_PIECE_BYTES as u64;
        let slot = |offset: u64| (offset / piece) as usize % PIECES;
        let (mut begun, mut sent) = (0u64, 0u64);
        while sent < bytes {
            while begun < bytes && begun - sent < PIECES as u64 * piece {
                let len = (bytes - begun).min(piece);
                let to = staging.piece(slot(begun)).cast::<c_void>();
                let asked = driver_call!(driver, cuMemcpyDtoHAsync(to, address + begun, len as usize, tools.stream))
                    .and_then(|()| driver_call!(driver, cuEventRecord(tools.events[slot(begun)], tools.stream)));
                if let Err(code) = asked {
                    return Ok(Err(code));
                }
                begun += len;
            }
            if let Err(code) = driver_call!(driver, cuEventSynchronize(tools.events[slot(sent)])) {
                return Ok(Err(code));
            }
            let len = (bytes - sent).min(piece);
            // SAFETY: the piece's event came, and nothing was asked for it since.
            path.send_piece(copy, sent, unsafe { staging.space(slot(sent), len as usize) })?;
            sent += len;
        }
        Ok(Ok(()))
    }

    /// Takes the pieces of a copy into device memory, up to the end that the sender says; returns when they lie there.
    ///
    /// # Errors
    /// The path broke, or the peer broke a rule; nothing is written any more.
    pub(super) fn receive(&mut self, path: &mut Path, copy: u64, context: u32, memory: (u64, u64)) -> io::Result<Result<(), CudaError>> {
        let tools = self.enter(context);
        let received = self.receive_pieces(path, copy, tools, memory);
        let settled = tools.and_then(|tools| self.settle(tools));
        Ok(received?.and(settled))
    }

    fn receive_pieces(
        &mut self,
        path: &mut Path,
        copy: u64,
        tools: Result<Tools, CudaError>,
        (address, bytes): (u64, u64),
    ) -> io::Result<Result<(), CudaError>> {
        let session = Arc::clone(&self.session);
        let driver = &session.driver;
        let staging = self.staging();
        let (mut received, mut pieces, mut result) = (0u64, 0usize, tools.map(|_| ()));
        loop {
            let message = path.receive()?;
            match message {
                PathMessage::Piece { copy: of, offset, len } if of == copy && offset == received && len as u64 <= bytes - received => {
                    let slot = pieces % PIECES;
                    if let (Ok(tools), true) = (tools, pieces >= PIECES) {
                        result = result.and(driver_call!(driver, cuEventSynchronize(tools.events[slot])));
                    }
                    // SAFETY: the event behind the last copy with this piece came; or the driver has failed, and gets nothing more.
                    path.take(unsafe { &mut staging.space(slot, len)[PIECE_HEADROOM..] })?;
                    if let (Ok(tools), Ok(())) = (tools, result) {
                        let from = staging.piece(slot).cast::<c_void>();
                        result = driver_call!(driver, cuMemcpyHtoDAsync(address + received, from, len, tools.stream))
                            .and_then(|()| driver_call!(driver, cuEventRecord(tools.events[slot], tools.stream)));
                    }
                    received += len as u64;
                    pieces += 1;
                }
                PathMessage::End { copy: of, result: code } if of == copy && (code != 0 || received == bytes) => {
                    return Ok(CudaError::check(code).and(result));
                }
                other => return Err(out_of_place(&other)),
            }
        }
    }

    /// Waits until the driver has no copy of ours under way.
    fn settle(&self, tools: Tools) -> Result<(), CudaError> {
        driver_call!(self.session.driver, cuStreamSynchronize(tools.stream))
    }
}
