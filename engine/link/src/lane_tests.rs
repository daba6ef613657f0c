//! What a resumption checks, with a link that goes on sending until it is retired.

use super::*;
use crate::link::{Condition, Progress, Told};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Sends what another thread writes meanwhile, up to the moment at which it is retired.
struct Late {
    condition: Condition,
    written: Arc<AtomicU64>,
}

impl Link for Late {
    fn kind(&self) -> LinkKind {
        LinkKind::Rdma
    }
    fn ring_committed(&self, _end: u64) -> Told {
        Told::Done
    }
    fn written(&self, _area: Area) -> Told {
        Told::Done
    }
    fn flush(&self) {}
    fn idle(&self) {}
    fn received(&self) -> u64 {
        0
    }
    fn progress(&self) -> Progress {
        Progress::default()
    }
    fn check_peer(&self) {}
    fn park(&self, _sleeper: Sleeper, _timeout: Duration) -> Slept {
        Slept::Woken
    }
    fn first_sleep(&self) -> Duration {
        Duration::ZERO
    }
    fn drain_doorbell(&self) {}
    fn wake(&self, _sleeper: Sleeper) {}
    fn farewell(&self) {}
    fn close(&self) {}
    fn start(&self) {}
    fn retire(&self) -> u64 {
        self.written.fetch_add(LINE as u64, Ordering::SeqCst);
        0
    }
    fn condition(&self) -> &Condition {
        &self.condition
    }
}

#[test]
fn what_was_sent_until_the_link_was_retired_may_have_been_received() {
    let config = LaneConfig { geometry: Geometry::DEFAULT, lane_key: 5 };
    let written = Arc::new(AtomicU64::new(LINE as u64));
    let link = Late { condition: Condition::default(), written: written.clone() };
    link.condition.fail(Break::Reset);
    let links = Links::new(Box::new(link), Windows::private(true, &config).expect("windows"));
    links.keep(Patience { grace: None, grace_after_end: None });
    let resumption = links.begin(Some(1), || written.load(Ordering::SeqCst)).expect("begun");
    let peer = |lines: u64| Positions { received: lines * LINE as u64 };
    assert_eq!(resumption.check(peer(2)), Ok(()));
    let never_sent = LinkError::misbehaved("W17", "a position that was never sent");
    assert_eq!(resumption.check(peer(3)), Err(never_sent));
}
