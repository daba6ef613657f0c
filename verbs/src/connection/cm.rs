//! The connection manager of librdmacm: connecting by an IP address and a port.
//!
//! It only carries the messages. The queue pair is ours, made in our own domain, and goes through the same table of
//! transitions as with the exchange; `rdma_init_qp_attr(3)` gives the attributes.
//!
//! Every step has a bound in time. Messages carry up to [`PRIVATE_BYTES_MAX`] bytes of the program's own.

use crate::qp::transitions::{self, QpState};
use crate::qp::{QueuePair, ReadyToSend, Reset, zeroed_attr};
use crate::sys::{last_errno, set_nonblocking, wait_readable};
use crate::{Access, Error, Result, Route, WhyNot};
use rdma_mummy_sys as ffi;
use rdma_mummy_sys::rdma_cm_event_type as event;
use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

/// Bytes of the program's own in a message: what a request of an IP port has room for, less one for the length, since
/// what arrives is padded.
pub const PRIVATE_BYTES_MAX: usize = 55;

/// How much longer than the kernel we wait for an event.
const GRACE: Duration = Duration::from_millis(500);

/// Events of one identifier. Its descriptor does not block.
struct Channel {
    raw: *mut ffi::rdma_event_channel,
    /// The process that made it; in its children, dropping does nothing (see [`Context`](crate::Context)).
    process: u32,
}

// SAFETY: librdmacm is thread-safe; the pointer is valid until drop.
unsafe impl Send for Channel {}

impl Channel {
    fn new() -> Result<Channel> {
        // SAFETY: no arguments.
        let raw = unsafe { ffi::rdma_create_event_channel() };
        if raw.is_null() {
            return Err(match last_errno() {
                libc::EOPNOTSUPP => WhyNot::NoConnectionManager("librdmacm is not installed"),
                libc::ENODEV | libc::ENOENT | libc::ENOSYS => {
                    WhyNot::NoConnectionManager("rdma_ucm is not loaded")
                }
                errno => return Err(Error::system("rdma_create_event_channel", errno)),
            }
            .into());
        }
        let channel = Channel {
            raw,
            process: std::process::id(),
        };
        set_nonblocking(channel.fd())?;
        Ok(channel)
    }

