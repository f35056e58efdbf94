//! One mark for each of [`TASKS_PER_PAGE`] tasks: half a kilobyte, whatever is marked.

use serde::{Deserialize, Serialize};

use crate::limits::TASKS_PER_PAGE;

/// A page of marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPage {
    #[serde(with = "serde_bytes")]
    bits: Vec<u8>,
}

impl Default for TaskPage {
    fn default() -> Self {
        Self { bits: vec![0; usize::try_from(TASKS_PER_PAGE / u8::BITS).expect("a page fits memory")] }
    }
}

impl TaskPage {
    /// The page that a task is on.
    #[must_use]
    pub const fn of(index: u32) -> u32 {
        index / TASKS_PER_PAGE
    }

    /// The indices on a page.
    #[must_use]
    pub const fn indices(page: u32) -> std::ops::Range<u32> {
        page * TASKS_PER_PAGE..(page + 1) * TASKS_PER_PAGE
    }

    /// Whether the task is marked.
    #[must_use]
    pub fn has(&self, index: u32) -> bool {
        let (byte, bit) = Self::place(index);
        self.bits.get(byte).is_some_and(|bits| bits & bit != 0)
    }

    /// Marks a task.
    pub fn mark(&mut self, index: u32) {
        let (byte, bit) = Self::place(index);
        self.bits[byte] |= bit;
    }

    fn place(index: u32) -> (usize, u8) {
        let within = index % TASKS_PER_PAGE;
        (usize::try_from(within / u8::BITS).expect("a page fits memory"), 1 << (within % u8::BITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_on_its_own_page_only() {
        let index = 2 * TASKS_PER_PAGE + 9;
        let mut page = TaskPage::default();
        page.mark(index);
        assert_eq!(TaskPage::of(index), 2);
        let marked: Vec<u32> = TaskPage::indices(2).filter(|index| page.has(*index)).collect();
        assert_eq!(marked, [index]);
    }
}
