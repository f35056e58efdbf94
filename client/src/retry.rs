//! What a client does next after one try of a request: a pure step, without clock, network or random source.
//!
//! R9: three outcomes. A try whose outcome is unknown is repeated with the same ids only, and once a mutating request
//! has been unknown it ends as done, as refused for a reason that settles its earlier copies, or as unknown; never as
//! merely failed. The deterministic simulation drives this very code.
//!
//! `N` names a server: an address here, a number in the simulation.

/// How one try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryOutcome<N> {
    /// The server did it.
    Done,
    /// The server refused it.
    Refused {
        /// Whether the reason holds for every copy of the request, those in flight included.
        settles_earlier_copies: bool,
    },
    /// The server did not do it now: it is overloaded, stopping or without a quorum.
    NotNow {
        /// When to ask again.
        retry_after_ms: Option<u64>,
    },
    /// The server is not the leader.
    NotLeader {
        /// Who is, where it knows.
        leader: Option<N>,
    },
    /// It was never handed to a server.
    NotSent,
    /// It was handed over and nothing came back, or the server itself does not know.
    Unknown,
}

/// Where the next try goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<N> {
    /// To the same server.
    Same,
    /// To another one, if there is another.
    Other,
    /// To this one.
    To(N),
}

/// Why a client stops trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// Refused; it was not done and will not be.
    Refused,
    /// No server could be reached in time; it was not done.
    Unreachable,
    /// The servers were reached and did not get to it in time; it was not done.
    NotNow,
    /// Whether it was done is not known.
    Unknown,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<N> {
    /// It is done.
    Finish,
    /// Try again.
    Retry {
        /// After so many milliseconds.
        after_ms: u64,
        /// There.
        to: Route<N>,
    },
    /// Stop.
    GiveUp(GiveUp),
}

/// The bounds of one request's tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// No try begins later than this after the first one. At most `limits::RETRY_MS_MAX`.
    pub give_up_after_ms: u64,
    /// The first pause.
    pub pause_ms: u64,
    /// The longest pause.
    pub pause_ms_max: u64,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self { give_up_after_ms: 30_000, pause_ms: 20, pause_ms_max: 1_000 }
    }
}

/// The tries of one request so far.
#[derive(Clone, Debug)]
pub struct Tries {
    rules: RetryRules,
    mutating: bool,
    failed: u32,
    was_unknown: bool,
}

impl Tries {
    /// No try yet.
    #[must_use]
    pub const fn new(rules: RetryRules, mutating: bool) -> Self {
        Self { rules, mutating, failed: 0, was_unknown: false }
    }

    /// Whether a try of this mutating request ended with an unknown outcome.
    #[must_use]
    pub const fn was_unknown(&self) -> bool {
        self.was_unknown
    }

    /// Takes over from another request that carried this one whether its outcome was ever unknown.
    pub(crate) const fn carried_by(&mut self, carrier: &Self) {
        self.was_unknown |= carrier.was_unknown;
    }

    /// The step after a try that ended `elapsed_ms` after the first one began; `random` is any number, for jitter.
    pub fn next<N>(&mut self, outcome: TryOutcome<N>, elapsed_ms: u64, random: u32) -> Step<N> {
        let (to, wait_ms, kind) = match outcome {
            TryOutcome::Done => return Step::Finish,
            TryOutcome::Refused { settles_earlier_copies } => {
                return Step::GiveUp(self.refused(settles_earlier_copies));
            }
            TryOutcome::NotNow { retry_after_ms } => (Route::Same, retry_after_ms, GiveUp::NotNow),
            TryOutcome::NotLeader { leader: Some(leader) } => {
                (Route::To(leader), Some(self.redirect_pause_ms()), GiveUp::NotNow)
            }
            TryOutcome::NotLeader { leader: None } => (Route::Other, None, GiveUp::NotNow),
            TryOutcome::NotSent => (Route::Other, None, GiveUp::Unreachable),
            TryOutcome::Unknown => {
                self.was_unknown |= self.mutating;
                (Route::Other, None, GiveUp::Unreachable)
            }
        };
        let after_ms = wait_ms.unwrap_or(0).max(self.pause_ms(wait_ms, random));
        self.failed = self.failed.saturating_add(1);
        if elapsed_ms.saturating_add(after_ms) > self.rules.give_up_after_ms {
            return Step::GiveUp(if self.was_unknown { GiveUp::Unknown } else { kind });
        }
        Step::Retry { after_ms, to }
    }

