//! The two ways of a call: posted (written to the ring; the call returns) and called (waits for its answer).

use crate::completion;
use crate::contexts::{self, Target};
use crate::lane_order::Reach;
use crate::say;
use crate::session::{Session, lost, session};
use crate::{memory_ranges, notices, stats};
use ringway_api::{CudaError, TABLE, result_name};
use ringway_link::{ClientLane, LinkError, Position, SlotGuard};
use ringway_wire::call::{FLAG_SETTLE, Status, TAG_AFTER, TAG_PING};
use ringway_wire::codec::{CallHeader, Malformed, Reader, SliceWriter, Writer as _};
use ringway_wire::layout::REPLY_INLINE_MAX;
use std::time::Duration;

/// How long a call waits for ring space: the GPU thread takes records all the time, so a ring that stays full this long
/// is a worker that hangs.
const SPACE_TIMEOUT: Duration = Duration::from_secs(120);
/// A wait for an answer looks this often whether the link is up; kernels may run for as long as they like.
const ANSWER_LOOK: Duration = Duration::from_secs(10);

/// Writes a record and returns. `size` is the most that `write` writes, in bytes.
///
/// # Errors
/// The fault of the context, if it has one; `CUDA_ERROR_SYSTEM_NOT_READY` when the link is lost; with `RINGWAY_SYNC=1`
/// the call's own failure.
#[inline]
pub fn posted(
    opcode: u32,
    target: Target,
    size: usize,
    write: impl FnOnce(&mut SliceWriter<'_>),
) -> Result<(), CudaError> {
    posted_with(0, opcode, target, size, write)
}

/// As [`posted`], with flags in the record's header.
#[inline]
pub(crate) fn posted_with(
    flags: u16,
    opcode: u32,
    target: Target,
    size: usize,
    write: impl FnOnce(&mut SliceWriter<'_>),
) -> Result<(), CudaError> {
    // SAFETY: nothing is lent.
    unsafe { posted_lending(flags, opcode, target, size, &[], write) }
}

/// As [`posted`], of a call that names objects of its own device only, where others of its kind may name others'.
///
/// # Errors
/// As [`posted`].
#[inline]
pub fn posted_in_lane(opcode: u32, target: Target, size: usize, write: impl FnOnce(&mut SliceWriter<'_>)) -> Result<(), CudaError> {
    // SAFETY: nothing is lent.
    unsafe { posted_reaching(Reach::Lane, 0, opcode, target, size, &[], write) }
}

/// As [`posted_with`], and `data` behind what `write` writes: sent from where it is, where the link can do that.
///
/// # Safety
/// `data` stays as it is until a call has found this one done, [`take_back`] was called for it, or the [`Loan`] that was there when
/// this was called has ended.
#[inline]
pub unsafe fn posted_lending(
    flags: u16,
    opcode: u32,
    target: Target,
    size: usize,
    data: &[u8],
    write: impl FnOnce(&mut SliceWriter<'_>),
) -> Result<(), CudaError> {
    // SAFETY: the caller's promise.
    unsafe { posted_reaching(Reach::of(opcode), flags, opcode, target, size, data, write) }
}

/// As [`posted_lending`]; `reach`: what the call may name.
///
/// # Safety
/// As [`posted_lending`].
#[inline]
unsafe fn posted_reaching(
    reach: Reach,
    flags: u16,
    opcode: u32,
    target: Target,
    size: usize,
    data: &[u8],
    write: impl FnOnce(&mut SliceWriter<'_>),
) -> Result<(), CudaError> {
    let session = session()?;
    if let Some(fault) = contexts::fault(target.context) {
        return Err(fault);
    }
    let mut counted = stats::count(opcode, session.synchronous, CallHeader::SIZE + size + data.len());
    let write = |w: &mut SliceWriter<'_>| {
        write(w);
        counted.wrote(w.written(), CallHeader::SIZE);
    };
    // SAFETY: the caller's promise.
    unsafe { record(session, (opcode, reach), target, (None, flags), size, data, write) }?;
    if session.synchronous {
        synchronise(target, opcode)
    } else {
        Ok(())
    }
}

/// Writes a record with its header and posts it; `slot`: where its answer goes, if it gets one.
///
/// # Safety
/// As [`posted_lending`], of `data`.
#[inline]
unsafe fn record(
    session: &'static Session,
    (opcode, reach): (u32, Reach),
    target: Target,
    (slot, flags): (Option<&mut SlotGuard<'static>>, u16),
    size: usize,
    data: &[u8],
    write: impl FnOnce(&mut SliceWriter<'_>),
) -> Result<Position, CudaError> {
    let lane = &session.lanes[target.lane as usize];
    let is_alone = session.lanes.len() == 1;
    if !is_alone {
        follow(session, target.lane, reach)?;
    }
    let mut space = lane
        .reserve(opcode, CallHeader::SIZE + size + data.len(), SPACE_TIMEOUT)
        .map_err(|error| lost(target.lane, &error))?;
    // SAFETY: the reservation gives `payload_len` writable bytes that only this thread writes until the commit.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(space.payload_ptr(), CallHeader::SIZE + size) };
    let mut writer = SliceWriter::new(bytes);
    CallHeader {
        ctx: target.context,
        reply_slot: slot.as_ref().map_or(CallHeader::NO_REPLY, |slot| slot.index()),
        flags,
        sequence: 0,
    }
    .write(&mut writer);
    write(&mut writer);
    if writer.overflowed() || writer.len() != CallHeader::SIZE + size {
        // An argument changed while it was read, or a row's size is wrong; nothing was posted.
        return Err(CudaError::INVALID_VALUE);
    }
    if !data.is_empty() {
        // SAFETY: the caller's promise.
        unsafe { space.lend(CallHeader::SIZE + size, data.as_ptr(), data.len()) };
    }
    let position = match slot {
        Some(slot) => space.commit_call(slot),
        None => space.commit(),
    };
    completion::posted(target, position);
    if !is_alone {
        session.order.committed(target.lane, reach, position);
    }
    Ok(position)
}

/// Before a record of a lane: it will be executed in the program's order. Not part of its callers, which most programs need it not for.
#[inline(never)]
fn follow(session: &Session, lane: u32, reach: Reach) -> Result<(), CudaError> {
    session.order.before(lane, reach, |other, position| fence(session, lane, other, position))
}

/// Lets a lane wait until another one of its server has come so far; the end of the record that says so.
#[cold]
fn fence(session: &Session, lane: u32, other: u32, position: Position) -> Result<Position, CudaError> {
    let mut space = session.lanes[lane as usize]
        .reserve(
            TAG_AFTER,
            CallHeader::SIZE + 16,
            SPACE_TIMEOUT,
        )
        .map_err(|error| lost(lane, &error))?;
    // SAFETY: as in `record`.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(space.payload_ptr(), CallHeader::SIZE + 16) };
    let mut writer = SliceWriter::new(bytes);
    CallHeader {
        ctx: 0,
        reply_slot: CallHeader::NO_REPLY,
        flags: 0,
        sequence: 0,
    }
    .write(&mut writer);
    writer.u64(u64::from(session.number_there(other)));
    writer.u64(position);
    let end = space.commit();
    // What is waited for must be on its way.
    session.lanes[other as usize]
        .flush()
        .map_err(|error| lost(lane, &error))?;
    Ok(end)
}

/// Whether data can be sent from where it is, at this moment.
pub fn lends(target: Target) -> bool {
    session().is_ok_and(|session| session.lanes[target.lane as usize].lends())
}

/// While it is there, what is posted in its lane may be lent; afterwards nothing of it is read where it was any more.
pub struct Loan {
    lane: &'static ClientLane,
    from: Position,
}

impl Loan {
    /// None where the link cannot send from where data is.
    pub fn begin(target: Target) -> Option<Loan> {
        let lane = &session().ok()?.lanes[target.lane as usize];
        lane.lends().then(|| Loan { lane, from: lane.reserved() })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.lane.take_back(self.from, self.lane.reserved());
    }
}

/// Memory that was lent is about to be freed or unregistered: it is not read any more when this returns.
pub fn take_back(base: u64, bytes: u64) {
    // Without a session there is nobody to lend to.
    if let Ok(session) = session() {
        for lane in session.lanes.iter().filter(|lane| lane.lends()) {
            lane.take_back_memory(base as usize, bytes as usize);
        }
    }
}

/// Posts the rest of what was committed, so that the server works while the program does something else.
pub fn flush(target: Target) -> Result<(), CudaError> {
    session()?.lanes[target.lane as usize]
        .flush()
        .map_err(|error| lost(target.lane, &error))
}

/// Writes a record, waits for its answer and lets `read` take it. `size` is what `write` writes, in bytes.
///
/// # Errors
/// The call's own result; the result of an earlier posted call of the context, which one line on standard error then
/// names; `CUDA_ERROR_SYSTEM_NOT_READY` when the link is lost.
pub fn called<T>(
    opcode: u32,
    target: Target,
    size: usize,
    write: impl FnMut(&mut SliceWriter<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, CudaError> {
    called_with(0, opcode, target, size, write, read)
}

/// Makes a call without arguments for the sake of another one, as which it counts.
pub(crate) fn called_for(caller: u32, opcode: u32, target: Target) -> Result<(), CudaError> {
    // SAFETY: nothing is lent.
    unsafe { answered(caller, (0, opcode), target, 0, &[], |_| (), |_| Ok(())) }
}

/// As [`called`], with flags in the record's header.
pub(crate) fn called_with<T>(
    flags: u16,
    opcode: u32,
    target: Target,
    size: usize,
    write: impl FnMut(&mut SliceWriter<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, CudaError> {
    // SAFETY: nothing is lent.
    unsafe { called_lending(flags, opcode, target, size, &[], write, read) }
}

/// As [`called_with`], and `data` as for [`posted_lending`].
///
/// # Safety
/// As [`posted_lending`].
pub unsafe fn called_lending<T>(
    flags: u16,
    opcode: u32,
    target: Target,
    size: usize,
    data: &[u8],
    write: impl FnMut(&mut SliceWriter<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, CudaError> {
    // SAFETY: the caller's promise.
    unsafe { answered(opcode, (flags, opcode), target, size, data, write, read) }
}

/// The answer to a call, which counts as `caller`. Where there is not enough memory, what is kept here of the device's memory is given back
/// first, and the call is made again.
///
/// # Safety
/// As [`posted_lending`], of `data`.
unsafe fn answered<T>(
    caller: u32,
    (flags, opcode): (u16, u32),
    target: Target,
    size: usize,
    data: &[u8],
    mut write: impl FnMut(&mut SliceWriter<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, CudaError> {
    let answer = memory_ranges::with_room(target, || {
        // SAFETY: the caller's promise; a call that is made again has been answered before.
        unsafe { answer_to(caller, (flags, opcode), target, size, data, &mut write) }
    })??;
    read(&mut Reader::new(answer.bytes())).map_err(|malformed| {
        say::say(format_args!("{}: the server's answer is malformed: {malformed}", name(opcode)));
        CudaError::UNKNOWN
    })
}

/// What came back from a call that succeeded.
struct Answer {
    inline: [u8; REPLY_INLINE_MAX],
    length: usize,
    long: Option<Vec<u8>>,
}

impl Answer {
    fn bytes(&self) -> &[u8] {
        self.long.as_deref().unwrap_or(&self.inline[..self.length])
    }
}

/// Makes a call once. The inner error is an earlier call's, which says nothing of this one.
///
/// # Safety
/// As [`posted_lending`], of `data`.
unsafe fn answer_to(
    caller: u32,
    (flags, opcode): (u16, u32),
    target: Target,
    size: usize,
    data: &[u8],
    write: impl FnOnce(&mut SliceWriter<'_>),
) -> Result<Result<Answer, CudaError>, CudaError> {
    let session = session()?;
    if let Some(fault) = contexts::fault(target.context) {
        return Err(fault);
    }
    let mut counted = stats::count(caller, true, CallHeader::SIZE + size + data.len());
    let write = |w: &mut SliceWriter<'_>| {
        write(w);
        counted.wrote(w.written(), CallHeader::SIZE);
    };
    let lane = &session.lanes[target.lane as usize];
    let mut slot = lane
        .acquire_slot(SPACE_TIMEOUT)
        .map_err(|error| lost(target.lane, &error))?;
    // SAFETY: the caller's promise.
    let position = unsafe { record(session, (opcode, Reach::of(opcode)), target, (Some(&mut slot), flags), size, data, write) }?;
    let mut inline = [0u8; REPLY_INLINE_MAX];
    let head = loop {
        match slot.wait(position, ANSWER_LOOK, &mut inline) {
            Ok(head) => break head,
            Err(LinkError::Timeout { .. }) => {}
            Err(error) => return Err(lost(target.lane, &error)),
        }
    };
    let status = Status(head.status);
    let long = if status.is_long() {
        notices::take_long_reply(target.lane, position)
    } else {
        None
    };
    if let Some(code) = CudaError::from_code(status.result()) {
        contexts::note(target.context, code);
        if status.kept_opcode() != 0 {
            tell_kept(status.kept_opcode(), caller, code);
            return Ok(Err(code));
        }
        return Err(code);
    }
    Ok(Ok(Answer { inline, length: head.len, long }))
}

/// Waits until everything posted in the context is done, on the device too, and reports what failed; for `RINGWAY_SYNC=1`.
fn synchronise(target: Target, opcode: u32) -> Result<(), CudaError> {
    let session = session()?;
    let lane: &ClientLane = &session.lanes[target.lane as usize];
    let mut slot = lane
        .acquire_slot(SPACE_TIMEOUT)
        .map_err(|error| lost(target.lane, &error))?;
    // SAFETY: nothing is lent.
    let position = unsafe { record(session, (TAG_PING, Reach::Server), target, (Some(&mut slot), FLAG_SETTLE), 0, &[], |_| ()) }?;
    let mut inline = [0u8; REPLY_INLINE_MAX];
    let head = loop {
        match slot.wait(position, ANSWER_LOOK, &mut inline) {
            Ok(head) => break head,
            Err(LinkError::Timeout { .. }) => {}
            Err(error) => return Err(lost(target.lane, &error)),
        }
    };
    let status = Status(head.status);
    match CudaError::from_code(status.result()) {
        None => Ok(()),
        Some(code) => {
            contexts::note(target.context, code);
            tell_kept(status.kept_opcode(), opcode, code);
            Err(code)
        }
    }
}

/// CUDA's name of a call.
pub fn name(opcode: u32) -> &'static str {
    TABLE
        .iter()
        .find(|row| row.opcode == opcode)
        .map_or("a call", |row| row.name)
}

#[cold]
fn tell_kept(failed: u32, reporting: u32, code: CudaError) {
    say::say(format_args!(
        "{} failed with {} ({}); reported by {}",
        name(failed),
        code.code(),
        result_name(code.code()).unwrap_or("unknown result"),
        name(reporting)
    ));
}
