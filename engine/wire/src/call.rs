//! What goes with calls besides their table rows: records that are no CUDA function, notices, and the status of a reply.

use crate::codec::{Malformed, Reader, Writer};
use crate::control::SERVERS_MAX;
use crate::path::PATH_COPY_BYTES_MAX;

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

/// Flag of a copy between host and device memory: its bytes are not in the record, nor do they come as notices; the server
/// fetches or places them itself, by a [`TransferCall`] (WIRE.md, W25 to W28).
pub const FLAG_TRANSFER: u16 = 2;
/// Client to server: bytes of a transfer to the device that the server asked for. `transfer u64`, `offset u64`, then the bytes.
pub const TAG_TRANSFER_DATA: u32 = TAG_INTERNAL + 6;

/// Flag of a copy between host and device memory: the host's part lies in the memory that both ends map, by a [`SharedCall`]
/// (WIRE.md, W29, W30).
pub const FLAG_SHARED: u16 = 4;
/// Client to server, waited for: pins a range of the memory that both ends map, or ends that where `bytes` is 0. `offset u64`,
/// `bytes u64`.
pub const TAG_PIN: u32 = TAG_INTERNAL + 7;

/// Client to server: say by [`NOTICE_FINISHED`] when an event, as recorded last, is finished. `event u64`, `ticket u64`. A query of an event
/// or a stream (0 and 1: the context's legacy stream) that has a ticket asks for the same where its answer is "not ready".
pub const TAG_WATCH: u32 = TAG_INTERNAL + 8;

/// Client to server: a stream takes no further work before a gate is opened (WIRE.md, W34). `stream u64`, `gate u64`.
pub const TAG_GATE: u32 = TAG_INTERNAL + 9;
/// Client to server: opens a gate. `gate u64`, `result u32`: why what was waited for has failed, for the gate's context; 0 where it has not.
pub const TAG_OPEN_GATE: u32 = TAG_INTERNAL + 10;
/// Gates of a session that are closed at a time, at the most; copies by paths count as such.
pub const GATES_MAX: usize = 4096;

/// Client to server, waited for: whether the path with another server of the program is there, with memory for copies by it. A
/// [`PathAsk`]. The answer: `up u8`, and where it is 0 why, as text.
pub const TAG_PATH_READY: u32 = TAG_INTERNAL + 11;
/// Client to server: a copy by a path, whose other end will ask for it, may be made. A [`PathAnnouncement`].
pub const TAG_PATH_ANNOUNCE: u32 = TAG_INTERNAL + 12;
/// Client to server: a copy between memory of this server and of another, in stream order, by the path to that. A [`PathCopy`]. Waited for
/// where it has no `instead`; the answer then: `made u8`, 0 where the path is not there, or broke.
pub const TAG_PATH_COPY: u32 = TAG_INTERNAL + 13;
/// Client to server, waited for: gives up the path by which another server reaches this one, up to an attempt, and what was announced of a
/// copy. A [`PathAsk`], then `copy u64`.
pub const TAG_PATH_END: u32 = TAG_INTERNAL + 14;
/// Client to server: an asynchronous call of the record's context failed at the client; the next that waits reports it. `opcode u32`,
/// `result u32`.
pub const TAG_KEEP_ERROR: u32 = TAG_INTERNAL + 15;
/// Copies of a session that are announced, or under way, at a time, at the most; a client stays below it.
pub const PATH_COPIES_MAX: usize = 2048;

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
/// Server to client: the bytes of this transfer to the device are wanted through the ring. `transfer u64`.
pub const NOTICE_TRANSFER_WANTED: u32 = 6;
/// Server to client: this transfer to the device has ended; its source is used no more. `transfer u64`, `result u32`.
pub const NOTICE_TRANSFER_ENDED: u32 = 7;
/// Server to client: no transfers on this lane any more, and why, as text.
pub const NOTICE_NO_TRANSFERS: u32 = 8;

