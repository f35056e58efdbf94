//! How fast tasks end, and how long the rest will take: over the last looks, or over all of the array's life.

use quorla_client::ArrayView;

/// Looks that are kept: what is older says little of the pace now.
const LOOKS_MAX: usize = 20;

/// See the module. One per watch.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When, and how many had ended.
    looks: Vec<(u64, u32)>,
}

impl Pace {
    /// Takes another look in.
    pub(super) fn look(&mut self, array: &ArrayView) {
        if self.looks.len() == LOOKS_MAX {
            self.looks.remove(0);
        }
        self.looks.push((array.now_ms, array.tasks.ended()));
    }

    /// Tasks that end in a thousand seconds; none while nothing is known.
    pub(super) fn per_1000_s(&self, array: &ArrayView) -> Option<u64> {
        let until = array.ended_ms.unwrap_or(array.now_ms);
        let since_begin = (array.submitted_ms, 0);
        let (from, ended) = match self.looks.first() {
            Some(&first) if array.ended_ms.is_none() && first.0 < until => first,
            _ => since_begin,
        };
        let ended = u64::from(array.tasks.ended().checked_sub(ended)?);
        let span_ms = until.checked_sub(from).filter(|span| *span > 0)?;
        Some(ended.saturating_mul(1_000_000) / span_ms)
    }

    /// Milliseconds until the last task ends, at this pace.
    pub(super) fn left_ms(&self, array: &ArrayView) -> Option<u64> {
        let left = u64::from(array.tasks.all() - array.tasks.ended());
        let pace = self.per_1000_s(array).filter(|pace| *pace > 0)?;
        (left > 0).then(|| left.saturating_mul(1_000_000) / pace)
    }
}

/// A pace as people say it.
pub(super) fn words(per_1000_s: u64) -> String {
    match per_1000_s {
        fast if fast >= 10_000 => format!("{}/s", fast / 1_000),
        slow => format!("{}.{}/s", slow / 1_000, slow % 1_000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quorla_client::{JobId, JobState, TaskCounts};

    use super::*;

    fn array(now_ms: u64, succeeded: u32) -> ArrayView {
        ArrayView {
            id: JobId::array_from_parts(1, 1),
            name: "array".into(),
            command: vec!["true".into()],
            state: JobState::Running,
            until_ms: None,
            reason: None,
            queue: "default".into(),
            priority: 50,
            labels: BTreeMap::new(),
            retry_of: None,
            first: 0,
            last: 99,
            has_items: false,
            running_max: None,
            tasks: TaskCounts { succeeded, queued: 100 - succeeded, ..TaskCounts::default() },
            submitted_ms: 0,
            ended_ms: None,
            now_ms,
            paused: None,
        }
    }

    #[test]
    fn the_pace_is_of_the_last_looks_and_of_all_before_there_are_any() {
        let mut pace = Pace::default();
        assert_eq!(pace.per_1000_s(&array(1_000, 10)), Some(10_000));
        assert_eq!(pace.left_ms(&array(1_000, 10)), Some(9_000));
        pace.look(&array(10_000, 20));
        assert_eq!(pace.per_1000_s(&array(20_000, 40)), Some(2_000));
        assert_eq!(pace.left_ms(&array(20_000, 40)), Some(30_000));
        assert_eq!(pace.left_ms(&array(20_000, 20)), None, "nothing ends");
        assert_eq!((words(2_500), words(12_345_000)), ("2.5/s".to_owned(), "12345/s".to_owned()));
    }
}
