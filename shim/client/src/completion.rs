//! What is known of events and streams without asking: whether all that they were given before is finished.
//!
//! Each has a word: a ticket, which changes with everything that makes an earlier answer void, and a state. The first query of a
//! ticket waits for the server's answer; if that is "not ready", the server says by a notice when it is finished, and further queries
//! look at the word. An event that was queried since its last recording is watched from its next recording on, so that a program
//! which does so step by step waits for none of its queries.
//!
//! "Done" is only ever written for the ticket that was asked for, so a record that was posted meanwhile makes it void; and what was
//! copied to the host comes before the notice, in the same ring.

use crate::contexts::{self, Target};
use crate::objects::{self, Object};
use crate::session::{lost, session};
use crate::stats;
use crate::submit::{called, called_for, posted as post};
use ringway_api::{CudaError, Kind, op};
use ringway_link::Position;
use ringway_wire::call::TAG_WATCH;
use ringway_wire::codec::Writer as _;
use ringway_wire::ids::{SERVER_INDEX_MIN, unpack};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nobody has asked.
const UNKNOWN: u64 = 0;
/// A call is asking; the server may have begun to watch.
const ASKING: u64 = 1;
/// The server watches.
const WATCHED: u64 = 2;
/// Finished.
const DONE: u64 = 3;
/// Only the server knows, each time anew: a recording that is being posted, or that two threads posted at once.
const OPAQUE: u64 = 4;
/// Finished, and a call of this thread or another waited for it: the errors of all that was posted before were reported, and what
/// kernels printed was written.
const SETTLED: u64 = 5;
/// Of a context's word only: settled, and nothing of the context is under way, in no stream.
const AT_REST: u64 = 6;
const STATE: u64 = 7;
/// An event was queried since it was last recorded. Stays with the place of a destroyed event, for the next one there.
pub(crate) const QUERIED: u64 = 1 << 4;
/// An event may be recorded by something else than cuEventRecord: its state is not known here.
pub(crate) const ELSEWHERE: u64 = 1 << 5;
const TICKET_SHIFT: u32 = 8;
/// Answers "not ready" to one thread about one ticket before it begins to sleep between them, and how many between two sleeps.
const POLLS_AT_ONCE: u32 = 32;
const POLLS_PER_NAP: u32 = 16;
const POLL_NAP: Duration = Duration::from_micros(20);

/// A record was posted: what was known of its stream, and of the legacy stream, which others may hold up, is void. After the
/// commit: who asks between the two gets an answer that does not cover a call which has not returned yet.
#[inline]
pub(crate) fn posted(target: Target, position: Position) {
    if target.stream == Target::NO_WORK {
        return;
    }
    let word = position << TICKET_SHIFT | UNKNOWN;
    contexts::work(target.context).store(word, Ordering::Release);
    if target.stream != 0
        && let Some(stream) = objects::stream_word(target.stream - 1)
    {
        stream.store(word, Ordering::Release);
    }
}

/// Changes the state of a ticket, if it is still that one and in one of `states`.
fn change(word: &AtomicU64, ticket: u64, states: &[u64], to: u64) -> bool {
    word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |seen| {
        (seen >> TICKET_SHIFT == ticket && states.contains(&(seen & STATE))).then_some(seen & !STATE | to)
    })
    .is_ok()
}

fn usable(target: Target) -> Result<(), CudaError> {
    contexts::fault(target.context).map_or(Ok(()), Err)
}

