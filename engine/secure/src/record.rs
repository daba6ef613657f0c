//! Sealed records: how the bytes of a lane travel once TLS has agreed on keys.
//!
//! The server's end of a lane is another process than the one that spoke TLS, and neither end may allocate or copy more than it
//! must. So a lane has records of its own, protected as those of TLS 1.3 are (RFC 8446, 5.2 and 5.3): AES-128-GCM; the nonce is
//! the record's number mixed with a secret vector, so that a record which is repeated, left out or moved does not open; the
//! header is authenticated. Keys come from TLS's exporter (7.5), one secret for each direction, and are replaced from it after
//! [`RECORDS_PER_KEY`], long before AES-GCM's limit of 2^24.5 records (5.5).

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk};
use zeroize::Zeroizing;

/// Bytes in front of a record: 23, 3, 3, length of what follows (big endian), as TLS has it.
pub const HEADER_BYTES: usize = 5;
/// Bytes of the authentication tag behind a record.
pub const TAG_BYTES: usize = 16;
/// Bytes that a record carries at the most.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of a record at the most.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + PAYLOAD_BYTES_MAX + TAG_BYTES;
/// Records under one key.
pub const RECORDS_PER_KEY: u64 = 1 << 22;
/// Bytes of the keys of a connection.
pub const KEYS_BYTES: usize = 2 * SECRET_BYTES;

const SECRET_BYTES: usize = 32;
const HEADER_START: [u8; 3] = [23, 3, 3];

/// A record that is not what the peer sealed next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// The header is none, or its length is out of bounds.
    #[error("bytes that are no sealed record: something on the way changed them, or the peer does not seal its data")]
    Header,
    /// It was changed, repeated, left out or moved on the way.
    #[error("a sealed record that does not open: it was changed, repeated or left out on the way")]
    Sealed,
}

impl From<BadRecord> for std::io::Error {
    fn from(bad: BadRecord) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, bad)
    }
}

/// The secrets of one connection, one for each direction.
#[derive(Clone)]
pub struct ConnectionKeys(Zeroizing<[u8; KEYS_BYTES]>);

impl std::fmt::Debug for ConnectionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionKeys(..)")
    }
}

