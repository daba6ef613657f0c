//! The token file: all that a client needs to reach a server and to be let in. And how a token looks on the wire.

use crate::{hex, pem, unhex};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a token's identifier.
pub const ID_BYTES: usize = 8;
/// Bytes of a token's secret.
pub const SECRET_BYTES: usize = 32;
/// A token that ends within this many seconds is worth a word.
pub const EXPIRY_NEAR_S: u64 = 7 * 86_400;
/// Addresses in a token file at the most.
pub const ADDRESSES_MAX: usize = 64;
/// Bytes of a token file at the most.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// What a token begins with on the wire; a shared secret does not.
const PREFIX: &str = "rwt_";

/// Why a token file cannot be used; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("the token file {0} cannot be read: {1}; `ringway token create` on the server makes one")]
    Read(PathBuf, std::io::Error),
    /// Others can read it.
    #[error("the token file {0} can be read by other users (mode {1:03o}), who could use the token; chmod 600 {0}")]
    Open(PathBuf, u32),
    /// It is none.
    #[error("{0} is no token file: {1}; copy it again, or make another with `ringway token create` on the server")]
    Malformed(PathBuf, String),
}

/// A token file's contents.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    /// The token's name.
    pub name: String,
    /// Identifier, hexadecimal.
    pub id: String,
    /// Secret, hexadecimal.
    pub secret: String,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Where the server is reached: HOST:PORT, the first that answers.
    pub addresses: Vec<String>,
    /// Certificate of the authority that vouches for the server.
    pub ca: String,
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl std::fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenFile({}, {})", self.name, self.id)
    }
}

impl TokenFile {
    /// Reads and checks a token file, which nobody but its owner may be able to read.
    ///
    /// # Errors
    /// [`TokenFileError`].
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let failed = |error| TokenFileError::Read(path.into(), error);
        let file = std::fs::File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        let malformed = |why: &str| TokenFileError::Malformed(path.into(), why.into());
        if !meta.is_file() {
            return Err(malformed("it is no regular file"));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(TokenFileError::Open(path.into(), meta.mode() & 0o777));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        Self::parse(&text).map_err(|why| malformed(&why))
    }

    /// From text.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = basic_toml::from_str(text).map_err(|error| error.to_string())?;
        if unhex(&file.id).is_none_or(|id| id.len() != ID_BYTES) {
            return Err("`id` is not 16 hexadecimal digits".into());
        }
        if unhex(&file.secret).map(Zeroizing::new).is_none_or(|secret| secret.len() != SECRET_BYTES) {
            return Err("`secret` is not 64 hexadecimal digits".into());
        }
        if file.name.is_empty() || file.name.len() > 64 || file.name.chars().any(char::is_control) {
            return Err("`name` is not a name of 1 to 64 characters".into());
        }
        if file.addresses.len() > ADDRESSES_MAX {
            return Err(format!("more than {ADDRESSES_MAX} addresses"));
        }
        if pem::certificate(&file.ca).is_none() {
            return Err("`ca` is no certificate".into());
        }
        Ok(file)
    }

    /// As text.
    ///
    /// # Errors
    /// What cannot be written as TOML.
    pub fn text(&self) -> Result<Zeroizing<String>, String> {
        const HEAD: &str = "# A token of Ringway's: whoever has this file may use the server's GPUs. ringway run --token-file FILE -- CMD\n";
        let body = Zeroizing::new(basic_toml::to_string(self).map_err(|error| error.to_string())?);
        Ok(Zeroizing::new(format!("{HEAD}{}", *body)))
    }

    /// The authority's certificate, DER.
    pub fn ca_der(&self) -> Vec<u8> {
        pem::certificate(&self.ca).map(|der| der.to_vec()).unwrap_or_default()
    }

    /// What is sent to the server.
    pub fn presented(&self) -> String {
        format!("{PREFIX}{}_{}", self.id.to_lowercase(), self.secret.to_lowercase())
    }

    /// What there is to say about its end, if that is near or past.
    pub fn expiry_warning(&self, now: u64) -> Option<String> {
        let left = self.expires?.checked_sub(now);
        let name = &self.name;
        Some(match left {
            None => format!("the token '{name}' has expired; ask for another (`ringway token create` on the server)"),
            Some(left) if left <= EXPIRY_NEAR_S => {
                let (amount, unit) = if left >= 86_400 { (left / 86_400, "day") } else { (left / 3600, "hour") };
                let plural = if amount == 1 { "" } else { "s" };
                format!("the token '{name}' expires in {amount} {unit}{plural}; ask for another in time (`ringway token create` on the server)")
            }
            Some(_) => return None,
        })
    }
}

/// Identifier and secret of a token as [`TokenFile::presented`] made it; None if it is something else.
pub fn parse_presented(text: &str) -> Option<([u8; ID_BYTES], Zeroizing<[u8; SECRET_BYTES]>)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let secret = Zeroizing::new(unhex(secret)?);
    Some((unhex(id)?.try_into().ok()?, Zeroizing::new(secret[..].try_into().ok()?)))
}

/// A new token's identifier and secret, hexadecimal.
///
/// # Errors
/// The system has no random bytes.
pub fn generate() -> std::io::Result<(String, Zeroizing<String>)> {
    let secret = Zeroizing::new(crate::random::<SECRET_BYTES>()?);
    Ok((hex(&crate::random::<ID_BYTES>()?), Zeroizing::new(hex(&secret[..]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn example() -> TokenFile {
        let (id, secret) = generate().unwrap();
        TokenFile {
            name: "alice".into(),
            id,
            secret: secret.to_string(),
            expires: Some(1_000_000),
            addresses: vec!["gpuhost:7766".into()],
            ca: pem::encode("CERTIFICATE", &[1, 2, 3]).to_string(),
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let token = example();
        let text = token.text().unwrap();
        let again = TokenFile::parse(&text).unwrap();
        assert_eq!((&again.id, &again.secret, &again.addresses), (&token.id, &token.secret, &token.addresses));
        assert_eq!(again.ca_der(), [1, 2, 3]);
        let (id, secret) = parse_presented(&again.presented()).unwrap();
        assert_eq!((hex(&id), hex(&secret[..])), (token.id.clone(), token.secret.clone()));
        assert!(!format!("{token:?}").contains(&token.secret));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let text = example().text().unwrap().to_string();
        for cut in (0..text.len() - 2).step_by(7) {
            assert!(TokenFile::parse(&text[..cut]).is_err(), "cut at {cut}");
        }
        assert!(TokenFile::parse(&text.replace("id = \"", "id = \"0")).is_err());
        assert!(TokenFile::parse(&text.replace("secret = \"", "secret = \"zz")).is_err());
        for text in ["", "rwt_", "rwt__", "rwt_00_11", "rwt_0011223344556677_00", "secret"] {
            assert!(parse_presented(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_end_is_told_a_week_before() {
        let token = example();
        assert!(token.expiry_warning(1_000_000 - EXPIRY_NEAR_S - 1).is_none());
        assert!(token.expiry_warning(1_000_000 - EXPIRY_NEAR_S).unwrap().contains("in 7 days"));
        assert!(token.expiry_warning(1_000_000 - 4000).unwrap().contains("in 1 hour;"));
        assert!(token.expiry_warning(1_000_001).unwrap().contains("has expired"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let path = std::env::temp_dir().join(format!("ringway-token-{}", std::process::id()));
        std::fs::write(&path, example().text().unwrap().as_bytes()).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(TokenFile::read(&path).is_ok(), good, "{mode:o}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(TokenFile::read(&path), Err(TokenFileError::Read(..))));
    }
}
