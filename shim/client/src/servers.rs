//! The servers that the program's GPUs are on. Each has a session of its own: a worker process, and a lane for each of its GPUs. The
//! program sees one list of devices: those of the first server, then those of the second, and so on.
//!
//! Handles, contexts and addresses belong to a device and so to a server. What a server says is believed about its own objects only.

use crate::lease::{Lease, Refusal, grace, identity, not_ready};
use crate::pinned::Pool;
use crate::say::Line;
use crate::session::{OPEN_TIMEOUT, Session, session};
use ringway_link::endpoint::{LaneConnection, Target};
use ringway_link::keeper::Keeper;
use ringway_link::shm::SharedMemory;
use ringway_link::{ClientLane, LaneConfig, LinkKind, rdma, shm, tcp};
use ringway_wire::control::{self, DeviceSnapshot, LinkAsk, Opened, Reply, Request, Share};
use ringway_wire::ids::{INDEX_MAX, SERVER_INDEX_MIN};
use ringway_wire::layout::Geometry;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static SLOWER: Line = Line::new();

/// CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID.
const PCI_DOMAIN: usize = 50;
/// Characters of a server's name in a device's.
const NAME_MAX: usize = 48;

/// A server with a session of this process, and what it takes to continue that over other links.
pub struct Server {
    pub(crate) target: Target,
    pub(crate) link: LinkAsk,
    pub(crate) session: u64,
    pub(crate) secret: String,
    /// How long to try; zero: not at all.
    pub(crate) grace: Duration,
    /// Its lanes among those of the process, which are its devices.
    pub(crate) lanes: Range<u32>,
    /// Memory of both ends for what the program pins, over shared memory.
    pub(crate) pinned: Option<Pool>,
    /// Keeps a lease alive that this process took itself.
    pub(crate) lease: Option<Keeper>,
    /// Says once that the session is lost.
    pub(crate) lost: Line,
    share: Share,
}

impl Server {
    /// Round trips that opening its session took: for each lane the connection, TLS where there is trust, and the request.
    pub(crate) fn opening_trips(&self) -> u64 {
        let a_lane = if self.target.trust.is_some() { 3 } else { 2 };
        self.lanes.len() as u64 * a_lane
    }
}

/// What opening a session on a server gave.
pub(crate) struct Parts {
    pub(crate) server: Server,
    pub(crate) lanes: Vec<ClientLane>,
    pub(crate) devices: Vec<DeviceSnapshot>,
    pub(crate) driver_version: i32,
}

/// Opens a session in a lease; its first lane is number `first` of the process.
pub(crate) fn open(lease: Lease, share: Share, first: u32) -> Result<Parts, Refusal> {
    let request = Request::Open {
        lease: lease.lease.clone(),
        secret: lease.secret.clone(),
        identity: identity(),
        link: lease.link,
        share,
    };
    let (lane_0, opened, memory) = lane(&lease.server, &request, lease.link)?;
    let count = opened.devices.len() as u32;
    if count == 0 || first + count > control::LEASE_GPUS_MAX {
        return Err(not_ready(format_args!(
            "{}: {count} GPUs in addition to {first}; a program has 1 to {}",
            lease.server,
            control::LEASE_GPUS_MAX
        )));
    }
    let mut lanes = vec![lane_0];
    let mut memories = vec![memory];
    for number in 1..count {
        let join = Request::Join {
            session: opened.session,
            secret: opened.secret.clone(),
            lane: number,
            link: lease.link,
        };
        let (next, _, memory) = lane(&lease.server, &join, lease.link)?;
        lanes.push(next);
        memories.push(memory);
    }
    let grace = grace(opened.grace_ms);
    if !grace.is_zero() {
        // From the first moment: a link may break before there is a thread that continues it.
        lanes.iter().for_each(ClientLane::keep);
    }
    let mut devices = opened.devices;
    if share.of > 1 {
        let name = lease.name.unwrap_or_else(|| lease.server.endpoint.to_string());
        devices.iter_mut().for_each(|device| tell_apart(device, &name, share.number));
    }
    let server = Server {
        link: lease.link,
        session: opened.session,
        secret: opened.secret,
        grace,
        lanes: first..first + count,
        pinned: Pool::of(memories),
        lease: lease.held,
        lost: Line::new(),
        target: lease.server,
        share,
    };
    Ok(Parts { server, lanes, devices, driver_version: opened.driver_version })
}

/// A device of one of several servers: its name says where it is, and its place on the bus, which others have in their machines, gets a
/// domain of its own.
fn tell_apart(device: &mut DeviceSnapshot, server: &str, number: u32) {
    let server: String = server.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    device.name = format!("{} (ringway: {server})", device.name);
    let Some((domain, place)) = device.pci_bus_id.split_once(':') else { return };
    let Ok(domain) = u32::from_str_radix(domain, 16) else { return };
    let domain = domain.wrapping_add(number << 8) & 0xffff;
    device.pci_bus_id = format!("{domain:04x}:{place}");
    if let Some(Some(attribute)) = device.attributes.get_mut(PCI_DOMAIN) {
        *attribute = domain as i32;
    }
}

