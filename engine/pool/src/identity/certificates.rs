//! A server's own authority and the certificate that it shows, each a file with key and certificate together, so that the two
//! never disagree.
//!
//! They do not expire: what is bounded in time are tokens. A server gets another identity when its folder is removed.

use super::folder::Folder;
use super::IdentityError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use ringway_secure::tls::{SERVER_NAME, ServerIdentity};
use ringway_secure::{pem, random};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

const AUTHORITY_FILE: &str = "authority.pem";
const SERVER_FILE: &str = "server.pem";
const AUTHORITY_NAME: &str = "Ringway server authority";

/// A server's certificates.
#[derive(Debug)]
pub struct Certificates {
    /// The authority's, DER: what clients are given.
    pub authority: Vec<u8>,
    /// What the server shows.
    pub identity: ServerIdentity,
}

type Pair = (PrivatePkcs8KeyDer<'static>, CertificateDer<'static>);

impl Certificates {
    /// Those of the folder; made on first use.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load_or_make(folder: &Folder) -> Result<Self, IdentityError> {
        if let Some(found) = Self::load(folder)? {
            return Ok(found);
        }
        let _locked = folder.lock()?;
        if read(folder, AUTHORITY_FILE)?.is_none() {
            let key = new_key()?;
            let made = authority()?.self_signed(&key).map_err(internal)?;
            folder.write(AUTHORITY_FILE, &text(&key, made.der()))?;
        }
        if read(folder, SERVER_FILE)?.is_none() {
            let (key, _) = read(folder, AUTHORITY_FILE)?.ok_or_else(|| internal("the authority's key is gone again"))?;
            let damaged = |error: rcgen::Error| IdentityError::Damaged(folder.file(AUTHORITY_FILE), error.to_string());
            let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).map_err(damaged)?;
            let authority = authority()?;
            let own = new_key()?;
            let made = server()?.signed_by(&own, &Issuer::from_params(&authority, &key)).map_err(internal)?;
            folder.write(SERVER_FILE, &text(&own, made.der()))?;
        }
        Self::load(folder)?.ok_or_else(|| internal("the certificates are gone again"))
    }

    /// Those of the folder; None where there are none yet.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(folder: &Folder) -> Result<Option<Self>, IdentityError> {
        let (Some((_, authority)), Some((key, certificate))) = (read(folder, AUTHORITY_FILE)?, read(folder, SERVER_FILE)?) else {
            return Ok(None);
        };
        let identity =
            ServerIdentity::new(certificate, key).map_err(|why| IdentityError::Damaged(folder.file(SERVER_FILE), why))?;
        Ok(Some(Self { authority: authority.to_vec(), identity }))
    }
}

fn internal(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Refused(format!("a certificate could not be made: {error}; this is a fault of Ringway or of the system's random numbers"))
}

fn new_key() -> Result<KeyPair, IdentityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(internal)
}

fn parameters(name: &str, alternatives: &[&str]) -> Result<CertificateParams, IdentityError> {
    let alternatives: Vec<String> = alternatives.iter().map(|&name| name.into()).collect();
    let mut parameters = CertificateParams::new(alternatives).map_err(internal)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    // From before any clock that is wrong by years, to "no well-defined expiration date" (RFC 5280, 4.1.2.5).
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(9999, 12, 31);
    let mut serial = random::<16>().map_err(internal)?;
    serial[0] &= 0x7f;
    parameters.serial_number = Some(serial.to_vec().into());
    Ok(parameters)
}

fn authority() -> Result<CertificateParams, IdentityError> {
    let mut parameters = parameters(AUTHORITY_NAME, &[])?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(parameters)
}

fn server() -> Result<CertificateParams, IdentityError> {
    let mut parameters = parameters(SERVER_NAME, &[SERVER_NAME])?;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(parameters)
}

fn text(key: &KeyPair, certificate: &[u8]) -> Zeroizing<String> {
    let key = Zeroizing::new(key.serialize_der());
    Zeroizing::new([&**pem::encode("PRIVATE KEY", &key), &pem::encode("CERTIFICATE", certificate)].concat())
}

