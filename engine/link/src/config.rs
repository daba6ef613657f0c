//! What the session layer hands to a link: geometry and key; and what it shows: kind and reason.

use ringway_wire::control::RdmaState;
use ringway_wire::layout::Geometry;
use std::net::IpAddr;

/// What both ends of a lane agreed on in the handshake.
#[derive(Clone, Copy, Debug)]
pub struct LaneConfig {
    /// Ring sizes.
    pub geometry: Geometry,
    /// Random number of this lane, the same at both ends, made by the server, never reused. Commit words are
    /// derived from it, so that payload bytes of an earlier lap cannot look like a committed record.
    pub lane_key: u64,
}

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Memory shared by two processes of one host.
    Shm,
    /// RDMA writes.
    Rdma,
    /// One TCP connection.
    Tcp,
    /// The deterministic simulation used by tests.
    Sim,
}

impl std::fmt::Display for LinkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LinkKind::Shm => "shm",
            LinkKind::Rdma => "rdma",
            LinkKind::Tcp => "tcp",
            LinkKind::Sim => "sim",
        })
    }
}

/// The kind in use and why it is not a better one; shown to users.
///
/// Displays as `tcp: server is on another host; no RDMA: libibverbs is not installed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkChoice {
    /// The kind in use.
    pub kind: LinkKind,
    /// Why; empty when nothing is to be said.
    pub reason: String,
}

impl LinkChoice {
    /// Memory is shared: nothing is better.
    pub fn shm() -> LinkChoice {
        LinkChoice {
            kind: LinkKind::Shm,
            reason: String::new(),
        }
    }

    /// The best kind to a server whose memory cannot be shared for the reason `why_not_shm`: RDMA where this end has a device
    /// at `local`, its own address on the way to the server, and the server says that it has one too.
    pub fn remote(why_not_shm: &str, local: Option<IpAddr>, server: &RdmaState) -> LinkChoice {
        let here = local.map(crate::rdma::usable_at);
        let (kind, rdma) = match (here, server) {
            (Some(Ok(here)), RdmaState::Usable(there)) => (LinkKind::Rdma, format!("RDMA by {here}, {there} at the server")),
            (Some(Err(why)), _) => (LinkKind::Tcp, format!("no RDMA: {why}")),
            (_, RdmaState::Unusable(why)) => (LinkKind::Tcp, format!("no RDMA at the server: {why}")),
            (None, _) => (LinkKind::Tcp, "no RDMA: the server was not reached over IP".to_owned()),
        };
        LinkChoice {
            kind,
            reason: format!("{why_not_shm}; {rdma}"),
        }
    }
}

impl std::fmt::Display for LinkChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_says_why() {
        assert_eq!(LinkChoice::shm().to_string(), "shm");
        let loopback = Some(IpAddr::from([127, 0, 0, 1]));
        for (local, server) in [
            (loopback, RdmaState::Unusable("no device there; plug one in".into())),
            (None, RdmaState::Usable("mlx5_0".into())),
        ] {
            let text = LinkChoice::remote("server is on another host", local, &server).to_string();
            assert!(text.starts_with("tcp: server is on another host; no RDMA"), "{text}");
            assert!(text.len() > "tcp: server is on another host; no RDMA: ".len(), "{text}");
        }
    }
}
