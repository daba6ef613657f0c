//! Frames: how a put travels on a byte stream. Rules W11 to W16 of WIRE.md.
//!
//! A frame is a header of 16 bytes, little-endian, and `len` bytes: kind u8, three zero bytes, len u32, at u64.

use crate::layout::{BOARD_END, REPLY_INLINE_MAX, REPLY_SLOTS};

/// Bytes of a frame's header.
pub const FRAME_HEADER: usize = 16;

/// Ring bytes; `at` is the position of the first one. Both directions. Rule W12.
pub const KIND_RING: u8 = 1;
/// Words of the completion board; `at` is the offset in the client's window. Server to client. Rule W13.
pub const KIND_BOARD: u8 = 2;
/// An answer; `at` is the slot; the bytes are position, status and length, notice position (u64 each), then the
/// answer. Server to client. Rule W14.
pub const KIND_REPLY: u8 = 3;
/// No bytes; `at` is the notice ring position released. Client to server. Rule W15.
pub const KIND_RELEASED: u8 = 4;
/// No bytes, `at` is 0: the sender is about to end, so the end of this connection, however it comes, is meant. Both
/// directions. Rule W16.
pub const KIND_FAREWELL: u8 = 5;

/// Bytes of an answer frame before the answer itself.
pub const REPLY_PREFIX: usize = 24;

/// Longest frame but for those of the ring, header included.
pub const SMALL_FRAME_MAX: usize = {
    let board = FRAME_HEADER + BOARD_END;
    let reply = FRAME_HEADER + REPLY_PREFIX + REPLY_INLINE_MAX;
    if board > reply { board } else { reply }
};

/// Who receives a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// A valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `len` ring bytes from `position` on.
    Ring {
        /// Position of the first byte.
        position: u64,
        /// Bytes that follow.
        len: u32,
    },
    /// `len` bytes of the board at `offset`; both multiples of 8.
    Board {
        /// Offset in the client's window.
        offset: usize,
        /// Bytes that follow.
        len: usize,
    },
    /// An answer for `slot`.
    Reply {
        /// Below [`REPLY_SLOTS`].
        slot: u16,
        /// Bytes that follow, [`REPLY_PREFIX`] and the answer.
        len: usize,
    },
    /// Notice ring space before `position` may be written again.
    Released {
        /// Positions only grow; the receiver checks that.
        position: u64,
    },
    /// The end of the connection will be the end of the lane.
    Farewell,
}

/// The rule that a header breaks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// Its number in WIRE.md.
    pub rule: &'static str,
    /// What was seen.
    pub what: &'static str,
}

