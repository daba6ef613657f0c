//! Devices, their ports, and which of them reaches a peer.

use crate::availability::{self, WhyNot, why_of};
use crate::gid::{self, Gid, GidEntry, GidKind};
use crate::sys::{last_errno, not_null, zero};
use crate::{AsyncEvents, Error, ProtectionDomain, Result};
use rdma_mummy_sys as ffi;
use std::ffi::CStr;
use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

/// More devices than this are not looked at.
const DEVICES_MAX: usize = 256;
/// More entries of a device's GID table than this are not looked at.
const GIDS_MAX: usize = 4096;

/// A verbs device that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// As the system calls it, `mlx5_0` or `rxe0`.
    pub name: String,
    /// Node GUID in network byte order, as `ibv_get_device_guid(3)` gives it.
    pub guid: u64,
}

/// The list of `ibv_get_device_list(3)`, freed on drop.
struct DeviceList {
    devices: *mut *mut ffi::ibv_device,
    count: usize,
}

impl DeviceList {
    fn get() -> Result<DeviceList, WhyNot> {
        let mut count = 0;
        // SAFETY: an out parameter.
        let devices = unsafe { ffi::ibv_get_device_list(&raw mut count) };
        if devices.is_null() {
            let error = std::io::Error::from_raw_os_error(last_errno());
            return Err(match error.raw_os_error() {
                // the loader's answer for a function that it has no library for
                Some(libc::EOPNOTSUPP) => WhyNot::NoLibrary,
                // "No kernel support for RDMA"
                Some(libc::ENOSYS) => WhyNot::NoKernelSupport,
                Some(libc::EPERM | libc::EACCES) => WhyNot::NotPermitted(error.to_string()),
                _ => WhyNot::Failed(error.to_string()),
            });
        }
        Ok(DeviceList {
            devices,
            count: usize::try_from(count).unwrap_or(0).min(DEVICES_MAX),
        })
    }

    fn iter(&self) -> impl Iterator<Item = (*mut ffi::ibv_device, String)> {
        (0..self.count).filter_map(|i| {
            // SAFETY: within the list; a device is valid as long as the list, and its name as long as the device.
            unsafe {
                let device = *self.devices.add(i);
                if device.is_null() {
                    return None;
                }
                let name = ffi::ibv_get_device_name(device);
                (!name.is_null()).then(|| (device, CStr::from_ptr(name).to_string_lossy().into()))
            }
        })
    }
}

impl Drop for DeviceList {
    fn drop(&mut self) {
        // SAFETY: got from `ibv_get_device_list` and freed once. Devices that were opened stay valid.
        unsafe { ffi::ibv_free_device_list(self.devices) };
    }
}

pub(crate) fn list() -> Result<Vec<DeviceInfo>, WhyNot> {
    let list = DeviceList::get()?;
    let infos = list.iter().map(|(device, name)| DeviceInfo {
        name,
        // SAFETY: a device of the list, which is still there.
        guid: unsafe { ffi::ibv_get_device_guid(device) },
    });
    Ok(infos.collect())
}

/// An open device. Cheap to clone; closed when the last object made from it is gone.
///
/// A child made by `fork(2)` must not use what its parent made from it; dropping it there does nothing.
#[derive(Clone)]
pub struct Context(pub(crate) Arc<ContextInner>);

pub(crate) struct ContextInner {
    pub(crate) raw: *mut ffi::ibv_context,
    name: String,
    limits: DeviceLimits,
    /// The process that opened it.
    process: u32,
    /// Whether an [`AsyncEvents`] exists.
    pub(crate) events_taken: AtomicBool,
}

// SAFETY: verbs are thread-safe ("ibv_context" of libibverbs takes its own locks); the pointer is valid until drop.
unsafe impl Send for ContextInner {}
// SAFETY: as above.
unsafe impl Sync for ContextInner {}

impl Drop for ContextInner {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // SAFETY: opened in `open`; every object made from it holds this value, so none is left.
            unsafe { ffi::ibv_close_device(self.raw) };
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.0.name)
    }
}

