//! Events and streams that the client wants to hear of when they are finished, so that it need not ask again and again.
//!
//! GPU threads look at a few of them whenever their ring is empty, and go on looking, with naps, instead of going to sleep. Before a
//! call that waited is answered, those of its context are looked at, too: a program that was told that later work is finished must
//! not hear that earlier work is not.

use crate::driver_call;
use crate::generated::Driver;
use crate::session::Session;
use parking_lot::Mutex;
use ringway_api::{CudaError, Kind};
use ringway_link::{LinkError, ServerHandle};
use ringway_wire::call::{FINISHED_ASK, FINISHED_DONE, NOTICE_FINISHED};
use ringway_wire::ids::unpack;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Watches of a session at a time; what is beyond must be asked for.
const WATCHES_MAX: usize = 1024;
/// Notices that wait for space in the ring at a time; a client that lets so many wait does not take them.
const TELLING_MAX: usize = 4096;
/// The client must take a notice within this time; one that does not is gone or stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something to be told of.
pub struct Watch {
    /// The client's id of an event or a stream; 0 and 1 are the legacy stream.
    pub object: u64,
    /// The driver's handle.
    pub raw: u64,
    /// The context's number at the client.
    pub context: u32,
    /// The driver's context.
    pub context_raw: u64,
    /// The context's GPU, whose thread looks.
    pub gpu: usize,
    /// The client's word for what it asked.
    pub ticket: u64,
    /// Where the answer goes.
    pub lane: ServerHandle,
}

/// A watch that is over.
pub struct Finished {
    watch: Watch,
    result: Result<(), CudaError>,
}

impl Watch {
    fn is_legacy(&self) -> bool {
        self.object <= 1
    }

    fn is_stream(&self) -> bool {
        self.is_legacy() || unpack(self.object).0 == Kind::Stream as u16
    }

    /// The driver's answer; None while it is not finished. A stream is not asked about during a capture, which that would spoil.
    fn result(&self, driver: &Driver, capturing: bool) -> Option<Result<(), CudaError>> {
        let result = match self.is_stream() {
            true if capturing => return None,
            true => driver_call!(driver, cuStreamQuery(self.raw)),
            false => driver_call!(driver, cuEventQuery(self.raw)),
        };
        (result != Err(CudaError::NOT_READY)).then_some(result)
    }
}

/// All watches of a session.
#[derive(Default)]
pub struct Watches {
    list: Mutex<VecDeque<Watch>>,
    count: AtomicUsize,
    /// Notices that waiter threads are to send.
    telling: AtomicUsize,
}

impl Watches {
    /// Begins to watch. Where there are too many already, the client hears at once that it must ask. (Of one object there may be
    /// several: which ticket is the client's last is not known here.)
    pub fn add(&self, session: &Arc<Session>, watch: Watch) {
        let mut list = self.list.lock();
        if list.len() < WATCHES_MAX {
            list.push_back(watch);
            self.count.store(list.len(), Ordering::Release);
        } else {
            drop(list);
            self.tell(session, vec![Finished { watch, result: Err(CudaError::NOT_READY) }], false);
        }
    }

    /// Whether there are any.
    #[inline]
    pub fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) != 0
    }

    /// Looks once at up to `limit` watches of a GPU, the next time at others, and tells of those that are over; for its GPU thread,
    /// whose current context is `current`. Gives how many.
    pub fn look(&self, session: &Arc<Session>, gpu: usize, limit: usize, current: &mut u64) -> usize {
        let mut finished = Vec::new();
        let mut list = self.list.lock();
        let mut looked = 0;
        for _ in 0..list.len() {
            if looked == limit {
                break;
            }
            let Some(watch) = list.pop_front() else { break };
            if watch.gpu != gpu {
                list.push_back(watch);
                continue;
            }
            looked += 1;
            if *current != watch.context_raw && driver_call!(session.driver, cuCtxSetCurrent(watch.context_raw)).is_ok() {
                *current = watch.context_raw;
            }
            match watch.result(&session.driver, session.capturing()) {
                Some(result) => finished.push(Finished { watch, result }),
                None => list.push_back(watch),
            }
        }
        self.count.store(list.len(), Ordering::Release);
        drop(list);
        let count = finished.len();
        self.tell(session, finished, false);
        count
    }

    /// Takes out what is over of a context (0: of all), but for legacy streams, which can be asked about in their context only; for
    /// [`Watches::tell`].
    pub fn take_finished(&self, session: &Session, context: u32) -> Vec<Finished> {
        if !self.any() {
            return Vec::new();
        }
        let mut finished = Vec::new();
        let mut list = self.list.lock();
        for _ in 0..list.len() {
            let Some(watch) = list.pop_front() else { break };
            let result = if (context == 0 || watch.context == context) && !watch.is_legacy() {
                watch.result(&session.driver, session.capturing())
            } else {
                None
            };
            match result {
                Some(result) => finished.push(Finished { watch, result }),
                None => list.push_back(watch),
            }
        }
        self.count.store(list.len(), Ordering::Release);
        finished
    }

    /// Tells the client, after everything that was copied to it, for which the caller may have seen already (`delivered`). Never waits
    /// for the client; the telling may come later, from another thread.
    pub fn tell(&self, session: &Arc<Session>, finished: Vec<Finished>, delivered: bool) {
        for Finished { watch, result } in finished {
            // An error is for a call to report, which the client then makes.
            let verdict = if result.is_ok() && !session.has_kept(watch.context) { FINISHED_DONE } else { FINISHED_ASK };
            let send = move |wait: bool| {
                let words = [watch.object.to_le_bytes(), watch.ticket.to_le_bytes()];
                let parts: [&[u8]; 4] = [&words[0], &words[1], &watch.context.to_le_bytes(), &verdict.to_le_bytes()];
                if wait {
                    watch.lane.notice(NOTICE_FINISHED, &parts, PATIENCE)
                } else {
                    watch.lane.try_notice(NOTICE_FINISHED, &parts)
                }
            };
            let copies = !delivered && verdict == FINISHED_DONE && session.downloads.any();
            if !copies && !matches!(send(false), Err(LinkError::Full)) {
                // Sent, or the client is gone.
                continue;
            }
            if self.telling.fetch_add(1, Ordering::AcqRel) >= TELLING_MAX {
                self.telling.fetch_sub(1, Ordering::AcqRel);
                tracing::warn!("the client does not take notices: the end of a watch is not told");
                continue;
            }
            let later = Arc::clone(session);
            session.waiters.run(move || {
                if copies {
                    later.downloads.deliver(&later.driver);
                }
                if let Err(error) = send(true) {
                    tracing::debug!("the end of a watch was not delivered: {error}");
                }
                later.watches.telling.fetch_sub(1, Ordering::AcqRel);
            });
        }
    }

    /// The object is about to be destroyed: nobody asks the driver about it any more.
    pub fn forget(&self, object: u64) {
        self.retain(|watch| watch.object != object);
    }

    /// The same for everything in a context.
    pub fn forget_context(&self, context: u32) {
        self.retain(|watch| watch.context != context);
    }

    fn retain(&self, keep: impl FnMut(&Watch) -> bool) {
        if self.any() {
            let mut list = self.list.lock();
            list.retain(keep);
            self.count.store(list.len(), Ordering::Release);
        }
    }
}
