//! Problems of a configuration: collected, never thrown one by one.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Where a value was set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A line of a file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line; 0 is the file as a whole.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag, by the path it sets.
    Flag(String),
    /// Not set: the default, or something that is missing.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(path) => write!(f, "flag {path}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The kind of a problem; its text is stable and meant for scripts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProblemCode {
    /// The file could not be read.
    Unreadable,
    /// The file is no TOML.
    Syntax,
    /// There is no such key or section.
    UnknownKey,
    /// The value has the wrong type or form.
    InvalidValue,
    /// The value has the right form but is out of its range.
    OutOfRange,
    /// Two values contradict each other.
    Conflict,
}

impl ProblemCode {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "config_unreadable",
            Self::Syntax => "config_syntax",
            Self::UnknownKey => "config_unknown_key",
            Self::InvalidValue => "config_invalid_value",
            Self::OutOfRange => "config_out_of_range",
            Self::Conflict => "config_conflict",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Its kind.
    pub code: ProblemCode,
    /// Where.
    pub origin: Origin,
    /// The key, if it is about one.
    pub key: Option<String>,
    /// What is wrong and what to do, for a person.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.origin, self.message, self.code.as_str())
    }
}

/// Everything that is wrong, in the order found: by source, then by key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, at least one when this is returned as an error.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    pub(super) fn add(&mut self, code: ProblemCode, origin: &Origin, key: Option<&str>, message: String) {
        let (origin, key) = (origin.clone(), key.map(str::to_owned));
        self.0.push(Problem { code, origin, key, message });
    }

    /// `value` when nothing is wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}
