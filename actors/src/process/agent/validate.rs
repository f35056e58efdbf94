//! What a spec must keep before anything is started for it; each refusal names its bound.

use rustix::process::Signal;
use thiserror::Error;

use crate::process::spec::{COMMAND_BYTES_MAX, ProcessSpec, STDIN_BYTES_MAX, TAIL_BYTES_MAX, WorkingDirectory};

/// Why a spec, or a kill, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpecRefusal {
    /// Program, arguments, environment and directory are too large together.
    #[error("the command has {bytes} bytes, more than the {COMMAND_BYTES_MAX} allowed")]
    CommandIsTooLarge {
        /// Its size, with 8 bytes for each string.
        bytes: usize,
    },
    /// The standard input is too large.
    #[error("the standard input has {bytes} bytes, more than the {STDIN_BYTES_MAX} allowed")]
    StdinIsTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// More output is to be kept than is allowed.
    #[error("a tail of {bytes} bytes is asked for, more than the {TAIL_BYTES_MAX} allowed")]
    TailIsTooLarge {
        /// What was asked for.
        bytes: u32,
    },
    /// A string holds a NUL byte, which no program can be given.
    #[error("the command holds a NUL byte")]
    CommandHoldsNul,
    /// A variable's name is empty or holds `=`.
    #[error("{0:?} is no name of an environment variable")]
    VariableNameIsInvalid(String),
    /// The named working directory is a relative path.
    #[error("the working directory {0:?} is not an absolute path")]
    DirectoryIsRelative(std::path::PathBuf),
    /// The system knows no such signal.
    #[error("there is no signal {0}")]
    SignalIsUnknown(i32),
    /// An attempt with this fence is running.
    #[error("an attempt with the fence {0} is running")]
    FenceIsInUse(u64),
    /// A limit is demanded that this node can't enforce.
    #[error("this node cannot limit the {limit} of a job: {why}")]
    LimitIsUnsupported {
        /// What is to be limited.
        limit: &'static str,
        /// What is missing.
        why: String,
    },
    /// The node may not run attempts as other users.
    #[error("this node cannot run a job as another user: it lacks {lacking}")]
    UserCannotBeChanged {
        /// The rights of the kernel's capabilities(7).
        lacking: String,
    },
    /// There is no such user.
    #[error("run as {0:?}: this machine has no such user, and it is not of the form uid:gid")]
    UserIsUnknown(String),
    /// The node's configuration does not let it be named.
    #[error("run as {0:?}: this node's configuration does not allow this user")]
    UserIsNotAllowed(String),
    /// As many attempts as allowed are running.
    #[error("{attempts_max} attempts are running, as many as allowed")]
    TooManyAttempts {
        /// The bound.
        attempts_max: usize,
    },
}

pub(super) fn check(spec: &ProcessSpec) -> Result<(), SpecRefusal> {
    let names = spec.environment.iter().map(|(name, _)| name);
    if let Some(name) = names.clone().find(|name| name.is_empty() || name.contains('=')) {
        return Err(SpecRefusal::VariableNameIsInvalid(name.clone()));
    }
    let values = spec.environment.iter().map(|(_, value)| value);
    let identity = [&spec.identity.job_id, &spec.identity.node, &spec.program];
    let strings = identity.into_iter().chain(&spec.arguments).chain(names).chain(values);
    let directory = directory_bytes(&spec.directory)?;
    let all = strings.map(String::as_bytes).chain([directory]);
    if all.clone().any(|bytes| bytes.contains(&0)) {
        return Err(SpecRefusal::CommandHoldsNul);
    }
    let bytes = all.map(|bytes| bytes.len() + 8).sum();
    match spec {
        _ if bytes > COMMAND_BYTES_MAX => Err(SpecRefusal::CommandIsTooLarge { bytes }),
        _ if spec.stdin.len() > STDIN_BYTES_MAX => Err(SpecRefusal::StdinIsTooLarge { bytes: spec.stdin.len() }),
        _ if spec.tail_bytes_max > TAIL_BYTES_MAX => Err(SpecRefusal::TailIsTooLarge { bytes: spec.tail_bytes_max }),
        _ => Ok(()),
    }
}

fn directory_bytes(directory: &WorkingDirectory) -> Result<&[u8], SpecRefusal> {
    match directory {
        WorkingDirectory::Fresh => Ok(&[]),
        WorkingDirectory::Named(path) if path.is_relative() => Err(SpecRefusal::DirectoryIsRelative(path.clone())),
        WorkingDirectory::Named(path) => Ok(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())),
    }
}

pub(super) fn signal(raw: i32) -> Result<i32, SpecRefusal> {
    Signal::from_named_raw(raw).map(|_| raw).ok_or(SpecRefusal::SignalIsUnknown(raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::spec::Identity;

    fn check_refused(expected: &SpecRefusal, change: impl FnOnce(&mut ProcessSpec)) {
        let identity = Identity {
            job_id: "j".into(),
            attempt: 1,
            fence: 1,
            array_index: None,
            deadline_unix_ms: None,
            node: "n".into(),
        };
        let mut spec = ProcessSpec::new(identity, "true");
        assert_eq!(check(&spec), Ok(()));
        change(&mut spec);
        assert_eq!(check(&spec).as_ref(), Err(expected));
    }

    #[test]
    fn each_bound_is_refused_by_name() {
        check_refused(&SpecRefusal::CommandHoldsNul, |spec| spec.arguments.push("a\0b".into()));
        check_refused(&SpecRefusal::VariableNameIsInvalid("A=".into()), |spec| {
            spec.environment.push(("A=".into(), String::new()));
        });
        check_refused(&SpecRefusal::DirectoryIsRelative("x".into()), |spec| {
            spec.directory = WorkingDirectory::Named("x".into());
        });
        check_refused(&SpecRefusal::TailIsTooLarge { bytes: 65_537 }, |spec| spec.tail_bytes_max = 65_537);
        check_refused(&SpecRefusal::StdinIsTooLarge { bytes: 1_048_577 }, |spec| spec.stdin = vec![0; 1_048_577]);
        let bytes = COMMAND_BYTES_MAX + 5 * 8 + 6;
        check_refused(&SpecRefusal::CommandIsTooLarge { bytes }, |spec| {
            spec.arguments.push("x".repeat(COMMAND_BYTES_MAX));
        });
        assert_eq!(signal(0), Err(SpecRefusal::SignalIsUnknown(0)));
        assert_eq!(signal(15), Ok(15));
    }
}
