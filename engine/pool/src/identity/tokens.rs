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
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const FILE: &str = "tokens.json";
/// Tokens of one server at the most.
const TOKENS_MAX: usize = 4096;
const VERSION: u32 = 1;

/// What a token's bearer may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at everything, change nothing.
    Read,
    /// Look, and use GPUs.
    #[default]
    Use,
    /// Bring a server into a pool, under the token's name.
    Serve,
    /// Everything.
    Admin,
}

impl Scope {
    /// Whether it may look at things.
    pub fn may_read(self) -> bool {
        self != Self::Serve
    }

    /// Whether it may use GPUs.
    pub fn may_use(self) -> bool {
        matches!(self, Self::Use | Self::Admin)
    }

    /// Whether it may bring a server into a pool.
    pub fn may_serve(self) -> bool {
        matches!(self, Self::Serve | Self::Admin)
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Use => "use",
            Self::Serve => "serve",
            Self::Admin => "admin",
        }
    }
}

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
    /// What its bearer may do.
    #[serde(default)]
    pub scope: Scope,
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
    /// What its bearer may do.
    pub scope: Scope,
}

/// What the bearer of a token may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What of all there is.
    pub scope: Scope,
}

impl Grant {
    /// Of one who needs no token: everything.
    pub fn unbounded() -> Self {
        Self { token: None, name: String::new(), user: None, max_gpus: None, max_memory_bytes: None, scope: Scope::Admin }
    }
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
        parse(text.as_bytes()).map_err(|why| IdentityError::Damaged(folder.file(FILE), why))
    }

    fn write(folder: &Folder, tokens: Vec<Token>) -> Result<(), IdentityError> {
        folder.write(FILE, &text(tokens)?)
    }

    /// Takes in the tokens that another place has, as the text of such a file; None: it has nothing yet. What it is to have instead, if it
    /// lacks something. Those of either are in both then, and who is revoked in one is so in both.
    ///
    /// # Errors
    /// [`IdentityError`]: the text makes no sense, or they are too many.
    pub fn unite(&self, theirs: Option<&[u8]>) -> Result<Option<Vec<u8>>, IdentityError> {
        let there = theirs.map(parse).transpose().map_err(|why| {
            IdentityError::Refused(format!("the tokens that the pool's nodes share make no sense: {why}; remove them there, and each node brings its own again"))
        })?;
        let theirs = there.clone().unwrap_or_default();
        if theirs.is_empty() && Folder::find(&self.folder)?.is_none() {
            return Ok(None);
        }
        let folder = Folder::make(&self.folder)?;
        let _locked = folder.lock()?;
        let ours = Self::read(&folder)?;
        let union = union_of(&ours, &theirs, unix_now())?;
        if union != ours {
            Self::write(&folder, union.clone())?;
        }
        if there.as_ref() == Some(&union) || there.is_none() && union.is_empty() {
            return Ok(None);
        }
        text(union).map(|text| Some(text.into_bytes()))
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
            scope: new.scope,
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
        // Nodes of a pool may have made several of one name at the same time.
        let mut meant = tokens.iter_mut().filter(|token| token.name == name && token.revoked.is_none()).peekable();
        meant.peek().ok_or_else(unknown)?;
        meant.for_each(|token| token.revoked = Some(unix_now()));
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
                scope: token.scope,
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

fn parse(text: &[u8]) -> Result<Vec<Token>, String> {
    let store: Store = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if store.version != VERSION {
        return Err(format!("they are of version {}, this release knows {VERSION}", store.version));
    }
    Ok(store.tokens)
}

fn text(tokens: Vec<Token>) -> Result<String, IdentityError> {
    let text = serde_json::to_string_pretty(&Store { version: VERSION, tokens });
    text.map(|text| text + "\n").map_err(|error| IdentityError::Refused(error.to_string()))
}

/// All tokens of two places, in an order that does not depend on which is which. One that both have is as it was made; it is revoked
/// since the earlier of two times.
fn union_of(one: &[Token], other: &[Token], now: u64) -> Result<Vec<Token>, IdentityError> {
    let mut by_id: BTreeMap<&str, Token> = BTreeMap::new();
    for token in one.iter().chain(other) {
        match by_id.entry(&token.id) {
            Entry::Vacant(place) => drop(place.insert(token.clone())),
            Entry::Occupied(mut place) => {
                let known = place.get_mut();
                let revoked = known.revoked.into_iter().chain(token.revoked).min();
                if (Token { revoked, ..known.clone() }) != (Token { revoked, ..token.clone() }) {
                    return Err(IdentityError::Refused(format!(
                        "the token '{}' is not the same here and among those that the pool's nodes share; revoke it and make another",
                        token.name.escape_default()
                    )));
                }
                known.revoked = revoked;
            }
        }
    }
    let mut union: Vec<Token> = by_id.into_values().collect();
    union.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    if union.len() > TOKENS_MAX {
        union.retain(|token| token.state(now) == TokenState::Valid);
    }
    if union.len() > TOKENS_MAX {
        return Err(IdentityError::Refused(format!("the pool's nodes have more than {TOKENS_MAX} tokens together; revoke some")));
    }
    Ok(union)
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
    fn nodes_have_the_same_tokens_in_whatever_order_they_meet() {
        let scratch = [Scratch::new(), Scratch::new(), Scratch::new()];
        let nodes = scratch.each_ref().map(|scratch| Tokens::of(scratch.0.clone()));
        let (alice, secret) = nodes[0].create(named("alice")).unwrap();
        let shown = presented(&alice, &secret);
        let (bob, bob_secret) = nodes[1].create(named("bob")).unwrap();
        let mut shared: Option<Vec<u8>> = None;
        let meet = |node: usize, shared: &mut Option<Vec<u8>>| {
            let changed = nodes[node].unite(shared.as_deref()).unwrap();
            let has_changed = changed.is_some();
            *shared = changed.or(shared.take());
            has_changed
        };
        assert!(!meet(2, &mut shared) && shared.is_none(), "who has nothing brings nothing, and makes no folder");
        assert!(!scratch[2].0.exists());
        assert!(meet(0, &mut shared) && meet(1, &mut shared) && !meet(2, &mut shared) && !meet(0, &mut shared));
        for node in &nodes {
            assert!(node.check(&shown).is_ok() && node.check(&presented(&bob, &bob_secret)).is_ok());
            assert_eq!(node.all().unwrap(), nodes[0].all().unwrap());
        }
        // Who has the old state brings nothing back.
        let old = shared.clone();
        nodes[2].revoke("alice").unwrap();
        assert!(meet(2, &mut shared) && !meet(1, &mut shared));
        assert_eq!(nodes[1].check(&shown), Err(Denied::Revoked("alice".into())));
        assert_eq!(nodes[0].check(&shown).map(|grant| grant.name), Ok("alice".into()), "it was not told yet");
        assert!(nodes[1].unite(old.as_deref()).unwrap().is_some(), "the old state is put right");
        assert!(!meet(0, &mut shared));
        assert_eq!(nodes[0].check(&shown), Err(Denied::Revoked("alice".into())));
        // What makes no sense changes nothing.
        let before = nodes[0].all().unwrap();
        let more_for_bob = String::from_utf8(shared.clone().unwrap()).unwrap().replace("\"use\"", "\"admin\"").into_bytes();
        for bad in [&b"{}"[..], b"\xff", b"{\"version\":9,\"tokens\":[]}", &more_for_bob] {
            assert!(nodes[0].unite(Some(bad)).is_err());
        }
        assert_eq!(nodes[0].all().unwrap(), before);
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
