//! The environment of an attempt: clean, built from nothing.
//!
//! It holds what the job names, three defaults that the job may replace, and the reserved variables, which it may
//! not. Nothing of the node's own environment passes, so none of its `QUORLA*` settings or secrets can.

use std::path::Path;

use super::spec::Identity;

/// `PATH` of an attempt whose job names none.
pub const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// `LANG` of an attempt whose job names none.
pub const LANG_DEFAULT: &str = "C.UTF-8";
/// The variable by which the warden recognises a descendant that left its session.
pub(super) const FENCE: &str = "QUORLA_FENCE";
/// Variables that only the agent sets; a job's own value for one of them is dropped.
pub const RESERVED: [&str; 6] =
    ["QUORLA_JOB_ID", "QUORLA_ATTEMPT", FENCE, "QUORLA_ARRAY_INDEX", "QUORLA_DEADLINE", "QUORLA_NODE"];

/// `NAME=value` for every variable, each name once. `HOME` defaults to the working directory, so that what a
/// program writes there goes where its other files go.
pub(super) fn environment(identity: &Identity, named: &[(String, String)], directory: &Path) -> Vec<Vec<u8>> {
    let mut variables: Vec<Vec<u8>> = identity_variables(identity);
    for (position, (name, value)) in named.iter().enumerate() {
        let named_again = named[position + 1..].iter().any(|(later, _)| later == name);
        if !named_again && !RESERVED.contains(&name.as_str()) {
            variables.push(variable(name, value.as_bytes()));
        }
    }
    let home = std::os::unix::ffi::OsStrExt::as_bytes(directory.as_os_str());
    for (name, value) in [("PATH", PATH_DEFAULT.as_bytes()), ("HOME", home), ("LANG", LANG_DEFAULT.as_bytes())] {
        if !named.iter().any(|(given, _)| given == name) {
            variables.push(variable(name, value));
        }
    }
    variables
}

fn identity_variables(identity: &Identity) -> Vec<Vec<u8>> {
    let optional = |name, value: Option<u64>| value.map(|value| variable(name, value.to_string().as_bytes()));
    let mut variables = vec![
        variable("QUORLA_JOB_ID", identity.job_id.as_bytes()),
        variable("QUORLA_ATTEMPT", identity.attempt.to_string().as_bytes()),
        variable(FENCE, identity.fence.to_string().as_bytes()),
        variable("QUORLA_NODE", identity.node.as_bytes()),
    ];
    variables.extend(optional("QUORLA_ARRAY_INDEX", identity.array_index));
    variables.extend(optional("QUORLA_DEADLINE", identity.deadline_unix_ms));
    variables
}

fn variable(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"=", value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(named: &[(&str, &str)], present: &[&str], absent: &[&str]) {
        let identity = Identity {
            job_id: "j".into(),
            attempt: 1,
            fence: 7,
            array_index: None,
            deadline_unix_ms: None,
            node: "n".into(),
        };
        let named: Vec<_> = named.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let built = environment(&identity, &named, Path::new("/work"));
        let lines: Vec<String> = built.into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
        for wanted in present {
            assert_eq!(lines.iter().filter(|line| line == wanted).count(), 1, "{wanted} in {lines:?}");
        }
        for unwanted in absent {
            assert!(!lines.iter().any(|line| line.starts_with(unwanted)), "{unwanted} in {lines:?}");
        }
    }

    #[test]
    fn reserved_variables_win_and_defaults_yield() {
        check(&[], &["HOME=/work", "LANG=C.UTF-8", "QUORLA_FENCE=7"], &["QUORLA_ARRAY_INDEX", "QUORLA_DEADLINE"]);
        check(&[("QUORLA_FENCE", "9"), ("QUORLA_ARRAY_INDEX", "1")], &["QUORLA_FENCE=7"], &["QUORLA_ARRAY_INDEX"]);
        check(&[("HOME", "/x"), ("A", "1"), ("A", "2")], &["HOME=/x", "A=2"], &["A=1", "HOME=/work"]);
    }
}
