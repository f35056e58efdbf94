//! Reading a job request from JSON, with the nearest known field for one that is misspelt.

use std::fmt;

use serde_json::error::Category;

use super::JobRequest;
use crate::suggest::nearest_field;

/// JSON that is no job request. The message says where, which field, why and, for a misspelt one, what was probably meant.
#[derive(Debug, thiserror::Error)]
pub enum ReadJobError {
    /// A field that does not exist; nothing was submitted.
    #[error("read a job from JSON: {place}: {}", unknown(field, known, suggestion.as_deref()))]
    UnknownField {
        /// Where.
        place: Place,
        /// Its name.
        field: String,
        /// Those that there are in its place.
        known: Vec<String>,
        /// The nearest of them.
        suggestion: Option<String>,
    },
    /// JSON that is broken, or a value of the wrong kind.
    #[error("read a job from JSON: {place}: {reason}")]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong, with the field where there is one, and what is right.
        reason: String,
    },
}

impl ReadJobError {
    /// The message without what was attempted: where and why.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::UnknownField { place, field, known, suggestion } => {
                format!("{place}: {}", unknown(field, known, suggestion.as_deref()))
            }
            Self::Malformed { place, reason } => format!("{place}: {reason}"),
        }
    }
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column in bytes.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The nearest field where there is one, all of them where nothing is near.
fn unknown(field: &str, known: &[String], suggestion: Option<&str>) -> String {
    match suggestion {
        Some(nearest) => format!("unknown field `{field}`; did you mean `{nearest}`?"),
        None => format!("unknown field `{field}`; there are {}", known.join(", ")),
    }
}

impl JobRequest {
    /// Reads a job from JSON. Unknown fields are refused, with the nearest known one in the message.
    ///
    /// # Errors
    /// [`ReadJobError`] when the text is not a job.
    pub fn from_json(text: &str) -> Result<Self, ReadJobError> {
        Self::from_json_after(0, text)
    }

    /// As [`JobRequest::from_json`], for text that so many lines precede, so that errors tell the line of the whole.
    ///
    /// # Errors
    /// [`ReadJobError`] when the text is not a job.
    pub fn from_json_after(lines_before: usize, text: &str) -> Result<Self, ReadJobError> {
        // serde would read a list as the fields in their order, and complain about its first element.
        if text.trim_start().starts_with('[') {
            let place = Place { line: lines_before + 1, column: 1 };
            let reason = "a job is an object, not a list: {\"command\": [\"true\"]}".to_owned();
            return Err(ReadJobError::Malformed { place, reason });
        }
        serde_json::from_str(text).map_err(|error| refuse(lines_before, text, &error))
    }
}

fn refuse(lines_before: usize, text: &str, error: &serde_json::Error) -> ReadJobError {
    let place = Place { line: lines_before + error.line(), column: error.column() };
    let told = error.to_string();
    let at = format!(" at line {} column {}", error.line(), error.column());
    let told = told.strip_suffix(&at).unwrap_or(&told);
    if told.starts_with("unknown field") {
        let mut names = told.split('`').skip(1).step_by(2).map(str::to_owned);
        let field = names.next().unwrap_or_default();
        return ReadJobError::UnknownField { place, field, known: names.collect(), suggestion: nearest_field(told) };
    }
    let reason = match error.classify() {
        Category::Data => wrong_value(told, text),
        Category::Eof => {
            "the JSON ends in the middle: close what is open, or put all of the job on its line".to_owned()
        }
        Category::Syntax | Category::Io => format!("this is not JSON: {told}"),
    };
    ReadJobError::Malformed { place, reason }
}

/// Which field has a value of the wrong kind, and what it takes.
fn wrong_value(told: &str, text: &str) -> String {
    if let Some(field) = told.strip_prefix("missing field ") {
        let like = if field == "`command`" { ": a list of words, for example [\"true\"]" } else { "" };
        return format!("the field {field} is missing{like}");
    }
    let of_field = wrong_field(text).map_or_else(String::new, |field| format!("the field `{field}`: "));
    match told.rsplit_once(", expected ") {
        Some((found, expected)) => {
            let found = found.split_once(": ").map_or(found, |(_, found)| found);
            format!("{of_field}{} can't stand there; write {}", plain(found), wanted(expected))
        }
        None => format!("{of_field}{told}"),
    }
}

