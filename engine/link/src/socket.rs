//! A connected TCP socket that is to carry a lane, in clear text or sealed.
//!
//! Control messages and the lane's bytes follow each other on it. Sealed records are read one at a time while messages are
//! exchanged, so that those of the lane behind them stay in the kernel.

use ringway_secure::record::{BadRecord, ConnectionKeys, HEADER_BYTES, Opener, PAYLOAD_BYTES_MAX, Sealer, TAG_BYTES};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::time::Duration;

/// A socket, and how what is on it is protected.
pub struct Socket {
    stream: TcpStream,
    sealed: Option<Box<Sealed>>,
}

/// What it takes to seal and open the bytes of a connection.
pub(crate) struct Sealed {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
    /// What the last record carried and was not read yet: from here on.
    opened: Vec<u8>,
    read: usize,
    /// Records on their way to the kernel.
    sealing: Vec<u8>,
    /// What the kernel gave beyond the record that is read, where that is allowed.
    ahead: Option<Ahead>,
}

/// Records that were received and not read yet.
struct Ahead {
    space: Box<[u8]>,
    /// Where records begin that are not opened, and where what was received ends.
    start: usize,
    end: usize,
    /// What was opened and not read.
    opened: Range<usize>,
}

/// Bytes that are received ahead at the most.
const AHEAD_BYTES: usize = RECORDS_AT_ONCE * RECORD_BYTES_MAX;
const RECORD_BYTES_MAX: usize = HEADER_BYTES + PAYLOAD_BYTES_MAX + TAG_BYTES;

impl Ahead {
    fn new() -> Self {
        Self { space: vec![0; AHEAD_BYTES].into_boxed_slice(), start: 0, end: 0, opened: 0..0 }
    }

    /// Receives until a whole record is there; its length. None: the stream has ended before it began.
    fn receive(&mut self, stream: &mut TcpStream) -> io::Result<Option<usize>> {
        loop {
            let held = &self.space[self.start..self.end];
            if let Some(header) = held.first_chunk::<HEADER_BYTES>() {
                let length = Opener::length(header)?;
                if held.len() >= length {
                    return Ok(Some(length));
                }
            }
            // Everything before was read: a record fits behind what is left of the last one.
            if self.start > 0 {
                self.space.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            match stream.read(&mut self.space[self.end..])? {
                0 if self.end == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.end += n,
            }
        }
    }

    fn read(&mut self, stream: &mut TcpStream, opener: &mut Opener, into: &mut [u8]) -> io::Result<usize> {
        if self.opened.is_empty() {
            let Some(length) = self.receive(stream)? else { return Ok(0) };
            let bytes = opener.open(&mut self.space[self.start..self.start + length])?;
            self.opened = self.start + HEADER_BYTES..self.start + HEADER_BYTES + bytes;
            self.start += length;
        }
        let n = self.opened.len().min(into.len());
        into[..n].copy_from_slice(&self.space[self.opened.start..][..n]);
        self.opened.start += n;
        Ok(n)
    }
}

/// Records that are sealed before the kernel gets them together, at the most.
const RECORDS_AT_ONCE: usize = 8;

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socket({:?}, sealed: {})", self.stream, self.sealed.is_some())
    }
}

impl From<TcpStream> for Socket {
    /// In clear text.
    fn from(stream: TcpStream) -> Self {
        Self { stream, sealed: None }
    }
}

impl Socket {
    /// Sealed with the keys that both ends agreed on; which end this is.
    pub fn sealed(stream: TcpStream, keys: &ConnectionKeys, server: bool) -> Self {
        let (sealer, opener) = keys.ends(server);
        let sealed = Sealed { sealer, opener, opened: Vec::new(), read: 0, sealing: Vec::new(), ahead: None };
        Self { stream, sealed: Some(Box::new(sealed)) }
    }

    /// As [`Socket::sealed`] where there are keys, else in clear text.
    pub fn with(stream: TcpStream, keys: Option<&ConnectionKeys>, server: bool) -> Self {
        match keys {
            Some(keys) => Self::sealed(stream, keys, server),
            None => stream.into(),
        }
    }

    /// Whether what is on it is sealed.
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Removes or changes the time-outs of reads and writes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_timeouts(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout).and_then(|()| self.stream.set_write_timeout(timeout))
    }

    /// From now on more is taken from the kernel than is read, so what follows cannot be given to somebody else.
    pub fn read_ahead(&mut self) {
        if let Some(sealed) = &mut self.sealed {
            sealed.ahead = Some(Ahead::new());
        }
    }

    /// The socket itself: for its options and addresses, not for reading or writing.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket and its protection, for the lane.
    pub(crate) fn into_parts(self) -> (TcpStream, Option<Box<Sealed>>) {
        (self.stream, self.sealed)
    }
}

impl Sealed {
    /// Whether all that was opened was read: a lane begins with a record of its own.
    pub(crate) fn is_at_record(&self) -> bool {
        self.read == self.opened.len()
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(sealed) = &mut self.sealed else {
            return self.stream.read(into);
        };
        if let (true, Some(ahead)) = (sealed.is_at_record(), &mut sealed.ahead) {
            return ahead.read(&mut self.stream, &mut sealed.opener, into);
        }
        if sealed.is_at_record() {
            let mut header = [0; HEADER_BYTES];
            match self.stream.read(&mut header)? {
                0 => return Ok(0),
                n => self.stream.read_exact(&mut header[n..])?,
            }
            // Its memory serves one record after the other.
            let mut record = std::mem::take(&mut sealed.opened);
            record.resize(Opener::length(&header)?, 0);
            record[..HEADER_BYTES].copy_from_slice(&header);
            self.stream.read_exact(&mut record[HEADER_BYTES..])?;
            let bytes = sealed.opener.open(&mut record)?;
            record.truncate(HEADER_BYTES + bytes);
            sealed.opened = record;
            sealed.read = HEADER_BYTES;
        }
        let bytes = sealed.opened.get(sealed.read..).ok_or(BadRecord::Header)?;
        let n = bytes.len().min(into.len());
        into[..n].copy_from_slice(&bytes[..n]);
        sealed.read += n;
        Ok(n)
    }
}

impl Write for Socket {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let Some(sealed) = &mut self.sealed else {
            return self.stream.write(from);
        };
        let bytes = &from[..from.len().min(RECORDS_AT_ONCE * PAYLOAD_BYTES_MAX)];
        sealed.sealing.clear();
        for part in bytes.chunks(PAYLOAD_BYTES_MAX) {
            let at = sealed.sealing.len();
            sealed.sealing.extend_from_slice(&[0; HEADER_BYTES]);
            sealed.sealing.extend_from_slice(part);
            sealed.sealing.extend_from_slice(&[0; TAG_BYTES]);
            sealed.sealer.seal(&mut sealed.sealing[at..], part.len());
        }
        self.stream.write_all(&sealed.sealing)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
