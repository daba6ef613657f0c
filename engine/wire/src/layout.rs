//! The two windows of a lane: what lies where, and how large it is.
//!
//! A lane is one link connection. Each end owns one window that only the *other* end writes:
//! the server's window holds the submission ring, the client's window holds the completion board,
//! the reply slots and the notice ring. WIRE.md numbers the rules (W1, W2, ...); the constants
//! here are those rules as code.

/// Records, headers and control words are aligned to this; one cache line. Rule W1.
pub const LINE: usize = 64;

/// Bytes of the header in front of each ring record: commit word, length, tag. Rule W3.
pub const RECORD_HEADER: usize = 16;

/// Offset of the commit word (u64) in a record header.
pub const RECORD_COMMIT: usize = 0;

/// Offset of the word that holds length (low 32 bits) and tag (high 32 bits).
pub const RECORD_LEN_TAG: usize = 8;

/// Tag of a record without meaning: the rest of the ring before a wrap, or an abandoned reservation. Rule W5.
pub const TAG_PAD: u32 = 0xffff_ffff;

/// A record, header included, is at most this fraction of its ring. Rule W6.
pub const RING_TO_RECORD: usize = 4;

/// Smallest ring, in bytes.
pub const RING_BYTES_MIN: usize = 4096;

/// Largest ring, in bytes.
pub const RING_BYTES_MAX: usize = 1 << 30;

/// Ring sizes unless the session asks for others.
pub const RING_BYTES_DEFAULT: usize = 4 << 20;

/// Reply slots of a lane. One bit each in the word of parked waiters.
pub const REPLY_SLOTS: usize = 64;

/// `reply_slot` of a call that wants no answer.
pub const REPLY_SLOT_NONE: u16 = 0xffff;

/// Bytes of one reply slot: a header of one line and the inline answer.
pub const REPLY_SLOT_BYTES: usize = 512;

/// Bytes of a reply slot's header.
pub const REPLY_HEADER: usize = 64;

/// Longest answer in a reply slot; longer ones go through the notice ring. Rule W9.
pub const REPLY_INLINE_MAX: usize = REPLY_SLOT_BYTES - REPLY_HEADER;

/// In a reply slot: u64, the end position of the call that is answered; written last. Its low half is a futex word.
pub const REPLY_POSITION: usize = 0;
/// In a reply slot: u32 status in the low half, u32 length of the answer in the high half.
pub const REPLY_STATUS_LEN: usize = 8;
/// In a reply slot: u64, notices before this position belong before this reply.
pub const REPLY_NOTICE_POSITION: usize = 16;
/// In a reply slot: u64, the same position, where it is written by a queue pair: the client's own end copies it to
/// [`REPLY_POSITION`] when it knows that the whole answer is there. Rule W21.
pub const REPLY_LANDED: usize = 24;
/// In a reply slot: three u64, what [`BOARD_RELEASED`], [`BOARD_CONSUMED`] and [`BOARD_EXECUTED`] are to be at least, where it
/// is written by a queue pair: one write then carries an answer and the positions. Rule W21.
pub const REPLY_POSITIONS: usize = 32;

/// Words with a meaning given by the session (memory in use and the like), one u64 each.
pub const BOARD_WORDS: usize = 64;

/// Entries of the error log; entry `n % ERROR_LOG_ENTRIES` holds the n-th error.
pub const ERROR_LOG_ENTRIES: usize = 32;

/// Bytes of an error log entry: position u64, opcode u32, result u32.
pub const ERROR_LOG_ENTRY_BYTES: usize = 16;

// The client's window, written by the server.

