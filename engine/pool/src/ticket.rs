//! Tickets: what a pool gives a program so that a server lets it in, and the server checks without asking the pool.
//!
//! A ticket is text: `rwk_`, its claims as JSON in hexadecimal, `_`, an Ed25519 signature in hexadecimal (RFC 8032). Signed are the words
//! [`CONTEXT`] and the claims, so that no other message which the key signs is a ticket. A server learns the pool's public key when it
//! registers, over a connection on which the pool was proved to be the right one, and tells the pool a number of its own then: a ticket
//! is bound to the server's name and to that number, so that a server which was started anew, and has forgotten which tickets
//! were used, takes none of those before.

use crate::identity::SigningKey;
use crate::scheduler::{RequestId, SERVER_GPUS_MAX};
use ring::signature::{ED25519, UnparsedPublicKey};
use ringway_secure::{hex, unhex};
use ringway_wire::control::Terms;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How long after it was made a ticket is good, in milliseconds: a program uses it at once.
pub const LIFETIME_MS: u64 = 60_000;
/// Bytes of a ticket's text at the most.
pub const TICKET_BYTES_MAX: usize = 32 * 1024;
/// Tickets, used or revoked, that a server remembers until they have expired.
pub const REMEMBERED_MAX: usize = 100_000;
/// What is signed before the claims.
const CONTEXT: &[u8] = b"ringway ticket, version 1\n";
const PREFIX: &str = "rwk_";

/// A slice of a GPU of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketSlice {
    /// Ordinal of the GPU on its server.
    pub ordinal: u32,
    /// Bytes of its memory.
    pub memory_bytes: u64,
}

/// A server of the lease, as others of it reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketPeer {
    /// Its addresses, HOST:PORT.
    pub addresses: Vec<String>,
    /// SHA-256 of the certificate of the authority that vouches for it, in hexadecimal; None: it is reached in clear text.
    pub authority: Option<String>,
}

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The lease.
    pub lease: RequestId,
    /// Name of the server in the pool.
    pub server: String,
    /// Number that the server chose when it registered.
    pub registration: u64,
    /// Whom the server takes the bearer for.
    pub user: String,
    /// The slices, in the order of the ordinals that the program will see.
    pub slices: Vec<TicketSlice>,
    /// Until when it is good, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Group of the user; empty: none.
    pub group: String,
    /// When the lease was granted, in milliseconds since 1970.
    pub since_ms: u64,
    /// How the lease is to be held.
    pub terms: Terms,
    /// Identifier of the token that the lease was asked for with; empty: none was needed.
    #[serde(default)]
    pub token: String,
    /// The servers of the lease, in the order of the program's sessions, for paths between them; empty where it is one server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<TicketPeer>,
}

/// Why a ticket is no good; told to its bearer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is none.
    #[error("this is no ticket")]
    Malformed,
    /// The pool did not sign it.
    #[error("the ticket was not signed by this server's pool")]
    Forged,
    /// Its time is over.
    #[error("the ticket expired {0} s ago; ask the pool for another, and compare the clocks of pool and server if it is new")]
    Expired(u64),
    /// It is for another server.
    #[error("the ticket is for the server '{0}'")]
    OtherServer(String),
    /// It is for the server as it was before it was started anew.
    #[error("the server was started anew since the ticket was made; ask the pool for another")]
    OtherRun,
    /// It was used.
    #[error("the ticket was used already")]
    Used,
    /// The pool took it back.
    #[error("the lease of the ticket was ended by the pool")]
    Revoked,
    /// The server remembers too many.
    #[error("the server remembers its limit of {REMEMBERED_MAX} tickets; try again in a minute")]
    Full,
}

