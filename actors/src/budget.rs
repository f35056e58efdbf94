//! How often a supervisor starts an actor again before it gives up itself.
//!
//! Pure; time is passed in. What keeps failing is not healed by starting it again, and a node that ends is noticed.

use std::collections::VecDeque;

use quorla_ledger::units::Millis;

/// Restarts allowed within a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartBudget {
    /// This many.
    pub restarts_max: u32,
    /// Within this span.
    pub window: Millis,
}

impl Default for RestartBudget {
    fn default() -> Self {
        Self { restarts_max: 5, window: Millis(60_000) }
    }
}

/// What one actor has used of its budget.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    restarts: VecDeque<Millis>,
}

impl Spent {
    /// Takes one restart out of the budget; no when none is left.
    pub(crate) fn allows(&mut self, budget: &RestartBudget, now: Millis) -> bool {
        self.restarts.retain(|at| now.since(*at) < budget.window);
        let used = u32::try_from(self.restarts.len()).expect("bounded by the budget");
        if used >= budget.restarts_max {
            return false;
        }
        self.restarts.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_allowed_up_to_the_budget_within_the_window() {
        let budget = RestartBudget { restarts_max: 2, window: Millis(100) };
        let mut spent = Spent::default();
        let allowed = [0, 10, 20, 99, 100, 109, 110].map(|now| spent.allows(&budget, Millis(now)));
        assert_eq!(allowed, [true, true, false, false, true, false, true]);
    }
}
