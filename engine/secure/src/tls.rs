//! TLS 1.3 on a control connection: both ends, on plain blocking sockets.
//!
//! Records are read from the socket one at a time and whole, so that nothing of what follows the last one is ever taken from it:
//! the bytes behind a request or an answer may be a lane's ([`crate::record`]), which another process reads.

use crate::record::{ConnectionKeys, KEYS_BYTES};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// First byte of a connection that begins with TLS: the type of a record with a message of the handshake.
pub const FIRST_BYTE: u8 = 0x16;
/// Name in the certificate of each server. Who it is, its authority says; its addresses are nobody's to vouch for.
pub const SERVER_NAME: &str = "server.ringway.internal";
/// Protocol within TLS (ALPN).
const PROTOCOL: &[u8] = b"ringway/1";
/// Exporter label of a lane's keys.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-ringway-lane-keys";
/// Bytes of a TLS record's body at the most (RFC 8446, 5.2).
const BODY_BYTES_MAX: usize = 16_384 + 256;

/// Whom a client takes for its server.
#[derive(Clone)]
pub struct Trust {
    ca: Arc<[u8]>,
    config: Arc<ClientConfig>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust(..)")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl Trust {
    /// Whoever has a certificate of this authority (DER).
    ///
    /// # Errors
    /// It is no certificate of an authority; why.
    pub fn in_authority(ca: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let bad = |error: rustls::Error| format!("the certificate of the server's authority is of no use: {error}");
        roots.add(CertificateDer::from(ca.to_vec())).map_err(bad)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(bad)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(Self { ca: ca.into(), config: Arc::new(config) })
    }

    /// The authority's certificate, DER.
    pub fn ca(&self) -> &[u8] {
        &self.ca
    }
}

/// What a server shows.
#[derive(Clone)]
pub struct ServerIdentity(Arc<ServerConfig>);

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerIdentity(..)")
    }
}

impl ServerIdentity {
    /// A certificate and its key.
    ///
    /// # Errors
    /// They do not belong together, or are none; why.
    pub fn new(certificate: CertificateDer<'static>, key: PrivatePkcs8KeyDer<'static>) -> Result<Self, String> {
        let bad = |error: rustls::Error| error.to_string();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(bad)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
            .map_err(bad)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Nothing may come behind the handshake but answers.
        config.send_tls13_tickets = 0;
        Ok(Self(Arc::new(config)))
    }

    /// The same certificate for another protocol within TLS, by its ALPN name.
    pub fn for_protocol(&self, protocol: &[u8]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.0);
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }
}

/// A connection with TLS. A clone is another handle of the same; one reads at a time.
///
/// For messages that are asked for and answered, not for streams both ways at once: who writes more than the socket takes keeps the
/// reader of the same connection waiting.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    tls: Arc<Mutex<Connection>>,
    /// By when what is being read must have come.
    deadline: Option<Instant>,
    record: Vec<u8>,
}