/// Devices of software GPUs have the same UUIDs on each server; programs take those with the same for one.
pub(crate) fn tell_uuids_apart(devices: &mut [DeviceSnapshot]) {
    for later in 1..devices.len() {
        let (before, rest) = devices.split_at_mut(later);
        let uuid = &mut rest[0].uuid;
        let mut tries = 0u8;
        while before.iter().any(|other| other.uuid == *uuid) && tries < u8::MAX {
            tries += 1;
            uuid[13] = uuid[13].wrapping_add(1);
        }
    }
}

/// A lane, what the server says of the session, and memory that came with the lane.
fn lane(server: &Target, request: &Request, link: LinkAsk) -> Result<(ClientLane, Opened, Option<SharedMemory>), Refusal> {
    let failed = |error: &dyn std::fmt::Display| not_ready(format_args!("{server}: {error}"));
    let mut connection = server.connect(OPEN_TIMEOUT).map_err(|error| failed(&error))?;
    control::send(&mut connection, request).map_err(not_ready)?;
    let mut connection = connection.into_lane().map_err(|error| failed(&error))?;
    let reply = control::receive_reply(&mut connection).map_err(|error| failed(&error))?;
    let Reply::Opened(opened) = reply else {
        return Err(not_ready(
            "the server answered with something else than a session",
        ));
    };
    let config = LaneConfig {
        geometry: Geometry::DEFAULT,
        lane_key: opened.ring_key,
    };
    connection.set_timeouts(None).map_err(not_ready)?;
    let mut shared = None;
    let lane = match connection {
        LaneConnection::Unix(stream) => shm::accept_with(stream, &config).map(|(lane, memory)| {
            shared = memory;
            lane
        }),
        LaneConnection::Tcp(stream) => match link {
            LinkAsk::Rdma | LinkAsk::RdmaOnly => {
                rdma::client(stream, &config, link == LinkAsk::RdmaOnly).map(|(lane, choice)| {
                    if choice.kind != LinkKind::Rdma {
                        SLOWER.say(format_args!("the link is {choice}"));
                    }
                    lane
                })
            }
            LinkAsk::Shm | LinkAsk::Tcp => tcp::client(stream, &config),
        },
    }
    .map_err(not_ready)?;
    Ok((lane, *opened, shared))
}

impl Session {
    /// Whether the devices are on several servers.
    #[inline]
    pub fn is_spread(&self) -> bool {
        self.servers.len() > 1
    }

    /// Number of the server of a lane.
    #[inline]
    pub(crate) fn server_number(&self, lane: u32) -> usize {
        self.server_of.get(lane as usize).copied().map_or(0, usize::from)
    }

    /// The server of a lane.
    #[inline]
    pub(crate) fn server(&self, lane: u32) -> &Server {
        &self.servers[self.server_number(lane)]
    }

    /// Number of a lane, and of a device, at its server.
    #[inline]
    pub fn number_there(&self, lane: u32) -> u32 {
        lane - self.server(lane).lanes.start
    }

    /// Whether two lanes lead to the same server.
    pub fn is_one_server(&self, lane: u32, other: u32) -> bool {
        self.server_number(lane) == self.server_number(other)
    }

    /// Whether a lane's server may have made an object of this index by itself (WIRE.md, W33).
    pub(crate) fn is_named_by(&self, lane: u32, index: u32) -> bool {
        let (first, length) = self.server(lane).share.part(INDEX_MAX + 1 - SERVER_INDEX_MIN);
        let first = SERVER_INDEX_MIN + first;
        (first..first + length).contains(&index)
    }
}

pub(crate) static SPREAD: AtomicBool = AtomicBool::new(false);

/// Whether the devices are on several servers: the question that costs next to nothing.
#[inline]
pub fn are_several() -> bool {
    SPREAD.load(Ordering::Relaxed)
}

/// Whether two lanes lead to different servers; false where there is one, or no session.
pub fn are_apart(lane: u32, other: u32) -> bool {
    are_several() && session().is_ok_and(|session| !session.is_one_server(lane, other))
}

/// Whether what the server of lane `says` tells of lane `of` is about its own: others' are none of its business.
pub(crate) fn is_its_own(says: u32, of: u32) -> bool {
    !are_apart(says, of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_different_servers_differ() {
        let device = || DeviceSnapshot {
            name: "GPU".into(),
            uuid: [7; 16],
            pci_bus_id: "0000:65:00.0".into(),
            attributes: vec![Some(0); 60],
            ..DeviceSnapshot::default()
        };
        let mut devices = vec![device(), device(), device()];
        for (number, one) in devices.iter_mut().enumerate() {
            tell_apart(one, "gpu\n07", number as u32);
        }
        assert_eq!(devices[0].name, "GPU (ringway: gpu07)");
        assert_eq!((devices[0].pci_bus_id.as_str(), devices[2].pci_bus_id.as_str()), ("0000:65:00.0", "0200:65:00.0"));
        assert_eq!(devices[2].attributes[PCI_DOMAIN], Some(0x200));
        tell_uuids_apart(&mut devices);
        assert!(devices[0].uuid == [7; 16] && devices[1].uuid != devices[0].uuid && devices[2].uuid != devices[1].uuid);
    }
}
