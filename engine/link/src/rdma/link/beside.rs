//! What lies beside the queue pair: the connection whose end is the link's end, the events of the device, and falling asleep.

use super::{FAREWELL, RdmaLink, lock};
use crate::link::Break;
use ringway_verbs::{AsyncEvent, AsyncEvents, Element};
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl RdmaLink {
    /// Marks the link broken; an end that the peer announced is no break.
    #[cold]
    pub(super) fn fail(&self, how: Break) {
        let meant = how.may_resume() && self.peer_is_ending.load(Ordering::Relaxed);
        self.condition.fail(if meant { Break::Gone } else { how });
    }

    /// The adapter says that it broke. What the connection beside the queue pair says of the end counts more.
    #[cold]
    pub(super) fn broke(&self, error: impl std::fmt::Display) {
        let said = match self.beside.try_lock() {
            Ok(beside) => beside.as_ref().and_then(|beside| self.read_beside(&beside.socket)),
            Err(_) => None,
        };
        self.fail(said.unwrap_or_else(|| Break::Failed(error.to_string())));
    }

    /// Looks whether the connection beside the queue pair still stands, and what the device says.
    pub(super) fn look_beside(&self) {
        let how = {
            let Ok(mut beside) = self.beside.try_lock() else {
                return;
            };
            let Some(beside) = &mut *beside else {
                return;
            };
            match self.read_beside(&beside.socket) {
                Some(how) => how,
                None => return self.look_at_device(&mut beside.events),
            }
        };
        // What came before the end still counts.
        if let Ok(mut receiving) = self.receiver.lock() {
            self.seen.add(self.receive(&mut receiving));
        }
        self.fail(how);
    }

    /// How the connection beside the queue pair ended, if it did.
    pub(super) fn read_beside(&self, socket: &TcpStream) -> Option<Break> {
        loop {
            let mut byte = 0u8;
            // SAFETY: one writable byte.
            let n = unsafe { libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, libc::MSG_DONTWAIT) };
            if n > 0 {
                if byte != FAREWELL {
                    return Some(Break::Misbehaved {
                        rule: "W23",
                        what: "bytes on the connection beside a queue pair",
                    });
                }
                self.peer_is_ending.store(true, Ordering::SeqCst);
            } else if n == 0 {
                return Some(Break::EndOfStream);
            } else {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock => return None,
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Some(Break::Reset),
                    _ => return Some(Break::Failed(error.to_string())),
                }
            }
        }
    }

    pub(super) fn look_at_device(&self, events: &mut AsyncEvents) {
        while let Ok(Some(event)) = events.next(Duration::ZERO) {
            let ends_it = match event.element {
                Element::Device => event.is_fatal(),
                Element::Port(port) => port == self.port && event.code == AsyncEvent::PORT_DOWN,
                Element::QueuePair(number) => number == self.number && event.is_fatal(),
                _ => event.is_fatal(),
            };
            if ends_it {
                self.broke(event);
            }
        }
    }

    /// Asks for an event, then looks whether it would come too late; true if something came.
    pub(super) fn arm_and_look(&self) -> bool {
        let sends = self.send_blocked.load(Ordering::SeqCst) || self.has_unsent_records();
        if let Some(beside) = &*lock(&self.beside) {
            if sends {
                self.send_armed.store(true, Ordering::SeqCst);
            }
            let armed = beside.receives.arm(false).and_then(|()| if sends { beside.sends.arm(false) } else { Ok(()) });
            if let Err(error) = armed {
                self.broke(error);
            }
        }
        if sends {
            self.kick_if_current();
        }
        // Who holds the receiver takes in what came, and wakes those whom it concerns.
        let Ok(mut receiving) = self.receiver.try_lock() else {
            return self.condition.is_broken();
        };
        let progress = self.receive(&mut receiving);
        self.seen.add(progress);
        progress.any || self.condition.is_broken()
    }
}
