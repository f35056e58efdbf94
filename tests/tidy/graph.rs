//! The dependency graph as cargo resolves it for this platform, reduced to what the rules ask. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DepKindInfo, DependencyKind, MetadataCommand, Node, Package, PackageId};

use super::tree;

/// One crate of the graph.
#[derive(Debug, Clone, Default)]
pub(super) struct Crate {
    /// SPDX expression, where the crate gives one.
    pub(super) license: Option<String>,
    /// Registry or repository; none for the crates of this workspace.
    pub(super) source: Option<String>,
    /// What it is linked with: normal dependencies, by name.
    pub(super) links: BTreeSet<String>,
    /// What it is built or tested with.
    pub(super) other: BTreeSet<String>,
}

/// The whole graph, by name; versions of one crate count as one, since every rule forbids or allows a crate whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) crates: BTreeMap<String, Crate>,
    /// The crates of this workspace.
    pub(super) members: BTreeSet<String>,
}

impl Graph {
    /// Asks cargo, without a network, for the platform that runs this test.
    pub(super) fn of_workspace() -> Self {
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let metadata = MetadataCommand::new()
            .manifest_path(tree::root().join("Cargo.toml"))
            .other_options(["--offline".to_owned(), "--filter-platform".to_owned(), platform])
            .exec()
            .expect("cargo metadata works where cargo test works");
        let mut graph = Self::default();
        let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
        graph.members = metadata.workspace_members.iter().map(|id| packages[id].name.to_string()).collect();
        for node in &metadata.resolve.as_ref().expect("metadata was asked for with dependencies").nodes {
            graph.take_in(node, &packages);
        }
        graph
    }

    fn take_in(&mut self, node: &Node, packages: &BTreeMap<&PackageId, &Package>) {
        let package = packages[&node.id];
        let entry = self.crates.entry(package.name.to_string()).or_default();
        entry.license = package.license.clone();
        entry.source = package.source.as_ref().map(|source| source.repr.clone());
        for dependency in &node.deps {
            let name = packages[&dependency.pkg].name.to_string();
            for kind in dependency.dep_kinds.iter().filter(|kind| is_switched_on(package, node, &name, kind)) {
                let named = if kind.kind == DependencyKind::Normal { &mut entry.links } else { &mut entry.other };
                named.insert(name.clone());
            }
        }
    }

    /// Everything that `name` is linked with, at any depth.
    pub(super) fn links_at_any_depth(&self, name: &str) -> BTreeSet<String> {
        self.reach([name.to_owned()].into(), |entry| entry.links.iter().collect())
    }

    /// Everything that building and testing the workspace needs.
    pub(super) fn reached_from_members(&self) -> BTreeSet<String> {
        self.reach(self.members.clone(), |entry| entry.links.iter().chain(&entry.other).collect())
    }

    fn reach(&self, from: BTreeSet<String>, next: impl Fn(&Crate) -> Vec<&String>) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<String> = from.into_iter().collect();
        while let Some(name) = open.pop() {
            let fresh = next(&self.crates[&name]).into_iter().filter(|name| seen.insert((*name).clone()));
            open.extend(fresh.cloned());
        }
        seen
    }
}

/// cargo lists an optional dependency that no feature asks for when another platform needs the same crate.
fn is_switched_on(package: &Package, node: &Node, name: &str, kind: &DepKindInfo) -> bool {
    let declared = package.dependencies.iter().filter(|dependency| {
        dependency.name == name && dependency.kind == kind.kind && dependency.target == kind.target
    });
    declared.into_iter().any(|dependency| {
        let local = dependency.rename.as_deref().unwrap_or(&dependency.name);
        let asks = |wish: &String| {
            let wish = wish.strip_prefix("dep:").unwrap_or(wish);
            wish.split('/').next() == Some(local)
        };
        let enabled = node.features.iter().filter_map(|feature| package.features.get(feature.as_str()));
        !dependency.optional || enabled.flatten().any(asks)
    })
}
