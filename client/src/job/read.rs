//! Reading a job request from JSON, with the nearest known field for one that is misspelt.

use std::fmt;

use super::JobRequest;
use crate::suggest::nearest_field;

/// JSON that is no job request. The message says where, why and, for an unknown field, what was probably meant.
#[derive(Debug, thiserror::Error)]
pub enum ReadJobError {
    /// A field that does not exist; nothing was submitted.
    #[error("read a job from JSON: {place}: {}", unknown(reason, suggestion.as_deref()))]
    UnknownField {
        /// Where.
        place: Place,
        /// What the reader says: the field, and those that are known.
        reason: String,
        /// The nearest known field.
        suggestion: Option<String>,
    },
    /// JSON that is broken, or a value of the wrong kind.
    #[error("read a job from JSON: {place}: {reason}")]
    Malformed {
        /// Where.
        place: Place,
        /// What the reader says.
        reason: String,
    },
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
fn unknown(reason: &str, suggestion: Option<&str>) -> String {
    match suggestion {
        Some(nearest) => {
            let (field, _) = reason.split_once(", expected").unwrap_or((reason, ""));
            format!("{field}; did you mean `{nearest}`?")
        }
        None => reason.to_owned(),
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
        serde_json::from_str(text).map_err(|error| refuse(lines_before, &error))
    }
}

fn refuse(lines_before: usize, error: &serde_json::Error) -> ReadJobError {
    let place = Place { line: lines_before + error.line(), column: error.column() };
    let told = error.to_string();
    let at = format!(" at line {} column {}", error.line(), error.column());
    let reason = told.strip_suffix(&at).unwrap_or(&told).to_owned();
    match reason.starts_with("unknown field") {
        true => ReadJobError::UnknownField { place, suggestion: nearest_field(&reason), reason },
        false => ReadJobError::Malformed { place, reason },
    }
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
            assert!(message.contains("unknown field"), "{message}");
            assert!(message.contains(&format!("did you mean `{expected}`")), "{message}");
        }
    }

    #[test]
    fn a_job_without_a_command_is_refused() {
        let message = JobRequest::from_json("{}").unwrap_err().to_string();
        assert!(message.contains("missing field `command`"), "{message}");
    }

    #[test]
    fn an_error_tells_the_line_of_the_whole_and_its_column_once() {
        let rows = [
            (
                r#"{"command": ["true"], "prioritty": 3}"#,
                "line 7, column 33: unknown field `prioritty`; did you mean `priority`?",
            ),
            (r#"["true"]"#, "line 7, column 1: a job is an object, not a list"),
            ("{\n\"priority\": 300}", "line 8, column 15: invalid value"),
        ];
        for (json, expected) in rows {
            let message = JobRequest::from_json_after(6, json).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains(" at line"), "{message}");
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
