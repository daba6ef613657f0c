//! Queue pairs: reliable connections, whose state is their type.

pub mod post;
pub mod transitions;

use crate::connection::exchange::Endpoint;
use crate::pd::PdInner;
use crate::srq::SrqInner;
use crate::sys::{not_null, zero};
use crate::{
    Access, CompletionQueue, Context, Error, ProtectionDomain, Result, Route, SharedReceiveQueue,
};
use post::{ReceiveQueue, SendQueue};
use rdma_mummy_sys as ffi;
use std::marker::PhantomData;
use std::sync::Arc;
use transitions::{Attribute, QpState, TransitionError, TransitionFault};

/// Deepest queue that is made, so that positions of 30 bits suffice.
const DEPTH_MAX: u32 = 1 << 20;

/// Sizes of a queue pair. Each is checked against the device's limits.
#[derive(Clone, Copy, Debug)]
pub struct QueuePairOptions {
    /// Work requests that may be under way in the send queue.
    pub send_depth: u32,
    /// Work requests that may be posted to the receive queue.
    pub receive_depth: u32,
    /// Scatter/gather elements of one request of the send queue.
    pub send_segments: u32,
    /// Scatter/gather elements of one receive.
    pub receive_segments: u32,
    /// Bytes that a request may carry inline: copied when it is posted, so that their memory is free at once. The device
    /// may give more; see [`SendQueue::inline_bytes_max`].
    pub inline_bytes: u32,
    /// One request in so many is signalled at least, so that places of the send queue come back. At most half of
    /// `send_depth`; 0 means just that.
    pub signal_every: u32,
}

impl Default for QueuePairOptions {
    fn default() -> Self {
        QueuePairOptions {
            send_depth: 256,
            receive_depth: 256,
            send_segments: 1,
            receive_segments: 1,
            inline_bytes: 220,
            signal_every: 0,
        }
    }
}

/// How a connection behaves. Ranges as `ibv_modify_qp(3)` has them.
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    /// A packet is sent again when no acknowledgement has come after 4.096 us * 2^this; 0 waits for ever. 0 to 31. With
    /// `retries` it says how long a peer that is gone goes unnoticed: 16 and 7 give 2 to 9 seconds, since devices may
    /// wait up to four times as long.
    pub timeout: u8,
    /// So many times, then the connection has failed. 0 to 7.
    pub retries: u8,
    /// How often to try again when the peer has no receive posted; 7 means for ever. 0 to 7.
    pub rnr_retries: u8,
    /// How long the peer is told to wait then, as the code of the specification's table 45 (12 is 0.64 ms). 0 to 31.
    pub min_rnr_timer: u8,
    /// Routers that a packet may pass.
    pub hop_limit: u8,
    /// Traffic class of the IP header (RoCE v2) or the GRH: DSCP in its upper six bits.
    pub traffic_class: u8,
    /// Service level, 0 to 15.
    pub service_level: u8,
    /// No packet larger than this, whatever the ports could do.
    pub mtu_max: crate::Mtu,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            timeout: 16,
            retries: 7,
            rnr_retries: 6,
            min_rnr_timer: 12,
            hop_limit: 64,
            traffic_class: 0,
            service_level: 0,
            mtu_max: crate::Mtu::Bytes4096,
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A state of a queue pair.
pub trait State: sealed::Sealed {
    /// The same as a value.
    const STATE: QpState;
}

/// A state in which receives may be posted.
pub trait CanReceive: State {}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $state:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl State for $name {
            const STATE: QpState = QpState::$state;
        }
    )*};
}

states! {
    /// As made: nothing may be posted.
    Reset = Reset;
    /// Has a port and an [`Endpoint`]: receives may be posted.
    Initialised = Initialised;
    /// Knows its peer and takes what comes in.
    ReadyToReceive = ReadyToReceive;
    /// Connected: everything may be posted.
    ReadyToSend = ReadyToSend;
}

impl CanReceive for Initialised {}
impl CanReceive for ReadyToReceive {}
impl CanReceive for ReadyToSend {}

/// The queue pair itself, shared by its two queues. Destroyed with the last of them.
pub(crate) struct QpInner {
    pub(crate) raw: *mut ffi::ibv_qp,
    pub(crate) number: u32,
    pub(crate) domain: Arc<PdInner>,
    send_completions: CompletionQueue,
    receive_completions: CompletionQueue,
    send_reserved: u32,
    receive_reserved: u32,
    /// Kept as long as the queue pair.
    _shared: Option<Arc<SrqInner>>,
}

