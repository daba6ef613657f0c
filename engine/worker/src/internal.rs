//! Records that are no CUDA function: blobs, host functions, the ping, bytes in place of a transfer, pinned ranges, gates, paths.

use crate::cx::{Cx, Failure, Outcome};
use ringway_api::{CudaError, Kind, op};
use ringway_wire::call::{
    COPY_PIECE_BYTES, FLAG_SETTLE, NOTICE_DATA, NOTICE_DATA_END, Status, TAG_BLOB, TAG_FETCH_BLOB,
    TAG_AFTER, TAG_GATE, TAG_HOST_FUNCTION_DONE, TAG_KEEP_ERROR, TAG_OPEN_GATE, TAG_PATH_ANNOUNCE, TAG_PATH_COPY, TAG_PATH_END, TAG_PATH_READY, TAG_PIN, TAG_PING,
    TAG_TRANSFER_DATA, TAG_WATCH,
};
use ringway_wire::codec::{CallHeader, Malformed, Reader};
use std::time::Duration;

/// Whether a record's payload is data behind a short head.
pub fn is_bulk(opcode: u32) -> bool {
    opcode == TAG_BLOB || opcode == TAG_TRANSFER_DATA || opcode == op::CU_MEMCPY_HTOD || opcode == op::CU_MEMCPY_HTOD_ASYNC
}

/// Executes one.
pub fn dispatch(cx: &mut Cx<'_>, tag: u32, r: &mut Reader<'_>) -> Outcome {
    match tag {
        TAG_BLOB => blob(cx, r).into(),
        TAG_HOST_FUNCTION_DONE => host_function_done(cx, r).into(),
        TAG_PING if cx.header.flags & FLAG_SETTLE != 0 && cx.header.ctx != 0 && !cx.session.capturing() => {
            crate::handlers::context::cuCtxSynchronize(cx, r)
        }
        TAG_PING => {
            cx.reply_to().send_synchronised(cx.session, Ok(()), &[]);
            Outcome::Later
        }
        TAG_FETCH_BLOB => fetch(cx, r).into(),
        TAG_AFTER => after(cx, r).into(),
        TAG_TRANSFER_DATA => crate::transfers::data(cx, r).into(),
        TAG_WATCH => watch(cx, r).into(),
        TAG_PIN => crate::pinned::pin(cx, r).into(),
        TAG_GATE => crate::gates::close(cx, r).into(),
        TAG_OPEN_GATE => crate::gates::open(cx, r).into(),
        TAG_KEEP_ERROR => keep_error(cx, r).into(),
        TAG_PATH_READY => crate::paths::ready(cx, r).into(),
        TAG_PATH_ANNOUNCE => crate::paths::announce(cx, r).into(),
        TAG_PATH_COPY => crate::paths::copy(cx, r).into(),
        TAG_PATH_END => crate::paths::end(cx, r).into(),
        unknown => Outcome::Malformed(Malformed::Opcode(unknown)),
    }
}

fn blob(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let hash = r.array::<32>()?;
    let total = r.u64()?;
    let offset = r.u64()?;
    let head = CallHeader::SIZE + 32 + 16;
    let piece = cx
        .payload
        .from_offset(head)
        .map(|piece| piece.to_vec())
        .unwrap_or_default();
    cx.session
        .blob_piece(hash, total, offset, &piece)
        .map_err(|why| {
            tracing::warn!("refused: {why}");
            Malformed::Value(total).into()
        })
}

fn host_function_done(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    cx.session.host_function_returned(r.u64()?);
    Ok(r.end()?)
}

fn keep_error(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let (opcode, result) = (r.u32()?, r.u32()?);
    r.end()?;
    if let Some(code) = CudaError::from_code(result) {
        cx.session.keep(cx.header.ctx, code, opcode);
    }
    Ok(())
}

fn watch(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let (event, ticket) = (r.u64()?, r.u64()?);
    r.end()?;
    let raw = cx.handle(Kind::Event, event)?;
    Ok(cx.watch(event, raw, ticket)?)
}

/// Looks at another lane's progress before a short sleep between looks.
const LOOKS: u32 = 2000;

/// Program order across lanes: this lane goes on when the other has come so far. Positions were given in one order over
/// all lanes, so lanes never wait for each other in a circle; a client that makes such a circle stops its own session only,
/// until it goes.
fn after(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<(), Failure> {
    let (lane, position) = (r.u64()?, r.u64()?);
    r.end()?;
    let mut looks = 0;
    loop {
        match cx.session.has_executed(lane, position) {
            None => return Err(Malformed::Value(lane).into()),
            Some(true) => return Ok(()),
            Some(false) if cx.session.is_over() => return Ok(()),
            Some(false) if looks < LOOKS => {
                looks += 1;
                std::hint::spin_loop();
            }
            Some(false) => std::thread::sleep(Duration::from_micros(20)),
        }
    }
}

fn fetch(cx: &mut Cx<'_>, r: &mut Reader<'_>) -> Result<Outcome, Failure> {
    let hash = r.array::<32>()?;
    let download = r.u64()?;
    r.end()?;
    let blob = cx.session.blob(&hash).ok_or(CudaError::INVALID_VALUE)?;
    cx.offload(move |session, reply| {
        let patience = Duration::from_secs(60);
        for (index, piece) in blob.chunks(COPY_PIECE_BYTES).enumerate() {
            let offset = (index * COPY_PIECE_BYTES) as u64;
            if reply
                .lane()
                .notice(
                    NOTICE_DATA,
                    &[&download.to_le_bytes(), &offset.to_le_bytes(), piece],
                    patience,
                )
                .is_err()
            {
                return;
            }
        }
        let _ = reply.lane().notice(
            NOTICE_DATA_END,
            &[&download.to_le_bytes(), &0u32.to_le_bytes()],
            patience,
        );
        reply.send(session, Status::of(0), &[]);
    })
}
