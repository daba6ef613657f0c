//! The loop of a GPU thread: poll the ring, execute, answer; poll what is waited for; spin, then park.
//!
//! It never waits inside the driver: what does not come soon is given to a waiter thread.

use crate::cx::{Cx, Outcome, Pending, Target};
use crate::downloads::{Download, Sent};
use crate::meter::Meter;
use crate::patience::Patience;
use crate::session::Session;
use crate::turns::{Rest, Turns, ends_context, is_launch};
use crate::{driver_call, generated, internal};
use ringway_api::CudaError;
use ringway_link::{LinkError, RecordView, ServerHandle, ServerLane, SpinPolicy};
use ringway_wire::call::{Status, TAG_INTERNAL};
use ringway_wire::codec::{CallHeader, Malformed, Reader};
use ringway_wire::layout::REPLY_INLINE_MAX;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sleep between looks at the ring while nothing comes; a doorbell ends it at once.
const PARK: Duration = Duration::from_secs(5);
/// Turns without work between two looks at the clock: reading it takes longer than looking at the ring.
const TURNS_PER_CLOCK: u32 = 16;
/// Shortest and longest sleep between looks at what the client wants to be told of.
const WATCH_NAP: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(1));
/// Watches that are looked at in a turn.
const WATCHES_PER_TURN: usize = 4;
/// While records come without a pause, watches are looked at after so many.
const RECORDS_PER_WATCH: u32 = 64;
/// Bytes of a record that are copied out before they are decoded; what follows in a record is bulk data, read in place.
const DECODED_BYTES_MAX: usize = 64 * 1024;

/// The same for records that carry bulk data.
const BULK_HEAD_BYTES: usize = 128;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The lane is down: the client closed it, died, or broke a rule.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A record made no sense.
    #[error("the client's record (opcode {opcode}) is malformed: {cause}")]
    Malformed {
        /// Its opcode.
        opcode: u32,
        /// What is wrong.
        cause: Malformed,
    },
}

/// How long a GPU thread looks at its ring before it sleeps.
#[derive(Clone, Copy, Debug)]
pub enum Spin {
    /// Always so long.
    Fixed(Duration),
    /// At the most so long, and hardly at all where records have lately not come meanwhile. A client that sleeps between its calls is
    /// answered sooner by a thread that sleeps too: the kernel likes to wake it on the core of whoever wakes it.
    Learnt(Duration),
}

