//! The bounds of a job request, each refused with its name. The first one exceeded is told.

use super::{Backoff, Constraint, JobRequest, LabelRule};
use crate::limits::{
    ATTEMPTS_MAX, COMMAND_BYTES_MAX, COMMAND_WORDS_MAX, CONSTRAINT_BYTES_MAX, CONSTRAINT_VALUES_MAX, CONSTRAINTS_MAX,
    CPU_LIMIT_MILLI_MAX, CPU_LIMIT_MILLI_MIN, ENV_BYTES_MAX, ENV_COUNT_MAX, IDEMPOTENCY_KEY_BYTES_MAX,
    JITTER_PERCENT_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX, LIMIT_BYTES_MAX,
    MEMORY_LIMIT_BYTES_MIN, NAME_BYTES_MAX, OPEN_FILES_LIMIT_MAX, OPEN_FILES_LIMIT_MIN, OUTPUT_TAIL_BYTES_MAX,
    PRIORITY_MAX, PROCESSES_LIMIT_MAX, QUEUE_BYTES_MAX, RETRYABLE_EXIT_CODES_MAX, SLOTS_MAX, SPAN_MS_MAX,
    STDIN_BYTES_MAX, USER_BYTES_MAX, WORKING_DIRECTORY_BYTES_MAX,
};
use crate::refusal::{ErrorBody, ErrorCode};

/// Variables that begin so are set by the node that runs the job, and by nobody else.
const RESERVED_PREFIX: &str = "QUORLA";
/// What a name is made of, beside letters and digits.
const NAME_MARKS: &str = "._-/: ";

type Checked = Result<(), ErrorBody>;

impl JobRequest {
    /// Checks every bound that needs no server.
    ///
    /// # Errors
    /// The refusal that the server would give: `invalid_request` or `limit_exceeded`.
    pub fn check(&self) -> Checked {
        self.check_command()?;
        self.check_names()?;
        self.check_env()?;
        self.check_labels()?;
        self.check_demand()?;
        self.check_limits()?;
        self.check_policy()?;
        at_most("stdin bytes", self.stdin.len(), STDIN_BYTES_MAX)?;
        at_most_u64("kill_grace_ms", self.kill_grace_ms, SPAN_MS_MAX)?;
        at_most_u64("output_tail_bytes", self.output_tail_bytes.into(), OUTPUT_TAIL_BYTES_MAX.into())
    }

    fn check_command(&self) -> Checked {
        if self.command.first().is_none_or(String::is_empty) {
            return Err(invalid("the command is empty", "Name a program, for example: \"command\": [\"true\"]"));
        }
        at_most("command words", self.command.len(), COMMAND_WORDS_MAX)?;
        at_most("command bytes", self.command.iter().map(|word| word.len() + 1).sum(), COMMAND_BYTES_MAX)?;
        self.command.iter().try_for_each(|word| without_nul("command", word))
    }

    fn check_names(&self) -> Checked {
        if let Some(name) = &self.name {
            at_most("name bytes", name.len(), NAME_BYTES_MAX)?;
            check_name("name", name)?;
        }
        at_most("queue bytes", self.queue.len(), QUEUE_BYTES_MAX)?;
        check_name("queue", &self.queue)?;
        if let Some(directory) = &self.working_directory {
            at_most("working_directory bytes", directory.len(), WORKING_DIRECTORY_BYTES_MAX)?;
            without_nul("working_directory", directory)?;
            if !directory.starts_with('/') {
                return Err(invalid("the working directory is not an absolute path", "Begin it with a slash."));
            }
        }
        let key_bytes = self.idempotency_key.as_deref().map_or(0, str::len);
        at_most("idempotency_key bytes", key_bytes, IDEMPOTENCY_KEY_BYTES_MAX)
    }

    fn check_env(&self) -> Checked {
        at_most("env variables", self.env.len(), ENV_COUNT_MAX)?;
        let bytes = |(name, value): (&String, &String)| name.len() + value.len() + 2;
        at_most("env bytes", self.env.iter().map(bytes).sum(), ENV_BYTES_MAX)?;
        for (name, value) in &self.env {
            check_key("the environment variable", name)?;
            without_nul("env", value)?;
            if name.starts_with(RESERVED_PREFIX) {
                let message = format!("the environment variable {name} is set by Quorla alone");
                return Err(invalid(message, "Use a name that does not begin with QUORLA."));
            }
        }
        Ok(())
    }

    fn check_labels(&self) -> Checked {
        at_most("labels", self.labels.len(), LABELS_MAX)?;
        for (name, value) in &self.labels {
            check_label_name(name)?;
            without_nul("labels", value)?;
            at_most("label value bytes", value.len(), LABEL_VALUE_BYTES_MAX)?;
        }
        Ok(())
    }

