//! Where the program under test is: beside the test binary, built by the same cargo call.

use std::path::PathBuf;

/// The dev binary `quorla`.
///
/// # Panics
/// When it was not built: the tests of the whole workspace build it.
pub(crate) fn quorla() -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows its own program");
    let found = tests.ancestors().skip(1).map(|directory| directory.join("quorla")).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no `quorla` beside {}: build the whole workspace", tests.display()))
}
