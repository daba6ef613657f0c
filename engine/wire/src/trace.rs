//! What a program's library writes for `ringway why`: a file of one process, which both sides of the command map or read.
//!
//! A header, a table of call sites, then one entry for each call that went to the server, in order of writing. Everything
//! is little-endian. Who reads it takes nothing for granted: the file is the program's, and may end anywhere.

use crate::call::TAG_INTERNAL;

/// First bytes of the file.
pub const MAGIC: u64 = u64::from_le_bytes(*b"rwtrace1");
/// Bytes of the header.
pub const HEADER_BYTES: usize = 4096;
/// Call sites that are told apart.
pub const SITES: usize = 1024;
/// Bytes of a call site: [`Site`].
pub const SITE_BYTES: usize = 320;
/// Longest text of a site in bytes: path of the object, a zero, the exported symbol.
pub const SITE_TEXT_BYTES_MAX: usize = SITE_BYTES - 32;
/// Where the calls begin.
pub const CALLS_AT: usize = HEADER_BYTES + SITES * SITE_BYTES;
/// Bytes of a call: [`Call`].
pub const CALL_BYTES: usize = 48;
/// Calls that are kept; what comes later is counted only.
pub const CALLS_MAX: usize = 1 << 19;
/// Bytes of a whole file.
pub const FILE_BYTES: usize = CALLS_AT + CALLS_MAX * CALL_BYTES;

/// Places of 8-byte words in the header.
pub mod header {
    /// [`super::MAGIC`], written last.
    pub const MAGIC: usize = 0;
    /// Nanoseconds of the monotonic clock when the library was asked to open its session.
    pub const BEGUN_NS: usize = 8;
    /// When the session was open, and when the file was there.
    pub const OPENED_NS: usize = 16;
    pub const READY_NS: usize = 24;
    /// When the process ended in order; 0: it did not.
    pub const ENDED_NS: usize = 32;
    /// Round trips of opening the session.
    pub const OPENING_TRIPS: usize = 40;
    /// Calls that were written, or would have been if there was room.
    pub const CALLS: usize = 48;
    /// Bytes of the ring of each direction.
    pub const RING_BYTES: usize = 56;
    /// Process identifier.
    pub const PID: usize = 64;
    /// The program's name, as the kernel keeps it: 16 bytes.
    pub const NAME: usize = 72;
}

/// The call site of a waiting call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Return address in the program.
    pub address: u64,
    /// The same as the object's file has it: less by as much as the loader moved the object.
    pub offset: u64,
    /// Path of the object; empty where none was found.
    pub object: String,
    /// The nearest symbol before it that the object exports; empty where there is none.
    pub exported: String,
}

/// Places in a call site.
pub mod site {
    /// 0: unused. Written last but for the other words.
    pub const ADDRESS: usize = 0;
    pub const OFFSET: usize = 8;
    pub const TEXT_BYTES: usize = 16;
    /// 1 once the rest is there.
    pub const READY: usize = 24;
    pub const TEXT: usize = 32;
}

impl Site {
    /// Reads one; None: unused, not ready, or nonsense.
    pub fn decode(bytes: &[u8; SITE_BYTES]) -> Option<Self> {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let text_bytes = usize::try_from(word(site::TEXT_BYTES)).ok().filter(|n| *n <= SITE_TEXT_BYTES_MAX)?;
        let address = word(site::ADDRESS);
        let text = String::from_utf8_lossy(&bytes[site::TEXT..site::TEXT + text_bytes]);
        let (object, exported) = text.split_once('\0').unwrap_or((&text, ""));
        (address != 0 && word(site::READY) == 1).then(|| Self {
            address,
            offset: word(site::OFFSET),
            object: object.into(),
            exported: exported.into(),
        })
    }
}

/// One call that went to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// When the library began to write its record, nanoseconds of the monotonic clock.
    pub start_ns: u64,
    /// From then until the call went on: the whole wait of a waiting call.
    pub time_ns: u64,
    /// Its row in the API table.
    pub opcode: u16,
    /// It waited for the server's answer.
    pub waits: bool,
    /// Which thread of the program, counted from 0 in the order of their first calls.
    pub thread: u16,
    /// Index in the table of call sites; None: it does not wait, or the table is full.
    pub site: Option<u16>,
    /// Bytes that it takes to the server.
    pub bytes_up: u32,
    /// Bytes that it makes the server send.
    pub bytes_down: u64,
    /// The first eight bytes of its arguments: of many calls the object that they are about.
    pub object: u64,
}

