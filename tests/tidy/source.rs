//! A Rust file as the checkers see it: where it lies, its text, its tokens.

use super::findings::Finding;
use super::tokens::{Token, flatten, occurrences};

/// One parsed file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

impl Source {
    /// Parses the text of the file at `path`, relative to the root of the tree.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let mut tokens = flatten(path, text);
        if is_test_file(path) {
            tokens.iter_mut().for_each(|token| token.in_tests = true);
        }
        Self { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    /// The folder of the crate: `ledger` for `ledger/src/lib.rs`.
    pub(super) fn package(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Product code lies in a crate that ships.
    pub(super) fn ships(&self) -> bool {
        !["tests", "benches"].contains(&self.package())
    }

    /// File name without extension.
    pub(super) fn stem(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Indices of a pattern's occurrences.
    pub(super) fn find(&self, pattern: &[&str]) -> Vec<usize> {
        occurrences(&self.tokens, pattern)
    }

    /// A finding at a token.
    pub(super) fn finding(&self, rule: &'static str, index: usize, what: impl Into<String>) -> Finding {
        Finding::new(rule, &self.path, self.tokens[index].line, what)
    }

    /// The `use` declarations, each as the tokens between `use` and `;`, with the index of `use`.
    pub(super) fn imports(&self) -> Vec<(usize, &[Token])> {
        self.find(&["use"])
            .into_iter()
            .filter(|&index| self.tokens.get(index + 1).is_some_and(|next| next.text != "<"))
            .map(|index| {
                let rest = &self.tokens[index + 1..];
                let end = rest.iter().position(|token| token.text == ";").unwrap_or(rest.len());
                (index, &rest[..end])
            })
            .collect()
    }
}

fn is_test_file(path: &str) -> bool {
    let stem = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    path.split('/').any(|part| part == "tests") || stem == "tests" || stem.ends_with("_tests")
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn a_file_in_a_folder_of_tests_is_test_code() {
        for (path, expected) in
            [("tests/all.rs", true), ("ledger/src/place/tests.rs", true), ("ledger/src/place.rs", false)]
        {
            let source = Source::parse(path, "fn f() {}");
            assert!(source.tokens.iter().all(|token| token.in_tests == expected), "{path}");
        }
    }

    #[test]
    fn captures_in_types_are_no_imports() {
        let source = Source::parse("a/src/a.rs", "use b::c; fn f() -> impl D + use<'_> { e() }");
        assert_eq!(source.imports().len(), 1);
    }
}
