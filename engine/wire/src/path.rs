//! What is said on a path: the connection between the workers of two servers of one program, over which copies go straight from one to
//! the other (WIRE.md, W35 to W39).
//!
//! One end took the path on the program's behalf and asks for copies, one after the other; the other end moves only what the program
//! has announced to it.

use crate::frame::BadFrame;

/// Bytes of a message's head, which is all of it but for the bytes of a piece.
pub const PATH_HEAD: usize = 24;
/// Bytes of a piece at the most.
pub const PATH_PIECE_BYTES: usize = 512 * 1024;
/// Bytes of one copy at the most.
pub const PATH_COPY_BYTES_MAX: u64 = 1 << 46;

const KIND_WRITE: u8 = 1;
const KIND_READ: u8 = 2;
const KIND_PIECE: u8 = 3;
const KIND_END: u8 = 4;

/// A message. A copy is named by the number that the program gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMessage {
    /// Pieces follow, for memory of the receiver.
    Write {
        /// The copy.
        copy: u64,
        /// Its length.
        bytes: u64,
    },
    /// Pieces are wanted, of memory of the receiver.
    Read {
        /// The copy.
        copy: u64,
        /// Its length.
        bytes: u64,
    },
    /// `len` bytes of a copy follow.
    Piece {
        /// The copy.
        copy: u64,
        /// Where they lie in it.
        offset: u64,
        /// 1 to [`PATH_PIECE_BYTES`].
        len: usize,
    },
    /// A copy has ended; no pieces of it follow. Whoever sends the pieces says it behind them, and whoever was written to when
    /// they lie in device memory.
    End {
        /// The copy.
        copy: u64,
        /// CUresult.
        result: u32,
    },
}

impl PathMessage {
    /// The head's bytes.
    pub fn encode(&self) -> [u8; PATH_HEAD] {
        let (kind, word, copy, at) = match *self {
            Self::Write { copy, bytes } => (KIND_WRITE, 0, copy, bytes),
            Self::Read { copy, bytes } => (KIND_READ, 0, copy, bytes),
            Self::Piece { copy, offset, len } => (KIND_PIECE, len as u32, copy, offset),
            Self::End { copy, result } => (KIND_END, result, copy, 0),
        };
        let mut head = [0; PATH_HEAD];
        head[0] = kind;
        head[4..8].copy_from_slice(&word.to_le_bytes());
        head[8..16].copy_from_slice(&copy.to_le_bytes());
        head[16..].copy_from_slice(&at.to_le_bytes());
        head
    }

    /// Checks a head.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn decode(head: &[u8; PATH_HEAD]) -> Result<Self, BadFrame> {
        let bad = |what| Err(BadFrame { rule: "W37", what });
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| head[at + byte]));
        let [kind, zero @ ..] = [head[0], head[1], head[2], head[3]];
        let small = (word(0) >> 32) as u32;
        let (copy, at) = (word(8), word(16));
        if zero != [0; 3] {
            return bad("reserved bytes of a message on a path are not zero");
        }
        match kind {
            KIND_WRITE | KIND_READ => {
                if small != 0 || at == 0 || at > PATH_COPY_BYTES_MAX {
                    return bad("a copy of no bytes, or of too many");
                }
                Ok(if kind == KIND_WRITE { Self::Write { copy, bytes: at } } else { Self::Read { copy, bytes: at } })
            }
            KIND_PIECE => {
                if small == 0 || small as usize > PATH_PIECE_BYTES || at > PATH_COPY_BYTES_MAX {
                    return bad("a piece that is empty, too long or nowhere");
                }
                Ok(Self::Piece { copy, offset: at, len: small as usize })
            }
            KIND_END => {
                if at != 0 {
                    return bad("an end that says more");
                }
                Ok(Self::End { copy, result: small })
            }
            _ => bad("a message of unknown kind on a path"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: [PathMessage; 5] = [
        PathMessage::Write { copy: 7, bytes: PATH_COPY_BYTES_MAX },
        PathMessage::Read { copy: u64::MAX, bytes: 1 },
        PathMessage::Piece { copy: 7, offset: 0x0102_0304_0506, len: PATH_PIECE_BYTES },
        PathMessage::End { copy: 7, result: 0 },
        PathMessage::End { copy: 9, result: 700 },
    ];

    #[test]
    fn messages_survive_encoding() {
        for message in MESSAGES {
            assert_eq!(PathMessage::decode(&message.encode()), Ok(message));
        }
        let piece = PathMessage::Piece { copy: 0x0807_0605_0403_0201, offset: 0x10, len: 0x11 };
        assert_eq!(piece.encode(), [3, 0, 0, 0, 0x11, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn hostile_heads_are_refused() {
        let broken = |head: [u8; PATH_HEAD]| assert_eq!(PathMessage::decode(&head).map_err(|bad| bad.rule), Err("W37"), "{head:?}");
        for kind in [0, 5, 22, u8::MAX] {
            broken([kind, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        }
        for message in MESSAGES {
            for reserved in 1..4 {
                let mut head = message.encode();
                head[reserved] = 1;
                broken(head);
            }
        }
        let of = |message: PathMessage, word: u32, at: u64| {
            let mut head = message.encode();
            head[4..8].copy_from_slice(&word.to_le_bytes());
            head[16..].copy_from_slice(&at.to_le_bytes());
            head
        };
        for message in &MESSAGES[..2] {
            broken(of(*message, 0, 0));
            broken(of(*message, 1, 1));
            broken(of(*message, 0, PATH_COPY_BYTES_MAX + 1));
            broken(of(*message, 0, u64::MAX));
        }
        broken(of(MESSAGES[2], 0, 0));
        broken(of(MESSAGES[2], PATH_PIECE_BYTES as u32 + 1, 0));
        broken(of(MESSAGES[2], 1, u64::MAX));
        broken(of(MESSAGES[3], 0, 1));
    }
}