/// u64: ring positions before this may be written again. Low half is a futex word.
pub const BOARD_RELEASED: usize = 0;
/// u64: the server has read every record before this position.
pub const BOARD_CONSUMED: usize = 8;
/// u64: every record before this position has been executed.
pub const BOARD_EXECUTED: usize = 64;
/// u64: the sticky CUresult, 0 while none.
pub const BOARD_STICKY: usize = 128;
/// u64: how many errors were ever logged.
pub const BOARD_ERRORS: usize = 136;
/// u32: odd while the server sleeps and wants a doorbell after a commit; each sleep has its own number, so that one
/// sleep is rung for once.
pub const BOARD_SERVER_PARKED: usize = 192;
/// u32: 1 while the server lacks notice ring space and wants a doorbell when some is released.
pub const BOARD_NOTICE_WANTED: usize = 196;
/// u64: how many receives the server has put back since the lane began, where a queue pair carries it. Rule W22.
pub const BOARD_PUT_BACK: usize = 200;
/// The words of the session.
pub const BOARD_WORDS_AT: usize = 256;
/// The error log.
pub const ERROR_LOG_AT: usize = BOARD_WORDS_AT + BOARD_WORDS * 8;
/// End of what a board update may cover.
pub const BOARD_END: usize = ERROR_LOG_AT + ERROR_LOG_ENTRIES * ERROR_LOG_ENTRY_BYTES;
/// The reply slots.
pub const REPLY_SLOTS_AT: usize = 4096;
/// The notice ring.
pub const NOTICE_RING_AT: usize = REPLY_SLOTS_AT + REPLY_SLOTS * REPLY_SLOT_BYTES;

// The server's window, written by the client.

/// u64: notice ring positions before this may be written again. Low half is a futex word.
pub const CONTROL_NOTICE_RELEASED: usize = 0;
/// u64: bit `i` is set while the waiter of reply slot `i` sleeps on the slot's futex word.
pub const CONTROL_PARKED_SLOTS: usize = 64;
/// u64: who sleeps on the connection, in the low half: 0 nobody, 1 + slot a waiter, [`LEADER_SERVICE`] the service
/// thread; in the high half a number of its own for each sleep.
pub const CONTROL_LEADER: usize = 128;
/// u32: number of the client's threads that sleep until ring space is released.
pub const CONTROL_SPACE_WANTED: usize = 192;
/// u64: how many receives the client has put back since the lane began, where a queue pair carries it. Rule W22.
pub const CONTROL_PUT_BACK: usize = 200;
/// End of the control words.
pub const CONTROL_END: usize = 256;
/// The submission ring.
pub const SUBMIT_RING_AT: usize = 4096;

/// Value of [`CONTROL_LEADER`] for the client's service thread.
pub const LEADER_SERVICE: u32 = 0xffff;
/// Value of [`CONTROL_LEADER`] for a thread of the client that wants ring space.
pub const LEADER_PRODUCER: u32 = 0xfffe;

const _: () = {
    assert!(LINE.is_power_of_two() && RECORD_HEADER <= LINE && LINE.is_multiple_of(RECORD_HEADER));
    assert!(RECORD_LEN_TAG + 8 == RECORD_HEADER);
    assert!(RING_BYTES_MIN.is_power_of_two() && RING_BYTES_MIN / RING_TO_RECORD >= LINE * 4);
    assert!(RING_BYTES_DEFAULT.is_power_of_two() && RING_BYTES_DEFAULT <= RING_BYTES_MAX);
    assert!(REPLY_SLOTS <= 64, "one bit each in a u64");
    assert!(REPLY_SLOTS < REPLY_SLOT_NONE as usize && REPLY_SLOTS < LEADER_PRODUCER as usize);
    assert!(REPLY_SLOT_BYTES.is_multiple_of(LINE) && REPLY_NOTICE_POSITION + 8 <= REPLY_LANDED && REPLY_LANDED + 8 <= REPLY_POSITIONS);
    assert!(REPLY_POSITIONS + 3 * 8 <= REPLY_HEADER);
    assert!(
        BOARD_RELEASED / LINE != BOARD_EXECUTED / LINE
            && BOARD_EXECUTED / LINE != BOARD_STICKY / LINE
    );
    assert!(
        BOARD_SERVER_PARKED / LINE != BOARD_EXECUTED / LINE
            && BOARD_NOTICE_WANTED + 4 <= BOARD_WORDS_AT
    );
    assert!(BOARD_END <= REPLY_SLOTS_AT && BOARD_END.is_multiple_of(8));
    assert!(REPLY_SLOTS_AT.is_multiple_of(LINE) && NOTICE_RING_AT.is_multiple_of(4096));
    assert!(BOARD_PUT_BACK.is_multiple_of(8) && BOARD_PUT_BACK >= BOARD_NOTICE_WANTED + 4);
    assert!(CONTROL_PUT_BACK.is_multiple_of(8) && CONTROL_PUT_BACK >= CONTROL_SPACE_WANTED + 4);
    assert!(CONTROL_PUT_BACK + 8 <= CONTROL_END && CONTROL_END <= SUBMIT_RING_AT);
    assert!(SUBMIT_RING_AT.is_multiple_of(4096));
};