    const fn refused(&self, settles_earlier_copies: bool) -> GiveUp {
        if self.was_unknown && !settles_earlier_copies { GiveUp::Unknown } else { GiveUp::Refused }
    }

    /// The first redirect is followed at once; servers that point at each other are not asked in a tight loop.
    const fn redirect_pause_ms(&self) -> u64 {
        if self.failed == 0 { 0 } else { self.rules.pause_ms }
    }

    /// Doubles with each failed try up to the bound; half of it is random, so that clients do not return in step.
    fn pause_ms(&self, wait_ms: Option<u64>, random: u32) -> u64 {
        if wait_ms.is_some() {
            return 0;
        }
        let doubled = self.rules.pause_ms.saturating_mul(1 << self.failed.min(20));
        let pause_ms = doubled.min(self.rules.pause_ms_max);
        let half = pause_ms / 2;
        half + (half.saturating_mul(u64::from(random)) >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::{GiveUp, RetryRules, Route, Step, Tries, TryOutcome};

    fn tries() -> Tries {
        Tries::new(RetryRules::default(), true)
    }

    fn refused(settles_earlier_copies: bool) -> TryOutcome<u8> {
        TryOutcome::Refused { settles_earlier_copies }
    }

    #[test]
    fn a_refusal_passes_through_at_once() {
        assert_eq!(tries().next(refused(false), 0, 0), Step::GiveUp(GiveUp::Refused));
        assert_eq!(tries().next(TryOutcome::<u8>::Done, 0, 0), Step::Finish);
    }

    #[test]
    fn unknown_is_repeated_and_never_becomes_failed() {
        let mut tries = tries();
        assert!(matches!(tries.next(TryOutcome::<u8>::Unknown, 0, 0), Step::Retry { to: Route::Other, .. }));
        assert!(matches!(tries.next(TryOutcome::<u8>::NotSent, 10, 0), Step::Retry { .. }));
        assert_eq!(tries.next(TryOutcome::<u8>::NotSent, 30_000, 0), Step::GiveUp(GiveUp::Unknown));
    }

    #[test]
    fn after_unknown_only_a_refusal_of_every_copy_counts() {
        for (settles, expected) in [(true, GiveUp::Refused), (false, GiveUp::Unknown)] {
            let mut tries = tries();
            tries.next(TryOutcome::<u8>::Unknown, 0, 0);
            assert_eq!(tries.next(refused(settles), 5, 0), Step::GiveUp(expected));
        }
    }

    #[test]
    fn a_read_that_got_no_answer_is_merely_unreachable() {
        let mut tries = Tries::new(RetryRules::default(), false);
        tries.next(TryOutcome::<u8>::Unknown, 0, 0);
        assert_eq!(tries.next(TryOutcome::<u8>::NotSent, 30_000, 0), Step::GiveUp(GiveUp::Unreachable));
    }

    #[test]
    fn a_leader_hint_is_followed_at_once_the_first_time() {
        let mut tries = tries();
        let hint = TryOutcome::NotLeader { leader: Some(2_u8) };
        assert_eq!(tries.next(hint.clone(), 0, 0), Step::Retry { after_ms: 0, to: Route::To(2) });
        assert_eq!(tries.next(hint, 0, 0), Step::Retry { after_ms: 20, to: Route::To(2) });
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let overloaded = TryOutcome::<u8>::NotNow { retry_after_ms: Some(250) };
        assert_eq!(tries().next(overloaded, 0, 7), Step::Retry { after_ms: 250, to: Route::Same });
    }

    #[test]
    fn pauses_grow_to_their_bound() {
        let mut tries = tries();
        let mut pauses = Vec::new();
        for _ in 0..40 {
            match tries.next(TryOutcome::<u8>::NotSent, 0, u32::MAX) {
                Step::Retry { after_ms, .. } => pauses.push(after_ms),
                step => panic!("{step:?}"),
            }
        }
        assert!(pauses.is_sorted());
        assert!(*pauses.first().unwrap() >= 10 && *pauses.last().unwrap() <= 1_000, "{pauses:?}");
    }
}
