//! What a lane does, for the lease's account: when it has something to do, and what goes over it.
//!
//! A call costs an addition and a comparison here; the account is written to now and then, and when the lane has nothing more to do.

use crate::session::Session;
use ringway_link::ServerLane;

/// Records between two entries while they come without a pause.
const NOTED_EVERY: u32 = 256;

/// See the module.
#[derive(Debug)]
pub struct Meter {
    lane: usize,
    is_working: bool,
    /// Bytes of the rings, to and from the client, that are in the account.
    noted: (u64, u64),
    records: u32,
    waits: u64,
}

impl Meter {
    /// Of a lane.
    pub fn new(lane: usize) -> Self {
        Self { lane, is_working: false, noted: (0, 0), records: 0, waits: 0 }
    }

    /// Whether the lane has something to do.
    pub fn is_working(&self) -> bool {
        self.is_working
    }

    /// A record was executed; `is_wait`: the client waits for its answer.
    #[inline]
    pub fn executed(&mut self, session: &Session, lane: &ServerLane, is_wait: bool) {
        self.waits += u64::from(is_wait);
        self.records += 1;
        if !self.is_working {
            self.is_working = true;
            session.account().begins_work(self.lane, session.account_slot());
        }
        if self.records >= NOTED_EVERY {
            self.note(session, lane);
        }
    }

    /// The lane has nothing to do any more, and nothing of its GPU's work is under way.
    #[inline]
    pub fn rests(&mut self, session: &Session, lane: &ServerLane) {
        if std::mem::take(&mut self.is_working) {
            self.note(session, lane);
            session.account().ends_work(self.lane, session.account_slot());
        }
    }

    #[cold]
    fn note(&mut self, session: &Session, lane: &ServerLane) {
        let (up, down) = lane.traffic();
        session.account().moved(self.lane, session.account_slot(), up - self.noted.0, down - self.noted.1, self.waits);
        (self.noted, self.records, self.waits) = ((up, down), 0, 0);
    }
}
