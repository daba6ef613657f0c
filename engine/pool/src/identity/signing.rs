//! The key by which a pool signs what its servers check without asking it.

use super::IdentityError;
use super::folder::Folder;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use ringway_secure::{hex, unhex};
use zeroize::Zeroizing;

const FILE: &str = "signing.key";

/// An Ed25519 key pair (RFC 8032).
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The folder's key, made if it has none.
    ///
    /// # Errors
    /// [`IdentityError`]: the folder cannot be used, or the key in it is damaged.
    pub fn load_or_make(folder: &Folder) -> Result<Self, IdentityError> {
        let _locked = folder.lock()?;
        if let Some(text) = folder.read(FILE)? {
            let damaged = || IdentityError::Damaged(folder.file(FILE), "it is no signing key".into());
            let document = Zeroizing::new(unhex(text.trim()).ok_or_else(damaged)?);
            return Ed25519KeyPair::from_pkcs8(&document).map(Self).map_err(|_| damaged());
        }
        let failed = || IdentityError::Refused("the operating system gave no random bytes for a key".into());
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| failed())?;
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| failed())?;
        folder.write(FILE, &Zeroizing::new(hex(document.as_ref()) + "\n"))?;
        Ok(Self(key))
    }

    /// What others check signatures with.
    pub fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    /// The signature of a message, 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::Scratch;
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let scratch = Scratch::new();
        let folder = Folder::make(&scratch.0).unwrap();
        let key = SigningKey::load_or_make(&folder).unwrap();
        let again = SigningKey::load_or_make(&folder).unwrap();
        assert_eq!((key.public(), key.sign(b"x")), (again.public(), again.sign(b"x")));
        for bytes in ["", "00", "zz", &"ab".repeat(83)] {
            std::fs::write(scratch.0.join(FILE), bytes).unwrap();
            assert!(matches!(SigningKey::load_or_make(&folder), Err(IdentityError::Damaged(..))), "{bytes}");
        }
    }
}