// SAFETY: verbs are thread-safe; the pointer is valid until drop.
unsafe impl Send for QpInner {}
// SAFETY: as above.
unsafe impl Sync for QpInner {}

impl Drop for QpInner {
    fn drop(&mut self) {
        if self.domain.context.is_ours() {
            // SAFETY: made in `new`; both queues are gone.
            unsafe { ffi::ibv_destroy_qp(self.raw) };
        }
        self.send_completions.leave_behind(self.send_reserved);
        self.receive_completions.leave_behind(self.receive_reserved);
    }
}

impl QpInner {
    /// A queue pair that only has the operations of its context. It must never be dropped.
    #[cfg(test)]
    pub(crate) fn pretend(raw: *mut ffi::ibv_qp, number: u32) -> Arc<QpInner> {
        // SAFETY: the test's own structure.
        let context = Context::pretend(unsafe { (*raw).context });
        let completions = CompletionQueue::pretend(&context);
        let domain = Arc::new(PdInner {
            raw: std::ptr::null_mut(),
            context,
        });
        Arc::new(QpInner {
            raw,
            number,
            domain,
            send_completions: completions.clone(),
            receive_completions: completions,
            send_reserved: 0,
            receive_reserved: 0,
            _shared: None,
        })
    }

    /// `ibv_modify_qp(3)`, checked against the table first.
    pub(crate) fn modify(
        &self,
        from: QpState,
        to: QpState,
        attr: &mut ffi::ibv_qp_attr,
        given: &[Attribute],
    ) -> Result<()> {
        transitions::check(from, to, given)?;
        self.check_values(from, to, attr, given)?;
        attr.qp_state = to.raw();
        let mask = transitions::to_mask(given).cast_signed();
        // SAFETY: a live queue pair, and attributes that are set as the mask says.
        let result = unsafe { ffi::ibv_modify_qp(self.raw, attr, mask) };
        zero("ibv_modify_qp", result).map_err(|error| {
            let why = match error {
                Error::Unsupported { .. } => libc::EOPNOTSUPP,
                ref error => error.errno().unwrap_or(libc::EIO),
            };
            let given = given.to_vec();
            let why = TransitionFault::Refused { errno: why, given };
            TransitionError { from, to, why }.into()
        })
    }

    /// The ranges that the specification or the device gives the values, so that an error names the attribute where
    /// the kernel would only say EINVAL.
    fn check_values(
        &self,
        from: QpState,
        to: QpState,
        attr: &ffi::ibv_qp_attr,
        given: &[Attribute],
    ) -> Result<(), TransitionError> {
        let limits = self.domain.context.limits();
        for &attribute in given {
            let (value, max) = match attribute {
                Attribute::Port => (attr.port_num.into(), limits.ports.into()),
                Attribute::PathMtu => (attr.path_mtu.into(), 5),
                Attribute::DestinationQp => (attr.dest_qp_num.into(), (1 << 24) - 1),
                Attribute::ReceivePsn => (attr.rq_psn.into(), (1 << 24) - 1),
                Attribute::SendPsn => (attr.sq_psn.into(), (1 << 24) - 1),
                Attribute::Timeout => (attr.timeout.into(), 31),
                Attribute::RetryCount => (attr.retry_cnt.into(), 7),
                Attribute::RnrRetry => (attr.rnr_retry.into(), 7),
                Attribute::MinRnrTimer => (attr.min_rnr_timer.into(), 31),
                Attribute::MaxReadAtomic => {
                    (attr.max_rd_atomic.into(), limits.reads_out_max.into())
                }
                Attribute::MaxDestReadAtomic => {
                    (attr.max_dest_rd_atomic.into(), limits.reads_in_max.into())
                }
                Attribute::AddressVector => (attr.ah_attr.sl.into(), 15),
                _ => continue,
            };
            if value > max {
                let why = TransitionFault::OutOfRange {
                    attribute,
                    value,
                    max,
                };
                return Err(TransitionError { from, to, why });
            }
        }
        Ok(())
    }

