//! The tokens of a server: a file that keeps of each secret only its hash.
//!
//! A secret has 256 random bits, so its plain SHA-256 tells nothing; the slow hashes that passwords need would only slow the
//! server. A running server looks at the file's date and size at each request and reads it again when they changed.

use super::folder::Folder;
use super::IdentityError;
use ring::digest::{SHA256, digest};
use ringway_secure::token::{generate, parse_presented};
use ringway_secure::{hex, unhex, unix_now};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const FILE: &str = "tokens.json";
/// Tokens of one server at the most.
const TOKENS_MAX: usize = 4096;
const VERSION: u32 = 1;

/// A token as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Name.
    pub name: String,
    /// Identifier, hexadecimal.
    pub id: String,
    /// SHA-256 of its secret, hexadecimal.
    hash: String,
    /// Whom the server takes its bearer for.
    pub user: Option<String>,
    /// Seconds since 1970.
    pub created: u64,
    /// When it ends.
    pub expires: Option<u64>,
    /// When it was revoked.
    pub revoked: Option<u64>,
    /// GPUs in all of its leases at the most.
    pub max_gpus: Option<u32>,
    /// MiB of GPU memory in all of its leases at the most.
    pub max_memory_mib: Option<u64>,
}

/// Whether a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It is.
    Valid,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Token {
    /// Whether it is good at that time, in seconds since 1970.
    pub fn state(&self, now: u64) -> TokenState {
        if self.revoked.is_some() {
            TokenState::Revoked
        } else if self.expires.is_some_and(|end| end <= now) {
            TokenState::Expired
        } else {
            TokenState::Valid
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Store {
    version: u32,
    tokens: Vec<Token>,
}

/// What a new token is to be.
#[derive(Debug, Default)]
pub struct NewToken {
    /// Name.
    pub name: String,
    /// Whom the server takes its bearer for.
    pub user: Option<String>,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// GPUs in all of its leases at the most.
    pub max_gpus: Option<u32>,
    /// MiB of GPU memory in all of its leases at the most.
    pub max_memory_mib: Option<u64>,
}

/// What the bearer of a token may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// The token; None: the bearer of the shared secret, or everyone.
    pub token: Option<String>,
    /// Its name.
    pub name: String,
    /// Whom to take the bearer for.
    pub user: Option<String>,
    /// GPUs in all of the token's leases at the most.
    pub max_gpus: Option<u32>,
    /// Bytes of GPU memory in all of the token's leases at the most.
    pub max_memory_bytes: Option<u64>,
}

/// Why a token is no good; told to its bearer only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is none with this identifier and secret.
    #[error("the server did not accept the token")]
    Unknown,
    /// Its time is over.
    #[error("the token '{0}' has expired")]
    Expired(String),
    /// It was revoked.
    #[error("the token '{0}' was revoked")]
    Revoked(String),
    /// The server cannot read its tokens.
    #[error("the server cannot read its tokens")]
    Unreadable,
}

/// Checks the name of a token or of its user.
///
/// # Errors
/// What it must be.
pub fn check_name(what: &str, name: &str) -> Result<(), IdentityError> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(valid) {
        return Err(IdentityError::Refused(format!(
            "'{}' is no {what}: write 1 to 64 letters, digits and . - _ @",
            name.escape_default()
        )));
    }
    Ok(())
}

/// What tells whether the file changed.
type Stamp = (u64, i64, i64, u64);

/// The tokens of a folder.
#[derive(Debug)]
pub struct Tokens {
    folder: PathBuf,
    seen: Mutex<(Option<Stamp>, Arc<Vec<Token>>)>,
}

impl Tokens {
    /// Of this folder, which need not be there yet.
    pub fn of(folder: PathBuf) -> Self {
        Self { folder, seen: Mutex::new((None, Arc::default())) }
    }

    fn read(folder: &Folder) -> Result<Vec<Token>, IdentityError> {
        let Some(text) = folder.read(FILE)? else {
            return Ok(Vec::new());
        };
        let damaged = |why: String| IdentityError::Damaged(folder.file(FILE), why);
        let store: Store = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if store.version != VERSION {
            return Err(damaged(format!("it is of version {}, this release knows {VERSION}", store.version)));
        }
        Ok(store.tokens)
    }

