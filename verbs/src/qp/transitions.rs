//! The states of a reliable-connected queue pair, and what each change of state needs, as data.
//!
//! InfiniBand Architecture Specification, volume 1, 11.2.5.2 "Modify queue pair" (tables 91 and 92), and
//! `ibv_modify_qp(3)`.

use rdma_mummy_sys as ffi;
use rdma_mummy_sys::ibv_qp_attr_mask as mask;
use std::fmt;

/// State of a queue pair (`enum ibv_qp_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QpState {
    /// As made.
    Reset,
    /// Has a port; receives may be posted.
    Initialised,
    /// Knows its peer, takes what comes in.
    ReadyToReceive,
    /// Sends, too.
    ReadyToSend,
    /// Finishes what was begun, begins nothing.
    SendDrain,
    /// A send failed (not used by reliable connections).
    SendError,
    /// Flushes all that is posted.
    Error,
}

impl QpState {
    /// All, in the order of their numbers.
    pub const ALL: [QpState; 7] = [
        QpState::Reset,
        QpState::Initialised,
        QpState::ReadyToReceive,
        QpState::ReadyToSend,
        QpState::SendDrain,
        QpState::SendError,
        QpState::Error,
    ];

    pub(crate) fn raw(self) -> ffi::ibv_qp_state::Type {
        use ffi::ibv_qp_state::*;
        match self {
            QpState::Reset => IBV_QPS_RESET,
            QpState::Initialised => IBV_QPS_INIT,
            QpState::ReadyToReceive => IBV_QPS_RTR,
            QpState::ReadyToSend => IBV_QPS_RTS,
            QpState::SendDrain => IBV_QPS_SQD,
            QpState::SendError => IBV_QPS_SQE,
            QpState::Error => IBV_QPS_ERR,
        }
    }

    pub(crate) fn from_raw(raw: ffi::ibv_qp_state::Type) -> Option<QpState> {
        QpState::ALL.into_iter().find(|state| state.raw() == raw)
    }
}

impl fmt::Display for QpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QpState::Reset => "RESET",
            QpState::Initialised => "INIT",
            QpState::ReadyToReceive => "RTR",
            QpState::ReadyToSend => "RTS",
            QpState::SendDrain => "SQD",
            QpState::SendError => "SQE",
            QpState::Error => "ERR",
        })
    }
}

/// An attribute of a queue pair (`enum ibv_qp_attr_mask`), as `ibv_modify_qp(3)` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    CurrentState,
    EnableDrainNotify,
    AccessFlags,
    PkeyIndex,
    Port,
    AddressVector,
    PathMtu,
    Timeout,
    RetryCount,
    RnrRetry,
    ReceivePsn,
    MaxReadAtomic,
    AlternatePath,
    MinRnrTimer,
    SendPsn,
    MaxDestReadAtomic,
    PathMigrationState,
    DestinationQp,
}

use Attribute::*;

