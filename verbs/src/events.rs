//! Asynchronous events: what happens to a device, its ports and queue pairs without being asked for.

use crate::sys::{last_errno, set_nonblocking, wait_readable};
use crate::{Context, Error, Result};
use rdma_mummy_sys as ffi;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// The device as a whole.
    Device,
    /// A port, from 1.
    Port(u8),
    /// A queue pair, by its number.
    QueuePair(u32),
    /// A completion queue, by its handle.
    CompletionQueue(u32),
    /// A shared receive queue, by its handle.
    SharedReceiveQueue(u32),
    /// A work queue.
    WorkQueue,
}

/// An asynchronous event. It has been acknowledged already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncEvent {
    /// Its number (`enum ibv_event_type`).
    pub code: u32,
    /// What it is about.
    pub element: Element,
}

/// Number, name and element of each event; what it is about decides which part of the union is read.
#[derive(Clone, Copy)]
enum About {
    Device,
    Port,
    Qp,
    Cq,
    Srq,
    Wq,
}

/// `ibv_get_async_event(3)`, in the order of their numbers.
const EVENTS: [(&str, About); 21] = [
    ("completion queue overrun", About::Cq),
    ("queue pair failed", About::Qp),
    ("queue pair got an invalid request", About::Qp),
    ("queue pair got a request without permission", About::Qp),
    (
        "queue pair got a packet while it was becoming ready",
        About::Qp,
    ),
    ("send queue drained", About::Qp),
    ("path migrated", About::Qp),
    ("path did not migrate", About::Qp),
    ("device failed or was removed", About::Device),
    ("port is active", About::Port),
    ("port is down", About::Port),
    ("LID changed", About::Port),
    ("P_Key table changed", About::Port),
    ("subnet manager changed", About::Port),
    ("shared receive queue failed", About::Srq),
    ("shared receive queue is running low", About::Srq),
    ("last receive of a shared queue was reached", About::Qp),
    ("subnet manager asks to register again", About::Port),
    ("GID table changed", About::Port),
    ("work queue failed", About::Wq),
    ("port changed its speed", About::Port),
];

impl AsyncEvent {
    /// The device failed or was removed: nothing on it works any more.
    pub const DEVICE_FATAL: u32 = ffi::ibv_event_type::IBV_EVENT_DEVICE_FATAL as u32;
    /// A port is up again.
    pub const PORT_ACTIVE: u32 = ffi::ibv_event_type::IBV_EVENT_PORT_ACTIVE as u32;
    /// A port went down: connections over it will fail by their retries.
    pub const PORT_DOWN: u32 = ffi::ibv_event_type::IBV_EVENT_PORT_ERR as u32;
    /// GIDs came or went: a route that was found before may be stale.
    pub const GID_CHANGE: u32 = ffi::ibv_event_type::IBV_EVENT_GID_CHANGE as u32;
    /// A queue pair failed without a completion that says so.
    pub const QP_FATAL: u32 = ffi::ibv_event_type::IBV_EVENT_QP_FATAL as u32;
    /// A shared receive queue has fewer receives left than it was asked to tell.
    pub const RECEIVES_LOW: u32 = ffi::ibv_event_type::IBV_EVENT_SRQ_LIMIT_REACHED as u32;
    /// The first packet came before the queue pair was ready to send; harmless.
    pub const COMMUNICATION_ESTABLISHED: u32 = ffi::ibv_event_type::IBV_EVENT_COMM_EST as u32;

    /// What happened.
    pub fn name(&self) -> &'static str {
        EVENTS
            .get(self.code as usize)
            .map_or("unknown event", |row| row.0)
    }

    /// Whether the element cannot be used any more.
    pub fn is_fatal(&self) -> bool {
        use ffi::ibv_event_type::*;
        let fatal = [
            IBV_EVENT_CQ_ERR,
            IBV_EVENT_QP_FATAL,
            IBV_EVENT_QP_REQ_ERR,
            IBV_EVENT_QP_ACCESS_ERR,
            IBV_EVENT_DEVICE_FATAL,
            IBV_EVENT_SRQ_ERR,
            IBV_EVENT_WQ_FATAL,
        ];
        fatal.iter().any(|&code| code as u32 == self.code)
    }
}

