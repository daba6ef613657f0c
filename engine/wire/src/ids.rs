//! Ids of objects that the client names before the server has made them.
//!
//! An id is `kind << 48 | generation << 32 | index`: never 0, 1 or 2 (which CUDA gives a meaning as stream handles), the
//! same size as the driver's own handles, and with a generation that tells an object from one that had its place before.

use ringway_api::Kind;

/// Number of kinds and one, for tables that are indexed by kind.
pub const KIND_COUNT: usize = Kind::ALL.len() + 1;
/// The largest index: bounds the tables of the server.
pub const INDEX_MAX: u32 = (1 << 20) - 1;
/// Ids that the server makes, for objects that the driver named, have indices from here on.
pub const SERVER_INDEX_MIN: u32 = 1 << 19;

/// Makes an id.
pub const fn pack(kind: Kind, generation: u16, index: u32) -> u64 {
    (kind as u64) << 48 | (generation as u64) << 32 | index as u64
}

/// Number of the kind, generation and index of an id; the kind may be none of [`Kind`].
pub const fn unpack(id: u64) -> (u16, u16, u32) {
    ((id >> 48) as u16, (id >> 32) as u16, id as u32)
}