/// The first field that makes no job even beside a command alone.
fn wrong_field(text: &str) -> Option<String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let is_wrong = |(name, value): &(String, serde_json::Value)| {
        let mut alone = serde_json::Map::from_iter([("command".to_owned(), serde_json::json!(["true"]))]);
        alone.insert(name.clone(), value.clone());
        serde_json::from_value::<JobRequest>(alone.into()).is_err()
    };
    fields.into_iter().find(is_wrong).map(|(name, _)| name)
}

/// What was found, in the words of JSON.
fn plain(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        other => other.replace("floating point", "number").replace("integer", "number"),
    }
}

/// What a field takes, in the words of JSON and not of the program.
fn wanted(expected: &str) -> String {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number that is not negative",
        "a string" => "a text in quotes",
        "a sequence" => "a list: [...]",
        "a map" => "an object: {...}",
        other if other.starts_with("struct ") => "an object: {...}",
        other => other,
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::JobRequest;

    #[test]
    fn a_command_alone_is_a_job_with_every_default() {
        let job = JobRequest::from_json(r#"{"command": ["true"]}"#).unwrap();
        assert_eq!(job, JobRequest::new(["true"]));
    }

    #[test]
    fn a_misspelt_field_is_refused_with_the_nearest_one() {
        let rows = [
            (r#"{"command": ["true"], "prioritty": 3}"#, "priority"),
            (r#"{"command": ["true"], "resources": {"slot": 3}}"#, "slots"),
            (r#"{"command": ["true"], "retry": {"max_attempts": 3}}"#, "attempts_max"),
        ];
        for (json, expected) in rows {
            let message = JobRequest::from_json(json).unwrap_err().to_string();
            assert!(message.contains("unknown field `"), "{message}");
            assert!(message.contains(&format!("did you mean `{expected}`")), "{message}");
        }
    }

    #[test]
    fn a_job_without_a_command_is_refused() {
        let message = JobRequest::from_json("{}").unwrap_err().to_string();
        assert!(message.contains("the field `command` is missing: a list of words"), "{message}");
    }

    #[test]
    fn an_error_tells_the_line_of_the_whole_and_its_column_once() {
        let rows = [
            (
                r#"{"command": ["true"], "prioritty": 3}"#,
                "line 7, column 33: unknown field `prioritty`; did you mean `priority`?",
            ),
            (r#"["true"]"#, "line 7, column 1: a job is an object, not a list"),
            ("{\n\"priority\": 300}", "line 8, column 15: the field `priority`: number `300` can't stand there; "),
        ];
        for (json, expected) in rows {
            let message = JobRequest::from_json_after(6, json).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains(" at line"), "{message}");
        }
    }

    #[test]
    fn a_wrong_value_is_told_with_its_field_and_what_it_takes() {
        let rows = [
            (r#"{"command": "true"}"#, "the field `command`: string \"true\" can't stand there; write a list: [...]"),
            (
                r#"{"command": ["true"], "priority": 1.5}"#,
                "the field `priority`: number `1.5` can't stand there; write a whole",
            ),
            (
                r#"{"command": ["true"], "env": []}"#,
                "the field `env`: a list can't stand there; write an object: {...}",
            ),
            (r#"{"command": ["true"], "retry": {"attempts_max": "3"}}"#, "the field `retry`: string \"3\" can't"),
            (r#"{"command": ["true"]"#, "the JSON ends in the middle"),
            (r#"{"command": ["true"],}"#, "this is not JSON: "),
            (r#"{"command": ["true"], "zzz": 1}"#, "unknown field `zzz`; there are command, name, queue, "),
        ];
        for (json, expected) in rows {
            let message = JobRequest::from_json(json).unwrap_err().told();
            assert!(message.starts_with("line 1, column ") && message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_request_survives_json() {
        let mut job = JobRequest::new(["cat"]).stdin(vec![0xff]).env("A", "b").idempotency_key("k");
        job.constraints = vec!["zone in (a, b)".parse().unwrap(), "gpu exists".parse().unwrap()];
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(JobRequest::from_json(&json).unwrap(), job);
    }
}