/// Answers a query from the word, or by a call; then the server watches where the answer is "not ready".
fn query(word: &AtomicU64, opcode: u32, object: Object) -> Result<(), CudaError> {
    let target = object.target.without_work();
    let mut seen = word.load(Ordering::Acquire);
    if seen & STATE == WATCHED && seen & ELSEWHERE == 0 {
        // The server must have what was posted, and its notice must not wait for another thread to take it in.
        let lane = &session()?.lanes[target.lane as usize];
        lane.flush().and_then(|()| lane.drain_notices()).map_err(|error| lost(target.lane, &error))?;
        let before = seen >> TICKET_SHIFT;
        seen = word.load(Ordering::Acquire);
        if seen & STATE == WATCHED && seen >> TICKET_SHIFT == before {
            usable(target)?;
            stats::count_answered(opcode);
            give_way(word, before);
            return Err(CudaError::NOT_READY);
        }
    }
    if is_done(seen) && seen & ELSEWHERE == 0 {
        usable(target)?;
        session()?;
        stats::count_answered(opcode);
        return Ok(());
    }
    let ticket = seen >> TICKET_SHIFT;
    let watch = seen & ELSEWHERE == 0 && ticket != 0 && change(word, ticket, &[UNKNOWN], ASKING);
    let result = called(
        opcode,
        target,
        16,
        |w| {
            w.u64(object.id);
            w.u64(if watch { ticket } else { 0 });
        },
        |_| Ok(()),
    );
    if watch {
        let known = match result {
            Ok(()) => DONE,
            Err(CudaError::NOT_READY) => WATCHED,
            Err(_) => UNKNOWN,
        };
        change(word, ticket, &[ASKING], known);
    }
    result
}

/// A thread that does nothing but poll sleeps for a moment now and then: those whose work it waits for need a processor, too, and
/// on few of them a thread that never sleeps holds them up for whole time slices.
fn give_way(word: &AtomicU64, ticket: u64) {
    thread_local!(static POLLS: Cell<((usize, u64), u32)> = const { Cell::new(((0, 0), 0)) });
    let polled = (std::ptr::from_ref(word).addr(), ticket);
    let (last, count) = POLLS.get();
    let count = if last == polled { count.wrapping_add(1) } else { 0 };
    POLLS.set((polled, count));
    if count >= POLLS_AT_ONCE && count.is_multiple_of(POLLS_PER_NAP) {
        std::thread::sleep(POLL_NAP);
    }
}

/// Whether an event is finished as far as is known here without asking; one that was never recorded is.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`; the fault of its context.
pub(crate) fn is_known_done(event: Object) -> Result<bool, CudaError> {
    usable(event.target)?;
    let seen = objects::word(Kind::Event, event.id)?.load(Ordering::Acquire);
    let made_here = unpack(event.id).2 < SERVER_INDEX_MIN;
    let never_recorded = made_here && seen & !QUERIED == 0;
    Ok(never_recorded || is_done(seen) && seen & ELSEWHERE == 0)
}

fn is_done(word: u64) -> bool {
    matches!(word & STATE, DONE | SETTLED | AT_REST)
}

/// Whether a context whose word this is has no work: none was posted, or a wait for all of it is over and none was posted since.
pub(crate) fn is_at_rest(word: &AtomicU64) -> bool {
    let word = word.load(Ordering::Acquire);
    word == 0 || word & STATE == AT_REST
}

/// Whether all that a stream of the program was given is known to be done.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
pub fn is_stream_done(stream: Object) -> Result<bool, CudaError> {
    let seen = stream_word(stream)?.load(Ordering::Acquire);
    Ok(seen == 0 || is_done(seen))
}

fn stream_word(stream: Object) -> Result<&'static AtomicU64, CudaError> {
    if stream.id <= 1 {
        Ok(contexts::work(stream.target.context))
    } else {
        objects::word(Kind::Stream, stream.id)
    }
}

/// cuStreamQuery.
///
/// # Errors
/// `CUDA_ERROR_NOT_READY`; those of [`called`].
pub fn query_stream(stream: Object) -> Result<(), CudaError> {
    query(stream_word(stream)?, op::CU_STREAM_QUERY, stream)
}

