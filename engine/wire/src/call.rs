//! What goes with calls besides their table rows: records that are no CUDA function, notices, and the status of a reply.

/// Tags of records that are no CUDA function start here; below are the opcodes of the table.
pub const TAG_INTERNAL: u32 = 0x4000_0000;
/// Client to server: a piece of a blob. `hash [u8; 32]`, `total u64`, `offset u64`, then the bytes.
pub const TAG_BLOB: u32 = TAG_INTERNAL + 1;
/// Client to server: a host function that the server asked for has returned. `id u64`.
pub const TAG_HOST_FUNCTION_DONE: u32 = TAG_INTERNAL + 2;
/// Flag of a ping: answer when the work of its context is done on the device (unless a capture is under way, in which
/// nothing is done yet).
pub const FLAG_SETTLE: u16 = 1;
/// Client to server, waited for: do nothing. For measuring, and to learn that all before has been executed.
pub const TAG_PING: u32 = TAG_INTERNAL + 3;
/// Client to server, waited for: send a blob that the server keeps as notices. `hash [u8; 32]`, `download u64`.
pub const TAG_FETCH_BLOB: u32 = TAG_INTERNAL + 4;
/// Client to server: take no further record of this lane before lane `u64` has executed all before position `u64`.
pub const TAG_AFTER: u32 = TAG_INTERNAL + 5;

/// Server to client: bytes of a download. `download u64`, `offset u64`, then the bytes.
pub const NOTICE_DATA: u32 = 1;
/// Server to client: a download has ended. `download u64`, `result u32`.
pub const NOTICE_DATA_END: u32 = 2;
/// Server to client: bytes that kernels printed.
pub const NOTICE_OUTPUT: u32 = 3;
/// Server to client: run a host function now, and say when it has returned. `id u64`, `stream status u32`.
pub const NOTICE_HOST_FUNCTION: u32 = 4;
/// Server to client: an answer that is too long for a reply slot. `position u64`, then the bytes.
pub const NOTICE_LONG_REPLY: u32 = 5;

/// A blob (a module image) is at most this long.
pub const BLOB_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a blob in one record at the most.
pub const BLOB_PIECE_BYTES: usize = 256 * 1024;
/// Bytes of a copy in one record at the most; a larger copy is several records.
pub const COPY_PIECE_BYTES: usize = 256 * 1024;

/// Status of a reply: bits 0 to 15 the CUresult; bits 16 to 30 the opcode of the posted call that failed, where the result
/// is a kept one; bit 31: the answer came as [`NOTICE_LONG_REPLY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    const LONG: u32 = 1 << 31;

    /// Result of the call itself.
    pub const fn of(result: u32) -> Self {
        Self(result & 0xffff)
    }

    /// Kept result of an earlier, posted call.
    pub const fn kept(result: u32, opcode: u32) -> Self {
        Self(result & 0xffff | (opcode & 0x7fff) << 16)
    }

    /// The same, with its answer sent as a notice.
    pub const fn long(self) -> Self {
        Self(self.0 | Self::LONG)
    }

    /// The CUresult.
    pub const fn result(self) -> u32 {
        self.0 & 0xffff
    }

    /// The posted call that failed; 0 where the result is the call's own.
    pub const fn kept_opcode(self) -> u32 {
        self.0 >> 16 & 0x7fff
    }

    /// The answer came as a notice.
    pub const fn is_long(self) -> bool {
        self.0 & Self::LONG != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_parts() {
        let status = Status::kept(700, 321).long();
        assert_eq!(
            (status.result(), status.kept_opcode(), status.is_long()),
            (700, 321, true)
        );
        let own = Status::of(2);
        assert_eq!(
            (own.result(), own.kept_opcode(), own.is_long()),
            (2, 0, false)
        );
    }
}
