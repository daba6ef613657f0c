//! What the 32 bits of an RDMA WRITE WITH IMMEDIATE say. Rules W20 to W22 of WIRE.md.

use crate::layout::{LINE, REPLY_SLOTS, RING_BYTES_MAX};

const KIND_SHIFT: u32 = 30;
const KIND_RING: u32 = 0;
const KIND_SLOT: u32 = 1;
const KIND_BOARD: u32 = 2;
const VALUE: u32 = (1 << KIND_SHIFT) - 1;
/// Of an answer's immediate: the slot is below, the call above.
const CALL_SHIFT: u32 = 8;

const _: () = assert!(
    RING_BYTES_MAX / LINE < 1 << (KIND_SHIFT - 1),
    "two positions of one ring differ in their low bits"
);

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Immediate {
    /// Ring bytes before a position whose lines (of 64 bytes), modulo 2^30, are given; both directions. Rule W20.
    Ring {
        /// See [`lines`].
        lines: u32,
    },
    /// An answer in a slot. Server to client. Rule W21.
    Slot {
        /// Which.
        slot: u16,
        /// Of which call, see [`call_of`].
        call: u32,
    },
    /// Words of the board or control words, and nothing else. Rule W22.
    Words,
}

/// A position as an immediate carries it: in lines, the low 30 bits.
pub const fn lines(position: u64) -> u32 {
    (position / LINE as u64) as u32 & VALUE
}

/// The end position of a call as the immediate of its answer carries it: in lines, the low 22 bits.
pub const fn call_of(position: u64) -> u32 {
    lines(position) & (VALUE >> CALL_SHIFT)
}

impl Immediate {
    /// The 32 bits, in the host's order.
    pub const fn encode(self) -> u32 {
        match self {
            Immediate::Ring { lines } => KIND_RING << KIND_SHIFT | (lines & VALUE),
            Immediate::Slot { slot, call } => {
                KIND_SLOT << KIND_SHIFT | (call << CALL_SHIFT & VALUE) | slot as u32
            }
            Immediate::Words => KIND_BOARD << KIND_SHIFT,
        }
    }

    /// What a peer's 32 bits say; the rule that they break otherwise.
    pub fn decode(bits: u32) -> Result<Immediate, &'static str> {
        let value = bits & VALUE;
        match bits >> KIND_SHIFT {
            KIND_RING => Ok(Immediate::Ring { lines: value }),
            KIND_SLOT => {
                let (slot, call) = (value & ((1 << CALL_SHIFT) - 1), value >> CALL_SHIFT);
                if (slot as usize) < REPLY_SLOTS {
                    Ok(Immediate::Slot { slot: slot as u16, call })
                } else {
                    Err("W21")
                }
            }
            KIND_BOARD if value == 0 => Ok(Immediate::Words),
            _ => Err("W22"),
        }
    }
}

/// How many lines (see [`lines`]) lie between two positions of which `from` is the earlier one.
pub const fn lines_between(from: u32, to: u32) -> u32 {
    to.wrapping_sub(from) & VALUE
}

/// The position from `received` on that `lines` stands for; `None` if it lies more than `ring_bytes` beyond. Rule W20.
/// A byte stream before may have brought part of a line more: that is kept.
pub fn position(received: u64, lines_now: u32, ring_bytes: u64) -> Option<u64> {
    let line = received - received % LINE as u64;
    let ahead = u64::from(lines_between(lines(line), lines_now)) * LINE as u64;
    (ahead <= ring_bytes).then(|| received.max(line + ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w20_positions_come_back() {
        let ring = RING_BYTES_MAX as u64;
        for received in [0, 64, 4096, (1 << 36) - 64, 1 << 36, (1 << 50) + 128] {
            for ahead in [0, 64, ring / 2, ring] {
                let immediate = Immediate::Ring { lines: lines(received + ahead) };
                assert_eq!(Immediate::decode(immediate.encode()), Ok(immediate));
                assert_eq!(position(received, lines(received + ahead), ring), Some(received + ahead));
            }
            assert_eq!(position(received + 7, lines(received), ring), Some(received + 7));
            assert_eq!(position(received + 7, lines(received + 64), ring), Some(received + 64));
            assert_eq!(position(received, lines(received + 4096 + 64), 4096), None);
            if received > 0 {
                assert_eq!(position(received, lines(received - 64), ring), None, "back from {received}");
            }
        }
    }

    #[test]
    fn w21_w22_what_does_not_exist_is_refused() {
        for position in [64, (1 << 28) - 64, 1 << 28, (1 << 50) + 192] {
            let answer = Immediate::Slot { slot: 63, call: call_of(position) };
            assert_eq!(Immediate::decode(answer.encode()), Ok(answer));
        }
        assert_eq!(Immediate::decode(1 << 30 | 64), Err("W21"));
        assert_eq!(Immediate::decode(Immediate::Words.encode()), Ok(Immediate::Words));
        assert_eq!(Immediate::decode(2 << 30 | 1), Err("W22"));
        assert_eq!(Immediate::decode(3 << 30), Err("W22"));
    }
}
