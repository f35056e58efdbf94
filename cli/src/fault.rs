//! A command that failed: what was attempted and why, the next thing to try, a stable code and the exit code.

use quorla_client::{Error, JobId};

use crate::exit::Exit;

/// Why a command ends without what was asked for.
#[derive(Debug)]
pub struct Fault {
    /// What was attempted, and why it failed.
    pub message: String,
    /// More lines, for example candidates.
    pub details: Vec<String>,
    /// The next thing to try.
    pub hint: Option<String>,
    /// The stable code.
    pub code: &'static str,
    /// The exit code.
    pub exit: Exit,
    /// Nobody reads the output any more: say nothing.
    pub silent: bool,
}

impl Fault {
    /// A fault with this exit code.
    #[must_use]
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), details: Vec::new(), hint: None, code, exit, silent: false }
    }

    /// The command line asks for something that can't be.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::USAGE, "usage", message)
    }

    /// Something of this machine failed while something was attempted.
    #[must_use]
    pub fn other(attempted: impl std::fmt::Display, reason: impl std::fmt::Display) -> Self {
        Self::new(Exit::OTHER, "local_failure", format!("{attempted}: {reason}"))
    }

    /// Whoever read standard output has gone away.
    #[must_use]
    pub fn nobody_reads() -> Self {
        Self { silent: true, ..Self::new(Exit::OTHER, "broken_pipe", "write to standard output") }
    }

    /// Adds the next thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ends with another code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Says which job it is about, where the message does not.
    #[must_use]
    pub fn about(mut self, job: JobId) -> Self {
        let job = job.to_string();
        if !self.message.contains(&job) {
            self.details.push(format!("job {job}"));
        }
        self
    }

    /// Of what was attempted several times: one fault without a name is its own; of others, the first decides code and
    /// exit, and each is told with its name. None when nothing failed.
    #[must_use]
    pub fn of_many(attempted: &str, tried: usize, failed: Vec<(Option<String>, Self)>) -> Option<Self> {
        let details: Vec<String> = failed
            .iter()
            .filter_map(|(name, fault)| Some(format!("{}: {} ({})", name.as_ref()?, fault.message, fault.code)))
            .collect();
        let count = failed.len();
        let (_, mut first) = failed.into_iter().next()?;
        if !details.is_empty() {
            first.message = format!("{attempted}: {count} of {tried} failed");
            first.details = details;
        }
        Some(first)
    }

    /// The lines for a person.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("error: {}", self.message)];
        lines.extend(self.details.iter().map(|detail| format!("  {detail}")));
        lines.extend(self.hint.iter().map(|hint| format!("  try:  {hint}")));
        lines.push(format!("  code: {}", self.code));
        lines
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let details = match &error {
            Error::PrefixAmbiguous { candidates, .. } => {
                candidates.iter().map(|job| format!("{}  {}  {}", job.id, job.state, job.name)).collect()
            }
            _ => Vec::new(),
        };
        let message = match &error {
            // The code has a line of its own.
            Error::Refused(body) | Error::NotNow(body) => body.message.clone(),
            other => other.to_string(),
        };
        Self { details, hint: error.hint(), ..Self::new(Exit::of_error(&error), error.code(), message) }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
