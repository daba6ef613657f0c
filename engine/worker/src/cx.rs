//! What a handler sees while it executes one record: the session, the call's header, and the ways to answer.

use crate::downloads::Download;
use crate::driver_call;
use crate::generated::Driver;
use crate::gpu_loop::hand_over;
use crate::session::{Context, Session};
use crate::watches::Watch;
use ringway_api::{CudaError, Kind};
use ringway_link::{Payload, ServerHandle};
use ringway_wire::call::{NOTICE_LONG_REPLY, Status};
use ringway_wire::codec::{CallHeader, Malformed, VecWriter};
use ringway_wire::layout::REPLY_INLINE_MAX;
use std::sync::Arc;
use std::time::Duration;

/// The longest answer of any call in bytes.
pub const REPLY_SIZE_MAX: usize = 512 * 1024;
/// A long answer must be taken within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// The call failed; the program learns of it.
    Failed(CudaError),
    /// The record is not what its opcode says: the session ends.
    Malformed(Malformed),
    /// The answer follows from another thread, or when the driver has got so far.
    Later,
}

/// Why a handler did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// See [`Outcome::Failed`].
    Cuda(CudaError),
    /// See [`Outcome::Malformed`].
    Malformed(Malformed),
}

impl From<CudaError> for Failure {
    fn from(code: CudaError) -> Self {
        Self::Cuda(code)
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cuda(code) => Self::Failed(code),
            Failure::Malformed(malformed) => Self::Malformed(malformed),
        }
    }
}

impl From<Result<(), Failure>> for Outcome {
    fn from(result: Result<(), Failure>) -> Self {
        result.map_or_else(Self::from, |()| Self::Done)
    }
}

impl From<Result<Self, Failure>> for Outcome {
    fn from(result: Result<Self, Failure>) -> Self {
        result.unwrap_or_else(Self::from)
    }
}

/// What a handler's body gives.
pub type Handled = Result<Outcome, Failure>;

/// A plain structure from the wire, in memory aligned as the driver wants it.
pub fn aligned<const WORDS: usize>(bytes: &[u8]) -> [u64; WORDS] {
    let mut words = [0u64; WORDS];
    for (word, piece) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut whole = [0u8; 8];
        whole[..piece.len()].copy_from_slice(piece);
        *word = u64::from_ne_bytes(whole);
    }
    words
}

/// The bytes of a plain structure.
pub fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Where an answer goes; can be taken to another thread.
#[derive(Clone)]
pub struct ReplyTo {
    lane: ServerHandle,
    slot: u16,
    position: u64,
    /// The call.
    pub opcode: u32,
    /// Context (the client's number) in which it runs.
    pub context: u32,
}

impl ReplyTo {
    /// Whether the client waits for an answer.
    pub fn wanted(&self) -> bool {
        self.slot != CallHeader::NO_REPLY
    }

    /// The lane.
    pub fn lane(&self) -> &ServerHandle {
        &self.lane
    }

    /// Answers with `status` and `bytes`. A call that wants no answer has its failure kept for its context instead.
    pub fn send(&self, session: &Session, status: Status, bytes: &[u8]) {
        if !self.wanted() {
            if let Some(code) = CudaError::from_code(status.result()) {
                session.keep(self.context, code, self.opcode);
                self.lane.log_error(self.position, self.opcode, code.code());
            }
            return;
        }
        let sent = if bytes.len() <= REPLY_INLINE_MAX {
            self.lane.reply(self.slot, self.position, status.0, bytes)
        } else {
            self.lane
                .notice(
                    NOTICE_LONG_REPLY,
                    &[&self.position.to_le_bytes(), bytes],
                    PATIENCE,
                )
                .and_then(|_| {
                    self.lane
                        .reply(self.slot, self.position, status.long().0, &[])
                })
        };
        if let Err(error) = sent {
            tracing::debug!("answer not delivered: {error}");
        }
    }

    /// Answers with a result and nothing else.
    pub fn result(&self, session: &Session, result: Result<(), CudaError>) {
        self.send(
            session,
            Status::of(result.err().map_or(0, CudaError::code)),
            &[],
        );
    }

