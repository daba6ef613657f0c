//! Who a server is, and who may use it: its certificates and its tokens, in a folder of its own.

mod certificates;
mod folder;
mod signing;
mod tokens;

pub use certificates::Certificates;
pub use folder::{Folder, default_folder, default_pool_folder};
pub use signing::SigningKey;
pub use tokens::{Denied, Grant, NewToken, Scope, Token, TokenState, Tokens, check_name};

use std::io;
use std::path::PathBuf;

/// Why the folder could not be used; texts name cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no default folder.
    #[error("no folder for this server's identity: neither XDG_STATE_HOME nor HOME is set; name one with --state")]
    NoFolder,
    /// A system call failed.
    #[error("{0}: {1}; check the folder's owner and space, or name another with --state")]
    Io(PathBuf, io::Error),
    /// Others than the owner may read or write.
    #[error("{0} may be read or written by others (mode {1:03o}), so it is not secret; chmod {2} {0}, and make its tokens anew if others can have read it")]
    Open(PathBuf, u32, &'static str),
    /// Somebody else's.
    #[error("{0} belongs to user {1}, this program runs as user {2}; run it as the owner, or name another folder with --state")]
    Owner(PathBuf, u32, u32),
    /// A file whose contents make no sense.
    #[error("{0}: {1}; restore it, or remove the folder: the server then gets a new identity and every token has to be made anew")]
    Damaged(PathBuf, String),
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
}