fn read(folder: &Folder, name: &str) -> Result<Option<Pair>, IdentityError> {
    let Some(text) = folder.read(name)? else {
        return Ok(None);
    };
    match (pem::private_key(&text), pem::certificate(&text)) {
        (Some(key), Some(certificate)) => Ok(Some((key, certificate))),
        _ => Err(IdentityError::Damaged(folder.file(name), "it does not hold a private key and a certificate".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::Scratch;
    use super::*;
    use ringway_secure::tls::{TlsStream, Trust};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_secs(10);

    fn made(scratch: &Scratch) -> Certificates {
        Certificates::load_or_make(&Folder::make(&scratch.0).unwrap()).unwrap()
    }

    /// What a client that trusts one authority gets from a server with an identity.
    fn meet(identity: &ServerIdentity, authority: &[u8]) -> (std::io::Result<String>, std::io::Result<TlsStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let identity = identity.clone();
        let server = std::thread::spawn(move || {
            let mut stream = TlsStream::accept(listener.accept().unwrap().0, &identity, LIMIT)?;
            stream.write_all(b"hello")?;
            stream.end_writing()?;
            Ok(stream)
        });
        let trust = Trust::in_authority(authority).unwrap();
        let met = TlsStream::connect(TcpStream::connect(address).unwrap(), &trust, LIMIT).and_then(|mut stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).map(|_| text)
        });
        (met, server.join().unwrap())
    }

    #[test]
    fn the_identity_stays_and_is_recognized() {
        let scratch = Scratch::new();
        let first = made(&scratch);
        let again = made(&scratch);
        assert_eq!(first.authority, again.authority);
        assert_eq!(meet(&again.identity, &first.authority).0.unwrap(), "hello");
        // The server's own file is made anew by the same authority.
        std::fs::remove_file(scratch.0.join(SERVER_FILE)).unwrap();
        assert_eq!(meet(&made(&scratch).identity, &first.authority).0.unwrap(), "hello");
    }

    #[test]
    fn another_server_is_refused() {
        let (one, other) = (Scratch::new(), Scratch::new());
        let (met, served) = meet(&made(&one).identity, &made(&other).authority);
        let why = met.unwrap_err().to_string();
        assert!(why.contains("not the one that the token is for"), "{why}");
        assert!(served.is_err());
    }

    #[test]
    fn both_ends_get_the_same_keys() {
        let scratch = Scratch::new();
        let certificates = made(&scratch);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let identity = certificates.identity.clone();
        let server = std::thread::spawn(move || TlsStream::accept(listener.accept().unwrap().0, &identity, LIMIT).unwrap());
        let client = TlsStream::connect(client, &Trust::in_authority(&certificates.authority).unwrap(), LIMIT).unwrap();
        let (a, b) = (client.into_keys().unwrap().1, server.join().unwrap().into_keys().unwrap().1);
        assert_eq!(a.as_bytes(), b.as_bytes());
        assert_ne!(a.as_bytes()[..32], a.as_bytes()[32..]);
    }

    #[test]
    fn long_messages_pass_both_ways_at_once_and_ends_are_told() {
        let scratch = Scratch::new();
        let certificates = made(&scratch);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let identity = certificates.identity.clone();
        let message: Vec<u8> = (0..300_000u32).map(|i| (i * 7) as u8).collect();
        let both = |mut stream: TlsStream, message: Vec<u8>| {
            let mut writing = stream.try_clone().unwrap();
            let sent = message.clone();
            let writer = std::thread::spawn(move || writing.write_all(&sent).and_then(|()| writing.end_writing()));
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            writer.join().unwrap().unwrap();
            assert!(got == message, "{} bytes came of {}", got.len(), message.len());
        };
        let theirs = message.clone();
        let server =
            std::thread::spawn(move || both(TlsStream::accept(listener.accept().unwrap().0, &identity, LIMIT).unwrap(), theirs));
        both(TlsStream::connect(client, &Trust::in_authority(&certificates.authority).unwrap(), LIMIT).unwrap(), message);
        server.join().unwrap();
    }

    #[test]
    fn a_damaged_file_is_told_and_not_replaced() {
        let scratch = Scratch::new();
        made(&scratch);
        let folder = Folder::make(&scratch.0).unwrap();
        for name in [AUTHORITY_FILE, SERVER_FILE] {
            let whole = folder.read(name).unwrap().unwrap();
            folder.write(name, &whole[..whole.len() / 3]).unwrap();
            let error = Certificates::load_or_make(&folder).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged(..)), "{error}");
            folder.write(name, &whole).unwrap();
        }
    }
}