/// Server to client: what was asked for with this ticket is finished ([`FINISHED_DONE`]), or must be asked for again, because there is
/// an error to report or nothing is known ([`FINISHED_ASK`]). `object u64`, `ticket u64`, `context u32`, `verdict u32`.
pub const NOTICE_FINISHED: u32 = 9;
/// Everything is finished, without an error, and all that was copied to the client was sent before.
pub const FINISHED_DONE: u32 = 0;
/// Only a call that waits can tell.
pub const FINISHED_ASK: u32 = 1;

/// Server to client: a [`PathCopy`] with an `instead` has ended. `copy u64`, `made u32`: 0 where the client made it.
pub const NOTICE_PATH_COPY_ENDED: u32 = 10;

/// A blob (a module image) is at most this long.
pub const BLOB_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a blob in one record at the most.
pub const BLOB_PIECE_BYTES: usize = 256 * 1024;
/// Bytes of a copy in one record at the most; a larger copy is several records.
pub const COPY_PIECE_BYTES: usize = 256 * 1024;
/// Bytes of one transfer at the most; a larger copy is several.
pub const TRANSFER_BYTES_MAX: usize = 64 << 20;
/// Transfers of a session that are under way at a time, at the most; a client stays below it.
pub const TRANSFERS_MAX: usize = 1024;

/// The arguments of a copy with [`FLAG_TRANSFER`], in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferCall {
    /// The stream.
    pub stream: u64,
    /// Device memory.
    pub device: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// The client's number of this transfer; for one to the host, of a download.
    pub id: u64,
    /// Host memory, as the client's adapter counts.
    pub host: u64,
    /// Number of the link (W25) that `host` and `key` are good for.
    pub link: u64,
    /// Remote key of the client's registration.
    pub key: u32,
}

impl TransferCall {
    /// Encoded size in bytes.
    pub const SIZE: usize = 6 * 8 + 4;

    /// Appends it.
    pub fn write(&self, w: &mut impl Writer) {
        for word in [self.stream, self.device, self.bytes, self.id, self.host, self.link] {
            w.u64(word);
        }
        w.u32(self.key);
    }

    /// Reads it, and that nothing follows; the ranges wrap around no address space.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let call = Self {
            stream: r.u64()?,
            device: r.u64()?,
            bytes: r.u64()?,
            id: r.u64()?,
            host: r.u64()?,
            link: r.u64()?,
            key: r.u32()?,
        };
        r.end()?;
        if call.bytes == 0 || call.bytes > TRANSFER_BYTES_MAX as u64 {
            return Err(Malformed::Value(call.bytes));
        }
        for start in [call.device, call.host] {
            start.checked_add(call.bytes).ok_or(Malformed::Value(start))?;
        }
        Ok(call)
    }
}

/// The arguments of a copy with [`FLAG_SHARED`], in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedCall {
    /// The stream.
    pub stream: u64,
    /// Device memory.
    pub device: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// Where the host's part begins in the memory that both ends map.
    pub offset: u64,
}

impl SharedCall {
    /// Encoded size in bytes.
    pub const SIZE: usize = 4 * 8;

    /// Appends it.
    pub fn write(&self, w: &mut impl Writer) {
        for word in [self.stream, self.device, self.bytes, self.offset] {
            w.u64(word);
        }
    }

    /// Reads it, and that nothing follows; the host's part lies in memory of `limit` bytes.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(r: &mut Reader<'_>, limit: u64) -> Result<Self, Malformed> {
        let call = Self {
            stream: r.u64()?,
            device: r.u64()?,
            bytes: r.u64()?,
            offset: r.u64()?,
        };
        r.end()?;
        if call.bytes == 0 {
            return Err(Malformed::Value(call.bytes));
        }
        call.device.checked_add(call.bytes).ok_or(Malformed::Value(call.device))?;
        match call.offset.checked_add(call.bytes) {
            Some(end) if end <= limit => Ok(call),
            _ => Err(Malformed::Value(call.offset)),
        }
    }
}

/// Which path: the arguments of [`TAG_PATH_READY`] and, with more behind them, of [`TAG_PATH_END`], in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathAsk {
    /// Number, among the program's servers, of the one at the other end.
    pub peer: u32,
    /// Number of the attempt by which it was made.
    pub attempt: u64,
    /// The other end took it, and asks for copies.
    pub comes_in: bool,
}

