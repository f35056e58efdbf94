//! A cluster of node processes in one directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use quorla_client::clock::Stopwatch;
use quorla_client::{Client, ClusterStatus, NodeRole, Options, Profile};
use tempfile::TempDir;

use super::identities::Identities;
use super::layout::{ANY_PORT, NodeLayout};
use super::process::NodeProcess;
use crate::fault::Fault;

const FORMED_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often a stop tells whom it waits for.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// How a local cluster is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many nodes, 1 to 7.
    pub nodes: usize,
    /// Where; none: a temporary directory, removed at the end.
    pub directory: Option<PathBuf>,
    /// The program `quorla`; none: this very program.
    pub binary: Option<PathBuf>,
    /// Slots of each node; none: as many as the node finds right.
    pub slots: Option<u32>,
    /// What the nodes log.
    pub log_filter: String,
    /// More of the nodes' configuration, as TOML: whole sections that are not written otherwise.
    pub configuration: String,
    /// Variables of the nodes' environment, for tests.
    pub environment: Vec<(String, String)>,
    /// How many of the nodes vote; none: all.
    pub voters: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        let log_filter = "info".to_owned();
        Self {
            nodes: 1,
            directory: None,
            binary: None,
            slots: None,
            log_filter,
            configuration: String::new(),
            environment: Vec::new(),
            voters: None,
        }
    }
}

/// A running cluster. Dropping it kills what still runs and removes a temporary directory.
#[derive(Debug)]
pub struct Cluster {
    // Before the root: the processes end before their directory goes.
    nodes: Vec<NodeProcess>,
    identities: Identities,
    settings: Settings,
    root: Root,
}

/// A node that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEnd {
    /// Where it is in [`Cluster::nodes`].
    pub position: usize,
    /// The process that it was.
    pub pid: u32,
    /// How it ended, in words.
    pub how: String,
}

#[derive(Debug)]
enum Root {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Root {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Given(path) => path,
        }
    }
}

impl Cluster {
    /// Starts a cluster and waits until all its nodes serve, and those vote that are to.
    ///
    /// # Errors
    /// When a node does not start, with the end of its log.
    pub async fn start(settings: Settings) -> Result<Self, Fault> {
        let mut cluster = Self::prepare(settings)?;
        cluster.start_all().await?;
        cluster.keep_ports()?;
        cluster.wait_formed().await?;
        Ok(cluster)
    }

    fn prepare(settings: Settings) -> Result<Self, Fault> {
        let root = match &settings.directory {
            Some(path) => Root::Given(given(path)?),
            None => Root::Temporary(
                tempfile::Builder::new()
                    .prefix("quorla-")
                    .tempdir()
                    .map_err(|error| Fault::other("create a temporary directory", error))?,
            ),
        };
        let binary = match &settings.binary {
            Some(binary) => binary.clone(),
            None => std::env::current_exe().map_err(|error| Fault::other("find this program", error))?,
        };
        let identities = Identities::make_or_find(root.path(), settings.nodes)?;
        let process = |member: &super::identities::Member| {
            let mut process = NodeProcess::new(&member.name, &member.directory, binary.clone());
            process.environment(settings.environment.clone());
            process
        };
        let nodes = identities.nodes.iter().map(process).collect();
        Ok(Self { nodes, identities, settings, root })
    }

    /// The first node founds the cluster; the others start together with it as their seed.
    async fn start_all(&mut self) -> Result<(), Fault> {
        self.configure(0, ANY_PORT, ANY_PORT, Vec::new())?;
        let found = self.identities.to_be_founded;
        self.nodes[0].start(found)?;
        let seed = self.nodes[0].wait_ready().await?.quic.clone();
        for node in 1..self.nodes.len() {
            self.configure(node, ANY_PORT, ANY_PORT, vec![seed.clone()])?;
            self.nodes[node].start(false)?;
        }
        for node in &mut self.nodes[1..] {
            node.wait_ready().await?;
        }
        Ok(())
    }

    /// Writes the ports that the nodes chose into their files, so that a node comes back where it was.
    fn keep_ports(&self) -> Result<(), Fault> {
        for (position, node) in self.nodes.iter().enumerate() {
            let ready = node.ready().expect("every node is ready before ports are kept");
            let seeds = self.addresses().into_iter().filter(|address| *address != ready.quic).collect();
            self.configure(position, &ready.quic, &ready.http, seeds)?;
        }
        Ok(())
    }

    fn configure(&self, node: usize, quic: &str, http: &str, seeds: Vec<String>) -> Result<(), Fault> {
        let layout = NodeLayout {
            member: &self.identities.nodes[node],
            quic,
            http,
            seeds,
            expect: self.settings.voters.unwrap_or(self.settings.nodes),
            slots: self.settings.slots,
            log_filter: &self.settings.log_filter,
        };
        let process = &self.nodes[node];
        let attempted = || format!("write {}", process.config.display());
        let text = layout.text(&process.data_dir) + &self.settings.configuration;
        std::fs::write(&process.config, text).map_err(|error| Fault::other(attempted(), error))
    }

