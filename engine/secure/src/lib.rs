//! What makes a TCP connection of Ringway's private and its server known: TLS 1.3 for what is said on it ([`tls`]), sealed
//! records for the bytes of a lane behind that ([`record`]), and the file that a client needs for it ([`token`]).
//!
//! A server is known by the certificate of its own authority, which the token file carries; names and addresses prove nothing
//! and are not looked at. Nothing here starts a thread or needs a runtime: it is linked into what users' programs load.

pub mod pem;
pub mod record;
pub mod tls;
pub mod token;

/// Random bytes of the operating system.
///
/// # Errors
/// The system has none.
pub fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    use ring::rand::SecureRandom;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| std::io::Error::other("the operating system gave no random bytes"))?;
    Ok(bytes)
}

/// What lets server number `from` of a program bring a path to a session that has this secret, by the attempt of this number (WIRE.md, W35).
/// The program and the session's server know the secret; who has only this learns nothing of it.
pub fn path_secret(session_secret: &str, from: u32, attempt: u64) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, session_secret.as_bytes());
    let what = [&b"ringway path\0"[..], &from.to_le_bytes(), &attempt.to_le_bytes()].concat();
    hex(ring::hmac::sign(&key, &what).as_ref())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of a hexadecimal text; None if it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16).map(|v| v as u8);
    digits.len().is_multiple_of(2).then_some(())?;
    digits.chunks_exact(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

/// Seconds since 1970, by this machine's clock.
pub fn unix_now() -> u64 {
    unix_now_ms() / 1000
}

/// Milliseconds since 1970, by this machine's clock.
pub fn unix_now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_paths_secret_is_for_one_session_server_and_attempt() {
        let own = super::path_secret("secret", 1, 2);
        assert_eq!(own, super::path_secret("secret", 1, 2));
        assert_eq!(own.len(), 64);
        for other in [super::path_secret("secret", 1, 3), super::path_secret("secret", 2, 2), super::path_secret("secres", 1, 2)] {
            assert_ne!(own, other);
        }
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(super::hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(super::unhex("001fFF"), Some(vec![0, 0x1f, 0xff]));
        for text in ["0", "0g", "+1", "é"] {
            assert_eq!(super::unhex(text), None, "{text}");
        }
        assert_ne!(super::random::<32>().unwrap(), super::random::<32>().unwrap());
    }
}
