//! Records of a lane that only measures its link (`ringway netperf`).

/// Takes any bytes, answers nothing.
pub const TAG_POST: u32 = 1;
/// Reply slot (u16), then any bytes: answered with [`ANSWER_BYTES`] zero bytes.
pub const TAG_CALL: u32 = 2;
/// Reply slot (u16), then a count of bytes (u64, at most [`SEND_BYTES_MAX`]): sent as notices, then answered as a call.
pub const TAG_SEND: u32 = 3;

/// Bytes of an answer.
pub const ANSWER_BYTES: usize = 16;
/// Bytes that one [`TAG_SEND`] may ask for.
pub const SEND_BYTES_MAX: u64 = 1 << 30;
/// Longest measurement, seconds; the server then ends it.
pub const MEASURE_SECONDS_MAX: u64 = 300;