/// What a device can do; the fields of `ibv_query_device_ex(3)` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Work requests in one queue.
    pub work_requests_max: u32,
    /// Scatter/gather elements in one work request.
    pub segments_max: u32,
    /// Entries of a completion queue.
    pub completions_max: u32,
    /// Work requests in a shared receive queue, 0 if there are none.
    pub shared_receives_max: u32,
    /// Reads and atomics that a queue pair may have under way as the responder.
    pub reads_in_max: u8,
    /// The same as the initiator.
    pub reads_out_max: u8,
    /// Largest registration in bytes.
    pub region_bytes_max: u64,
    /// Physical ports, numbered from 1.
    pub ports: u8,
    /// Whether atomic operations work between queue pairs of this device.
    pub atomics: bool,
    /// Whether memory can be registered without pinning it, for reliable connections.
    pub on_demand_paging: bool,
    /// Whether all of a process's memory can be registered at once by on-demand paging.
    pub on_demand_implicit: bool,
    /// Completions that can be counted before an event, 0 if moderation is not offered.
    pub moderation_count_max: u16,
    /// Microseconds that an event can be put off, 0 if moderation is not offered.
    pub moderation_period_us_max: u16,
}

/// State of a port (`enum ibv_port_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Not known.
    Unknown,
    /// No link.
    Down,
    /// The link is there, the subnet manager has not configured the port yet.
    Initialising,
    /// Configured, but not active yet.
    Armed,
    /// Carries traffic.
    Active,
    /// Active, with the link in error recovery.
    ActiveDeferred,
}

impl PortState {
    fn from_raw(state: ffi::ibv_port_state::Type) -> PortState {
        use ffi::ibv_port_state::*;
        match state {
            IBV_PORT_DOWN => PortState::Down,
            IBV_PORT_INIT => PortState::Initialising,
            IBV_PORT_ARMED => PortState::Armed,
            IBV_PORT_ACTIVE => PortState::Active,
            IBV_PORT_ACTIVE_DEFER => PortState::ActiveDeferred,
            _ => PortState::Unknown,
        }
    }
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortState::Unknown => "in an unknown state",
            PortState::Down => "down",
            PortState::Initialising => "waiting for a subnet manager",
            PortState::Armed => "armed, not active yet",
            PortState::Active => "active",
            PortState::ActiveDeferred => "in error recovery",
        })
    }
}

/// What a port is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// InfiniBand: addressed by LID, and by GID across subnets.
    InfiniBand,
    /// Ethernet: RoCE, addressed by GID.
    Ethernet,
}

/// Largest payload of one packet (`enum ibv_mtu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mtu {
    /// 256 bytes.
    Bytes256 = 1,
    /// 512 bytes.
    Bytes512 = 2,
    /// 1024 bytes.
    Bytes1024 = 3,
    /// 2048 bytes.
    Bytes2048 = 4,
    /// 4096 bytes.
    Bytes4096 = 5,
}

impl Mtu {
    /// From the number that verbs and the exchange use.
    pub fn from_code(code: u8) -> Option<Mtu> {
        Some(match code {
            1 => Mtu::Bytes256,
            2 => Mtu::Bytes512,
            3 => Mtu::Bytes1024,
            4 => Mtu::Bytes2048,
            5 => Mtu::Bytes4096,
            _ => return None,
        })
    }

    /// The number that verbs use.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// In bytes.
    pub fn bytes(self) -> u32 {
        128 << self.code()
    }
}

/// A port as `ibv_query_port(3)` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// From 1.
    pub number: u8,
    /// Whether it carries traffic.
    pub state: PortState,
    /// InfiniBand or Ethernet.
    pub link_layer: LinkLayer,
    /// Largest packet payload now in use.
    pub active_mtu: Mtu,
    /// Local identifier, 0 on Ethernet.
    pub lid: u16,
    /// Largest message in bytes.
    pub message_bytes_max: u32,
    /// Entries of the GID table, used or not.
    pub gid_table_len: u32,
}

impl Context {
    /// Opens the device of this name. `ibv_open_device(3)`.
    pub fn open(name: &str) -> Result<Context> {
        // Memory that is registered must not move under the device when the program forks. Kernels since 5.12 see to
        // that themselves, and the call does nothing there. Its error only says that somebody came before us.
        static FORK: Once = Once::new();
        // SAFETY: no arguments.
        FORK.call_once(|| unsafe {
            ffi::ibv_fork_init();
        });

        let list = DeviceList::get()?;
        let device = list.iter().find(|(_, have)| have == name);
        let (device, name) = device.ok_or(WhyNot::NoDevice)?;
        // SAFETY: a device of the list, which is still there.
        let raw = not_null("ibv_open_device", unsafe { ffi::ibv_open_device(device) })?;
        let mut inner = ContextInner {
            raw,
            name,
            limits: DeviceLimits::NONE,
            process: std::process::id(),
            events_taken: AtomicBool::new(false),
        };
        inner.limits = DeviceLimits::query(raw)?;
        Ok(Context(Arc::new(inner)))
    }