/// cuEventQuery.
///
/// # Errors
/// `CUDA_ERROR_NOT_READY`; those of [`called`].
pub fn query_event(event: Object) -> Result<(), CudaError> {
    let word = objects::word(Kind::Event, event.id)?;
    let seen = word.load(Ordering::Acquire);
    if seen & QUERIED == 0 {
        word.fetch_or(QUERIED, Ordering::AcqRel);
    }
    let made_here = unpack(event.id).2 < SERVER_INDEX_MIN;
    if made_here && seen & !QUERIED == 0 {
        // Never recorded: done (CUDA driver API, cuEventQuery).
        usable(event.target)?;
        session()?;
        stats::count_answered(op::CU_EVENT_QUERY);
        return Ok(());
    }
    query(word, op::CU_EVENT_QUERY, event)
}

/// Records an event by `record`, which posts that. `watchable` is false while any stream is captured: then it may be that nothing will
/// finish.
///
/// # Errors
/// Those of `record`.
pub fn recorded(event: u64, watchable: bool, record: impl FnOnce() -> Result<(), CudaError>) -> Result<(), CudaError> {
    let event = objects::handle(Kind::Event, event)?;
    let word = objects::word(Kind::Event, event.id)?;
    // Nobody's answer is taken for the new recording's while it is being posted.
    let (ticket, queried) = begin_recording(word);
    let watch = queried && watchable;
    record()?;
    if end_recording(word, ticket, watch) && watch {
        let sent = post(TAG_WATCH, event.target.without_work(), 16, |w| {
            w.u64(event.id);
            w.u64(ticket);
        });
        if sent.is_err() {
            // The recording was posted; who asks for it gets this error too.
            change(word, ticket, &[WATCHED], UNKNOWN);
        }
    }
    Ok(())
}

/// Gives the recording's ticket, and whether the one before was queried, so that this one may be watched.
fn begin_recording(word: &AtomicU64) -> (u64, bool) {
    let begin = |seen: u64| Some(((seen >> TICKET_SHIFT) + 1) << TICKET_SHIFT | seen & ELSEWHERE | OPAQUE);
    let before = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, begin).unwrap_or_else(|seen| seen);
    ((before >> TICKET_SHIFT) + 1, before & QUERIED != 0 && before & ELSEWHERE == 0)
}

/// The recording with this ticket was posted; false where another thread recorded meanwhile: then it is not known whose came last.
fn end_recording(word: &AtomicU64, ticket: u64, watch: bool) -> bool {
    let alone = |seen: u64| seen >> TICKET_SHIFT == ticket && seen & STATE == OPAQUE;
    let end = |seen: u64| {
        Some(if alone(seen) {
            seen & !STATE | if watch { WATCHED } else { UNKNOWN }
        } else {
            ((seen >> TICKET_SHIFT) + 1) << TICKET_SHIFT | seen & ELSEWHERE | OPAQUE
        })
    };
    word.fetch_update(Ordering::AcqRel, Ordering::Acquire, end).is_ok_and(alone)
}

/// The event will be recorded by something else: a graph, a context. From now on the server is asked each time.
///
/// # Errors
/// `CUDA_ERROR_INVALID_HANDLE`.
pub fn recorded_elsewhere(event: u64) -> Result<(), CudaError> {
    objects::word(Kind::Event, event)?.fetch_or(ELSEWHERE, Ordering::AcqRel);
    Ok(())
}

/// cuStreamSynchronize, by `wait` unless a call waited for the stream already and nothing was posted in its context since.
///
/// # Errors
/// Those of `wait`.
pub fn synchronise_stream(stream: Object, wait: impl FnOnce(Target) -> Result<(), CudaError>) -> Result<(), CudaError> {
    let seen = stream_word(stream)?.load(Ordering::Acquire);
    let last = contexts::work(stream.target.context).load(Ordering::Acquire);
    if matches!(seen & STATE, SETTLED | AT_REST) && seen >> TICKET_SHIFT == last >> TICKET_SHIFT {
        usable(stream.target)?;
        session()?;
        stats::count_answered(op::CU_STREAM_SYNCHRONIZE);
        return Ok(());
    }
    waited_for_stream(stream, wait)
}

