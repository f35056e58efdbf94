//! One cluster of real processes under test: its nodes, a client of the whole, and the judgements that tests share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures::StreamExt as _;
use quorla_cli::local::{Cluster, NodeProcess, Settings};
use quorla_client::{
    AttemptOutcome, Client, ErrorCode, JobId, JobState, JobView, NodeRole, NodeView, Options, ReadLevel,
};

use crate::binary;
use crate::eventually::{eventually, eventually_holds};

/// Lines of each node's log that a red test shows.
const LOG_LINES_SHOWN: usize = 60;
const WAITS_IN_FLIGHT: usize = 64;
const HASH_TIMEOUT_MS: u64 = 60_000;

/// See the module. Dropped, it kills what runs; in a red test it shows the ends of the logs first.
pub struct Trial {
    /// The processes.
    pub cluster: Cluster,
    /// A patient client of all of them.
    pub client: Client,
}

/// The program under test.
#[must_use]
pub fn program() -> PathBuf {
    binary::quorla()
}

/// So many nodes of the dev binary, four slots each.
#[must_use]
pub fn settings(nodes: usize) -> Settings {
    let log_filter = "info,openraft=error,ractor_cluster=warn".to_owned();
    Settings { nodes, binary: Some(program()), slots: Some(4), log_filter, ..Settings::default() }
}

/// The same with one more variable in every node's environment: `QUORLA__LEASE__TTL`, `3s`.
#[must_use]
pub fn with(mut settings: Settings, variable: &str, value: &str) -> Settings {
    settings.environment.push((variable.to_owned(), value.to_owned()));
    settings
}

/// The same with leases that run out while a test can wait for it.
#[must_use]
pub fn with_short_leases(settings: Settings) -> Settings {
    with(with(settings, "QUORLA__LEASE__TTL", "3s"), "QUORLA__LEASE__SKEW", "500ms")
}

impl Trial {
    /// Starts a cluster and waits until all its nodes serve and vote.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(settings: Settings) -> Self {
        let cluster = Cluster::start(settings).await.unwrap_or_else(|fault| panic!("start the cluster: {fault:?}"));
        let client = cluster.client().await.expect("a cluster that has formed takes clients");
        Self { cluster, client }
    }

    /// Options for exactly one node.
    #[must_use]
    pub fn options_of(&self, position: usize) -> Options {
        let ready = self.cluster.nodes()[position].ready().expect("the node was ready once");
        self.cluster.options().pinned_to(ready.quic.clone())
    }

    /// A client of exactly one node.
    ///
    /// # Panics
    /// When the node does not answer.
    pub async fn pinned(&self, position: usize) -> Client {
        Client::connect(self.options_of(position)).await.expect("the node answers")
    }

    /// A client of exactly one node that tries once.
    ///
    /// # Panics
    /// When the node does not answer.
    pub async fn impatient(&self, position: usize) -> Client {
        let mut options = self.options_of(position);
        options.rules.give_up_after_ms = 1;
        Client::connect(options).await.expect("the node answers")
    }

    /// The leader's position.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn leader(&self) -> usize {
        self.cluster.leader().await.unwrap_or_else(|fault| panic!("find the leader: {fault:?}"))
    }

    /// The position of the node with this name.
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn position(&self, name: &str) -> usize {
        self.cluster.position(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    /// One node's process.
    pub fn node(&mut self, position: usize) -> &mut NodeProcess {
        self.cluster.node(position)
    }

    /// One node as the ledger and the leader see it.
    ///
    /// # Panics
    /// When the cluster does not answer.
    pub async fn view_of(&self, position: usize) -> NodeView {
        let name = &self.cluster.nodes()[position].name;
        let nodes = self.client.nodes().await.expect("the cluster answers");
        nodes.into_iter().find(|node| node.name == *name).unwrap_or_else(|| panic!("{name} is in the ledger"))
    }

    /// Waits until the node votes again, under an id that its former storage never had.
    pub async fn comes_back_anew(&self, position: usize, former: Option<u64>) {
        eventually_holds("it votes as another incarnation", async || {
            let view = self.view_of(position).await;
            matches!(view.role, NodeRole::Follower | NodeRole::Leader) && view.raft_id > former
        })
        .await;
    }

    /// Waits until the job's latest attempt is assigned, and gives the job.
    pub async fn running(&self, job: JobId) -> JobView {
        eventually("the job runs", async || {
            let view = self.client.info(job).await.ok()?;
            (view.state == JobState::Running).then_some(view)
        })
        .await
    }

    /// Waits for the job's end with as much patience as a test has.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&self, job: JobId) -> JobView {
        eventually("the job ends", async || self.client.wait(job, Some(10_000)).await.ok()).await
    }

    /// Every one of these jobs succeeded, with exactly one accepted result each (I1, I3).
    ///
    /// # Panics
    /// When one did not.
    pub async fn all_have_one_result(&self, jobs: &[JobId]) {
        let mut ended = futures::stream::iter(jobs).map(|job| self.ended(*job)).buffer_unordered(WAITS_IN_FLIGHT);
        while let Some(view) = ended.next().await {
            assert_eq!(view.state, JobState::Succeeded, "{view:?}");
            assert_eq!(results(&view), 1, "{view:?}");
            assert!(view.attempts.windows(2).all(|pair| pair[0].fence < pair[1].fence), "fences rise: {view:?}");
        }
    }

    /// The content hashes of all replicas at one index are equal (I13).
    ///
    /// # Panics
    /// When they are not, or one replica has none.
    pub async fn replicas_agree(&self) {
        let index = self.client.mark_content_hash().await.expect("a mark is accepted");
        let mut hashes = BTreeMap::new();
        for position in 0..self.cluster.nodes().len() {
            let pinned = self.pinned(position).await;
            let hash = pinned.content_hash(index, HASH_TIMEOUT_MS).await.expect("every replica reaches the mark");
            assert_eq!(hash.index, index);
            hashes.insert(hash.node, hash.hash);
        }
        assert_eq!(hashes.len(), self.cluster.nodes().len(), "each replica has a hash of its own: {hashes:?}");
        let first = hashes.values().next();
        assert!(hashes.values().all(|hash| Some(hash) == first), "the replicas differ at {index}: {hashes:?}");
    }

    /// Whether the ledger has no such job.
    ///
    /// # Panics
    /// When the cluster does not answer.
    pub async fn knows_nothing_of(&self, job: JobId) -> bool {
        let client = self.client.reading(ReadLevel::Linearizable);
        match client.info(job).await {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::NotFound.as_str(), "{error}");
                true
            }
        }
    }

    /// Stops all nodes, thawing what is frozen.
    ///
    /// # Panics
    /// When one does not stop by itself.
    pub async fn stop(mut self) {
        for position in 0..self.cluster.nodes().len() {
            // One that does not run needs no thawing.
            self.cluster.node(position).thaw().ok();
        }
        for position in 0..self.cluster.nodes().len() {
            let stopped = self.cluster.node(position).stop().await;
            stopped.unwrap_or_else(|fault| panic!("stop a node: {fault:?}"));
        }
    }
}

/// Accepted results of a job.
#[must_use]
pub fn results(view: &JobView) -> usize {
    view.attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Succeeded).count()
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in self.cluster.nodes() {
            let text = std::fs::read_to_string(&node.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- the end of the log of {}", node.name);
            lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].iter().for_each(|line| eprintln!("{line}"));
        }
    }
}