    /// A context that only has the operations of `raw`. It must never be dropped.
    #[cfg(test)]
    pub(crate) fn pretend(raw: *mut ffi::ibv_context) -> Context {
        Context(Arc::new(ContextInner {
            raw,
            name: "pretended".into(),
            limits: DeviceLimits::NONE,
            process: std::process::id(),
            events_taken: AtomicBool::new(false),
        }))
    }

    /// Its name, `mlx5_0` or `rxe0`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What it can do.
    pub fn limits(&self) -> &DeviceLimits {
        &self.0.limits
    }

    /// Whether this process opened it. A child made by `fork(2)` inherits the descriptor, and what it destroyed would be
    /// gone for its parent; so there, dropping does nothing but forget.
    pub(crate) fn is_ours(&self) -> bool {
        self.0.process == std::process::id()
    }

    pub(crate) fn raw(&self) -> *mut ffi::ibv_context {
        self.0.raw
    }

    /// One port, from 1. `ibv_query_port(3)`.
    pub fn port(&self, number: u8) -> Result<PortInfo> {
        // SAFETY: a structure of plain numbers, for which zeros are valid.
        let mut attr: ffi::ibv_port_attr = unsafe { std::mem::zeroed() };
        // SAFETY: an open device and an out parameter.
        let result = unsafe { ffi::ibv_query_port(self.0.raw, number, &raw mut attr) };
        zero("ibv_query_port", result)?;
        let link_layer = if attr.link_layer == ffi::IBV_LINK_LAYER_ETHERNET {
            LinkLayer::Ethernet
        } else {
            LinkLayer::InfiniBand
        };
        Ok(PortInfo {
            number,
            state: PortState::from_raw(attr.state),
            link_layer,
            active_mtu: u8::try_from(attr.active_mtu)
                .ok()
                .and_then(Mtu::from_code)
                .unwrap_or(Mtu::Bytes256),
            lid: attr.lid,
            message_bytes_max: attr.max_msg_sz,
            gid_table_len: u32::try_from(attr.gid_tbl_len).unwrap_or(0),
        })
    }

    /// All ports.
    pub fn ports(&self) -> Result<Vec<PortInfo>> {
        (1..=self.0.limits.ports).map(|n| self.port(n)).collect()
    }

    /// All entries in use of the GID tables of all ports. `ibv_query_gid_table(3)`, rdma-core 32 or later.
    pub fn gids(&self) -> Result<Vec<GidEntry>> {
        let room = self
            .ports()?
            .into_iter()
            .map(|port| port.gid_table_len as usize);
        let room = room.sum::<usize>().clamp(1, GIDS_MAX);
        // SAFETY: a structure of plain numbers, for which zeros are valid.
        let mut raw: Vec<ffi::ibv_gid_entry> = vec![unsafe { std::mem::zeroed() }; room];
        // SAFETY: room for as many entries as said.
        let count = unsafe { ffi::ibv_query_gid_table(self.0.raw, raw.as_mut_ptr(), room, 0) };
        let Ok(count) = usize::try_from(count) else {
            let errno = i32::try_from(-count).unwrap_or(libc::EINVAL);
            return Err(match errno {
                libc::EOPNOTSUPP => WhyNot::OldLibrary("ibv_query_gid_table").into(),
                errno => Error::system("ibv_query_gid_table", errno),
            });
        };
        let entries = raw.iter().take(count).filter_map(|entry| {
            Some(GidEntry {
                // SAFETY: every bit pattern is a valid array of bytes.
                gid: Gid(unsafe { entry.gid.raw }),
                index: entry.gid_index,
                port: u8::try_from(entry.port_num).ok()?,
                kind: match entry.gid_type {
                    ffi::IBV_GID_TYPE_IB => GidKind::InfiniBand,
                    ffi::IBV_GID_TYPE_ROCE_V1 => GidKind::RoceV1,
                    ffi::IBV_GID_TYPE_ROCE_V2 => GidKind::RoceV2,
                    _ => return None,
                },
                interface: entry.ndev_ifindex,
            })
        });
        Ok(entries.collect())
    }

    /// A new protection domain. `ibv_alloc_pd(3)`.
    pub fn protection_domain(&self) -> Result<ProtectionDomain> {
        ProtectionDomain::new(self)
    }