    /// Answers a synchronising call: everything that it covers is delivered first, and a kept error of its context is
    /// reported if the call itself has none. May block: for a waiter thread, or when no copy is under way.
    pub fn send_synchronised(
        &self,
        session: &Arc<Session>,
        result: Result<(), CudaError>,
        bytes: &[u8],
    ) {
        let finished = session.watches.take_finished(session, self.context);
        if session.downloads.any() {
            session.downloads.deliver(&session.driver);
        }
        session.output.drain_expected();
        session.watches.tell(session, finished, true);
        let status = match (result, session.take_kept(self.context)) {
            (Ok(()), Some(kept)) => Status::kept(kept.code.code(), kept.opcode),
            (Ok(()), None) => Status::of(0),
            (Err(code), _) => Status::of(code.code()),
        };
        self.send(session, status, bytes);
    }
}

/// What is waited for.
#[derive(Debug)]
pub enum Target {
    /// All work in a stream (the driver's handle).
    Stream(u64),
    /// An event (the driver's handle).
    Event(u64),
    /// All work in these streams of a context.
    Context(Vec<u64>),
    /// A copy to the client that fits a reply.
    Copy(Arc<Download>),
    /// A copy to the client whose bytes the GPU thread sends when they are there.
    Delivery(Arc<Download>),
}

/// A wait that the GPU thread polls for a while and then gives to a waiter thread.
pub struct Pending {
    /// What is waited for.
    pub target: Target,
    /// The driver's context.
    pub context: u64,
    /// Where the answer goes.
    pub reply: ReplyTo,
    /// It was found reached, and waits for copies that the GPU thread delivers itself.
    pub reached: bool,
}

impl Pending {
    /// The copy whose bytes the GPU thread sends when it is reached.
    pub fn delivery(&self) -> Option<&Download> {
        match &self.target {
            Target::Delivery(copy) => Some(copy),
            _ => None,
        }
    }

    /// Context and stream (the driver's handles) whose work it waits for, where that is one stream's.
    pub fn stream(&self) -> Option<(u64, u64)> {
        match &self.target {
            Target::Stream(stream) => Some((self.context, *stream)),
            Target::Copy(copy) | Target::Delivery(copy) => Some((self.context, copy.stream())),
            Target::Event(_) | Target::Context(_) => None,
        }
    }
}

/// The place of one record's execution.
pub struct Cx<'a> {
    /// The session.
    pub session: &'a Arc<Session>,
    /// The record's header.
    pub header: CallHeader,
    /// The record's payload, in place: for bulk data only.
    pub payload: Payload<'a>,
    /// The driver's functions.
    pub driver: &'a Driver,
    /// The answer's bytes.
    pub reply: VecWriter,
    /// Waits that this record began.
    pub pending: &'a mut Vec<Pending>,
    pub(crate) lane: &'a ServerHandle,
    pub(crate) position: u64,
    pub(crate) opcode: u32,
    /// The driver's context that is current on this thread.
    pub(crate) current: &'a mut u64,
}

