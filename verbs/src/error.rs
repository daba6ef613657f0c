//! One error for all that is not the hot path, by who is to blame.

use crate::WhyNot;
use crate::connection::exchange::EndpointError;
use crate::cq::CompletionError;
use crate::qp::post::PostError;
use crate::qp::transitions::TransitionError;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong outside the hot path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine has no usable RDMA.
    #[error("{0} ({cure})", cure = .0.cure())]
    Unavailable(#[from] WhyNot),
    /// The library or the kernel refused a call.
    #[error("{call}: {}{}", std::io::Error::from_raw_os_error(*.errno), hint(call, *.errno))]
    System {
        /// The call, by its name in the manual.
        call: &'static str,
        /// As the call reported it.
        errno: i32,
    },
    /// Device, driver or library cannot do this.
    #[error("{what} is not supported by this device, its driver or libibverbs")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
    /// More was asked for than the device or this crate allows.
    #[error("{what}: {asked} asked for, at most {max} possible")]
    Limit {
        /// What was asked for.
        what: &'static str,
        /// How much.
        asked: u64,
        /// What is possible.
        max: u64,
    },
    /// A queue pair's change of state.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// What the peer sent is not a valid endpoint, or does not fit ours.
    #[error("the peer's endpoint is refused: {0}")]
    Endpoint(#[from] EndpointError),
    /// A completion with an error.
    #[error(transparent)]
    Completion(#[from] CompletionError),
    /// Posting failed.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The connection manager reported that there is no connection.
    #[error("{what}: {event}{}", reason(*.status))]
    Connection {
        /// What was under way.
        what: &'static str,
        /// The event's name.
        event: &'static str,
        /// Its status: a negative errno, or a reason of the reject message.
        status: i32,
    },
    /// A wait came to its end.
    #[error("{what} did not happen within {after_ms} ms")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        after_ms: u64,
    },
    /// The caller's mistake.
    #[error("misuse of verbs: {0}")]
    Misuse(&'static str),
}

impl Error {
    #[cold]
    pub(crate) fn system(call: &'static str, errno: i32) -> Error {
        match errno {
            libc::EOPNOTSUPP | libc::ENOSYS | libc::EPROTONOSUPPORT => {
                Error::Unsupported { what: call }
            }
            errno => Error::System { call, errno },
        }
    }

    /// The system's error number, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::System { errno, .. } => Some(*errno),
            Error::Transition(error) => error.errno(),
            Error::Post(PostError::Refused { errno, .. }) => Some(*errno),
            _ => None,
        }
    }
}

fn hint(call: &str, errno: i32) -> &'static str {
    match (call, errno) {
        ("ibv_reg_mr" | "ibv_create_qp" | "ibv_create_cq", libc::ENOMEM) => {
            " (the limit of locked memory may be too small: see `ulimit -l`)"
        }
        ("ibv_reg_mr", libc::EFAULT) => " (the range is not mapped, or not writable)",
        ("ibv_open_device", libc::EACCES | libc::EPERM) => {
            " (no permission for /dev/infiniband/uverbs*)"
        }
        _ => "",
    }
}

fn reason(status: i32) -> String {
    match status {
        0 => String::new(),
        ..0 => format!(
            " ({})",
            std::io::Error::from_raw_os_error(status.saturating_neg())
        ),
        // InfiniBand specification, volume 1, 12.6.7.2, "rejection reason"
        8 => " (no one listens on that port of the peer)".into(),
        28 => " (refused by the peer's program)".into(),
        reason => format!(" (reason {reason} of the reject message)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_call_is_not_a_refused_one() {
        assert!(matches!(
            Error::system("ibv_reg_dmabuf_mr", libc::EOPNOTSUPP),
            Error::Unsupported {
                what: "ibv_reg_dmabuf_mr"
            }
        ));
        let text = Error::system("ibv_reg_mr", libc::ENOMEM).to_string();
        assert!(
            text.contains("ibv_reg_mr") && text.contains("ulimit -l"),
            "{text}"
        );
    }
}