/// Serves lane `number` until the client goes.
pub fn run(session: &Arc<Session>, number: usize, mut lane: ServerLane, mut turns: Turns, spin: Spin) -> End {
    let (spin, learnt, mut asking) = match spin {
        Spin::Fixed(spin) => (spin, None, None),
        Spin::Learnt(longest) => (longest, Some(SpinPolicy::up_to(longest)), Some(Patience::default())),
    };
    // How long this look at the ring may be, by what was learnt.
    let mut look: Option<Duration> = None;
    let handle = lane.handle().clone();
    let mut pending: Vec<Pending> = Vec::new();
    let mut current = 0u64;
    let mut decoded = vec![0u8; DECODED_BYTES_MAX].into_boxed_slice();
    let mut records = 0u32;
    let mut nap = WATCH_NAP.0;
    let mut patience = spin;
    let mut meter = Meter::new(number);
    loop {
        let mut quiet_since: Option<Instant> = None;
        let mut quiet_turns = 0u32;
        loop {
            let (mut busy, mut held) = (false, false);
            match lane.poll() {
                Ok(Some(record)) if is_launch(record.tag) && !turns.may_launch(session, &mut current) => {
                    let (position, length) = (record.position_end, record.payload.len());
                    lane.put_back(position, length);
                    held = true;
                }
                Ok(Some(record)) => {
                    let position = record.position_end;
                    let executed = execute(
                        session,
                        &handle,
                        record,
                        &mut decoded,
                        &mut pending,
                        &mut current,
                        &mut turns,
                    );
                    match executed {
                        Ok(is_wait) => {
                            if is_wait {
                                lane.answer_acknowledges(position);
                            }
                            meter.executed(session, &lane, is_wait);
                        }
                        Err(end) => return end,
                    }
                    lane.release(position);
                    handle.set_executed(position);
                    session.executed(number, position);
                    busy = true;
                    records = records.wrapping_add(1);
                }
                Ok(None) => {}
                Err(error) => return error.into(),
            }
            if !pending.is_empty() && advance(session, &handle, &mut pending, &mut current) {
                busy = true;
                if let Some(patience) = &mut asking {
                    patience.sufficed();
                }
            }
            let watching = session.watches.any();
            if watching && (!busy || records.is_multiple_of(RECORDS_PER_WATCH)) {
                busy |= session.watches.look(session, number, WATCHES_PER_TURN, &mut current) > 0;
            }
            if busy {
                if let (Some(policy), Some(budget)) = (&learnt, look.take()) {
                    policy.sufficed(budget);
                }
                quiet_since = None;
                quiet_turns = 0;
                (nap, patience) = (WATCH_NAP.0, spin);
                continue;
            }
            if held {
                turns.nap(pending.is_empty() && !watching);
                // The link has something to do, maybe, or is gone.
                if let Err(error) = lane.park(Duration::ZERO) {
                    return error.into();
                }
                continue;
            }
            turns.look(session, &mut current);
            quiet_turns = quiet_turns.wrapping_add(1);
            if quiet_turns.is_multiple_of(TURNS_PER_CLOCK) {
                // What the device is about to finish is looked for in any case: handing it to another thread costs more.
                let limit = match (&learnt, &mut asking) {
                    (Some(policy), _) if pending.is_empty() => patience.min(*look.get_or_insert_with(|| policy.budget())),
                    (_, Some(asking)) if !patience.is_zero() => patience.max(asking.limit()),
                    _ => patience,
                };
                if quiet_since.get_or_insert_with(Instant::now).elapsed() > limit {
                    if let (Some(policy), Some(budget)) = (&learnt, look.take()) {
                        policy.was_in_vain(budget);
                    }
                    if let Some(patience) = &mut asking {
                        patience.was_in_vain();
                    }
                    break;
                }
            }
            if watching {
                // The program that polls keeps a processor busy too; the driver's threads need one.
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        hand_over(session, &mut pending);
        // Nobody wakes this thread when the device has finished something: it looks, less and less often.
        let watching = session.watches.any();
        let longest = match turns.rest(session, &mut current) {
            Rest::Busy(longest) => longest,
            Rest::Idle => {
                meter.rests(session, &lane);
                PARK
            }
        };
        if let Err(error) = lane.park(if watching { nap.min(longest) } else { longest }) {
            return error.into();
        }
        (nap, patience) = match (watching, meter.is_working()) {
            (true, _) => ((nap * 2).min(WATCH_NAP.1), Duration::ZERO),
            // Kernels are under way.
            (false, true) => (WATCH_NAP.0, Duration::ZERO),
            (false, false) => (WATCH_NAP.0, spin),
        };
    }
}

/// Executes one record; whether the client waits for its answer.
fn execute(
    session: &Arc<Session>,
    lane: &ServerHandle,
    record: RecordView<'_>,
    decoded: &mut [u8],
    pending: &mut Vec<Pending>,
    current: &mut u64,
    turns: &mut Turns,
) -> Result<bool, End> {
    let opcode = record.tag;
    let limit = if internal::is_bulk(opcode) {
        BULK_HEAD_BYTES
    } else {
        decoded.len()
    };
    let length = record.payload.len().min(limit);
    let bytes = &mut decoded[..length];
    let copied = record.payload.read_at(0, bytes);
    let mut reader = Reader::new(bytes);
    let malformed = |cause| End::Malformed { opcode, cause };
    let header = match CallHeader::read(&mut reader) {
        Ok(header) if copied => header,
        Ok(_) => return Err(malformed(Malformed::Trailing(length))),
        Err(cause) => return Err(malformed(cause)),
    };
    let mut cx = Cx {
        session,
        header,
        payload: record.payload,
        driver: &session.driver,
        reply: Cx::answer(),
        pending,
        lane,
        position: record.position_end,
        opcode,
        current,
    };
    let handled = if opcode >= TAG_INTERNAL {
        internal::dispatch(&mut cx, opcode, &mut reader)
    } else {
        match cx.enter() {
            Ok(()) if is_launch(opcode) => launch(&mut cx, opcode, &mut reader, turns),
            Ok(()) if ends_context(opcode) => {
                turns.forget_events(session);
                generated::dispatch(&mut cx, opcode, &mut reader)
            }
            Ok(()) => generated::dispatch(&mut cx, opcode, &mut reader),
            Err(code) => Outcome::Failed(code),
        }
    };
    let reply = cx.reply_to();
    let is_wait = reply.wanted();
    match handled {
        Outcome::Later => {}
        Outcome::Done => reply.send(session, Status::of(0), cx.reply.as_slice()),
        Outcome::Failed(code) => reply.send(session, Status::of(code.code()), &[]),
        Outcome::Malformed(cause) => return Err(malformed(cause)),
    }
    Ok(is_wait)
}

/// Executes a launch, whose turn it is; measured where others want the GPU too.
fn launch(cx: &mut Cx<'_>, opcode: u32, reader: &mut Reader<'_>, turns: &mut Turns) -> Outcome {
    if !turns.is_here(cx.session, cx.header.ctx) {
        return Outcome::Failed(CudaError::INVALID_CONTEXT);
    }
    let begun = turns.before_launch(cx.session, *cx.current, reader);
    let outcome = generated::dispatch(cx, opcode, reader);
    turns.after_launch(cx.session, begun);
    outcome
}

/// Looks at each wait once; says whether one came to its end.
fn advance(session: &Arc<Session>, lane: &ServerHandle, pending: &mut Vec<Pending>, current: &mut u64) -> bool {
    let mut any = false;
    // What a short copy brought and the answer to the wait behind it go together. Of a long one the client takes a piece in while the next is
    // sent, and what other threads send is not held up for nothing.
    let mut copies = pending.iter().filter_map(Pending::delivery).peekable();
    let _cork = (copies.peek().is_some() && copies.all(Download::is_short)).then(|| lane.cork());
    let delivers = pending.iter().any(|wait| matches!(wait.target, Target::Delivery(_)));
    pending.retain_mut(|wait| {
        if *current != wait.context
            && driver_call!(session.driver, cuCtxSetCurrent(wait.context)).is_ok()
        {
            *current = wait.context;
        }
        let result = match &wait.target {
            Target::Stream(stream) => driver_call!(session.driver, cuStreamQuery(*stream)),
            Target::Event(event) => driver_call!(session.driver, cuEventQuery(*event)),
            Target::Context(streams) => streams
                .iter()
                .map(|stream| driver_call!(session.driver, cuStreamQuery(*stream)))
                .find(Result::is_err)
                .unwrap_or(Ok(())),
            Target::Copy(copy) => {
                let Some(bytes) = session.downloads.take_inline(
                    &session.driver,
                    copy,
                    REPLY_INLINE_MAX,
                    session.output.is_expected(),
                ) else {
                    return true;
                };
                any = true;
                let (result, bytes) = match bytes {
                    Ok(bytes) => (Ok(()), bytes),
                    Err(code) => (Err(code), Vec::new()),
                };
                answer(session, wait, result, bytes);
                return false;
            }
            Target::Delivery(copy) => {
                let result = match session.downloads.send_ready(&session.driver, copy) {
                    Sent::Nothing => return true,
                    Sent::Some => {
                        any = true;
                        return true;
                    }
                    Sent::All(result) => result,
                };
                any = true;
                if wait.reply.wanted() {
                    answer(session, wait, result, Vec::new());
                } else {
                    wait.reply.result(session, result);
                }
                if session.downloads.keeps_too_much() {
                    let session = Arc::clone(session);
                    Arc::clone(&session).waiters.run(move || session.downloads.trim(&session.driver));
                }
                return false;
            }
        };
        if result == Err(CudaError::NOT_READY) {
            return true;
        }
        any = true;
        if delivers && !wait.reached && session.downloads.any() {
            // The copies that it covers are this thread's to deliver, in its next turn.
            wait.reached = true;
            return true;
        }
        if result.is_ok() && session.output.is_expected() {
            deliver_output(session, &wait.target);
        }
        answer(session, wait, result, Vec::new());
        false
    });
    any
}

/// Kernels' output is written by the driver when somebody synchronises, not when somebody asks (CUDA C++ Programming
/// Guide, "Formatted Output"). The target is reached, so this waits for nothing.
fn deliver_output(session: &Session, target: &Target) {
    let result = match target {
        Target::Stream(stream) => driver_call!(session.driver, cuStreamSynchronize(*stream)),
        Target::Event(event) => driver_call!(session.driver, cuEventSynchronize(*event)),
        Target::Context(streams) => match streams.first() {
            Some(stream) => driver_call!(session.driver, cuStreamSynchronize(*stream)),
            None => Ok(()),
        },
        Target::Copy(_) | Target::Delivery(_) => Ok(()),
    };
    if let Err(code) = result {
        tracing::debug!("kernels' output: {code}");
    }
}

/// Answers a wait whose target is reached, on a waiter thread if copies must be delivered first: some of them may be this
/// thread's own to deliver.
fn answer(session: &Arc<Session>, wait: &Pending, result: Result<(), CudaError>, bytes: Vec<u8>) {
    if session.downloads.any() {
        let (session, reply) = (Arc::clone(session), wait.reply.clone());
        Arc::clone(&session)
            .waiters
            .run(move || reply.send_synchronised(&session, result, &bytes));
    } else {
        wait.reply.send_synchronised(session, result, &bytes);
    }
}

/// Gives the waits to threads: those for one stream to one thread, since they end one after the other, each other one to its own.
pub(crate) fn hand_over(session: &Arc<Session>, pending: &mut Vec<Pending>) {
    let mut jobs: Vec<Vec<Pending>> = Vec::new();
    for wait in pending.drain(..) {
        let same = |job: &&mut Vec<Pending>| wait.stream().is_some() && job[0].stream() == wait.stream();
        match jobs.iter_mut().find(same) {
            Some(job) => job.push(wait),
            None => jobs.push(vec![wait]),
        }
    }
    for waits in jobs {
        let session = Arc::clone(session);
        Arc::clone(&session).waiters.run(move || {
            for wait in &waits {
                wait_out(&session, wait);
            }
            session.downloads.trim(&session.driver);
        });
    }
}

/// Waits in the driver, and answers.
fn wait_out(session: &Arc<Session>, wait: &Pending) {
    let driver = &session.driver;
    let result = driver_call!(driver, cuCtxSetCurrent(wait.context)).and_then(|()| match &wait.target {
        Target::Stream(stream) => driver_call!(driver, cuStreamSynchronize(*stream)),
        Target::Event(event) => driver_call!(driver, cuEventSynchronize(*event)),
        Target::Context(_) => driver_call!(driver, cuCtxSynchronize()),
        Target::Copy(copy) | Target::Delivery(copy) => session.downloads.send(driver, copy),
    });
    if wait.reply.wanted() {
        wait.reply.send_synchronised(session, result, &[]);
    } else {
        wait.reply.result(session, result);
    }
}