impl PathAsk {
    /// Encoded size in bytes.
    pub const SIZE: usize = 4 + 8 + 1;

    /// Appends it.
    pub fn write(&self, w: &mut impl Writer) {
        w.u32(self.peer);
        w.u64(self.attempt);
        w.u8(u8::from(self.comes_in));
    }

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { peer: peer(r)?, attempt: r.u64()?, comes_in: flag(r)? })
    }
}

/// Number of a server of the program.
fn peer(r: &mut Reader<'_>) -> Result<u32, Malformed> {
    let peer = r.u32()?;
    if peer < SERVERS_MAX { Ok(peer) } else { Err(Malformed::Value(u64::from(peer))) }
}

fn flag(r: &mut Reader<'_>) -> Result<bool, Malformed> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Malformed::Value(u64::from(other))),
    }
}

/// Device memory that takes part in a copy by a path, which wraps around no address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathMemory {
    /// The copy: the client gives out each number once.
    pub copy: u64,
    /// Number, among the program's servers, of the one at the other end.
    pub peer: u32,
    /// It is the copy's source.
    pub is_source: bool,
    /// Where it begins.
    pub address: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl PathMemory {
    /// Encoded size in bytes.
    pub const SIZE: usize = 8 + 4 + 1 + 8 + 8;

    fn write(&self, w: &mut impl Writer) {
        w.u64(self.copy);
        w.u32(self.peer);
        w.u8(u8::from(self.is_source));
        w.u64(self.address);
        w.u64(self.bytes);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let memory = Self { copy: r.u64()?, peer: peer(r)?, is_source: flag(r)?, address: r.u64()?, bytes: r.u64()? };
        if memory.bytes == 0 || memory.bytes > PATH_COPY_BYTES_MAX {
            return Err(Malformed::Value(memory.bytes));
        }
        memory.address.checked_add(memory.bytes).ok_or(Malformed::Value(memory.address))?;
        Ok(memory)
    }
}

/// The arguments of [`TAG_PATH_ANNOUNCE`]: memory, in the context of the record, that the other end may read or write by this copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathAnnouncement(pub PathMemory);

impl PathAnnouncement {
    /// Encoded size in bytes.
    pub const SIZE: usize = PathMemory::SIZE;

    /// Appends it.
    pub fn write(&self, w: &mut impl Writer) {
        self.0.write(w);
    }

    /// Reads it, and that nothing follows.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let memory = PathMemory::read(r)?;
        r.end()?;
        Ok(Self(memory))
    }
}

/// The arguments of [`TAG_PATH_COPY`], in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathCopy {
    /// The stream.
    pub stream: u64,
    /// A host function of the client's that makes the copy where the path cannot; 0: none, the client waits.
    pub instead: u64,
    /// Memory of this server.
    pub memory: PathMemory,
}

impl PathCopy {
    /// Encoded size in bytes.
    pub const SIZE: usize = 16 + PathMemory::SIZE;

    /// Appends it.
    pub fn write(&self, w: &mut impl Writer) {
        w.u64(self.stream);
        w.u64(self.instead);
        self.memory.write(w);
    }