impl Claims {
    /// The ticket's text.
    pub fn sign(&self, key: &SigningKey) -> String {
        // A structure of numbers and text becomes JSON in any case.
        let claims = serde_json::to_vec(self).unwrap_or_default();
        let signature = key.sign(&[CONTEXT, &claims].concat());
        format!("{PREFIX}{}_{}", hex(&claims), hex(&signature))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Mark {
    Used,
    Revoked,
}

/// What a gate remembers of tickets: the lease of each, and until when. It goes with a server that restarts in place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Remembered(Vec<(RequestId, Mark, u64)>);

/// Where a server checks tickets.
#[derive(Debug)]
pub struct Gate {
    server: String,
    registration: u64,
    pool: UnparsedPublicKey<Vec<u8>>,
    /// By lease, with the time when its ticket has expired.
    marks: HashMap<RequestId, (Mark, u64)>,
    /// The next time that marks of expired tickets are thrown away.
    next_cleaning_ms: u64,
}

impl Gate {
    /// Of a server by its name and the number that it chose, which registered at the pool that has this public key.
    pub fn new(server: String, registration: u64, pool: Vec<u8>) -> Self {
        Self { server, registration, pool: UnparsedPublicKey::new(&ED25519, pool), marks: HashMap::new(), next_cleaning_ms: 0 }
    }

    /// The same, with what another one remembered; of more than [`REMEMBERED_MAX`] tickets the rest is left out.
    pub fn with(self, Remembered(marks): Remembered) -> Self {
        let marks = marks.into_iter().take(REMEMBERED_MAX).map(|(lease, mark, expires_ms)| (lease, (mark, expires_ms)));
        Self { marks: marks.collect(), ..self }
    }

    /// What it remembers.
    pub fn remembered(&self) -> Remembered {
        Remembered(self.marks.iter().map(|(lease, (mark, expires_ms))| (*lease, *mark, *expires_ms)).collect())
    }

    fn clean(&mut self, now_ms: u64) {
        if now_ms >= self.next_cleaning_ms || self.marks.len() >= REMEMBERED_MAX {
            self.marks.retain(|_, (_, expires_ms)| *expires_ms > now_ms);
            self.next_cleaning_ms = now_ms.saturating_add(LIFETIME_MS);
        }
    }

    /// What the bearer of a ticket may have; once.
    ///
    /// # Errors
    /// [`TicketError`]; the ticket is not used up by that.
    pub fn admit(&mut self, ticket: &str, now_ms: u64) -> Result<Claims, TicketError> {
        if ticket.len() > TICKET_BYTES_MAX {
            return Err(TicketError::Malformed);
        }
        let (claims, signature) = ticket.strip_prefix(PREFIX).and_then(|text| text.split_once('_')).ok_or(TicketError::Malformed)?;
        let (claims, signature) = unhex(claims).zip(unhex(signature)).ok_or(TicketError::Malformed)?;
        // Nothing of it is read before it is known to be the pool's.
        self.pool.verify(&[CONTEXT, &claims].concat(), &signature).map_err(|_| TicketError::Forged)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TicketError::Malformed)?;
        if claims.server != self.server {
            return Err(TicketError::OtherServer(claims.server));
        }
        if claims.registration != self.registration {
            return Err(TicketError::OtherRun);
        }
        if claims.expires_ms <= now_ms {
            return Err(TicketError::Expired((now_ms - claims.expires_ms) / 1000));
        }
        if claims.slices.is_empty() || claims.slices.len() > SERVER_GPUS_MAX {
            return Err(TicketError::Malformed);
        }
        self.clean(now_ms);
        match self.marks.get(&claims.lease) {
            Some((Mark::Used, _)) => return Err(TicketError::Used),
            Some((Mark::Revoked, _)) => return Err(TicketError::Revoked),
            None if self.marks.len() >= REMEMBERED_MAX => return Err(TicketError::Full),
            None => {}
        }
        self.marks.insert(claims.lease, (Mark::Used, claims.expires_ms));
        Ok(claims)
    }

    /// The pool ended a lease: its ticket is worth nothing any more, if it was not used yet.
    pub fn revoke(&mut self, lease: RequestId, now_ms: u64) {
        self.clean(now_ms);
        // The pool's clock may be ahead; a ticket is no good for longer than this in any case.
        self.marks.insert(lease, (Mark::Revoked, now_ms.saturating_add(2 * LIFETIME_MS)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Folder;

    fn key(folder: &tempfile::TempDir, name: &str) -> SigningKey {
        SigningKey::load_or_make(&Folder::make(&folder.path().join(name)).unwrap()).unwrap()
    }

    fn claims(lease: RequestId) -> Claims {
        Claims {
            lease,
            server: "gpu07".into(),
            registration: 42,
            user: "alice".into(),
            slices: vec![TicketSlice { ordinal: 3, memory_bytes: 1 << 30 }],
            expires_ms: 61_000,
            group: "research".into(),
            since_ms: 1000,
            terms: Terms { compute_percent: Some(25), idle_ms: None },
            token: "0a".into(),
            peers: vec![TicketPeer { addresses: vec!["10.0.0.7:7766".into()], authority: Some("00".into()) }],
        }
    }

    #[test]
    fn a_ticket_opens_once() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(&folder, "pool");
        let mut gate = Gate::new("gpu07".into(), 42, key.public());
        let ticket = claims(1).sign(&key);
        assert_eq!(gate.admit(&ticket, 1000), Ok(claims(1)));
        assert_eq!(gate.admit(&ticket, 1001), Err(TicketError::Used));
        assert_eq!(gate.admit(&claims(2).sign(&key), 60_999), Ok(claims(2)));
        // What it remembers is thrown away only when the ticket has expired, so it is never good again.
        for now_ms in [61_000, 90_000, 500_000] {
            assert!(matches!(gate.admit(&ticket, now_ms), Err(TicketError::Expired(_))));
            assert_eq!(
                gate.admit(&Claims { expires_ms: now_ms + 5, ..claims(now_ms) }.sign(&key), now_ms).map(|claims| claims.lease),
                Ok(now_ms)
            );
        }
        assert!(gate.marks.len() < 4, "expired tickets are remembered");
    }

    #[test]
    fn tickets_for_others_and_of_others_open_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, stranger) = (key(&folder, "pool"), key(&folder, "stranger"));
        let mut gate = Gate::new("gpu07".into(), 42, pool.public());
        assert_eq!(gate.admit(&claims(1).sign(&stranger), 0), Err(TicketError::Forged));
        assert_eq!(
            gate.admit(&Claims { server: "gpu08".into(), ..claims(1) }.sign(&pool), 0),
            Err(TicketError::OtherServer("gpu08".into()))
        );
        assert_eq!(gate.admit(&Claims { registration: 41, ..claims(1) }.sign(&pool), 0), Err(TicketError::OtherRun));
        assert_eq!(gate.admit(&claims(1).sign(&pool), 63_000), Err(TicketError::Expired(2)));
        assert_eq!(gate.admit(&Claims { slices: vec![], ..claims(1) }.sign(&pool), 0), Err(TicketError::Malformed));
        gate.revoke(1, 0);
        assert_eq!(gate.admit(&claims(1).sign(&pool), 0), Err(TicketError::Revoked));
        assert_eq!(gate.admit(&claims(1).sign(&pool), 60_999), Err(TicketError::Revoked));
        assert!(gate.admit(&claims(2).sign(&pool), 0).is_ok(), "none of those used the gate up");
        // The claims with another context are no ticket.
        let body = serde_json::to_vec(&claims(3)).unwrap();
        let other = format!("{PREFIX}{}_{}", hex(&body), hex(&pool.sign(&body)));
        assert_eq!(gate.admit(&other, 0), Err(TicketError::Forged));
    }

    #[test]
    fn what_was_used_is_remembered_by_the_next_gate() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(&folder, "pool");
        let mut gate = Gate::new("gpu07".into(), 42, key.public());
        gate.admit(&claims(1).sign(&key), 1000).unwrap();
        gate.revoke(2, 1000);
        let text = serde_json::to_string(&gate.remembered()).unwrap();
        let mut next = Gate::new("gpu07".into(), 42, key.public()).with(serde_json::from_str(&text).unwrap());
        assert_eq!(next.admit(&claims(1).sign(&key), 1001), Err(TicketError::Used));
        assert_eq!(next.admit(&claims(2).sign(&key), 1001), Err(TicketError::Revoked));
        assert!(next.admit(&claims(3).sign(&key), 1001).is_ok());
    }