    /// The reader of asynchronous events; there is one at a time.
    pub fn events(&self) -> Result<AsyncEvents> {
        AsyncEvents::new(self)
    }
}

impl DeviceLimits {
    const NONE: DeviceLimits = DeviceLimits {
        work_requests_max: 0,
        segments_max: 0,
        completions_max: 0,
        shared_receives_max: 0,
        reads_in_max: 0,
        reads_out_max: 0,
        region_bytes_max: 0,
        ports: 0,
        atomics: false,
        on_demand_paging: false,
        on_demand_implicit: false,
        moderation_count_max: 0,
        moderation_period_us_max: 0,
    };

    fn query(raw: *mut ffi::ibv_context) -> Result<DeviceLimits> {
        // SAFETY: a structure of plain numbers, for which zeros are valid.
        let mut ex: ffi::ibv_device_attr_ex = unsafe { std::mem::zeroed() };
        // SAFETY: an open device, no input, an out parameter. Libraries that do not know the extended call fill the
        // first part and leave zeros.
        let result = unsafe { ffi::ibv_query_device_ex(raw, std::ptr::null(), &raw mut ex) };
        zero("ibv_query_device_ex", result)?;
        let attr = &ex.orig_attr;
        let count = |value: i32| u32::try_from(value).unwrap_or(0);
        let small = |value: i32| u8::try_from(value.clamp(0, 255)).unwrap_or(0);
        let odp = ex.odp_caps.general_caps;
        let rc = ex.odp_caps.per_transport_caps.rc_odp_caps;
        let rc_wanted = ffi::ibv_odp_transport_cap_bits::IBV_ODP_SUPPORT_SEND
            | ffi::ibv_odp_transport_cap_bits::IBV_ODP_SUPPORT_WRITE;
        Ok(DeviceLimits {
            work_requests_max: count(attr.max_qp_wr),
            segments_max: count(attr.max_sge),
            completions_max: count(attr.max_cqe),
            shared_receives_max: count(attr.max_srq_wr),
            reads_in_max: small(attr.max_qp_rd_atom),
            reads_out_max: small(attr.max_qp_init_rd_atom),
            region_bytes_max: attr.max_mr_size,
            ports: attr.phys_port_cnt,
            atomics: attr.atomic_cap != ffi::ibv_atomic_cap::IBV_ATOMIC_NONE,
            on_demand_paging: odp & u64::from(ffi::ibv_odp_general_caps::IBV_ODP_SUPPORT.0) != 0
                && rc & rc_wanted.0 == rc_wanted.0,
            on_demand_implicit: odp
                & u64::from(ffi::ibv_odp_general_caps::IBV_ODP_SUPPORT_IMPLICIT.0)
                != 0,
            moderation_count_max: ex.cq_mod_caps.max_cq_count,
            moderation_period_us_max: ex.cq_mod_caps.max_cq_period,
        })
    }
}

/// A device, a port of it and a GID: by which way packets go.
#[derive(Clone, Debug)]
pub struct Route {
    /// The open device.
    pub context: Context,
    /// The port.
    pub port: PortInfo,
    /// What the peer knows us by.
    pub gid: GidEntry,
}

impl Route {
    /// The way that packets to `peer` take, as the routing table says. Nothing is sent.
    pub fn to_peer(peer: IpAddr) -> Result<Route> {
        let unspecified: IpAddr = if peer.is_ipv4() {
            [0u8; 4].into()
        } else {
            [0u16; 8].into()
        };
        let local = UdpSocket::bind((unspecified, 0))
            .and_then(|socket| {
                socket.connect(SocketAddr::new(peer, 4791))?;
                socket.local_addr()
            })
            .map_err(|error| {
                Error::system("connect", error.raw_os_error().unwrap_or(libc::ENETUNREACH))
            })?;
        Route::from_local(local.ip())
    }

    /// The device and port that have the local address `local`: that of a connected socket, for instance.
    ///
    /// RoCE v2 is preferred to RoCE v1, an active port to one that is not. Errors: which of the two is missing, GID or
    /// active port.
    pub fn from_local(local: IpAddr) -> Result<Route> {
        let devices = availability::list_openable()?;
        let mut names = Vec::new();
        let mut best: Option<Route> = None;
        let mut refused = None;
        for info in devices {
            match Route::on_device(&info.name, local) {
                Ok(route) if best.as_ref().is_none_or(|best| route.rank() > best.rank()) => {
                    best = Some(route);
                }
                Ok(_) | Err(Error::Unavailable(WhyNot::NoUsableGid { .. })) => {}
                Err(error) => refused = Some(why_of(error)),
            }
            names.push(info.name);
        }
        match (best, refused) {
            (Some(route), _) => route.active(),
            (None, Some(why)) => Err(why.into()),
            (None, None) => Err(availability::no_gid(local, &names).into()),
        }
    }