    fn fd(&self) -> RawFd {
        // SAFETY: a live channel.
        unsafe { (*self.raw).fd }
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// The next event, or none within `timeout`.
    fn next(&self, timeout: Duration) -> Result<Option<Event>> {
        let deadline = Instant::now() + timeout.min(Duration::from_secs(1 << 30));
        loop {
            if !wait_readable(
                self.fd(),
                deadline.saturating_duration_since(Instant::now()),
            )? {
                return Ok(None);
            }
            let mut raw = std::ptr::null_mut();
            // SAFETY: a live channel, whose descriptor does not block, and an out parameter.
            if unsafe { ffi::rdma_get_cm_event(self.raw, &raw mut raw) } == 0 {
                // SAFETY: just got, and acknowledged once, in drop.
                return Ok(Some(unsafe { Event::take(raw) }));
            }
            match last_errno() {
                // Some events are for the library itself, and leave nothing behind.
                libc::EAGAIN | libc::EINTR => {}
                errno => return Err(Error::system("rdma_get_cm_event", errno)),
            }
        }
    }

    /// The next event, which must be `wanted`. The kernel has the same bound, and its reason is the better one, so it
    /// comes first.
    fn expect(&self, wanted: u32, what: &'static str, timeout: Duration) -> Result<Event> {
        match self.next(timeout.saturating_add(GRACE))? {
            Some(event) if event.kind == wanted => Ok(event),
            Some(event) => Err(event.failed(what)),
            None => Err(Error::TimedOut {
                what,
                after_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: made in `new`; its identifier is gone, and its events are acknowledged.
            unsafe { ffi::rdma_destroy_event_channel(self.raw) };
        }
    }
}

/// What an event said; the event itself is acknowledged already.
struct Event {
    kind: u32,
    status: i32,
    id: *mut ffi::rdma_cm_id,
    private: Vec<u8>,
    /// Reads and atomics that the peer takes, and that it sends, at a time.
    reads_in: u8,
    reads_out: u8,
}

impl Event {
    /// # Safety
    ///
    /// An event of `rdma_get_cm_event`, not acknowledged.
    unsafe fn take(raw: *mut ffi::rdma_cm_event) -> Event {
        // SAFETY: by the caller's promise; the union's connection part is what the kinds below have.
        unsafe {
            let mut taken = Event {
                kind: (*raw).event,
                status: (*raw).status,
                id: (*raw).id,
                private: Vec::new(),
                reads_in: 0,
                reads_out: 0,
            };
            if matches!(
                taken.kind,
                event::RDMA_CM_EVENT_CONNECT_REQUEST
                    | event::RDMA_CM_EVENT_CONNECT_RESPONSE
                    | event::RDMA_CM_EVENT_REJECTED
            ) {
                let conn = &raw const (*raw).param.conn;
                let (data, len) = ((*conn).private_data, (*conn).private_data_len);
                if !data.is_null() {
                    let bytes = std::slice::from_raw_parts(data.cast::<u8>(), len.into());
                    taken.private = unpack(bytes).to_vec();
                }
                taken.reads_in = (*conn).responder_resources;
                taken.reads_out = (*conn).initiator_depth;
            }
            ffi::rdma_ack_cm_event(raw);
            taken
        }
    }

    fn failed(&self, what: &'static str) -> Error {
        let name = match self.kind {
            event::RDMA_CM_EVENT_ADDR_ERROR => "the address could not be resolved",
            event::RDMA_CM_EVENT_ROUTE_ERROR => "there is no route",
            event::RDMA_CM_EVENT_CONNECT_ERROR => "connecting failed",
            event::RDMA_CM_EVENT_UNREACHABLE => "the peer does not answer",
            event::RDMA_CM_EVENT_REJECTED => "rejected",
            event::RDMA_CM_EVENT_DEVICE_REMOVAL => "the device was removed",
            event::RDMA_CM_EVENT_DISCONNECTED => "disconnected",
            event::RDMA_CM_EVENT_ADDR_CHANGE => "the network interface changed its address",
            event::RDMA_CM_EVENT_TIMEWAIT_EXIT => "the connection has been over for a while",
            _ => "an unexpected event",
        };
        Error::Connection {
            what,
            event: name,
            status: self.status,
        }
    }
}

/// Length and bytes; what follows is padding. Nothing if the length cannot be.
fn unpack(bytes: &[u8]) -> &[u8] {
    match bytes.split_first() {
        Some((&len, rest)) => rest.get(..len.into()).unwrap_or(&[]),
        None => &[],
    }
}

fn pack(private: &[u8]) -> Result<[u8; PRIVATE_BYTES_MAX + 1]> {
    let mut packed = [0; PRIVATE_BYTES_MAX + 1];
    let room = packed.get_mut(1..=private.len()).ok_or(Error::Limit {
        what: "bytes in a connection message",
        asked: private.len() as u64,
        max: PRIVATE_BYTES_MAX as u64,
    })?;
    room.copy_from_slice(private);
    packed[0] = private.len() as u8;
    Ok(packed)
}

/// An identifier of the connection manager, with a channel of its own. The identifier goes first.
struct Id {
    raw: *mut ffi::rdma_cm_id,
    channel: Channel,
}

// SAFETY: librdmacm is thread-safe; the pointer is valid until drop.
unsafe impl Send for Id {}

impl Drop for Id {
    fn drop(&mut self) {
        if self.channel.is_ours() {
            // SAFETY: made by `new` or got with a connection request; destroyed once. All its events are acknowledged.
            unsafe { ffi::rdma_destroy_id(self.raw) };
        }
    }
}

impl Id {
    fn new() -> Result<Id> {
        let channel = Channel::new()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: a live channel and an out parameter.
        let result = unsafe {
            ffi::rdma_create_id(
                channel.raw,
                &raw mut raw,
                std::ptr::null_mut(),
                ffi::rdma_port_space::RDMA_PS_TCP,
            )
        };
        zero_or_errno("rdma_create_id", result)?;
        Ok(Id { raw, channel })
    }

    fn local(&self) -> Option<SocketAddr> {
        // SAFETY: a live identifier; the storage holds an address or zeros.
        unsafe { from_storage(&(*self.raw).route.addr.src_addr_union.src_storage) }
    }

    fn peer(&self) -> Option<SocketAddr> {
        // SAFETY: as above.
        unsafe { from_storage(&(*self.raw).route.addr.dst_addr_union.dst_storage) }
    }

    /// The device that the connection manager chose, opened by us, with the local address that it uses.
    fn route(&self) -> Result<Route> {
        let unbound = Error::Misuse("a connection that has no device yet");
        let Some(local) = self.local() else {
            return Err(unbound);
        };
        // SAFETY: a live identifier; once an address is resolved, it has an open device with a name.
        let name = unsafe {
            let context = (*self.raw).verbs;
            if context.is_null() {
                return Err(unbound);
            }
            CStr::from_ptr(ffi::ibv_get_device_name((*context).device)).to_string_lossy()
        };
        Route::on_device(&name, local.ip())?.active()
    }

    /// One step of the queue pair, with the attributes that the connection manager knows.
    fn step(
        &self,
        qp: &QueuePair<Reset>,
        from: QpState,
        to: QpState,
        peer_may: Access,
    ) -> Result<()> {
        let mut attr = zeroed_attr();
        attr.qp_state = to.raw();
        let mut mask = 0;
        // SAFETY: a live identifier and out parameters.
        let result = unsafe { ffi::rdma_init_qp_attr(self.raw, &raw mut attr, &raw mut mask) };
        zero_or_errno("rdma_init_qp_attr", result)?;
        let given = transitions::from_mask(mask.cast_unsigned());
        // The kernel gives none before there is a connection, and those of its own choice afterwards.
        attr.qp_access_flags = peer_may.raw();
        qp.inner().modify(from, to, &mut attr, &given)
    }

    fn connect_steps(&self, qp: &QueuePair<Reset>, peer_may: Access) -> Result<()> {
        self.step(qp, QpState::Initialised, QpState::ReadyToReceive, peer_may)?;
        self.step(qp, QpState::ReadyToReceive, QpState::ReadyToSend, peer_may)
    }
}

/// What is asked for in a connection.
#[derive(Clone, Copy, Debug)]
pub struct CmOptions {
    /// How often a packet is sent again before the connection has failed, 0 to 7.
    pub retries: u8,
    /// How often to try again when the peer has no receive posted; 7 means for ever.
    pub rnr_retries: u8,
    /// Reads and atomics in each direction at a time, bounded by what both devices can.
    pub reads: u8,
    /// What the peer may do to regions of the queue pair's domain: only what is allowed by both.
    pub peer_may: Access,
    /// Bound of each step, but for half a second.
    pub timeout: Duration,
}

impl Default for CmOptions {
    fn default() -> Self {
        CmOptions {
            retries: 7,
            rnr_retries: 6,
            reads: 16,
            peer_may: Access::REMOTE_WRITE | Access::REMOTE_READ,
            timeout: Duration::from_secs(5),
        }
    }
}

fn parameters(
    qp: &QueuePair<Reset>,
    options: &CmOptions,
    packed: &[u8; PRIVATE_BYTES_MAX + 1],
    peers: Option<(u8, u8)>,
) -> ffi::rdma_conn_param {
    let limits = qp.inner().domain.context.limits();
    let (theirs_in, theirs_out) = peers.unwrap_or((u8::MAX, u8::MAX));
    ffi::rdma_conn_param {
        private_data: packed.as_ptr().cast(),
        private_data_len: packed.len() as u8,
        responder_resources: options.reads.min(limits.reads_in_max).min(theirs_out),
        initiator_depth: options.reads.min(limits.reads_out_max).min(theirs_in),
        flow_control: 0,
        retry_count: options.retries,
        rnr_retry_count: options.rnr_retries,
        srq: 0,
        qp_num: qp.number(),
    }
}

/// The active end, once the peer's address is resolved: device and route are known, nothing was sent to the peer yet.
pub struct Resolved {
    id: Id,
    route: Route,
}

impl Resolved {
    /// Resolves `peer`; from the local address `local`, if one is given.
    pub fn resolve(
        peer: SocketAddr,
        local: Option<IpAddr>,
        options: &CmOptions,
    ) -> Result<Resolved> {
        let id = Id::new()?;
        let mut to = to_storage(peer);
        let mut from = local.map(|ip| to_storage(SocketAddr::new(ip, 0)));
        let timeout_ms = i32::try_from(options.timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: a live identifier, and addresses in memory that is large enough for all kinds.
        let result = unsafe {
            ffi::rdma_resolve_addr(
                id.raw,
                from.as_mut()
                    .map_or(std::ptr::null_mut(), |from| std::ptr::from_mut(from).cast()),
                (&raw mut to).cast(),
                timeout_ms,
            )
        };
        zero_or_errno("rdma_resolve_addr", result)?;
        let wanted = event::RDMA_CM_EVENT_ADDR_RESOLVED;
        id.channel
            .expect(wanted, "resolving the address", options.timeout)?;
        // SAFETY: a live identifier.
        let result = unsafe { ffi::rdma_resolve_route(id.raw, timeout_ms) };
        zero_or_errno("rdma_resolve_route", result)?;
        let wanted = event::RDMA_CM_EVENT_ROUTE_RESOLVED;
        id.channel
            .expect(wanted, "resolving the route", options.timeout)?;
        let route = id.route()?;
        Ok(Resolved { id, route })
    }

    /// Device, port and GID. Make the queue pair on this device.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Connects. `prepare` posts what must be there before the peer sends: receives.
    pub fn connect(
        self,
        mut qp: QueuePair<Reset>,
        private: &[u8],
        options: &CmOptions,
        prepare: impl FnOnce(&mut crate::ReceiveQueue) -> Result<()>,
    ) -> Result<Connection> {
        let id = self.id;
        id.step(&qp, QpState::Reset, QpState::Initialised, options.peer_may)?;
        prepare(qp.receive_mut())?;
        let packed = pack(private)?;
        let mut parameters = parameters(&qp, options, &packed, None);
        // SAFETY: a live identifier; the private data is copied.
        let result = unsafe { ffi::rdma_connect(id.raw, &raw mut parameters) };
        zero_or_errno("rdma_connect", result)?;
        // The queue pair is ours, not the library's, so the answer comes to us.
        let wanted = event::RDMA_CM_EVENT_CONNECT_RESPONSE;
        let answer = id.channel.expect(wanted, "connecting", options.timeout)?;
        id.connect_steps(&qp, options.peer_may)?;
        // SAFETY: a live identifier that has got its answer.
        let result = unsafe { ffi::rdma_establish(id.raw) };
        zero_or_errno("rdma_establish", result)?;
        Ok(Connection {
            qp: qp.become_state(),
            private: answer.private,
            peer: id.peer(),
            id,
        })
    }
}

/// The passive end: waits for connections at a local address and port.
pub struct Listener {
    id: Id,
}

impl Listener {
    /// Listens. Port 0 means any; see [`Listener::local`].
    pub fn bind(local: SocketAddr, backlog: u16) -> Result<Listener> {
        let id = Id::new()?;
        let mut address = to_storage(local);
        // SAFETY: a live identifier, and an address in memory that is large enough for all kinds.
        let result = unsafe { ffi::rdma_bind_addr(id.raw, (&raw mut address).cast()) };
        zero_or_errno("rdma_bind_addr", result)?;
        // SAFETY: a live identifier.
        let result = unsafe { ffi::rdma_listen(id.raw, backlog.into()) };
        zero_or_errno("rdma_listen", result)?;
        Ok(Listener { id })
    }

    /// Where it listens.
    pub fn local(&self) -> Option<SocketAddr> {
        self.id.local()
    }

    /// The next request for a connection, or none within `timeout`.
    pub fn next(&self, timeout: Duration) -> Result<Option<Request>> {
        let Some(event) = self.id.channel.next(timeout)? else {
            return Ok(None);
        };
        if event.kind != event::RDMA_CM_EVENT_CONNECT_REQUEST {
            return Err(event.failed("listening"));
        }
        // The new identifier begins on the listener's channel, and is moved to one of its own.
        let channel = match Channel::new() {
            Ok(channel) => channel,
            Err(error) => {
                // SAFETY: a new identifier, which is ours.
                unsafe { ffi::rdma_destroy_id(event.id) };
                return Err(error);
            }
        };
        let id = Id {
            raw: event.id,
            channel,
        };
        // SAFETY: live identifier and channel.
        let result = unsafe { ffi::rdma_migrate_id(id.raw, id.channel.raw) };
        zero_or_errno("rdma_migrate_id", result)?;
        let route = id.route()?;
        Ok(Some(Request {
            peers: (event.reads_in, event.reads_out),
            private: event.private,
            route,
            id,
        }))
    }
}

/// A request for a connection. Dropping it rejects it.
pub struct Request {
    id: Id,
    route: Route,
    private: Vec<u8>,
    peers: (u8, u8),
}

impl Request {
    /// Device, port and GID by which it came. Make the queue pair on this device.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The peer's own bytes; hostile, at most [`PRIVATE_BYTES_MAX`].
    pub fn private(&self) -> &[u8] {
        &self.private
    }

    /// Where it comes from.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.id.peer()
    }

    /// Accepts. `prepare` posts what must be there before the peer sends: receives.
    pub fn accept(
        self,
        mut qp: QueuePair<Reset>,
        private: &[u8],
        options: &CmOptions,
        prepare: impl FnOnce(&mut crate::ReceiveQueue) -> Result<()>,
    ) -> Result<Connection> {
        let id = self.id;
        id.step(&qp, QpState::Reset, QpState::Initialised, options.peer_may)?;
        prepare(qp.receive_mut())?;
        id.connect_steps(&qp, options.peer_may)?;
        let packed = pack(private)?;
        let mut parameters = parameters(&qp, options, &packed, Some(self.peers));
        // SAFETY: a live identifier; the private data is copied.
        let result = unsafe { ffi::rdma_accept(id.raw, &raw mut parameters) };
        zero_or_errno("rdma_accept", result)?;
        let wanted = event::RDMA_CM_EVENT_ESTABLISHED;
        id.channel.expect(wanted, "accepting", options.timeout)?;
        Ok(Connection {
            qp: qp.become_state(),
            private: self.private,
            peer: id.peer(),
            id,
        })
    }

    /// Rejects, with bytes for the peer.
    pub fn reject(self, private: &[u8]) -> Result<()> {
        let packed = pack(private)?;
        // SAFETY: a live identifier; the private data is copied.
        let result =
            unsafe { ffi::rdma_reject(self.id.raw, packed.as_ptr().cast(), packed.len() as u8) };
        zero_or_errno("rdma_reject", result)
    }
}

/// A connection made by the connection manager.
pub struct Connection {
    /// The connected queue pair.
    pub qp: QueuePair<ReadyToSend>,
    private: Vec<u8>,
    peer: Option<SocketAddr>,
    id: Id,
}

impl Connection {
    /// The peer's own bytes, of its request or its answer; hostile, at most [`PRIVATE_BYTES_MAX`].
    pub fn private(&self) -> &[u8] {
        &self.private
    }

    /// The peer's address.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Tells the peer that this end is done, and flushes what is posted.
    pub fn disconnect(&mut self) -> Result<()> {
        self.qp.fail()?;
        // SAFETY: a live identifier.
        let result = unsafe { ffi::rdma_disconnect(self.id.raw) };
        zero_or_errno("rdma_disconnect", result)
    }

    /// Whether the peer has disconnected, or the device is gone; waits for it for at most `timeout`.
    pub fn disconnected(&mut self, timeout: Duration) -> Result<bool> {
        let Some(event) = self.id.channel.next(timeout)? else {
            return Ok(false);
        };
        match event.kind {
            event::RDMA_CM_EVENT_DISCONNECTED | event::RDMA_CM_EVENT_TIMEWAIT_EXIT => Ok(true),
            _ => Err(event.failed("the connection")),
        }
    }
}

/// Calls of librdmacm return -1 and set `errno`.
fn zero_or_errno(call: &'static str, result: i32) -> Result<()> {
    crate::sys::zero(call, result)
}

fn to_storage(address: SocketAddr) -> libc::sockaddr_storage {
    // SAFETY: a structure of plain numbers, for which zeros are valid.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let place = &raw mut storage;
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(v4.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is large and aligned enough for every kind of address.
            unsafe { place.cast::<libc::sockaddr_in>().write(raw) };
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { place.cast::<libc::sockaddr_in6>().write(raw) };
        }
    }
    storage
}

fn from_storage(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let place = std::ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is one.
            let raw = unsafe { place.cast::<libc::sockaddr_in>().read() };
            let ip = IpAddr::from(raw.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(ip, u16::from_be(raw.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let raw = unsafe { place.cast::<libc::sockaddr_in6>().read() };
            let ip = IpAddr::from(raw.sin6_addr.s6_addr);
            Some(SocketAddr::new(ip, u16::from_be(raw.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_systems_form() {
        for text in ["10.99.0.1:7471", "[2001:db8::7]:65535", "127.0.0.1:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(from_storage(&to_storage(address)), Some(address));
        }
        // SAFETY: a structure of plain numbers, for which zeros are valid.
        assert_eq!(from_storage(&unsafe { std::mem::zeroed() }), None);
    }

    #[test]
    fn private_bytes_are_padded_and_hostile_lengths_refused() {
        for len in [0, 1, PRIVATE_BYTES_MAX] {
            let bytes = vec![7; len];
            assert_eq!(unpack(&pack(&bytes).unwrap()), bytes);
        }
        assert!(matches!(
            pack(&[0; PRIVATE_BYTES_MAX + 1]),
            Err(Error::Limit { .. })
        ));
        assert_eq!(unpack(&[200, 1, 2]), b"");
        assert_eq!(unpack(&[]), b"");
        assert_eq!(unpack(&[2, 8, 9, 0, 0]), [8, 9]);
    }
}
