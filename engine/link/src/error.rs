//! What can go wrong on a link, by who is to blame.

use std::time::Duration;

/// Why a lane is unusable from now on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownCause {
    /// The peer closed the connection or its process ended.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// The connection failed: reset, timed out, unreachable.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// The peer broke a rule of WIRE.md; `rule` names it ("W5").
    #[error("the peer broke rule {rule}: {what}")]
    PeerMisbehaved {
        /// Number of the rule in WIRE.md.
        rule: &'static str,
        /// What was seen.
        what: &'static str,
    },
    /// This end closed the lane.
    #[error("the lane was closed at this end")]
    ClosedHere,
}

/// Errors of the link layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The lane is unusable; every later call returns the same cause.
    #[error("link down: {0}")]
    Down(DownCause),
    /// The link broke, in these words; the lane waits for another one. Only of [`ClientLane::wait_notices`].
    ///
    /// [`ClientLane::wait_notices`]: crate::ClientLane::wait_notices
    #[error("the link broke: {0}")]
    Suspended(String),
    /// The wait ended without what it waited for.
    #[error("no {what} within {after:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// No space now; only the `try_` calls return it.
    #[error("ring full")]
    Full,
    /// The payload is longer than a record can be (rule W6) or than a reply slot (rule W9).
    #[error("{len} bytes, at most {max} fit")]
    TooLarge {
        /// Bytes asked for.
        len: usize,
        /// Bytes possible.
        max: usize,
    },
    /// The caller broke this interface's contract.
    #[error("misuse: {0}")]
    Misuse(&'static str),
    /// The operating system refused something while the lane was established.
    #[error("{what}: {error}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// The system's answer.
        error: String,
    },
}

/// Result of the link layer.
pub type Result<T, E = LinkError> = std::result::Result<T, E>;

impl LinkError {
    pub(crate) fn system(what: &'static str, error: std::io::Error) -> LinkError {
        LinkError::System {
            what,
            error: error.to_string(),
        }
    }

    pub(crate) fn misbehaved(rule: &'static str, what: &'static str) -> LinkError {
        LinkError::Down(DownCause::PeerMisbehaved { rule, what })
    }
}
