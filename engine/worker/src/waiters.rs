//! Threads that wait in the driver, so that a GPU thread never does.
//!
//! A job that may block (a synchronisation that did not come soon, a module load, a large copy to the client) is given
//! to an idle thread, or to a new one. Their number is bounded by what a client can have under way: one job a reply slot
//! and one a stream-ordered copy; beyond the bound jobs wait their turn.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Threads at the most, but for those of [`Waiters::run_first`].
const THREADS_MAX: usize = 256;
/// An idle thread ends after this time.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    threads: usize,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    more: Condvar,
}

/// The pool.
#[derive(Default)]
pub struct Waiters(Arc<Inner>);

impl std::fmt::Debug for Waiters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queue = self.0.queue.lock();
        write!(
            f,
            "Waiters({} threads, {} idle, {} jobs)",
            queue.threads,
            queue.idle,
            queue.jobs.len()
        )
    }
}

impl Waiters {
    /// Runs `job` on a thread of its own, soon.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.0.queue.lock();
        queue.jobs.push_back(Box::new(job));
        if queue.idle >= queue.jobs.len() {
            self.0.more.notify_one();
        } else if queue.threads < THREADS_MAX {
            let inner = Arc::clone(&self.0);
            // Without another thread the job waits for one of those there are.
            if std::thread::Builder::new()
                .name("waiter".into())
                .spawn(move || inner.work())
                .is_ok()
            {
                queue.threads += 1;
            }
        }
    }
}

impl Waiters {
    /// Runs `job` before all others, on a thread above the bound if need be: those there are may be waiting for just this. Waits for
    /// its end; the callers' own number is the bound. Gives false where no thread can be had.
    pub fn run_first(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let (done, end) = std::sync::mpsc::sync_channel::<()>(1);
        let started = self.start_first(move || {
            job();
            drop(done);
        });
        // Ends with an error when the job has ended, or has panicked.
        let _ = end.recv();
        started
    }

    /// The same without waiting for its end.
    pub fn start_first(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut queue = self.0.queue.lock();
        if queue.idle > queue.jobs.len() {
            self.0.more.notify_one();
        } else {
            let inner = Arc::clone(&self.0);
            if std::thread::Builder::new()
                .name("waiter".into())
                .spawn(move || inner.work())
                .is_err()
            {
                return false;
            }
            queue.threads += 1;
        }
        queue.jobs.push_front(Box::new(job));
        true
    }
}

impl Inner {
    fn work(&self) {
        let mut queue = self.queue.lock();
        loop {
            while let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job();
                queue = self.queue.lock();
                if queue.threads > THREADS_MAX {
                    queue.threads -= 1;
                    return;
                }
            }
            queue.idle += 1;
            let waited = self.more.wait_for(&mut queue, IDLE);
            queue.idle -= 1;
            if waited.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_blocked_job_delays_no_other() {
        let waiters = Waiters::default();
        let (release, blocked) = channel::<()>();
        let (done, result) = channel();
        waiters.run(move || blocked.recv().unwrap());
        for i in 0..20 {
            let done = done.clone();
            waiters.run(move || done.send(i).unwrap());
        }
        let mut seen: Vec<i32> = (0..20)
            .map(|_| result.recv_timeout(Duration::from_secs(10)).unwrap())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        release.send(()).unwrap();
    }

    #[test]
    fn the_first_job_needs_none_of_the_blocked_threads() {
        let waiters = Waiters::default();
        let (release, blocked) = channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let (done, result) = channel();
        // As many as there can be, and some that wait for their turn.
        for _ in 0..THREADS_MAX + 10 {
            let (blocked, done) = (Arc::clone(&blocked), done.clone());
            waiters.run(move || {
                let _ = blocked.lock().recv();
                done.send(0).unwrap();
            });
        }
        for _ in 0..3 {
            let done = done.clone();
            assert!(waiters.run_first(move || done.send(1).unwrap()));
            assert_eq!(result.try_recv(), Ok(1));
        }
        drop(release);
        for _ in 0..THREADS_MAX + 10 {
            assert_eq!(result.recv_timeout(Duration::from_secs(30)), Ok(0));
        }
    }
}