impl fmt::Display for AsyncEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.element {
            Element::Device | Element::WorkQueue => {}
            Element::Port(number) => write!(f, "port {number}: ")?,
            Element::QueuePair(number) => write!(f, "queue pair {number}: ")?,
            Element::CompletionQueue(handle) => write!(f, "completion queue {handle}: ")?,
            Element::SharedReceiveQueue(handle) => write!(f, "shared receive queue {handle}: ")?,
        }
        write!(f, "{} ({})", self.name(), self.code)
    }
}

/// The reader of a device's asynchronous events. One at a time for an open device.
pub struct AsyncEvents {
    context: Context,
}

impl AsyncEvents {
    pub(crate) fn new(context: &Context) -> Result<AsyncEvents> {
        if context.0.events_taken.swap(true, Ordering::AcqRel) {
            return Err(Error::Misuse("asynchronous events have a reader already"));
        }
        let events = AsyncEvents {
            context: context.clone(),
        };
        set_nonblocking(events.fd())?;
        Ok(events)
    }

    /// The descriptor, readable when an event is there.
    pub fn fd(&self) -> RawFd {
        // SAFETY: an open device.
        unsafe { (*self.context.raw()).async_fd }
    }

    /// The next event, or none within `timeout`. The event is acknowledged before it is given out, so that what it is
    /// about can be destroyed at any time.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<AsyncEvent>> {
        if !wait_readable(self.fd(), timeout)? {
            return Ok(None);
        }
        let mut raw = MaybeUninit::<ffi::ibv_async_event>::zeroed();
        // SAFETY: an open device, whose descriptor does not block, and an out parameter.
        let result = unsafe { ffi::ibv_get_async_event(self.context.raw(), raw.as_mut_ptr()) };
        if result != 0 {
            return match last_errno() {
                libc::EAGAIN | libc::EINTR => Ok(None),
                errno => Err(Error::system("ibv_get_async_event", errno)),
            };
        }
        let pointer = raw.as_mut_ptr();
        // SAFETY: filled in by the library. The number is read as a number, since a later library may give one that
        // the enumeration does not have. What the event is about exists until the event is acknowledged.
        unsafe {
            let code = (&raw const (*pointer).event_type).cast::<u32>().read();
            let about = EVENTS.get(code as usize).map_or(About::Device, |row| row.1);
            let element = &raw const (*pointer).element;
            let element = match about {
                About::Device => Element::Device,
                About::Wq => Element::WorkQueue,
                About::Port => Element::Port(u8::try_from((*element).port_num).unwrap_or(0)),
                About::Qp => Element::QueuePair((*(*element).qp).qp_num),
                About::Cq => Element::CompletionQueue((*(*element).cq).handle),
                About::Srq => Element::SharedReceiveQueue((*(*element).srq).handle),
            };
            ffi::ibv_ack_async_event(pointer);
            Ok(Some(AsyncEvent { code, element }))
        }
    }
}

impl Drop for AsyncEvents {
    fn drop(&mut self) {
        self.context.0.events_taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_by_their_numbers() {
        let event = |code, element| AsyncEvent { code, element };
        let down = event(AsyncEvent::PORT_DOWN, Element::Port(1));
        assert_eq!(down.to_string(), "port 1: port is down (10)");
        assert!(!down.is_fatal());
        let failed = event(AsyncEvent::QP_FATAL, Element::QueuePair(17));
        assert_eq!(failed.to_string(), "queue pair 17: queue pair failed (1)");
        assert!(failed.is_fatal());
        assert_eq!(
            event(AsyncEvent::GID_CHANGE, Element::Port(1)).name(),
            "GID table changed"
        );
        assert_eq!(
            event(8, Element::Device).to_string(),
            "device failed or was removed (8)"
        );
        assert_eq!(event(77, Element::Device).name(), "unknown event");
    }
}