    /// Reads it, and that nothing follows.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let copy = Self { stream: r.u64()?, instead: r.u64()?, memory: PathMemory::read(r)? };
        r.end()?;
        Ok(copy)
    }
}

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

    #[test]
    fn copies_with_shared_memory_stay_inside_it() {
        let call = SharedCall { stream: 1, device: 0x7000_0000_0000, bytes: 0x3000, offset: 0x1000 };
        let encode = |call: &SharedCall| {
            let mut bytes = [0u8; SharedCall::SIZE];
            let mut writer = crate::codec::SliceWriter::new(&mut bytes);
            call.write(&mut writer);
            assert!(!writer.overflowed() && writer.len() == SharedCall::SIZE);
            bytes
        };
        let bytes = encode(&call);
        assert_eq!(SharedCall::read(&mut Reader::new(&bytes), 0x4000), Ok(call));
        assert!(SharedCall::read(&mut Reader::new(&bytes), 0x3fff).is_err());
        assert!(SharedCall::read(&mut Reader::new(&bytes), 0).is_err());
        for length in 0..bytes.len() {
            assert!(SharedCall::read(&mut Reader::new(&bytes[..length]), 0x4000).is_err());
        }
        for hostile in [
            SharedCall { bytes: 0, ..call },
            SharedCall { bytes: u64::MAX, ..call },
            SharedCall { offset: u64::MAX, ..call },
            SharedCall { device: u64::MAX, ..call },
        ] {
            assert!(SharedCall::read(&mut Reader::new(&encode(&hostile)), u64::MAX).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn copies_by_paths_survive_encoding_and_hostile_ones_do_not() {
        let memory = PathMemory { copy: 9, peer: 3, is_source: true, address: 0x7000_0000_0000, bytes: 70_001 };
        let copy = PathCopy { stream: 1, instead: 5, memory };
        let encode = |copy: &PathCopy| {
            let mut bytes = [0u8; PathCopy::SIZE];
            let mut writer = crate::codec::SliceWriter::new(&mut bytes);
            copy.write(&mut writer);
            assert!(!writer.overflowed() && writer.len() == PathCopy::SIZE);
            bytes
        };
        let bytes = encode(&copy);
        assert_eq!(PathCopy::read(&mut Reader::new(&bytes)), Ok(copy));
        assert_eq!(PathAnnouncement::read(&mut Reader::new(&bytes[16..])), Ok(PathAnnouncement(memory)));
        for length in 0..bytes.len() {
            assert!(PathCopy::read(&mut Reader::new(&bytes[..length])).is_err());
        }
        assert!(PathCopy::read(&mut Reader::new(&[&bytes[..], &[0]].concat())).is_err());
        for hostile in [
            PathMemory { bytes: 0, ..memory },
            PathMemory { bytes: PATH_COPY_BYTES_MAX + 1, ..memory },
            PathMemory { bytes: u64::MAX, ..memory },
            PathMemory { address: u64::MAX - 70_000, ..memory },
            PathMemory { peer: SERVERS_MAX, ..memory },
            PathMemory { peer: u32::MAX, ..memory },
        ] {
            assert!(PathCopy::read(&mut Reader::new(&encode(&PathCopy { memory: hostile, ..copy }))).is_err(), "{hostile:?}");
        }
        let mut neither = bytes;
        neither[16 + 8 + 4] = 2;
        assert!(PathCopy::read(&mut Reader::new(&neither)).is_err());
    }

    #[test]
    fn transfers_survive_encoding_and_hostile_ones_do_not() {
        let call = TransferCall {
            stream: 1,
            device: 0x7000_0000_0000,
            bytes: 70_001,
            id: 5,
            host: 0x5555_0000_1234,
            link: 3,
            key: 0xdead_beef,
        };
        let encode = |call: &TransferCall| {
            let mut bytes = [0u8; TransferCall::SIZE];
            let mut writer = crate::codec::SliceWriter::new(&mut bytes);
            call.write(&mut writer);
            assert!(!writer.overflowed() && writer.len() == TransferCall::SIZE);
            bytes
        };
        let bytes = encode(&call);
        assert_eq!(TransferCall::read(&mut Reader::new(&bytes)), Ok(call));
        for length in 0..bytes.len() {
            assert!(TransferCall::read(&mut Reader::new(&bytes[..length])).is_err());
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(TransferCall::read(&mut Reader::new(&longer)).is_err());
        for hostile in [
            TransferCall { bytes: 0, ..call },
            TransferCall { bytes: TRANSFER_BYTES_MAX as u64 + 1, ..call },
            TransferCall { bytes: u64::MAX, ..call },
            TransferCall { device: u64::MAX - 70_000, ..call },
            TransferCall { host: u64::MAX, ..call },
        ] {
            assert!(TransferCall::read(&mut Reader::new(&encode(&hostile))).is_err(), "{hostile:?}");
        }
    }
}
