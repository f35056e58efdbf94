//! The ledger is deterministic: no IO, no threads, no waiting, no floats, nothing that differs between two replicas.

use super::findings::Finding;
use super::source::Source;
use super::tokens::Token;

/// Words that have no place in the ledger's product code.
const BANNED: &[(&str, &str)] = &[
    ("async", "apply never waits"),
    ("await", "apply never waits"),
    ("f32", "floats round differently: count in whole units"),
    ("f64", "floats round differently: count in whole units"),
    ("RandomState", "its order differs from process to process"),
    ("thread_local", "the ledger has no hidden state"),
    ("println", "the ledger says nothing: it returns replies and events"),
    ("eprintln", "the ledger says nothing: it returns replies and events"),
];

/// Modules of std that reach outside.
const OUTSIDE: &[&str] = &["fs", "net", "thread", "env", "process", "io", "os"];

/// The ledger's product code neither reaches outside nor depends on the process it runs in.
pub(super) fn ledger_is_pure(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("ledger/src/") {
        return Vec::new();
    }
    let words = source.tokens.iter().enumerate().filter(|(_, token)| !token.in_tests).filter_map(|(index, token)| {
        let (_, why) = BANNED.iter().find(|(word, _)| token.text == *word)?;
        Some(source.finding("purity", index, format!("`{}`: {why}", token.text)))
    });
    let paths = source.find(&["std", "::"]).into_iter().filter_map(|index| reaches_outside(source, index));
    words.chain(paths).collect()
}

/// `std::fs` as a path, or `fs` among the names of `use std::{...}`.
fn reaches_outside(source: &Source, index: usize) -> Option<Finding> {
    let names = match source.tokens.get(index + 2)?.text.as_str() {
        "{" => source.tokens[index + 3..].split(|token| token.text == ";").next()?,
        _ => &source.tokens[index + 2..index + 3],
    };
    let named: &Token = names.iter().find(|token| OUTSIDE.contains(&token.text.as_str()))?;
    let told = format!("`std::{}`: the ledger does no IO and knows no process", named.text);
    (!named.in_tests).then(|| source.finding("purity", index, told))
}

#[cfg(test)]
mod tests {
    use super::ledger_is_pure;
    use crate::tidy::source::Source;

    fn found(path: &str, text: &str) -> usize {
        ledger_is_pure(&Source::parse(path, text)).len()
    }

    #[test]
    fn impure_code_is_found_in_the_ledger_only() {
        for text in [
            "async fn f() {}",
            "fn f(share: f64) {}",
            "use std::fs; fn f() {}",
            "use std::{collections::BTreeMap, net::IpAddr};",
            "fn f() { std::thread::spawn(g) }",
            "fn f() { println!(\"{a}\") }",
        ] {
            assert_eq!((found("ledger/src/apply.rs", text), found("node/src/http.rs", text)), (1, 0), "{text}");
        }
    }

    #[test]
    fn pure_code_and_tests_pass() {
        for text in [
            "use std::collections::BTreeMap; fn f(a: u64) {}",
            "#[cfg(test)] mod tests { use std::fs; fn f() { println!() } }",
        ] {
            assert_eq!(found("ledger/src/apply.rs", text), 0, "{text}");
        }
    }
}
