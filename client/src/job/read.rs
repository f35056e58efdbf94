//! Reading a job request from JSON, with the nearest known field for one that is misspelt.

use super::JobRequest;
use crate::suggest::nearest_field;

/// JSON that is no job request. The message says where, why and, for an unknown field, what was probably meant.
#[derive(Debug, thiserror::Error)]
pub enum ReadJobError {
    /// A field that does not exist; nothing was submitted.
    #[error("read a job from JSON: {reason}{}", suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownField {
        /// What the reader says, with line and column.
        reason: String,
        /// The nearest known field.
        suggestion: Option<String>,
    },
    /// JSON that is broken, or a value of the wrong kind.
    #[error("read a job from JSON: {0}")]
    Malformed(#[source] serde_json::Error),
}

impl JobRequest {
    /// Reads a job from JSON. Unknown fields are refused, with the nearest known one in the message.
    ///
    /// # Errors
    /// [`ReadJobError`] when the text is not a job.
    pub fn from_json(text: &str) -> Result<Self, ReadJobError> {
        serde_json::from_str(text).map_err(|error| {
            let reason = error.to_string();
            match reason.contains("unknown field") {
                true => ReadJobError::UnknownField {
                    suggestion: nearest_field(&reason),
                    reason,
                },
                false => ReadJobError::Malformed(error),
            }
        })
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
            (
                r#"{"command": ["true"], "resources": {"slot": 3}}"#,
                "slots",
            ),
            (
                r#"{"command": ["true"], "retry": {"max_attempts": 3}}"#,
                "attempts_max",
            ),
        ];
        for (json, expected) in rows {
            let message = JobRequest::from_json(json).unwrap_err().to_string();
            assert!(message.contains("unknown field"), "{message}");
            assert!(
                message.contains(&format!("did you mean `{expected}`")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_job_without_a_command_is_refused() {
        let message = JobRequest::from_json("{}").unwrap_err().to_string();
        assert!(message.contains("missing field `command`"), "{message}");
    }

    #[test]
    fn a_request_survives_json() {
        let mut job = JobRequest::new(["cat"])
            .stdin(vec![0xff])
            .env("A", "b")
            .idempotency_key("k");
        job.constraints = vec![
            "zone in (a, b)".parse().unwrap(),
            "gpu exists".parse().unwrap(),
        ];
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(JobRequest::from_json(&json).unwrap(), job);
    }
}
