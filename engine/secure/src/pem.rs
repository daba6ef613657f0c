//! Certificates and keys as text (RFC 7468), as other programs read and write them.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// DER as a text between lines that name what it is.
pub fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // The size is known, so that nothing is moved and left behind.
    let mut text = Zeroizing::new(String::with_capacity(der.len() * 3 / 2 + 2 * label.len() + 64));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for i in 0..4 {
                text.push(if i <= three.len() { char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]) } else { '=' });
            }
        }
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The first certificate of a text; None if there is none.
pub fn certificate(text: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(text.as_bytes()).ok()
}

/// The first private key (PKCS #8) of a text; None if there is none.
pub fn private_key(text: &str) -> Option<PrivatePkcs8KeyDer<'static>> {
    PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_encoded_is_read_again() {
        for bytes in 1..200usize {
            let der: Vec<u8> = (0..bytes).map(|i| (i * 7) as u8).collect();
            let text = super::encode("CERTIFICATE", &der);
            assert_eq!(super::certificate(&text).unwrap().as_ref(), &der[..]);
            assert!(super::private_key(&text).is_none());
        }
        assert!(super::certificate("-----BEGIN CERTIFICATE-----\n%%\n").is_none());
    }
}
