//! The threads that run blocks.
//!
//! A launch is worked on by the calling thread, and by helpers from one pool per process once it calls them in. The caller never
//! waits for a helper that has not begun, so a launch cannot hang behind another launch that occupies the pool and waits for it
//! in turn (which is why this is not a rayon scope).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How long a launch looks whether its helpers have done their last blocks before it sleeps: mostly they are about to, and being woken
/// takes longer.
const LAST_BLOCKS: Duration = Duration::from_micros(30);

struct Job {
    /// The work; its borrows are valid while `state.open` or a helper is counted in `state.active`.
    work: &'static (dyn Fn() + Sync),
    /// Jobs of a higher level are begun first.
    level: usize,
    state: Mutex<JobState>,
    idle: Condvar,
}

struct JobState {
    open: bool,
    active: u32,
}

struct Pool {
    queue: Mutex<VecDeque<Arc<Job>>>,
    wake: Condvar,
    threads: usize,
}

/// Threads a launch may use, the caller included: RINGWAY_SOFTGPU_THREADS, else all processors.
pub(super) fn thread_count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        std::env::var("RINGWAY_SOFTGPU_THREADS")
            .ok()
            .and_then(|v| v.parse().ok())
            .filter(|n| (1..=1024).contains(n))
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
    })
}

fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<&'static Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let helpers = thread_count() - 1;
        let pool: &'static Pool =
            Box::leak(Box::new(Pool { queue: Mutex::default(), wake: Condvar::new(), threads: helpers }));
        let mut started = 0;
        for k in 0..helpers {
            let r = std::thread::Builder::new().name(format!("softgpu-{k}")).spawn(move || helper(pool));
            started += usize::from(r.is_ok());
        }
        let _ = started;
        pool
    })
}

fn helper(pool: &'static Pool) {
    loop {
        let job = {
            let mut q = lock(&pool.queue);
            loop {
                if let Some(j) = q.pop_front() {
                    break j;
                }
                q = pool.wake.wait(q).unwrap_or_else(|e| e.into_inner());
            }
        };
        job.take_part();
    }
}

impl Job {
    fn take_part(&self) {
        {
            let mut s = lock(&self.state);
            if !s.open {
                return;
            }
            s.active += 1;
        }
        // The work reports its own errors; a panic must not take the helper thread with it.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.work)()));
        let mut s = lock(&self.state);
        s.active -= 1;
        if s.active == 0 {
            self.idle.notify_all();
        }
    }
}

/// Takes part in a job of a level above `level`, if one waits for helpers.
pub(super) fn help_above(level: usize) -> bool {
    let job = {
        let mut q = lock(&pool().queue);
        q.pop_front_if(|job| job.level > level)
    };
    job.is_some_and(|job| {
        job.take_part();
        true
    })
}

/// The helpers that a launch may call in.
pub(super) struct Helpers {
    job: Arc<Job>,
    /// At the most.
    count: usize,
    called: AtomicBool,
}

impl Helpers {
    /// Whether there are any to call in.
    pub fn are_waiting(&self) -> bool {
        self.count > 0 && !self.called.load(Ordering::Relaxed)
    }

    /// Has them begin; for the calling thread.
    pub fn call_in(&self) {
        if !self.are_waiting() {
            return;
        }
        self.called.store(true, Ordering::Relaxed);
        let pool = pool();
        let helpers = self.count.min(pool.threads);
        let mut queue = lock(&pool.queue);
        let at = queue.partition_point(|other| other.level >= self.job.level);
        for _ in 0..helpers {
            queue.insert(at, self.job.clone());
        }
        drop(queue);
        for _ in 0..helpers {
            pool.wake.notify_one();
        }
    }
}

/// Runs `work` on the calling thread, and on up to `helpers` others once that one has called them in; returns when every thread that
/// began it is done. Helpers get no helpers of their own, and take the job of the highest level first.
pub(super) fn run_on_many(helpers: usize, level: usize, work: &(dyn Fn(Option<&Helpers>) + Sync)) {
    let for_helpers = || work(None);
    let for_helpers: &(dyn Fn() + Sync) = &for_helpers;
    // SAFETY: the job is closed and no helper is active any more when this function returns, also by panic (Close).
    let erased: &'static (dyn Fn() + Sync) = unsafe { std::mem::transmute(for_helpers) };
    let job = Arc::new(Job {
        work: erased,
        level,
        state: Mutex::new(JobState { open: true, active: 0 }),
        idle: Condvar::new(),
    });
    struct Close(Arc<Job>);
    impl Drop for Close {
        fn drop(&mut self) {
            lock(&self.0.state).open = false;
            let begun = Instant::now();
            while lock(&self.0.state).active > 0 && begun.elapsed() < LAST_BLOCKS {
                for _ in 0..32 {
                    std::hint::spin_loop();
                }
            }
            let mut s = lock(&self.0.state);
            while s.active > 0 {
                s = self.0.idle.wait(s).unwrap_or_else(|e| e.into_inner());
            }
        }
    }
    let close = Close(job.clone());
    work(Some(&Helpers { job, count: helpers, called: AtomicBool::new(false) }));
    drop(close);
}
