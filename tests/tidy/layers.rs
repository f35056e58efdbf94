//! The layers: which of our crates may see which, and which foreign ones each must do without. The same arrows as in
//! ARCHITECTURE.md; a new one needs a line there.

use std::collections::BTreeSet;

use super::findings::Finding;
use super::graph::Graph;

/// One layer: the workspace crates it may name, the foreign crates it may not name, and those it may not reach at all.
struct Layer {
    name: &'static str,
    sees: &'static [&'static str],
    may_not_name: &'static [&'static str],
    may_not_reach: &'static [&'static str],
}

const HTTP: &[&str] = &["axum", "hyper", "reqwest", "quinn", "ractor", "ractor_cluster"];

const LAYERS: &[Layer] = &[
    Layer {
        name: "quorla-ledger",
        sees: &[],
        may_not_name: &[],
        may_not_reach: &[
            "tokio", "rand", "openraft", "rocksdb", "quinn", "tracing", "futures", "chrono", "libc", "rustix",
        ],
    },
    Layer { name: "quorla-consensus", sees: &["quorla-ledger"], may_not_name: &[], may_not_reach: HTTP },
    Layer {
        name: "quorla-actors",
        sees: &["quorla-ledger", "quorla-consensus"],
        may_not_name: &["rocksdb", "openraft", "bincode"],
        may_not_reach: &["quinn", "axum"],
    },
    Layer {
        name: "quorla-client",
        sees: &[],
        may_not_name: &[],
        may_not_reach: &["rocksdb", "openraft", "ractor", "axum", "quorla-ledger"],
    },
    Layer {
        name: "quorla-node",
        sees: &["quorla-ledger", "quorla-consensus", "quorla-actors", "quorla-client"],
        may_not_name: &["rocksdb", "openraft", "bincode"],
        may_not_reach: &[],
    },
    Layer {
        name: "quorla-cli",
        sees: &["quorla-client", "quorla-node", "quorla-actors"],
        may_not_name: &["quinn", "rocksdb", "openraft", "bincode"],
        may_not_reach: &[],
    },
];

/// These look at everything, and nothing looks at them.
const ON_TOP: &[&str] = &["quorla-tests", "quorla-benches"];

/// Every edge of the workspace is one that the layers allow.
pub(super) fn edges_point_down(graph: &Graph) -> Vec<Finding> {
    let known: BTreeSet<&str> = LAYERS.iter().map(|layer| layer.name).chain(ON_TOP.iter().copied()).collect();
    let strangers = graph.members.iter().filter(|member| !known.contains(member.as_str()));
    let strangers =
        strangers.map(|member| told(member, "is no layer: give it its place in tests/tidy/layers.rs".to_owned()));
    strangers.chain(LAYERS.iter().flat_map(|layer| layer_holds(graph, layer))).collect()
}

fn layer_holds(graph: &Graph, layer: &Layer) -> Vec<Finding> {
    let Some(own) = graph.crates.get(layer.name) else {
        return vec![told(layer.name, "is a layer without a crate".to_owned())];
    };
    let named: BTreeSet<&str> = own.links.iter().chain(&own.other).map(String::as_str).collect();
    let upwards = named.iter().filter(|name| graph.members.contains(**name) && !layer.sees.contains(name));
    let foreign = layer.may_not_name.iter().filter(|name| named.contains(*name));
    let reached = graph.links_at_any_depth(layer.name);
    let deep = layer.may_not_reach.iter().filter(|name| reached.contains(**name));
    upwards
        .map(|name| told(layer.name, format!("may not see {name}")))
        .chain(foreign.map(|name| told(layer.name, format!("may not name {name}"))))
        .chain(deep.map(|name| told(layer.name, format!("may not reach {name}, not even through another crate"))))
        .collect()
}

fn told(name: &str, what: String) -> Finding {
    Finding::new("layers", name, 0, what)
}

#[cfg(test)]
mod tests {
    use super::{Graph, LAYERS, ON_TOP, edges_point_down};

    /// The allowed edges, all of them, and a foreign crate that everyone may use.
    fn sound() -> Graph {
        let mut graph = Graph::default();
        for name in LAYERS.iter().map(|layer| layer.name).chain(ON_TOP.iter().copied()) {
            graph.members.insert(name.to_owned());
            graph.crates.entry(name.to_owned()).or_default();
        }
        for layer in LAYERS {
            layer.sees.iter().for_each(|seen| link(&mut graph, layer.name, seen));
            link(&mut graph, layer.name, "serde");
        }
        graph
    }

    fn link(graph: &mut Graph, from: &str, to: &str) {
        graph.crates.entry(to.to_owned()).or_default();
        graph.crates.entry(from.to_owned()).or_default().links.insert(to.to_owned());
    }

    #[test]
    fn the_allowed_edges_pass() {
        assert!(edges_point_down(&sound()).is_empty());
    }

    #[test]
    fn a_forbidden_edge_is_found() {
        for (from, to) in [
            ("quorla-ledger", "tokio"),
            ("quorla-ledger", "quorla-consensus"),
            ("quorla-consensus", "quorla-actors"),
            ("quorla-consensus", "quinn"),
            ("quorla-actors", "rocksdb"),
            ("quorla-client", "quorla-ledger"),
            ("quorla-cli", "quinn"),
            ("quorla-cli", "quorla-ledger"),
        ] {
            let mut graph = sound();
            link(&mut graph, from, to);
            assert!(!edges_point_down(&graph).is_empty(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_forbidden_crate_behind_another_is_found() {
        let mut graph = sound();
        link(&mut graph, "quorla-ledger", "innocent");
        link(&mut graph, "innocent", "tokio");
        assert_eq!(edges_point_down(&graph).len(), 1);
    }

    #[test]
    fn what_only_tests_use_is_not_reached() {
        let mut graph = sound();
        graph.crates.entry("rand".to_owned()).or_default();
        graph.crates.entry("quorla-ledger".to_owned()).or_default().other.insert("rand".to_owned());
        assert!(edges_point_down(&graph).is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        let mut graph = sound();
        graph.members.insert("quorla-extras".to_owned());
        graph.crates.entry("quorla-extras".to_owned()).or_default();
        assert_eq!(edges_point_down(&graph).len(), 1);
    }
}