/// Opcodes of records that are no CUDA function, in a [`Call`], have this bit.
pub const INTERNAL: u16 = 0x8000;

/// The opcode of a record as a [`Call`] has it.
pub fn opcode_of(tag: u32) -> u16 {
    let low = (tag & 0x7fff) as u16;
    if tag >= TAG_INTERNAL { INTERNAL | low } else { low }
}

const WRITTEN: u16 = 1;
const WAITS: u16 = 2;

impl Call {
    /// As six words, the last of which says that it is there: written last.
    pub fn encode(&self) -> [u64; CALL_BYTES / 8] {
        let flags = if self.waits { WRITTEN | WAITS } else { WRITTEN };
        let site = self.site.map_or(0, |site| site + 1);
        let last = u64::from(flags) | u64::from(self.opcode) << 16 | u64::from(self.thread) << 32 | u64::from(site) << 48;
        [self.start_ns, self.time_ns, self.bytes_up.into(), self.bytes_down, self.object, last]
    }

    /// Reads one; None: it was never written, or is nonsense.
    pub fn decode(bytes: &[u8; CALL_BYTES]) -> Option<Self> {
        let word = |i: usize| u64::from_le_bytes(bytes[i * 8..i * 8 + 8].try_into().unwrap_or_default());
        let last = word(5);
        let (flags, site) = (last as u16, (last >> 48) as u16);
        let sound = flags & WRITTEN != 0 && flags & !(WRITTEN | WAITS) == 0 && usize::from(site) <= SITES;
        sound.then(|| Self {
            start_ns: word(0),
            time_ns: word(1),
            opcode: (last >> 16) as u16,
            waits: flags & WAITS != 0,
            thread: (last >> 32) as u16,
            site: site.checked_sub(1),
            bytes_up: word(2).min(u32::MAX.into()) as u32,
            bytes_down: word(3),
            object: word(4),
        })
    }
}

const _: () = {
    assert!(header::NAME + 16 <= HEADER_BYTES && CALLS_AT.is_multiple_of(8) && SITE_BYTES.is_multiple_of(8));
    assert!(SITES < u16::MAX as usize && CALL_BYTES == 48);
};

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: [u64; CALL_BYTES / 8]) -> [u8; CALL_BYTES] {
        let mut bytes = [0; CALL_BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn calls_come_back() {
        for (waits, site) in [(true, Some(0)), (true, Some(1023)), (false, None)] {
            let call = Call { start_ns: 1 << 50, time_ns: 7, opcode: 501, waits, thread: 65535, site, bytes_up: u32::MAX, bytes_down: 1 << 40, object: 3 };
            assert_eq!(Call::decode(&bytes(call.encode())), Some(call));
        }
    }

    #[test]
    fn nonsense_is_no_call_and_no_site() {
        assert_eq!(Call::decode(&[0; CALL_BYTES]), None, "never written");
        assert_eq!(Call::decode(&[0xff; CALL_BYTES]), None, "unknown flags");
        let mut words = Call::default().encode();
        words[5] |= 1025 << 48;
        assert_eq!(Call::decode(&bytes(words)), None, "a site that cannot be");
        assert_eq!(Site::decode(&[0; SITE_BYTES]), None);
        assert_eq!(Site::decode(&[0xff; SITE_BYTES]), None, "a text longer than its place");
        let mut site = [0; SITE_BYTES];
        site[site::ADDRESS] = 9;
        site[site::TEXT_BYTES] = 5;
        site[site::TEXT..site::TEXT + 5].copy_from_slice(b"a\xffb\0c");
        assert_eq!(Site::decode(&site), None, "not ready");
        site[site::READY] = 1;
        assert_eq!(Site::decode(&site).map(|site| (site.object, site.exported)), Some(("a\u{fffd}b".into(), "c".into())));
    }
}
