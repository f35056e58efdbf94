//! The handle of a running group: propose, read, look, and feed it the streams that other members open.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorla_ledger::Ledger;
use quorla_ledger::ids::NodeKey;
use quorla_ledger::reply::Reply;
use quorla_ledger::units::Millis;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::directory::FOUNDING_RAFT_ID;
use crate::error::{NotLeader, ProposeError, ReadError, StartError};
use crate::fatal::Fatal;
use crate::forwarded;
use crate::keeper::Keeper;
use crate::keys::GroupId;
use crate::ledger_time::LedgerTime;
use crate::log_store::LogStore;
use crate::network::serve::{Raft, Server};
use crate::network::{Factory, Links};
use crate::proposer::{Lane, Proposer};
use crate::rounds::{Asked, Rounds};
use crate::route::Router;
use crate::settings::{Settings, Tuning};
use crate::state_store::{StateStore, View};
use crate::status::Status;
use crate::storage::{self, Storage};
use crate::transport::{Channel, Duplex, Transport, TransportError, broken};
use crate::types::Member;

mod tasks;

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadLevel {
    /// Sees everything that was acknowledged before the read began (ReadIndex, R13).
    Linearizable,
    /// Sees at least this index.
    AtLeast(u64),
    /// Whatever is here.
    Stale,
}

/// How often and how long a shutdown looks whether the stores are free.
const RELEASE_LOOKS: u32 = 400;
const RELEASE_INTERVAL: Duration = Duration::from_millis(5);
/// How long a read waits for the state to catch up.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(5);

/// A running group; clones share it.
#[derive(Clone)]
pub struct Consensus {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<Storage>,
    group: GroupId,
    server: Server,
    router: Router,
    proposer: Arc<Proposer>,
    rounds: Arc<Rounds>,
    time: Arc<LedgerTime>,
    is_new: bool,
    status: watch::Receiver<Status>,
    recovered: watch::Receiver<bool>,
    membership_turn: Semaphore,
    member: Member,
    closing: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Consensus {
    /// Opens log and state of a group and joins it. The group is idle until it is founded or hears from a leader.
    ///
    /// # Errors
    /// When log or state can't be opened, or prove a loss (R1, R2).
    pub async fn start(
        settings: Settings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let Settings { storage, group, node_key, address, tuning, defect } = settings;
        let opened = open_stores(Arc::clone(&storage), group, &tuning, defect).await?;
        let raft_id = storage.identity().raft_id.0;
        let is_new = opened.log.is_new().map_err(StartError::io("read the log in", storage.path()))?;
        let time = Arc::new(LedgerTime::new(clock, raft_id));
        let links = Arc::new(Links { transport, group, raft_id, time: Arc::clone(&time) });
        let raft = start_raft(&tuning, group, &links, &opened).await?;
        let server = Server { raft: raft.clone(), links: Arc::clone(&links), state: opened.state.clone() };
        let router = Router::new(&raft, Arc::clone(&time), tuning.silence_ms_max());
        let proposer = Proposer::new(&tuning);
        let rounds = Arc::new(Rounds::default());
        let (status_sender, status) = watch::channel(Status { raft_id, ..Status::default() });
        let (recovered_sender, recovered) = watch::channel(false);
        let consensus = Self {
            inner: Arc::new(Inner {
                storage,
                group,
                server,
                router,
                proposer,
                rounds,
                time,
                is_new,
                status,
                recovered,
                membership_turn: Semaphore::new(1),
                member: Member { node_key, address },
                closing: watch::Sender::new(false),
                tasks: Mutex::default(),
            }),
        };
        consensus.spawn_tasks(Keeper::new(&consensus, opened.log, tuning, status_sender), recovered_sender);
        Ok(consensus)
    }

    /// Whether the log held nothing when it was opened, or no more than a founding that was cut short.
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }

    /// Creates the group with this storage as its only voter, and proposes the founding command.
    ///
    /// Repeating it on a founded group only proposes the command again, which the ledger refuses.
    ///
    /// # Errors
    /// As `propose`; `NotLeader` also on a storage that is not the founding one.
    pub async fn found(&self, command: Vec<u8>) -> Result<Reply, ProposeError> {
        let raft_id = self.storage().identity().raft_id;
        if raft_id != FOUNDING_RAFT_ID {
            return Err(ProposeError::NotLeader { leader: self.router().leader() });
        }
        let members = std::collections::BTreeMap::from([(raft_id.0, self.inner.member.clone())]);
        // An initialized group says so, and goes on with what it has.
        if let Err(error) = self.raft().initialize(members).await {
            tracing::info!(%error, "the group exists");
        }
        self.propose(Lane::Owner, command).await
    }

