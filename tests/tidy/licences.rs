//! The rules of deny.toml that need no network: licences, banned crates, sources. cargo-deny reads the same file where
//! it is installed, and looks deeper (texts of licences, several versions of a crate); this runs everywhere.

use super::findings::Finding;
use super::graph::{Crate, Graph};

/// What deny.toml says.
pub(super) struct Rules {
    licenses: Vec<String>,
    banned: Vec<String>,
    registries: Vec<String>,
}

impl Rules {
    /// Reads the text of deny.toml.
    pub(super) fn parse(text: &str) -> Self {
        let table: toml::Table = text.parse().expect("deny.toml is TOML");
        let list = |section: &str, key: &str| -> Vec<toml::Value> {
            let value = table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
            value.unwrap_or_else(|| panic!("deny.toml has a list {section}.{key}")).clone()
        };
        let text = |value: &toml::Value| value.as_str().map(str::to_owned);
        Self {
            licenses: list("licenses", "allow").iter().filter_map(text).collect(),
            banned: list("bans", "deny").iter().filter_map(|ban| text(ban.get("crate")?)).collect(),
            registries: list("sources", "allow-registry").iter().filter_map(text).collect(),
        }
    }
}

/// Every crate of the tree has an allowed licence and source, and none is banned.
pub(super) fn dependencies_are_allowed(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let reached = graph.reached_from_members();
    let foreign = reached.iter().filter(|name| !graph.members.contains(*name));
    foreign.flat_map(|name| crate_is_allowed(name, &graph.crates[name], rules)).collect()
}

fn crate_is_allowed(name: &str, of_crate: &Crate, rules: &Rules) -> Vec<Finding> {
    let told = |what: String| Finding::new("dependencies", name, 0, what);
    let mut found = Vec::new();
    if rules.banned.iter().any(|banned| banned == name) {
        found.push(told("is banned; deny.toml says why".to_owned()));
    }
    let license = of_crate.license.as_deref().unwrap_or_default();
    if !is_satisfied(license, &rules.licenses) {
        found.push(told(format!("has the licence `{license}`, which deny.toml does not allow")));
    }
    let source = of_crate.source.as_deref().unwrap_or_default();
    if !rules.registries.iter().any(|registry| source.ends_with(registry.as_str())) {
        found.push(told(format!("comes from `{source}`, which deny.toml does not allow")));
    }
    found
}

/// Whether the allowed licences satisfy an SPDX expression; the old `A/B` means `A OR B`.
fn is_satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allowed) && rest.is_empty()
}

fn any_of(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut holds = all_of(rest, allowed);
    while let [first, tail @ ..] = *rest
        && *first == "OR"
    {
        *rest = tail;
        holds |= all_of(rest, allowed);
    }
    holds
}

fn all_of(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut holds = one(rest, allowed);
    while let [first, tail @ ..] = *rest
        && *first == "AND"
    {
        *rest = tail;
        holds &= one(rest, allowed);
    }
    holds
}

fn one(rest: &mut &[&str], allowed: &[String]) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let holds = any_of(rest, allowed);
            *rest = rest.get(1..).unwrap_or_default();
            holds
        }
        [license, "WITH", exception, tail @ ..] => {
            *rest = tail;
            allowed.contains(&format!("{license} WITH {exception}"))
        }
        [license, tail @ ..] => {
            *rest = tail;
            allowed.iter().any(|allowed| allowed == license)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Rules, dependencies_are_allowed, is_satisfied};
    use crate::tidy::graph::{Crate, Graph};

    const RULES: &str = r#"
        [licenses]
        allow = ["MIT", "ISC"]
        [bans]
        deny = [{ crate = "ring", reason = "one provider" }]
        [sources]
        allow-registry = ["https://example.org/index"]
    "#;

    fn graph_with(name: &str, license: &str, source: &str) -> Graph {
        let mut graph = Graph::default();
        let own = Crate { links: [name.to_owned()].into(), ..Crate::default() };
        let foreign = Crate { license: Some(license.to_owned()), source: Some(source.to_owned()), ..Crate::default() };
        graph.members.insert("quorla-node".to_owned());
        graph.crates.extend([("quorla-node".to_owned(), own), (name.to_owned(), foreign)]);
        graph
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allowed = ["MIT".to_owned(), "ISC".to_owned()];
        let check = |expression, expected| assert_eq!(is_satisfied(expression, &allowed), expected, "{expression}");
        check("MIT", true);
        check("GPL-3.0-only", false);
        check("GPL-3.0-only OR MIT", true);
        check("Unlicense/MIT", true);
        check("MIT AND GPL-3.0-only", false);
        check("ISC AND (Apache-2.0 OR MIT)", true);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", false);
        check("Apache-2.0 WITH LLVM-exception OR MIT", true);
        check("MIT WITH Some-exception", false);
        check("", false);
    }

    #[test]
    fn what_deny_toml_forbids_is_found() {
        let rules = Rules::parse(RULES);
        let registry = "registry+https://example.org/index";
        let check = |name, license, source, expected| {
            let found = dependencies_are_allowed(&graph_with(name, license, source), &rules);
            assert_eq!(found.len(), expected, "{found:?}");
        };
        check("serde", "MIT", registry, 0);
        check("serde", "GPL-3.0-only", registry, 1);
        check("ring", "MIT", registry, 1);
        check("serde", "MIT", "git+https://example.org/serde", 1);
    }
}
