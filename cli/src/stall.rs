//! The word to a person whose command gets no answer: who is silent, for how long it is tried, and what shortens that.
//!
//! Only on a terminal: a program sees the exit code. What is told is what one node knows, and changes nothing.

use std::io::IsTerminal as _;
use std::time::Duration;

use quorla_client::{Client, OnStall, Stall};
use tokio::sync::mpsc;

use crate::output::{Output, span};

/// How long a node may take to say whether it knows a leader.
const STATUS_MAX: Duration = Duration::from_millis(500);
/// Many calls of one command stall together: they are told once in so long.
const QUIET: Duration = Duration::from_secs(10);

/// Stalled calls on their way to the person.
pub(crate) struct Stalls {
    sender: mpsc::Sender<Stall>,
    receiver: mpsc::Receiver<Stall>,
}

impl Stalls {
    /// Where a person reads standard error.
    pub(crate) fn of_terminal() -> Option<Self> {
        std::io::stderr().is_terminal().then(Self::new)
    }

    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self { sender, receiver }
    }

    /// What the client calls.
    pub(crate) fn hook(&self) -> OnStall {
        let sender = self.sender.clone();
        // One that finds no room stalls together with the one that took it.
        OnStall::new(move |stall| {
            sender.try_send(stall).ok();
        })
    }

    /// Tells them beside the command, until it ends.
    pub(crate) fn tell(mut self, client: Client) {
        tokio::spawn(async move {
            while let Some(stall) = self.receiver.recv().await {
                let known = tokio::time::timeout(STATUS_MAX, client.status()).await.ok().and_then(Result::ok);
                let known = known.map(|status| Known { node: status.answered_by, leader: status.leader });
                Output::new(None).say(format_args!("quorla: {}", words(stall, known.as_ref())));
                tokio::time::sleep(QUIET).await;
                // Those of the meantime are as old as the word.
                self.receiver.try_recv().ok();
            }
        });
    }
}

/// What one node says.
struct Known {
    node: String,
    leader: Option<String>,
}

fn words(stall: Stall, known: Option<&Known>) -> String {
    let why = match known {
        None => "no node answers".to_owned(),
        Some(Known { node, leader: None }) => format!("{node} knows no leader, so there may be no quorum"),
        Some(Known { node, leader: Some(leader) }) => format!("{node} takes {leader} for the leader, which is silent"),
    };
    let left = span(stall.tries_on_ms);
    format!(
        "{}: no answer yet: {why}; tried for {left} more (see --timeout, and quorla cluster status)",
        stall.attempted
    )
}

#[cfg(test)]
mod tests {
    use super::{Known, Stall, words};

    #[test]
    fn the_word_names_who_is_silent_and_how_long_it_is_tried() {
        let stall = Stall { attempted: "list jobs", tries_on_ms: 28_000 };
        let known = |leader: Option<&str>| Known { node: "n1".to_owned(), leader: leader.map(str::to_owned) };
        for (known, expected) in [
            (None, "no node answers"),
            (Some(known(None)), "n1 knows no leader, so there may be no quorum"),
            (Some(known(Some("n2"))), "n1 takes n2 for the leader, which is silent"),
        ] {
            let words = words(stall, known.as_ref());
            assert!(words.contains(expected) && words.contains("tried for 28.0s more"), "{words}");
        }
    }
}