    /// Proposes one encoded command and returns its reply once it is applied here or on the leader.
    ///
    /// # Errors
    /// See [`ProposeError`]: refused for certain, or unknown (R9).
    pub async fn propose(&self, lane: Lane, command: Vec<u8>) -> Result<Reply, ProposeError> {
        self.inner.proposer.propose(lane, command).await
    }

    /// Proposes up to 256 commands that enter one entry together, each with its own reply.
    ///
    /// # Errors
    /// As `propose`; `TooLarge` also for more commands than an entry may have.
    pub async fn propose_many(&self, lane: Lane, commands: Vec<Vec<u8>>) -> Result<Vec<Reply>, ProposeError> {
        self.inner.proposer.propose_many(lane, commands).await
    }

    /// A view of the tables that is as fresh as asked for.
    ///
    /// # Errors
    /// When no quorum answered, or the state did not catch up, in time.
    pub async fn read(&self, level: ReadLevel) -> Result<View, ReadError> {
        if !*self.inner.recovered.borrow() && level != ReadLevel::Stale {
            self.wait_recovered().await?;
        }
        match level {
            ReadLevel::Stale => {}
            ReadLevel::AtLeast(index) => self.wait_applied(index).await?,
            ReadLevel::Linearizable => {
                let index = self.inner.rounds.next(Asked::Anywhere).await;
                let index = index.map_err(|NotLeader { leader }| ReadError::NoQuorum { leader })?;
                self.wait_applied(index).await?;
            }
        }
        Ok(self.state().view()?)
    }