    /// Waits until one node leads and all the others that are to vote do.
    ///
    /// # Errors
    /// When that takes longer than a minute.
    pub async fn wait_formed(&self) -> Result<(), Fault> {
        let client = self.client().await?;
        let since = Stopwatch::start();
        loop {
            let status = client.status().await?;
            if is_formed(&status, &self.settings) {
                return Ok(());
            }
            if since.elapsed() > FORMED_TIMEOUT {
                let words =
                    format!("the nodes are {:?}", status.nodes.iter().map(|node| node.role).collect::<Vec<_>>());
                return Err(Fault::other("form a cluster in time", words));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The nodes, in the order of their names.
    #[must_use]
    pub fn nodes(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// One node.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn node(&mut self, position: usize) -> &mut NodeProcess {
        &mut self.nodes[position]
    }

    /// Where a node of this name is in [`Cluster::nodes`].
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The cluster's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.root.path()
    }

    /// The client addresses of all nodes that were ready once.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().filter_map(|node| node.ready()).map(|ready| ready.quic.clone()).collect()
    }

    /// How a client enters this cluster.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::new(self.addresses(), self.identities.credentials())
    }

    /// The profile of this cluster; it lives with this process.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let client = &self.identities.client;
        let http = self.nodes.first().and_then(NodeProcess::ready).map(|ready| format!("http://{}", ready.http));
        Profile {
            addresses: self.addresses(),
            ca: client.ca.clone(),
            cert: client.certificate.clone(),
            key: client.key.clone(),
            http,
            pid: Some(std::process::id()),
            control: None,
        }
    }

    /// A client of the whole cluster.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn client(&self) -> Result<Client, Fault> {
        Ok(Client::connect(self.options()).await?)
    }

    /// The leader's position, as soon as the nodes that answer agree on one that runs.
    ///
    /// # Errors
    /// When there is none within a minute.
    pub async fn leader(&self) -> Result<usize, Fault> {
        let client = self.client().await?;
        let since = Stopwatch::start();
        while since.elapsed() < FORMED_TIMEOUT {
            let name = client.status().await?.leader;
            let position = name.and_then(|name| self.position(&name));
            let running = |position: &usize| self.nodes[*position].pid().is_some();
            if let Some(position) = position.filter(running) {
                return Ok(position);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Fault::other("find the leader", "none within a minute"))
    }

    /// Starts a node that does not run again and waits until it serves. When its port was taken meanwhile, it gets another.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self, position: usize) -> Result<(), Fault> {
        self.nodes[position].kill().await?;
        let had = self.nodes[position].ready().cloned();
        self.nodes[position].start(false)?;
        if self.nodes[position].wait_ready().await.is_ok() {
            return Ok(());
        }
        self.nodes[position].kill().await?;
        let own = had.map(|ready| ready.quic);
        let seeds = self.addresses().into_iter().filter(|address| Some(address) != own.as_ref()).collect();
        self.configure(position, ANY_PORT, ANY_PORT, seeds)?;
        self.nodes[position].start(false)?;
        self.nodes[position].wait_ready().await.map(|_| ())
    }

    /// Waits until a node ends by itself: where it is, which process it was, and how it ended. Can be cancelled.
    pub async fn next_end(&mut self) -> NodeEnd {
        let ends = self.nodes.iter_mut().enumerate().map(|(position, node)| {
            Box::pin(async move {
                let (pid, ended) = node.ended().await;
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                NodeEnd { position, pid, how }
            })
        });
        // A cluster has at least one node.
        futures::future::select_all(ends).await.0
    }

    /// Starts a node that has ended, if there is one, and gives where it is.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_one_ended(&mut self) -> Result<Option<usize>, Fault> {
        let Some(ended) = self.nodes.iter_mut().position(|node| !node.runs()) else { return Ok(None) };
        self.restart(ended).await.map(|()| Some(ended))
    }

    /// Stops every node and removes a temporary directory.
    ///
    /// # Errors
    /// The first failure; all the other nodes are stopped all the same.
    pub async fn stop(self) -> Result<(), Fault> {
        self.stop_telling(|_| {}).await
    }

    /// As [`Cluster::stop`], telling the names of the nodes that it still waits for, now and then.
    ///
    /// # Errors
    /// As [`Cluster::stop`].
    pub async fn stop_telling(mut self, waits_for: impl Fn(&[&str])) -> Result<(), Fault> {
        let mut left: Vec<String> = self.nodes.iter().map(|node| node.name.clone()).collect();
        let mut stops: FuturesUnordered<_> = self
            .nodes
            .iter_mut()
            .map(|node| async move {
                let stopped = node.stop_with_cluster().await;
                (node.name.clone(), stopped)
            })
            .collect();
        let mut stopped = Vec::new();
        let mut told = tokio::time::interval_at(tokio::time::Instant::now() + TOLD_EVERY, TOLD_EVERY);
        while !left.is_empty() {
            tokio::select! {
                Some((name, outcome)) = stops.next() => {
                    left.retain(|one| *one != name);
                    stopped.push(outcome);
                }
                _ = told.tick() => waits_for(&left.iter().map(String::as_str).collect::<Vec<_>>()),
            }
        }
        drop(stops);
        let removed = match self.root {
            Root::Temporary(directory) => {
                directory.close().map_err(|error| Fault::other("remove the cluster's directory", error))
            }
            Root::Given(_) => Ok(()),
        };
        stopped.into_iter().chain([removed]).collect()
    }
}

fn is_formed(status: &ClusterStatus, settings: &Settings) -> bool {
    let votes = |role| matches!(role, NodeRole::Leader | NodeRole::Follower);
    let voters = status.nodes.iter().filter(|node| votes(node.role)).count();
    let is_whole = status.nodes.len() == settings.nodes && voters == settings.voters.unwrap_or(settings.nodes);
    status.leader.is_some() && is_whole
}

/// The directory that was asked for, made where there is none.
fn given(path: &Path) -> Result<PathBuf, Fault> {
    std::fs::create_dir_all(path)
        .and_then(|()| path.canonicalize())
        .map_err(|error| Fault::other(format!("use the directory {}", path.display()), error))
}