/// Each attribute, its bit, and its name in the manual.
const ATTRIBUTES: [(Attribute, mask, &str); 18] = [
    (CurrentState, mask::IBV_QP_CUR_STATE, "IBV_QP_CUR_STATE"),
    (
        EnableDrainNotify,
        mask::IBV_QP_EN_SQD_ASYNC_NOTIFY,
        "IBV_QP_EN_SQD_ASYNC_NOTIFY",
    ),
    (
        AccessFlags,
        mask::IBV_QP_ACCESS_FLAGS,
        "IBV_QP_ACCESS_FLAGS",
    ),
    (PkeyIndex, mask::IBV_QP_PKEY_INDEX, "IBV_QP_PKEY_INDEX"),
    (Port, mask::IBV_QP_PORT, "IBV_QP_PORT"),
    (AddressVector, mask::IBV_QP_AV, "IBV_QP_AV"),
    (PathMtu, mask::IBV_QP_PATH_MTU, "IBV_QP_PATH_MTU"),
    (Timeout, mask::IBV_QP_TIMEOUT, "IBV_QP_TIMEOUT"),
    (RetryCount, mask::IBV_QP_RETRY_CNT, "IBV_QP_RETRY_CNT"),
    (RnrRetry, mask::IBV_QP_RNR_RETRY, "IBV_QP_RNR_RETRY"),
    (ReceivePsn, mask::IBV_QP_RQ_PSN, "IBV_QP_RQ_PSN"),
    (
        MaxReadAtomic,
        mask::IBV_QP_MAX_QP_RD_ATOMIC,
        "IBV_QP_MAX_QP_RD_ATOMIC",
    ),
    (AlternatePath, mask::IBV_QP_ALT_PATH, "IBV_QP_ALT_PATH"),
    (
        MinRnrTimer,
        mask::IBV_QP_MIN_RNR_TIMER,
        "IBV_QP_MIN_RNR_TIMER",
    ),
    (SendPsn, mask::IBV_QP_SQ_PSN, "IBV_QP_SQ_PSN"),
    (
        MaxDestReadAtomic,
        mask::IBV_QP_MAX_DEST_RD_ATOMIC,
        "IBV_QP_MAX_DEST_RD_ATOMIC",
    ),
    (
        PathMigrationState,
        mask::IBV_QP_PATH_MIG_STATE,
        "IBV_QP_PATH_MIG_STATE",
    ),
    (DestinationQp, mask::IBV_QP_DEST_QPN, "IBV_QP_DEST_QPN"),
];

impl Attribute {
    /// Its bit in the mask of `ibv_modify_qp(3)`.
    pub fn bit(self) -> u32 {
        let row = ATTRIBUTES.iter().find(|row| row.0 == self);
        row.map_or(0, |row| row.1.0)
    }

    /// Its name in the manual.
    pub fn name(self) -> &'static str {
        let row = ATTRIBUTES.iter().find(|row| row.0 == self);
        row.map_or("", |row| row.2)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change of state: where from, where to, what must and what may be given with it.
#[derive(Debug)]
pub(crate) struct Transition {
    pub(crate) from: QpState,
    pub(crate) to: QpState,
    pub(crate) required: &'static [Attribute],
    pub(crate) optional: &'static [Attribute],
}

/// The changes of state of a reliable connection. From every state, RESET and ERR can be reached without attributes.
pub(crate) const TRANSITIONS: [Transition; 8] = [
    Transition {
        from: QpState::Reset,
        to: QpState::Initialised,
        required: &[PkeyIndex, Port, AccessFlags],
        optional: &[],
    },
    Transition {
        from: QpState::Initialised,
        to: QpState::Initialised,
        required: &[],
        optional: &[PkeyIndex, Port, AccessFlags],
    },
    Transition {
        from: QpState::Initialised,
        to: QpState::ReadyToReceive,
        required: &[
            AddressVector,
            PathMtu,
            DestinationQp,
            ReceivePsn,
            MaxDestReadAtomic,
            MinRnrTimer,
        ],
        optional: &[PkeyIndex, AccessFlags, AlternatePath],
    },
    Transition {
        from: QpState::ReadyToReceive,
        to: QpState::ReadyToSend,
        required: &[SendPsn, Timeout, RetryCount, RnrRetry, MaxReadAtomic],
        optional: &[
            CurrentState,
            AccessFlags,
            AlternatePath,
            PathMigrationState,
            MinRnrTimer,
        ],
    },
    Transition {
        from: QpState::ReadyToSend,
        to: QpState::ReadyToSend,
        required: &[],
        optional: &[
            CurrentState,
            AccessFlags,
            AlternatePath,
            PathMigrationState,
            MinRnrTimer,
        ],
    },
    Transition {
        from: QpState::ReadyToSend,
        to: QpState::SendDrain,
        required: &[],
        optional: &[EnableDrainNotify],
    },
    Transition {
        from: QpState::SendDrain,
        to: QpState::ReadyToSend,
        required: &[],
        optional: &[
            CurrentState,
            AccessFlags,
            AlternatePath,
            PathMigrationState,
            MinRnrTimer,
        ],
    },
    Transition {
        from: QpState::SendDrain,
        to: QpState::SendDrain,
        required: &[],
        optional: &[
            Port,
            PkeyIndex,
            AddressVector,
            MaxReadAtomic,
            MaxDestReadAtomic,
            AccessFlags,
            AlternatePath,
            PathMigrationState,
            Timeout,
            RetryCount,
            RnrRetry,
            MinRnrTimer,
        ],
    },
];

/// Why a queue pair did not change its state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("queue pair from {from} to {to}: {why}")]
pub struct TransitionError {
    /// The state it is in.
    pub from: QpState,
    /// The state it should get into.
    pub to: QpState,
    /// What is wrong.
    pub why: TransitionFault,
}

/// What is wrong with a change of state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionFault {
    /// There is no such change.
    #[error("there is no such transition")]
    Impossible,
    /// An attribute that must be given is not.
    #[error("{0} is required")]
    Missing(Attribute),
    /// An attribute may not be given here.
    #[error("{0} is not allowed here")]
    NotAllowed(Attribute),
    /// An attribute's value cannot be.
    #[error("{attribute} cannot be {value}, at most {max}")]
    OutOfRange {
        /// Which.
        attribute: Attribute,
        /// Its value.
        value: u64,
        /// The largest value possible here.
        max: u64,
    },
    /// The device refused, although the attributes are complete and in range.
    #[error("refused: {}{}; given were {}", std::io::Error::from_raw_os_error(*.errno), suspicion(*.errno, given), names(given))]
    Refused {
        /// Its reason.
        errno: i32,
        /// What was given.
        given: Vec<Attribute>,
    },
}