    #[test]
    fn every_change_of_a_ticket_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(&folder, "pool");
        let mut gate = Gate::new("gpu07".into(), 42, key.public());
        let ticket = claims(1).sign(&key);
        for place in 0..ticket.len() {
            for replacement in [b'0', b'1', b'_', b'x'] {
                let mut changed = ticket.clone().into_bytes();
                if changed[place] == replacement {
                    continue;
                }
                changed[place] = replacement;
                let changed = String::from_utf8(changed).unwrap();
                assert!(matches!(gate.admit(&changed, 0), Err(TicketError::Forged | TicketError::Malformed)), "{changed}");
            }
            assert!(gate.admit(&ticket[..place], 0).is_err());
        }
        for text in ["", "rwk_", "rwk__", "rwk_zz_zz", &"a".repeat(100_000), &format!("{ticket}00"), &format!("rwk_{}", "0".repeat(40_000))]
        {
            assert!(matches!(gate.admit(text, 0), Err(TicketError::Forged | TicketError::Malformed)));
        }
        assert!(gate.admit(&ticket, 0).is_ok());
    }

    #[test]
    fn memory_of_used_tickets_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(&folder, "pool");
        let mut gate = Gate::new("gpu07".into(), 42, key.public());
        for lease in 0..REMEMBERED_MAX as u64 {
            gate.marks.insert(lease, (Mark::Used, 61_000));
        }
        let ticket = claims(u64::MAX).sign(&key);
        assert_eq!(gate.admit(&ticket, 0), Err(TicketError::Full));
        assert!(gate.admit(&Claims { expires_ms: 70_000, ..claims(u64::MAX) }.sign(&key), 61_000).is_ok());
        assert_eq!(gate.marks.len(), 1);
    }
}
