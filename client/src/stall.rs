//! The word that a call takes long: for a program that speaks to a person, who would else wait in silence.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// After so long without an answer a call is told to stall.
pub(crate) const STALLS_AFTER: Duration = Duration::from_secs(2);

/// A call that is not answered and goes on trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// What is attempted: "list jobs".
    pub attempted: &'static str,
    /// For how many more milliseconds new tries begin.
    pub tries_on_ms: u64,
}

/// What is called for each call that stalls, once, from within the call: it must return at once.
#[derive(Clone)]
pub struct OnStall(Arc<dyn Fn(Stall) + Send + Sync>);

impl OnStall {
    /// Calls this.
    pub fn new(tell: impl Fn(Stall) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, stall: Stall) {
        (self.0)(stall);
    }
}

impl fmt::Debug for OnStall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnStall")
    }
}