impl Cx<'_> {
    /// Room for an answer.
    pub(crate) fn answer() -> VecWriter {
        VecWriter::new(REPLY_SIZE_MAX)
    }

    /// Where this call's answer goes.
    pub fn reply_to(&self) -> ReplyTo {
        ReplyTo {
            lane: self.lane.clone(),
            slot: self.header.reply_slot,
            position: self.position,
            opcode: self.opcode,
            context: self.header.ctx,
        }
    }

    /// Makes the call's context current on this thread, if it names one.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`; what cuCtxSetCurrent says.
    #[inline]
    pub fn enter(&mut self) -> Result<(), CudaError> {
        if self.header.ctx == 0 {
            return Ok(());
        }
        let context = self.session.context(self.header.ctx)?;
        if *self.current != context.raw {
            driver_call!(self.driver, cuCtxSetCurrent(context.raw))?;
            *self.current = context.raw;
        }
        Ok(())
    }

    /// The call's context.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn context(&self) -> Result<Context, CudaError> {
        self.session.context(self.header.ctx)
    }

    /// The driver's handle behind a client-made id.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    #[inline]
    pub fn handle(&self, kind: Kind, id: u64) -> Result<u64, CudaError> {
        if kind == Kind::Context {
            // Contexts go by their number, which is the index in the client's handle.
            return self
                .session
                .context((id & 0xffff_ffff) as u32)
                .map(|context| context.raw);
        }
        self.session.handles.get(kind, id).map(|handle| handle.raw)
    }

    /// The same, where null stands for itself.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    #[allow(
        dead_code,
        reason = "for rows with a handle that may be null; the table has none at present"
    )]
    pub fn handle_or_null(&self, kind: Kind, id: u64) -> Result<u64, CudaError> {
        if id == 0 {
            Ok(0)
        } else {
            self.handle(kind, id)
        }
    }

    /// The driver's stream; null and `CU_STREAM_LEGACY` stand for themselves. (The client replaces
    /// `CU_STREAM_PER_THREAD` by a stream of its thread.)
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    #[inline]
    pub fn stream(&self, id: u64) -> Result<u64, CudaError> {
        if id <= 1 {
            Ok(id)
        } else {
            self.handle(Kind::Stream, id)
        }
    }

    /// The driver's device behind the client's ordinal.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_DEVICE`.
    pub fn device(&self, ordinal: i32) -> Result<i32, CudaError> {
        self.session.device(ordinal)
    }

    /// Remembers what stands behind an id.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` where the id is malformed or taken.
    pub fn insert(&self, kind: Kind, id: u64, raw: u64) -> Result<(), CudaError> {
        self.session.handles.insert(kind, id, raw, self.header.ctx)
    }

    /// Forgets an id that was just used.
    pub fn remove(&self, kind: Kind, id: u64) {
        // It was there when the call began; another lane may have removed it since, which is the client's race.
        let _ = self.session.handles.remove(kind, id);
    }

    /// The id of an object that the driver named.
    ///
    /// # Errors
    /// `CUDA_ERROR_OUT_OF_MEMORY` when the table is full.
    pub fn found(&self, kind: Kind, raw: u64) -> Result<u64, CudaError> {
        self.session.handles.found(kind, raw, self.header.ctx)
    }

    /// Answers the call when `target` is reached.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn wait_for(&mut self, target: Target) -> Handled {
        let (context, reply) = (self.context()?.raw, self.reply_to());
        self.pending.push(Pending {
            target,
            context,
            reply,
            reached: false,
        });
        Ok(Outcome::Later)
    }

    /// A stream (the driver's handle) is about to be destroyed: waits for its context, which other threads of the program began, must not ask
    /// for it any more. Where it has work, only the driver knows when that is done.
    pub fn stream_ends(&mut self, stream: u64, has_work: bool) {
        let mut with_work = Vec::new();
        let mut at = 0;
        while let Some(wait) = self.pending.get_mut(at) {
            if let Target::Context(streams) = &mut wait.target
                && let Some(found) = streams.iter().position(|one| *one == stream)
            {
                if has_work {
                    with_work.push(self.pending.remove(at));
                    continue;
                }
                streams.swap_remove(found);
            }
            at += 1;
        }
        hand_over(self.session, &mut with_work);
    }

    /// Answers a call that put work into `stream` (the driver's handle) when that is done, if the client waits for an answer.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn answer_after(&mut self, stream: u64) -> Handled {
        if self.reply_to().wanted() {
            self.wait_for(Target::Stream(stream))
        } else {
            Ok(Outcome::Done)
        }
    }

    /// Begins to watch an event or a stream for the client.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn watch(&self, object: u64, raw: u64, ticket: u64) -> Result<(), CudaError> {
        let context = self.context()?;
        let watch = Watch {
            object,
            raw,
            context: self.header.ctx,
            context_raw: context.raw,
            gpu: context.gpu,
            ticket,
            lane: self.lane.clone(),
        };
        self.session.watches.add(self.session, watch);
        Ok(())
    }

    /// Runs `job` on a waiter thread in the call's context; it answers by itself.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn offload(&self, job: impl FnOnce(&Arc<Session>, &ReplyTo) + Send + 'static) -> Handled {
        let reply = self.reply_to();
        let session = Arc::clone(self.session);
        let context = if self.header.ctx == 0 {
            0
        } else {
            self.context()?.raw
        };
        self.session.waiters.run(move || {
            if context != 0
                && let Err(code) = driver_call!(session.driver, cuCtxSetCurrent(context))
            {
                reply.send(&session, Status::of(code.code()), &[]);
                return;
            }
            job(&session, &reply);
        });
        Ok(Outcome::Later)
    }
}
