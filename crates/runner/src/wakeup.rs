//! When idle slots look for work: one of them for all slots of the process, soon after a notification, and else after pauses
//! that grow while nothing is found.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rand::random_range;

/// The longest pause between two looks, where notifications are heard.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause in units of the first one.
const GROWTH: u32 = 30;
/// Range of the delay after the first notification in a row that brought nothing; it doubles with each.
const DELAY: Duration = Duration::from_millis(2);

/// What an idle slot looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// A job in the queue.
    Queue,
    /// Whatever there may be to do: also terminated jobs to resume, and searches to bring to their end.
    Everything,
}

/// Wakes idle slots. After a notification the process waits for a random moment whose range doubles with each notification
/// that brought it nothing, so that of many idle workers a few answer; one that finds work answers the next at once.
#[derive(Debug)]
pub struct Wakeup {
    state: Mutex<State>,
    changed: Condvar,
    /// The first pause.
    poll: Duration,
}

#[derive(Debug)]
struct State {
    /// When to look for everything, and the pause after that.
    poll_at: Instant,
    pause: Duration,
    /// When to look since there is news, and for what.
    news: Option<(Instant, Look)>,
    /// Whether a slot is looking since there was news.
    is_answering: bool,
    /// Notifications in a row that brought nothing.
    fruitless: u32,
    is_listening: bool,
    is_closed: bool,
}

impl Wakeup {
    /// For looks that are `poll` apart at first.
    pub fn new(poll: Duration) -> Self {
        let state = State {
            poll_at: Instant::now() + poll,
            pause: poll,
            news: None,
            is_answering: false,
            fruitless: 0,
            is_listening: false,
            is_closed: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), poll }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is news: so many jobs, of which `look` finds one. Answered the sooner, the more there are.
    pub fn notify(&self, look: Look, jobs: u32) {
        let mut state = self.lock();
        let range = match state.fruitless {
            0 => Duration::ZERO,
            n => (DELAY * (1 << n.min(20)) / jobs.max(1)).min(LONGEST.min(self.poll * GROWTH)),
        };
        state.bring(Instant::now() + range.mul_f64(random_range(0.0..=1.0)), look);
        drop(state);
        self.changed.notify_all();
    }

    /// A slot has found work by a look of this kind: there may be more for the next one.
    pub fn found(&self, look: Look) {
        let mut state = self.lock();
        (state.fruitless, state.is_answering, state.pause) = (0, false, self.poll);
        state.bring(Instant::now(), look);
        drop(state);
        self.changed.notify_all();
    }

    /// Whether notifications are heard: only then may pauses grow.
    pub fn set_listening(&self, is_listening: bool) {
        let mut state = self.lock();
        state.is_listening = is_listening;
        if !is_listening {
            state.pause = self.poll;
            state.poll_at = state.poll_at.min(Instant::now() + self.poll);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Lets no slot wait any more.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Lets slots wait again.
    pub fn open(&self) {
        self.lock().is_closed = false;
    }

    /// Waits, as an idle slot, until it is this slot's turn to look, or until `end`.
    pub fn wait(&self, end: Option<Instant>) -> Look {
        let mut state = self.lock();
        if state.is_answering {
            state.is_answering = false;
            state.fruitless = state.fruitless.saturating_add(1);
        }
        loop {
            let now = Instant::now();
            if state.is_closed {
                return Look::Everything;
            }
            if let Some((at, look)) = state.news
                && at <= now
            {
                (state.news, state.is_answering) = (None, true);
                return look;
            }
            if state.poll_at <= now {
                state.poll_at = now + state.pause.mul_f64(random_range(0.5..1.0));
                if state.is_listening {
                    state.pause = (state.pause * 2).min(LONGEST.min(self.poll * GROWTH)).max(self.poll);
                }
                return Look::Everything;
            }
            if end.is_some_and(|end| end <= now) {
                return Look::Everything;
            }
            let until = [Some(state.poll_at), state.news.map(|(at, _)| at), end].into_iter().flatten().min();
            let pause = until.unwrap_or(now).saturating_duration_since(now);
            let waited = self.changed.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits, as a slot that may not look, so long or until no slot waits any more.
    pub fn rest(&self, pause: Duration) {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, pause, |state| !state.is_closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn bring(&mut self, at: Instant, look: Look) {
        self.news = Some(match self.news {
            Some((before, other)) => (before.min(at), other.max(look)),
            None => (at, look),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    /// Whether a slot that waits now would look at once.
    fn looks(wakeup: &Wakeup) -> Option<Look> {
        let end = Instant::now();
        let state = wakeup.lock();
        let is_due = state.news.is_some_and(|(at, _)| at <= end) || state.poll_at <= end || state.is_closed;
        drop(state);
        is_due.then(|| wakeup.wait(Some(end)))
    }

    #[test]
    fn news_before_the_wait_are_not_missed_and_wake_one_slot() {
        let wakeup = Wakeup::new(NEVER);
        wakeup.notify(Look::Queue, 1);
        assert_eq!(wakeup.wait(None), Look::Queue); // Returns at once, or the test hangs.
        assert_eq!(looks(&wakeup), None, "one look for one piece of news");
        wakeup.found(Look::Everything);
        assert_eq!(looks(&wakeup), Some(Look::Everything), "there may be more");
    }

    #[test]
    fn who_finds_nothing_answers_later_and_who_finds_something_at_once() {
        let wakeup = Wakeup::new(Duration::from_secs(1));
        let delays = |wakeup: &Wakeup| {
            wakeup.notify(Look::Queue, 1);
            let (at, _) = wakeup.lock().news.take().unwrap();
            at.saturating_duration_since(Instant::now())
        };
        assert_eq!(delays(&wakeup), Duration::ZERO);
        for _ in 0..20 {
            wakeup.notify(Look::Queue, 1);
            wakeup.lock().news = Some((Instant::now(), Look::Queue));
            assert_eq!(wakeup.wait(None), Look::Queue);
            let end = Some(Instant::now());
            wakeup.wait(end); // Idle again.
        }
        let longest = (0..50).map(|_| delays(&wakeup)).max().unwrap();
        assert!(longest > Duration::from_secs(1) && longest <= LONGEST, "{longest:?}");
        wakeup.notify(Look::Queue, u32::MAX);
        let (at, _) = wakeup.lock().news.take().unwrap();
        assert!(at <= Instant::now() + Duration::from_millis(10), "many jobs are for all");
        wakeup.found(Look::Queue);
        wakeup.lock().news = None;
        assert_eq!(delays(&wakeup), Duration::ZERO);
    }

    #[test]
    fn pauses_grow_to_thirty_seconds_where_notifications_are_heard_and_not_elsewhere() {
        for (poll, is_listening, expected) in
            [(1.0, true, 30.0), (0.1, true, 3.0), (1.0, false, 1.0), (60.0, true, 60.0)]
        {
            let wakeup = Wakeup::new(Duration::from_secs_f64(poll));
            wakeup.set_listening(is_listening);
            for _ in 0..10 {
                wakeup.lock().poll_at = Instant::now();
                wakeup.wait(None);
            }
            assert_eq!(wakeup.lock().pause.as_secs_f64(), expected, "{poll} {is_listening}");
            wakeup.found(Look::Queue);
            assert_eq!(wakeup.lock().pause.as_secs_f64(), poll);
        }
    }

    #[test]
    fn nobody_waits_once_it_is_closed() {
        let wakeup = Wakeup::new(NEVER);
        wakeup.close();
        wakeup.wait(None);
        wakeup.rest(NEVER);
    }
}
