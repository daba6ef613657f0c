//! A path: messages and pieces of copies on a connected socket between the workers of two servers of one program (WIRE.md, W35 to W39).
//!
//! It is driven by one thread at each end, which sends a whole copy or takes one in; the socket's own windows are the flow control, and
//! what an end holds of a copy is bounded by the memory that it reads pieces into.

use crate::socket::Socket;
use crate::tcp::bound_silence;
use ringway_wire::frame::BadFrame;
use ringway_wire::path::{PATH_HEAD, PATH_PIECE_BYTES, PathMessage};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Bytes that must be before a piece, in the same memory: its head is put there, so that both are one write.
pub const PIECE_HEADROOM: usize = 64;
/// While a copy is under way, the other end moves on within this time: its driver may be busy. That its host is gone is known sooner.
const PATIENCE: Duration = Duration::from_secs(120);

/// One end of a path.
#[derive(Debug)]
pub struct Path {
    socket: Socket,
    is_patient: bool,
}

/// Ends a path that another thread drives.
#[derive(Debug)]
pub struct Closer(TcpStream);

impl Closer {
    /// Nothing more is read or written; whoever does is told.
    pub fn close(&self) {
        // If the peer has closed it already, its thread knows.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

fn broken(bad: BadFrame) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("rule {}: {}", bad.rule, bad.what))
}

/// The peer said something that has no place there.
pub fn out_of_place(message: &PathMessage) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("rule W37: {message:?} has no place there"))
}

impl Path {
    /// On a socket on which nothing else is said any more.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(mut socket: Socket) -> io::Result<Self> {
        socket.read_ahead();
        // A Unix socket has neither small packets to wait for nor a network that falls silent.
        if socket.stream().peer_addr().is_ok() {
            socket.stream().set_nodelay(true)?;
            bound_silence(socket.stream())?;
        }
        let mut path = Self { socket, is_patient: true };
        path.set_patient(false)?;
        Ok(path)
    }

    /// By which another thread can end it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn closer(&self) -> io::Result<Closer> {
        self.socket.stream().try_clone().map(Closer)
    }

    /// Whether the next message may take as long as it likes, as between copies.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_patient(&mut self, patient: bool) -> io::Result<()> {
        if self.is_patient != patient {
            self.socket.set_timeouts((!patient).then_some(PATIENCE))?;
            self.is_patient = patient;
        }
        Ok(())
    }

    /// Sends a message without a piece.
    ///
    /// # Errors
    /// The path broke.
    pub fn send(&mut self, message: PathMessage) -> io::Result<()> {
        self.socket.write_all(&message.encode())
    }

    /// Sends a piece: what is in `space` behind [`PIECE_HEADROOM`] bytes.
    ///
    /// # Errors
    /// The path broke.
    pub fn send_piece(&mut self, copy: u64, offset: u64, space: &mut [u8]) -> io::Result<()> {
        let len = space.len() - PIECE_HEADROOM;
        let from = PIECE_HEADROOM - PATH_HEAD;
        space[from..PIECE_HEADROOM].copy_from_slice(&PathMessage::Piece { copy, offset, len }.encode());
        self.socket.write_all(&space[from..])
    }

    /// The next message. The bytes of a piece are then to be taken.
    ///
    /// # Errors
    /// The path broke, or ended, or the peer broke a rule.
    pub fn receive(&mut self) -> io::Result<PathMessage> {
        let mut head = [0; PATH_HEAD];
        self.socket.read_exact(&mut head)?;
        PathMessage::decode(&head).map_err(broken)
    }

    /// Takes bytes of a piece.
    ///
    /// # Errors
    /// The path broke.
    pub fn take(&mut self, into: &mut [u8]) -> io::Result<()> {
        debug_assert!(into.len() <= PATH_PIECE_BYTES);
        self.socket.read_exact(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringway_secure::record::ConnectionKeys;
    use std::net::TcpListener;

    fn ends(sealed: bool) -> (Path, Path) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let keys = ConnectionKeys::from_slice(&[7; 64]).unwrap();
        let keys = sealed.then_some(&keys);
        (Path::new(Socket::with(near, keys, false)).unwrap(), Path::new(Socket::with(far, keys, true)).unwrap())
    }

    #[test]
    fn pieces_arrive_as_they_were_sent() {
        for sealed in [false, true] {
            let (mut near, mut far) = ends(sealed);
            let sender = std::thread::spawn(move || {
                near.send(PathMessage::Write { copy: 3, bytes: 700_001 }).unwrap();
                let mut offset = 0;
                for len in [1, 16 << 10, PATH_PIECE_BYTES, 700_001 - 1 - (16 << 10) - PATH_PIECE_BYTES] {
                    let mut space = vec![0; PIECE_HEADROOM + len];
                    for (at, byte) in space[PIECE_HEADROOM..].iter_mut().enumerate() {
                        *byte = (offset + at) as u8 ^ 0x5a;
                    }
                    near.send_piece(3, offset as u64, &mut space).unwrap();
                    offset += len;
                }
                near.send(PathMessage::End { copy: 3, result: 0 }).unwrap();
                near.receive().unwrap()
            });
            assert_eq!(far.receive().unwrap(), PathMessage::Write { copy: 3, bytes: 700_001 });
            let mut got = Vec::new();
            while let PathMessage::Piece { copy: 3, offset, len } = far.receive().unwrap() {
                assert_eq!(offset, got.len() as u64);
                got.resize(got.len() + len, 0);
                far.take(&mut got[offset as usize..]).unwrap();
            }
            assert_eq!(got.len(), 700_001);
            assert!(got.iter().enumerate().all(|(at, byte)| *byte == at as u8 ^ 0x5a));
            far.send(PathMessage::End { copy: 3, result: 1 }).unwrap();
            assert_eq!(sender.join().unwrap(), PathMessage::End { copy: 3, result: 1 });
        }
    }

    #[test]
    fn garbage_and_ends_are_errors() {
        let (mut near, mut far) = ends(false);
        near.socket.write_all(&[9; PATH_HEAD]).unwrap();
        assert_eq!(far.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
        near.socket.write_all(&[0; 3]).unwrap();
        drop(near);
        assert_eq!(far.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        // What is not sealed with the right keys opens nothing.
        let (near, mut far) = ends(true);
        let mut stranger = Path::new(near.socket.stream().try_clone().unwrap().into()).unwrap();
        stranger.socket.write_all(&[0x17, 3, 3, 0, 40]).unwrap();
        stranger.socket.write_all(&[0; 40]).unwrap();
        assert!(far.receive().is_err());
    }

    #[test]
    fn a_path_is_ended_from_another_thread() {
        let (_near, mut far) = ends(false);
        far.set_patient(true).unwrap();
        let closer = far.closer().unwrap();
        let reader = std::thread::spawn(move || far.receive().is_err());
        std::thread::sleep(Duration::from_millis(20));
        closer.close();
        assert!(reader.join().unwrap());
    }
}
