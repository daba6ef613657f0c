//! Stream capture. No stream can begin a capture yet, so nothing is ever added to one.

use super::event::Event;
use super::op::Op;
use super::result::R;
use super::stream::Stream;
use std::sync::Arc;

/// A stream's part in a capture.
pub struct StreamCapture {}

/// An event recorded in a capture.
#[derive(Clone)]
pub struct CapturedEvent {}

/// Whether the stream is captured.
pub fn capturing(_stream: &Arc<Stream>) -> bool {
    false
}
/// Adds an operation if the stream is captured.
pub fn add(_stream: &Arc<Stream>, _op: &Op) -> R<bool> {
    Ok(false)
}
/// Fails for calls that a capture forbids.
pub fn forbid_sync(_stream: &Arc<Stream>) -> R {
    Ok(())
}
/// Fails for calls that a capture of this thread forbids.
pub fn forbid_unsafe() -> R {
    Ok(())
}
/// Notes stream-ordered memory of a capture.
pub fn note_alloc(_stream: &Arc<Stream>, _start: u64, _len: u64) -> R {
    Ok(())
}
/// Records an event in a capture.
pub fn record_event(_stream: &Arc<Stream>, _event: &Arc<Event>, _external: bool) -> R<bool> {
    Ok(false)
}
/// Waits for an event in a capture.
pub fn wait_event(_stream: &Arc<Stream>, _event: &Arc<Event>, _external: bool) -> R<bool> {
    Ok(false)
}