fn names(given: &[Attribute]) -> String {
    let names: Vec<_> = given.iter().map(|attribute| attribute.name()).collect();
    names.join(", ")
}

/// What the kernel's answer usually means, by the attribute that it is about.
fn suspicion(errno: i32, given: &[Attribute]) -> &'static str {
    let path = given.contains(&AddressVector);
    match errno {
        libc::ENETUNREACH | libc::EHOSTUNREACH if path => {
            " (IBV_QP_AV: no route to the peer's GID)"
        }
        libc::ETIMEDOUT if path => " (IBV_QP_AV: the peer's Ethernet address was not found)",
        libc::EINVAL if path => {
            " (IBV_QP_AV: the GID index may have been reassigned, or the peer's GID is of another kind)"
        }
        libc::ENODEV => " (the network interface behind the GID is gone)",
        _ => "",
    }
}

impl TransitionError {
    /// The system's error number, if the device refused.
    pub fn errno(&self) -> Option<i32> {
        match self.why {
            TransitionFault::Refused { errno, .. } => Some(errno),
            _ => None,
        }
    }
}

/// Checks attributes against the table.
pub(crate) fn check(
    from: QpState,
    to: QpState,
    given: &[Attribute],
) -> Result<(), TransitionError> {
    let fault = |why| Err(TransitionError { from, to, why });
    let (required, optional): (&[_], &[_]) = if matches!(to, QpState::Reset | QpState::Error) {
        (&[], &[])
    } else {
        match TRANSITIONS
            .iter()
            .find(|row| row.from == from && row.to == to)
        {
            Some(row) => (row.required, row.optional),
            None => return fault(TransitionFault::Impossible),
        }
    };
    if let Some(&missing) = required
        .iter()
        .find(|&attribute| !given.contains(attribute))
    {
        return fault(TransitionFault::Missing(missing));
    }
    let allowed =
        |attribute: &Attribute| required.contains(attribute) || optional.contains(attribute);
    match given.iter().find(|&attribute| !allowed(attribute)) {
        Some(&wrong) => fault(TransitionFault::NotAllowed(wrong)),
        None => Ok(()),
    }
}