/// Makes a call that waits for all work of a stream; after it that is known to be done.
///
/// # Errors
/// Those of `wait`.
pub fn waited_for_stream(stream: Object, wait: impl FnOnce(Target) -> Result<(), CudaError>) -> Result<(), CudaError> {
    waited(stream_word(stream)?, || SETTLED, || wait(stream.target.without_work()))
}

/// Makes a copy in a stream that waits until it is done, and with it all work before in the stream. `captures`: whether some stream is being
/// captured.
///
/// # Errors
/// Those of `wait`.
pub fn waited_for_copy(stream: Object, captures: bool, wait: impl FnOnce(Target) -> Result<(), CudaError>) -> Result<(), CudaError> {
    // A copy in the legacy stream follows all that streams were given which take notice of that one. Asked behind the wait: a stream that does
    // not was made before what it was given.
    let known = || {
        let is_all = stream.id <= 1 && !captures && contexts::is_together(stream.target.context);
        if is_all { AT_REST } else { SETTLED }
    };
    waited(stream_word(stream)?, known, || wait(stream.target.without_work()))
}

/// The same for an event.
///
/// # Errors
/// Those of `wait`.
pub fn waited_for_event(event: Object, wait: impl FnOnce(Target) -> Result<(), CudaError>) -> Result<(), CudaError> {
    waited(objects::word(Kind::Event, event.id)?, || SETTLED, || wait(event.target.without_work()))
}

/// The same for a context: for all of its streams.
///
/// # Errors
/// Those of `wait`.
pub fn waited_for_context(target: Target, wait: impl FnOnce(Target) -> Result<(), CudaError>) -> Result<(), CudaError> {
    waited(contexts::work(target.context), || AT_REST, || wait(target.without_work()))
}

/// Waits for all work of a context, for the sake of the call `caller`.
pub(crate) fn wait_for_context(caller: u32, target: Target) -> Result<(), CudaError> {
    waited_for_context(target, |target| called_for(caller, op::CU_CTX_SYNCHRONIZE, target))
}

/// Waits; then `known` is known of the word's ticket.
fn waited(word: &AtomicU64, known: impl FnOnce() -> u64, wait: impl FnOnce() -> Result<(), CudaError>) -> Result<(), CudaError> {
    let ticket = word.load(Ordering::Acquire) >> TICKET_SHIFT;
    wait()?;
    if ticket != 0 {
        let known = known();
        // What is known of all work is not forgotten for what is known of some.
        let lesser: &[u64] = if known == AT_REST { &[UNKNOWN, ASKING, WATCHED, DONE, SETTLED] } else { &[UNKNOWN, ASKING, WATCHED, DONE] };
        change(word, ticket, lesser, known);
    }
    Ok(())
}