    /// The state that the device says it is in. `ibv_query_qp(3)`.
    pub(crate) fn state(&self) -> Result<QpState> {
        // SAFETY: structures of plain numbers and pointers, for which zeros are valid.
        let (mut attr, mut init): (ffi::ibv_qp_attr, ffi::ibv_qp_init_attr) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let mask = ffi::ibv_qp_attr_mask::IBV_QP_STATE.0.cast_signed();
        // SAFETY: a live queue pair and out parameters.
        let result = unsafe { ffi::ibv_query_qp(self.raw, &raw mut attr, mask, &raw mut init) };
        zero("ibv_query_qp", result)?;
        QpState::from_raw(attr.qp_state).ok_or(Error::Misuse("a queue pair in an unknown state"))
    }

    /// To the error state: all that is posted is flushed. Allowed from every state.
    pub(crate) fn fail(&self) -> Result<()> {
        let mut attr = zeroed_attr();
        self.modify(self.state()?, QpState::Error, &mut attr, &[])
    }
}

/// Attributes with nothing set.
pub(crate) fn zeroed_attr() -> ffi::ibv_qp_attr {
    // SAFETY: a structure of plain numbers, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// A queue pair of a reliable connection, in state `S`.
///
/// A change of state consumes it and gives it back with the new type; if the change fails, it is destroyed.
pub struct QueuePair<S: State> {
    send: SendQueue,
    receive: ReceiveQueue,
    /// From [`Initialised`] on.
    local: Option<Endpoint>,
    /// From [`ReadyToReceive`] on: what is left for [`ReadyToSend`].
    peer: Option<(Endpoint, ConnectOptions)>,
    port: u8,
    gid_index: u8,
    state: PhantomData<S>,
}

impl QueuePair<Reset> {
    pub(crate) fn new(
        domain: &ProtectionDomain,
        options: &QueuePairOptions,
        send_completions: &CompletionQueue,
        receive_completions: &CompletionQueue,
        shared: Option<&SharedReceiveQueue>,
    ) -> Result<QueuePair<Reset>> {
        let limits = domain.context().limits();
        let work_max = limits.work_requests_max.min(DEPTH_MAX);
        for (what, asked, min, max) in [
            (
                "work requests of the send queue",
                options.send_depth,
                2,
                work_max,
            ),
            (
                "work requests of the receive queue",
                options.receive_depth,
                0,
                work_max,
            ),
            (
                "elements of a request",
                options.send_segments,
                1,
                limits.segments_max,
            ),
            (
                "elements of a receive",
                options.receive_segments,
                0,
                limits.segments_max,
            ),
            (
                "requests between two signalled ones",
                options.signal_every,
                0,
                options.send_depth / 2,
            ),
        ] {
            if asked > max || asked < min {
                return Err(Error::Limit {
                    what,
                    asked: asked.into(),
                    max: max.into(),
                });
            }
        }
        let receive_depth = match shared {
            Some(_) => 0,
            None => options.receive_depth,
        };
        // Entries for all that may be under way; with shared receives, all of them may complete on this queue pair.
        let receive_reserved = shared.map_or(receive_depth, |shared| shared.depth());
        send_completions.reserve(options.send_depth)?;
        if let Err(error) = receive_completions.reserve(receive_reserved) {
            send_completions.release(options.send_depth);
            return Err(error);
        }

        // SAFETY: a structure of plain numbers and pointers, for which zeros are valid.
        let mut init: ffi::ibv_qp_init_attr = unsafe { std::mem::zeroed() };
        init.send_cq = send_completions.0.raw;
        init.recv_cq = receive_completions.0.raw;
        init.srq = shared.map_or(std::ptr::null_mut(), SharedReceiveQueue::raw);
        init.qp_type = ffi::ibv_qp_type::IBV_QPT_RC;
        init.cap = ffi::ibv_qp_cap {
            max_send_wr: options.send_depth,
            max_recv_wr: receive_depth,
            max_send_sge: options.send_segments,
            max_recv_sge: options.receive_segments,
            max_inline_data: options.inline_bytes,
        };
        // SAFETY: domain and completion queues are alive; the sizes that the device gave come back in `init`.
        let raw = unsafe { ffi::ibv_create_qp(domain.0.raw, &raw mut init) };
        let raw = match not_null("ibv_create_qp", raw) {
            Ok(raw) => raw,
            Err(error) => {
                send_completions.release(options.send_depth);
                receive_completions.release(receive_reserved);
                return Err(match error.errno() {
                    Some(libc::EINVAL) => Error::Limit {
                        what: "bytes inline, or elements, of the queue pair",
                        asked: options.inline_bytes.into(),
                        max: 0,
                    },
                    _ => error,
                });
            }
        };
        let inner = Arc::new(QpInner {
            raw,
            // SAFETY: just made.
            number: unsafe { (*raw).qp_num },
            domain: domain.0.clone(),
            send_completions: send_completions.clone(),
            receive_completions: receive_completions.clone(),
            send_reserved: options.send_depth,
            receive_reserved,
            _shared: shared.map(|shared| shared.inner().clone()),
        });
        let signal_every = match options.signal_every {
            0 => options.send_depth / 2,
            every => every,
        };
        Ok(QueuePair {
            send: SendQueue::new(
                inner.clone(),
                options,
                init.cap.max_inline_data,
                signal_every,
            ),
            receive: ReceiveQueue::new(inner, receive_depth, options.receive_segments),
            local: None,
            peer: None,
            port: 0,
            gid_index: 0,
            state: PhantomData,
        })
    }

    /// Gives it a port, and says what the peer may do to regions of its domain: only what is allowed by both.
    pub fn init(self, route: &Route, peer_may: Access) -> Result<QueuePair<Initialised>> {
        let inner = self.inner();
        let context = self.context();
        if !Arc::ptr_eq(&context.0, &route.context.0) {
            return Err(Error::Misuse(
                "the route is on another device, or another opening of it",
            ));
        }
        let port = route.port.number;
        let gid_index = u8::try_from(route.gid.index).map_err(|_| Error::Limit {
            what: "index of the GID",
            asked: route.gid.index.into(),
            max: u8::MAX.into(),
        })?;
        let mut attr = zeroed_attr();
        attr.port_num = port;
        attr.pkey_index = 0;
        attr.qp_access_flags = peer_may.raw();
        inner.modify(
            QpState::Reset,
            QpState::Initialised,
            &mut attr,
            &[
                Attribute::PkeyIndex,
                Attribute::Port,
                Attribute::AccessFlags,
            ],
        )?;
        let limits = context.limits();
        let local = Endpoint {
            qp_number: inner.number,
            psn: random_psn()?,
            lid: route.port.lid,
            gid: route.gid.gid,
            gid_kind: route.gid.kind,
            mtu: route.port.active_mtu,
            reads_in_max: limits.reads_in_max,
            reads_out_max: limits.reads_out_max,
        };
        let mut next = self.become_state();
        next.local = Some(local);
        next.port = port;
        next.gid_index = gid_index;
        Ok(next)
    }
}

impl QueuePair<Initialised> {
    /// What the peer has to know.
    pub fn endpoint(&self) -> Result<Endpoint> {
        self.local
            .ok_or(Error::Misuse("a queue pair without an endpoint"))
    }

    /// Names its peer; from now on what the peer sends is taken.
    pub fn ready_to_receive(
        self,
        peer: &Endpoint,
        options: &ConnectOptions,
    ) -> Result<QueuePair<ReadyToReceive>> {
        let local = self.endpoint()?;
        peer.check_with(&local)?;
        let mut attr = zeroed_attr();
        attr.path_mtu = local.path_mtu(peer).min(options.mtu_max).code().into();
        attr.dest_qp_num = peer.qp_number;
        attr.rq_psn = peer.psn;
        attr.max_dest_rd_atomic = peer.reads_to(&local);
        attr.min_rnr_timer = options.min_rnr_timer;
        attr.ah_attr = ffi::ibv_ah_attr {
            grh: ffi::ibv_global_route {
                dgid: ffi::ibv_gid { raw: peer.gid.0 },
                flow_label: 0,
                sgid_index: self.gid_index,
                hop_limit: options.hop_limit,
                traffic_class: options.traffic_class,
            },
            dlid: peer.lid,
            sl: options.service_level,
            src_path_bits: 0,
            static_rate: 0,
            // InfiniBand within a subnet goes by LID alone, RoCE always by GID
            is_global: u8::from(peer.lid == 0 || different_subnet(&local, peer)),
            port_num: self.port,
        };
        self.inner().modify(
            QpState::Initialised,
            QpState::ReadyToReceive,
            &mut attr,
            &[
                Attribute::AddressVector,
                Attribute::PathMtu,
                Attribute::DestinationQp,
                Attribute::ReceivePsn,
                Attribute::MaxDestReadAtomic,
                Attribute::MinRnrTimer,
            ],
        )?;
        let mut next = self.become_state();
        next.peer = Some((*peer, *options));
        Ok(next)
    }

    /// Both steps to [`ReadyToSend`].
    pub fn connect(
        self,
        peer: &Endpoint,
        options: &ConnectOptions,
    ) -> Result<QueuePair<ReadyToSend>> {
        self.ready_to_receive(peer, options)?.ready_to_send()
    }
}

impl QueuePair<ReadyToReceive> {
    /// From now on it may send. The peer must be ready to receive when something is sent, or within the retries.
    pub fn ready_to_send(self) -> Result<QueuePair<ReadyToSend>> {
        let no_peer = Error::Misuse("a queue pair without a peer");
        let (Some(local), Some((peer, options))) = (self.local, self.peer) else {
            return Err(no_peer);
        };
        let mut attr = zeroed_attr();
        attr.sq_psn = local.psn;
        attr.timeout = options.timeout;
        attr.retry_cnt = options.retries;
        attr.rnr_retry = options.rnr_retries;
        attr.max_rd_atomic = local.reads_to(&peer);
        self.inner().modify(
            QpState::ReadyToReceive,
            QpState::ReadyToSend,
            &mut attr,
            &[
                Attribute::SendPsn,
                Attribute::Timeout,
                Attribute::RetryCount,
                Attribute::RnrRetry,
                Attribute::MaxReadAtomic,
            ],
        )?;
        Ok(self.become_state())
    }
}

impl QueuePair<ReadyToSend> {
    /// The send queue.
    #[inline]
    pub fn send_queue(&mut self) -> &mut SendQueue {
        &mut self.send
    }

    /// Both queues at once.
    #[inline]
    pub fn queues(&mut self) -> (&mut SendQueue, &mut ReceiveQueue) {
        (&mut self.send, &mut self.receive)
    }

    /// Both queues, for two threads. The queue pair is destroyed with the last of them.
    pub fn into_queues(self) -> (SendQueue, ReceiveQueue) {
        (self.send, self.receive)
    }
}

impl<S: CanReceive> QueuePair<S> {
    /// The receive queue.
    #[inline]
    pub fn receive_queue(&mut self) -> &mut ReceiveQueue {
        &mut self.receive
    }
}

impl<S: State> QueuePair<S> {
    pub(crate) fn inner(&self) -> &Arc<QpInner> {
        self.send.inner()
    }

    /// For the connection manager, which changes the state by itself.
    pub(crate) fn receive_mut(&mut self) -> &mut ReceiveQueue {
        &mut self.receive
    }

    fn context(&self) -> &Context {
        &self.inner().domain.context
    }

    /// Its number, as completions and the peer name it.
    pub fn number(&self) -> u32 {
        self.inner().number
    }

    /// The state that the device says it is in: the one of the type, or [`QpState::Error`] when something has failed.
    pub fn state(&self) -> Result<QpState> {
        self.inner().state()
    }

    /// Ends the connection from this side: everything posted is flushed, with completions that say so.
    pub fn fail(&mut self) -> Result<()> {
        self.inner().fail()
    }

    pub(crate) fn become_state<T: State>(self) -> QueuePair<T> {
        QueuePair {
            send: self.send,
            receive: self.receive,
            local: self.local,
            peer: self.peer,
            port: self.port,
            gid_index: self.gid_index,
            state: PhantomData,
        }
    }
}

/// Whether the subnet prefixes, the first eight bytes, differ.
fn different_subnet(a: &Endpoint, b: &Endpoint) -> bool {
    a.gid.0[..8] != b.gid.0[..8]
}

/// A packet sequence number to begin with: one that an earlier connection's late packets do not have.
fn random_psn() -> Result<u32> {
    let mut bytes = [0u8; 3];
    // SAFETY: a buffer of the size said; so few bytes come whole or not at all.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got != 3 {
        return Err(Error::system("getrandom", crate::sys::last_errno()));
    }
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]))
}