    /// The port of one device that has the local address `local`, whether it is active or not.
    pub fn on_device(name: &str, local: IpAddr) -> Result<Route> {
        let context = Context::open(name)?;
        let entries = context.gids()?;
        let infiniband_port = infiniband_port(name, local);
        let gid = *gid::choose(&entries, local, infiniband_port)
            .ok_or_else(|| availability::no_gid(local, &[name.to_owned()]))?;
        let port = context.port(gid.port)?;
        Ok(Route { context, port, gid })
    }

    /// Itself, if the port carries traffic.
    pub fn active(self) -> Result<Route> {
        match self.port.state {
            PortState::Active | PortState::ActiveDeferred => Ok(self),
            state => Err(WhyNot::PortDown {
                device: self.context.name().into(),
                port: self.port.number,
                state,
            }
            .into()),
        }
    }

    fn rank(&self) -> (bool, u8) {
        let kind = match self.gid.kind {
            GidKind::RoceV2 => 2,
            GidKind::InfiniBand => 1,
            GidKind::RoceV1 => 0,
        };
        (self.port.state == PortState::Active, kind)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} port {}, {} {}, MTU {}",
            self.context.name(),
            self.port.number,
            self.gid.kind,
            self.gid.gid,
            self.port.active_mtu.bytes()
        )
    }
}

/// The port of `device` that carries the network interface (IP over InfiniBand) with the address `local`.
fn infiniband_port(device: &str, local: IpAddr) -> Option<u8> {
    let interface = interface_of(local)?;
    let folder = format!("/sys/class/net/{interface}");
    if !std::path::Path::new(&format!("{folder}/device/infiniband/{device}")).exists() {
        return None;
    }
    let number = |name: &str| -> Option<u8> {
        let text = std::fs::read_to_string(format!("{folder}/{name}")).ok()?;
        let text = text.trim();
        match text.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    };
    number("dev_port")
        .or_else(|| number("dev_id"))?
        .checked_add(1)
}

/// Name of the network interface that has this address. `getifaddrs(3)`.
fn interface_of(wanted: IpAddr) -> Option<String> {
    let mut first = std::ptr::null_mut();
    // SAFETY: an out parameter.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return None;
    }
    let mut found = None;
    let mut entry = first;
    // SAFETY: a list that ends with a null pointer; `ifa_addr` may be null, else its family tells what it points to.
    unsafe {
        while let Some(this) = entry.as_ref() {
            if let Some(address) = this.ifa_addr.as_ref() {
                let address = match i32::from(address.sa_family) {
                    libc::AF_INET => {
                        let v4 = this.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                        Some(IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes()))
                    }
                    libc::AF_INET6 => {
                        let v6 = this.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                        Some(IpAddr::from(v6.sin6_addr.s6_addr))
                    }
                    _ => None,
                };
                if address == Some(wanted) && !this.ifa_name.is_null() {
                    found = Some(CStr::from_ptr(this.ifa_name).to_string_lossy().into_owned());
                    break;
                }
            }
            entry = this.ifa_next;
        }
        libc::freeifaddrs(first);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtu_codes_and_bytes() {
        assert_eq!(Mtu::from_code(0), None);
        assert_eq!(Mtu::from_code(6), None);
        for (code, bytes) in [(1, 256), (2, 512), (3, 1024), (4, 2048), (5, 4096)] {
            let mtu = Mtu::from_code(code).unwrap();
            assert_eq!((mtu.code(), mtu.bytes()), (code, bytes));
        }
    }

    #[test]
    fn the_interface_is_found_by_its_address() {
        assert_eq!(
            interface_of("127.0.0.1".parse().unwrap()).as_deref(),
            Some("lo")
        );
        assert_eq!(interface_of("192.0.2.77".parse().unwrap()), None);
        assert_eq!(
            infiniband_port("mlx5_0", "127.0.0.1".parse().unwrap()),
            None
        );
    }

    #[test]
    fn an_unknown_device_is_an_error() {
        assert!(Context::open("no such device").is_err());
    }
}
