//! I14: the event stream has no gaps by sequence.

use super::{Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct EventsAreDense {
    next: u64,
}

impl Invariant for EventsAreDense {
    fn name(&self) -> &'static str {
        "I14"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Committed(committed) = fact else {
            return Ok(());
        };
        if let Some(page) = &committed.page {
            if page.first != self.next || page.events.is_empty() {
                return Err(format!("a page begins at {}, where {} was due", page.first, self.next));
            }
            self.next += u64::try_from(page.events.len()).expect("a length fits 64 bits");
        }
        if committed.event_next == self.next {
            return Ok(());
        }
        Err(format!("the ledger goes on at {}, its pages at {}", committed.event_next, self.next))
    }
}
