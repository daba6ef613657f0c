//! A connected TCP socket that is to carry a lane, in clear text or sealed.
//!
//! Control messages and the lane's bytes follow each other on it. Sealed records are read one at a time while messages are
//! exchanged, so that those of the lane behind them stay in the kernel.

use ringway_secure::record::{BadRecord, ConnectionKeys, HEADER_BYTES, Opener, PAYLOAD_BYTES_MAX, Sealer, TAG_BYTES};
use std::io::{self, Read, Write};
use std::net::TcpStream;
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
}

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
        let sealed = Sealed { sealer, opener, opened: Vec::new(), read: 0 };
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
        if sealed.is_at_record() {
            let mut header = [0; HEADER_BYTES];
            match self.stream.read(&mut header)? {
                0 => return Ok(0),
                n => self.stream.read_exact(&mut header[n..])?,
            }
            let mut record = vec![0; Opener::length(&header)?];
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
        let bytes = &from[..from.len().min(PAYLOAD_BYTES_MAX)];
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut record = vec![0; HEADER_BYTES + bytes.len() + TAG_BYTES];
        record[HEADER_BYTES..][..bytes.len()].copy_from_slice(bytes);
        sealed.sealer.seal(&mut record, bytes.len());
        self.stream.write_all(&record)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
