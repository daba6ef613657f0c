//! The other end of `ringway netperf`: a lane that carries no CUDA calls.

use crate::WorkerError;
use crate::orders::{Line, establish_lane, random_key};
use ringway_link::{LinkError, ServerHandle, ServerLane, SpinPolicy};
use ringway_wire::control::Reply;
use ringway_wire::measure::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of one notice.
const NOTICE_BYTES: usize = 256 << 10;
/// Sendings that a client may have under way.
const SENDINGS_MAX: usize = 4;
/// Bound of the wait for space of a notice.
const SPACE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves one measurement over the client's connection; ends when the client is gone or its time is over.
///
/// # Errors
/// [`WorkerError`] when no lane could be made.
pub fn serve(line: Line) -> Result<(), WorkerError> {
    let ring_key = random_key()?;
    let lane = establish_lane(line, &Reply::Measuring { ring_key }, ring_key, None)?;
    if let Err(error) = answer(lane) {
        tracing::debug!("measurement ended: {error}");
    }
    Ok(())
}

/// Spins as it has learnt after the last record, then parks, as a GPU thread does.
fn answer(mut lane: ServerLane) -> Result<(), LinkError> {
    let end = Instant::now() + Duration::from_secs(MEASURE_SECONDS_MAX);
    let policy = SpinPolicy::new();
    let sendings = Arc::new(());
    let mut quiet: Option<(Instant, Duration)> = None;
    while Instant::now() < end {
        let Some(record) = lane.poll()? else {
            let (since, budget) = *quiet.get_or_insert_with(|| (Instant::now(), policy.budget()));
            if since.elapsed() >= budget {
                policy.was_in_vain(budget);
                lane.park(Duration::from_secs(1))?;
                quiet = None;
            }
            std::hint::spin_loop();
            continue;
        };
        if let Some((_, budget)) = quiet.take() {
            policy.sufficed(budget);
        }
        let position = record.position_end;
        let (mut slot, mut bytes) = ([0; 2], [0; 8]);
        match record.tag {
            TAG_CALL if record.payload.read_at(0, &mut slot) => {
                lane.reply(u16::from_le_bytes(slot), position, 0, &[0; ANSWER_BYTES])?;
            }
            TAG_SEND if record.payload.read_at(0, &mut slot) && record.payload.read_at(2, &mut bytes) => {
                let bytes = u64::from_le_bytes(bytes).min(SEND_BYTES_MAX);
                let (handle, slot) = (lane.handle().clone(), u16::from_le_bytes(slot));
                let under_way = Arc::clone(&sendings);
                if Arc::strong_count(&under_way) > 1 + SENDINGS_MAX {
                    return Err(LinkError::Misuse("too many sendings at once"));
                }
                // Not on this thread, which keeps the lane moving.
                std::thread::spawn(move || {
                    let _under_way = under_way;
                    if let Err(error) = send(&handle, bytes).and_then(|()| handle.reply(slot, position, 0, &[0; ANSWER_BYTES])) {
                        tracing::debug!("sending: {error}");
                        handle.close();
                    }
                });
            }
            TAG_POST => {}
            _ => return Err(LinkError::Misuse("a record that is none of a measurement")),
        }
        lane.release(position);
    }
    Ok(())
}

fn send(lane: &ServerHandle, bytes: u64) -> Result<(), LinkError> {
    let piece = vec![0x5a; NOTICE_BYTES.min(lane.notice_payload_max())];
    let mut left = bytes;
    while left > 0 {
        let len = left.min(piece.len() as u64);
        lane.notice(TAG_SEND, &[&piece[..len as usize]], SPACE_TIMEOUT)?;
        left -= len;
    }
    Ok(())
}