    fn check_demand(&self) -> Checked {
        at_most_u64("resources.slots", self.resources.slots.into(), SLOTS_MAX.into())?;
        if self.resources.slots == 0 {
            return Err(invalid("resources.slots is 0", "A job occupies at least one slot."));
        }
        let implied = self.limits.constraints() + usize::from(self.run_as.is_some());
        at_most("constraints, with those that limits imply", self.constraints.len() + implied, CONSTRAINTS_MAX)?;
        self.constraints.iter().try_for_each(check_constraint)?;
        at_most("constraint bytes", self.constraints.iter().map(constraint_bytes).sum(), CONSTRAINT_BYTES_MAX)
    }

    fn check_limits(&self) -> Checked {
        let limits = &self.limits;
        for (name, value, least, most) in [
            ("limits.cpu_milli", limits.cpu_milli.map(u64::from), CPU_LIMIT_MILLI_MIN, CPU_LIMIT_MILLI_MAX),
            ("limits.memory_bytes", limits.memory_bytes, MEMORY_LIMIT_BYTES_MIN, LIMIT_BYTES_MAX),
            ("limits.processes", limits.processes.map(u64::from), 1, PROCESSES_LIMIT_MAX),
            ("limits.open_files", limits.open_files.map(u64::from), OPEN_FILES_LIMIT_MIN, OPEN_FILES_LIMIT_MAX),
            ("limits.file_bytes", limits.file_bytes, 0, LIMIT_BYTES_MAX),
            ("limits.core_bytes", limits.core_bytes, 0, LIMIT_BYTES_MAX),
        ] {
            at_most_u64(name, value.unwrap_or(0), most)?;
            if let Some(value) = value.filter(|value| *value < least) {
                let message = format!("submit a job: {name} is {value}, the least is {least}");
                return Err(ErrorBody::new(ErrorCode::LimitExceeded, message).hint(format!("Raise {name} to {least}.")));
            }
        }
        let Some(user) = &self.run_as else {
            return Ok(());
        };
        at_most("run_as bytes", user.len(), USER_BYTES_MAX)?;
        without_nul("run_as", user)?;
        match user.is_empty() {
            true => Err(invalid("run_as is empty", "Name a user of the node, or uid:gid.")),
            false => Ok(()),
        }
    }

    fn check_policy(&self) -> Checked {
        at_most_u64("priority", self.priority.into(), PRIORITY_MAX.into())?;
        at_most_u64("retry.attempts_max", self.retry.attempts_max.into(), ATTEMPTS_MAX.into())?;
        if self.retry.attempts_max == 0 {
            return Err(invalid("retry.attempts_max is 0", "A job has at least one attempt."));
        }
        at_most_u64("retry.jitter_percent", self.retry.jitter_percent.into(), JITTER_PERCENT_MAX.into())?;
        at_most("retry.retryable_exit_codes", self.retry.retryable_exit_codes.len(), RETRYABLE_EXIT_CODES_MAX)?;
        match self.retry.backoff {
            Backoff::Fixed { delay_ms } => at_most_u64("retry.backoff.delay_ms", delay_ms, SPAN_MS_MAX)?,
            Backoff::Exponential { base_ms, delay_ms_max } => {
                at_most_u64("retry.backoff.base_ms", base_ms, SPAN_MS_MAX)?;
                at_most_u64("retry.backoff.delay_ms_max", delay_ms_max, SPAN_MS_MAX)?;
            }
        }
        let timeouts = [
            ("timeouts.queue_ms", self.timeouts.queue_ms),
            ("timeouts.attempt_ms", self.timeouts.attempt_ms),
            ("timeouts.job_ms", self.timeouts.job_ms),
        ];
        timeouts.into_iter().try_for_each(|(name, ms)| at_most_u64(name, ms.unwrap_or(0), SPAN_MS_MAX))
    }
}

fn check_name(what: &str, name: &str) -> Checked {
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || NAME_MARKS.contains(c)) {
        let hint = "A name is not empty and is made of letters, digits, blanks and . _ - / :";
        return Err(invalid(format!("the {what} {name:?} is no name"), hint));
    }
    Ok(())
}

/// Of labels and variables.
fn check_key(what: &str, key: &str) -> Checked {
    if key.is_empty() || key.contains(['=', '\0']) {
        return Err(invalid(format!("{what} {key:?} has no valid name"), "A name is not empty and holds no `=`."));
    }
    Ok(())
}

fn check_label_name(name: &str) -> Checked {
    check_key("the label", name)?;
    at_most("label name bytes", name.len(), LABEL_NAME_BYTES_MAX)
}

fn check_constraint(constraint: &Constraint) -> Checked {
    check_label_name(&constraint.label)?;
    let values = values(constraint);
    at_most("constraint values", values.len(), CONSTRAINT_VALUES_MAX)?;
    values.iter().try_for_each(|value| at_most("constraint value bytes", value.len(), LABEL_VALUE_BYTES_MAX))
}