    fn write(folder: &Folder, tokens: Vec<Token>) -> Result<(), IdentityError> {
        let store = Store { version: VERSION, tokens };
        let text = serde_json::to_string_pretty(&store).map_err(|error| IdentityError::Refused(error.to_string()))?;
        folder.write(FILE, &(text + "\n"))
    }

    /// All tokens, as they are now.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn all(&self) -> Result<Arc<Vec<Token>>, IdentityError> {
        let path = self.folder.join(FILE);
        let stamp = match std::fs::metadata(&path) {
            Ok(meta) => Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(IdentityError::Io(path, error)),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != stamp {
            let tokens = match Folder::find(&self.folder)? {
                Some(folder) => Self::read(&folder)?,
                None => Vec::new(),
            };
            *seen = (stamp, Arc::new(tokens));
        }
        Ok(Arc::clone(&seen.1))
    }

    /// Makes a token; its entry and its secret, which is nowhere else.
    ///
    /// # Errors
    /// [`IdentityError`]: the name is taken or no name, or the file cannot be written.
    pub fn create(&self, new: NewToken) -> Result<(Token, Zeroizing<String>), IdentityError> {
        check_name("name of a token", &new.name)?;
        if let Some(user) = &new.user {
            check_name("name of a user", user)?;
        }
        let folder = Folder::make(&self.folder)?;
        let _locked = folder.lock()?;
        let now = unix_now();
        let mut tokens = Self::read(&folder)?;
        if tokens.iter().any(|token| token.name == new.name && token.state(now) == TokenState::Valid) {
            let name = new.name;
            return Err(IdentityError::Refused(format!(
                "there is a token '{name}' already; choose another name, or revoke it with `ringway token revoke {name}`"
            )));
        }
        tokens.retain(|token| token.name != new.name);
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|token| token.state(now) == TokenState::Valid);
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(IdentityError::Refused(format!("the server has its limit of {TOKENS_MAX} tokens; revoke some")));
        }
        let (id, secret) = generate().map_err(|error| IdentityError::Io(self.folder.clone(), error))?;
        let token = Token {
            name: new.name,
            hash: hash_of(&Zeroizing::new(unhex(&secret).unwrap_or_default())),
            id,
            user: new.user,
            created: now,
            expires: new.expires,
            revoked: None,
            max_gpus: new.max_gpus,
            max_memory_mib: new.max_memory_mib,
        };
        tokens.push(token.clone());
        Self::write(&folder, tokens)?;
        Ok((token, secret))
    }

    /// Revokes a token, at once.
    ///
    /// # Errors
    /// [`IdentityError`]: there is no such token, or the file cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), IdentityError> {
        let unknown = || {
            IdentityError::Refused(format!(
                "there is no token '{}' that could be revoked; see `ringway token list`",
                name.escape_default()
            ))
        };
        let folder = Folder::find(&self.folder)?.ok_or_else(unknown)?;
        let _locked = folder.lock()?;
        let mut tokens = Self::read(&folder)?;
        let token = tokens.iter_mut().find(|token| token.name == name && token.revoked.is_none());
        token.ok_or_else(unknown)?.revoked = Some(unix_now());
        Self::write(&folder, tokens)
    }

    /// What the bearer of a text may do, if it is a token that is good.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check(&self, presented: &str) -> Result<Grant, Denied> {
        let (id, secret) = parse_presented(presented).ok_or(Denied::Unknown)?;
        let tokens = self.all().map_err(|error| {
            tracing::error!("{error}");
            Denied::Unreadable
        })?;
        let (id, hash) = (hex(&id), hash_of(&secret[..]));
        let token = tokens.iter().find(|token| token.id == id).ok_or(Denied::Unknown)?;
        if !bool::from(token.hash.as_bytes().ct_eq(hash.as_bytes())) {
            return Err(Denied::Unknown);
        }
        match token.state(unix_now()) {
            TokenState::Expired => Err(Denied::Expired(token.name.clone())),
            TokenState::Revoked => Err(Denied::Revoked(token.name.clone())),
            TokenState::Valid => Ok(Grant {
                token: Some(id),
                name: token.name.clone(),
                user: token.user.clone(),
                max_gpus: token.max_gpus,
                max_memory_bytes: token.max_memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
            }),
        }
    }

    /// Whether a lease that was granted to a token may go on. Where the tokens cannot be read, it may.
    pub fn still_good(&self, id: &str) -> bool {
        self.all().map_or(true, |tokens| {
            tokens.iter().any(|token| token.id == id && token.state(unix_now()) == TokenState::Valid)
        })
    }
}

