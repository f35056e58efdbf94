//! Words that have no place in the tree: what is left undone, left over from debugging, or hides where names come from.

use super::findings::Finding;
use super::source::Source;
use super::tokens::Token;

/// Token sequences, and what to do instead.
const BANNED: &[(&[&str], &str)] = &[
    (&["todo", "!"], "finish it, or leave it out and say so"),
    (&["unimplemented", "!"], "finish it, or leave it out and say so"),
    (&["dbg", "!"], "log a decision, or assert"),
    (&["#", "[", "ignore"], "a test runs or does not exist"),
    (&["allow", "(", "warnings"], "name the lint and the reason"),
    (&["allow", "(", "dead_code"], "delete what nobody calls"),
];

/// The one file of the harness that may wait in small steps until something observable holds.
const PATIENCE: &str = "tests/src/eventually.rs";

/// Of a thread and of a task.
const SLEEPS: &[&[&str]] = &[&["thread", "::", "sleep"], &["time", "::", "sleep"]];

/// Nothing undone, left over or switched off.
pub(super) fn no_word_is_banned(source: &Source) -> Vec<Finding> {
    let found = |(pattern, instead): &(&[&str], &str)| -> Vec<Finding> {
        let what = format!("`{}`: {instead}", pattern.concat());
        source.find(pattern).into_iter().map(|index| source.finding("banned-word", index, what.clone())).collect()
    };
    BANNED.iter().flat_map(found).collect()
}

/// An import says what it brings. Tests at the end of a file may take all of that file, which the reader has before them.
pub(super) fn imports_are_named(source: &Source) -> Vec<Finding> {
    let takes_own_file =
        |import: &[Token]| import[0].in_tests && import.iter().map(|token| &token.text).eq(["super", "::", "*"]);
    let is_glob = |import: &[Token]| import.iter().any(|token| token.text == "*") && !takes_own_file(import);
    let globs = source.imports().into_iter().filter(|(_, import)| is_glob(import));
    globs
        .map(|(index, _)| {
            source.finding("glob-import", index, "import by name, so that a reader sees where it is from")
        })
        .collect()
}

/// A test waits for what it can observe; only one file of the harness sleeps between two looks.
pub(super) fn tests_do_not_sleep(source: &Source) -> Vec<Finding> {
    if source.path == PATIENCE {
        return Vec::new();
    }
    let sleeps = SLEEPS.iter().flat_map(|sleep| source.find(sleep)).filter(|&index| source.tokens[index].in_tests);
    sleeps
        .map(|index| {
            source.finding("sleep", index, format!("a sleep synchronises nothing: wait for a condition ({PATIENCE})"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{imports_are_named, no_word_is_banned, tests_do_not_sleep};
    use crate::tidy::source::Source;

    fn source(text: &str) -> Source {
        Source::parse("a/src/a.rs", text)
    }

    #[test]
    fn banned_words_are_found() {
        for text in [
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"later\") }",
            "fn f() { dbg!(1); }",
            "#[test]\n#[ignore = \"slow\"]\nfn f() {}",
            "#[allow(dead_code)] fn f() {}",
        ] {
            assert_eq!(no_word_is_banned(&source(text)).len(), 1, "{text}");
        }
        assert!(no_word_is_banned(&source("/// Never `todo!()`.\nfn f() { g(\"dbg!\") }")).is_empty());
    }

    #[test]
    fn glob_imports_are_found() {
        for text in ["use a::*;", "fn f() { use super::{b, c::*}; }", "pub use a::b::*;"] {
            assert_eq!(imports_are_named(&source(text)).len(), 1, "{text}");
        }
        assert!(imports_are_named(&source("use a::{b, c}; fn f() { d * e }")).is_empty());
    }

    #[test]
    fn tests_may_take_all_of_their_own_file() {
        let found = |text| imports_are_named(&source(text)).len();
        assert_eq!(found("#[cfg(test)] mod tests { use super::*; }"), 0);
        assert_eq!(found("#[cfg(test)] mod tests { use super::super::*; use proptest::prelude::*; }"), 2);
        assert_eq!(found("mod inner { use super::*; }"), 1);
    }

    #[test]
    fn sleeping_tests_are_found() {
        for text in ["fn f() { std::thread::sleep(d) }", "async fn f() { tokio::time::sleep(d).await }"] {
            assert_eq!(tests_do_not_sleep(&Source::parse("tests/cluster/leader.rs", text)).len(), 1, "{text}");
            assert!(tests_do_not_sleep(&source(text)).is_empty(), "{text}");
        }
    }
}