fn constraint_bytes(constraint: &Constraint) -> usize {
    constraint.label.len() + values(constraint).iter().map(String::len).sum::<usize>()
}

fn values(constraint: &Constraint) -> &[String] {
    match &constraint.rule {
        LabelRule::Exists => &[],
        LabelRule::Equals(value) | LabelRule::NotEquals(value) => std::slice::from_ref(value),
        LabelRule::In(values) => values,
    }
}

fn without_nul(what: &str, text: &str) -> Checked {
    if text.contains('\0') {
        return Err(invalid(format!("{what} holds a NUL byte"), "No program can be given one."));
    }
    Ok(())
}

fn at_most(name: &str, actual: usize, bound: usize) -> Checked {
    let widen = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    at_most_u64(name, widen(actual), widen(bound))
}

fn at_most_u64(name: &str, actual: u64, bound: u64) -> Checked {
    if actual <= bound {
        return Ok(());
    }
    let message = format!("submit a job: {name} is {actual}, the bound is {bound}");
    Err(ErrorBody::new(ErrorCode::LimitExceeded, message).hint(format!("Bring {name} down to {bound}.")))
}

fn invalid(message: impl std::fmt::Display, hint: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, format!("submit a job: {message}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::{
        ATTEMPTS_MAX, COMMAND_WORDS_MAX, ErrorCode, IDEMPOTENCY_KEY_BYTES_MAX, JobRequest, LABELS_MAX,
        OUTPUT_TAIL_BYTES_MAX, SLOTS_MAX, STDIN_BYTES_MAX,
    };

    fn check(code: ErrorCode, named: &str, change: impl FnOnce(&mut JobRequest)) {
        let mut job = JobRequest::new(["true"]);
        change(&mut job);
        let refusal = job.check().unwrap_err();
        assert_eq!(refusal.code, code, "{named}");
        assert!(refusal.message.contains(named), "{} does not name {named}", refusal.message);
    }

    #[test]
    fn what_exceeds_a_bound_is_refused_with_its_name() {
        let limit = ErrorCode::LimitExceeded;
        check(limit, "stdin bytes", |job| job.stdin = vec![0; STDIN_BYTES_MAX + 1].into());
        check(limit, "labels", |job| job.labels = (0..=LABELS_MAX).map(|n| (n.to_string(), String::new())).collect());
        check(limit, "command words", |job| job.command = vec!["a".into(); COMMAND_WORDS_MAX + 1]);
        check(limit, "resources.slots", |job| job.resources.slots = SLOTS_MAX + 1);
        check(limit, "priority", |job| job.priority = 101);
        check(limit, "retry.attempts_max", |job| job.retry.attempts_max = ATTEMPTS_MAX + 1);
        check(limit, "output_tail_bytes", |job| job.output_tail_bytes = OUTPUT_TAIL_BYTES_MAX + 1);
        check(limit, "idempotency_key", |job| job.idempotency_key = Some("k".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1)));
        check(limit, "limits.memory_bytes", |job| job.limits.memory_bytes = Some(4_096));
        check(limit, "limits.cpu_milli", |job| job.limits.cpu_milli = Some(9));
        check(limit, "limits.open_files", |job| job.limits.open_files = Some(u32::MAX));
        check(limit, "limits imply", |job| {
            job.limits.processes = Some(1);
            job.constraints = vec!["a exists".parse().unwrap(); 16];
        });
        check(limit, "run_as bytes", |job| job.run_as = Some("u".repeat(65)));
        check(limit, "timeouts.job_ms", |job| job.timeouts.job_ms = Some(u64::MAX));
    }

    #[test]
    fn what_can_never_run_is_refused() {
        let invalid = ErrorCode::InvalidRequest;
        check(invalid, "command", |job| job.command.clear());
        check(invalid, "NUL", |job| job.command.push("a\0b".into()));
        check(invalid, "working directory", |job| job.working_directory = Some("here".into()));
        check(invalid, "attempts_max", |job| job.retry.attempts_max = 0);
        check(invalid, "\"A=B\"", |job| drop(job.env.insert("A=B".into(), "c".into())));
        check(invalid, "QUORLA_NODE", |job| drop(job.env.insert("QUORLA_NODE".into(), "n1".into())));
        check(invalid, "\"a=b\"", |job| drop(job.labels.insert("a=b".into(), String::new())));
        check(invalid, "resources.slots", |job| job.resources.slots = 0);
        check(invalid, "run_as", |job| job.run_as = Some(String::new()));
        check(invalid, "name \"a;b\"", |job| job.name = Some("a;b".into()));
        check(invalid, "queue \"\"", |job| job.queue.clear());
    }

    #[test]
    fn a_plain_job_is_within_every_bound() {
        assert_eq!(JobRequest::new(["true"]).name("two words").queue("a queue").check(), Ok(()));
    }
}