fn hash_of(secret: &[u8]) -> String {
    hex(digest(&SHA256, secret).as_ref())
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::Scratch;
    use super::*;

    fn presented(token: &Token, secret: &str) -> String {
        format!("rwt_{}_{secret}", token.id)
    }

    fn named(name: &str) -> NewToken {
        NewToken { name: name.into(), ..NewToken::default() }
    }

    #[test]
    fn a_token_is_good_until_it_is_revoked() {
        let scratch = Scratch::new();
        // The server has looked before there was a folder, and needs no restart.
        let (server, admin) = (Tokens::of(scratch.0.clone()), Tokens::of(scratch.0.clone()));
        assert!(server.all().unwrap().is_empty());
        let (token, secret) = admin.create(NewToken { max_gpus: Some(2), ..named("alice") }).unwrap();
        let shown = presented(&token, &secret);
        let grant = server.check(&shown).unwrap();
        assert_eq!((grant.name.as_str(), grant.max_gpus), ("alice", Some(2)));
        assert!(admin.create(named("alice")).is_err());
        let (other, other_secret) = admin.create(named("bob")).unwrap();
        admin.revoke("alice").unwrap();
        assert_eq!(server.check(&shown), Err(Denied::Revoked("alice".into())));
        assert!(!server.still_good(&token.id) && server.still_good(&other.id));
        assert!(server.check(&presented(&other, &other_secret)).is_ok());
        assert!(admin.revoke("alice").is_err() && admin.revoke("nobody").is_err());
        // The name is free again, and the old token stays worthless.
        let (new, new_secret) = admin.create(named("alice")).unwrap();
        assert!(server.check(&presented(&new, &new_secret)).is_ok());
        assert_eq!(server.check(&shown), Err(Denied::Unknown));
    }

    #[test]
    fn secrets_are_not_kept_and_cannot_be_guessed_by_parts() {
        let scratch = Scratch::new();
        let tokens = Tokens::of(scratch.0.clone());
        let (token, secret) = tokens.create(named("t")).unwrap();
        let kept = std::fs::read_to_string(scratch.0.join(FILE)).unwrap();
        assert!(!kept.contains(secret.as_str()) && kept.contains(&token.hash));
        for digit in 0..64 {
            let mut wrong: Vec<u8> = secret.bytes().collect();
            wrong[digit] = if wrong[digit] == b'0' { b'1' } else { b'0' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(tokens.check(&presented(&token, &wrong)), Err(Denied::Unknown));
        }
        // The hash is no secret.
        assert_eq!(tokens.check(&presented(&token, &token.hash)), Err(Denied::Unknown));
    }

    #[test]
    fn an_expired_token_is_refused() {
        let scratch = Scratch::new();
        let tokens = Tokens::of(scratch.0.clone());
        let (token, secret) = tokens.create(NewToken { expires: Some(unix_now()), ..named("late") }).unwrap();
        assert_eq!(tokens.check(&presented(&token, &secret)), Err(Denied::Expired("late".into())));
    }

    #[test]
    fn damaged_or_open_tokens_let_nobody_in() {
        let scratch = Scratch::new();
        let tokens = Tokens::of(scratch.0.clone());
        let (token, secret) = tokens.create(named("t")).unwrap();
        let shown = presented(&token, &secret);
        let whole = std::fs::read(scratch.0.join(FILE)).unwrap();
        for bytes in [&b"{}"[..], b"[]", b"", b"\xff\xfe", &whole[..whole.len() / 2]] {
            std::fs::write(scratch.0.join(FILE), bytes).unwrap();
            assert_eq!(tokens.check(&shown), Err(Denied::Unreadable));
        }
        std::fs::write(scratch.0.join(FILE), &whole).unwrap();
        assert!(tokens.check(&shown).is_ok());
    }

    #[test]
    fn names() {
        let scratch = Scratch::new();
        let tokens = Tokens::of(scratch.0.clone());
        for name in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(tokens.create(named(name)).is_err(), "{name:?}");
        }
        assert!(!scratch.0.exists());
    }
}
