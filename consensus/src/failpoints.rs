//! Switches that make one named step fail or end the process, for tests of crashes.
//!
//! They exist only in builds with debug assertions; in a release `check` is an empty function.
//! A point is armed with `arm`, or for a child process through the environment variable
//! `QUORLA_FAILPOINTS=name=action@count;...`, where action is `error`, `abort` or `hang` and the count says
//! at which pass through the point it fires (1 when absent). Anything else in it ends the process at the first
//! point that is met, so that no test passes by a typing error.

use std::io;

/// What an armed point does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The step returns an I/O error.
    Error,
    /// The process ends at once, as if killed.
    Abort,
    /// The step does not return before the point is disarmed: a disk that hangs and reports no error.
    Hang,
}

/// Every point there is, in the order in which a command meets them; those of the actors come last.
pub const POINTS: &[&str] = &[
    "log.append",
    "log.appended",
    "log.vote",
    "log.mark",
    "log.truncate",
    "log.purge",
    "state.apply",
    "state.applied",
    "snapshot.build",
    "snapshot.built",
    "snapshot.send",
    "snapshot.receive",
    "install.verified",
    "install.linked",
    "install.switched",
    "install.opened",
    "install.done",
    "dispatch.start",
    "output.write",
];

/// Fails when the point is armed and its turn has come. `scope` tells several stores of one process apart.
#[cfg(not(debug_assertions))]
#[inline]
pub fn check(_point: &'static str, _scope: &std::path::Path) -> io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
pub use armed::{arm, check, disarm, fired};

#[cfg(debug_assertions)]
mod armed {
    use std::collections::HashMap;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

    use super::{Action, io};

    struct Point {
        action: Action,
        passes_left: u64,
        fired: bool,
    }

    type Key = (&'static str, Option<PathBuf>);

    static ANY_ARMED: AtomicBool = AtomicBool::new(false);
    static DISARMED: Condvar = Condvar::new();

    fn points() -> MutexGuard<'static, HashMap<Key, Point>> {
        static ARMED: OnceLock<Mutex<HashMap<Key, Point>>> = OnceLock::new();
        let armed = ARMED.get_or_init(|| Mutex::new(from_environment()));
        armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn from_environment() -> HashMap<Key, Point> {
        let text = std::env::var("QUORLA_FAILPOINTS").unwrap_or_default();
        let mut armed = HashMap::new();
        for item in text.split(';').filter(|item| !item.is_empty()) {
            let (name, rest) = item.split_once('=').unwrap_or((item, "abort"));
            let (action, count) = rest.split_once('@').unwrap_or((rest, "1"));
            let action = match action {
                "error" => Action::Error,
                "abort" => Action::Abort,
                "hang" => Action::Hang,
                _ => end_over(item, "its action is none of error, abort and hang"),
            };
            let known = super::POINTS.iter().find(|point| **point == name);
            let known = known.unwrap_or_else(|| end_over(item, "there is no such point"));
            let passes_left = count.parse().unwrap_or_else(|_| end_over(item, "its count is no number"));
            armed.insert((*known, None), Point { action, passes_left, fired: false });
        }
        armed
    }

    /// A panic would end one task only, perhaps unseen.
    fn end_over(item: &str, fault: &str) -> ! {
        tracing::error!(item, fault, "QUORLA_FAILPOINTS can't be read, this process ends");
        std::process::abort()
    }

    /// Arms `point` for stores below `scope`: it fires at the `pass`th time, once.
    pub fn arm(point: &'static str, scope: &Path, action: Action, pass: u64) {
        assert!(super::POINTS.contains(&point), "unknown failpoint {point}");
        points().insert((point, Some(scope.to_path_buf())), Point { action, passes_left: pass, fired: false });
        ANY_ARMED.store(true, Ordering::Release);
    }

    /// Takes the point away again.
    pub fn disarm(point: &'static str, scope: &Path) {
        points().remove(&(point, Some(scope.to_path_buf())));
        DISARMED.notify_all();
    }

    /// Whether the point was reached and did its work.
    pub fn fired(point: &'static str, scope: &Path) -> bool {
        points().get(&(point, Some(scope.to_path_buf()))).is_some_and(|point| point.fired)
    }

    /// Fails when the point is armed and its turn has come. `scope` tells several stores of one process apart.
    pub fn check(point: &'static str, scope: &Path) -> io::Result<()> {
        static FROM_ENVIRONMENT: OnceLock<bool> = OnceLock::new();
        let by_environment = *FROM_ENVIRONMENT.get_or_init(|| std::env::var_os("QUORLA_FAILPOINTS").is_some());
        if !by_environment && !ANY_ARMED.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut armed = points();
        let key = armed
            .keys()
            .find(|(name, place)| *name == point && place.as_ref().is_none_or(|place| scope.starts_with(place)))
            .cloned();
        let Some((key, found)) = key.and_then(|key| Some((key.clone(), armed.get_mut(&key)?))) else { return Ok(()) };
        if found.fired {
            return Ok(());
        }
        found.passes_left = found.passes_left.saturating_sub(1);
        if found.passes_left > 0 {
            return Ok(());
        }
        found.fired = true;
        match found.action {
            Action::Error => Err(io::Error::other(format!("failpoint {point}"))),
            Action::Abort => {
                tracing::error!("failpoint {point} ends this process");
                std::process::abort()
            }
            Action::Hang => {
                let hung = DISARMED.wait_while(armed, |armed| armed.contains_key(&key));
                drop(hung.unwrap_or_else(PoisonError::into_inner));
                Ok(())
            }
        }
    }
}
