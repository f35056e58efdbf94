//! The configuration file of one local node.

use std::path::Path;

use serde::Serialize;

use super::identities::Member;

/// Ports are chosen by the node at its first start and kept at the later ones.
pub(super) const ANY_PORT: &str = "127.0.0.1:0";

/// What differs between nodes and starts.
pub(super) struct NodeLayout<'a> {
    pub(super) member: &'a Member,
    pub(super) quic: &'a str,
    pub(super) http: &'a str,
    pub(super) seeds: Vec<String>,
    pub(super) expect: usize,
    pub(super) slots: Option<u32>,
    pub(super) log_filter: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    node: Node<'a>,
    cluster: ClusterSection,
    transport: Transport<'a>,
    resources: Resources,
    http: Http<'a>,
    log: Log<'a>,
    disk: Disk,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    data_dir: &'a Path,
    bind: &'a str,
}

#[derive(Serialize)]
struct ClusterSection {
    name: &'static str,
    seeds: Vec<String>,
    expect: usize,
}

#[derive(Serialize)]
struct Transport<'a> {
    cert: &'a Path,
    key: &'a Path,
    ca: &'a Path,
}

#[derive(Serialize)]
struct Resources {
    slots: Option<u32>,
}

#[derive(Serialize)]
struct Http<'a> {
    bind: &'a str,
}

#[derive(Serialize)]
struct Log<'a> {
    filter: &'a str,
}

/// Several nodes share a developer's disk, which is often rather full: they are content with less than a node on its own.
#[derive(Serialize)]
struct Disk {
    low_bytes: &'static str,
    critical_bytes: &'static str,
    ballast: &'static str,
}

impl NodeLayout<'_> {
    pub(super) fn text(&self, data_dir: &Path) -> String {
        let files = &self.member.files;
        let file = File {
            node: Node { name: &self.member.name, data_dir, bind: self.quic },
            cluster: ClusterSection { name: "dev", seeds: self.seeds.clone(), expect: self.expect },
            transport: Transport { cert: &files.certificate, key: &files.key, ca: &files.ca },
            resources: Resources { slots: self.slots },
            http: Http { bind: self.http },
            log: Log { filter: self.log_filter },
            disk: Disk { low_bytes: "1GiB", critical_bytes: "512MiB", ballast: "0B" },
        };
        toml::to_string(&file).expect("names, paths and numbers are TOML")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quorla_node::config::Config;
    use quorla_node::identity::KeyFiles;

    use super::{ANY_PORT, Member, NodeLayout};

    #[test]
    fn a_node_accepts_what_is_written_for_it() {
        let directory = Path::new("/somewhere/n1").to_path_buf();
        let files = KeyFiles::within(&directory.join("keys"), "node");
        let member = Member { name: "n1".into(), directory, files };
        let layout = NodeLayout {
            member: &member,
            quic: ANY_PORT,
            http: ANY_PORT,
            seeds: vec!["127.0.0.1:4000".into()],
            expect: 3,
            slots: Some(4),
            log_filter: "info",
        };
        let text = layout.text(Path::new("/somewhere/n1/data"));
        let config = Config::parse(&text, Path::new("n1.toml")).unwrap();
        assert_eq!((config.node.name.as_str(), config.cluster.expect), ("n1", 3));
        assert_eq!(config.resources.slots, Some(4));
    }
}
