//! Holds the tree to its own rules: layers, sizes, names, banned words, and the one home of what has one home.
//!
//! Every checker is a pure function from a file (or the dependency graph) to findings, and has tests of its own with
//! samples that break the rule. Here they meet the real tree. What clippy can hold, clippy holds.

mod exceptions;
mod findings;
mod graph;
mod homes;
mod layers;
mod licences;
mod names;
mod purity;
mod sizes;
mod source;
mod surroundings;
mod tokens;
mod tree;
mod words;

use findings::Finding;
use source::Source;

/// The checkers that look at one Rust file at a time.
const CHECKERS: &[fn(&Source) -> Vec<Finding>] = &[
    sizes::file_is_short,
    sizes::functions_fit_a_screen,
    names::file_names_an_idea,
    names::items_name_an_idea,
    words::no_word_is_banned,
    words::imports_are_named,
    words::tests_do_not_sleep,
    homes::bincode_has_one_home,
    homes::clock_has_one_home,
    homes::metric_names_have_one_home,
    purity::ledger_is_pure,
    surroundings::file_says_what_it_owns,
    surroundings::tests_take_any_port,
];

#[test]
fn every_rust_file_keeps_the_rules() {
    let sources: Vec<Source> = tree::rust_files().into_iter().map(|(path, text)| Source::parse(&path, &text)).collect();
    assert!(sources.len() >= 10, "the walk found only {} Rust files", sources.len());
    let found = sources.iter().flat_map(|source| CHECKERS.iter().flat_map(|check| check(source))).collect();
    report(exceptions::settle(found, exceptions::EXCEPTIONS));
}

#[test]
fn no_file_names_a_machine() {
    let found =
        tree::text_files().iter().flat_map(|(path, text)| surroundings::no_machine_is_named(path, text)).collect();
    report(exceptions::settle(found, &[]));
}

#[test]
fn crates_depend_only_downwards() {
    let graph = graph::Graph::of_workspace();
    report(layers::edges_point_down(&graph).iter().map(Finding::to_string).collect());
}

#[test]
fn dependencies_keep_the_rules_of_deny_toml() {
    let graph = graph::Graph::of_workspace();
    let rules = licences::Rules::parse(&tree::read("deny.toml"));
    report(licences::dependencies_are_allowed(&graph, &rules).iter().map(Finding::to_string).collect());
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n\n{} rules broken:\n\n{}\n", problems.len(), problems.join("\n"));
}
