//! Read-ahead in fixed order with bounded memory.
//!
//! Work that will be needed is offered to the thread pool of the caller. Whoever asks for the next result and finds its
//! work not yet started does it itself, so one thread is enough and a caller inside the pool can never wait for itself.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A producer of items in order. It never waits for other tasks of the pool.
pub(crate) trait Step: Send + 'static {
    /// What one step makes.
    type Item: Send + 'static;
    /// The next item, or `None` at the end.
    fn step(&mut self) -> Option<Self::Item>;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the queue itself sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Shared<S: Step> {
    state: Mutex<State<S>>,
    ready: Condvar,
    depth: usize,
}

struct State<S: Step> {
    /// Absent while some thread runs a step.
    step: Option<S>,
    queue: VecDeque<S::Item>,
    offered: bool,
    ended: bool,
}

/// One sequence that is worked on ahead of its reader.
pub(crate) struct Lane<S: Step> {
    shared: Arc<Shared<S>>,
}

impl<S: Step> Lane<S> {
    /// Keeps at most `depth` finished items.
    pub(crate) fn new(step: S, depth: usize) -> Lane<S> {
        let state = State { step: Some(step), queue: VecDeque::new(), offered: false, ended: false };
        Lane { shared: Arc::new(Shared { state: Mutex::new(state), ready: Condvar::new(), depth }) }
    }

    /// Offers the pool to fill the queue.
    pub(crate) fn offer(&self) {
        let mut state = lock(&self.shared.state);
        if state.offered || state.ended || state.step.is_none() || state.queue.len() >= self.shared.depth {
            return;
        }
        state.offered = true;
        drop(state);
        // Weak: a reader that goes away must not keep the pool busy.
        let weak = Arc::downgrade(&self.shared);
        rayon::spawn_fifo(move || {
            while let Some(shared) = weak.upgrade() {
                if !shared.advance(true) {
                    break;
                }
            }
        });
    }

    /// The next item in order, or `None` at the end.
    pub(crate) fn next(&self) -> Option<S::Item> {
        loop {
            let mut state = lock(&self.shared.state);
            if let Some(item) = state.queue.pop_front() {
                drop(state);
                self.offer();
                return Some(item);
            }
            if state.ended {
                return None;
            }
            if state.step.is_some() {
                drop(state);
                self.shared.advance(false);
            } else {
                drop(self.shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

impl<S: Step> Shared<S> {
    /// Runs one step. Says whether the pool should go on.
    fn advance(&self, pool: bool) -> bool {
        let mut state = lock(&self.state);
        if state.ended || (pool && state.queue.len() >= self.depth) {
            state.offered &= !pool;
            return false;
        }
        let Some(step) = state.step.take() else {
            state.offered &= !pool;
            return false;
        };
        drop(state);
        // If a step panics the guard ends the lane, so that no reader waits for ever.
        let mut guard = Return { shared: self, step: Some(step) };
        let item = guard.step.as_mut().and_then(Step::step);
        let step = guard.step.take();
        std::mem::forget(guard);
        let mut state = lock(&self.state);
        match item {
            Some(item) => {
                state.queue.push_back(item);
                state.step = step;
            }
            None => state.ended = true,
        }
        let go_on = !state.ended && state.queue.len() < self.depth;
        if pool && !go_on {
            state.offered = false;
        }
        drop(state);
        self.ready.notify_all();
        go_on
    }
}

struct Return<'a, S: Step> {
    shared: &'a Shared<S>,
    step: Option<S>,
}

impl<S: Step> Drop for Return<'_, S> {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.shared.ready.notify_all();
    }
}

type Job<T> = Box<dyn FnOnce() -> T + Send>;

enum Work<T> {
    Waiting(Job<T>),
    Running,
    Done(T),
    Taken,
}

struct Slot<T> {
    work: Mutex<Work<T>>,
    ready: Condvar,
}

impl<T> Slot<T> {
    /// Does the work if nobody has begun.
    fn run(&self) {
        let mut work = lock(&self.work);
        if !matches!(*work, Work::Waiting(_)) {
            return;
        }
        let Work::Waiting(job) = std::mem::replace(&mut *work, Work::Running) else { return };
        drop(work);
        let mut guard = Finish { slot: self, value: None };
        guard.value = Some(job());
    }
}

struct Finish<'a, T> {
    slot: &'a Slot<T>,
    value: Option<T>,
}

impl<T> Drop for Finish<'_, T> {
    fn drop(&mut self) {
        *lock(&self.slot.work) = self.value.take().map_or(Work::Taken, Work::Done);
        self.slot.ready.notify_all();
    }
}

/// Independent jobs whose results are taken in the order in which they were given.
pub(crate) struct Ordered<T> {
    slots: VecDeque<Arc<Slot<T>>>,
}

impl<T: Send + 'static> Ordered<T> {
    pub(crate) fn new() -> Ordered<T> {
        Ordered { slots: VecDeque::new() }
    }
    /// Jobs given and not yet taken.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
    /// Gives a job to the pool.
    pub(crate) fn push(&mut self, job: impl FnOnce() -> T + Send + 'static) {
        let slot = Arc::new(Slot { work: Mutex::new(Work::Waiting(Box::new(job))), ready: Condvar::new() });
        let weak = Arc::downgrade(&slot);
        rayon::spawn_fifo(move || {
            if let Some(slot) = weak.upgrade() {
                slot.run();
            }
        });
        self.slots.push_back(slot);
    }
    /// The result of the oldest job; `None` if there is none, or if it panicked.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let slot = self.slots.pop_front()?;
        slot.run();
        let mut work = lock(&slot.work);
        while matches!(*work, Work::Running) {
            work = slot.ready.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        match std::mem::replace(&mut *work, Work::Taken) {
            Work::Done(value) => Some(value),
            _ => None,
        }
    }
}

/// How many pieces of work to keep in flight: two for each thread hide uneven work, and bound the memory.
pub(crate) fn in_flight() -> usize {
    rayon::current_num_threads().clamp(1, 16) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u32, u32);
    impl Step for Count {
        type Item = u32;
        fn step(&mut self) -> Option<u32> {
            self.0 += 1;
            (self.0 <= self.1).then_some(self.0)
        }
    }

    #[test]
    fn order_is_kept_on_one_thread_inside_the_pool() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            let lane = Lane::new(Count(0, 100), 3);
            lane.offer();
            let all: Vec<u32> = std::iter::from_fn(|| lane.next()).collect();
            assert_eq!(all, (1..=100).collect::<Vec<_>>());
            let mut jobs = Ordered::new();
            (0..50).for_each(|i| jobs.push(move || i * 2));
            let all: Vec<u32> = std::iter::from_fn(|| jobs.pop()).collect();
            assert_eq!(all, (0..50).map(|i| i * 2).collect::<Vec<_>>());
        });
    }

    #[test]
    fn order_is_kept_outside_the_pool() {
        let lane = Lane::new(Count(0, 1000), 4);
        let all: Vec<u32> = std::iter::from_fn(|| lane.next()).collect();
        assert_eq!(all, (1..=1000).collect::<Vec<_>>());
        assert_eq!(lane.next(), None);
    }
}
