//! RDMA: library, devices, ports, addresses, packet sizes.

use super::{marginal, pass, text_of};
use ringway_verbs::{Context, GidKind, LinkLayer, PortInfo, PortState};
use ringway_wire::control::Check;

/// What an Ethernet interface must carry for a path MTU of 4096: that, and the headers of RoCE version 2.
const JUMBO_BYTES: u32 = 4200;

pub(super) fn checks() -> Vec<Check> {
    const SUBJECT: &str = "RDMA";
    let devices = match ringway_verbs::probe() {
        Ok(devices) => devices,
        Err(why) => return vec![marginal(SUBJECT, format!("{why}; links to other hosts go by TCP"), why.cure())],
    };
    let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    let mut checks = vec![pass(SUBJECT, names.join(", "))];
    for name in names {
        let subject = format!("RDMA device {name}");
        match Context::open(name).and_then(|context| ports(&subject, &context)) {
            Ok(found) => checks.extend(found),
            Err(error) => checks.push(marginal(&subject, error.to_string(), "look at the kernel's log: `dmesg | grep -iE 'rdma|infiniband|mlx'`")),
        }
    }
    checks
}

fn ports(device: &str, context: &Context) -> ringway_verbs::Result<Vec<Check>> {
    let gids = context.gids()?;
    let ports = context.ports()?;
    Ok(ports.iter().map(|port| {
        let subject = format!("{device} port {}", port.number);
        let mut of_port = gids.iter().filter(|entry| entry.port == port.number);
        let addressed = of_port.clone().find(|entry| entry.kind == GidKind::RoceV2 && matches!(entry.gid.to_ip(), std::net::IpAddr::V4(_)));
        let entry = addressed.or_else(|| of_port.next());
        let interface = entry.map(|entry| interface_name(entry.interface)).unwrap_or_default();
        let kinds = entry.map_or_else(|| "no GID".to_owned(), |entry| format!("{} {}", entry.kind, entry.gid));
        verdict(&subject, port, entry.is_some(), &kinds, &interface)
    }).collect())
}

fn verdict(subject: &str, port: &PortInfo, has_gid: bool, gid: &str, interface: &str) -> Check {
    let found = format!("{}, {gid}, path MTU {}{}", port.state, port.active_mtu.bytes(), if interface.is_empty() { String::new() } else { format!(", {interface}") });
    if port.state != PortState::Active {
        marginal(subject, found, "bring the link up: `ip link set DEV up` for RoCE, a subnet manager (opensm) for InfiniBand, and look at the cable and the switch")
    } else if !has_gid {
        marginal(subject, found, "give the port's network interface an IP address: RoCE version 2 needs one")
    } else if port.active_mtu.bytes() < 4096 && port.link_layer == LinkLayer::Ethernet {
        marginal(subject, found, format!("larger packets carry bulk data faster: `ip link set {} mtu {JUMBO_BYTES}` or more, at both ends and on the switch", if interface.is_empty() { "DEV" } else { interface }))
    } else {
        pass(subject, found)
    }
}

/// Name of a network interface by its index; empty if there is none.
fn interface_name(index: u32) -> String {
    let Ok(entries) = std::fs::read_dir("/sys/class/net") else {
        return String::new();
    };
    let has_index = |entry: &std::fs::DirEntry| index != 0 && text_of(entry.path().join("ifindex")) == index.to_string();
    entries.flatten().find(has_index).map(|entry| entry.file_name().to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringway_verbs::Mtu;
    use ringway_wire::control::Verdict;

    fn port(state: PortState, mtu: u8) -> PortInfo {
        PortInfo {
            number: 1,
            state,
            link_layer: LinkLayer::Ethernet,
            active_mtu: Mtu::from_code(mtu).unwrap(),
            lid: 0,
            message_bytes_max: 1 << 30,
            gid_table_len: 4,
        }
    }

    #[test]
    fn a_port_is_judged_by_state_address_and_packet_size() {
        let judge = |port, has_gid| verdict("p", &port, has_gid, "RoCE v2 ::ffff:10.0.0.1", "eth0");
        assert_eq!(judge(port(PortState::Active, 5), true).verdict, Verdict::Pass);
        assert!(judge(port(PortState::Down, 5), true).cure.contains("ip link set"));
        assert!(judge(port(PortState::Active, 5), false).cure.contains("IP address"));
        let small = judge(port(PortState::Active, 3), true);
        assert_eq!(small.verdict, Verdict::Marginal);
        assert!(small.cure.contains("eth0 mtu 4200") && small.found.contains("1024"), "{small:?}");
    }
}