fn failed(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl TlsStream {
    /// A client's end, within `timeout`: the server is who `trust` says, or there is no connection.
    ///
    /// # Errors
    /// The handshake failed; the text names the cause and the cure.
    pub fn connect(socket: TcpStream, trust: &Trust, timeout: Duration) -> io::Result<Self> {
        let name = ServerName::try_from(SERVER_NAME).map_err(failed)?;
        let tls = ClientConnection::new(Arc::clone(&trust.config), name).map_err(failed)?;
        let shaken = Self::new(socket, tls.into()).shake_hands(timeout);
        shaken.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(why)) => failed(format!(
                "the server is not the one that the token is for ({why}); check the address, or get a token file of this server"
            )),
            _ => error,
        })
    }

    /// A server's end, within `timeout`.
    ///
    /// # Errors
    /// The handshake failed; the text names the cause.
    pub fn accept(socket: TcpStream, identity: &ServerIdentity, timeout: Duration) -> io::Result<Self> {
        let tls = ServerConnection::new(Arc::clone(&identity.0)).map_err(failed)?;
        Self::new(socket, tls.into()).shake_hands(timeout)
    }

    fn new(socket: TcpStream, tls: Connection) -> Self {
        Self { socket, tls: Arc::new(Mutex::new(tls)), deadline: None, record: Vec::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shake_hands(mut self, timeout: Duration) -> io::Result<Self> {
        self.socket.set_write_timeout(Some(timeout))?;
        self.deadline = Some(Instant::now() + timeout);
        self.send_out()?;
        while self.lock().is_handshaking() {
            if !self.read_record()? {
                let why = "the connection was closed during the TLS handshake";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
        }
        if self.lock().alpn_protocol() != Some(PROTOCOL) {
            return Err(failed("the peer speaks TLS but not Ringway's protocol within it"));
        }
        self.deadline = None;
        self.socket.set_read_timeout(Some(timeout))?;
        Ok(self)
    }

    /// The socket beneath: for its options and addresses, not for reading or writing.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// What is read from now on must have come by then; None: the socket's time-out counts.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Another handle of the same connection.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, tls: Arc::clone(&self.tls), deadline: None, record: Vec::new() })
    }

    /// Tells the peer that nothing more comes, so that an end is told from a cut.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn end_writing(&self) -> io::Result<()> {
        self.lock().send_close_notify();
        self.send_out()?;
        self.socket.shutdown(std::net::Shutdown::Write)
    }

    /// Ends TLS behind a request: what follows on the socket in both directions is sealed with these keys.
    ///
    /// # Errors
    /// The peer said something that was not asked for, or the handshake is not over.
    pub fn into_keys(self) -> io::Result<(TcpStream, ConnectionKeys)> {
        let mut keys = Zeroizing::new([0u8; KEYS_BYTES]);
        {
            let mut tls = self.lock();
            match tls.reader().read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return Err(failed("the peer sent something behind what was asked for")),
            }
            tls.export_keying_material(&mut keys[..], EXPORTER_LABEL, None).map_err(failed)?;
        }
        let keys = ConnectionKeys::from_slice(&keys[..]).ok_or_else(|| failed("keys of another length"))?;
        Ok((self.socket, keys))
    }

    /// Sends what TLS has to say.
    fn send_out(&self) -> io::Result<()> {
        let mut tls = self.lock();
        while tls.wants_write() {
            tls.write_tls(&mut &self.socket)?;
        }
        Ok(())
    }

    /// Reads exactly so many bytes in time; false at an end of the stream before the first of them.
    fn fill(&mut self, from: usize) -> io::Result<bool> {
        let mut at = from;
        while at < self.record.len() {
            if let Some(deadline) = self.deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.socket.set_read_timeout(Some(left))?;
            }
            match (&self.socket).read(&mut self.record[at..]) {
                Ok(0) if at == 0 => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => at += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes in one record, and sends what it makes necessary; false at the end of the stream.
    fn read_record(&mut self) -> io::Result<bool> {
        self.record.resize(5, 0);
        if !self.fill(0)? {
            return Ok(false);
        }
        let length = usize::from(u16::from_be_bytes([self.record[3], self.record[4]]));
        if !(20..=23).contains(&self.record[0]) || self.record[1] != 3 || length > BODY_BYTES_MAX {
            return Err(failed(match &*self.lock() {
                Connection::Client(_) => {
                    "the peer does not answer with TLS; a client with a token file needs a server with an identity (`ringway token create` there), of the same release"
                }
                Connection::Server(_) => "the peer began with TLS and went on with something else",
            }));
        }
        self.record.resize(5 + length, 0);
        self.fill(5)?;
        let mut taken = Ok(());
        {
            let mut tls = self.lock();
            let mut rest = &self.record[..];
            while !rest.is_empty() && taken.is_ok() {
                tls.read_tls(&mut rest)?;
                taken = tls.process_new_packets().map(|_| ());
            }
        }
        // An alert too, if there is one: the peer is told why.
        let sent = self.send_out();
        taken.map_err(failed)?;
        sent.map(|()| true)
    }
}

impl Read for TlsStream {
    /// 0 at the end, whether announced or not: messages have lengths and a farewell, by which a cut shows.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let had = self.lock().reader().read(into);
            match had {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.read_record()? {
                        return Ok(0);
                    }
                }
                had => return had,
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let n = self.lock().writer().write(from)?;
        self.send_out()?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_out()
    }
}
