//! Tests that a machine can't run: said at the end of `make tests`, and red where the machine is expected to be able.
//!
//! `QUORLA_TESTS_EXPECT=cgroup,root,namespaces` names what must be there; a test that lacks one of them then fails instead
//! of leaving its claim out. `QUORLA_TESTS_LEFT_OUT` names a file that gets a line for each one left out. The process
//! tests of `actors`, which lie below this package, have this file as a module of their own.

use std::fs::OpenOptions;
use std::io::Write as _;

/// What a test may need of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A cgroup that this user may make others in: root, or delegated.
    Cgroup,
    /// To become other users: root, or the capabilities for it.
    Root,
    /// To mount or to number processes apart: root, or user namespaces.
    Namespaces,
}

impl Needs {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Root => "root",
            Self::Namespaces => "namespaces",
        }
    }
}

/// Notes that the test that calls this leaves its claim out.
///
/// # Panics
/// Where the machine is expected to have what is missing, or an expectation is none that there is.
pub fn leave_out(needs: Needs, why: &str) {
    let expected = std::env::var("QUORLA_TESTS_EXPECT").unwrap_or_default();
    for name in expected.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        assert!(
            [Needs::Cgroup, Needs::Root, Needs::Namespaces].iter().any(|known| known.as_str() == name),
            "QUORLA_TESTS_EXPECT names {name:?}, which is none of cgroup, root and namespaces"
        );
        assert!(name != needs.as_str(), "{name} is expected on this machine: {why}");
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("left out: {test} needs {}: {why}\n", needs.as_str());
    print!("{line}");
    if let Some(path) = std::env::var_os("QUORLA_TESTS_LEFT_OUT") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("QUORLA_TESTS_LEFT_OUT can be written");
    }
}