/// The server says that what it watched is finished, or that it must be asked.
pub(crate) fn finished(object: u64, context: u32, ticket: u64, done: bool) {
    let word = match unpack(object).0 {
        0 if object <= 1 => Ok(contexts::work(context)),
        kind if kind == Kind::Stream as u16 => objects::word(Kind::Stream, object),
        kind if kind == Kind::Event as u16 => objects::word(Kind::Event, object),
        _ => return,
    };
    // One that was destroyed meanwhile needs no word of it.
    if let Ok(word) = word {
        change(word, ticket, &[ASKING, WATCHED], if done { DONE } else { UNKNOWN });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(ticket: u64, state: u64) -> AtomicU64 {
        AtomicU64::new(ticket << TICKET_SHIFT | state)
    }

    fn parts(word: &AtomicU64) -> (u64, u64) {
        let seen = word.load(Ordering::Acquire);
        (seen >> TICKET_SHIFT, seen & STATE)
    }

    #[test]
    fn an_answer_counts_for_its_ticket_only() {
        let event = word(5, WATCHED);
        assert!(!change(&event, 4, &[ASKING, WATCHED], DONE));
        assert_eq!(parts(&event), (5, WATCHED));
        assert!(change(&event, 5, &[ASKING, WATCHED], DONE));
        assert_eq!(parts(&event), (5, DONE));
        assert!(!change(&event, 5, &[ASKING, WATCHED], UNKNOWN), "a late answer changes nothing");
    }

    #[test]
    fn a_recording_that_was_queried_is_watched_the_next_time_and_then_no_more() {
        let event = word(0, UNKNOWN);
        let (first, watch) = begin_recording(&event);
        assert!(!watch && parts(&event) == (first, OPAQUE));
        assert!(end_recording(&event, first, watch));
        assert_eq!(parts(&event), (first, UNKNOWN));
        event.fetch_or(QUERIED, Ordering::Relaxed);
        let (second, watch) = begin_recording(&event);
        assert!(watch && second == first + 1);
        assert!(end_recording(&event, second, watch));
        assert_eq!(parts(&event), (second, WATCHED));
        assert!(!begin_recording(&event).1, "nobody asked for the last one");
    }

    #[test]
    fn of_two_recordings_at_once_neither_is_known() {
        // Whichever order the threads begin and end in, and whatever is said of either afterwards.
        for order in [[0, 1], [1, 0]] {
            let event = word(7, DONE);
            let tickets = [begin_recording(&event).0, begin_recording(&event).0];
            for one in order {
                end_recording(&event, tickets[one], true);
            }
            assert_eq!(parts(&event).1, OPAQUE);
            for ticket in tickets {
                assert!(!change(&event, ticket, &[ASKING, WATCHED], DONE));
            }
        }
    }

    #[test]
    fn events_recorded_elsewhere_stay_so() {
        let event = word(1, DONE);
        event.fetch_or(ELSEWHERE | QUERIED, Ordering::Relaxed);
        let (ticket, watch) = begin_recording(&event);
        assert!(!watch);
        end_recording(&event, ticket, watch);
        assert_eq!(event.load(Ordering::Relaxed) & ELSEWHERE, ELSEWHERE);
    }

    #[test]
    fn a_wait_settles_what_was_posted_before_it_and_not_what_came_meanwhile() {
        let stream = word(64, UNKNOWN);
        waited(&stream, || SETTLED, || Ok(())).unwrap();
        assert_eq!(parts(&stream), (64, SETTLED));
        let stream = word(64, UNKNOWN);
        waited(&stream, || AT_REST, || {
            stream.store(128 << TICKET_SHIFT, Ordering::Release);
            Ok(())
        })
        .unwrap();
        assert_eq!(parts(&stream), (128, UNKNOWN));
        let stream = word(64, WATCHED);
        assert!(waited(&stream, || AT_REST, || Err(CudaError::ILLEGAL_ADDRESS)).is_err());
        assert_eq!(parts(&stream), (64, WATCHED));
        let opaque = word(3, OPAQUE);
        waited(&opaque, || SETTLED, || Ok(())).unwrap();
        assert_eq!(parts(&opaque), (3, OPAQUE));
    }

    #[test]
    fn a_context_is_at_rest_after_a_wait_for_all_of_it_only() {
        let context = word(0, UNKNOWN);
        assert!(is_at_rest(&context), "it never had work");
        for (before, known, rests) in [(UNKNOWN, SETTLED, false), (UNKNOWN, AT_REST, true), (SETTLED, AT_REST, true), (AT_REST, SETTLED, true), (DONE, AT_REST, true)] {
            let context = word(64, before);
            waited(&context, || known, || Ok(())).unwrap();
            assert_eq!(is_at_rest(&context), rests, "{before} {known}");
            context.store(65 << TICKET_SHIFT | UNKNOWN, Ordering::Release);
            assert!(!is_at_rest(&context), "there is new work");
        }
    }
}
