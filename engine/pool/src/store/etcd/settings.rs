//! Where etcd is, and how it is spoken to.

use crate::store::StoreError;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::fmt;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use zeroize::Zeroizing;

/// Addresses of members at the most.
const ENDPOINTS_MAX: usize = 16;
/// Bytes of a file of certificates or of a key at the most.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Default)]
pub struct EtcdSettings {
    /// Addresses of its members, as `https://etcd1:2379`. One that does not answer is passed over.
    pub endpoints: Vec<String>,
    /// Name of the pool among those that this etcd keeps: letters, digits, `-`, `_`, `.`.
    pub pool: String,
    /// File with the certificates of the authority that etcd's own is of (PEM); needed for `https`.
    pub ca_file: Option<PathBuf>,
    /// Files with a certificate and its key (PEM), where etcd wants one of its clients.
    pub certificate_files: Option<(PathBuf, PathBuf)>,
    /// Name and password, where etcd wants them.
    pub user: Option<(String, Zeroizing<String>)>,
    /// `http` is allowed beyond this machine.
    pub trusted_network: bool,
}

impl fmt::Debug for EtcdSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(name, _)| name);
        f.debug_struct("EtcdSettings")
            .field("endpoints", &self.endpoints)
            .field("pool", &self.pool)
            .field("user", &user)
            .finish_non_exhaustive()
    }
}

fn wrong(what: String) -> StoreError {
    StoreError::Settings(what)
}

/// Whether a host is this machine, by its name alone.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.to_canonical().is_loopback())
}

fn read(path: &Path, is_secret: bool) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let failed = |error: std::io::Error| wrong(format!("{}: {error}", path.display()));
    let meta = path.metadata().map_err(failed)?;
    if meta.len() > PEM_BYTES_MAX || !meta.is_file() {
        return Err(wrong(format!("{} is no file of certificates: it has {} bytes", path.display(), meta.len())));
    }
    if is_secret && meta.mode() & 0o007 != 0 {
        let path = path.display();
        return Err(wrong(format!("{path} is a key that everybody may read (mode {:03o}); chmod o= {path}", meta.mode() & 0o777)));
    }
    Ok(Zeroizing::new(std::fs::read(path).map_err(failed)?))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let read = CertificateDer::pem_slice_iter(&read(path, false)?).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(wrong(format!("{} has no certificate; PEM is wanted", path.display()))),
        Err(error) => Err(wrong(format!("{}: {error}; PEM is wanted", path.display()))),
    }
}

impl EtcdSettings {
    /// Checks addresses and name.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.endpoints.is_empty() || self.endpoints.len() > ENDPOINTS_MAX {
            return Err(wrong(format!("{} addresses of etcd were given; 1 to {ENDPOINTS_MAX} can be used", self.endpoints.len())));
        }
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.pool.is_empty() || self.pool.len() > 64 || !self.pool.chars().all(good) {
            let name = self.pool.escape_default();
            return Err(wrong(format!("'{name}' cannot name a pool in etcd; use 1 to 64 letters, digits, '-', '_', '.'")));
        }
        for endpoint in &self.endpoints {
            let shown = endpoint.escape_default();
            let parsed = endpoint.parse::<ureq::http::Uri>().ok();
            let authority = parsed.as_ref().and_then(|uri| uri.authority());
            let (Some(uri), Some(authority)) = (&parsed, authority) else {
                return Err(wrong(format!("'{shown}' is no address of etcd; give it as https://HOST:2379")));
            };
            if uri.path_and_query().is_some_and(|path| path.as_str() != "/") || authority.as_str().contains('@') {
                return Err(wrong(format!("'{shown}' has more than scheme, host and port; give it as https://HOST:2379")));
            }
            match uri.scheme_str() {
                Some("https") if self.ca_file.is_some() => {}
                Some("https") => {
                    return Err(wrong(format!("for {shown} the certificate of etcd's authority is needed, by which it is known")));
                }
                Some("http") if self.trusted_network || is_here(authority.host()) => {}
                Some("http") => {
                    return Err(wrong(format!("{shown} is clear text beyond this machine; use https, or say that the network is trusted")));
                }
                _ => return Err(wrong(format!("'{shown}' is neither https nor http"))),
            }
        }
        Ok(())
    }

    /// Reads certificates and keys.
    pub(super) fn tls(&self) -> Result<TlsConfig, StoreError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Without an authority none is trusted.
        let authorities = self.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let mut roots = rustls::RootCertStore::empty();
        for authority in &authorities {
            let path = self.ca_file.as_deref().unwrap_or(Path::new(""));
            roots.add(authority.clone()).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        }
        let own = |der: &CertificateDer<'_>| Certificate::from_der(der).to_owned();
        let mut client = None;
        if let Some((certificate, key)) = &self.certificate_files {
            let (chain, key_pem) = (certificates(certificate)?, read(key, true)?);
            let bad = |error: String| wrong(format!("{} with {}: {error}", certificate.display(), key.display()));
            let parsed = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| bad(error.to_string()))?;
            // The HTTP client would panic over a key that does not belong to the certificate.
            rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(chain.clone(), parsed))
                .map_err(|error| bad(error.to_string()))?;
            let key = PrivateKey::from_pem(&key_pem).map_err(|error| bad(error.to_string()))?;
            client = Some(ClientCert::new_with_certs(&chain.iter().map(own).collect::<Vec<_>>(), key));
        }
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&authorities.iter().map(own).collect::<Vec<_>>()))
            .client_cert(client)
            .unversioned_rustls_crypto_provider(provider)
            .build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str) -> EtcdSettings {
        EtcdSettings { endpoints: vec![endpoint.into()], pool: "lab".into(), ..EtcdSettings::default() }
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:2379", "http://localhost:2379", "http://[::1]:2379/"] {
            settings(good).check().unwrap();
        }
        for (bad, why) in [
            ("127.0.0.1:2379", "neither"),
            ("", "no address"),
            ("ftp://127.0.0.1", "neither"),
            ("http://127.0.0.1:2379/v3", "more than"),
            ("http://user:secret@127.0.0.1:2379", "more than"),
            ("http://10.0.0.1:2379", "clear text"),
            ("http://127.0.0.1.example.org:2379", "clear text"),
            ("https://127.0.0.1:2379", "authority"),
        ] {
            let error = settings(bad).check().unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
        EtcdSettings { trusted_network: true, ..settings("http://10.0.0.1:2379") }.check().unwrap();
        for pool in ["", "a/b", "ä", &"a".repeat(65)] {
            assert!(EtcdSettings { pool: pool.into(), ..settings("http://[::1]:1") }.check().is_err(), "{pool}");
        }
        assert!(EtcdSettings { endpoints: Vec::new(), ..settings("") }.check().is_err());
    }

    #[test]
    fn the_password_is_not_shown() {
        let settings = EtcdSettings { user: Some(("pool".into(), "hidden".to_owned().into())), ..settings("http://localhost:1") };
        let shown = format!("{settings:?}");
        assert!(shown.contains("pool") && !shown.contains("hidden"), "{shown}");
    }
}
