//! What a checker says: which rule, where, and what to do about it.

use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The rule's short name, which an exception quotes.
    pub(super) rule: &'static str,
    /// The file, relative to the root of the tree, or the crate for rules about the graph.
    pub(super) path: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub(super) line: usize,
    /// What is wrong and what would be right.
    pub(super) what: String,
}

impl Finding {
    /// A finding at a line of a file.
    pub(super) fn new(rule: &'static str, path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { rule, path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {} [{}]", self.path, self.what, self.rule),
            line => write!(f, "{}:{line}: {} [{}]", self.path, self.what, self.rule),
        }
    }
}
