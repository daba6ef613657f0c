//! Bulk data to the server: blobs, once per content, in pieces through the ring.

use crate::contexts::Target;
use crate::session::session;
use crate::submit::posted;
use parking_lot::Mutex;
use ringway_api::CudaError;
use ringway_wire::call::{BLOB_BYTES_MAX, BLOB_PIECE_BYTES, TAG_BLOB};
use ringway_wire::codec::Writer as _;
use std::collections::HashSet;

/// By number of the server and content.
static SENT: Mutex<Option<HashSet<(usize, [u8; 32])>>> = Mutex::new(None);

/// Sees to it that the server has `bytes`, and gives their hash.
///
/// # Errors
/// `CUDA_ERROR_INVALID_IMAGE` for nothing or too much; what posting gives.
pub fn blob(target: Target, bytes: &[u8]) -> Result<[u8; 32], CudaError> {
    if bytes.is_empty() || bytes.len() as u64 > BLOB_BYTES_MAX {
        return Err(CudaError::INVALID_IMAGE);
    }
    let hash = *blake3::hash(bytes).as_bytes();
    let server = session()?.server_number(target.lane);
    // Held while the pieces go, so that two threads do not mix theirs.
    let mut sent = SENT.lock();
    if sent.get_or_insert_default().contains(&(server, hash)) {
        return Ok(hash);
    }
    for (index, piece) in bytes.chunks(BLOB_PIECE_BYTES).enumerate() {
        posted(
            TAG_BLOB,
            Target {
                context: 0,
                lane: target.lane,
                stream: 0,
            },
            48 + piece.len(),
            |w| {
                w.put(&hash);
                w.u64(bytes.len() as u64);
                w.u64((index * BLOB_PIECE_BYTES) as u64);
                w.put(piece);
            },
        )?;
    }
    sent.get_or_insert_default().insert((server, hash));
    Ok(hash)
}
