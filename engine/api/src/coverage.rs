//! What of the driver API works, for `ringway coverage` and docs/coverage.md.

use crate::{Class, Row, Support, TABLE};

/// One function in one form.
#[derive(Debug, Clone, Copy)]
pub struct Coverage {
    /// The function's name; later forms carry their version.
    pub name: &'static str,
    /// Its family.
    pub family: &'static str,
    /// How far it works.
    pub support: Support,
    /// How a call travels; `None` where it does not work.
    pub class: Option<Class>,
    /// CUDA version that brought it, as `1000 * major + 10 * minor`.
    pub since: u32,
    /// The test that proves it, if there is one.
    pub test: Option<&'static str>,
}

/// How many functions of each support there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Work as documented.
    pub full: usize,
    /// Work with a restriction.
    pub partial: usize,
    /// Not yet.
    pub planned: usize,
    /// Never.
    pub refused: usize,
}

impl Support {
    /// `full`, `partial`, `planned` or `refused`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial(_) => "partial",
            Self::Planned(_) => "planned",
            Self::Refused(..) => "refused",
        }
    }

    /// The restriction or the reason; empty for full support.
    pub const fn note(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Partial(note) | Self::Planned(note) | Self::Refused(_, note) => note,
        }
    }

    /// Whether a call has a chance to succeed.
    pub const fn works(self) -> bool {
        matches!(self, Self::Full | Self::Partial(_))
    }
}

impl Class {
    /// `local`, `posted`, `called` or `bulk`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Posted => "posted",
            Self::Called => "called",
            Self::Bulk => "bulk",
        }
    }
}

fn of(row: &Row) -> Coverage {
    Coverage {
        name: row.name,
        family: row.family,
        support: row.support,
        class: row.support.works().then_some(row.class),
        since: row.exports.iter().map(|e| e.version).min().unwrap_or(0),
        test: row.test,
    }
}

/// Every function of the driver API in every form, by family, in the order of the table.
pub fn coverage() -> Vec<Coverage> {
    TABLE
        .iter()
        .filter(|r| !r.exports.is_empty())
        .map(of)
        .collect()
}

/// Sums over some of them.
pub fn totals(functions: &[Coverage]) -> Totals {
    let mut totals = Totals::default();
    for function in functions {
        match function.support {
            Support::Full => totals.full += 1,
            Support::Partial(_) => totals.partial += 1,
            Support::Planned(_) => totals.planned += 1,
            Support::Refused(..) => totals.refused += 1,
        }
    }
    totals
}