impl Frame {
    /// Checks a header that `receiver` got. `ring_bytes` is the size of the ring that it receives.
    pub fn decode(
        header: &[u8; FRAME_HEADER],
        receiver: Receiver,
        ring_bytes: usize,
    ) -> Result<Frame, BadFrame> {
        let bad = |rule, what| Err(BadFrame { rule, what });
        let [kind, zero @ ..] = [header[0], header[1], header[2], header[3]];
        let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let at = u64::from_le_bytes([
            header[8], header[9], header[10], header[11], header[12], header[13], header[14],
            header[15],
        ]);
        if zero != [0; 3] {
            return bad("W11", "reserved bytes of a frame are not zero");
        }
        match (kind, receiver) {
            (KIND_RING, _) => {
                if len == 0 || len as usize > ring_bytes || at.checked_add(len.into()).is_none() {
                    return bad("W12", "ring bytes longer than the ring, or none");
                }
                Ok(Frame::Ring { position: at, len })
            }
            (KIND_BOARD, Receiver::Client) => {
                let end = at.checked_add(len.into());
                if len == 0
                    || !len.is_multiple_of(8)
                    || !at.is_multiple_of(8)
                    || end.is_none_or(|end| end > BOARD_END as u64)
                {
                    return bad("W13", "a board update that is not on the board");
                }
                Ok(Frame::Board {
                    offset: at as usize,
                    len: len as usize,
                })
            }
            (KIND_REPLY, Receiver::Client) => {
                let (least, most) = (REPLY_PREFIX, REPLY_PREFIX + REPLY_INLINE_MAX);
                if at >= REPLY_SLOTS as u64 || !(least..=most).contains(&(len as usize)) {
                    return bad("W14", "an answer for no slot, or too long for one");
                }
                Ok(Frame::Reply {
                    slot: at as u16,
                    len: len as usize,
                })
            }
            (KIND_RELEASED, Receiver::Server) => {
                if len != 0 {
                    return bad("W15", "a release with bytes");
                }
                Ok(Frame::Released { position: at })
            }
            (KIND_FAREWELL, _) => {
                if len != 0 || at != 0 {
                    return bad("W16", "a farewell that says more");
                }
                Ok(Frame::Farewell)
            }
            _ => bad("W11", "a frame of unknown kind, or in the wrong direction"),
        }
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; FRAME_HEADER] {
        let (kind, len, at) = match *self {
            Frame::Ring { position, len } => (KIND_RING, len, position),
            Frame::Board { offset, len } => (KIND_BOARD, len as u32, offset as u64),
            Frame::Reply { slot, len } => (KIND_REPLY, len as u32, slot.into()),
            Frame::Released { position } => (KIND_RELEASED, 0, position),
            Frame::Farewell => (KIND_FAREWELL, 0, 0),
        };
        let mut header = [0; FRAME_HEADER];
        header[0] = kind;
        header[4..8].copy_from_slice(&len.to_le_bytes());
        header[8..].copy_from_slice(&at.to_le_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let frame = Frame::Ring {
            position: 0x1122_3344_5566_7788,
            len: 0x0102,
        };
        assert_eq!(
            frame.encode(),
            [
                1, 0, 0, 0, 2, 1, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11
            ]
        );
        let frame = Frame::Reply { slot: 63, len: 24 };
        assert_eq!(
            frame.encode(),
            [3, 0, 0, 0, 24, 0, 0, 0, 63, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn w11_to_w16_what_is_refused() {
        let check = |kind: u8, len: u32, at: u64, receiver| {
            let mut header = [0; 16];
            header[0] = kind;
            header[4..8].copy_from_slice(&len.to_le_bytes());
            header[8..].copy_from_slice(&at.to_le_bytes());
            Frame::decode(&header, receiver, 4096).map_err(|bad| bad.rule)
        };
        use Receiver::{Client, Server};
        assert_eq!(
            check(1, 4096, 77, Server),
            Ok(Frame::Ring {
                position: 77,
                len: 4096
            })
        );
        assert_eq!(check(1, 4097, 0, Server), Err("W12"));
        assert_eq!(check(1, 0, 0, Client), Err("W12"));
        assert_eq!(check(1, 1, u64::MAX, Client), Err("W12"));
        assert_eq!(
            check(2, 8, BOARD_END as u64 - 8, Client),
            Ok(Frame::Board {
                offset: BOARD_END - 8,
                len: 8
            })
        );
        for (len, at) in [
            (8, BOARD_END as u64),
            (16, BOARD_END as u64 - 8),
            (4, 0),
            (8, 4),
            (0, 0),
            (8, u64::MAX - 7),
        ] {
            assert_eq!(check(2, len, at, Client), Err("W13"), "{len} {at}");
        }
        assert_eq!(check(2, 8, 0, Server), Err("W11"));
        assert_eq!(
            check(3, 24 + 448, 0, Client),
            Ok(Frame::Reply { slot: 0, len: 472 })
        );
        for (len, at) in [(24 + 449, 0), (23, 0), (24, 64), (24, u64::MAX)] {
            assert_eq!(check(3, len, at, Client), Err("W14"), "{len} {at}");
        }
        assert_eq!(check(4, 0, 9, Server), Ok(Frame::Released { position: 9 }));
        assert_eq!(check(4, 1, 9, Server), Err("W15"));
        assert_eq!(check(4, 0, 9, Client), Err("W11"));
        for receiver in [Client, Server] {
            assert_eq!(check(5, 0, 0, receiver), Ok(Frame::Farewell));
            assert_eq!(check(5, 8, 0, receiver), Err("W16"));
            assert_eq!(check(5, 0, 1, receiver), Err("W16"));
            assert_eq!(check(6, 0, 0, receiver), Err("W11"));
        }
        assert_eq!(check(0, 0, 0, Client), Err("W11"));
        let mut header = Frame::Released { position: 1 }.encode();
        header[3] = 1;
        assert_eq!(
            Frame::decode(&header, Server, 4096).unwrap_err().rule,
            "W11"
        );
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut seed = 0x1234_5678_9abc_def1u64;
        for _ in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let mut header = [0; 16];
            header[..8].copy_from_slice(&seed.to_le_bytes());
            header[0] &= 7;
            header[1..4].fill(0);
            header[6..8].fill(0);
            header[8] = (seed >> 40) as u8;
            for receiver in [Receiver::Client, Receiver::Server] {
                if let Ok(frame) = Frame::decode(&header, receiver, 1 << 20) {
                    assert_eq!(frame.encode(), header);
                }
            }
        }
    }
}
