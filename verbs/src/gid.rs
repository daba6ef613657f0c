//! Global identifiers of ports, and which one to use.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A GID: 16 bytes, in network order. RoCE v2 puts an IP address into it, an IPv4 one in its IPv6-mapped form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gid(pub [u8; 16]);

impl Gid {
    /// The GID that a RoCE port has for an IP address.
    pub fn from_ip(address: IpAddr) -> Gid {
        Gid(match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        })
    }

    /// The IP address that a RoCE GID stands for.
    pub fn to_ip(self) -> IpAddr {
        let v6 = Ipv6Addr::from(self.0);
        match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(v6),
        }
    }

    /// Whether it is all zeros: an empty entry.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ipv6Addr::from(self.0).fmt(f)
    }
}

impl fmt::Debug for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gid({self})")
    }
}

/// How packets with this GID travel. Both ends must use the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GidKind {
    /// InfiniBand.
    InfiniBand = 0,
    /// RoCE version 1: an Ethernet type of its own, one broadcast domain only.
    RoceV1 = 1,
    /// RoCE version 2: UDP, port 4791, over IP.
    RoceV2 = 2,
}

impl fmt::Display for GidKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GidKind::InfiniBand => "InfiniBand",
            GidKind::RoceV1 => "RoCE v1",
            GidKind::RoceV2 => "RoCE v2",
        })
    }
}

/// An entry of a device's GID table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidEntry {
    /// The GID.
    pub gid: Gid,
    /// Its place in the port's table.
    pub index: u32,
    /// The port, from 1.
    pub port: u8,
    /// How it travels.
    pub kind: GidKind,
    /// The network interface it came from (`if_nametoindex(3)`), 0 if there is none.
    pub interface: u32,
}

/// The entry to use for packets that leave by the local address `local`.
///
/// RoCE: the entry that *is* this address, version 2 before version 1. InfiniBand: the first entry of the port that
/// carries the address's network interface, `infiniband_port`. An entry is never taken by its position.
pub(crate) fn choose(
    entries: &[GidEntry],
    local: IpAddr,
    infiniband_port: Option<u8>,
) -> Option<&GidEntry> {
    let local = match local {
        IpAddr::V6(v6) => v6.to_canonical(),
        v4 => v4,
    };
    let wanted = Gid::from_ip(local);
    let by_address = |kind| {
        entries
            .iter()
            .filter(move |entry| entry.kind == kind && entry.gid == wanted)
            .min_by_key(|entry| (entry.port, entry.index))
    };
    by_address(GidKind::RoceV2)
        .or_else(|| by_address(GidKind::RoceV1))
        .or_else(|| {
            let port = infiniband_port?;
            entries
                .iter()
                .filter(|entry| entry.kind == GidKind::InfiniBand && entry.port == port)
                .min_by_key(|entry| entry.index)
        })
}

/// Whether an address is one that RoCE could have a GID for and that a peer could reach.
pub(crate) fn usable(entry: &GidEntry) -> bool {
    !entry.gid.is_zero() && entry.gid.to_ip() != IpAddr::V4(Ipv4Addr::UNSPECIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(gid: &str, index: u32, port: u8, kind: GidKind) -> GidEntry {
        GidEntry {
            gid: Gid::from_ip(gid.parse().unwrap()),
            index,
            port,
            kind,
            interface: 2,
        }
    }

    /// As an adapter with two RoCE ports shows it: each address twice, once a version.
    fn table() -> Vec<GidEntry> {
        use GidKind::*;
        vec![
            entry("fe80::1", 0, 1, RoceV1),
            entry("fe80::1", 1, 1, RoceV2),
            entry("10.0.0.1", 2, 1, RoceV1),
            entry("10.0.0.1", 3, 1, RoceV2),
            entry("fe80::2", 0, 2, RoceV1),
            entry("2001:db8::5", 4, 2, RoceV2),
            entry("192.168.7.9", 5, 2, RoceV1),
        ]
    }

    #[test]
    fn the_address_decides_and_version_2_is_preferred() {
        let table = table();
        let choose = |ip: &str| choose(&table, ip.parse().unwrap(), None);
        let found = choose("10.0.0.1").unwrap();
        assert_eq!(
            (found.port, found.index, found.kind),
            (1, 3, GidKind::RoceV2)
        );
        let found = choose("2001:db8::5").unwrap();
        assert_eq!((found.port, found.index), (2, 4));
        let found = choose("192.168.7.9").unwrap();
        assert_eq!(
            (found.port, found.index, found.kind),
            (2, 5, GidKind::RoceV1)
        );
        assert_eq!(choose("10.0.0.2"), None);
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        let table = table();
        let found = choose(&table, "::ffff:10.0.0.1".parse().unwrap(), None).unwrap();
        assert_eq!(found.index, 3);
        assert_eq!(found.gid.to_ip(), "10.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(found.gid.to_string(), "::ffff:10.0.0.1");
    }

    #[test]
    fn infiniband_goes_by_the_port_of_the_interface() {
        let mut table = vec![
            entry("fe80::a", 0, 1, GidKind::InfiniBand),
            entry("fe80::b", 1, 2, GidKind::InfiniBand),
            entry("fe80::c", 0, 2, GidKind::InfiniBand),
        ];
        let local = "10.1.1.1".parse().unwrap();
        assert_eq!(choose(&table, local, Some(2)).unwrap().gid, table[2].gid);
        assert_eq!(choose(&table, local, Some(3)), None);
        assert_eq!(choose(&table, local, None), None);
        table.clear();
        assert_eq!(choose(&table, local, Some(1)), None);
    }

    #[test]
    fn empty_entries_are_not_usable() {
        assert!(!usable(&entry("::", 0, 1, GidKind::RoceV2)));
        assert!(usable(&entry("127.0.0.1", 0, 1, GidKind::RoceV2)));
    }
}