/// Sizes of a lane's rings, agreed in the handshake and kept privately by both ends. Rule W2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    ring_bytes: usize,
    notice_bytes: usize,
}

/// A ring size that is not a power of two within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "rule W2: a ring of {0} bytes is not a power of two from {RING_BYTES_MIN} to {RING_BYTES_MAX}"
)]
pub struct BadGeometry(pub u64);

impl Geometry {
    /// Both rings of [`RING_BYTES_DEFAULT`].
    pub const DEFAULT: Geometry = Geometry {
        ring_bytes: RING_BYTES_DEFAULT,
        notice_bytes: RING_BYTES_DEFAULT,
    };

    /// Checks the sizes of submission ring and notice ring, in bytes.
    pub fn new(ring_bytes: u64, notice_bytes: u64) -> Result<Geometry, BadGeometry> {
        let check = |bytes: u64| match usize::try_from(bytes) {
            Ok(n) if n.is_power_of_two() && (RING_BYTES_MIN..=RING_BYTES_MAX).contains(&n) => Ok(n),
            _ => Err(BadGeometry(bytes)),
        };
        Ok(Geometry {
            ring_bytes: check(ring_bytes)?,
            notice_bytes: check(notice_bytes)?,
        })
    }

    /// Bytes of the submission ring.
    pub const fn ring_bytes(&self) -> usize {
        self.ring_bytes
    }

    /// Bytes of the notice ring.
    pub const fn notice_bytes(&self) -> usize {
        self.notice_bytes
    }

    /// Bytes of the window that the client writes and the server owns.
    pub const fn server_window_bytes(&self) -> usize {
        SUBMIT_RING_AT + self.ring_bytes
    }

    /// Bytes of the window that the server writes and the client owns.
    pub const fn client_window_bytes(&self) -> usize {
        NOTICE_RING_AT + self.notice_bytes
    }

    /// Longest payload of a submission record, in bytes.
    pub const fn payload_max(&self) -> usize {
        payload_max(self.ring_bytes)
    }

    /// Longest payload of a notice, in bytes.
    pub const fn notice_payload_max(&self) -> usize {
        payload_max(self.notice_bytes)
    }
}

impl Default for Geometry {
    fn default() -> Geometry {
        Geometry::DEFAULT
    }
}

/// Key of the submission ring's commit words. Rule W4.
pub const fn submit_key(lane_key: u64) -> u64 {
    lane_key | 1
}

/// Key of the notice ring's commit words. Rule W4.
pub const fn notice_key(lane_key: u64) -> u64 {
    (lane_key.rotate_left(32) ^ 0x6e6f_7469_6365_7321) | 1
}

/// Longest payload of a record in a ring of `ring_bytes`. Rule W6.
pub const fn payload_max(ring_bytes: usize) -> usize {
    ring_bytes / RING_TO_RECORD - RECORD_HEADER
}

/// Offset in the client's window of reply slot `index`, which must be below [`REPLY_SLOTS`].
pub const fn reply_slot_at(index: usize) -> usize {
    REPLY_SLOTS_AT + index * REPLY_SLOT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w2_only_powers_of_two_within_limits() {
        assert!(Geometry::new(4096, 1 << 20).is_ok());
        for bad in [0, 1, 4095, 2048, 4097, 3 << 20, 1 << 31, u64::MAX] {
            assert_eq!(Geometry::new(bad, 4096), Err(BadGeometry(bad)));
            assert_eq!(Geometry::new(4096, bad), Err(BadGeometry(bad)));
        }
    }

    #[test]
    fn w6_w9_sizes() {
        assert_eq!(Geometry::DEFAULT.payload_max(), (1 << 20) - 16);
        assert_eq!(REPLY_INLINE_MAX, 448);
        assert_eq!(reply_slot_at(REPLY_SLOTS), NOTICE_RING_AT);
        assert_eq!(NOTICE_RING_AT, 36864);
        assert_eq!(Geometry::DEFAULT.client_window_bytes(), 36864 + (4 << 20));
    }
}