/// The attributes of a mask, as `rdma_init_qp_attr(3)` gives it.
pub(crate) fn from_mask(bits: u32) -> Vec<Attribute> {
    let set = ATTRIBUTES.iter().filter(|row| bits & row.1.0 != 0);
    set.map(|row| row.0).collect()
}

/// The mask for `ibv_modify_qp(3)`.
pub(crate) fn to_mask(given: &[Attribute]) -> u32 {
    given.iter().fold(mask::IBV_QP_STATE.0, |bits, attribute| {
        bits | attribute.bit()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_has_one_bit_of_its_own() {
        let mut all = mask::IBV_QP_STATE.0;
        for (attribute, _, name) in ATTRIBUTES {
            assert_eq!(attribute.bit().count_ones(), 1, "{name}");
            assert_eq!(all & attribute.bit(), 0, "{name}");
            all |= attribute.bit();
            assert_eq!(attribute.to_string(), name);
            assert_eq!(from_mask(attribute.bit()), [attribute]);
        }
    }

    #[test]
    fn each_row_is_there_once_and_says_nothing_twice() {
        for (i, row) in TRANSITIONS.iter().enumerate() {
            let same = |other: &Transition| other.from == row.from && other.to == row.to;
            assert_eq!(TRANSITIONS.iter().position(same), Some(i));
            assert!(
                row.required
                    .iter()
                    .all(|attribute| !row.optional.contains(attribute))
            );
        }
    }

    /// The mask that the specification demands is enough, one attribute less is not, one more is named.
    #[test]
    fn errors_name_the_attribute() {
        for row in &TRANSITIONS {
            assert_eq!(check(row.from, row.to, row.required), Ok(()));
            let all = [row.required, row.optional].concat();
            assert_eq!(check(row.from, row.to, &all), Ok(()));
            for left_out in row.required {
                let given: Vec<_> = all.iter().copied().filter(|it| it != left_out).collect();
                let error = check(row.from, row.to, &given).unwrap_err();
                assert_eq!(error.why, TransitionFault::Missing(*left_out));
                assert!(error.to_string().contains(left_out.name()), "{error}");
            }
            for (extra, _, name) in ATTRIBUTES.iter().filter(|it| !all.contains(&it.0)) {
                let error =
                    check(row.from, row.to, &[row.required, &[*extra]].concat()).unwrap_err();
                assert_eq!(error.why, TransitionFault::NotAllowed(*extra));
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }

    #[test]
    fn states_are_not_skipped_but_error_and_reset_are_always_near() {
        for from in QpState::ALL {
            for to in QpState::ALL {
                let possible = check(from, to, &[]).err().map(|error| error.why)
                    != Some(TransitionFault::Impossible);
                let in_table = TRANSITIONS
                    .iter()
                    .any(|row| row.from == from && row.to == to);
                let ends = matches!(to, QpState::Reset | QpState::Error);
                assert_eq!(possible, in_table || ends, "{from} to {to}");
            }
            assert_eq!(QpState::from_raw(from.raw()), Some(from));
        }
        assert_eq!(QpState::from_raw(99), None);
        let error = check(QpState::Reset, QpState::Error, &[Port]).unwrap_err();
        assert_eq!(error.why, TransitionFault::NotAllowed(Port));
    }

    #[test]
    fn a_refusal_says_what_was_given() {
        let error = TransitionError {
            from: QpState::Initialised,
            to: QpState::ReadyToReceive,
            why: TransitionFault::Refused {
                errno: libc::ETIMEDOUT,
                given: vec![AddressVector, PathMtu],
            },
        };
        let text = error.to_string();
        assert!(
            text.contains("INIT to RTR") && text.contains("Ethernet address was not found"),
            "{text}"
        );
        assert!(
            text.ends_with("given were IBV_QP_AV, IBV_QP_PATH_MTU"),
            "{text}"
        );
        assert_eq!(error.errno(), Some(libc::ETIMEDOUT));
    }
}
