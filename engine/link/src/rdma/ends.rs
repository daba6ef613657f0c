//! The verbs objects of one end: found, made, offered to the peer, connected.

use super::transfer::{self, MaybeTransfers};
use crate::lane::Windows;
use ringway_shm_ring::Span;
use ringway_verbs::{
    Access, AsyncEvents, CompletionChannel, CompletionQueue, ConnectOptions, ENDPOINT_BYTES, Endpoint, Initialised, Memory,
    MemoryRegion, QueuePair, QueuePairOptions, REMOTE_REGION_BYTES, ReceiveQueue, RemoteRegion, Route, SendQueue,
};
use ringway_wire::control::QueuePairOffer;
use ringway_wire::layout::{BOARD_PUT_BACK, CONTROL_PUT_BACK};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Receives posted, and so immediates that the peer may have under way. Rule W22.
pub(super) const RECEIVES: u32 = 128;
/// Work requests that the send queue holds.
pub(super) const SENDS: u32 = 256;
/// A completion is asked for at least once in so many work requests.
const SIGNAL_EVERY: u32 = SENDS / 4;
/// A packet is sent again when no acknowledgement has come after 4.096 us * 2^14, 67 ms: a link that is gone is noticed
/// within some seconds, and another one carries on.
const ACKNOWLEDGE_TIMEOUT: u8 = 14;
/// Bytes that a work request may carry inline; most records and answers are shorter.
const INLINE_BYTES: u32 = 220;

/// What this end sends with.
pub(super) struct SendEnd {
    pub queue: SendQueue,
    pub completions: CompletionQueue,
    /// This end's copy of the peer's window.
    pub shadow: MemoryRegion,
    /// The peer's window.
    pub window: RemoteRegion,
}

/// What this end receives with.
pub(super) struct ReceiveEnd {
    pub queue: ReceiveQueue,
    pub completions: CompletionQueue,
    /// The window that the peer writes; nothing is done with it but keep it registered.
    _window: MemoryRegion,
}

/// A connected queue pair and all that belongs to it.
pub(super) struct Ends {
    pub sends: SendEnd,
    pub receives: ReceiveEnd,
    /// Tells of completions of both queues.
    pub channel: CompletionChannel,
    pub events: AsyncEvents,
    /// None if one of the ends cannot.
    pub transfers: MaybeTransfers,
    /// Port of the device, from 1.
    pub port: u8,
    /// Number of the queue pair.
    pub number: u32,
}

/// A queue pair that waits for its peer.
pub(super) struct Prepared {
    qp: QueuePair<Initialised>,
    endpoint: Endpoint,
    channel: CompletionChannel,
    send_completions: CompletionQueue,
    receive_completions: CompletionQueue,
    window: MemoryRegion,
    shadow: MemoryRegion,
    events: AsyncEvents,
    transfers: Option<transfer::Prepared>,
    route: Route,
}

/// A window, registered: the lane's links hold it too.
struct Registered(Span);

// SAFETY: the span keeps its region mapped; spans are accessed by atomics and copies, never by references.
unsafe impl Memory for Registered {
    fn start(&self) -> *mut u8 {
        self.0.ptr(0)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Finds the device and port that have the address `local`.
/// Errors: why there is none, with the cure.
pub(super) fn find(local: IpAddr) -> Result<Route, String> {
    Route::from_local(local).map_err(|error| error.to_string())
}

/// Makes a queue pair on the device that has the address `local`, and registers the windows.
/// Errors: why it cannot be, with the cure.
pub(super) fn prepare(local: IpAddr, windows: &Windows) -> Result<Prepared, String> {
    let route = find(local)?;
    let prepared = || -> ringway_verbs::Result<Prepared> {
        let context = &route.context;
        let events = context.events()?;
        let domain = context.protection_domain()?;
        // Of this lane's links, other ones may have counted there.
        let put_back = if windows.server { CONTROL_PUT_BACK } else { BOARD_PUT_BACK };
        windows.own.store_u64(put_back, 0, Ordering::SeqCst);
        let window = domain.register(Registered(windows.own.clone()), Access::REMOTE_WRITE)?;
        let shadow = domain.register(Registered(windows.peer.clone()), Access::LOCAL_READ)?;
        let channel = context.completion_channel()?;
        let send_completions = context.completion_queue_on(&channel, SENDS, 0)?;
        let receive_completions = context.completion_queue_on(&channel, RECEIVES, 0)?;
        let options = QueuePairOptions {
            send_depth: SENDS,
            receive_depth: RECEIVES,
            inline_bytes: INLINE_BYTES,
            signal_every: SIGNAL_EVERY,
            ..QueuePairOptions::default()
        };
        let qp = domain.queue_pair(&options, &send_completions, &receive_completions)?;
        let mut qp = qp.init(&route, Access::REMOTE_WRITE)?;
        qp.receive_queue().post_empty(RECEIVES, 0)?;
        // A lane without works too, all of it by the ring.
        let transfers = transfer::Prepared::new(&route, windows.server)
            .inspect_err(|error| tracing::info!("no transfers past the ring: {error}"))
            .ok();
        Ok(Prepared {
            endpoint: qp.endpoint()?,
            qp,
            channel,
            send_completions,
            receive_completions,
            window,
            shadow,
            events,
            transfers,
            route: route.clone(),
        })
    };
    prepared().map_err(|error| error.to_string())
}

impl Prepared {
    /// For the peer.
    pub(super) fn offer(&self) -> QueuePairOffer {
        QueuePairOffer::Offer {
            endpoint: self.endpoint.encode().to_vec(),
            window: self.window.remote().encode().to_vec(),
            transfers: self.transfers.as_ref().map(transfer::Prepared::endpoint),
        }
    }

    /// Connects it with the peer's, whose window has `window_bytes`, and the queue pair for transfers, if both ends have one;
    /// with it, how the bytes travel. `number` is the link's.
    /// Errors: what is wrong with the peer's offer, or what the device says.
    pub(super) fn connect(
        self,
        (endpoint, window, transfers): (&[u8], &[u8], Option<&[u8]>),
        window_bytes: usize,
        number: u64,
    ) -> Result<(Ends, String), String> {
        let endpoint: &[u8; ENDPOINT_BYTES] =
            endpoint.try_into().map_err(|_| "the peer's endpoint has another size".to_owned())?;
        let peer = Endpoint::decode(endpoint).map_err(|error| format!("the peer's endpoint is refused: {error}"))?;
        let window = <&[u8; REMOTE_REGION_BYTES]>::try_from(window)
            .ok()
            .and_then(RemoteRegion::decode)
            .filter(|window| window.len == window_bytes as u64)
            .ok_or("the peer's window is not what was agreed")?;
        let options = ConnectOptions {
            timeout: ACKNOWLEDGE_TIMEOUT,
            ..ConnectOptions::default()
        };
        let transfers = match (self.transfers, transfers) {
            (Some(prepared), Some(theirs)) => Some(Arc::new(prepared.connect(theirs, &options, number)?)),
            _ => None,
        };
        let qp = self.qp.connect(&peer, &options).map_err(|error| error.to_string())?;
        let number = qp.number();
        let (send, receive) = qp.into_queues();
        let ends = Ends {
            sends: SendEnd { queue: send, completions: self.send_completions, shadow: self.shadow, window },
            receives: ReceiveEnd {
                queue: receive,
                completions: self.receive_completions,
                _window: self.window,
            },
            channel: self.channel,
            events: self.events,
            transfers,
            port: self.route.port.number,
            number,
        };
        Ok((ends, self.route.to_string()))
    }
}

/// A peer's words, fit for a line of text.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
