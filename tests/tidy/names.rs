//! Names say what a thing is. A file called `utils` has no idea of its own, and a `Manager` manages nothing nameable.

use super::findings::Finding;
use super::source::Source;
use super::tokens::Token;

/// Words that say nothing, as a part of a file's name.
const EMPTY_FILE_WORDS: &[&str] =
    &["manager", "handler", "handlers", "util", "utils", "helper", "helpers", "common", "misc", "tmp", "info"];

/// Words that say nothing, as the end of a type's name.
const EMPTY_TYPE_ENDINGS: &[&str] = &["Manager", "Handler", "Helper", "Util", "Utils"];

/// No `mod.rs`, and no file named after nothing.
pub(super) fn file_names_an_idea(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    if source.stem() == "mod" {
        found.push(Finding::new("file-name", &source.path, 0, "`agent.rs` beside `agent/`, never `mod.rs`"));
    }
    let parts = source.path.trim_end_matches(".rs").split(['/', '_']);
    found.extend(parts.filter(|part| EMPTY_FILE_WORDS.contains(part)).map(|part| {
        Finding::new("file-name", &source.path, 0, format!("`{part}` says nothing: name the file after its idea"))
    }));
    found
}

/// No `XManager`, and no `pub fn get_x`.
pub(super) fn items_name_an_idea(source: &Source) -> Vec<Finding> {
    let declares = |index: usize| ["struct", "enum", "trait", "type"].contains(&source.tokens[index].text.as_str());
    let mut found = Vec::new();
    for (index, pair) in source.tokens.windows(2).enumerate() {
        let name = pair[1].text.as_str();
        if declares(index) && EMPTY_TYPE_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push(source.finding("type-name", index + 1, format!("`{name}`: name the role, not the managing")));
        }
        if pair[0].text == "fn" && is_public(&source.tokens[..index]) && name.starts_with("get_") {
            found.push(source.finding("function-name", index + 1, format!("`{name}`: leave out `get_`")));
        }
    }
    found
}

/// Whether what stands before a `fn` makes it public; implementations of a foreign trait have the trait's names.
fn is_public(before: &[Token]) -> bool {
    let modifiers = ["const", "async", "unsafe", "extern"];
    let last = before
        .iter()
        .rev()
        .map(|token| token.text.as_str())
        .find(|text| !modifiers.contains(text) && !text.starts_with('"'));
    matches!(last, Some("pub" | ")"))
}

#[cfg(test)]
mod tests {
    use super::{file_names_an_idea, items_name_an_idea};
    use crate::tidy::source::Source;

    #[test]
    fn empty_file_names_are_found() {
        for path in ["node/src/mod.rs", "node/src/utils.rs", "node/src/peer_manager.rs", "node/src/helpers/list.rs"] {
            assert_eq!(file_names_an_idea(&Source::parse(path, "")).len(), 1, "{path}");
        }
        assert!(file_names_an_idea(&Source::parse("node/src/transport.rs", "")).is_empty());
    }

    #[test]
    fn empty_item_names_are_found() {
        for text in [
            "pub struct JobManager;",
            "enum EventHandler {}",
            "impl A { pub fn get_job(&self) {} }",
            "pub(crate) async fn get_job() {}",
        ] {
            assert_eq!(items_name_an_idea(&Source::parse("a/src/a.rs", text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_foreign_trait_may_be_implemented() {
        let text = "impl Storage for Log { async fn get_log_state(&self) {} } struct ManagerElection;";
        let found = items_name_an_idea(&Source::parse("a/src/a.rs", text));
        assert!(found.is_empty(), "{found:?}");
    }
}
