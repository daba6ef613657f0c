//! What two queue pairs must know of each other, in forty bytes.

use crate::Mtu;
use crate::gid::{Gid, GidKind};

/// Encoded size of an [`Endpoint`].
pub const ENDPOINT_BYTES: usize = 40;

const MAGIC: [u8; 4] = *b"RWqp";
const VERSION: u8 = 1;
/// Queue pair numbers and packet sequence numbers have 24 bits.
const BITS_24: u32 = (1 << 24) - 1;
/// Numbers 0 and 1 are the subnet manager's and the connection manager's, 0xffffff is multicast.
const QP_NUMBER_MIN: u32 = 2;

/// One end of a reliable connection, for the other end. All numbers are little-endian on the wire:
///
/// | bytes | what |
/// |---|---|
/// | 0..4 | `RWqp` |
/// | 4 | version, 1 |
/// | 5 | kind of GID: 0 InfiniBand, 1 RoCE v1, 2 RoCE v2 |
/// | 6 | active MTU, as verbs number it: 1 for 256 bytes to 5 for 4096 |
/// | 7 | reads and atomics taken at a time |
/// | 8 | reads and atomics sent at a time |
/// | 9..12 | zero |
/// | 12..16 | queue pair number |
/// | 16..20 | first packet sequence number sent |
/// | 20..22 | LID, 0 for RoCE |
/// | 22..24 | zero |
/// | 24..40 | GID, in network order |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Queue pair number, 24 bits.
    pub qp_number: u32,
    /// Packet sequence number of the first packet that this end sends, 24 bits.
    pub psn: u32,
    /// Local identifier of the port, 0 for RoCE.
    pub lid: u16,
    /// GID of the port.
    pub gid: Gid,
    /// How packets with this GID travel.
    pub gid_kind: GidKind,
    /// The port's active MTU.
    pub mtu: Mtu,
    /// Reads and atomics that this end takes at a time.
    pub reads_in_max: u8,
    /// Reads and atomics that this end sends at a time.
    pub reads_out_max: u8,
}

/// Why the peer's bytes are not an endpoint, or not one that ours can be connected with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not even the first bytes are right.
    #[error("the bytes are not an endpoint (is this the right port?)")]
    NotAnEndpoint,
    /// The peer speaks another version.
    #[error("version {0}, this program has version 1 (the two ends are of different releases)")]
    Version(u8),
    /// A field is outside its range.
    #[error("{field} is {value:#x}")]
    Field {
        /// Which.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// One end is on InfiniBand or RoCE v1, the other one on something else.
    #[error(
        "it uses {theirs}, this end {ours}: both must use the same (the GIDs that the two addresses have decide)"
    )]
    Kind {
        /// The peer's.
        theirs: GidKind,
        /// Ours.
        ours: GidKind,
    },
}

