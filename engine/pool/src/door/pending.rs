//! Connections that have not said what they want: bounded, and when there are too many the one that has been silent longest is
//! closed, of the address that has most. So who opens many and says nothing harms itself.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct Waiting {
    socket: OwnedFd,
    /// None: a Unix socket.
    from: Option<IpAddr>,
}

#[derive(Default)]
struct All {
    next: u64,
    /// By age, oldest first.
    waiting: BTreeMap<u64, Waiting>,
}

/// The connections that wait.
#[derive(Default)]
pub(super) struct Pending {
    all: Mutex<All>,
}

/// A connection's place among those that wait.
pub(super) struct Place {
    pending: Arc<Pending>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.number);
    }
}

/// Ends a connection whose reader is another thread.
pub(crate) fn shut(socket: &OwnedFd) {
    // SAFETY: an open descriptor of a socket. If it is closed by the peer already, its reader knows.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in, of at most `max`; says whether another had to go.
    pub(super) fn enter(self: &Arc<Self>, socket: OwnedFd, from: Option<IpAddr>, max: usize) -> (Place, bool) {
        let mut all = self.lock();
        let full = all.waiting.len() >= max;
        if full
            && let Some(number) = all.victim()
            && let Some(victim) = all.waiting.remove(&number)
        {
            shut(&victim.socket);
        }
        let number = all.next;
        all.next += 1;
        all.waiting.insert(number, Waiting { socket, from });
        (Place { pending: Arc::clone(self), number }, full)
    }

    /// Ends all of them.
    pub(super) fn shut_all(&self) {
        self.lock().waiting.values().for_each(|waiting| shut(&waiting.socket));
    }
}

impl All {
    /// The oldest of the address that has most.
    fn victim(&self) -> Option<u64> {
        let mut counts: HashMap<Option<IpAddr>, (usize, u64)> = HashMap::new();
        for (number, waiting) in &self.waiting {
            counts.entry(waiting.from).or_insert((0, *number)).0 += 1;
        }
        let most = counts.values().max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)));
        most.map(|(_, oldest)| *oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_oldest_of_those_that_have_most_goes() {
        let pending = Arc::new(Pending::default());
        let address = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let mut far = Vec::new();
        let mut places = Vec::new();
        for from in [1, 2, 2, 2] {
            let (near, end) = UnixStream::pair().unwrap();
            places.push(pending.enter(near.into(), address(from), 4));
            far.push(end);
        }
        assert!(places.iter().all(|(_, full)| !full));
        let (near, _end) = UnixStream::pair().unwrap();
        let (place, full) = pending.enter(near.into(), address(3), 4);
        assert!(full);
        // The first of address 2 sees its end, the others nothing.
        assert_eq!(far[1].read(&mut [0]).unwrap(), 0);
        far[0].set_nonblocking(true).unwrap();
        assert!(far[0].read(&mut [0]).is_err());
        assert_eq!(pending.lock().waiting.len(), 4);
        drop((place, places));
        assert!(pending.lock().waiting.is_empty());
    }
}
