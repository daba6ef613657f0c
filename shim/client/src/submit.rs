//! The two ways of a call: posted (written to the ring; the call returns) and called (waits for its answer).

use crate::completion;
use crate::contexts::{self, Target};
use crate::say;
use crate::session::{Session, lost, session};
use crate::{notices, stats};
use ringway_api::{CudaError, TABLE, result_name};
use ringway_link::{ClientLane, LinkError, Position};
use ringway_wire::call::{FLAG_SETTLE, Status, TAG_PING};
use ringway_wire::codec::{CallHeader, Malformed, Reader, SliceWriter, Writer as _};
use ringway_wire::layout::REPLY_INLINE_MAX;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a call waits for ring space: the GPU thread takes records all the time, so a ring that stays full this long
/// is a worker that hangs.
const SPACE_TIMEOUT: Duration = Duration::from_secs(120);
/// A wait for an answer looks this often whether the link is up; kernels may run for as long as they like.
const ANSWER_LOOK: Duration = Duration::from_secs(10);

/// The order of records over several lanes: lane of the last record in the upper 8 bits, its end position below. A record
/// that follows one on another lane is preceded by a fence (`TAG_AFTER`).
static LAST: AtomicU64 = AtomicU64::new(0);

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
    let session = session()?;
    if let Some(fault) = contexts::fault(target.context) {
        return Err(fault);
    }
    let mut counted = stats::count(opcode, session.synchronous, CallHeader::SIZE + size);
    let write = |w: &mut SliceWriter<'_>| {
        write(w);
        counted.wrote(w.written(), CallHeader::SIZE);
    };
    record(session, opcode, target, (CallHeader::NO_REPLY, flags), size, write)?;
    if session.synchronous {
        synchronise(target, opcode)
    } else {
        Ok(())
    }
}

/// Writes a record with its header and posts it.
#[inline]
fn record(
    session: &Session,
    opcode: u32,
    target: Target,
    (reply_slot, flags): (u16, u16),
    size: usize,
    write: impl FnOnce(&mut SliceWriter<'_>),
) -> Result<Position, CudaError> {
    let lane = &session.lanes[target.lane as usize];
    if session.lanes.len() > 1 {
        fence(session, target.lane)?;
    }
    let mut space = lane
        .reserve(opcode, CallHeader::SIZE + size, SPACE_TIMEOUT)
        .map_err(|error| lost(&error))?;
    // SAFETY: the reservation gives `payload_len` writable bytes that only this thread writes until the commit.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(space.payload_ptr(), CallHeader::SIZE + size) };
    let mut writer = SliceWriter::new(bytes);
    CallHeader {
        ctx: target.context,
        reply_slot,
        flags,
        sequence: 0,
    }
    .write(&mut writer);
    write(&mut writer);
    if writer.overflowed() || writer.len() != CallHeader::SIZE + size {
        // An argument changed while it was read, or a row's size is wrong; nothing was posted.
        return Err(CudaError::INVALID_VALUE);
    }
    let position = space.commit();
    completion::posted(target, position);
    if session.lanes.len() > 1 {
        LAST.store(
            u64::from(target.lane) << 56 | position & (u64::MAX >> 8),
            Ordering::Release,
        );
    }
    Ok(position)
}

/// Keeps program order across lanes: before a record that follows one on another lane goes a record that lets this
/// lane wait until the other has come so far.
#[cold]
fn fence(session: &Session, lane: u32) -> Result<(), CudaError> {
    let last = LAST.load(Ordering::Acquire);
    let (other, position) = (last >> 56, last & (u64::MAX >> 8));
    if other == u64::from(lane) || position == 0 {
        return Ok(());
    }
    let mut space = session.lanes[lane as usize]
        .reserve(
            ringway_wire::call::TAG_AFTER,
            CallHeader::SIZE + 16,
            SPACE_TIMEOUT,
        )
        .map_err(|error| lost(&error))?;
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
    writer.u64(other);
    writer.u64(position);
    space.commit();
    // What is waited for must be on its way.
    session.lanes[other as usize]
        .flush()
        .map_err(|error| lost(&error))
}

/// Posts the rest of what was committed, so that the server works while the program does something else.
pub fn flush(target: Target) -> Result<(), CudaError> {
    session()?.lanes[target.lane as usize]
        .flush()
        .map_err(|error| lost(&error))
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
    write: impl FnOnce(&mut SliceWriter<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, CudaError> {
    called_with(0, opcode, target, size, write, read)
}

/// As [`called`], with flags in the record's header.
pub(crate) fn called_with<T>(
    flags: u16,
    opcode: u32,
    target: Target,
    size: usize,
    write: impl FnOnce(&mut SliceWriter<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, CudaError> {
    let session = session()?;
    if let Some(fault) = contexts::fault(target.context) {
        return Err(fault);
    }
    let mut counted = stats::count(opcode, true, CallHeader::SIZE + size);
    let write = |w: &mut SliceWriter<'_>| {
        write(w);
        counted.wrote(w.written(), CallHeader::SIZE);
    };
    let lane = &session.lanes[target.lane as usize];
    let mut slot = lane
        .acquire_slot(SPACE_TIMEOUT)
        .map_err(|error| lost(&error))?;
    let position = record(session, opcode, target, (slot.index(), flags), size, write)?;
    let mut inline = [0u8; REPLY_INLINE_MAX];
    let head = loop {
        match slot.wait(position, ANSWER_LOOK, &mut inline) {
            Ok(head) => break head,
            Err(LinkError::Timeout { .. }) => {}
            Err(error) => return Err(lost(&error)),
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
            tell_kept(status.kept_opcode(), opcode, code);
        }
        return Err(code);
    }
    let bytes = long.as_deref().unwrap_or(&inline[..head.len]);
    read(&mut Reader::new(bytes)).map_err(|malformed| {
        say::say(format_args!(
            "{}: the server's answer is malformed: {malformed}",
            name(opcode)
        ));
        CudaError::UNKNOWN
    })
}

/// Waits until everything posted in the context is done, on the device too, and reports what failed; for `RINGWAY_SYNC=1`.
fn synchronise(target: Target, opcode: u32) -> Result<(), CudaError> {
    let session = session()?;
    let lane: &ClientLane = &session.lanes[target.lane as usize];
    let mut slot = lane
        .acquire_slot(SPACE_TIMEOUT)
        .map_err(|error| lost(&error))?;
    let position = record(session, TAG_PING, target, (slot.index(), FLAG_SETTLE), 0, |_| ())?;
    let mut inline = [0u8; REPLY_INLINE_MAX];
    let head = loop {
        match slot.wait(position, ANSWER_LOOK, &mut inline) {
            Ok(head) => break head,
            Err(LinkError::Timeout { .. }) => {}
            Err(error) => return Err(lost(&error)),
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