impl Endpoint {
    /// For the peer.
    pub fn encode(&self) -> [u8; ENDPOINT_BYTES] {
        let mut bytes = [0; ENDPOINT_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.gid_kind as u8;
        bytes[6] = self.mtu.code();
        bytes[7] = self.reads_in_max;
        bytes[8] = self.reads_out_max;
        bytes[12..16].copy_from_slice(&self.qp_number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.psn.to_le_bytes());
        bytes[20..22].copy_from_slice(&self.lid.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.gid.0);
        bytes
    }

    /// From the peer. Every field is checked, so what comes out can be given to the device.
    pub fn decode(bytes: &[u8; ENDPOINT_BYTES]) -> Result<Endpoint, EndpointError> {
        if bytes[0..4] != MAGIC {
            return Err(EndpointError::NotAnEndpoint);
        }
        if bytes[4] != VERSION {
            return Err(EndpointError::Version(bytes[4]));
        }
        let field = |field, value: u64| EndpointError::Field { field, value };
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let gid_kind = match bytes[5] {
            0 => GidKind::InfiniBand,
            1 => GidKind::RoceV1,
            2 => GidKind::RoceV2,
            other => return Err(field("kind of GID", other.into())),
        };
        let mut gid = [0; 16];
        gid.copy_from_slice(&bytes[24..40]);
        let endpoint = Endpoint {
            qp_number: word(12),
            psn: word(16),
            lid: u16::from_le_bytes([bytes[20], bytes[21]]),
            gid: Gid(gid),
            gid_kind,
            mtu: Mtu::from_code(bytes[6]).ok_or_else(|| field("MTU", bytes[6].into()))?,
            reads_in_max: bytes[7],
            reads_out_max: bytes[8],
        };
        for at in [9, 10, 11, 22, 23] {
            if bytes[at] != 0 {
                return Err(field("reserved byte", bytes[at].into()));
            }
        }
        endpoint.check()?;
        Ok(endpoint)
    }

    /// Checks the ranges of all fields.
    pub(crate) fn check(&self) -> Result<(), EndpointError> {
        let field = |field, value: u64| Err(EndpointError::Field { field, value });
        if !(QP_NUMBER_MIN..BITS_24).contains(&self.qp_number) {
            return field("queue pair number", self.qp_number.into());
        }
        if self.psn > BITS_24 {
            return field("packet sequence number", self.psn.into());
        }
        match self.gid_kind {
            // a unicast LID; above are multicast and the permissive one
            GidKind::InfiniBand if !(1..0xc000).contains(&self.lid) => {
                field("LID", self.lid.into())
            }
            GidKind::RoceV1 | GidKind::RoceV2 if self.lid != 0 => field("LID", self.lid.into()),
            GidKind::RoceV1 | GidKind::RoceV2 if self.gid.is_zero() => field("GID", 0),
            // 224.0.0.0/4 and ff00::/8 are no end of a connection
            _ if self.gid.to_ip().is_multicast() => {
                field("first byte of the GID", self.gid.0[0].into())
            }
            _ => Ok(()),
        }
    }

    /// Checks that the two can be connected.
    pub(crate) fn check_with(&self, ours: &Endpoint) -> Result<(), EndpointError> {
        self.check()?;
        if self.gid_kind != ours.gid_kind {
            return Err(EndpointError::Kind {
                theirs: self.gid_kind,
                ours: ours.gid_kind,
            });
        }
        Ok(())
    }

    /// The path MTU between the two: the smaller one.
    pub(crate) fn path_mtu(&self, other: &Endpoint) -> Mtu {
        self.mtu.min(other.mtu)
    }

    /// Reads and atomics that go from here to `other` at a time.
    pub(crate) fn reads_to(&self, other: &Endpoint) -> u8 {
        self.reads_out_max.min(other.reads_in_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn roce() -> Endpoint {
        Endpoint {
            qp_number: 0x11,
            psn: 0xabcdef,
            lid: 0,
            gid: Gid::from_ip("10.99.0.1".parse().unwrap()),
            gid_kind: GidKind::RoceV2,
            mtu: Mtu::Bytes4096,
            reads_in_max: 16,
            reads_out_max: 8,
        }
    }

    fn infiniband() -> Endpoint {
        Endpoint {
            lid: 7,
            gid: Gid::from_ip("fe80::1".parse().unwrap()),
            gid_kind: GidKind::InfiniBand,
            ..roce()
        }
    }

    #[test]
    fn golden_bytes() {
        let mut expected = [0u8; ENDPOINT_BYTES];
        expected[..9].copy_from_slice(&[b'R', b'W', b'q', b'p', 1, 2, 5, 16, 8]);
        expected[12] = 0x11;
        expected[16..19].copy_from_slice(&[0xef, 0xcd, 0xab]);
        expected[34..40].copy_from_slice(&[0xff, 0xff, 10, 99, 0, 1]);
        assert_eq!(roce().encode(), expected);
    }

    #[test]
    fn endpoints_survive_encoding() {
        for endpoint in [roce(), infiniband()] {
            assert_eq!(Endpoint::decode(&endpoint.encode()), Ok(endpoint));
        }
    }

    #[test]
    fn each_field_is_checked() {
        let bad = [
            Endpoint {
                qp_number: 1,
                ..roce()
            },
            Endpoint {
                qp_number: BITS_24,
                ..roce()
            },
            Endpoint {
                qp_number: u32::MAX,
                ..roce()
            },
            Endpoint {
                psn: 1 << 24,
                ..roce()
            },
            Endpoint { lid: 1, ..roce() },
            Endpoint {
                gid: Gid([0; 16]),
                ..roce()
            },
            Endpoint {
                gid: Gid::from_ip("224.0.0.1".parse().unwrap()),
                ..roce()
            },
            Endpoint {
                gid: Gid([0xff; 16]),
                ..infiniband()
            },
            Endpoint {
                lid: 0,
                ..infiniband()
            },
            Endpoint {
                lid: 0xc000,
                ..infiniband()
            },
        ];
        for endpoint in bad {
            let error = Endpoint::decode(&endpoint.encode()).unwrap_err();
            assert!(
                matches!(error, EndpointError::Field { .. }),
                "{endpoint:?}: {error}"
            );
        }
    }

    /// Every byte, every value: what is accepted comes out as it went in, and nothing panics.
    #[test]
    fn hostile_bytes_are_refused_or_mean_what_they_say() {
        let good = roce().encode();
        for at in 0..ENDPOINT_BYTES {
            for value in 0..=255 {
                let mut bytes = good;
                bytes[at] = value;
                match Endpoint::decode(&bytes) {
                    Ok(endpoint) => assert_eq!(endpoint.encode(), bytes),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
        for reserved in [9, 10, 11, 22, 23] {
            let mut bytes = good;
            bytes[reserved] = 1;
            assert!(Endpoint::decode(&bytes).is_err());
        }
        assert_eq!(
            Endpoint::decode(&[0; ENDPOINT_BYTES]),
            Err(EndpointError::NotAnEndpoint)
        );
        let mut later = good;
        later[4] = 2;
        assert_eq!(Endpoint::decode(&later), Err(EndpointError::Version(2)));
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..20_000 {
            let mut bytes = [0; ENDPOINT_BYTES];
            for byte in &mut bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state as u8;
            }
            bytes[..5].copy_from_slice(&roce().encode()[..5]);
            if let Ok(endpoint) = Endpoint::decode(&bytes) {
                assert_eq!(endpoint.encode(), bytes);
            }
        }
    }

    #[test]
    fn the_two_ends_agree_on_the_smaller_values_and_the_same_kind() {
        let small = Endpoint {
            mtu: Mtu::Bytes1024,
            reads_in_max: 1,
            reads_out_max: 0,
            ..roce()
        };
        assert_eq!(roce().path_mtu(&small), Mtu::Bytes1024);
        assert_eq!(small.path_mtu(&roce()), Mtu::Bytes1024);
        assert_eq!(roce().reads_to(&small), 1);
        assert_eq!(small.reads_to(&roce()), 0);
        assert!(matches!(
            infiniband().check_with(&roce()),
            Err(EndpointError::Kind { .. })
        ));
        assert_eq!(roce().check_with(&roce()), Ok(()));
    }
}