    async fn wait_recovered(&self) -> Result<(), ReadError> {
        let mut recovered = self.inner.recovered.clone();
        match tokio::time::timeout(CATCH_UP_PATIENCE, recovered.wait_for(|recovered| *recovered)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ReadError::Recovering),
        }
    }

    async fn wait_applied(&self, wanted: u64) -> Result<(), ReadError> {
        let mut applied = self.state().applied();
        let waited = tokio::time::timeout(CATCH_UP_PATIENCE, applied.wait_for(|applied| *applied >= wanted)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ReadError::Behind { wanted, applied: *self.state().applied().borrow() }),
        }
    }

    /// Looks at the hot state. The closure must be short: apply waits for it.
    pub fn inspect<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        self.state().inspect(look)
    }

    /// Completes with a round of the quorum that started after the call: this node still led then (R16).
    ///
    /// # Errors
    /// When this node does not lead, or no majority answered in time.
    pub async fn quorum_round(&self) -> Result<(), NotLeader> {
        self.inner.rounds.next(Asked::Here).await.map(|_| ())
    }

    /// The newest status.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// The applied index, as a doorbell.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.state().applied()
    }

    /// Ledger time as this node would stamp it now; only the leader's is used (R7).
    pub fn ledger_time(&self) -> Millis {
        self.inner.time.read().max(self.inspect(Ledger::clock))
    }

    /// What ends this node, once something does. The node says so and stops.
    pub fn fatal(&self) -> watch::Receiver<Option<Fatal>> {
        self.storage().fatal()
    }

    /// Hands leadership to a voter; it has happened when the status says so.
    ///
    /// # Errors
    /// When raft has ended.
    pub async fn transfer_leader(&self, to: u64) -> Result<(), NotLeader> {
        self.raft().trigger().transfer_leader(to).await.map_err(|_| NotLeader { leader: self.router().leader() })
    }

    /// Builds a snapshot now; openraft purges the log below it. A failure costs nothing but the snapshot (R22).
    ///
    /// # Errors
    /// What could not be written or read; the log is kept.
    pub async fn snapshot(&self) -> Result<(), crate::StateError> {
        let state = self.state().clone();
        let built = tokio::task::spawn_blocking(move || state.build_snapshot()).await;
        let joined = |error| crate::StateError::Snapshot {
            path: self.storage().path().to_path_buf(),
            reason: format!("building it ended: {error}"),
        };
        let snapshot = built.map_err(joined)??;
        self.state().shared().shelf.prepare(snapshot);
        // A raft that has stopped needs no snapshot.
        let _ = self.raft().trigger().snapshot().await;
        Ok(())
    }

    /// Serves a stream that a member opened, until it ends. The node has checked the key.
    ///
    /// # Errors
    /// When the stream broke or its peer said what makes no sense.
    pub async fn accept(&self, from: NodeKey, channel: Channel, duplex: Duplex) -> Result<(), TransportError> {
        let mut closing = self.inner.closing.subscribe();
        let server = self.server();
        let served = async {
            match channel {
                Channel::VOTE => server.serve_votes(from.0, duplex).await,
                Channel::APPEND => server.serve_append(from.0, duplex).await,
                Channel::SNAPSHOT => server.serve_snapshot(from.0, duplex).await,
                Channel::FORWARD => forwarded::serve(self, from.0, duplex).await,
                other => Err(broken(format_args!("nobody answers {other}"))),
            }
        };
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => Ok(()),
            result = served => result,
        }
    }

    /// Stops the group: refuses what waits, ends raft, makes the state durable. `Storage::close` comes after it.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks());
        while tasks.join_next().await.is_some() {}
        if let Err(error) = self.raft().shutdown().await {
            tracing::warn!(%error, "raft did not end cleanly");
        }
        self.wait_released().await;
        let state = self.state().clone();
        let flushed = tokio::task::spawn_blocking(move || state.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!(?flushed, "the state is not flushed, the next start replays more of the log");
        }
    }

    /// openraft's workers let go of the stores a moment after it has ended; then another start finds them closed.
    async fn wait_released(&self) {
        for _ in 0..RELEASE_LOOKS {
            if self.state().is_last_handle() {
                return;
            }
            tokio::time::sleep(RELEASE_INTERVAL).await;
        }
        tracing::warn!("the state is still in use after the group has ended");
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group.
    pub fn group(&self) -> GroupId {
        self.inner.group
    }

    /// The storage that it lives in.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.inner.storage
    }

    pub(crate) fn server(&self) -> &Server {
        &self.inner.server
    }

    pub(crate) fn raft(&self) -> &Raft {
        &self.inner.server.raft
    }

    pub(crate) fn links(&self) -> &Arc<Links> {
        &self.inner.server.links
    }

    pub(crate) fn state(&self) -> &StateStore {
        &self.inner.server.state
    }

    pub(crate) fn router(&self) -> &Router {
        &self.inner.router
    }

    pub(crate) fn proposer(&self) -> &Arc<Proposer> {
        &self.inner.proposer
    }

    pub(crate) fn rounds(&self) -> &Arc<Rounds> {
        &self.inner.rounds
    }

    pub(crate) fn membership_turn(&self) -> &Semaphore {
        &self.inner.membership_turn
    }

    pub(crate) fn time(&self) -> &Arc<LedgerTime> {
        &self.inner.time
    }

    pub(crate) fn recovered(&self) -> bool {
        *self.inner.recovered.borrow()
    }
}

struct Opened {
    log: LogStore,
    state: StateStore,
}

async fn open_stores(
    storage: Arc<Storage>,
    group: GroupId,
    tuning: &Tuning,
    defect: quorla_ledger::defect::Defect,
) -> Result<Opened, StartError> {
    let cache_bytes_max = tuning.log_cache_bytes_max;
    let path = storage.path().to_path_buf();
    let opening = tokio::task::spawn_blocking(move || {
        let log = LogStore::new(Arc::clone(storage.log()), group, cache_bytes_max);
        let log = log.map_err(StartError::io("read the log in", storage.path()))?;
        let state = StateStore::open(storage.state_options(group, defect))?;
        storage::check_group(&storage, &log, &state)?;
        storage.directory().note_started()?;
        Ok(Opened { log, state })
    });
    opening.await.map_err(|error| StartError::io("open", &path)(std::io::Error::other(error)))?
}

async fn start_raft(tuning: &Tuning, group: GroupId, links: &Arc<Links>, opened: &Opened) -> Result<Raft, StartError> {
    let raft_error = |reason: String| StartError::Raft { reason };
    let config = tuning.openraft_config(group).validate().map_err(|error| raft_error(error.to_string()))?;
    let factory = Factory { links: Arc::clone(links) };
    let raft = Raft::new(links.raft_id, Arc::new(config), factory, opened.log.clone(), opened.state.clone());
    raft.await.map_err(|error| raft_error(error.to_string()))
}