impl ConnectionKeys {
    /// From bytes; None if they are not [`KEYS_BYTES`] many.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes, to give them to the process that serves the lane.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..]
    }

    /// What one end seals and opens with. Only one process may seal with the keys of an end, and only once.
    pub fn ends(&self, server: bool) -> (Sealer, Opener) {
        self.ends_renewing(server, RECORDS_PER_KEY)
    }

    fn ends_renewing(&self, server: bool, records: u64) -> (Sealer, Opener) {
        let secret = |half: usize| {
            let mut secret = Zeroizing::new([0; SECRET_BYTES]);
            secret.copy_from_slice(&self.0[half * SECRET_BYTES..][..SECRET_BYTES]);
            Direction::new(secret, records)
        };
        let (to_server, to_client) = (secret(0), secret(1));
        if server {
            (Sealer(to_client), Opener(to_server))
        } else {
            (Sealer(to_server), Opener(to_client))
        }
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of RFC 8446, 7.1, without a context.
fn expand<const N: usize>(secret: &[u8; SECRET_BYTES], label: &[u8]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    let head = [(N >> 8) as u8, N as u8, label.len() as u8];
    let prk = Prk::new_less_safe(HKDF_SHA256, secret);
    prk.expand(&[&head, label, &[0]], Length(N))
        .and_then(|okm| okm.fill(&mut out[..]))
        .expect("at most 32 bytes of 8160 that there are");
    out
}

/// One direction of a connection.
struct Direction {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    key: LessSafeKey,
    vector: Zeroizing<[u8; 12]>,
    number: u64,
    records: u64,
}

impl Direction {
    fn new(secret: Zeroizing<[u8; SECRET_BYTES]>, records: u64) -> Self {
        let key = UnboundKey::new(&AES_128_GCM, &expand::<16>(&secret, b"ringway key")[..]).expect("16 bytes are a key of AES-128");
        Self {
            key: LessSafeKey::new(key),
            vector: expand(&secret, b"ringway iv"),
            number: 0,
            records,
            secret,
        }
    }

    /// The next record's nonce; each is given once under a key.
    fn nonce(&mut self) -> Nonce {
        if self.number == self.records {
            *self = Self::new(expand(&self.secret, b"ringway upd"), self.records);
        }
        let mut nonce = *self.vector;
        for (byte, number) in nonce[4..].iter_mut().zip(self.number.to_be_bytes()) {
            *byte ^= number;
        }
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals what this end sends.
pub struct Sealer(Direction);

impl Sealer {
    /// Makes a record of the bytes that lie behind room for its header; its length, header and tag included.
    ///
    /// # Panics
    /// `record` has no room for header, `payload` bytes and tag, or `payload` is 0 or over [`PAYLOAD_BYTES_MAX`]: a fault of
    /// the caller, which knows the sizes beforehand.
    pub fn seal(&mut self, record: &mut [u8], payload: usize) -> usize {
        assert!((1..=PAYLOAD_BYTES_MAX).contains(&payload), "a record carries 1 to 16384 bytes");
        let (header, body) = record[..HEADER_BYTES + payload + TAG_BYTES].split_at_mut(HEADER_BYTES);
        header[..3].copy_from_slice(&HEADER_START);
        header[3..].copy_from_slice(&((payload + TAG_BYTES) as u16).to_be_bytes());
        let (bytes, tag_at) = body.split_at_mut(payload);
        let nonce = self.0.nonce();
        let tag: Tag = self
            .0
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), bytes)
            .expect("a record is far below the longest message of AES-GCM");
        tag_at.copy_from_slice(tag.as_ref());
        HEADER_BYTES + payload + TAG_BYTES
    }
}

/// Opens what the peer sealed.
pub struct Opener(Direction);

impl Opener {
    /// Bytes of the record that begins with this header, header and tag included.
    ///
    /// # Errors
    /// [`BadRecord::Header`].
    pub fn length(header: &[u8; HEADER_BYTES]) -> Result<usize, BadRecord> {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if header[..3] != HEADER_START || !(TAG_BYTES + 1..=PAYLOAD_BYTES_MAX + TAG_BYTES).contains(&length) {
            return Err(BadRecord::Header);
        }
        Ok(HEADER_BYTES + length)
    }

    /// Opens a whole record; what it carries is then behind its header, so many bytes.
    ///
    /// # Errors
    /// [`BadRecord`]; the connection is of no use any more.
    pub fn open(&mut self, record: &mut [u8]) -> Result<usize, BadRecord> {
        let (header, body) = record.split_first_chunk_mut::<HEADER_BYTES>().ok_or(BadRecord::Header)?;
        if Self::length(header)? != HEADER_BYTES + body.len() {
            return Err(BadRecord::Header);
        }
        let nonce = self.0.nonce();
        let opened = self.0.key.open_in_place(nonce, Aad::from(&*header), body);
        opened.map(|bytes| bytes.len()).map_err(|_| BadRecord::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example_keys() -> ConnectionKeys {
        let bytes: Vec<u8> = (0..KEYS_BYTES as u8).collect();
        ConnectionKeys::from_slice(&bytes).unwrap()
    }

    fn ends(records: u64) -> (Sealer, Opener) {
        let keys = example_keys();
        (keys.ends_renewing(false, records).0, keys.ends_renewing(true, records).1)
    }

    fn sealed(sealer: &mut Sealer, bytes: &[u8]) -> Vec<u8> {
        let mut record = vec![0; HEADER_BYTES + bytes.len() + TAG_BYTES];
        record[HEADER_BYTES..][..bytes.len()].copy_from_slice(bytes);
        assert_eq!(sealer.seal(&mut record, bytes.len()), record.len());
        record
    }

    #[test]
    fn what_was_sealed_opens_in_order_and_once() {
        let (mut sealer, mut opener) = ends(RECORDS_PER_KEY);
        for size in [1, 2, 100, PAYLOAD_BYTES_MAX] {
            let bytes: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let mut record = sealed(&mut sealer, &bytes);
            assert!(size < 100 || !record.windows(50).any(|w| w == &bytes[..50]));
            let kept = record.clone();
            let header: [u8; HEADER_BYTES] = record[..HEADER_BYTES].try_into().unwrap();
            assert_eq!(Opener::length(&header), Ok(record.len()));
            assert_eq!(opener.open(&mut record), Ok(size));
            assert_eq!(record[HEADER_BYTES..][..size], bytes[..]);
            // The same again: refused. (What follows is not opened any more: this test keeps the number to go on.)
            let number = opener.0.number;
            assert_eq!(opener.open(&mut kept.clone()), Err(BadRecord::Sealed));
            opener.0.number = number;
        }
    }

    #[test]
    fn any_changed_bit_is_refused() {
        let (mut sealer, _) = ends(RECORDS_PER_KEY);
        let record = sealed(&mut sealer, b"twelve bytes");
        for bit in 0..record.len() * 8 {
            let mut changed = record.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(ends(RECORDS_PER_KEY).1.open(&mut changed).is_err(), "bit {bit}");
        }
        for cut in 0..record.len() {
            assert!(ends(RECORDS_PER_KEY).1.open(&mut record[..cut].to_vec()).is_err());
        }
        assert_eq!(ends(RECORDS_PER_KEY).1.open(&mut record.clone()), Ok(12));
    }

    #[test]
    fn a_record_left_out_and_one_of_the_other_direction_are_refused() {
        let (mut sealer, mut opener) = ends(RECORDS_PER_KEY);
        let _first = sealed(&mut sealer, b"first");
        let mut second = sealed(&mut sealer, b"second");
        assert_eq!(opener.open(&mut second), Err(BadRecord::Sealed));
        let keys = example_keys();
        let mut own = sealed(&mut keys.ends(true).0, b"mine");
        assert_eq!(keys.ends(true).1.open(&mut own), Err(BadRecord::Sealed));
    }

    #[test]
    fn keys_are_renewed_at_both_ends_at_the_same_record() {
        let (mut sealer, mut opener) = ends(3);
        let mut secrets = Vec::new();
        for i in 0..20u8 {
            let mut record = sealed(&mut sealer, &[i; 40]);
            assert_eq!(opener.open(&mut record), Ok(40));
            assert_eq!(record[HEADER_BYTES..][..40], [i; 40]);
            secrets.push(*sealer.0.secret);
        }
        secrets.dedup();
        assert_eq!(secrets.len(), 7);
    }

    #[test]
    fn headers_out_of_bounds() {
        for header in [[22, 3, 3, 0, 17], [23, 3, 1, 0, 17], [23, 3, 3, 0, 16], [23, 3, 3, 0x40, 17], [0; 5], [255; 5]] {
            assert_eq!(Opener::length(&header), Err(BadRecord::Header));
        }
    }
}
